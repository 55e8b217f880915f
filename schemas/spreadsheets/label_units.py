"""Units in labels: "Värde (tkr)", "Värde, procent", "Belopp i mkr". Amounts are converted to kronor."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache

from vaven.schemas.spreadsheets.cell_units import COUNTS, CURRENCY, FACTORS, OF_FIELD
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import fold, known_labels, without_marks
from vaven.schemas.standard.sql import plain, quoted, text
from vaven.vocab import register

# Numbers in the unit of their KPI, and its rule compares the unit of the label (rules/units.py).
FIELDS_OF_KPI = ("value", "ci_lower", "ci_upper")
# Words that add nothing to a field.
QUANTITIES = frozenset(("antal", "number", "count", "belopp", "amount"))
UNITS_ALONE = frozenset({*CURRENCY, *COUNTS, "personer", "persons"})
# A longer text is no label of a column of numbers.
LONGEST = 80
YEARS = frozenset(("år", "years", "year"))
PUNCTUATION = re.compile(r"[,;:()\[\]]| [-–/] ")
PLAIN_NUMBER = r"[-+]?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?"


@lru_cache(maxsize=10_000)
def field_and_unit(label: str, resource: str) -> tuple[str, str] | None:
    """Return the field and the unit of a label that has both, None for any other."""
    if len(label) > LONGEST:
        return None
    known = known_labels(resource)
    words = PUNCTUATION.sub(" ", without_marks(label)).split()
    for count in range(1, len(words)):
        name = known.get(fold(" ".join(words[:count])))
        unit = " ".join(words[count:]).casefold().removeprefix("i ").removeprefix("in ")
        if name and unit in _units_of(name, resource):
            return name, unit
    return None


def is_unit_alone(label: str) -> bool:
    """Return True for a label that has only a unit: "Antal (st)", "Belopp, tkr", "Kronor"."""
    words = PUNCTUATION.sub(" ", without_marks(label).casefold()).split() if len(label) <= LONGEST else []
    rest = " ".join(words[1:] if words and words[0] in QUANTITIES else words).removeprefix("i ")
    return bool(words) and (rest in UNITS_ALONE or (not rest and words[0] in QUANTITIES))


@cache
def _units_of(name: str, resource: str) -> frozenset[str]:
    """Return the words for units that a label of a field may have."""
    if name in ("age_group", "period"):
        return YEARS
    if name in OF_FIELD and resource in ("observations", "investments"):
        return frozenset(OF_FIELD[name])
    return _units_of_kpis() if name in FIELDS_OF_KPI and resource == "observations" else frozenset()


def _units_of_kpis() -> frozenset[str]:
    return frozenset(word for kpi in register.kpis().values() for word in words_for_unit(kpi.unit("en")))


@cache
def words_for_unit(unit: str) -> frozenset[str]:
    """Return the words for a unit of the register, by its English name, and for its multiples."""
    own = {
        k.unit(language).lower() for k in register.kpis().values() if k.unit("en") == unit for language in ("sv", "en")
    }
    return frozenset(own | FACTORS.get(unit, {}).keys())


@lru_cache(maxsize=10_000)
def factor_of_amount(label: str) -> float | None:
    """Return the factor of an amount in a label, None without one and for kronor: "2023 (tkr)" has 1000."""
    words = sorted((word for word, factor in CURRENCY.items() if factor != 1), key=len, reverse=True)
    plain_label = " ".join(PUNCTUATION.sub(" ", label.casefold()).split())
    match = re.search(rf"(?<!\S)({'|'.join(map(re.escape, words))})(?!\S)", plain_label)
    return CURRENCY[match[1]] if match else None


def factor_name(name: str) -> str:
    """Return the name in the workspace of the column with the factor of a field."""
    return f"{name}_factor"


def convert_amounts(
    names: Sequence[str], factors: Sequence[str], expressions: dict[str, str], location: Mapping[str, str | None]
) -> Iterator[Finding]:
    """Multiply numbers by the factors of their labels in `expressions`, and yield a note for each column.

    `factors` are the fields with a column of factors. Rows of a KPI with another unit than kronor are not changed.
    """
    amounts = ", ".join(text(kpi.id) for kpi in register.kpis().values() if kpi.unit("en") == "SEK")
    for name in (name for name in names if name in factors):
        cell, kpi = expressions.get(name, quoted(name)), expressions.get("kpi", '"kpi"')
        is_amount = "TRUE" if name == "amount" else f"{kpi} IN ({amounts})"
        condition = f"{factor_name(name)} IS NOT NULL AND {is_amount} AND regexp_full_match({cell}, '{PLAIN_NUMBER}')"
        # A product in binary may differ from the decimal one in the last digit.
        number = f"round(TRY_CAST({cell} AS DOUBLE) * {factor_name(name)}, 6)"
        expressions[name] = f"CASE WHEN {condition} THEN {plain(number)} ELSE {cell} END"
        yield Finding("assumed-label-unit", Severity.NOTE, **location, field=name)  # type: ignore[arg-type]
