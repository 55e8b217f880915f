"""The ids of observations and of their quantities in the columns of a snapshot, and how IRIs become ids."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from vaven.schemas.standard.sql import DECIMALS

FILE, PARTS = "columns.duckdb", "parts"
# Numbers are integers, scaled by DECIMALS; this one stands for cube:Undefined, and NULL is no triple.
UNDEFINED = 1 - (1 << 63)
# Observations have ids from here on, those of a release from its own number on.
FIRST_OBSERVATION, PART_BITS = 1 << 40, 32
# The quantity of an indicator report has the id of the first observation with it, plus this.
QUANTITY = 1 << 60
# How the IRI of a quantity has its value: as xsd:decimal in canonical form, with at most as many digits as a release.
DIGITS = re.compile(rf"-?(0|[1-9][0-9]{{0,27}})(\.[0-9]{{0,{DECIMALS - 1}}}[1-9])?")
# An empty relation with the columns of observations, where no release is shown.
NO_OBSERVATIONS = """SELECT NULL::BIGINT AS id, NULL::BIGINT AS graph, NULL::BIGINT AS publisher,
    NULL::BIGINT AS observation_set, NULL::BIGINT AS area, NULL::BIGINT AS kpi, NULL::BIGINT AS period,
    NULL::BIGINT AS sex, NULL::BIGINT AS age, NULL::BIGINT AS unit, NULL::BIGINT AS status, NULL::BIGINT AS method,
    NULL::BIGINT AS value, NULL::BIGINT AS numerator, NULL::BIGINT AS denominator, NULL::BIGINT AS ci_lower,
    NULL::BIGINT AS ci_upper, NULL::BIGINT AS sample_size, NULL::VARCHAR AS note, false AS is_report,
    NULL::BIGINT AS quantity WHERE false"""


@dataclass(frozen=True)
class Part:
    """The columns of a release: its number and file, and the prefixes of IRIs of its observations and quantities."""

    number: int
    file: str
    prefix: str
    measure_prefix: str


def parts_of(work: duckdb.DuckDBPyConnection) -> dict[int, Part]:
    """Return the parts of a snapshot by number."""
    query = "SELECT number, file, prefix, measure_prefix FROM parts ORDER BY number"
    return {row[0]: Part(*row) for row in work.execute(query).fetchall()}


def union_of(parts: Iterable[int]) -> str:
    """Return SQL of the observations of all releases, attached as part_0 and so on."""
    return " UNION ALL ".join(f"FROM part_{number}.columns" for number in parts) or NO_OBSERVATIONS


def is_observation(term: str, base: str) -> bool:
    """Return whether a term has the form of an IRI of an observation or quantity."""
    return term.startswith((f"<{base}id/observation/", f"<{base}id/quantity/"))


def observation_ids(work: duckdb.DuckDBPyConnection, parts: Mapping[int, Part], terms: Iterable[str]) -> dict[str, int]:
    """Return the ids of those terms that are IRIs of observations or quantities.

    The connection has the relation codes, and the parts attached.
    """
    known = {}
    for term in terms:
        number = _observation(work, parts.values(), term[1:]) or _quantity(work, parts.values(), term[1:])
        if number is not None:
            known[term] = number
    return known


def _observation(work: duckdb.DuckDBPyConnection, parts: Iterable[Part], iri: str) -> int | None:
    part = next((part for part in parts if iri.startswith(part.prefix)), None)
    columns = ("area", "kpi", "period", "sex", "age")
    segments = iri[len(part.prefix) :].split("/") if part else []
    if part is None or len(segments) != len(columns):
        return None
    return _first(work, part, "id", _coded(work, part, dict(zip(columns, segments, strict=True))))


def _quantity(work: duckdb.DuckDBPyConnection, parts: Iterable[Part], iri: str) -> int | None:
    part = next((part for part in parts if iri.startswith(part.measure_prefix)), None)
    segments = iri[len(part.measure_prefix) :].split("/") if part else []
    if part is None or len(segments) != 2:
        return None
    kpi, digits = segments
    if not DIGITS.fullmatch(digits):
        return None
    integral, _, decimals = digits.partition(".")
    scaled = int(f"{integral}{decimals.ljust(DECIMALS, '0')}")
    return _first(work, part, "quantity", [*_coded(work, part, {"kpi": kpi}), f"value = {scaled}", "is_report"])


def _coded(work: duckdb.DuckDBPyConnection, part: Part, segments: Mapping[str, str]) -> list[str]:
    """Return conditions for the rows of a release whose columns have the terms with these segments."""
    query = f"SELECT name, segment, id FROM codes WHERE part = {part.number} AND segment IN ($1, $2, $3, $4, $5)"
    values = list(segments.values())
    rows = work.execute(query, values + values[:1] * (5 - len(values))).fetchall()
    ids = {name: number for name, segment, number in rows if segments.get(name) == segment}
    return [f"{column} = {ids.get(column, -1)}" for column in segments]


def _first(work: duckdb.DuckDBPyConnection, part: Part, column: str, conditions: list[str]) -> int | None:
    query = f"SELECT {column} FROM part_{part.number}.columns WHERE {' AND '.join(conditions)} LIMIT 1"
    # A result that is not read to its end would hold the connection.
    rows = work.execute(query).fetchall()
    return int(rows[0][0]) if rows else None
