import json
import sqlite3
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from vaven.publisher.releases.manifest import Manifest

OLDER_HOME = ROOT / "tests" / "fixtures" / "older_home" / "home.tar.xz"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The manifests in the records of an older data folder."""
    folder: Path = tmp_path_factory.mktemp("older")
    with tarfile.open(OLDER_HOME) as archive:
        archive.extract("home/records.sqlite", folder, filter="data")
    connection = sqlite3.connect(folder / "home" / "records.sqlite")
    rows = connection.execute("SELECT manifest FROM releases WHERE visible_at IS NOT NULL").fetchall()
    connection.close()
    return [json.loads(row[0]) for row in rows]


def test_the_manifests_of_an_older_home_are_read_and_written_unchanged(stored: list[dict[str, Any]]) -> None:
    assert len(stored) == 4
    for manifest in stored:
        assert json.loads(json.dumps(Manifest.from_json(manifest).as_json())) == manifest


def test_a_manifest_that_lacks_later_properties_has_their_defaults(stored: list[dict[str, Any]]) -> None:
    manifest = stored[0]
    about = {"slug": manifest["about"]["slug"], "titles": manifest["about"]["titles"]}
    areas = [{key: p[key] for key in p if key not in ("parts", "geometry")} for p in manifest["places"]]
    older = {key: value for key, value in manifest.items() if key != "statistics"} | {"about": about, "places": areas}
    read = Manifest.from_json(older)
    assert (read.about.keywords, read.about.area_vintage, read.statistics) == ({}, "", {})
    assert {area.parts for area in read.areas} == {()}


def test_properties_that_a_newer_version_has_added_are_ignored(stored: list[dict[str, Any]]) -> None:
    manifest = stored[0]
    newer = {
        **manifest,
        "about": {**manifest["about"], "funder": "x"},
        "files": [{**file, "rows": 3} for file in manifest["files"]],
        "places": [{**area, "population": 1} for area in manifest["places"]],
        "checks": [],
    }
    assert Manifest.from_json(newer) == Manifest.from_json(manifest)


def test_a_manifest_has_typed_values(stored: list[dict[str, Any]]) -> None:
    manifest = next(m for m in map(Manifest.from_json, stored) if m.about.slug == "trygga-gardar")
    assert all(isinstance(day, date) for day in manifest.period)
    assert manifest.kommuner == ("0180",)
    file = manifest.file("observations.csv")
    assert file is not None
    assert file.media_type == "text/csv"
    assert manifest.file("absent.csv") is None
