"""docs/architecture.md and CONTRIBUTING.md describe the tree as it is."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = ("vocab", "schemas", "publisher", "catalogue")
DOCUMENTS = ("docs/architecture.md", "CONTRIBUTING.md")
# Words in capitals are for the reader to fill in.
PATH = re.compile(r"`((?:vocab|schemas|publisher|catalogue|tests|docs)/[\w./-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_the_document_names_exists(document: str) -> None:
    paths = [path for path in PATH.findall((ROOT / document).read_text("utf-8")) if not re.search("[A-Z]{2}", path)]
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_table_lists_the_packages_of_each_room_in_their_order() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for room in ROOMS:
        (row,) = re.findall(rf"^\| `{room}` – [^|]*\|([^|]*)\|$", text, re.MULTILINE)
        names = tuple(Path(name).stem for name in re.findall(r"`([^`]+)`", row))
        assert names == import_module(f"vaven.{room}").PACKAGES


def test_the_document_names_every_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for room in ROOMS:
        for folder in (ROOT / room).iterdir():
            if (folder / "__init__.py").exists():
                assert folder.name in text, folder


def test_the_documents_link_to_files_that_exist() -> None:
    for document in DOCUMENTS:
        path = ROOT / document
        for target in re.findall(r"\]\(((?!http)[^)#]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{document} links to {target}"
