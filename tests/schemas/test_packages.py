"""Data packages: their descriptors are followed, and nothing outside them is opened."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reading import HEADER, OBSERVATIONS, ROW, refused, rows_of
from vaven.schemas.tables.read import read


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    def write(descriptor: Any = None, name: str = "package", **files: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        text = descriptor if isinstance(descriptor, str) else json.dumps(descriptor or {"resources": [OBSERVATIONS]})
        (folder / "datapackage.json").write_text(text, "utf-8")
        (folder / "o.csv").write_text(f"{HEADER}\n{ROW}\n", "utf-8")
        for file, content in files.items():
            (folder / file.replace("_csv", ".csv")).write_text(content, "utf-8")
        return folder

    return write


def test_a_folder_its_descriptor_and_its_zip_have_the_same_report(package: Callable[..., Path], tmp_path: Path) -> None:
    descriptor = {
        "name": "trygghet-2024",
        "title": "Trygghet",
        "licenses": [{"name": "CC-BY-4.0", "path": "https://creativecommons.org/licenses/by/4.0/deed.sv"}],
        "resources": [OBSERVATIONS],
        "vaven": {
            "title": {"en": "Safety"},
            "publisher": {"name": "Bolaget", "organisation_number": "556036-0793", "sector": "private"},
            "keywords": {"sv": ["trygghet"]},
        },
    }
    folder = package(descriptor)
    zip_path = tmp_path / "package.zip"
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"inner/{file.name}")
    for source in (folder, folder / "datapackage.json", zip_path):
        with read(source) as tables:
            about = tables.about
            assert (about.slug, about.licence, about.publisher_name) == ("trygghet-2024", "cc-by", "Bolaget")
            assert (about.titles, about.keywords) == ({"sv": "Trygghet", "en": "Safety"}, {"sv": ("trygghet",)})
            assert rows_of(tables)[0]["value"] == "5.5"


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../o.csv", "a/../../o.csv", "https://example.org/o.csv", "file:///o.csv", "..\\o.csv"]
)
def test_no_path_out_of_a_package_is_followed(package: Callable[..., Path], path: str) -> None:
    reason = refused(package({"resources": [{"name": "observations", "path": path}]}))
    assert (reason.code, reason.params["path"]) == ("not-readable-path", path)


@pytest.mark.parametrize("pointer", ["schema", "dialect"])
def test_no_url_in_a_descriptor_is_fetched(package: Callable[..., Path], pointer: str) -> None:
    address = "http://127.0.0.1:9/x.json"
    assert refused(package({"resources": [{**OBSERVATIONS, pointer: address}]})).code == "not-readable-path"


def test_a_profile_url_is_not_fetched(package: Callable[..., Path]) -> None:
    """Port 9 (discard) refuses connections: if the profile were fetched, the descriptor would be unreadable."""
    address = "http://127.0.0.1:9/profile.json"
    descriptor = {"profile": address, "$schema": address, "resources": [{**OBSERVATIONS, "profile": address}]}
    with read(package(descriptor)) as tables:
        assert tables.tables["observations"].row_count == 1


def test_a_symbolic_link_out_of_a_package_is_refused(package: Callable[..., Path], tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(f"{HEADER}\n{ROW}\n")
    folder = package()
    (folder / "o.csv").unlink()
    (folder / "o.csv").symlink_to(outside)
    assert refused(folder).code == "not-readable-path"


@pytest.mark.parametrize(
    ("descriptor", "code"),
    [
        ("{", "not-readable-json"),
        ("[" * 100_000, "not-readable-json-table"),
        ("null", "not-readable-descriptor"),
        ({"resources": []}, "not-readable-descriptor"),
        ({"resources": [{"name": "targets", "path": "o.csv"}]}, "not-readable-descriptor"),
        ({"resources": [OBSERVATIONS, OBSERVATIONS]}, "not-readable-descriptor"),
        ({"name": "Not A Slug", "resources": [OBSERVATIONS]}, "not-readable-descriptor"),
        ({"resources": [{"name": "observations", "path": ["o.csv", "gone.csv"]}]}, "not-readable-missing"),
        ({"resources": [{"name": "observations", "path": ["o.csv", "../o.csv"]}]}, "not-readable-path"),
        ({"resources": [{"name": "observations", "path": "gone.csv"}]}, "not-readable-missing"),
        ({"resources": [{"name": "observations", "path": "x" * 400}]}, "not-readable-missing"),
        ({"resources": [{"name": "observations", "path": "datapackage.json"}]}, "not-readable-resource"),
    ],
)
def test_an_invalid_descriptor_is_refused_with_the_reason(
    package: Callable[..., Path], descriptor: Any, code: str
) -> None:
    assert refused(package(descriptor)).code == code
