"""docs/architecture.md, CONTRIBUTING.md, comments and docstrings describe the tree as it is."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = ("vocab", "schemas", "publisher", "catalogue")
DOCUMENTS = ("docs/architecture.md", "CONTRIBUTING.md")
# Words in capitals are for the reader to fill in.
PATH = re.compile(r"`((?:vocab|schemas|publisher|catalogue|tests|docs)/[\w./-]+)`")
FOLDERS = (*ROOMS, "tests", "benchmarks")
# A module, query or catalogue of messages as comments name it, such as rules/areas.py.
SOURCE = re.compile(r"(?<![\w./<{…-])((?:[\w-]+/)*[\w-]+\.(?:py|rq|sql|sh))\b")
DOTTED = re.compile(r"\bvaven(?!\.toml)((?:\.\w+)+)")
COMMENTED = (".toml", ".rq", ".sql", ".ttl", ".sh")


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


def comments_and_docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each comment and docstring of a file with the number of its first line."""
    text = path.read_text("utf-8", errors="replace")
    if path.suffix != ".py":
        yield from ((i, line) for i, line in enumerate(text.split("\n"), 1) if line.lstrip().startswith(("#", "--")))
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and (docstring := ast.get_docstring(node)):
            yield node.body[0].lineno, docstring


def named_files() -> Iterator[tuple[str, str]]:
    """Yield the files that comments and docstrings name, with their location; a module as a path."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".py", *COMMENTED) or {"fuzz_cases", "cases", "node_modules", "vendor"} & {
                *path.parts
            }:
                continue
            for line, text in comments_and_docstrings(path):
                location = f"{path.relative_to(ROOT)}:{line}"
                yield from ((location, name) for name in SOURCE.findall(text))
                yield from ((location, name[1:].replace(".", "/")) for name in DOTTED.findall(text))


def test_comments_and_docstrings_name_files_that_exist() -> None:
    """A name may leave out folders at the beginning, and a module may be followed by a name in it."""
    files = {path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*")}
    modules = {file.removesuffix(".py") for file in files if file.endswith(".py")}

    def exists(name: str) -> bool:
        return {name, name.rpartition("/")[0]} & modules != set() or any(
            f"/{file}".endswith(f"/{name}") for file in files
        )

    named = list(named_files())
    assert len(named) > 30
    assert [f"{location}: {name}" for location, name in named if not exists(name)] == []
    assert not exists("publisher/publications.py")
    assert not exists("schemas/rules/thresholds.py")
    assert not exists("schemas/tabular")
