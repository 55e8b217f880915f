"""Conversion of a rule's match to a finding: location, message parameters, and a fix if one is safe.

Findings of a table then get the texts as submitted; personal identity numbers in them are masked.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from vaven.schemas.rules.advice import IN_CELL, Advice, advice_on_number, advice_on_period, in_cell
from vaven.schemas.rules.registry import Checking, RuleMatch, severity_of
from vaven.schemas.standard.cells import Cells
from vaven.schemas.standard.finding import Excerpt, Finding, code_words, joined, uncapitalised
from vaven.schemas.standard.labels import codes_by_word, fold
from vaven.schemas.standard.personal_number_forms import masked
from vaven.schemas.standard.sql import quoted
from vaven.schemas.standard.table_schemas import Field
from vaven.schemas.tables.compile import describe_field
from vaven.schemas.tables.tables import Table, Tables
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES, messages

# Characters of a text that are compared with a code list.
COMPARED = 400
# Fields with periods.
PERIODS = ("period", "baseline_period")
# Numbers that programs write for a missing value.
SENTINELS = frozenset(("-1", "-9", "-99", "-999", "-9999", "99", "999", "9999", "99999"))
# A longer code list is not enumerated: the message refers to the sheet of code lists.
MAX_CODES = 20
# Rows with findings per table that a report quotes in full.
MAX_EXCERPTS = 200
# Rows by their numbers; the bounds leave out blocks of a relation without reading them.
ROWS = "_row BETWEEN ? AND ? AND _row IN (SELECT unnest(?::BIGINT[]))"
# Maximum length in characters of each text in a finding.
MAX_CHARACTERS = 400


def finding_of(on: Checking, code: str, match: RuleMatch) -> Finding:
    column = on.table.column(match.field) if match.field else None
    params = {**_words(on, match), **match.params}
    kpi = register.kpis().get(str(params.get("kpi")))
    if kpi:
        params |= {f"kpi_{language}": kpi.text(language) for language in LANGUAGES}
    if code == "not-in-list" and match.field:
        field, nearest = on.schema[match.field], _nearest(on, match)
        params |= {f"hint_{language}": _hint(field, nearest, language) for language in LANGUAGES}
        params["nearest"] = nearest
    if code in ("duplicate-key", "duplicate-row", "repeated-row-differs"):
        params |= {f"key_{language}": _key(on, language) for language in LANGUAGES}
    advice = _advice(on, code, match, kpi)
    if advice:
        params |= {**advice.params, "advice": advice.key}
    return Finding(
        code=code,
        severity=severity_of(code),
        resource=on.table.resource,
        sheet=on.table.sheet,
        row=match.row,
        column=column.letter if column else None,
        field=match.field,
        text=match.text,
        params=params,
        fix=match.fix or (advice.fix if advice else None),
    )


def _advice(on: Checking, code: str, match: RuleMatch, kpi: register.Kpi | None) -> Advice | None:
    """Return the remedy for the kind of text in the cell; None if the rule's own applies."""
    field = on.schema[match.field] if match.field in on.schema.names else None
    if field is None or not match.text:
        return None
    if code == "type-error" and field.type in ("number", "integer"):
        advice = advice_on_number(match.text, kpi, has_status="status" in on.schema.names)
        return in_cell(advice) if _has_status_in_cell(on, match) else advice
    if code == "jump" and _has_status_in_cell(on, match):
        return Advice("jump" + IN_CELL)
    if code == "pattern-mismatch" and field.name in PERIODS:
        return advice_on_period(match.text)
    if code in ("kpi-range", "below-minimum", "above-maximum") and match.text in SENTINELS:
        suffix = IN_CELL if _has_status_in_cell(on, match) else ""
        return Advice(f"value.sentinel{suffix}", {"status": "O"}) if "status" in on.schema.names else None
    if code == "not-in-list" and field.descriptor.get("codes") != "kpis":
        return Advice("list")
    return None


def _has_status_in_cell(on: Checking, match: RuleMatch) -> bool:
    """Return True for a value in a table whose sender has no column Status, as a wide one."""
    column = on.table.column("status")
    return match.field == "value" and "status" in on.schema.names and not (column and column.letter)


def _words(on: Checking, match: RuleMatch) -> Mapping[str, object]:
    """Return the message parameters of the match's field, if any."""
    return describe_field(on.schema[match.field]) if match.field and match.field in on.schema.names else {}


def _key(on: Checking, language: str) -> str:
    """Return the labels of the primary key's columns."""
    return joined([uncapitalised(on.schema[name].label(language)) for name in on.schema.primary_key], language)


def _nearest(on: Checking, match: RuleMatch) -> str:
    """Return the allowed code closest to the text by code or label, or ""."""
    field = on.schema[match.field or ""]
    code_list, allowed = field.descriptor.get("codes"), field.constraints["enum"]
    words = tuple(codes_by_word(code_list).items()) if code_list else tuple((str(code), str(code)) for code in allowed)
    return _nearest_word(fold((match.text or "")[:COMPARED]), words)


def _hint(field: Field, nearest: str, language: str) -> str:
    """Return a suggestion of the nearest code, or else all allowed codes."""
    code_list, say = field.descriptor.get("codes"), messages(language, "schemas")
    allowed = [str(code) for code in field.constraints["enum"]]
    if nearest:
        return say("hint.nearest", nearest=_named(code_list, nearest, language))
    if len(allowed) > MAX_CODES:
        return say("hint.kpis")
    return say("hint.allowed", allowed=", ".join(_named(code_list, code, language) for code in allowed))


def _named(code_list: str | None, code: str, language: str) -> str:
    if code_list == "kpis":
        return f"{register.kpis()[code].text(language)} ({code})"
    return code_words(code_list, code, language) if code_list else code


# Cached: a misspelling repeated in a thousand rows is compared with the list only once.
@lru_cache(maxsize=1_000)
def _nearest_word(text: str, words: tuple[tuple[str, str], ...]) -> str:
    codes = dict(words)
    near = difflib.get_close_matches(text, codes, n=1, cutoff=0.6)
    return codes[near[0]] if near else ""


def as_written(tables: Tables, table: Table, findings: list[Finding]) -> Iterator[Finding]:
    """Yield a table's findings with the text as submitted and the cell reference of the submitted file."""
    texts = dict(_texts_as_written(tables, table, findings))
    for finding in findings:
        text = texts.get((finding.field, finding.row), finding.text)
        row, column = (
            table.cell_reference(finding.row, finding.field) if finding.row is not None else (None, finding.column)
        )
        sheet, params = table.sheet_of(finding.row), dict(finding.params)
        if isinstance(other := params.get("other"), int):
            params["other"], _ = table.cell_reference(other, None)
            if (other_sheet := table.sheet_of(other)) != sheet:
                params |= {f"other_{language}": f"{params['other']} ({other_sheet})" for language in LANGUAGES}
        yield redacted(replace(finding, sheet=sheet, row=row, column=column, text=text, params=params))


def excerpts(tables: Tables, table: Table, findings: list[Finding]) -> Iterator[Excerpt]:
    """Yield the first rows with findings, in full."""
    rows = list(dict.fromkeys(f.row for f in findings if f.row is not None))[:MAX_EXCERPTS]
    names = [c.name for c in table.columns if c.letter or c.name in table.wide or (table.wide and c.name == "value")]
    if not rows or not names:
        return
    # Columns added by reading (a default, a status from a symbol) are in the normalised relation only.
    columns = ", ".join(quoted(name) for name in names)
    query = f"SELECT _row, {columns} FROM {table.original_relation} WHERE {ROWS} ORDER BY _row"
    for key, *texts in tables.workspace.execute(query, [min(rows), max(rows), rows]).fetchall():
        row, _ = table.cell_reference(key, None)
        letters = {name: table.cell_reference(key, name)[1] for name in names}
        shortened = {name: _shortened(text) if text else text for name, text in zip(names, texts, strict=True)}
        yield Excerpt(table.resource, masked(table.sheet_of(key) or "") or None, row, letters, shortened)


def _texts_as_written(
    tables: Tables, table: Table, findings: list[Finding]
) -> Iterator[tuple[tuple[str | None, int | None], str]]:
    """Yield (field, `_row`) and the cell's text before normalisation, for each finding with a text."""
    if table.original_relation == table.relation:
        return
    with_text = [f for f in findings if f.text is not None and f.row is not None]
    for name in {f.field for f in with_text}:
        column = table.column(name) if name else None
        if column and (column.letter or name == "value"):
            rows = [f.row for f in with_text if f.field == name and f.row is not None]
            query = f"SELECT _row, {quoted(column.name)} FROM {table.original_relation} WHERE {ROWS}"
            for row, text in tables.workspace.execute(query, [min(rows), max(rows), rows]).fetchall():
                if text is not None:
                    yield (name, row), text


def redacted(finding: Finding) -> Finding:
    """Return a finding with personal identity numbers masked and its texts shortened."""
    params = {name: _shortened_value(value) for name, value in finding.params.items()}
    sheet = masked(finding.sheet) if finding.sheet else finding.sheet
    return replace(finding, sheet=sheet, text=_shortened(finding.text) if finding.text else finding.text, params=params)


def redacted_cells(cells: Cells | None) -> Cells | None:
    """Return an account of cells with personal identity numbers in names of sheets masked."""
    if cells is None:
        return None
    return replace(
        cells, omitted=tuple(replace(p, sheet=masked(p.sheet) if p.sheet else p.sheet) for p in cells.omitted)
    )


def redacted_choices(choices: Mapping[str, object]) -> dict[str, object]:
    """Return the user's options with personal identity numbers masked."""
    return {
        name: {masked(key): masked(text) for key, text in value.items()}
        if isinstance(value, dict)
        else masked(value)
        if isinstance(value, str)
        else value
        for name, value in choices.items()
    }


def _shortened_value(value: object) -> object:
    return (
        [_shortened(v) for v in value]
        if isinstance(value, list)
        else _shortened(value)
        if isinstance(value, str)
        else value
    )


# Most findings of a rule repeat its texts.
@lru_cache(maxsize=256)
def _shortened(value: str) -> str:
    hidden = masked(value)
    return hidden if len(hidden) <= MAX_CHARACTERS else hidden[: MAX_CHARACTERS - 1] + "…"
