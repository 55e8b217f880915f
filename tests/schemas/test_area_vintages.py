"""The vintage of an area's code: stated by SCB's suffix, the user or a package, reported, and published."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import environment, vaven
from tests.reading import ANSWER_OPTIONS, LICENCE_AND_PUBLISHER, validate
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.schemas.standard.finding import Report, Verdict
from vaven.vocab.areas import areas
from vaven.vocab.errors import WrongUse

UNCHANGED = "0180C6070"
# Of one division alone: what was drawn in 2025, and what was taken away then.
NEW = min(areas().deso2025.keys() - areas().deso2018.keys())
OLD = min(code for code in areas().deso2018.keys() - areas().deso2025.keys() if code.startswith("01"))


def written(folder: Path, *codes: str) -> Path:
    path = folder / "omraden.csv"
    rows = "".join(f"{code},trygg-morker,2024,55.5\n" for code in codes)
    path.write_text(f"neighbourhood,kpi,period,value\n{rows}")
    return path


def noted(report: Report) -> list[object]:
    return [note.params["vintage"] for note in report.assumptions if note.code == "assumed-vintage"]


def area_vintages(settings: Settings) -> dict[str, str]:
    with Records(settings.database) as records:
        return {a.code: a.area_vintage for r in records.finished() for a in r.complete_manifest.areas}


def test_by_default_the_oldest_vintage_that_contains_a_code_is_assumed_and_reported(tmp_path: Path) -> None:
    report = validate(written(tmp_path, UNCHANGED, NEW), choices=LICENCE_AND_PUBLISHER)
    assert (report.verdict, noted(report)) == (Verdict.VALID, ["2018"])
    (note,) = [note for note in report.assumptions if note.code == "assumed-vintage"]
    assert (note.params["count"], note.params["examples"]) == (1, UNCHANGED)
    assert "Bestäm själv hur filen läses" in note.remedy("sv")
    publish(tmp_path / "omraden.csv", Settings(home=tmp_path), choices=LICENCE_AND_PUBLISHER)
    assert area_vintages(Settings(home=tmp_path)) == {UNCHANGED: "deso2018", NEW: "deso2025"}


@pytest.mark.parametrize("suffix", ["_DeSO2025", ""])
def test_the_stated_area_vintage_is_published(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path, UNCHANGED + suffix)
    chosen = [] if suffix else ["--vintage", "2025"]
    done = vaven("publish", path, "--dataset", "ny", *chosen, *ANSWER_OPTIONS, environment=environment(tmp_path, 8000))
    assert done.returncode == 0, done.stderr
    assert area_vintages(Settings(home=tmp_path)) == {UNCHANGED: "deso2025"}
    # The package that readers take home says it too.
    released = tmp_path / "releases" / "ny" / "1" / "datapackage.json"
    assert json.loads(released.read_text("utf-8"))["vaven"]["area_vintage"] == "2025"
    assert noted(validate(released)) == ["2025"]


def test_a_code_is_checked_against_the_chosen_area_vintage(tmp_path: Path) -> None:
    path = written(tmp_path, OLD)
    assert validate(path, choices=LICENCE_AND_PUBLISHER).verdict == Verdict.VALID
    report = validate(path, choices=replace(LICENCE_AND_PUBLISHER, vintage="2025"))
    assert report.counts == {"area-unknown": 1}
    assert validate(written(tmp_path, NEW), choices=replace(LICENCE_AND_PUBLISHER, vintage="2018")).counts == {
        "area-unknown": 1
    }


def test_the_chosen_area_vintage_overrides_contradicting_suffixes(tmp_path: Path) -> None:
    path = written(tmp_path, f"{UNCHANGED}_DeSO2018", f"{NEW}_DeSO2025")
    assert validate(path).counts == {"area-vintages-mixed": 1}
    assert noted(validate(path, choices=replace(LICENCE_AND_PUBLISHER, vintage="2025"))) == ["2025"]
    assert validate(written(tmp_path, f"{UNCHANGED}_DeSO2031")).counts == {"area-vintages-mixed": 1}


def test_the_same_codes_of_another_area_vintage_make_another_release(tmp_path: Path) -> None:
    path, settings = written(tmp_path, UNCHANGED), Settings(home=tmp_path)
    versions = [
        publish(path, settings, choices=replace(LICENCE_AND_PUBLISHER, vintage=v)).version
        for v in (None, "2025", "2025")
    ]
    assert versions == [1, 2, 2]


def test_the_parts_of_an_own_area_have_the_chosen_area_vintage(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "observations.csv").write_text("neighbourhood,kpi,period,value\neget,trygg-morker,2024,55.5\n")
    rows = f"code,level,name,municipality,deso_codes\neget,own,Eget,{NEW[:4]},{NEW}\n"
    (folder / "neighbourhoods.csv").write_text(rows)
    resources = [{"name": name, "path": f"{name}.csv"} for name in ("observations", "neighbourhoods")]
    for area_vintage, verdict in (("2025", Verdict.VALID_WITH_WARNINGS), ("2018", Verdict.INVALID)):
        described = {"name": "eget", "vaven": {"area_vintage": area_vintage}, "resources": resources}
        (folder / "datapackage.json").write_text(json.dumps(described))
        assert validate(folder).verdict == verdict
    assert validate(folder).counts["list-member-unknown"] == 1


def test_an_unknown_area_vintage_is_refused() -> None:
    with pytest.raises(WrongUse, match="2020"):
        replace(LICENCE_AND_PUBLISHER, vintage="2020")
