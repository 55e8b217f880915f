"""A release that breaks a rule stays invisible: with the installed command, on a site that goes on serving."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest
from rdflib import SKOS, Literal, URIRef

from tests.conftest import ROOT, SAMPLE, Serving, environment, free_port, vaven
from tests.publisher.test_publish import COUNT, SLUG, change_a_value, state
from vaven.catalogue.app import create_app
from vaven.publisher.integrity import run
from vaven.publisher.metadata.rules import published_vocabulary
from vaven.publisher.publish import SubmissionRefused, publish
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases import release
from vaven.publisher.releases.areas import ReleasedArea, released_areas
from vaven.publisher.releases.records import Records, StepRecord
from vaven.publisher.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def spoilt_house(tmp_path: Path) -> Path:
    """The project with a data structure definition in which somebody deleted a range, to be put on Python's path."""
    house = tmp_path / "house"
    (house / "vaven").mkdir(parents=True)
    for room in ("schemas", "publisher", "catalogue"):
        (house / "vaven" / room).symlink_to(ROOT / room)
    vocab = Path(shutil.copytree(ROOT / "vocab", house / "vaven" / "vocab"))
    structure = (vocab / "rdf" / "structure.ttl").read_text("utf-8")
    spoilt = structure.replace('"reference area"@en ; rdfs:range :Area ;', '"reference area"@en ;')
    assert spoilt != structure
    (vocab / "rdf" / "structure.ttl").write_text(spoilt, "utf-8")
    return house


def steps(settings: Settings, version: int) -> list[StepRecord]:
    records = Records(settings.database)
    try:
        return list(records.steps(SLUG, version))
    finally:
        records.close()


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        body: str = answer.read().decode("utf-8")
    return body


def seen(url: str) -> list[str]:
    """What readers get: page, feed, download and endpoint."""
    query = f"sparql?query={quote(COUNT)}"
    paths = (f"dataset/{SLUG}", "catalog.ttl", f"dataset/{SLUG}/1/observations.csv", query)
    return [get(url + path) for path in paths]


def test_a_spoilt_vocabulary_keeps_a_release_back_and_the_same_command_works_once_it_is_mended(
    package: Path, spoilt_house: Path, tmp_path: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    good = environment(home, port)
    spoilt = {**good, "PYTHONPATH": os.fspath(spoilt_house)}
    assert vaven("publish", package, environment=good).returncode == 0
    with Serving(home, port, good) as site:
        before = seen(site.url)
        change_a_value(package)
        refused = vaven("publish", package, environment=spoilt)
        assert refused.returncode == 1, refused.stdout + refused.stderr
        assert "[integrity-ic-4]" in refused.stdout
        assert "sdmx-dimension:refArea säger inte vad dess värden är" in refused.stdout
        assert "den förra utgåvan ligger kvar" in refused.stdout
        assert "Traceback" not in refused.stderr
        in_english = vaven("publish", package, "--lang", "en", environment=spoilt)
        assert in_english.returncode == 1
        assert "does not say what its values are" in in_english.stdout
        assert seen(site.url) == before
        settings = Settings(home=home)
        assert [s.result for s in steps(settings, 2) if s.step == "integrity"] == ["ic-4 1", "ic-4 1"]
        assert not (home / "releases" / SLUG / "2").exists()
        mended = vaven("publish", package, environment=good)
        assert mended.returncode == 0, mended.stdout + mended.stderr
        assert "version 2" in mended.stdout
        assert seen(site.url) != before


def test_an_address_that_is_none_is_refused_and_told(settings: Settings, package: Path) -> None:
    publish(package, settings)
    before = state(settings)
    with (package / "datapackage.json").open(encoding="utf-8") as file:
        descriptor = json.load(file)
    descriptor["vaven"]["contact"] = {"name": "Anna", "email": "anna andersson"}
    (package / "datapackage.json").write_text(json.dumps(descriptor), "utf-8")
    with pytest.raises(SubmissionRefused) as refused:
        publish(package, settings)
    (finding,) = [f for f in refused.value.report.findings if f.code == "integrity-iri"]
    assert finding.text == "mailto:anna andersson"
    assert "mailto:anna andersson" in finding.message("sv")
    assert state(settings) == before
    descriptor["vaven"]["contact"]["email"] = "anna@exempel.se"
    (package / "datapackage.json").write_text(json.dumps(descriptor), "utf-8")
    assert publish(package, settings).version == 2


def test_rows_that_nothing_can_be_made_of_are_named_by_sheet_and_cell(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the check knew an area that publishing does not."""
    known = released_areas

    def fewer(*given: Any) -> dict[str, ReleasedArea]:
        return {code: place for code, place in known(*given).items() if code != "0180C6070"}

    monkeypatch.setattr(release, "released_areas", fewer)
    with pytest.raises(SubmissionRefused) as refused:
        publish(SAMPLE / "exempel.xlsx", settings)
    found = [f for f in refused.value.report.findings if f.code == "integrity-code"]
    book = openpyxl.load_workbook(SAMPLE / "exempel.xlsx")
    assert len(found) == 20
    assert {f.sheet for f in found} == {"Observationer"}
    assert {book["Observationer"][f"{f.column}{f.row}"].value for f in found} == {"0180C6070"}
    rows = [row[0].value for row in book["Observationer"].rows]
    assert refused.value.report.counts["integrity-code"] == rows.count("0180C6070")
    assert Collection(settings).datasets() == ()


def test_a_refused_release_that_is_killed_on_its_way_ends_the_same(
    settings: Settings, package: Path, spoilt_house: Path
) -> None:
    """Killed while it is judged, then judged by a good vocabulary: the version that nobody saw is taken up."""
    publish(package, settings)
    before = state(settings)
    change_a_value(package)
    driver = ROOT / "tests" / "publisher" / "publish_and_die.py"
    command = [sys.executable, str(driver), str(settings.home), str(package), "integrity"]
    for house in (spoilt_house, None):
        path = {"PYTHONPATH": os.fspath(house)} if house else {}
        done = subprocess.run(command, timeout=120, check=False, env={**os.environ, **path})
        assert done.returncode == -signal.SIGKILL
        assert state(settings) == before
    assert publish(package, settings).version == 2


def test_every_finding_has_its_help(settings: Settings, package: Path) -> None:
    client = create_app(settings).test_client()
    index = client.get("/help").text
    for code in run.CODES:
        assert f'href="/help/{code}"' in index
        assert client.get(f"/help/{code}").status_code == 200


def test_a_lone_file_is_led_back_to_as_well(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a sheet of areas an area's fault stands in the rows of observations."""
    path = tmp_path / "Trygghet.csv"
    path.write_text("Område;Nyckeltal;År;Värde\n0180C6070;trygg-morker;2023;57,5\n0180C6090;trygg-morker;2024;59,8\n")
    words = published_vocabulary(settings.iris)
    area = URIRef(settings.iris.area("deso2018", "0180C6090"))
    words.add((area, SKOS.prefLabel, Literal("Ett annat namn", lang="sv")))
    monkeypatch.setattr(run, "published_vocabulary", lambda _: words)
    with pytest.raises(SubmissionRefused) as refused:
        publish(path, settings)
    (finding,) = [f for f in refused.value.report.findings if f.code == "integrity-skos-s14"]
    assert (finding.address, finding.text) == ("A3", "0180C6090")
    assert "Ett annat namn" in finding.message("sv")
