"""Rules about periods and dates."""

import re
from calendar import month_name
from collections.abc import Iterator, Mapping

from vaven.schemas.rules.registry import Checking, Matches, RuleMatch, row_rule, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.period_forms import MONTH_NAMES, is_school_year
from vaven.schemas.standard.period_parts import PERIOD_PART
from vaven.schemas.standard.sql import quoted, text
from vaven.schemas.tables.compile import Check, key_of, typed
from vaven.vocab.periods import parse_period

# A year and two digits in a label, and a month in the standard's notation.
PAIR = re.compile(r"(?<!\d)\d{4}\s*[/–-]\s*\d\d(?!\d)")
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
# Maximum difference in days between two periods of the same number of months, leap days included.
MONTHS_DIFFER = 4


def _distinct(on: Checking, name: str) -> list[str]:
    """Return the distinct periods of a column in the standard's notation; others give pattern-mismatch."""
    pattern = text(on.schema[name].constraints["pattern"])
    query = f"SELECT cell FROM {on.distinct(name)} WHERE regexp_full_match(cell, {pattern})"
    return [row[0] for row in on.work.execute(query).fetchall()]


def cells_with(
    on: Checking, name: str, texts: list[str], where: str = "TRUE", params: Mapping[str, object] | None = None
) -> Iterator[Matches]:
    """Yield a match for each cell of a column with one of the texts, in the rows selected by `where`."""
    if texts:
        query = f"""SELECT _row, {quoted(name)} FROM {on.table.relation}
            WHERE {quoted(name)} IN (SELECT unnest(?::VARCHAR[])) AND {where}"""
        yield from on.matches(
            query, lambda row, cell: RuleMatch(row, name, cell, dict(params or {})), field=name, parameters=[texts]
        )


@wide_rule("period-impossible", Severity.ERROR, "")
def period_impossible(on: Checking) -> Iterator[Matches]:
    """A period of valid form that does not exist, such as an interval that ends before it starts."""
    for name in ("period", "baseline_period"):
        if name in on.schema.names and on.has(name):
            wrong = [p for p in _distinct(on, name) if not _exists(p)]
            yield from cells_with(on, name, wrong)


def _exists(period: str) -> bool:
    try:
        parse_period(period)
    except ValueError:
        return False
    return True


@wide_rule("period-split-year", Severity.ERROR, "observations")
def period_split_year(on: Checking) -> Iterator[Matches]:
    """A period such as 2009-10, a month or a school year: other months of the column tell, unless it has school years.

    A month that the sender wrote by its name, or in a column of its own, is certain.
    """
    if not on.has("period") or not on.occurs("period", "regexp_full_match(cell, '20(0[0-9]-(0[1-9]|10)|1[01]-1[12])')"):
        return
    original = on.table.original_relation
    if on.work.execute(f"SELECT 1 FROM (DESCRIBE {original}) WHERE column_name = '{PERIOD_PART}'").fetchone():
        return
    if "period" in on.table.wide:
        written = [match[0] for label in on.table.value_labels.values() for match in PAIR.finditer(label)]
    else:
        query = f"SELECT DISTINCT period FROM {original} WHERE period IS NOT NULL"
        written = [cell for (cell,) in on.work.execute(query).fetchall()]
    months = {text for text in written if MONTH.fullmatch(text)}
    uncertain = sorted(text for text in months if is_school_year(text))
    has_school_years = any(is_school_year(text) for text in written if text not in months)
    if has_school_years or months == {*uncertain}:
        for period in uncertain:
            year, number = int(period[:4]), int(period[5:])
            words = {
                "period_sv": f"{MONTH_NAMES[number - 1][0]} {year}",
                "period_en": f"{month_name[number]} {year}",
                "other_period": f"{year}/{year + 1}",
            }
            yield from cells_with(on, "period", [period], params=words)


@wide_rule("period-future", Severity.ERROR, "observations")
def period_future(on: Checking) -> Iterator[Matches]:
    """An observation of a future period without the status forecast."""
    if on.has("period"):
        ahead = [p for p in _distinct(on, "period") if _exists(p) and parse_period(p).start > on.today]
        is_no_forecast = "status IS DISTINCT FROM 'F'" if on.has("status") else "TRUE"
        yield from cells_with(on, "period", ahead, is_no_forecast)


@wide_rule("period-too-old", Severity.WARNING, "observations")
def period_too_old(on: Checking) -> Iterator[Matches]:
    """A period before the threshold `oldest_year`: more likely a typing error than historical data."""
    if on.has("period"):
        old = [
            p for p in _distinct(on, "period") if _exists(p) and parse_period(p).start.year < on.thresholds.oldest_year
        ]
        yield from cells_with(on, "period", old, params={"limit": str(on.thresholds.oldest_year)})


@wide_rule("period-overlap", Severity.WARNING, "observations")
def period_overlap(on: Checking) -> Iterator[Matches]:
    """Two overlapping periods of a series, neither of which contains the other.

    Years with their quarters and months are valid, and so are moving averages, whose periods have equal length. The
    same days in two notations are reported, since the primary key treats them as two observations.
    """
    if not on.has("neighbourhood", "kpi", "period"):
        return
    periods = [parse_period(p) for p in _distinct(on, "period") if _exists(p)]
    # Calendar periods are nested or disjoint; only intervals can overlap partially.
    if all(p.kind != "interval" for p in periods):
        return
    on.work.execute("CREATE OR REPLACE TEMP TABLE periods (period VARCHAR, first_day DATE, last_day DATE)")
    columns = [[p.text for p in periods], [p.start for p in periods], [p.end for p in periods]]
    on.work.execute("INSERT INTO periods SELECT unnest($1::VARCHAR[]), unnest($2::DATE[]), unnest($3::DATE[])", columns)
    named = zip(key_of(on.table, on.schema), on.schema.primary_key, strict=True)
    series = ", ".join(part for part, name in named if name != "period")
    # Sorted by first day, each period is compared only with its predecessor, at the cost of a sort.
    query = f"""WITH ordered AS (
            SELECT _row, period, first_day, last_day, lag(period) OVER series AS other,
                lag(first_day) OVER series AS other_first, lag(last_day) OVER series AS other_last
            FROM {on.table.relation} t JOIN periods USING (period)
            WINDOW series AS (PARTITION BY hash({series}) ORDER BY first_day, last_day DESC, period))
        SELECT _row, period, other FROM ordered WHERE other <> period AND first_day <= other_last AND (
            (first_day = other_first AND last_day = other_last) OR
            (last_day > other_last AND abs((last_day - first_day) - (other_last - other_first)) > {MONTHS_DIFFER}))"""
    yield from on.matches(
        query, lambda row, cell, other: RuleMatch(row, "period", cell, {"other_period": other}), field="period"
    )


@row_rule("investment-dates", Severity.ERROR, "investments")
def investment_dates(on: Checking) -> Iterator[Check]:
    """An investment that ends before it starts."""
    if on.has("start", "end"):
        ends, starts = typed(on.schema["end"]), typed(on.schema["start"])
        yield Check("investment-dates", "end", f"{ends} < {starts}", {"start": '"start"'})
