"""Which division of Sweden an area's code is of, where no sheet of neighbourhoods says it.

DeSO and RegSO were drawn anew for 2025, and most codes stand in both divisions for areas that are not always the same
(DOMAIN section 2). What SCB's API appends to a code tells it, or the user does; else the older division is taken.
"""

from collections.abc import Callable, Iterator, Set

from vaven.schemas.standard.finding import Finding, Severity, joined
from vaven.schemas.tables.distinct_values import Distinct
from vaven.schemas.tables.tables import Table
from vaven.vocab import register
from vaven.vocab.areas import AREA_VINTAGES, areas, split_suffix
from vaven.vocab.messages import LANGUAGES

SHOWN_CODES = 3
# SQL of the texts that may be codes of DeSO or RegSO.
SMALL_AREAS = "regexp_full_match(cell, '[0-9]{4}([ABC][0-9]{4}|R[0-9]{3})')"


def record_vintage(recode: Callable[[str], str], seen: set[str]) -> Callable[[str], str]:
    """The same, with the vintages that SCB's suffixes name kept in `seen`."""

    def recoded(text: str) -> str:
        if vintage := split_suffix(text)[1]:
            seen.add(vintage)
        return recode(text)

    return recoded


def single_vintage(seen: Set[str]) -> str | None:
    """The division that all suffixes are of; "" where there are none, None where they are of several, or of one that
    nobody knows."""
    found = {next((d for d, vintages in AREA_VINTAGES.items() if vintage in vintages), None) for vintage in seen}
    return None if len(found) > 1 else next(iter(found), "")


def note_vintage(distinct: Distinct, table: Table, area_vintage: str) -> Iterator[Finding]:
    """What the codes of a table without vintages were read as, with some of them."""
    count, shown, divisions = 0, list[str](), set[str]()
    levels = register.codes("levels")
    for codes in distinct.batches(table.relation, "neighbourhood", SMALL_AREAS):
        for code in codes:
            area = areas().find_in(code, area_vintage)
            if area and (area_vintage or area.vintage in AREA_VINTAGES["2018"]):
                count += 1
                divisions.add(f"{levels[area.level].text('sv')} {area.vintage}")
                shown = sorted([*shown, code])[:SHOWN_CODES]
    if count:
        examples = ", ".join(shown) + (" …" if count > len(shown) else "")
        vintage = area_vintage or next(iter(AREA_VINTAGES))
        params: dict[str, object] = {"count": count, "examples": examples, "vintage": vintage}
        params |= {f"division_{lang}": joined(sorted(divisions), lang) for lang in LANGUAGES}
        column = table.column("neighbourhood")
        yield Finding(
            "assumed-vintage", Severity.NOTE, table.resource, table.sheet, None, column.letter if column else None,
            "neighbourhood", None, params,
        )  # fmt: skip
