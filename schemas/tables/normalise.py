"""From cells as written to cells by the standard: numbers, codes and missing marks, decided column by column.

Everything is one pass of SQL over columns. Each decision is a note, so that nobody is surprised by it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial
from importlib.resources import files

import duckdb

from vaven.schemas.standard.finding import Finding, Severity, code_words
from vaven.schemas.standard.labels import age_of, codes_by_word, fold, period_of
from vaven.schemas.standard.table_schemas import Field, TableSchema
from vaven.schemas.tables.area_vintage import record_vintage
from vaven.schemas.tables.compile import describe_field, plain
from vaven.schemas.tables.distinct_values import Distinct
from vaven.schemas.tables.sql import quoted
from vaven.schemas.tables.tables import Column
from vaven.vocab import register
from vaven.vocab.areas import areas, level_of, split_suffix
from vaven.vocab.messages import LANGUAGES

NUMERIC = ("number", "integer")
DEFAULTS = {"sex": register.TOTAL, "age_group": register.TOTAL}
# SDMX status for the marks of Swedish official statistics (DOMAIN section 4): ".." not available or too
# uncertain, "." not applicable. "-" may mean zero and is left for the partner to say.
MARKS = {"..": "O", "...": "O", "…": "O", ".": "M"}
BLANK = r"[ \x{00a0}\x{202f}\x{2009}]"
# A number as people write it: blanks only after the sign and between groups of three ("12 5" may be two numbers).
WRITTEN = rf"[-+−]?{BLANK}*(\d{{1,3}}({BLANK}\d{{3}})+([.,]\d+)?|[\d.,]*\d)([eE][-+]?\d+)?"
PLAIN = r"[-+]?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?"
# Control characters but tab and line breaks, and what is no character: a pattern for DuckDB and for Python.
UNSEEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f" + "\ufffe\uffff]"
# How many of the texts that were read as codes a note shows.
SHOWN_CODES = 5
AREA_FIELDS = ("neighbourhood", "code", "municipality")
# SQL of the texts that may be another way to write an area's code; others need not be looked at one by one.
# The length is told apart from the letters: counted in the pattern, it takes DuckDB ten times as long.
LIKE_AREAS = (
    "regexp_matches(cell, '^[0-9]{2}') OR contains(cell, '_') OR "
    r"(length(cell) BETWEEN 2 AND 40 AND regexp_full_match(cell, '[\pL -]+'))"
)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What is multiplied where the user says that shares are given for per cent.
SHARES = ("value", "ci_lower", "ci_upper", "baseline_value", "target_value")
WHOLE_FLOAT = re.compile(r"(\d+)\.0+")


@dataclass(frozen=True)
class NormalisedTable:
    """`columns` in the order of the standard. `is_view`: nothing was rewritten, and raw is looked at through a view.
    `vintages` are those that SCB's suffixes of area codes name."""

    columns: tuple[Column, ...]
    notes: list[Finding]
    is_view: bool
    vintages: frozenset[str] = frozenset()


def normalise(
    distinct: Distinct,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    relation: str,
    columns: Sequence[Column],
    schema: TableSchema,
    place: Mapping[str, str | None],
    *,
    decimal_comma: bool,
    is_decided: bool = False,
    shares: bool = False,
    names_are_codes: bool = False,
) -> NormalisedTable:
    """Make `relation` from `raw` (both as schemas.tables.Table.relation; an empty cell of `raw` is NULL too).

    `decimal_comma`: commas in numbers are likelier decimal than grouping; or surely so, where the user decided.
    `shares`: values of KPIs in per cent are given from 0 to 1. `names_are_codes`: a municipality's name is as good
    as its code.
    """
    notes: list[Finding] = []
    names = [c.name for c in columns]
    given: dict[str, str] = {}
    vintages: set[str] = set()
    if "value" in names and "status" in schema.names:
        notes += _read_marks(distinct, work, raw, "status" in names, given, place)
    for column in columns:
        field = schema[column.name]
        at = {**place, "column": column.letter, "field": column.name}
        if field.type in NUMERIC:
            notes += _write_numbers(distinct, work, raw, field, given, at, decimal_comma, is_decided)
        else:
            recode = _recoder(distinct, raw, field, names_are_codes=names_are_codes)
            if recode and column.name in AREA_FIELDS:
                recode = record_vintage(recode, vintages)
            recoded = _recode(distinct, work, raw, field, given, at, recode) if recode else []
            if recoded and column.name == "status" and "value" in names:
                given["status"] = _status_expression(given["status"])
            notes += recoded
            notes += _without_unseen(distinct, raw, field, given, at)
    if shares and "kpi" in names:
        notes += _multiply_shares(names, given, place)
    is_view = not given
    added = [name for name in DEFAULTS if name in schema.names and name not in names]
    for name in added:
        words = describe_field(schema[name])
        notes.append(Finding("assumed-default", Severity.NOTE, **place, field=name, params=words))  # type: ignore[arg-type]
    given |= {name: f"'{DEFAULTS[name]}'" for name in added}
    order = [name for name in schema.names if name in given or name in names]
    select = ", ".join(f'{given.get(name, quoted(name))} AS "{name}"' for name in order)
    work.execute(f"CREATE {'VIEW' if is_view else 'TABLE'} {relation} AS SELECT _row, {select} FROM {raw}")
    for name in set(order) - set(given):
        distinct.alias(relation, name, raw)
    letters = {c.name: c for c in columns}
    found = tuple(letters.get(name, Column(name, None, None)) for name in order)
    return NormalisedTable(found, notes, is_view, frozenset(vintages))


def _read_marks(
    distinct: Distinct,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    has_status: bool,
    given: dict[str, str],
    place: Mapping[str, str | None],
) -> list[Finding]:
    """Let marks in the value fill the status, and write the status in capitals, where there are any."""
    marked = distinct.has(raw, "value", f"cell IN ({', '.join(repr(mark) for mark in MARKS)})")
    small = has_status and distinct.has(raw, "status", "cell <> upper(cell)")
    if marked or small or not has_status:
        given["status"] = _status_expression('"status"' if has_status else "NULL")
    return list(_note_marks(work, raw, place)) if marked else []


def _status_expression(own: str) -> str:
    """SQL of a row's status: its own in capitals, else the one that a mark in the value stands for."""
    marks = " ".join(f"WHEN '{mark}' THEN '{status}'" for mark, status in MARKS.items())
    return f'coalesce(upper({own}), CASE "value" {marks} END)'


def _note_marks(work: duckdb.DuckDBPyConnection, raw: str, place: Mapping[str, str | None]) -> Iterator[Finding]:
    marks = ", ".join(f"'{mark}'" for mark in MARKS)
    query = f'SELECT "value", count(*) FROM {raw} WHERE "value" IN ({marks}) GROUP BY 1 ORDER BY 1'
    for mark, count in work.execute(query).fetchall():
        params = {"mark": mark, "count": count, "status": MARKS[mark]}
        yield Finding("assumed-missing", Severity.NOTE, **place, field="value", params=params)  # type: ignore[arg-type]


def _write_numbers(
    distinct: Distinct,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    field: Field,
    given: dict[str, str],
    at: Mapping[str, str | None],
    decimal_comma: bool,
    is_decided: bool,
) -> list[Finding]:
    """Plain numbers (point as decimal sign, no grouping); text that is no number stays as it is."""
    cells = distinct.of(raw, field.name)
    query = (files(__package__) / "number_style.sql").read_text("utf-8")
    found = work.execute(query.replace("{cells}", cells)).fetchone() or (0,) * 5
    decided = "decimal-comma" if decimal_comma else "grouping-comma"
    style = decided if is_decided and found[0] else number_style(*found, decimal_comma=decimal_comma)
    rewritten = _number_expression("cell", field, style, has_both=bool(found[2]))
    if work.execute(f"SELECT 1 FROM {cells} WHERE {rewritten} IS DISTINCT FROM cell LIMIT 1").fetchone():
        given[field.name] = _number_expression(quoted(field.name), field, style, has_both=bool(found[2]))
    if style == "plain" or is_decided:
        return []
    params = {"style": style, **describe_field(field)}
    return [Finding("assumed-decimal", Severity.NOTE, **at, params=params)]  # type: ignore[arg-type]


def _number_expression(cell: str, field: Field, style: str, *, has_both: bool) -> str:
    """SQL of a cell's plain number. `has_both` tells that points group what commas divide ("1.234,5")."""
    bare = f"regexp_replace(replace({cell}, '−', '-'), '{BLANK}', '', 'g')"
    text = {
        "plain": bare,
        "decimal-comma": f"replace(replace({bare}, '.', ''), ',', '.')" if has_both else f"replace({bare}, ',', '.')",
        "grouping-comma": f"replace({bare}, ',', '')",
    }[style]
    if field.type == "integer":
        text = f"regexp_replace({text}, '^(-?\\d+)\\.0+$', '\\1')"
    marks = ", ".join(f"'{mark}'" for mark in MARKS)
    kept = f"WHEN {cell} IN ({marks}) THEN NULL" if field.name in ("value", "numerator", "denominator") else ""
    return (
        f"CASE {kept} WHEN regexp_full_match({cell}, '{WRITTEN}') AND regexp_full_match({text}, '{PLAIN}') "
        f"THEN {text} ELSE {cell} END"
    )


def number_style(
    commas: int, grouped: int, both_decimal: int, both_grouping: int, zero_lead: int, *, decimal_comma: bool
) -> str:
    """What a comma means in a column: counts of cells with commas, of those that could be grouped thousands
    ("4,726"), of those with points before ("1.234,5") and after ("1,234.5") the comma, and with a
    lead of zero ("0,125").
    """
    if not commas:
        return "plain"
    if both_decimal and not both_grouping:
        return "decimal-comma"
    if both_grouping and not both_decimal:
        return "grouping-comma"
    if grouped < commas or zero_lead or decimal_comma:
        return "decimal-comma"
    return "grouping-comma"


def _recode(
    distinct: Distinct,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    field: Field,
    given: dict[str, str],
    at: Mapping[str, str | None],
    recode: Callable[[str], str],
) -> list[Finding]:
    """Replace other ways of writing a code by the code. Only distinct texts are looked at."""
    table, count, shown = f"recode_{raw}_{field.name}", 0, list[tuple[str, str]]()
    for texts in distinct.batches(raw, field.name, LIKE_AREAS if field.name in AREA_FIELDS else "TRUE"):
        changed = [(written, code) for written in texts if (code := recode(written)) != written]
        if changed:
            _keep(work, table, changed)
            count += len(changed)
            shown = sorted([*shown, *changed])[:SHOWN_CODES]
    if not count:
        return []
    mapped = f'coalesce((SELECT code FROM {table} WHERE {table}.text = {raw}."{field.name}"), {quoted(field.name)})'
    given[field.name] = mapped
    listed, rest = field.descriptor.get("codes"), " …" if count > len(shown) else ""

    def examples(named: Callable[[str], str]) -> str:
        return "; ".join(f"{written} → {named(code)}" for written, code in shown) + rest

    params: dict[str, object] = {"count": count, "examples": examples(str)}
    if listed and listed != "kpis":
        params |= {f"examples_{lang}": examples(partial(code_words, listed, language=lang)) for lang in LANGUAGES}
    return [Finding("assumed-code", Severity.NOTE, **at, params=params)]  # type: ignore[arg-type]


def _without_unseen(
    distinct: Distinct, raw: str, field: Field, given: dict[str, str], at: Mapping[str, str | None]
) -> list[Finding]:
    """Blanks in place of characters that nobody sees, which XML and workbooks can't hold; they come from copying."""
    if field.type != "string" or not distinct.has(raw, field.name, f"regexp_matches(cell, '{UNSEEN}')"):
        return []
    cell = given.get(field.name, quoted(field.name))
    given[field.name] = f"nullif(trim(regexp_replace({cell}, '{UNSEEN}+', ' ', 'g')), '')"
    return [Finding("assumed-unseen", Severity.NOTE, **at, params=describe_field(field))]  # type: ignore[arg-type]


def _keep(work: duckdb.DuckDBPyConnection, table: str, changed: Sequence[tuple[str, str]]) -> None:
    work.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} (text VARCHAR, code VARCHAR)")
    pairs = [[written for written, _ in changed], [code for _, code in changed]]
    work.execute(f"INSERT INTO {table} SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])", pairs)


def _recoder(distinct: Distinct, raw: str, field: Field, *, names_are_codes: bool) -> Callable[[str], str] | None:
    """How a text of this field becomes a code; texts it does not know come back as they are."""
    if field.name == "age_group":
        return age_of
    if field.name in ("period", "baseline_period"):
        length = _dates_as_periods(distinct, raw, field.name)
        return lambda text: text[:length] if length and DAY.fullmatch(text) else _period(text)
    if field.name in AREA_FIELDS:
        return _area_or_name if names_are_codes and field.name == "neighbourhood" else _area
    listed = field.descriptor.get("codes")
    if listed == "statuses":
        # A code in small letters needs no note.
        codes, words = register.codes(listed), codes_by_word(listed)
        return lambda text: text if text.upper() in codes else words.get(fold(text), text)
    if listed:
        synonyms = codes_by_word(listed)
        return lambda text: synonyms.get(fold(text), text)
    return None


def _period(text: str) -> str:
    """A period as the standard writes it: "2023.0" is 2023, "2023 kv 1" 2023-Q1, "2022–2024" 2022/2024."""
    if WHOLE_FLOAT.fullmatch(text):
        return WHOLE_FLOAT.sub(r"\1", text)
    return period_of(text) or text.upper()


def _dates_as_periods(distinct: Distinct, raw: str, name: str) -> int:
    """How much of a date is the period that it stands for in this column: 4 (a year), 7 (a month) or 0 (none).

    A spreadsheet makes dates of years and months: where all are the first or last day of a year, years are meant.
    """
    years = months = True
    for texts in distinct.batches(raw, name, f"regexp_full_match(cell, '{DAY.pattern}')"):
        ends = {text[5:] for text in texts}
        years = years and ends <= {"01-01", "12-31"}
        months = months and (all(end.endswith("-01") for end in ends) or all(map(_is_last_day, texts)))
    return 4 if years else 7 if months else 0


def _is_last_day(text: str) -> bool:
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).day == 1
    except (ValueError, OverflowError):
        return False


def _multiply_shares(names: Sequence[str], given: dict[str, str], place: Mapping[str, str | None]) -> Iterator[Finding]:
    """Values from 0 to 1 as per cent, in the rows of KPIs that are counted so."""
    percent = ", ".join(f"'{kpi.id}'" for kpi in register.kpis().values() if kpi.unit("en") == "%")
    kpi = given.get("kpi", '"kpi"')
    for name in (name for name in SHARES if name in names):
        cell = given.get(name, quoted(name))
        number = f"CASE WHEN regexp_full_match({cell}, '{PLAIN}') THEN TRY_CAST({cell} AS DOUBLE) END"
        given[name] = (
            f"CASE WHEN {kpi} IN ({percent}) AND {number} IS NOT NULL THEN {plain(f'100 * {number}')} ELSE {cell} END"
        )
    yield Finding("assumed-shares", Severity.NOTE, **place, field="value")  # type: ignore[arg-type]


def _area_or_name(text: str) -> str:
    """As `_area`; also the code of a municipality's name, "Botkyrka kommun" or "Göteborgs stad" as well."""
    return _kommun_names().get(" ".join(text.casefold().split())) or _area(text)


@cache
def _kommun_names() -> Mapping[str, str]:
    """Names in lower case to codes. With their diacritics: Habo and Håbo are two municipalities."""
    found: dict[str, str] = {}
    for area in areas().kommuner.values():
        genitive = area.name if area.name.endswith(("s", "x", "z")) else f"{area.name}s"
        forms = (area.name, f"{genitive} kommun", f"{genitive} stad", f"{area.name} kommun", f"{area.name} stad")
        found |= dict.fromkeys((form.casefold() for form in forms), area.code)
    return found


def _area(text: str) -> str:
    """A code without SCB's vintage suffix, or the code in front of a name ("0180 Stockholm")."""
    code, _ = split_suffix(WHOLE_FLOAT.sub(r"\1", text) if WHOLE_FLOAT.fullmatch(text) else text)
    first = code.split(" ", 1)[0]
    return first if first != code and level_of(first) else code.upper() if level_of(code.upper()) else code
