"""Licence and publisher are stated before a dataset is published, and what else was not stated is told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reading import ANSWER_OPTIONS
from vaven.catalogue.cli.main import main
from vaven.publisher.publish import SubmissionRefused, publish
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.schemas.standard.read_options import ReadOptions

TABLE = "neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,{value}\n"
LICENCE_AND_PUBLISHER = ReadOptions(licence="CC BY 4.0", publisher="Bostadsbolaget")
REQUESTED = ["title_sv", "description_sv", "publisher_sector", "contact_name", "contact_email", "keywords_sv"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "trygghet.csv"
    path.write_text(TABLE.format(value=50))
    return path


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / "home")
    monkeypatch.setenv("VAVEN_HOME", str(settings.home))
    monkeypatch.chdir(tmp_path)
    return settings


def versions(settings: Settings) -> list[int]:
    with Records(settings.database) as records:
        return [record.version for record in records.finished()]


@pytest.mark.parametrize(
    ("language", "items"),
    [("sv", "Filen anger inte licens och utgivare."), ("en", "The file does not state licence and publisher.")],
)
def test_a_table_without_answers_is_refused(
    settings: Settings, table: Path, capsys: pytest.CaptureFixture[str], language: str, items: str
) -> None:
    assert main(["publish", str(table), "--lang", language]) == 1
    text = capsys.readouterr().out
    assert items in text
    assert "--licence cc-by" in text
    assert '--publisher "' in text
    assert versions(settings) == []


def test_errors_and_missing_answers_are_listed_at_once(settings: Settings, table: Path) -> None:
    table.write_text(TABLE.format(value=500))
    with pytest.raises(SubmissionRefused) as refused:
        publish(table, settings, choices=ReadOptions(publisher="Bostadsbolaget"))
    report = refused.value.report
    assert (report.verdict, report.counts) == ("invalid", {"metadata-unanswered": 1, "kpi-range": 1})
    (finding,) = [f for f in report.findings if f.code == "metadata-unanswered"]
    assert "utgivare" not in finding.message("sv")
    assert "--publisher" not in finding.remedy("sv")


def test_answers_by_options_are_published_and_the_receipt_states_them(
    settings: Settings, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(table), *ANSWER_OPTIONS]) == 0
    assert "version 1" in capsys.readouterr().out
    release = settings.home / "releases" / "trygghet" / "1"
    receipt = json.loads((release / "report.json").read_text("utf-8"))
    assert receipt["choices"] == {"licence": "cc-by", "publisher": "Den sociala väven"}
    (note,) = [note for note in receipt["assumptions"] if note["code"] == "metadata-requested"]
    assert "Titeln visas som beskrivning." in note["message"]
    with Records(settings.database) as records:
        manifest = records.finished()[0].complete_manifest
    assert (manifest.about.licence, list(manifest.defaults)) == ("cc-by", REQUESTED)


def test_a_correction_keeps_the_answers_of_the_current_version(settings: Settings, table: Path) -> None:
    publish(table, settings, choices=LICENCE_AND_PUBLISHER)
    table.write_text(TABLE.format(value=51))
    report = publish(table, settings).report
    (note,) = [note for note in report.assumptions if note.code == "assumed-answers"]
    assert "version 1" in note.message("sv")
    assert "Bostadsbolaget" in note.message("en")
    publish(table, settings, choices=ReadOptions(licence="cc0"))
    with Records(settings.database) as records:
        abouts = [record.complete_manifest.about for record in records.finished()]
    assert [(about.licence, about.publisher_name) for about in abouts] == [
        ("cc-by", "Bostadsbolaget"), ("cc-by", "Bostadsbolaget"), ("cc0", "Bostadsbolaget"),
    ]  # fmt: skip


def test_a_stated_licence_that_is_unknown_is_not_replaced(settings: Settings, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "observations.csv").write_text(TABLE.format(value=50))
    descriptor = {"name": "trygghet", "resources": [{"name": "observations", "path": "observations.csv"}]}
    for licences in ([{"name": "CC-BY-NC-4.0"}], [{"name": "cc-by"}, {"name": "ODbL-1.0"}]):
        (package / "datapackage.json").write_text(json.dumps(descriptor | {"licenses": licences}))
        publish_with = ReadOptions(publisher="Bostadsbolaget")
        with pytest.raises(SubmissionRefused) as refused:
            publish(package, settings, choices=publish_with)
        assert refused.value.report.counts["metadata-unknown"] == 1
    assert publish(package, settings, choices=LICENCE_AND_PUBLISHER).version == 1


def test_an_unknown_licence_option_names_the_licences(
    settings: Settings, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(table), "--licence", "mit", "--publisher", "Bostadsbolaget"]) == 2
    assert "cc0, cc-by" in capsys.readouterr().err
