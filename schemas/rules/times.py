"""Rules about periods and dates."""

from collections.abc import Iterator

from vaven.schemas.compile import Check, typed
from vaven.schemas.finding import Severity
from vaven.schemas.quoting import quoted, text
from vaven.schemas.rules.registry import Checking, Hit, row_rule, wide_rule
from vaven.vocab.periods import parse_period


def _distinct(on: Checking, name: str) -> list[str]:
    """The different periods of a column that are written as the standard says; others have their own finding."""
    pattern = text(on.schema[name].constraints["pattern"])
    query = f"SELECT cell FROM {on.distinct(name)} WHERE regexp_full_match(cell, {pattern})"
    return [row[0] for row in on.work.execute(query).fetchall()]


def rows_with(on: Checking, name: str, texts: list[str]) -> Iterator[tuple[int, str]]:
    """Row and text of every cell of a column that holds one of the texts."""
    if texts:
        listed = ", ".join(text(t) for t in texts)
        query = f"SELECT _row, {quoted(name)} FROM {on.table.relation} WHERE {quoted(name)} IN ({listed}) ORDER BY _row"
        yield from on.work.execute(query).fetchall()


@wide_rule("period-impossible", Severity.ERROR, "")
def period_impossible(on: Checking) -> Iterator[Hit]:
    """A period of the right form that does not exist, such as an interval that ends before it starts."""
    for name in ("period", "baseline_period"):
        if name in on.schema.names and on.has(name):
            wrong = [p for p in _distinct(on, name) if not _exists(p)]
            yield from (Hit(row, name, cell) for row, cell in rows_with(on, name, wrong))


def _exists(period: str) -> bool:
    try:
        parse_period(period)
    except ValueError:
        return False
    return True


@wide_rule("period-future", Severity.ERROR, "observations")
def period_future(on: Checking) -> Iterator[Hit]:
    """An observation of a time that has not come, unless its status says forecast."""
    if on.has("period"):
        ahead = [p for p in _distinct(on, "period") if _exists(p) and parse_period(p).start > on.today]
        forecasts = _forecast_rows(on)
        yield from (Hit(row, "period", cell) for row, cell in rows_with(on, "period", ahead) if row not in forecasts)


def _forecast_rows(on: Checking) -> set[int]:
    if not on.has("status"):
        return set()
    return {row[0] for row in on.work.execute(f"SELECT _row FROM {on.table.relation} WHERE status = 'F'").fetchall()}


@wide_rule("period-too-old", Severity.WARNING, "observations")
def period_too_old(on: Checking) -> Iterator[Hit]:
    """A period before a year of ours: in this field more likely a slip of the pen than history."""
    if on.has("period"):
        old = [
            p for p in _distinct(on, "period") if _exists(p) and parse_period(p).start.year < on.thresholds.oldest_year
        ]
        yield from (Hit(row, "period", cell) for row, cell in rows_with(on, "period", old))


@row_rule("investment-dates", Severity.ERROR, "investments")
def investment_dates(on: Checking) -> Iterator[Check]:
    """An investment that ends before it starts."""
    if on.has("start", "end"):
        ends, starts = typed(on.schema["end"]), typed(on.schema["start"])
        yield Check("investment-dates", "end", f"{ends} < {starts}", {"start": '"start"'})
