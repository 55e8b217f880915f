"""Rules about unique values, references between tables, and organisation numbers."""

from collections.abc import Iterator

from vaven.schemas.rules.registry import Checking, RuleMatch, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.personal_number_forms import passes_luhn
from vaven.schemas.standard.sql import quoted
from vaven.vocab import register
from vaven.vocab.areas import areas, level_of


@wide_rule("duplicate-value", Severity.ERROR, "", "unique-error")
def duplicate_value(on: Checking) -> Iterator[RuleMatch]:
    """A repeated text in a column with the constraint `unique`."""
    for field in on.schema.fields:
        # A unique column that is the whole primary key is checked by duplicate-key.
        if field.constraints.get("unique") and on.has(field.name) and on.schema.primary_key != (field.name,):
            name = quoted(field.name)
            query = f"""SELECT _row, {name}, first_row FROM (
                SELECT _row, {name}, min(_row) OVER (PARTITION BY {name}) AS first_row FROM {on.table.relation}
                WHERE {name} IS NOT NULL) WHERE _row > first_row ORDER BY _row"""
            for row, cell, first in on.rows(query):
                yield RuleMatch(row, field.name, cell, {"other": first})


@wide_rule("reference-missing", Severity.ERROR, "", "foreign-key")
def reference_missing(on: Checking) -> Iterator[RuleMatch]:
    """A code missing from the referenced sheet, if that sheet is part of the submission."""
    for key in on.schema.foreign_keys:
        (own,), (other,) = key["fields"], key["reference"]["fields"]
        target = on.tables.tables.get(key["reference"]["resource"])
        if target is None or not on.has(own) or not target.column(other):
            continue
        # area-leading-zero reports area codes without their leading zero.
        lost_zero = "" if target.resource == "neighbourhoods" else "FALSE AND"
        query = f"""SELECT t._row, t.{quoted(own)} FROM {on.table.relation} t
            ANTI JOIN {target.relation} r ON r.{quoted(other)} = t.{quoted(own)}
            ANTI JOIN {target.relation} z ON {lost_zero} z.{quoted(other)} = '0' || t.{quoted(own)}
            WHERE t.{quoted(own)} IS NOT NULL ORDER BY t._row"""
        schema = on.standard[target.resource]
        words: dict[str, object] = {"sheet_sv": schema.label("sv"), "sheet_en": schema.label("en")}
        for row, cell in on.rows(query):
            yield RuleMatch(row, own, cell, words)


@wide_rule("list-member-unknown", Severity.ERROR, "")
def list_member_unknown(on: Checking) -> Iterator[RuleMatch]:
    """An unknown item in a list cell: an area, actor, KPI or DeSO code."""
    for field in on.schema.fields:
        if field.list_of is None or not on.has(field.name):
            continue
        known = _members(on, field.list_of)
        query = f"SELECT _row, {quoted(field.name)} FROM {on.table.relation} WHERE {quoted(field.name)} IS NOT NULL"
        for row, cell in on.rows(f"{query} ORDER BY _row"):
            unknown = [
                part
                for part in (p.strip() for p in cell.split(";"))
                if part and not _is_member(part, known, field.list_of, on.tables.about.area_vintage)
            ]
            if unknown:
                yield RuleMatch(row, field.name, cell, {"unknown": ", ".join(unknown)})


def _members(on: Checking, list_name: str) -> frozenset[str] | None:
    """Return the allowed items of a list, or None if its sheet is not part of the submission."""
    if list_name == "kpis":
        return frozenset(register.kpis())
    target = on.tables.tables.get(list_name)
    column = "code" if list_name == "neighbourhoods" else "id"
    if target is None or not target.column(column):
        return None
    return frozenset(row[0] for row in on.work.execute(f"SELECT {column} FROM {target.relation}").fetchall())


def _is_member(part: str, known: frozenset[str] | None, list_name: str, area_vintage: str) -> bool:
    if list_name == "deso":
        return level_of(part) == "deso" and areas().find_in(part, area_vintage) is not None
    if known is None:
        # Official area codes are also valid without a sheet Neighbourhoods.
        return list_name != "neighbourhoods" or areas().find_in(part, area_vintage) is not None
    return part in known


@wide_rule("organisation-number", Severity.ERROR, "actors")
def organisation_number(on: Checking) -> Iterator[RuleMatch]:
    """An organisation number with a wrong check digit (Luhn), or a personal number with a month in digits 3-4.

    The third digit of an organisation number is at least 2 (Skatteverket; DOMAIN section 4). The number itself is
    not repeated, since it may be a personal identity number.
    """
    if not on.has("organisation_number"):
        return
    query = f"""SELECT _row, organisation_number FROM {on.table.relation}
        WHERE regexp_full_match(organisation_number, '\\d{{6}}-?\\d{{4}}') ORDER BY _row"""
    for row, number in on.rows(query):
        digits = number.replace("-", "")
        if digits[2] < "2" or not passes_luhn(digits):
            yield RuleMatch(row, "organisation_number")
