"""Fixtures for tests of the readers: a small table, its rows after reading, and checks of a refusal."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vaven.schemas import check
from vaven.schemas.standard.finding import Finding, Report, Severity
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.tables.read import read
from vaven.schemas.tables.tables import Tables
from vaven.vocab.errors import NotReadable
from vaven.vocab.messages import LANGUAGES

HEADER = "neighbourhood,kpi,period,sex,age_group,value,status,note"
ROW = "0180C1010,arbetsloshet,2023,T,T,5.5,A,"
# Answers to what a bare table cannot state, without which it has a warning and is not published.
LICENCE_AND_PUBLISHER = ReadOptions(licence="cc-by", publisher="Den sociala väven")
# Rules about the description of a dataset; their cases have no text to quote.
METADATA_RULES = frozenset(
    ("licence-publisher-missing", "metadata-requested", "metadata-unknown", "metadata-repeated",
     "personal-number-in-text", "possible-number-in-text")
)  # fmt: skip
ANSWER_OPTIONS = ("--licence", "cc-by", "--publisher", "Den sociala väven")
OBSERVATIONS = {"name": "observations", "path": "o.csv"}
# `make fuzz` generates this many times as many files as the tests do.
TIMES = int(os.environ.get("EXAMPLES_TIMES", "1"))


def examples(count: int) -> int:
    """Return the number of generated files for a property test."""
    return count * TIMES


def validate(source: Path | str, *, choices: ReadOptions = DETECT, **more: Any) -> Report:
    """Check a file by the rules about its tables: what it leaves unsaid about the dataset is answered by options."""
    missing = {
        name: text for name, text in LICENCE_AND_PUBLISHER.non_default.items() if name not in choices.non_default
    }
    return check.validate(source, choices=replace(choices, **missing), **more)


def rows_of(tables: Tables, resource: str = "observations") -> list[dict[str, Any]]:
    table = tables.tables[resource]
    names = ["_row", *(c.name for c in table.columns)]
    columns = ", ".join(f'"{name}"' for name in names)
    rows = tables.workspace.execute(f"SELECT {columns} FROM {table.relation} ORDER BY _row").fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [f.code for f in findings]


def assert_speaks(finding: Finding) -> None:
    """Assert that a finding has its three sentences in both languages, without unfilled fields."""
    for language in LANGUAGES:
        for text in (finding.title(language), finding.message(language), finding.remedy(language)):
            assert text
            assert not re.search(r"\{\w+\}", text), text


def refused(source: Path) -> NotReadable:
    with pytest.raises(NotReadable) as caught:
        read(source)
    assert_speaks(Finding(caught.value.code, Severity.ERROR, params=caught.value.params))
    return caught.value
