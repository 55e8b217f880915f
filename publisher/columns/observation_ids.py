"""The ids of observations and of their quantities in the columns of a snapshot, and how IRIs become ids."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain

import duckdb

from vaven.schemas.standard.sql import DECIMALS

FILE, PARTS = "columns.duckdb", "parts"
# Numbers are integers, scaled by DECIMALS; this one stands for cube:Undefined, and NULL is no triple.
UNDEFINED = 1 - (1 << 63)
# Observations have ids from here on, those of a release from its own number on.
FIRST_OBSERVATION, PART_BITS = 1 << 40, 32
# The quantity of an indicator report has the id of the first observation with it, plus this.
QUANTITY = 1 << 60
# The columns that an observation's IRI has segments of, in its order.
KEY = ("area", "kpi", "period", "sex", "age")
# How the IRI of a quantity has its value: as xsd:decimal in canonical form, with at most as many digits as a release.
DIGITS = re.compile(rf"(?!-0$)-?(0|[1-9][0-9]{{0,27}})(\.[0-9]{{0,{DECIMALS - 1}}}[1-9])?")
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

    The connection has the relation codes, and the parts attached. Cost: three queries a part that has some.
    """
    needed, known = list(terms), dict[str, int]()
    for part in parts.values():
        observations = {term: s for term in needed if len(s := _segments(term, part.prefix)) == len(KEY)}
        quantities = {term: s for term in needed if _is_quantity(s := _segments(term, part.measure_prefix))}
        codes = _codes(work, part, {*chain(*observations.values(), *quantities.values())})
        keys = {
            term: tuple(codes.get(code, -1) for code in zip(KEY, segments, strict=True))
            for term, segments in observations.items()
        }
        known |= _matched(work, part, "id", KEY, keys)
        keys = {term: (codes.get(("kpi", kpi), -1), _scaled(digits)) for term, (kpi, digits) in quantities.items()}
        known |= _matched(work, part, "quantity", ("kpi", "value"), keys)
    return known


def _segments(term: str, prefix: str) -> list[str]:
    """Return the segments of an IRI after a prefix; none if it has another one."""
    return term[1 + len(prefix) :].split("/") if term.startswith(prefix, 1) else []


def _is_quantity(segments: Sequence[str]) -> bool:
    return len(segments) == 2 and bool(DIGITS.fullmatch(segments[1]))


def _scaled(digits: str) -> int:
    integral, _, decimals = digits.partition(".")
    return int(f"{integral}{decimals.ljust(DECIMALS, '0')}")


def _codes(work: duckdb.DuckDBPyConnection, part: Part, segments: Set[str]) -> dict[tuple[str, str], int]:
    """Return the ids of the terms with these segments by column and segment."""
    if not segments:
        return {}
    query = "SELECT name, segment, id FROM codes WHERE part = $1 AND segment IN (SELECT unnest($2::VARCHAR[]))"
    rows = work.execute(query, [part.number, list(segments)]).fetchall()
    return {(name, segment): number for name, segment, number in rows}


def _matched(
    work: duckdb.DuckDBPyConnection,
    part: Part,
    column: str,
    names: Sequence[str],
    keys: Mapping[str, tuple[int, ...]],
) -> dict[str, int]:
    """Return the values of a column in the rows of a release that have these keys, which are values of `names`."""
    if not keys:
        return {}
    lists = (f"unnest(${i}::{'HUGEINT' if n == 'value' else 'BIGINT'}[]) AS {n}" for i, n in enumerate(names, 1))
    chosen = ", ".join(names)
    query = f"""SELECT any_value({column}), {chosen} FROM part_{part.number}.columns
        JOIN (SELECT {", ".join(lists)}) USING ({chosen}) WHERE {column} IS NOT NULL GROUP BY {chosen}"""
    # A result that is not read to its end would hold the connection.
    rows = work.execute(query, [list(values) for values in zip(*keys.values(), strict=True)]).fetchall()
    ids = {tuple(key): number for number, *key in rows}
    return {term: ids[key] for term, key in keys.items() if key in ids}
