"""Releases with violations stay invisible: tested with the installed command, on a site that keeps serving."""

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
from tests.reading import LICENCE_AND_PUBLISHER
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
def spoilt_project(tmp_path: Path) -> Path:
    """The project with a range deleted from its data structure definition, to be put on Python's path."""
    project = tmp_path / "project"
    (project / "vaven").mkdir(parents=True)
    for room in ("schemas", "publisher", "catalogue"):
        (project / "vaven" / room).symlink_to(ROOT / room)
    vocab = Path(shutil.copytree(ROOT / "vocab", project / "vaven" / "vocab"))
    structure = (vocab / "rdf" / "structure.ttl").read_text("utf-8")
    spoilt = structure.replace('"reference area"@en ; rdfs:range :Area ;', '"reference area"@en ;')
    assert spoilt != structure
    (vocab / "rdf" / "structure.ttl").write_text(spoilt, "utf-8")
    return project


def steps(settings: Settings, version: int) -> list[StepRecord]:
    records = Records(settings.database)
    try:
        return list(records.steps(SLUG, version))
    finally:
        records.close()


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as response:
        body: str = response.read().decode("utf-8")
    return body


def reader_view(url: str) -> list[str]:
    """Return the texts that readers see: page, feed, download and endpoint."""
    query = f"sparql?query={quote(COUNT)}"
    paths = (f"dataset/{SLUG}", "catalog.ttl", f"dataset/{SLUG}/1/observations.csv", query)
    return [get(url + path) for path in paths]


def test_a_vocabulary_with_an_error_blocks_a_release_until_it_is_fixed(
    package: Path, spoilt_project: Path, tmp_path: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    good = environment(home, port)
    spoilt = {**good, "PYTHONPATH": os.fspath(spoilt_project)}
    assert vaven("publish", package, environment=good).returncode == 0
    with Serving(home, port, good) as site:
        before = reader_view(site.url)
        change_a_value(package)
        refused = vaven("publish", package, environment=spoilt)
        assert refused.returncode == 1, refused.stdout + refused.stderr
        assert "[integrity-ic-4]" in refused.stdout
        assert "sdmx-dimension:refArea har ingen värdemängd" in refused.stdout
        assert "Den förra versionen visas fortfarande." in refused.stdout
        assert "Traceback" not in refused.stderr
        in_english = vaven("publish", package, "--lang", "en", environment=spoilt)
        assert in_english.returncode == 1
        assert "has no range (Data Cube, IC-4)" in in_english.stdout
        assert reader_view(site.url) == before
        settings = Settings(home=home)
        assert [s.result for s in steps(settings, 2) if s.step == "integrity"] == ["ic-4 1", "ic-4 1"]
        assert not (home / "releases" / SLUG / "2").exists()
        retried = vaven("publish", package, environment=good)
        assert retried.returncode == 0, retried.stdout + retried.stderr
        assert "version 2" in retried.stdout
        assert reader_view(site.url) != before


def test_an_invalid_iri_is_refused_and_reported(settings: Settings, package: Path) -> None:
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


def test_rows_with_unknown_codes_are_located_by_sheet_and_cell(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulate an area that the check knows and publishing does not."""
    known = released_areas

    def without_one(*arguments: Any) -> dict[str, ReleasedArea]:
        return {code: area for code, area in known(*arguments).items() if code != "0180C6070"}

    monkeypatch.setattr(release, "released_areas", without_one)
    with pytest.raises(SubmissionRefused) as refused:
        publish(SAMPLE / "exempel.xlsx", settings)
    findings = [f for f in refused.value.report.findings if f.code == "integrity-code"]
    book = openpyxl.load_workbook(SAMPLE / "exempel.xlsx")
    assert len(findings) == 20
    assert {f.sheet for f in findings} == {"Observationer"}
    assert {book["Observationer"][f"{f.column}{f.row}"].value for f in findings} == {"0180C6070"}
    rows = [row[0].value for row in book["Observationer"].rows]
    assert refused.value.report.counts["integrity-code"] == rows.count("0180C6070")
    assert Collection(settings).datasets() == ()


def test_a_refused_release_killed_midway_ends_in_the_same_state(
    settings: Settings, package: Path, spoilt_project: Path
) -> None:
    """Killed during the check, then checked with a valid vocabulary: the invisible version is taken up again."""
    publish(package, settings)
    before = state(settings)
    change_a_value(package)
    driver = ROOT / "tests" / "publisher" / "publish_and_die.py"
    command = [sys.executable, str(driver), str(settings.home), str(package), "integrity"]
    for project in (spoilt_project, None):
        path = {"PYTHONPATH": os.fspath(project)} if project else {}
        done = subprocess.run(command, timeout=120, check=False, env={**os.environ, **path})
        assert done.returncode == -signal.SIGKILL
        assert state(settings) == before
    assert publish(package, settings).version == 2


def test_every_violation_code_has_a_help_page(settings: Settings, package: Path) -> None:
    client = create_app(settings).test_client()
    index = client.get("/help").text
    for code in run.CODES:
        assert f'href="/help/{code}"' in index
        assert client.get(f"/help/{code}").status_code == 200


def test_violations_are_located_in_a_single_file_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a sheet of areas, an area's violation is located in the rows of observations."""
    path = tmp_path / "Trygghet.csv"
    path.write_text("Område;Nyckeltal;År;Värde\n0180C6070;trygg-morker;2023;57,5\n0180C6090;trygg-morker;2024;59,8\n")
    vocabulary = published_vocabulary(settings.iris)
    area = URIRef(settings.iris.area("deso2018", "0180C6090"))
    vocabulary.add((area, SKOS.prefLabel, Literal("Ett annat namn", lang="sv")))
    triples = vocabulary.serialize(format="nt", encoding="utf-8")
    monkeypatch.setattr(run, "vocabulary_triples", lambda _: triples)
    with pytest.raises(SubmissionRefused) as refused:
        publish(path, settings, choices=LICENCE_AND_PUBLISHER)
    (finding,) = [f for f in refused.value.report.findings if f.code == "integrity-skos-s14"]
    assert (finding.address, finding.text) == ("A3", "0180C6090")
    assert "Ett annat namn" in finding.message("sv")
