"""Numbers with the unit that a workbook's number format shows: 0.512 as "51,2 %", or 1250 as "1 250 tkr".

The reader of workbooks writes them with UNIT_SPACE between number and unit. They are converted to the unit of their KPI
where that is certain; others keep the unit, which makes them an error.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import duckdb

from vaven.schemas.spreadsheets.number_formats import UNIT_SPACE
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.sql import plain, quoted, text
from vaven.vocab import register

# Fields whose unit is that of the KPI in their row.
OF_KPI = ("value", "ci_lower", "ci_upper", "baseline_value", "target_value")
CURRENCY = {
    **dict.fromkeys(("kr", "sek", "kronor", ":-", "skr"), 1.0),
    **dict.fromkeys(("tkr", "kkr", "tsek", "ksek", "tusen kr", "tusen kronor", "k kr"), 1e3),
    **dict.fromkeys(("mkr", "msek", "mnkr", "miljoner kr", "miljoner kronor", "milj kr", "milj. kr", "mn kr"), 1e6),
    **dict.fromkeys(("mdkr", "mdr", "mdr kr", "miljarder kr", "miljarder kronor"), 1e9),
}
COUNTS = dict.fromkeys(("st", "st.", "antal", "stycken"), 1.0)
# Factors by unit as written, for each unit of the register by its English name.
FACTORS: Mapping[str, Mapping[str, float]] = {
    "%": {
        **dict.fromkeys(("%", "procent", "percent", "per cent", "proc."), 1.0),
        **dict.fromkeys(("‰", "promille"), 0.1),
    },
    "per 1,000 residents": dict.fromkeys(("‰", "promille", "per 1 000", "per 1000"), 1.0),
    "per 100,000 residents": dict.fromkeys(("per 100 000", "per 100000"), 1.0),
    "per resident": dict.fromkeys(("per person",), 1.0),
    "SEK": CURRENCY,
    "persons": {**COUNTS, **dict.fromkeys(("pers", "pers.", "personer", "persons", "invånare", "inv", "inv."), 1.0)},
    "days": dict.fromkeys(("d", "dygn", "dagar", "days"), 1.0),
    "years": dict.fromkeys(("år", "years"), 1.0),
    "hours": dict.fromkeys(("h", "tim", "tim.", "timmar", "hours"), 1.0),
    "points": dict.fromkeys(("p", "poäng", "points"), 1.0),
    "dwellings": {**COUNTS, **dict.fromkeys(("bostäder", "lägenheter", "lgh"), 1.0)},
    "meeting places": COUNTS,
}
# Units of fields that have the same in every row.
OF_FIELD = {
    "amount": CURRENCY,
    **dict.fromkeys(("numerator", "denominator", "sample_size"), FACTORS["persons"]),
}


class TextSearch(Protocol):
    """The part of DistinctTexts that finds columns with a unit."""

    def has(self, relation: str, column: str, where: str = ...) -> bool: ...


class NamedColumn(Protocol):
    """A column with the name of its field, and its letter in the file."""

    @property
    def name(self) -> str: ...

    @property
    def letter(self) -> str | None: ...


def convert_units(
    distinct: TextSearch,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    columns: Sequence[NamedColumn],
    expressions: dict[str, str],
    location: Mapping[str, str | None],
) -> Iterator[Finding]:
    """Convert numbers with a unit in `expressions`, and yield a note for each column.

    The expression of a column without such cells is not changed.
    """
    names = [column.name for column in columns]
    for column in columns:
        name = column.name
        if name not in (*OF_KPI, *OF_FIELD) or not distinct.has(raw, name, f"contains(cell, '{UNIT_SPACE}')"):
            continue
        at = {**location, "column": column.letter, "field": name}
        cell = expressions.get(name, quoted(name))
        converted = _converted(cell, name, expressions.get("kpi", '"kpi"') if "kpi" in names else "NULL")
        expressions[name] = converted
        query = f"SELECT count(*), min({quoted(name)}) FROM {raw} WHERE {converted} IS DISTINCT FROM {cell}"
        count, example = work.execute(query).fetchone() or (0, "")
        if count:
            params = {"count": count, "example_sv": example.replace(".", ","), "example_en": example}
            yield Finding("assumed-unit", Severity.NOTE, **at, params=params)  # type: ignore[arg-type]


def _converted(cell: str, name: str, kpi: str) -> str:
    """Return SQL of a cell as a number in the unit of its KPI or field, or of the cell itself."""
    unit = f"lower(split_part({cell}, '{UNIT_SPACE}', 2))"
    number = f"TRY_CAST(split_part({cell}, '{UNIT_SPACE}', 1) AS DOUBLE)"
    cases = [
        (f"{condition}{unit} IN ({', '.join(map(text, units))})", factor)
        for condition, factors in _factors(name, kpi)
        for factor in sorted({*factors.values()})
        if (units := [word for word, value in factors.items() if value == factor])
    ]
    branches = " ".join(f"WHEN {condition} THEN {plain(f'{number} * {factor!r}')}" for condition, factor in cases)
    return f"CASE WHEN contains({cell}, '{UNIT_SPACE}') THEN CASE {branches} ELSE {cell} END ELSE {cell} END"


def _factors(name: str, kpi: str) -> Iterator[tuple[str, Mapping[str, float]]]:
    if name in OF_FIELD:
        yield "", OF_FIELD[name]
        return
    units = {k.unit("en"): [text(o.id) for o in register.kpis().values() if o.unit("en") == k.unit("en")]
             for k in register.kpis().values()}  # fmt: skip
    for unit, kpis in units.items():
        own_words = {word: 1.0 for k in register.kpis().values() if k.unit("en") == unit
                     for word in (k.unit("sv").lower(), unit.lower())}  # fmt: skip
        yield f"{kpi} IN ({', '.join(kpis)}) AND ", {**own_words, **FACTORS.get(unit, {})}
