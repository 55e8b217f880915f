"""Normalisation of cells to the standard: numbers, codes and missing marks, detected column by column.

It is one pass of SQL over columns. Each detection is a note in the report.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from importlib.resources import files

import duckdb

from vaven.schemas.formats.grid import column_letter
from vaven.schemas.spreadsheets.cell_units import convert_units
from vaven.schemas.spreadsheets.label_units import convert_amounts
from vaven.schemas.spreadsheets.number_formats import UNIT_SPACE
from vaven.schemas.spreadsheets.value_status import LIKE_STATUS, split_statuses
from vaven.schemas.standard.decimal_signs import MAX_EXAMPLES, ambiguous_numbers
from vaven.schemas.standard.distinct_values import DistinctTexts
from vaven.schemas.standard.finding import Finding, Severity, code_words
from vaven.schemas.standard.labels import INVISIBLE, age_of, code_of, visible
from vaven.schemas.standard.period_forms import day_of_midnight, period_of
from vaven.schemas.standard.sql import plain, quoted
from vaven.schemas.standard.table_schemas import Field, TableSchema
from vaven.schemas.tables.area_vintage import collecting_vintages
from vaven.schemas.tables.compile import describe_field
from vaven.schemas.tables.tables import STRIDE, Column
from vaven.vocab import register
from vaven.vocab.areas import level_of, split_suffix
from vaven.vocab.areas.names import is_name_of, kommun_of, split_name
from vaven.vocab.messages import LANGUAGES

NUMERIC = ("number", "integer")
DEFAULTS = {"sex": register.TOTAL, "age_group": register.TOTAL}
# SDMX status of the marks of Swedish official statistics (DOMAIN section 4): ".." not available or too uncertain, "."
# not applicable; PC-Axis has up to six points. "-" may mean zero, and the partner must decide.
MARKS = {**{"." * count: "O" for count in range(2, 7)}, "…": "O", ".": "M"}
BLANK = r"[ \x{00a0}\x{202f}\x{2009}]"
UNSEEN = INVISIBLE.pattern
# A number with grouping: blanks only after the sign and between groups of three ("12 5" may be two numbers).
GROUPED_NUMBER = rf"{UNSEEN}*[-+−]?{BLANK}*(\d{{1,3}}({BLANK}\d{{3}})+([.,]\d+)?|[\d.,]*\d)([eE][-+]?\d+)?{UNSEEN}*"
PLAIN_NUMBER = r"[-+]?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?"
# Control characters except tab and line breaks, and noncharacters: a pattern for DuckDB and for Python.
CONTROL_CHARACTERS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f" + "\ufffe\uffff]"
# Number of examples in a note about texts read as codes.
EXAMPLE_CODES = 5
AREA_FIELDS = ("neighbourhood", "code", "municipality")
# SQL of the texts that may be another form of an area's code; others need not be tested one by one.
LIKE_AREAS = f"length(cell) BETWEEN 2 AND 200 AND regexp_matches(cell, '^{UNSEEN}*([0-9]{UNSEEN}*[0-9]|\\pL)')"
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SHORTER_THAN_A_YEAR = re.compile(r"[0-9]{4}-(Q[1-4]|[0-9]{2})")
# Fields that are multiplied by 100 if the user states that per cent are given as shares.
SHARES = ("value", "ci_lower", "ci_upper", "baseline_value", "target_value")
WHOLE_FLOAT = re.compile(r"(\d+)\.0+")


@dataclass(frozen=True)
class NormalisedTable:
    """The result of normalisation, with `columns` in the order of the standard.

    `is_view`: no cell was rewritten, and the relation is a view of the raw one. `vintages` are those in SCB's suffixes
    of area codes, `problems` the errors about numbers that could be read in two ways.
    """

    columns: tuple[Column, ...]
    notes: list[Finding]
    is_view: bool
    vintages: frozenset[str] = frozenset()
    problems: tuple[Finding, ...] = ()


def normalise(
    distinct: DistinctTexts,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    relation: str,
    columns: Sequence[Column],
    beside: Sequence[Column],
    schema: TableSchema,
    location: Mapping[str, str | None],
    *,
    decimal_comma: bool,
    is_decided: bool = False,
    shares: bool = False,
    is_text: bool = False,
    names_are_codes: bool = False,
    factors: Sequence[str] = (),
) -> NormalisedTable:
    """Create `relation` from `raw` (both as Table.relation; an empty cell of `raw` is NULL too). `beside` as in Table.

    `decimal_comma`: commas in numbers are more likely decimal than grouping, or certainly if the user has decided
    (`is_decided`). `shares`: values of KPIs in per cent range from 0 to 1. `names_are_codes`: a municipality's name is
    accepted as its code. `factors` are the fields with a column of factors in `raw` (label_units.factor_name).
    """
    notes: list[Finding] = []
    names = [c.name for c in columns]
    expressions: dict[str, str] = {}
    vintages: set[str] = set()
    problems: list[Finding] = []
    if "value" in names and "status" in schema.names:
        if "status" not in names:
            texts = distinct.batches(raw, "value", LIKE_STATUS)
            raw, notes = split_statuses(work, raw, texts, location)
            names += ["status"] * bool(notes)
        notes += _read_marks(distinct, work, raw, "status" in names, expressions, location)
    for column in columns:
        field = schema[column.name]
        at = {**location, "column": column.letter, "field": column.name}
        if field.type in NUMERIC:
            signs = {"decimal_comma": decimal_comma, "is_decided": is_decided, "is_text": is_text}
            problems += _ambiguous_numbers(distinct, work, raw, field, at, signs)
            notes += _normalise_numbers(distinct, work, raw, field, expressions, at, signs)
        else:
            recode = _without_invisible(_recoder(distinct, raw, field, names_are_codes=names_are_codes))
            if recode and column.name in AREA_FIELDS:
                recode = collecting_vintages(recode, vintages)
            recoded = _recode(distinct, work, raw, field, expressions, at, recode) if recode else []
            if recoded and column.name == "status" and "value" in names:
                expressions["status"] = _status_expression(expressions["status"])
            notes += recoded
            notes += _replace_control_characters(distinct, raw, field, expressions, at)
    notes += convert_units(distinct, work, raw, columns, expressions, location)
    notes += convert_amounts(names, factors, expressions, location)
    if shares and "kpi" in names:
        notes += _multiply_shares(names, expressions, location)
    is_view = not expressions
    added = [name for name in DEFAULTS if name in schema.names and name not in names]
    for name in added:
        words = describe_field(schema[name])
        notes.append(Finding("assumed-default", Severity.NOTE, **location, field=name, params=words))  # type: ignore[arg-type]
    expressions |= {name: f"'{DEFAULTS[name]}'" for name in added}
    order = [name for name in schema.names if name in expressions or name in names]
    select = ", ".join(f'{expressions.get(name, quoted(name))} AS "{name}"' for name in order)
    select += "".join(f", {column.name}" for column in beside)
    work.execute(f"CREATE {'VIEW' if is_view else 'TABLE'} {relation} AS SELECT _row, {select} FROM {raw}")
    for name in set(order) - set(expressions):
        distinct.alias(relation, name, raw)
    letters = {c.name: c for c in columns}
    normalised = tuple(letters.get(name, Column(name, None, None)) for name in order)
    return NormalisedTable(normalised, notes, is_view, frozenset(vintages), tuple(problems))


def _read_marks(
    distinct: DistinctTexts,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    has_status: bool,
    expressions: dict[str, str],
    location: Mapping[str, str | None],
) -> list[Finding]:
    """Set the status from marks in the value, and convert the status to capitals, if there are any."""
    has_marks = distinct.has(raw, "value", f"cell IN ({', '.join(repr(mark) for mark in MARKS)})")
    has_lower_case = has_status and distinct.has(raw, "status", "cell <> upper(cell)")
    if has_marks or has_lower_case or not has_status:
        expressions["status"] = _status_expression('"status"' if has_status else "NULL")
    return list(_note_marks(work, raw, location)) if has_marks else []


def _status_expression(own: str) -> str:
    """SQL of a row's status: its own in capitals, else the one that a mark in the value stands for."""
    marks = " ".join(f"WHEN '{mark}' THEN '{status}'" for mark, status in MARKS.items())
    return f'coalesce(upper({own}), CASE "value" {marks} END)'


def _note_marks(work: duckdb.DuckDBPyConnection, raw: str, location: Mapping[str, str | None]) -> Iterator[Finding]:
    marks = ", ".join(f"'{mark}'" for mark in MARKS)
    query = f'SELECT "value", count(*) FROM {raw} WHERE "value" IN ({marks}) GROUP BY 1 ORDER BY 1'
    for mark, count in work.execute(query).fetchall():
        params = {"mark": mark, "count": count, "status": MARKS[mark]}
        yield Finding("assumed-missing", Severity.NOTE, **location, field="value", params=params)  # type: ignore[arg-type]


def _normalise_numbers(
    distinct: DistinctTexts,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    field: Field,
    expressions: dict[str, str],
    at: Mapping[str, str | None],
    signs: Mapping[str, bool],
) -> list[Finding]:
    """Convert numbers to plain form (decimal point, no grouping); other text is unchanged."""
    decimal_comma, is_decided = signs["decimal_comma"], signs["is_decided"]
    cells = distinct.of(raw, field.name)
    query = (files(__package__) / "number_style.sql").read_text("utf-8")
    counts = work.execute(query.replace("{cells}", cells).replace("{unseen}", UNSEEN)).fetchone() or (0,) * 5
    chosen_style = "decimal-comma" if decimal_comma else "grouping-comma"
    # Where the user decided on the comma, points of a text file group thousands.
    is_chosen = is_decided and signs["is_text"]
    style = number_style(*counts, decimal_comma=decimal_comma)
    style = chosen_style if is_chosen or (is_decided and counts[0]) else style
    has_both = bool(counts[2]) or is_chosen
    rewritten = _number_expression("cell", field, style, has_both=has_both)
    if work.execute(f"SELECT 1 FROM {cells} WHERE {rewritten} IS DISTINCT FROM cell LIMIT 1").fetchone():
        expressions[field.name] = _number_expression(quoted(field.name), field, style, has_both=has_both)
    if style == "plain" or is_decided:
        return []
    params = {"style": style, **describe_field(field)}
    return [Finding("assumed-decimal", Severity.NOTE, **at, params=params)]  # type: ignore[arg-type]


def _ambiguous_numbers(
    distinct: DistinctTexts,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    field: Field,
    at: Mapping[str, str | None],
    signs: Mapping[str, bool],
) -> Iterator[Finding]:
    """Yield an error for each of the first texts whose points and commas could be read in two ways."""
    texts, others = ambiguous_numbers(work, distinct.of(raw, field.name), **signs)
    for i, number in enumerate(texts):
        query = f"SELECT min(_row) FROM {raw} WHERE {quoted(field.name)} = $1"
        (row,) = work.execute(query, [number]).fetchone() or (None,)
        location = dict(at)
        if row and at["column"] is None:
            row, position = divmod(row, STRIDE)
            location["column"] = column_letter(position)
        examples = "; ".join([*texts[:i], *texts[i + 1 :], *others][:MAX_EXAMPLES])
        params = {**describe_field(field), "examples": examples}
        yield Finding("number-ambiguous", Severity.ERROR, **location, row=row, text=number, params=params)  # type: ignore[arg-type]


def _number_expression(cell: str, field: Field, style: str, *, has_both: bool) -> str:
    """Return SQL of a cell's plain number. `has_both`: points group thousands before a decimal comma ("1.234,5")."""
    bare = f"regexp_replace(replace({cell}, '−', '-'), '{BLANK}|{UNSEEN}', '', 'g')"
    text = {
        "plain": bare,
        "decimal-comma": f"replace(replace({bare}, '.', ''), ',', '.')" if has_both else f"replace({bare}, ',', '.')",
        "grouping-comma": f"replace({bare}, ',', '')",
    }[style]
    if field.type == "integer":
        text = f"regexp_replace({text}, '^(-?\\d+)\\.0+$', '\\1')"
    marks = ", ".join(f"'{mark}'" for mark in MARKS)
    missing = f"WHEN {cell} IN ({marks}) THEN NULL" if field.name in ("value", "numerator", "denominator") else ""
    return (
        f"CASE {missing} WHEN regexp_full_match({cell}, '{GROUPED_NUMBER}') "
        f"AND regexp_full_match({text}, '{PLAIN_NUMBER}') THEN {text} ELSE {cell} END"
    )


def number_style(
    commas: int, grouped: int, both_decimal: int, both_grouping: int, zero_lead: int, *, decimal_comma: bool
) -> str:
    """Return the meaning of commas in a column: plain (none), decimal-comma or grouping-comma.

    It depends on the number of cells with commas, of those that could be grouped thousands ("4,726"), of those with
    points before ("1.234,5") and after ("1,234.5") the comma, and of those with a leading zero ("0,125").
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
    distinct: DistinctTexts,
    work: duckdb.DuckDBPyConnection,
    raw: str,
    field: Field,
    expressions: dict[str, str],
    at: Mapping[str, str | None],
    recode: Callable[[str], str],
) -> list[Finding]:
    """Replace other forms of a code by the code. Only distinct texts are tested."""
    table, count, replacements = f"recode_{raw}_{field.name}", 0, list[tuple[str, str]]()
    for texts in distinct.batches(raw, field.name, LIKE_AREAS if field.name in AREA_FIELDS else "TRUE"):
        changed = [(text, code) for text in texts if (code := recode(text)) != text]
        if changed:
            _insert_codes(work, table, changed)
            count += len(changed)
            replacements = sorted([*replacements, *changed])[:EXAMPLE_CODES]
    if not count:
        return []
    mapped = f'coalesce((SELECT code FROM {table} WHERE {table}.text = {raw}."{field.name}"), {quoted(field.name)})'
    expressions[field.name] = mapped
    code_list, rest = field.descriptor.get("codes"), " …" if count > len(replacements) else ""

    def examples(label: Callable[[str], str]) -> str:
        return "; ".join(f"{text} → {label(code)}" for text, code in replacements) + rest

    params: dict[str, object] = {"count": count, "examples": examples(str)}
    if code_list and code_list != "kpis":
        params |= {f"examples_{lang}": examples(partial(code_words, code_list, language=lang)) for lang in LANGUAGES}
    return [Finding("assumed-code", Severity.NOTE, **at, params=params)]  # type: ignore[arg-type]


def _replace_control_characters(
    distinct: DistinctTexts, raw: str, field: Field, expressions: dict[str, str], at: Mapping[str, str | None]
) -> list[Finding]:
    """Replace control characters by blanks: they come from copying, and are invalid in XML and workbooks."""
    if field.type != "string" or not distinct.has(raw, field.name, f"regexp_matches(cell, '{CONTROL_CHARACTERS}')"):
        return []
    cell = expressions.get(field.name, quoted(field.name))
    expressions[field.name] = f"nullif(trim(regexp_replace({cell}, '{CONTROL_CHARACTERS}+', ' ', 'g')), '')"
    return [Finding("assumed-unseen", Severity.NOTE, **at, params=describe_field(field))]  # type: ignore[arg-type]


def _insert_codes(work: duckdb.DuckDBPyConnection, table: str, changed: Sequence[tuple[str, str]]) -> None:
    work.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} (text VARCHAR, code VARCHAR)")
    pairs = [[text for text, _ in changed], [code for _, code in changed]]
    work.execute(f"INSERT INTO {table} SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])", pairs)


def _recoder(distinct: DistinctTexts, raw: str, field: Field, *, names_are_codes: bool) -> Callable[[str], str] | None:
    """Return a function from a text of this field to its code; it returns unknown texts unchanged."""
    if field.name == "age_group":
        return age_of
    if field.name in ("period", "baseline_period"):
        length = _period_length_of_dates(distinct, raw, field.name)
        return lambda text: _period(text, length)
    if field.name in AREA_FIELDS:
        return _area_or_name if names_are_codes and field.name == "neighbourhood" else _area
    code_list = field.descriptor.get("codes")
    if code_list == "statuses":
        # A code in small letters needs no note.
        codes = register.codes(code_list)
        return lambda text: text if text.upper() in codes else code_of(code_list, text) or text
    if code_list:
        return lambda text: code_of(code_list, text) or text
    return None


def _without_invisible(recode: Callable[[str], str] | None) -> Callable[[str], str] | None:
    return recode and (lambda text: recode(visible(text)))


def _period(text: str, length: int) -> str:
    """Return a period in the standard's form ("2023 kv 1" is 2023-Q1); of a date, its first `length` characters."""
    day = day_of_midnight(text)
    return day[:length] if length and DAY.fullmatch(day) else period_of(text) or text


def _period_length_of_dates(distinct: DistinctTexts, raw: str, name: str) -> int:
    """Return the length of the period within the dates of a column: 4 (a year), 7 (a month) or 0 (none).

    A spreadsheet turns years and months into dates: if all are the first or last day of a year, they are years, unless
    other periods of the column are months or quarters.
    """
    years = months = True
    for texts in distinct.batches(raw, name):
        days = [day for text in texts if DAY.fullmatch(day := day_of_midnight(text))]
        ends = {day[5:] for day in days}
        others = {period_of(text) or "" for text in texts} if len(days) < len(texts) else set()
        years = years and ends <= {"01-01", "12-31"} and not any(map(SHORTER_THAN_A_YEAR.fullmatch, others))
        months = months and (all(end.endswith("-01") for end in ends) or all(map(_is_last_day, days)))
    return 4 if years else 7 if months else 0


def _is_last_day(text: str) -> bool:
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).day == 1
    except (ValueError, OverflowError):
        return False


def _multiply_shares(
    names: Sequence[str], expressions: dict[str, str], location: Mapping[str, str | None]
) -> Iterator[Finding]:
    """Convert values from 0 to 1 to per cent, in the rows of KPIs with that unit."""
    percent = ", ".join(f"'{kpi.id}'" for kpi in register.kpis().values() if kpi.unit("en") == "%")
    kpi = expressions.get("kpi", '"kpi"')
    for name in (name for name in SHARES if name in names):
        cell = expressions.get(name, quoted(name))
        number = f"CASE WHEN regexp_full_match({cell}, '{PLAIN_NUMBER}') THEN TRY_CAST({cell} AS DOUBLE) END"
        # A number format of per cent has scaled the number already.
        share = f"{kpi} IN ({percent}) AND {number} IS NOT NULL AND NOT contains({quoted(name)}, '{UNIT_SPACE}')"
        expressions[name] = f"CASE WHEN {share} THEN {plain(f'100 * {number}')} ELSE {cell} END"
    yield Finding("assumed-shares", Severity.NOTE, **location, field="value")  # type: ignore[arg-type]


def _area_or_name(text: str) -> str:
    """Return a code as `_area`, also for a municipality's name, including "Falu kommun" and "Göteborgs stad"."""
    return (None if text[:1].isdigit() else kommun_of(text)) or _area(text)


def _area(text: str) -> str:
    """Return a code without SCB's vintage suffix, or the code in one cell with its name ("0180 Stockholm").

    "0180 Rinkeby" is no form of 0180: the area of that name is only a part of it.
    """
    code, _ = split_suffix(WHOLE_FLOAT.sub(r"\1", text) if WHOLE_FLOAT.fullmatch(text) else text)
    if level_of(code.upper()):
        return code.upper()
    both = split_name(text)
    return both[0] if both and is_name_of(*both) else code
