"""Rules about a value in relation to its KPI, numerator, denominator, status and confidence interval.

The view (kpi_view.sql) adds the register's columns and the typed numbers (value_n, numerator_n …) to the cells.
"""

from collections.abc import Iterator

from vaven.schemas.rules.registry import Checking, Matches, RuleMatch, row_rule, wide_rule
from vaven.schemas.rules.spreadsheet_values import has_unit
from vaven.schemas.rules.unread_columns import telling_apart
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.sql import quoted, text
from vaven.schemas.tables.compile import Check, key_of, typed
from vaven.vocab import register

MISSING = [code.id for code in register.codes("statuses").values() if code.properties["value_missing"] == "true"]
MISSING_SQL = ", ".join(text(code) for code in MISSING)
# Derogation and strike can apply to a value as well as to its absence (definitions in vocab/statuses.csv).
EXPLAINED_SQL = ", ".join(text(code) for code in (*MISSING, "J", "S"))
# Our tolerance for rounding: half a unit of the first decimal, or half a unit of the last decimal in the cell.
ROUNDING = 0.051
HALF = 0.51


@row_rule("kpi-range", Severity.ERROR, "", "constraint-error")
def kpi_range(on: Checking) -> Iterator[Check]:
    """A value, baseline or target outside the register's range of its KPI."""
    limits = {
        "minimum": "coalesce(format('{:.10g}', kpi_min), '−∞')",
        "maximum": "coalesce(format('{:.10g}', kpi_max), '∞')",
        "kpi": "kpi",
    }
    for name in ("value", "baseline_value", "target_value"):
        if name in on.schema.names and on.has(name, "kpi"):
            yield Check("kpi-range", name, f"{name}_n < kpi_min OR {name}_n > kpi_max", limits)


@wide_rule("kpi-scale", Severity.ERROR, "observations")
def kpi_scale(on: Checking) -> Iterator[RuleMatch]:
    """A KPI in per cent whose values are all from 0 to 1: fractions instead of percentages.

    Our criteria: at least three values, one of them over 0.05 and one neither 0 nor 1. Values that really are below
    one per cent are accepted if numerator and denominator, or a number format of per cent, confirm it in some row.
    """
    if not on.has("kpi") or not on.occurs_between("value", 0.05, 1):
        return
    agrees = "FALSE"
    if on.has("numerator", "denominator"):
        agrees = "denominator_n > 0 AND numerator_n > 0 AND abs(value_n - 100 * numerator_n / denominator_n) <= 0.06"
    agrees = f"({agrees}) OR {has_unit(on)}"
    query = f"""SELECT kpi, min(_row), count(*), max(value_n) FROM {on.view} WHERE kpi_percent AND value_n IS NOT NULL
        GROUP BY kpi HAVING count(*) >= 3 AND min(value_n) >= 0 AND max(value_n) BETWEEN 0.05 AND 1
        AND bool_or(value_n > 0 AND value_n < 1) AND NOT coalesce(bool_or({agrees}), FALSE) ORDER BY 2"""
    for kpi, row, count, greatest in on.work.execute(query).fetchall():
        yield RuleMatch(row, "value", None, {"kpi": kpi, "count": count, "greatest": f"{greatest:.10g}"})


@row_rule("ratio-disagrees", Severity.ERROR, "observations")
def ratio_disagrees(on: Checking) -> Iterator[Check]:
    """A value that differs from numerator and denominator by more than the rounding of value and numerator.

    kpi-range and numerator-over-denominator report values outside the range and parts larger than the whole.
    """
    if on.has("value", "kpi") and on.occurs("numerator") and on.occurs("denominator"):
        expected = "kpi_multiplier * numerator_n / denominator_n"
        written = f"{HALF} * pow(10, -length(regexp_extract(value, '\\.(\\d*)$', 1)))"
        uneven = f"{HALF} * kpi_multiplier / denominator_n * (numerator_n <> trunc(numerator_n))::INT"
        in_range = "value_n BETWEEN coalesce(kpi_min, value_n) AND kpi_max_or_inf"
        within = f"{in_range} AND NOT (kpi_share AND numerator_n > denominator_n)"
        allowed = f"greatest({ROUNDING}, {written}, {uneven})"
        where = f"kpi_ratio AND denominator_n > 0 AND abs(value_n - {expected}) > {allowed} AND {within}"
        yield Check("ratio-disagrees", "value", where, {"expected": f"format('{{:.1f}}', {expected})"})


@row_rule("numerator-over-denominator", Severity.ERROR, "observations")
def numerator_over_denominator(on: Checking) -> Iterator[Check]:
    """A share whose numerator is larger than its denominator."""
    if on.has("kpi") and on.occurs("numerator") and on.occurs("denominator"):
        yield Check(
            "numerator-over-denominator",
            "numerator",
            "kpi_share AND numerator_n > denominator_n",
            {"denominator": '"denominator"'},
        )


@row_rule("status-missing", Severity.ERROR, "observations")
def status_missing(on: Checking) -> Iterator[Check]:
    """An empty value without a status that explains a missing value (DOMAIN section 5)."""
    if on.has("value"):
        status = f"coalesce(status NOT IN ({EXPLAINED_SQL}), TRUE)" if on.has("status") else "TRUE"
        yield Check("status-missing", "value", f"value IS NULL AND {status}")


@row_rule("status-contradicts", Severity.ERROR, "observations")
def status_contradicts(on: Checking) -> Iterator[Check]:
    """A value with a status for a missing value."""
    if on.has("value") and on.occurs("status", f"cell IN ({MISSING_SQL})"):
        yield Check(
            "status-contradicts",
            "status",
            f"value IS NOT NULL AND status IN ({MISSING_SQL})",
            {"value": "value", "status": "status"},
        )


@row_rule("confidence-interval", Severity.ERROR, "observations")
def confidence_interval(on: Checking) -> Iterator[Check]:
    """A confidence interval that does not contain its value, or has its limits reversed."""
    if on.has("ci_lower", "value"):
        yield Check("confidence-interval", "ci_lower", "ci_lower_n > coalesce(value_n, ci_upper_n)")
    if on.has("ci_upper", "value"):
        yield Check("confidence-interval", "ci_upper", "ci_upper_n < value_n")


@row_rule("confidence-interval-open", Severity.WARNING, "observations")
def confidence_interval_open(on: Checking) -> Iterator[Check]:
    """A confidence interval with only one limit."""
    for name, other in (("ci_lower", "ci_upper"), ("ci_upper", "ci_lower")):
        if on.has(other):
            missing = f"{name} IS NULL AND " if on.has(name) else ""
            yield Check("confidence-interval-open", other, f"{missing}{other} IS NOT NULL")


@wide_rule("method-illustrative", Severity.NOTE, "observations")
def method_illustrative(on: Checking) -> Iterator[RuleMatch]:
    """Illustrative values, which are published as such; one finding with their number."""
    if on.has("method"):
        query = f"SELECT min(_row), count(*) FROM {on.table.relation} WHERE method = 'illustrative'"
        row, count = on.work.execute(query).fetchone() or (None, 0)
        if count:
            yield RuleMatch(row, "method", None, {"count": count})


@wide_rule("duplicate-key", Severity.ERROR, "", "primary-key")
def duplicate_key(on: Checking) -> Iterator[Matches]:
    """Two rows with the same key and different values."""
    yield from _duplicates(on, same=False)


@wide_rule("duplicate-row", Severity.WARNING, "", "primary-key")
def duplicate_row(on: Checking) -> Iterator[Matches]:
    """Two rows with the same key and value, or one of them without a value: one is redundant (DOMAIN section 5)."""
    yield from _duplicates(on, same=True)


@wide_rule("repeated-row-differs", Severity.ERROR, "")
def repeated_row_differs(on: Checking) -> Iterator[Matches]:
    """Two rows with the same key and value, and different texts in another column, of which a release has one."""
    if not on.repeated:
        return
    cells = {
        name: f"coalesce({{}}.{quoted(name)}, {text('A' if name == 'status' else '')})" for name in _other_columns(on)
    }
    if not cells:
        return
    cases = " ".join(f"WHEN {cell.format('a')} <> {cell.format('b')} THEN '{name}'" for name, cell in cells.items())
    rows = f"""SELECT r._row, r.first_alike, CASE {cases} END AS differing
        FROM {on.once("repeated rows", _repeated_rows)} r JOIN {on.table.relation} a ON a._row = r._row
        JOIN {on.table.relation} b ON b._row = r.first_alike WHERE r.equal AND r.differs"""
    query = f"SELECT * FROM ({rows}) WHERE differing IS NOT NULL"
    field = "value" if on.table.wide else None
    yield from on.matches(query, lambda row, first, name: RuleMatch(row, name, None, {"other": first}), field=field)


def _duplicates(on: Checking, *, same: bool) -> Iterator[Matches]:
    if not on.repeated:
        return
    rows = on.once("repeated rows", _repeated_rows)
    query = f"SELECT _row, first_row FROM {rows} WHERE equal = {same} AND NOT (equal AND differs)"
    # In a wide table only the value's cell identifies the row; several values share the cell of the area.
    field = "value" if on.table.wide else on.schema.primary_key[0]
    columns = telling_apart(on)
    words = {"columns": columns, "advice": "columns"} if columns else {}
    yield from on.matches(query, lambda row, first: RuleMatch(row, field, None, {"other": first, **words}), field=field)


def _repeated_rows(on: Checking) -> str:
    """Return a table of the rows whose key an earlier row has: that row, and whether all values of the key are equal.

    5 and 5.0 are equal; a text that is not a number is compared as text. Of the rows with a value, or else of those
    without, it has the first as well, and whether they differ in another column.
    """
    name = f"repeated_rows_{on.table.resource}"
    value = f'coalesce({typed(on.schema["value"])}::VARCHAR, "value")' if on.has("value") else _all_columns(on)
    cells = ", ".join(f"coalesce({quoted(c)}, {text('A' if c == 'status' else '')})" for c in _other_columns(on))
    others = f"hash({cells})" if cells else "0"
    # Grouping by one hash per row is cheap; only the few rows with a repeated hash are compared in full.
    on.work.execute(
        f"""CREATE OR REPLACE TEMP TABLE {name} AS
        SELECT _row, first_row, lowest = highest OR lowest IS NULL AS equal, first_alike, differs FROM (
            SELECT _row, min(_row) OVER same_key AS first_row, min(v) OVER same_key AS lowest,
                max(v) OVER same_key AS highest, min(_row) OVER alike AS first_alike,
                min(others) OVER alike <> max(others) OVER alike AS differs
            FROM (SELECT *, {value} AS v, {others} AS others FROM {on.table.relation}
                WHERE {on.has_key} AND hash({on.key}) IN (SELECT h FROM {on.repeated}))
            WINDOW same_key AS (PARTITION BY {on.key}), alike AS (PARTITION BY {on.key}, v IS NULL))
        WHERE _row > first_row"""
    )
    return name


def _other_columns(on: Checking) -> list[str]:
    """Return the columns besides key and value; none without a value, since then rows of a key are equal in all."""
    own = (*on.schema.primary_key, "value")
    return [column.name for column in on.table.columns if column.name not in own] if on.has("value") else []


def _all_columns(on: Checking) -> str:
    return "concat_ws('|', " + ", ".join(f"coalesce(\"{c.name}\", '')" for c in on.table.columns) + ")"


@wide_rule("jump", Severity.WARNING, "observations")
def jump(on: Checking) -> Iterator[Matches]:
    """A yearly value far from the previous value of the same series.

    The thresholds are ours, not a standard's: percentage points for a KPI in per cent, a factor for others (not from
    or to zero). A status explains a break in the series (B) or another definition of either value (D). Values outside
    the KPI's range are not part of the series.
    """
    if not on.has("value", "kpi", "neighbourhood", "period"):
        return
    parts = ", ".join(
        p for p, n in zip(key_of(on.table, on.schema), on.schema.primary_key, strict=True) if n != "period"
    )
    status = "coalesce(status, 'A')" if on.has("status") else "'A'"
    points, factor = on.thresholds.jump_points, on.thresholds.jump_factor
    in_range = "value_n BETWEEN coalesce(kpi_min, value_n) AND kpi_max_or_inf"
    years = on.work.execute(f"SELECT cell FROM {on.distinct('period')} WHERE regexp_full_match(cell, '\\d{{4}}')")
    year_texts = ", ".join(text(year) for (year,) in years.fetchall()) or "NULL"
    yearly = f"period IN ({year_texts}) AND {in_range}"
    # A series with a small range has no jump, so only the other series are sorted.
    on.work.execute(
        f"""CREATE OR REPLACE TEMP TABLE wide AS SELECT hash({parts}) AS h FROM {on.view} WHERE {yearly} GROUP BY h
            HAVING CASE WHEN bool_or(kpi_percent) THEN max(value_n) - min(value_n) > {points}
                ELSE max(value_n) > {factor} * coalesce(min(value_n) FILTER (value_n > 0), max(value_n)) END"""
    )
    if not on.work.execute("SELECT 1 FROM wide LIMIT 1").fetchone():
        return
    query = f"""WITH series AS (
            SELECT _row, value, value_n, kpi_percent, period, {status} AS status,
                lag(value_n) OVER w AS before, lag(period) OVER w AS since, lag({status}) OVER w AS status_before
            FROM {on.view} WHERE {yearly} AND hash({parts}) IN (SELECT h FROM wide)
            WINDOW w AS (PARTITION BY {parts} ORDER BY period))
        SELECT _row, value, format('{{:.10g}}', before), since FROM series
        WHERE since < period AND status NOT IN ('B', 'D') AND status_before <> 'D'
            AND CASE WHEN kpi_percent THEN abs(value_n - before) > {points}
            ELSE least(value_n, before) > 0 AND greatest(value_n, before) > {factor} * least(value_n, before) END"""
    yield from on.matches(query, _jump, field="value")


def _jump(row: int, value: str, before: str, since: str) -> RuleMatch:
    return RuleMatch(row, "value", value, {"before": before, "since": since})
