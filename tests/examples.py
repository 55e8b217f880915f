"""`python -m tests.examples` writes catalogue/pages/examples.json: the bad case of each rule, for its help page."""

import csv
import json
import shlex
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from vaven.schemas import validate
from vaven.schemas.formats.csv import delimiter_of
from vaven.schemas.formats.grid import column_index
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.rules.personal_numbers import masked
from vaven.schemas.standard.finding import Finding
from vaven.schemas.standard.read_options import DETECT
from vaven.vocab.messages import LANGUAGES

CASES = ROOT / "tests" / "cases"
TARGET = ROOT / "catalogue" / "pages" / "examples.json"
# Rows above and below the one with the error.
AROUND = 2


def examples() -> dict[str, Any]:
    """Return a table by rule code: `rows` are line number and cells, labels first; `cells` the wrong ones."""
    tables: dict[str, Any] = {}
    for rule in sorted(CASES.iterdir()):
        for folder in sorted(rule.iterdir()):
            counts = json.loads((folder / "expected.json").read_text("utf-8"))["counts"]
            if rule.name in counts and rule.name not in tables and (example := _example(folder, rule.name)):
                tables[rule.name] = example
    return tables


def _example(folder: Path, code: str) -> dict[str, Any] | None:
    """Return None where the case is not a text table, or the finding is not about a table."""
    source = folder / shlex.split((folder / "cmd").read_text("utf-8"))[2]
    findings = [f for f in validate(source).findings if f.code == code]
    file = source / f"{findings[0].resource}.csv" if source.is_dir() else source
    if file.suffix != ".csv" or not file.exists():
        return None
    encoding = content_of(file).encoding
    with file.open(encoding=encoding, newline="") as lines:
        records = list(csv.reader(lines, delimiter=delimiter_of(file, encoding, DETECT)))
    row = findings[0].row or 1
    numbers = [n for n in range(1, len(records) + 1) if n == 1 or abs(n - row) <= AROUND]
    width = max(len(records[n - 1]) for n in numbers)
    return {
        # A missing cell is shown as an empty one, which can be marked.
        "rows": [
            [n, [masked(cell) for cell in records[n - 1]] + [""] * (width - len(records[n - 1]))] for n in numbers
        ],
        "cells": [_position(f) for f in findings if f.row in numbers],
        "message": {language: findings[0].message(language) for language in LANGUAGES},
        "severity": findings[0].severity.value,
    }


def _position(finding: Finding) -> list[int | None]:
    return [finding.row, column_index(finding.column) if finding.column else None]


def written() -> str:
    return json.dumps(examples(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(written(), "utf-8")
