"""Periods in two columns: a month or quarter beside its year."""

import re
from collections.abc import Collection, Mapping, Sequence

import duckdb

from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import fold
from vaven.schemas.standard.period_forms import month_of, period_of

# Name in the workspace of the column with the month or quarter.
PERIOD_PART = "period_part"
MONTH_LABELS = frozenset(("manad", "manadsnummer", "manadsnr", "manad nr", "month", "month number"))
QUARTER_LABELS = frozenset(("kvartal", "kvartalsnummer", "quarter"))
# Texts in place of a month for the whole year.
ALL_YEAR = frozenset(("totalt", "total", "hela aret", "helar", "ar", "alla", "samtliga", "all", "year"))
QUARTER = re.compile(r"(?:q|k|kv|kvartal|quarter)?\.?\s*([1-4])(?::?[ae])?", re.IGNORECASE)
YEAR = re.compile(r"\d{4}")


def with_period_part(
    labels: Sequence[str],
    fields: Sequence[str | None],
    wide: Mapping[int, Mapping[str, str]],
    omitted: Collection[int],
) -> list[str | None]:
    """Return the fields of a header with PERIOD_PART for the column of months or quarters beside years, if any."""
    has_years = "period" in fields or any("period" in values for values in wide.values())
    parts = [i for i, label in enumerate(labels) if fields[i] is None and fold(label) in MONTH_LABELS | QUARTER_LABELS]
    free = [i for i in parts if has_years and i not in omitted and i not in wide]
    return [PERIOD_PART if i in free[:1] else name for i, name in enumerate(fields)]


def join_periods(
    work: duckdb.DuckDBPyConnection,
    raw: str,
    fields: Sequence[str | None],
    labels: Sequence[str],
    location: Mapping[str, str | None],
) -> tuple[str, list[Finding]]:
    """Create a view of `raw` whose periods include the month or quarter beside them, if there is such a column.

    `fields` and `labels` are the header's. A pair that is no period remains as a text of both, which is an error of
    form. Returns the relation to read, and the note.
    """
    if PERIOD_PART not in fields:
        return raw, []
    part_label = labels[fields.index(PERIOD_PART)]
    filled = f"period IS NOT NULL AND {PERIOD_PART} IS NOT NULL"
    pairs = work.execute(f"SELECT DISTINCT period, {PERIOD_PART} FROM {raw} WHERE {filled} ORDER BY ALL").fetchall()
    is_month = fold(part_label) in MONTH_LABELS
    rows = [(period, part, _joined(period, part, is_month=is_month)) for period, part in pairs]
    names = ("period", "part", "text")
    unnested = ", ".join(f"unnest(${n}::VARCHAR[]) AS {name}" for n, name in enumerate(names, start=1))
    work.execute(f"CREATE TEMP TABLE {raw}_parts AS SELECT {unnested}", [[r[i] for r in rows] for i in range(3)])
    same = f"p.period = r.period AND p.part = r.{PERIOD_PART}"
    text = f"coalesce((SELECT p.text FROM {raw}_parts p WHERE {same}), r.period)"
    work.execute(f"CREATE VIEW {raw}_periods AS SELECT r.* REPLACE ({text} AS period) FROM {raw} r")
    example = next((row for row in rows if fold(row[1]) not in ALL_YEAR), ("–", "–", "–"))
    examples = f"{example[0]} + {example[1]} → {example[2]}"
    params = {"last": part_label, "examples": examples}
    notes = [Finding("assumed-period-parts", Severity.NOTE, **location, field="period", params=params)]  # type: ignore[arg-type]
    query = f"SELECT count(*), min(period) FROM {raw} WHERE period IS NOT NULL AND {PERIOD_PART} IS NULL"
    count, year = work.execute(query).fetchone() or (0, None)
    if count:
        params = {"last": part_label, "count": count, "text": year}
        notes.append(Finding("assumed-whole-year", Severity.NOTE, **location, field="period", params=params))  # type: ignore[arg-type]
    return f"{raw}_periods", notes


def _joined(period: str, part: str, *, is_month: bool) -> str:
    year = period_of(period) or period
    number = _number(part, is_month=is_month)
    if fold(part) in ALL_YEAR:
        return year
    if number is None or not YEAR.fullmatch(year):
        # "2023-03" beside 3 states the month twice.
        own = period_of(f"{year[:4]}-{number:02}") if number and is_month else f"{year[:4]}-Q{number}"
        return year if number and year == own else f"{period} {part}"
    return f"{year}-{number:02}" if is_month else f"{year}-Q{number}"


def _number(part: str, *, is_month: bool) -> int | None:
    part = re.sub(r"[.,]0+$", "", part.strip())
    if is_month:
        return month_of(part)
    match = QUARTER.fullmatch(part)
    return int(match[1]) if match else None
