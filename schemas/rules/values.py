"""Rules about a value against its KPI, its numerator and denominator, its status and its interval.

The register's columns and the typed numbers (value_n, numerator_n …) stand beside the cells in the view
(schemas/kpi_view.sql).
"""

from collections.abc import Iterator

from vaven.schemas.rules.registry import Checking, RuleMatch, row_rule, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.tables.compile import Check, key_of, typed
from vaven.schemas.tables.sql import text
from vaven.vocab import register

MISSING = [code.id for code in register.codes("statuses").values() if code.properties["value_missing"] == "true"]
MISSING_SQL = ", ".join(text(code) for code in MISSING)
# Derogation and strike explain a value as well as its absence (definitions in vocab/statuses.csv).
EXPLAINED_SQL = ", ".join(text(code) for code in (*MISSING, "J", "S"))
# Ours: half a unit of the first decimal is always taken for rounding, and half a unit of the last that is written.
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
    """A KPI in per cent whose values all lie from 0 to 1: a share given for a percentage.

    Ours: at least three values, one of them over 0.05 and one neither 0 nor 1. A partner whose values truly are
    below one per cent shows it by numerator and denominator: one row where they agree is enough.
    """
    if not on.has("kpi") or not on.occurs_between("value", 0.05, 1):
        return
    shown = "FALSE"
    if on.has("numerator", "denominator"):
        shown = "denominator_n > 0 AND numerator_n > 0 AND abs(value_n - 100 * numerator_n / denominator_n) <= 0.06"
    query = f"""SELECT kpi, min(_row), count(*), max(value_n) FROM {on.view} WHERE kpi_percent AND value_n IS NOT NULL
        GROUP BY kpi HAVING count(*) >= 3 AND min(value_n) >= 0 AND max(value_n) BETWEEN 0.05 AND 1
        AND bool_or(value_n > 0 AND value_n < 1) AND NOT coalesce(bool_or({shown}), FALSE) ORDER BY 2"""
    for kpi, row, count, greatest in on.work.execute(query).fetchall():
        yield RuleMatch(row, "value", None, {"kpi": kpi, "count": count, "greatest": f"{greatest:.10g}"})


@row_rule("ratio-disagrees", Severity.ERROR, "observations")
def ratio_disagrees(on: Checking) -> Iterator[Check]:
    """Value, numerator and denominator say different things, beyond rounding of the value and of the numerator.

    A value outside the KPI's range and a part larger than its whole have findings of their own.
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
    """A share whose part is larger than its whole."""
    if on.has("kpi") and on.occurs("numerator") and on.occurs("denominator"):
        yield Check(
            "numerator-over-denominator",
            "numerator",
            "kpi_share AND numerator_n > denominator_n",
            {"denominator": '"denominator"'},
        )


@row_rule("status-missing", Severity.ERROR, "observations")
def status_missing(on: Checking) -> Iterator[Check]:
    """An empty value must say why: a status of a kind that stands for a missing value (DOMAIN section 5)."""
    if on.has("value"):
        status = f"coalesce(status NOT IN ({EXPLAINED_SQL}), TRUE)" if on.has("status") else "TRUE"
        yield Check("status-missing", "value", f"value IS NULL AND {status}")


@row_rule("status-contradicts", Severity.ERROR, "observations")
def status_contradicts(on: Checking) -> Iterator[Check]:
    """A value beside a status that says there is none."""
    if on.has("value") and on.occurs("status", f"cell IN ({MISSING_SQL})"):
        yield Check(
            "status-contradicts",
            "status",
            f"value IS NOT NULL AND status IN ({MISSING_SQL})",
            {"value": "value", "status": "status"},
        )


@row_rule("confidence-interval", Severity.ERROR, "observations")
def confidence_interval(on: Checking) -> Iterator[Check]:
    """A confidence interval that does not hold its value, or is upside down."""
    if on.has("ci_lower", "value"):
        yield Check("confidence-interval", "ci_lower", "ci_lower_n > coalesce(value_n, ci_upper_n)")
    if on.has("ci_upper", "value"):
        yield Check("confidence-interval", "ci_upper", "ci_upper_n < value_n")


@row_rule("confidence-interval-open", Severity.WARNING, "observations")
def confidence_interval_open(on: Checking) -> Iterator[Check]:
    """A confidence interval with one limit only."""
    for name, other in (("ci_lower", "ci_upper"), ("ci_upper", "ci_lower")):
        if on.has(other):
            missing = f"{name} IS NULL AND " if on.has(name) else ""
            yield Check("confidence-interval-open", other, f"{missing}{other} IS NOT NULL")


@wide_rule("method-illustrative", Severity.NOTE, "observations")
def method_illustrative(on: Checking) -> Iterator[RuleMatch]:
    """Invented values, which are published with that mark; said once with their number."""
    if on.has("method"):
        query = f"SELECT min(_row), count(*) FROM {on.table.relation} WHERE method = 'illustrative'"
        row, count = on.work.execute(query).fetchone() or (None, 0)
        if count:
            yield RuleMatch(row, "method", None, {"count": count})


@wide_rule("duplicate-key", Severity.ERROR, "", "primary-key")
def duplicate_key(on: Checking) -> Iterator[RuleMatch]:
    """Two rows with the same key and different contents."""
    yield from _duplicates(on, same=False)


@wide_rule("duplicate-row", Severity.WARNING, "", "primary-key")
def duplicate_row(on: Checking) -> Iterator[RuleMatch]:
    """Two rows with the same key and the same value, or one of them without: one is enough (DOMAIN section 5)."""
    yield from _duplicates(on, same=True)


def _duplicates(on: Checking, *, same: bool) -> Iterator[RuleMatch]:
    if not on.has(*(name for name in on.schema.primary_key if on.schema[name].required)):
        return
    # 5 and 5.0 are one value; a text that is no number stands for itself.
    value = f'coalesce({typed(on.schema["value"])}::VARCHAR, "value")' if on.has("value") else _all_columns(on)
    # Grouping one number a row is cheap; only the few rows whose hash stands twice are compared in full.
    query = f"""WITH keyed AS (
            SELECT _row, min(_row) OVER same_key AS first_row, count(*) OVER same_key AS times,
                min({value}) OVER same_key = max({value}) OVER same_key OR
                    (min({value}) OVER same_key) IS NULL AS equal
            FROM {on.table.relation} WHERE {on.has_key} AND hash({on.key}) IN (SELECT h FROM {on.repeated})
            WINDOW same_key AS (PARTITION BY {on.key}))
        SELECT _row, first_row FROM keyed WHERE times > 1 AND _row > first_row AND equal = {same} ORDER BY _row"""
    # In a wide table the value's cell is the row; its area is that of other values too.
    field = "value" if on.table.wide else on.schema.primary_key[0]
    for row, first in on.rows(query):
        yield RuleMatch(row, field, None, {"other": first})


def _all_columns(on: Checking) -> str:
    return "concat_ws('|', " + ", ".join(f"coalesce(\"{c.name}\", '')" for c in on.table.columns) + ")"


@wide_rule("jump", Severity.WARNING, "observations")
def jump(on: Checking) -> Iterator[RuleMatch]:
    """A yearly value far from the one before it in the same series.

    The thresholds are ours, not a standard's: points for a KPI in per cent, a factor for others (from or to zero
    there is none). A value whose status says that the series breaks (B) or that it or the one before it is
    of another definition (D) has told its reason. Values outside the KPI's range are no part of the series.
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
    listed = ", ".join(text(year) for (year,) in years.fetchall()) or "NULL"
    yearly = f"period IN ({listed}) AND {in_range}"
    # A series whose least and greatest values are close has no jump, so only the others are put in order.
    query = f"""WITH wide AS (
            SELECT hash({parts}) AS h FROM {on.view} WHERE {yearly} GROUP BY h
            HAVING CASE WHEN bool_or(kpi_percent) THEN max(value_n) - min(value_n) > {points}
                ELSE max(value_n) > {factor} * coalesce(min(value_n) FILTER (value_n > 0), max(value_n)) END),
        series AS (
            SELECT _row, value, value_n, kpi_percent, period, {status} AS status,
                lag(value_n) OVER w AS before, lag(period) OVER w AS since, lag({status}) OVER w AS status_before
            FROM {on.view} WHERE {yearly} AND hash({parts}) IN (SELECT h FROM wide)
            WINDOW w AS (PARTITION BY {parts} ORDER BY period))
        SELECT _row, value, format('{{:.10g}}', before), since FROM series
        WHERE since < period AND status NOT IN ('B', 'D') AND status_before <> 'D'
            AND CASE WHEN kpi_percent THEN abs(value_n - before) > {points}
            ELSE least(value_n, before) > 0 AND greatest(value_n, before) > {factor} * least(value_n, before) END
        ORDER BY _row"""
    for row, value, before, since in on.rows(query):
        yield RuleMatch(row, "value", value, {"before": before, "since": since})
