"""The linear system of one KPI: its areas, the ages of its total, and whether periods add up."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache

from vaven.schemas.disclosure.system import Count, LinearSystem, linear_system
from vaven.vocab import register
from vaven.vocab.areas import VINTAGES, areas, level_of

# Ages of a KPI's population, in its label: "Invånare 20–64 år som …".
AGES_OF_LABEL = re.compile(r"(\d+)–(\d+) år")
# KPIs whose numerator counts dwellings, money or facilities.
NOT_ABOUT_PEOPLE = frozenset(
    ("hyresratt-andel", "medfinansiering-privat", "investerat-belopp", "nystartade-foretag", "upprustade-bostader")
)


def kpis_about_people() -> list[str]:
    """Return the KPIs whose numerator counts people or their activities."""
    return [slug for slug in register.kpis() if slug not in NOT_ABOUT_PEOPLE]


def kpi_system(kpi: str, counts: Sequence[Count], own_areas: Mapping[str, Sequence[str]]) -> LinearSystem:
    """Build the system of the counts of one KPI and year. `own_areas` have the codes that they consist of."""
    entry = register.kpis()[kpi]
    match = AGES_OF_LABEL.search(entry.text("sv"))
    ages = (int(match[1]), int(match[2]) + 1) if match else None
    divided_areas = [*_divided_areas({count.cell.area for count in counts}), *own_areas.items()]
    # A mean over a year is not the sum of its quarters; a number of events is.
    is_additive = entry.is_sum or entry.unit("en") != "%"
    return linear_system(counts, divided_areas, ages=ages, is_additive_in_time=is_additive)


def _divided_areas(present: Collection[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the municipalities and län among the areas that have parts among them, each with all of its parts."""
    desos: dict[str, set[str]] = defaultdict(set)
    # In one order: the report on a file is always the same.
    for code in sorted(present):
        if level_of(code) == "deso" and code[:4] in present:
            desos[code[:4]].add(code)
    for kommun, codes in desos.items():
        # Codes of both vintages are those of the one with more of them.
        lists = [_desos_of(vintage).get(kommun, ()) for vintage in VINTAGES["deso"]]
        yield kommun, max(lists, key=lambda parts: len(codes.intersection(parts)))
    for lan in sorted({code[:2] for code in present if level_of(code) == "kommun"}.intersection(present)):
        yield lan, [code for code in areas().kommuner if code[:2] == lan]


@cache
def _desos_of(vintage: str) -> Mapping[str, Sequence[str]]:
    """Return the DeSO of a vintage by municipality."""
    by_kommun: dict[str, list[str]] = defaultdict(list)
    for code, area in areas().by_code("deso", vintage).items():
        by_kommun[area.kommun].append(code)
    return by_kommun
