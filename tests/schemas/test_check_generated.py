"""Generated tables: a clean one is valid, and one planted mistake gives exactly one finding at its cell."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reading import validate
from vaven.schemas.standard.finding import Verdict
from vaven.vocab import register
from vaven.vocab.areas import areas

SHARES = [k.id for k in register.kpis().values() if k.unit("en") == "%" and k.maximum == 100]
CODES = [*list(areas().deso2018)[::97], "0180", "1280"]
KEYS = st.tuples(
    st.sampled_from(CODES),
    st.sampled_from(SHARES),
    st.integers(2000, 2023).map(str),
    st.sampled_from(["T", "F", "M"]),
    st.sampled_from(["T", "16-24", "80+"]),
)


@st.composite
def clean_tables(draw: st.DrawFn) -> list[dict[str, str]]:
    """Shares between 40 and 60 per cent with matching parts and intervals, some of them suppressed."""
    rows = []
    for key in draw(st.lists(KEYS, min_size=1, max_size=12, unique=True)):
        count, is_shown = draw(st.integers(400, 600)), draw(st.integers(0, 9)) > 0
        numbers = [f"{count / 10:g}", f"{count}", "1000", f"{count / 10 - 3:.1f}", f"{count / 10 + 3:.1f}"]
        rows.append(
            dict(zip(NAMES, [*key, *(numbers if is_shown else [""] * 5), "A" if is_shown else "Q"], strict=True))
        )
    return rows


NAMES = [
    "neighbourhood",
    "kpi",
    "period",
    "sex",
    "age_group",
    "value",
    "numerator",
    "denominator",
    "ci_lower",
    "ci_upper",
    "status",
]
# What is put into a cell of a row with a value, and the code it must give there.
MISTAKES = {
    ("neighbourhood", ""): "required-missing",
    ("neighbourhood", "0180C9999"): "area-unknown",
    ("neighbourhood", "180C1010"): "area-leading-zero",
    ("kpi", ""): "required-missing",
    ("kpi", "arbetslöhset"): "not-in-list",
    ("period", "1899"): "period-too-old",
    ("period", "3024"): "period-future",
    ("period", "2024/2023"): "period-impossible",
    ("period", "vt 2024"): "pattern-mismatch",
    ("sex", "X"): "not-in-list",
    ("age_group", "unga"): "pattern-mismatch",
    ("value", "många"): "type-error",
    ("value", "-"): "dash-ambiguous",
    ("numerator", "-1"): "below-minimum",
    ("denominator", "1000 st"): "type-error",
    ("ci_lower", "99"): "confidence-interval",
    ("ci_upper", "1"): "confidence-interval",
    ("status", "Q"): "status-contradicts",
    ("status", "Z"): "not-in-list",
}


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[Sequence[Mapping[str, str]]], Path]:
    def write(rows: Sequence[Mapping[str, str]]) -> Path:
        with (tmp_path / "table.csv").open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, NAMES)
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path / "table.csv"

    return write


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=clean_tables())
def test_a_generated_clean_table_is_valid(
    file_of: Callable[[Sequence[Mapping[str, str]]], Path], rows: list[dict[str, str]]
) -> None:
    report = validate(file_of(rows))
    assert (report.verdict, report.findings) == (Verdict.VALID, ())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=clean_tables(), mistake=st.sampled_from(list(MISTAKES)), at=st.integers(0, 11))
def test_one_planted_mistake_gives_one_finding_at_its_cell(
    file_of: Callable[[Sequence[Mapping[str, str]]], Path],
    rows: list[dict[str, str]],
    mistake: tuple[str, str],
    at: int,
) -> None:
    (name, text), number = mistake, at % len(rows)
    if not rows[number]["value"]:
        rows[number] |= {"value": "50", "numerator": "500", "denominator": "1000", "status": "A"}
        rows[number] |= {"ci_lower": "47", "ci_upper": "53"}
    rows[number][name] = text
    if (name, text) == ("numerator", "-1"):
        # Else the value would also disagree with its parts, which is a mistake of its own.
        rows[number]["denominator"] = ""
    report = validate(file_of(rows))
    letter = "ABCDEFGHIJK"[NAMES.index(name)]
    assert [(f.code, f.address) for f in report.findings] == [(MISTAKES[mistake], f"{letter}{number + 2}")]
