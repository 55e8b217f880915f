"""Disclosure control: rules about personal identity numbers and small counts that could identify a person.

The thresholds are our proposal (DOMAIN section 4), not law, and the help page says so.
"""

from collections.abc import Iterable, Iterator, Mapping

from vaven.schemas.rules.personal_numbers import NUMBER, has_personal_number
from vaven.schemas.rules.registry import Checking, Matches, RuleMatch, row_rule, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.sql import quoted, text
from vaven.schemas.tables.compile import Check
from vaven.vocab import register

# A coarse form of personal_numbers.NUMBER: DuckDB's regular expressions have no look-around, so Python checks the ends.
LIKE_A_NUMBER = r"\d{6}[-+ ]?\d{4}"
# Nearly all personal numbers have a valid check digit, but only about one in ten codes of the same form.
PERSONS_SHARE = 0.5


@wide_rule("personal-number", Severity.ERROR, "")
def personal_number(on: Checking) -> Iterator[Matches]:
    """Personal identity numbers in a column where most numbers of that form are valid.

    A column of codes that occasionally match (such as Oslo's area codes) is ignored. The number itself is never
    repeated.
    """
    for name in _free_columns(on):
        numbers, persons, _ = _candidates(on, name)
        if persons and sum(persons.values()) >= PERSONS_SHARE * numbers:
            yield from _cells_with(on, name, persons)


@wide_rule("personal-number-in-text", Severity.WARNING, "")
def personal_number_in_text(on: Checking) -> Iterator[Matches]:
    """A possible personal identity number within other text, which may be something else: a warning to review it."""
    for name in _free_columns(on):
        _, _, texts = _candidates(on, name)
        if texts:
            yield from _cells_with(on, name, texts)


def _free_columns(on: Checking) -> list[str]:
    """Return the free-text columns; organisation_number has its own rule."""
    return [
        field.name
        for field in on.schema.fields
        if field.type == "string"
        and on.has(field.name)
        and not field.constraints.get("enum")
        and field.name != "organisation_number"
    ]


def _candidates(on: Checking, name: str) -> tuple[int, Mapping[str, int], Mapping[str, int]]:
    """Return the number of cells that are a number of that form, and the texts with a personal identity number.

    The latter are texts that are the number alone, and texts that contain it, each with the number of its cells.
    """
    return on.once(f"candidates of {name}", lambda on: _candidates_of(on, name))


def _candidates_of(on: Checking, name: str) -> tuple[int, Mapping[str, int], Mapping[str, int]]:
    cell = quoted(name)
    query = f"""SELECT {cell}, count(*) FROM {on.table.relation}
        WHERE strlen({cell}) >= 10 AND regexp_matches({cell}, '{LIKE_A_NUMBER}') GROUP BY ALL"""
    numbers = 0
    persons: dict[str, int] = {}
    texts: dict[str, int] = {}
    for text_of_cells, count in on.rows(query):
        is_number = NUMBER.fullmatch(text_of_cells) is not None
        numbers += count if is_number else 0
        if has_personal_number(text_of_cells):
            (persons if is_number else texts)[text_of_cells] = count
    return numbers, persons, texts


def _cells_with(on: Checking, name: str, texts: Iterable[str]) -> Iterator[Matches]:
    query = f"SELECT _row FROM {on.table.relation} WHERE {quoted(name)} IN (SELECT unnest(?::VARCHAR[]))"
    yield from on.matches(query, lambda row: RuleMatch(row, name), field=name, parameters=[list(texts)])


@row_rule("small-count", Severity.ERROR, "observations")
def small_count(on: Checking) -> Iterator[Check]:
    """A count of one to four people, or a share of so few people that the count can be derived.

    Our thresholds (DOMAIN section 4, schemas/standard/thresholds.py) concern counts, shares of few people in a
    register, and shares of few respondents in a survey. Illustrative values are exempt: they concern no real person.
    """
    limits = on.thresholds
    base = limits.small_base_register
    real = "coalesce(method, '') <> 'illustrative'" if on.has("method") else "TRUE"
    has_value = "value_n IS NOT NULL"
    few = f"> 0 AND {{number}} < {limits.small_count}"
    if on.has("kpi") and on.occurs_between("numerator", 0, limits.small_count):
        of_people = f"kpi IN ({', '.join(repr(slug) for slug in _about_people())})"
        where = f"{real} AND {of_people} AND numerator_n {few.format(number='numerator_n')}"
        yield Check("small-count", "numerator", where, {"limit": f"'{limits.small_count}'"})
    person_kpis = ", ".join(text(k.id) for k in register.kpis().values() if k.unit("en") == "persons")
    if on.has("value") and on.occurs("kpi", f"cell IN ({person_kpis})"):
        where = f"{real} AND kpi IN ({person_kpis}) AND value_n {few.format(number='value_n')}"
        yield Check("small-count", "value", where, {"limit": f"'{limits.small_count}'"})
    if on.has("value", "kpi") and on.occurs_between("denominator", 0, base):
        where = f"{real} AND {has_value} AND kpi_share AND denominator_n > 0 AND denominator_n < {base}"
        yield Check("small-count", "denominator", where, {"limit": f"'{base}'"})
    if on.has("value", "kpi") and on.occurs_between("sample_size", 0, limits.small_base_survey):
        where = (
            f"{real} AND {has_value} AND kpi_share AND sample_size_n > 0 AND sample_size_n < {limits.small_base_survey}"
        )
        yield Check("small-count", "sample_size", where, {"limit": f"'{limits.small_base_survey}'"})


def _about_people() -> list[str]:
    """Return the KPIs whose numerator counts people or their activities, not dwellings, money or facilities."""
    not_people = {
        "hyresratt-andel",
        "medfinansiering-privat",
        "investerat-belopp",
        "nystartade-foretag",
        "upprustade-bostader",
    }
    return [slug for slug in register.kpis() if slug not in not_people]
