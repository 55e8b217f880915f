"""The ids of observations and of their quantities in the columns of a snapshot, and how IRIs become ids."""

from collections.abc import Iterable

import duckdb

from vaven.schemas.standard.sql import DECIMALS, text

FILE, PARTS = "columns.duckdb", "parts"
# Numbers are integers, scaled by DECIMALS; this one stands for cube:Undefined, and NULL is no triple.
UNDEFINED = 1 - (1 << 63)
# Observations have ids from here on, those of a release from its own number on.
FIRST_OBSERVATION, PART_BITS = 1 << 40, 32
# The quantity of an indicator report has the id of the first observation with it, plus this.
QUANTITY = 1 << 60
# An empty relation with the columns of observations, where no release is shown.
NO_OBSERVATIONS = """SELECT NULL::BIGINT AS id, NULL::BIGINT AS graph, NULL::BIGINT AS publisher,
    NULL::BIGINT AS observation_set, NULL::BIGINT AS area, NULL::BIGINT AS kpi, NULL::BIGINT AS period,
    NULL::BIGINT AS sex, NULL::BIGINT AS age, NULL::BIGINT AS unit, NULL::BIGINT AS status, NULL::BIGINT AS method,
    NULL::BIGINT AS value, NULL::BIGINT AS numerator, NULL::BIGINT AS denominator, NULL::BIGINT AS ci_lower,
    NULL::BIGINT AS ci_upper, NULL::BIGINT AS sample_size, NULL::VARCHAR AS note, false AS is_report,
    NULL::BIGINT AS quantity WHERE false"""


def union_of(parts: Iterable[int]) -> str:
    """Return SQL of the observations of all releases, attached as part_0 and so on."""
    return " UNION ALL ".join(f"FROM part_{number}.columns" for number in parts) or NO_OBSERVATIONS


def observation_ids(work: duckdb.DuckDBPyConnection, base: str, terms: Iterable[str]) -> dict[str, int]:
    """Return the ids of those terms that are IRIs of observations or quantities.

    The connection has the relations terms, parts and observations.
    """
    known = {}
    for term in terms:
        if term.startswith(f"<{base}id/observation/"):
            number = _observation(work, term[1:])
        elif term.startswith(f"<{base}id/quantity/"):
            number = _quantity(work, term[1:])
        else:
            continue
        if number is not None:
            known[term] = number
    return known


def _observation(work: duckdb.DuckDBPyConnection, iri: str) -> int | None:
    segments = _segments(work, iri, "prefix", 5)
    if segments is None:
        return None
    columns = ("area", "kpi", "period", "sex", "age")
    conditions = [_is_segment(column, segment) for column, segment in zip(columns, segments[1:], strict=True)]
    return _first(work, "id", [segments[0], *conditions])


def _quantity(work: duckdb.DuckDBPyConnection, iri: str) -> int | None:
    segments = _segments(work, iri, "measure_prefix", 2)
    if segments is None:
        return None
    part, kpi, digits = segments
    integral, _, decimals = digits.partition(".")
    if len(decimals) > DECIMALS or not (integral.removeprefix("-") + decimals).isdigit():
        return None
    scaled = int(f"{integral}{decimals.ljust(DECIMALS, '0')}")
    return _first(work, "quantity", [part, _is_segment("kpi", kpi), f"value = {scaled}", "is_report"])


def _segments(work: duckdb.DuckDBPyConnection, iri: str, prefix: str, count: int) -> list[str] | None:
    """Return the condition on the release that an IRI belongs to, and the segments after its prefix."""
    row = work.execute(f"SELECT number, {prefix} FROM parts WHERE starts_with($1, {prefix})", [iri]).fetchone()
    segments = iri[len(row[1]) :].split("/") if row else []
    if row is None or len(segments) != count:
        return None
    first = FIRST_OBSERVATION + (row[0] << PART_BITS)
    return [f"id BETWEEN {first} AND {first + (1 << PART_BITS) - 1}", *segments]


def _is_segment(column: str, segment: str) -> str:
    return f"{column} IN (SELECT t.id FROM terms AS t WHERE t.segment = {text(segment)})"


def _first(work: duckdb.DuckDBPyConnection, column: str, conditions: list[str]) -> int | None:
    row = work.execute(f"SELECT {column} FROM observations WHERE {' AND '.join(conditions)} LIMIT 1").fetchone()
    return int(row[0]) if row else None
