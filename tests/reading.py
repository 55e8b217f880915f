"""Fixtures for tests of the readers: a small table, its rows after reading, and checks of a refusal."""

import re
from pathlib import Path
from typing import Any

import pytest

from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.tables.read import read
from vaven.schemas.tables.tables import Tables
from vaven.vocab.errors import NotReadable
from vaven.vocab.messages import LANGUAGES

HEADER = "neighbourhood,kpi,period,sex,age_group,value,status,note"
ROW = "0180C1010,arbetsloshet,2023,T,T,5.5,A,"
OBSERVATIONS = {"name": "observations", "path": "o.csv"}


def rows_of(tables: Tables, resource: str = "observations") -> list[dict[str, Any]]:
    table = tables.tables[resource]
    names = ["_row", *(c.name for c in table.columns)]
    rows = tables.workspace.execute(f"SELECT * FROM {table.relation} ORDER BY _row").fetchall()
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
