"""`python -m tests.examples` writes catalogue/pages/examples.json: the bad case of each rule, for its help page."""

import csv
import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from vaven.schemas import validate
from vaven.schemas.formats.csv import delimiter_of
from vaven.schemas.formats.grid import column_index
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.formats.workbook import read_workbook
from vaven.schemas.standard.finding import Finding
from vaven.schemas.standard.labels import fold, known_labels
from vaven.schemas.standard.personal_number_forms import masked
from vaven.schemas.standard.read_options import DETECT
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab.messages import LANGUAGES

CASES = ROOT / "tests" / "cases"
TARGET = ROOT / "catalogue" / "pages" / "examples.json"
# Codes of tables with their own schema, which no help page explains.
WITHOUT_HELP_PAGE = ("table-", "not-readable-")
# Rows above and below the one with the error.
AROUND = 2


def examples() -> dict[str, Any]:
    """Return a table by rule code.

    `labels` are the header in each language; `rows` are line number and cells, the file's header first; `cells` the
    wrong ones.
    """
    tables: dict[str, Any] = {}
    for rule in sorted(CASES.iterdir()):
        if rule.name.startswith(WITHOUT_HELP_PAGE):
            continue
        # Workbooks come last: a text table shows its cells as they are.
        for folder in sorted(rule.iterdir(), key=lambda folder: ((folder / "input.xlsx").exists(), folder.name)):
            counts = json.loads((folder / "expected.json").read_text("utf-8"))["counts"]
            if rule.name in counts and rule.name not in tables and (example := _example(folder, rule.name)):
                tables[rule.name] = example
    return tables


def _example(folder: Path, code: str) -> dict[str, Any] | None:
    """Return None where the case is not a text table, or the finding is not about a table."""
    source = folder / shlex.split((folder / "cmd").read_text("utf-8"))[2]
    findings = [f for f in validate(source).findings if f.code == code]
    if findings[0].resource is None:
        return None
    file = source / f"{findings[0].resource}.csv" if source.is_dir() else source
    if file.suffix not in (".csv", ".xlsx") or not file.exists() or (file.suffix == ".xlsx" and not findings[0].row):
        return None
    records = _records(file)
    row = findings[0].row or 1
    numbers = [n for n in range(1, len(records) + 1) if n == 1 or abs(n - row) <= AROUND]
    width = max(len(records[n - 1]) for n in numbers)
    header = records[0] + [""] * (width - len(records[0]))
    cells = [_position(f) for f in findings if f.row in numbers]
    return {
        "labels": {language: _labels(header, findings[0].resource or "", cells, language) for language in LANGUAGES},
        # A missing cell is shown as an empty one, which can be marked.
        "rows": [
            [n, [masked(cell) for cell in records[n - 1]] + [""] * (width - len(records[n - 1]))] for n in numbers
        ],
        "cells": cells,
        "message": {language: findings[0].message(language) for language in LANGUAGES},
        "severity": findings[0].severity.value,
    }


def _records(file: Path) -> list[list[str]]:
    """Return the rows of a text table, or of the first sheet of a workbook."""
    if file.suffix == ".xlsx":
        with tempfile.TemporaryDirectory() as folder:
            grid = next(read_workbook(file, Path(folder) / "sheets"))
            return [cells for _, cells in grid.rows]
    encoding = content_of(file).encoding
    with file.open(encoding=encoding, newline="") as lines:
        return list(csv.reader(lines, delimiter=delimiter_of(file, encoding, DETECT)))


def _position(finding: Finding) -> list[int | None]:
    return [finding.row, column_index(finding.column) if finding.column else None]


def _labels(header: list[str], resource: str, cells: list[list[int | None]], language: str) -> list[str]:
    """Return the header with the standard's labels in one language; wrong labels are kept as they are."""
    if [1, None] in cells:
        return header
    known, schema = known_labels(resource), standard()[resource]
    names = [None if [1, i] in cells else known.get(fold(label)) for i, label in enumerate(header)]
    return [schema[name].label(language) if name else label for name, label in zip(names, header, strict=True)]


def written() -> str:
    return json.dumps(examples(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(written(), "utf-8")
