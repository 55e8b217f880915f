"""Detection of the area vintage of codes that no sheet of neighbourhoods declares.

DeSO and RegSO were redrawn for 2025, and most codes exist in both vintages, for areas that are not always the same
(DOMAIN section 2). The suffix of a code in SCB's API, or the user, states the vintage; otherwise it is the older one.
"""

from collections.abc import Callable, Iterator, Set

from vaven.schemas.standard.distinct_values import DistinctTexts
from vaven.schemas.standard.finding import Finding, Severity, joined
from vaven.schemas.tables.tables import Table
from vaven.vocab import register
from vaven.vocab.areas import AREA_VINTAGES, areas, split_suffix
from vaven.vocab.messages import LANGUAGES

EXAMPLE_CODES = 3
# SQL of the texts that may be codes of DeSO or RegSO.
SMALL_AREAS = "regexp_full_match(cell, '[0-9]{4}([ABC][0-9]{4}|R[0-9]{3})')"


def collecting_vintages(recode: Callable[[str], str], vintages: set[str]) -> Callable[[str], str]:
    """Wrap a function that normalises codes so that it adds the vintages in SCB's suffixes to `vintages`."""

    def recode_and_collect(text: str) -> str:
        if vintage := split_suffix(text)[1]:
            vintages.add(vintage)
        return recode(text)

    return recode_and_collect


def single_vintage(suffixes: Set[str]) -> str | None:
    """Return the area vintage of all suffixes, "" if there are none, None for several vintages or an unknown one."""
    area_vintages = {
        next((d for d, vintages in AREA_VINTAGES.items() if vintage in vintages), None) for vintage in suffixes
    }
    return None if len(area_vintages) > 1 else next(iter(area_vintages), "")


def vintage_note(distinct: DistinctTexts, table: Table, area_vintage: str) -> Iterator[Finding]:
    """Yield the note of the vintage assumed for the codes of a table, with examples."""
    count, sample, vintages = 0, list[str](), set[str]()
    levels = register.codes("levels")
    for codes in distinct.batches(table.relation, "neighbourhood", SMALL_AREAS):
        for code in codes:
            area = areas().find_in(code, area_vintage)
            if area and (area_vintage or area.vintage in AREA_VINTAGES["2018"]):
                count += 1
                vintages.add(f"{levels[area.level].text('sv')} {area.vintage}")
                sample = sorted([*sample, code])[:EXAMPLE_CODES]
    if count:
        examples = ", ".join(sample) + (" …" if count > len(sample) else "")
        vintage = area_vintage or next(iter(AREA_VINTAGES))
        params: dict[str, object] = {"count": count, "examples": examples, "vintage": vintage}
        params |= {f"division_{lang}": joined(sorted(vintages), lang) for lang in LANGUAGES}
        column = table.column("neighbourhood")
        yield Finding(
            "assumed-vintage", Severity.NOTE, table.resource, table.sheet, None, column.letter if column else None,
            "neighbourhood", None, params,
        )  # fmt: skip
