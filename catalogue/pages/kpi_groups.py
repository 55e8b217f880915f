"""KPIs of the register in the groups that pages show: those with values, and those of each theme."""

from collections.abc import Iterable, Mapping

from vaven.publisher.published.values import PublishedArea
from vaven.vocab import register
from vaven.vocab.register import Kpi


def kpis_with_values(areas: Iterable[PublishedArea]) -> dict[str, Kpi]:
    """Return the KPIs that at least one of the areas has values of, in the register's order."""
    used = {slug for area in areas for slug in area.kpis}
    return {slug: kpi for slug, kpi in register.kpis().items() if slug in used}


def by_theme(kpis: Mapping[str, Kpi]) -> dict[str, list[Kpi]]:
    """Group KPIs by theme, in the order of themes.csv, without empty themes."""
    grouped = {slug: [kpi for kpi in kpis.values() if kpi.theme == slug] for slug in register.themes()}
    return {slug: members for slug, members in grouped.items() if members}
