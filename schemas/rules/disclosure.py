"""Disclosure control: rules about counts so small that they could identify a person.

The thresholds are our proposal (DOMAIN section 4), not law, and the help page says so.
"""

from collections.abc import Iterator

from vaven.schemas.rules.registry import Checking, row_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.sql import text
from vaven.schemas.tables.compile import Check
from vaven.vocab import register


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
