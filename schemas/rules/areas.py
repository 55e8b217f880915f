"""Rules about area codes: form, vintage and existence (DOMAIN section 2)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from vaven.schemas.rules.advice import advice_on_area
from vaven.schemas.rules.area_names import other_name
from vaven.schemas.rules.registry import Checking, RuleMatch, wide_rule
from vaven.schemas.standard.finding import Fix, Severity
from vaven.schemas.standard.sql import quoted
from vaven.vocab import register
from vaven.vocab.areas import PATTERNS, VINTAGES, areas, level_of
from vaven.vocab.areas.names import similar_kommun
from vaven.vocab.messages import LANGUAGES

NEWEST = "2025"
OFFICIAL = ("deso", "regso", "kommun")
# SQL condition for a possible code, with or without its leading zero.
LIKE_A_CODE = "regexp_full_match(cell, '[0-9]{1,4}([ABC][0-9]{4}|R[0-9]{3})?')"
# Distinct unknown codes for which the nearest known code is looked up; each costs about 6 ms.
SUGGESTED = 100


@dataclass(frozen=True)
class _Cell:
    """An area code with the level, vintage and municipality stated in its row, "" if not stated."""

    row: int
    field: str
    code: str
    level: str = ""
    vintage: str = ""
    municipality: str = ""


def _cells(on: Checking) -> Iterator[_Cell]:
    """Yield the area codes of the sheet Neighbourhoods with their stated properties."""
    if on.table.resource != "neighbourhoods" or not on.has("code"):
        return
    names = ["code", *(n if on.has(n) else None for n in ("level", "vintage", "municipality"))]
    columns = ", ".join(quoted(n) if n else "NULL" for n in names)
    query = f"SELECT _row, {columns} FROM {on.table.relation} WHERE code IS NOT NULL ORDER BY _row"
    for row, code, level, vintage, municipality in on.rows(query):
        yield _Cell(row, "code", code, level or "", vintage or "", municipality or "")


def _unknown(on: Checking, *, with_zero: bool) -> Iterator[_Cell]:
    """Yield the cells with an unknown code: on the sheet Neighbourhoods, or on other sheets in its absence.

    `with_zero` selects the codes that become known with a leading zero, else the others.
    """
    for cell in _cells(on):
        if _is_official(cell) and not _is_known(cell) and (_with_zero(cell.code) is not None) == with_zero:
            yield cell
    if _stands_alone(on) and on.once("unknown areas", _collect_unknown):
        query = f"""SELECT _row, neighbourhood FROM {on.table.relation}
            WHERE neighbourhood IN (SELECT code FROM unknown_areas WHERE with_zero = {with_zero}) ORDER BY _row"""
        for row, code in on.rows(query):
            yield _Cell(row, "neighbourhood", code, vintage=NEWEST if on.tables.about.area_vintage == NEWEST else "")


def _collect_unknown(on: Checking) -> bool:
    """Create the table `unknown_areas` of distinct codes in no code list, and return whether it has rows."""
    on.work.execute(
        f"""CREATE OR REPLACE TEMP TABLE unknown_areas AS SELECT cell AS code, FALSE AS with_zero
        FROM {on.distinct("neighbourhood")} WHERE NOT {LIKE_A_CODE}"""
    )
    for codes in on.tables.distinct.batches(on.table.relation, "neighbourhood", LIKE_A_CODE):
        unknown = [code for code in codes if not areas().find_in(code, on.tables.about.area_vintage)]
        if unknown:
            marked = [unknown, [_with_zero(code) is not None for code in unknown]]
            on.work.execute("INSERT INTO unknown_areas SELECT unnest($1::VARCHAR[]), unnest($2::BOOLEAN[])", marked)
    return on.work.execute("SELECT 1 FROM unknown_areas LIMIT 1").fetchone() is not None


def _is_official(cell: _Cell) -> bool:
    """Return whether a code is of an official level or, if no level is stated, has the form of one."""
    looks = level_of(cell.code) or _with_zero(cell.code)
    return cell.level in OFFICIAL or bool(not cell.level and looks)


def _stands_alone(on: Checking) -> bool:
    """Return whether the table's areas are checked directly, in the absence of a sheet Neighbourhoods."""
    return "neighbourhoods" not in on.tables.tables and "neighbourhood" in on.schema.names and on.has("neighbourhood")


def _is_known(cell: _Cell) -> bool:
    """Return whether a code exists in any vintage (area-vintage checks which) or lacks a code list to refute it."""
    level = level_of(cell.code)
    if level is None or any(cell.code in areas().by_code(level, vintage) for vintage in VINTAGES[level]):
        return level is not None
    stated = cell.vintage if cell.vintage in VINTAGES[level] else None
    return areas().find(cell.code, stated) is not None


def _with_zero(code: str) -> str | None:
    """Return the code with a leading zero if that is a known code."""
    longer = "0" + code
    return longer if level_of(longer) and areas().find(longer) else None


@wide_rule("area-leading-zero", Severity.ERROR, "")
def area_leading_zero(on: Checking) -> Iterator[RuleMatch]:
    """An area code without its leading zero, which spreadsheets remove from numbers."""
    for cell in _unknown(on, with_zero=True):
        longer = "0" + cell.code
        yield RuleMatch(cell.row, cell.field, cell.code, {"code": longer}, Fix(longer))
    for row, code in _undeclared_without_zero(on):
        yield RuleMatch(row, "neighbourhood", code, {"code": "0" + code}, Fix("0" + code))
    for row, code in _municipalities(on):
        if "0" + code in areas().kommuner:
            yield RuleMatch(row, "municipality", code, {"code": "0" + code}, Fix("0" + code))


def _undeclared_without_zero(on: Checking) -> Iterable[tuple[Any, ...]]:
    """Return rows and codes that the sheet Neighbourhoods declares only with a leading zero.

    The declared codes are compared after their own leading zeros are restored.
    """
    declared = on.tables.tables.get("neighbourhoods")
    if declared is None or "neighbourhood" not in on.schema.names or not on.has("neighbourhood"):
        return ()
    cells = list(_cells(replace(on, table=declared, schema=on.standard["neighbourhoods"])))
    lost = {cell.code for cell in cells if _is_official(cell) and not _is_known(cell) and _with_zero(cell.code)}
    declared_codes = {"0" + cell.code if cell.code in lost else cell.code for cell in cells}
    batches = on.tables.distinct.batches(on.table.relation, "neighbourhood")
    without_zero = [
        c for codes in batches for c in codes if c and c not in declared_codes and "0" + c in declared_codes
    ]
    query = f"""SELECT _row, neighbourhood FROM {on.table.relation}
        WHERE neighbourhood IN (SELECT unnest(?::VARCHAR[])) ORDER BY _row"""
    return on.rows(query, [without_zero]) if without_zero else ()


@wide_rule("area-unknown", Severity.ERROR, "")
def area_unknown(on: Checking) -> Iterator[RuleMatch]:
    """An area code that does not exist in its known code list."""
    nearest: dict[tuple[str, str], str] = {}
    for cell in _unknown(on, with_zero=False):
        if other_name(cell.code):
            continue
        stated = (cell.code, cell.vintage)
        if stated not in nearest and len(nearest) < SUGGESTED:
            nearest[stated] = areas().nearest(cell.code, cell.vintage or None) or similar_kommun(cell.code) or ""
        code = nearest.get(stated, "")
        advice = advice_on_area(cell.code, code)
        kommun = areas().kommuner.get(code)
        params = {"nearest": f"{kommun.name} ({code})" if kommun else code, **advice.params, "advice": advice.key}
        yield RuleMatch(cell.row, cell.field, cell.code, params, advice.fix)


@wide_rule("area-vintage", Severity.ERROR, "neighbourhoods")
def area_vintage(on: Checking) -> Iterator[RuleMatch]:
    """An area code of another vintage than its row states."""
    for cell in _cells(on):
        level = level_of(cell.code)
        # Municipalities have no vintage, so any stated vintage is accepted.
        if level not in ("deso", "regso") or cell.level != level or not cell.vintage or not _is_known(cell):
            continue
        if cell.vintage not in VINTAGES[level] or not areas().find(cell.code, cell.vintage):
            right = areas().find(cell.code)
            after = ", ".join(areas().successors.get(cell.code, ())) if cell.vintage == "2025" else ""
            name = register.codes("levels")[level].text("sv")
            words = {"stated": f"{name} {cell.vintage}", "right": f"{name} {right.vintage}" if right else ""}
            yield RuleMatch(cell.row, "vintage", cell.vintage, {"code": cell.code, "successors": after, **words})


@wide_rule("area-level", Severity.ERROR, "neighbourhoods")
def area_level(on: Checking) -> Iterator[RuleMatch]:
    """An area code whose form differs from the level that its row states."""
    for cell in _cells(on):
        code_level = level_of(cell.code)
        if cell.level in PATTERNS and code_level and code_level != cell.level:
            levels = {"level": register.codes("levels")[cell.level], "right": register.codes("levels")[code_level]}
            words = {f"{name}_{lang}": level.text(lang) for name, level in levels.items() for lang in LANGUAGES}
            yield RuleMatch(cell.row, "level", cell.level, {"code": cell.code, **words})


@wide_rule("own-area-code", Severity.ERROR, "neighbourhoods")
def own_area_code(on: Checking) -> Iterator[RuleMatch]:
    """An own area with a code of official form, which readers would mistake for the official area."""
    for cell in _cells(on):
        if cell.level == "own" and level_of(cell.code):
            yield RuleMatch(cell.row, "code", cell.code)


@wide_rule("own-area-empty", Severity.ERROR, "neighbourhoods")
def own_area_empty(on: Checking) -> Iterator[RuleMatch]:
    """An own area without location: neither DeSO codes nor a geometry."""
    if on.has("level", "code"):
        conditions = [f"{quoted(n)} IS NULL" for n in ("deso_codes", "geometry") if on.has(n)] or ["TRUE"]
        where = " AND ".join(["level = 'own'", *conditions])
        query = f"SELECT _row, code FROM {on.table.relation} WHERE {where} ORDER BY _row"
        for row, code in on.rows(query):
            yield RuleMatch(row, "deso_codes" if on.has("deso_codes") else "code", None, {"code": code})


@wide_rule("municipality-unknown", Severity.ERROR, "neighbourhoods")
def municipality_unknown(on: Checking) -> Iterator[RuleMatch]:
    """A municipality code that is not one of the 290."""
    for row, code in _municipalities(on):
        if code not in areas().kommuner and "0" + code not in areas().kommuner:
            yield RuleMatch(row, "municipality", code, {"nearest": _nearest_kommun(code)})


@lru_cache(maxsize=1_000)
def _nearest_kommun(code: str) -> str:
    return areas().nearest(code) or ""


def _municipalities(on: Checking) -> Iterable[tuple[Any, ...]]:
    """Return row and text of municipality codes of three or four digits; other forms are pattern-mismatch."""
    if on.table.resource != "neighbourhoods" or not on.has("municipality"):
        return ()
    query = f"""SELECT _row, municipality FROM {on.table.relation}
        WHERE regexp_full_match(municipality, '\\d{{3,4}}') ORDER BY _row"""
    return on.rows(query)


@wide_rule("municipality-disagrees", Severity.ERROR, "neighbourhoods")
def municipality_disagrees(on: Checking) -> Iterator[RuleMatch]:
    """An area code whose municipality prefix differs from the municipality stated in its row."""
    for cell in _cells(on):
        known = cell.municipality in areas().kommuner and areas().find(cell.code)
        if known and cell.level in ("deso", "regso", "kommun") and cell.code[:4] != cell.municipality:
            right, stated = areas().kommuner[cell.code[:4]], areas().kommuner[cell.municipality]
            words = {"right": f"{right.name} ({right.code})", "stated": f"{stated.name} ({stated.code})"}
            yield RuleMatch(cell.row, "municipality", cell.municipality, {"code": cell.code, **words})


@wide_rule("area-list-unknown", Severity.NOTE, "")
def area_list_unknown(on: Checking) -> Iterator[RuleMatch]:
    """Area codes of valid form and municipality without a code list to check them against; once per area vintage."""
    counted: dict[str, int] = {}
    for code, vintage in _distinct_official(on):
        area = areas().find(code, vintage or None)
        if area and not areas().is_list_known(area.level, area.vintage, code[:2]):
            counted[area.area_vintage] = counted.get(area.area_vintage, 0) + 1
    for area_vintage, count in sorted(counted.items()):
        yield RuleMatch(
            None, None, None, {"division": AREA_VINTAGE_NAMES.get(area_vintage, area_vintage), "count": count}
        )


AREA_VINTAGE_NAMES: Mapping[str, str] = {
    "deso2025": "DeSO 2025",
    "regso2020": "RegSO 2020",
    "regso2025": "RegSO 2025",
}


def _distinct_official(on: Checking) -> Iterable[tuple[Any, ...]]:
    if on.table.resource == "neighbourhoods" and on.has("code"):
        vintage = "vintage" if on.has("vintage") else "NULL"
        own = "level IS DISTINCT FROM 'own'" if on.has("level") else "TRUE"
        return on.rows(f"SELECT DISTINCT code, {vintage} FROM {on.table.relation} WHERE {own}")
    if not _stands_alone(on):
        return ()
    batches = on.tables.distinct.batches(on.table.relation, "neighbourhood", LIKE_A_CODE)
    return ((code, None) for codes in batches for code in codes)
