"""Rules about a value against its KPI, its numerator and denominator, its status and its interval.

The register's columns stand beside the cells in the view: kpi_min, kpi_max, kpi_multiplier, kpi_share
(a share with maximum 100) and the typed numbers value_n, numerator_n, denominator_n, ci_lower_n, ci_upper_n.
"""

from collections.abc import Iterator

from vaven.schemas.compile import Check, key_of, text
from vaven.schemas.finding import Severity
from vaven.schemas.rules.registry import Checking, Hit, row_rule, wide_rule
from vaven.vocab import register

MISSING = [code.id for code in register.codes("statuses").values() if code.properties["value_missing"] == "true"]
MISSING_SQL = ", ".join(text(code) for code in MISSING)
# Ours: a published value has seldom fewer than one decimal, so half a unit of that place is rounding.
ROUNDING = 0.051
# Ours: how far a value may lie from the one before it, in the KPI's unit for shares and as a factor elsewhere.
JUMP_POINTS = 25
JUMP_FACTOR = 3


@row_rule("kpi-range", Severity.ERROR, "observations", "constraint-error")
def kpi_range(on: Checking) -> Iterator[Check]:
    """A value outside the register's range of its KPI."""
    if on.has("value", "kpi"):
        limits = {
            "minimum": "format('{:g}', kpi_min)",
            "maximum": "coalesce(format('{:g}', kpi_max), '∞')",
            "kpi": "kpi",
        }
        yield Check("kpi-range", "value", "value_n < kpi_min OR value_n > kpi_max", limits)


@wide_rule("kpi-scale", Severity.ERROR, "observations")
def kpi_scale(on: Checking) -> Iterator[Hit]:
    """A KPI in per cent whose values all lie from 0 to 1: a share given for a percentage."""
    if not on.has("value", "kpi"):
        return
    query = f"""SELECT kpi, min(_row), count(*), max(value_n) FROM {on.view} WHERE kpi_share AND value_n IS NOT NULL
        GROUP BY kpi HAVING count(*) >= 3 AND max(value_n) <= 1 AND count(DISTINCT value_n) >= 2
        AND max(value_n) > 0.05 ORDER BY 2"""
    for kpi, row, count, greatest in on.work.execute(query).fetchall():
        yield Hit(row, "value", None, {"kpi": kpi, "count": count, "greatest": f"{greatest:g}"})


@row_rule("ratio-disagrees", Severity.ERROR, "observations")
def ratio_disagrees(on: Checking) -> Iterator[Check]:
    """Value, numerator and denominator say different things, beyond rounding of the value and of the numerator."""
    if on.has("value", "numerator", "denominator", "kpi"):
        expected = "kpi_multiplier * numerator_n / denominator_n"
        allowed = (
            f"greatest({ROUNDING}, 0.51 * kpi_multiplier / denominator_n * (numerator_n <> trunc(numerator_n))::INT)"
        )
        where = (
            f"kpi_ratio AND denominator_n > 0 AND abs(value_n - {expected}) > {allowed} AND value_n <= kpi_max_or_inf"
        )
        yield Check("ratio-disagrees", "value", where, {"expected": f"format('{{:.1f}}', {expected})"})


@row_rule("numerator-over-denominator", Severity.ERROR, "observations")
def numerator_over_denominator(on: Checking) -> Iterator[Check]:
    """A share whose part is larger than its whole."""
    if on.has("numerator", "denominator", "kpi"):
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
        status = f"coalesce(status NOT IN ({MISSING_SQL}), TRUE)" if on.has("status") else "TRUE"
        yield Check("status-missing", "value", f"value IS NULL AND {status}")


@row_rule("status-contradicts", Severity.ERROR, "observations")
def status_contradicts(on: Checking) -> Iterator[Check]:
    """A value beside a status that says there is none."""
    if on.has("value", "status"):
        yield Check(
            "status-contradicts", "status", f"value IS NOT NULL AND status IN ({MISSING_SQL})", {"value": "value"}
        )


@row_rule("confidence-interval", Severity.ERROR, "observations")
def confidence_interval(on: Checking) -> Iterator[Check]:
    """A confidence interval that does not hold its value, or is upside down."""
    if on.has("ci_lower", "value"):
        yield Check("confidence-interval", "ci_lower", "ci_lower_n > value_n OR ci_lower_n > ci_upper_n")
    if on.has("ci_upper", "value"):
        yield Check("confidence-interval", "ci_upper", "ci_upper_n < value_n")


@wide_rule("duplicate-key", Severity.ERROR, "", "primary-key")
def duplicate_key(on: Checking) -> Iterator[Hit]:
    """Two rows with the same key and different contents."""
    yield from _duplicates(on, same=False)


@wide_rule("duplicate-row", Severity.WARNING, "", "primary-key")
def duplicate_row(on: Checking) -> Iterator[Hit]:
    """Two rows with the same key and the same value, or one of them without: one is enough (DOMAIN section 5)."""
    yield from _duplicates(on, same=True)


def _duplicates(on: Checking, *, same: bool) -> Iterator[Hit]:
    if not on.has(*(name for name in on.schema.primary_key if on.schema[name].required)):
        return
    key = ", ".join(key_of(on.table, on.schema))
    value = '"value"' if on.has("value") else _all_columns(on)
    complete = " AND ".join(f'"{n}" IS NOT NULL' for n in on.schema.primary_key if on.schema[n].required)
    query = f"""WITH keyed AS (
            SELECT _row, min(_row) OVER same_key AS first_row, count(*) OVER same_key AS times,
                min({value}) OVER same_key = max({value}) OVER same_key OR
                    (min({value}) OVER same_key) IS NULL AS equal
            FROM {on.table.relation} WHERE {complete} WINDOW same_key AS (PARTITION BY {key}))
        SELECT _row, first_row FROM keyed WHERE times > 1 AND _row > first_row AND equal = {same} ORDER BY _row"""
    for row, first in on.work.execute(query).fetchall():
        yield Hit(row, on.schema.primary_key[0], None, {"other": first})


def _all_columns(on: Checking) -> str:
    return "concat_ws('|', " + ", ".join(f"coalesce(\"{c.name}\", '')" for c in on.table.columns) + ")"


@wide_rule("jump", Severity.WARNING, "observations")
def jump(on: Checking) -> Iterator[Hit]:
    """A yearly value far from the one before it in the same series. The thresholds are ours, not a standard's."""
    if not on.has("value", "kpi", "neighbourhood", "period"):
        return
    parts = ", ".join(
        p for p, n in zip(key_of(on.table, on.schema), on.schema.primary_key, strict=True) if n != "period"
    )
    query = f"""WITH series AS (
            SELECT _row, value, value_n, kpi_share, period, lag(value_n) OVER w AS before, lag(period) OVER w AS since
            FROM {on.view} WHERE value_n IS NOT NULL AND regexp_full_match(period, '\\d{{4}}')
            WINDOW w AS (PARTITION BY {parts} ORDER BY period))
        SELECT _row, value, format('{{:g}}', before), since FROM series
        WHERE CASE WHEN kpi_share THEN abs(value_n - before) > {JUMP_POINTS}
            ELSE least(value_n, before) > 0 AND greatest(value_n, before) > {JUMP_FACTOR} * least(value_n, before) END
        ORDER BY _row"""
    for row, value, before, since in on.work.execute(query).fetchall():
        yield Hit(row, "value", value, {"before": before, "since": since})
