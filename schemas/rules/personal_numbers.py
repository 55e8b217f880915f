"""Rules about personal identity numbers, in cells and wherever else a submission has text (DOMAIN section 4).

A certain number refuses the submission. A probable one does so until the sender has answered what it is; the receipt
repeats the answer. No finding repeats a number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vaven.schemas.rules.registry import Checking, Matches, RuleMatch, severity_of, wide_rule
from vaven.schemas.standard.finding import Finding, Report, Severity
from vaven.schemas.standard.personal_number_forms import (
    CENTURIES,
    COORDINATION_DAYS,
    LIKE_A_NUMBER_SQL,
    SHORT,
    SHORTEST,
    Certainty,
    dated_numbers,
    judged,
    judged_counts,
)
from vaven.schemas.standard.sql import quoted
from vaven.schemas.tables.cell_account import OmittedNumber
from vaven.schemas.tables.tables import Tables
from vaven.vocab.messages import LANGUAGES, messages

CERTAIN, POSSIBLE = "personal-number", "personal-number-possible"
CERTAIN_IN_TEXT, POSSIBLE_IN_TEXT = "personal-number-in-text", "possible-number-in-text"
# Findings of files that are not kept.
REFUSING = frozenset((CERTAIN, CERTAIN_IN_TEXT))
# RE2 pattern of texts whose only digits are one number in its usual form; SQL judges them at a hundredth of the cost.
USUAL = r"[^\pN]*(?:(?:18|19|20)?[0-9]{6}[-+ ]?[0-9]{4})[^\pN]*"
USUAL_WRITTEN = r"[^\pN]*(?:(?:18|19|20)[0-9]{6}[-+ ]?[0-9]{4}|[0-9]{6}[-+ ][0-9]{4})[^\pN]*"
# An e-mail address, or a word that asks the reader to contact somebody.
ADDRESS = r"[\pL\d._%+-]+@[\pL\d-]+\.\pL{2,}"
CONTACT_WORDS = (
    r"(?i)\b(kontakta|kontaktperson|kontaktuppgift(er)?|contact person|please contact|phone|telefon|tel|call)\b[:. ]"
    r"|\bring (oss|mig|till|på|gärna|\+?[0-9])"
)
# Properties and parts that a message names.
NAMED = frozenset(
    ("file", "sheet", "beside", "label", "omitted", "slug", "title_sv", "description_sv", "keywords_sv",
     "publisher_name", "contact_name", "contact_email", "version_note", "not_personal")
)  # fmt: skip
CONTACT_FIELDS = frozenset(("contact_name", "contact_email"))


@wide_rule(CERTAIN, Severity.ERROR, "")
def personal_number(on: Checking) -> Iterator[Matches]:
    """Personal identity numbers in a column where most numbers of that form are valid.

    A column of codes that match by chance (such as Oslo's area codes) is ignored.
    """
    for name in _columns(on):
        yield from _cells_with(on, name, Certainty.CERTAIN)


@wide_rule(POSSIBLE, Severity.ERROR, "")
def personal_number_possible(on: Checking) -> Iterator[Matches]:
    """A number that may be a person's or something else, until the sender answers what it is."""
    if on.tables.choices.not_personal is not None:
        return
    for name in _columns(on):
        yield from _cells_with(on, name, Certainty.PROBABLE)


@wide_rule("contact-in-text", Severity.WARNING, "")
def contact_in_text(on: Checking) -> Iterator[Matches]:
    """A note with an e-mail address or with words such as "kontakta", which may name a person."""
    for name in ("note", "description"):
        field = next((f for f in on.schema.fields if f.name == name), None)
        where = f"regexp_matches(cell, '{ADDRESS}') OR regexp_matches(cell, '{CONTACT_WORDS}')"
        if field and on.occurs(name, where):
            query = f"SELECT _row FROM {on.table.relation} WHERE {where.replace('cell', quoted(name))}"
            yield from on.matches(query, lambda row, name=name: RuleMatch(row, name), field=name)


def personal_text_findings(tables: Tables) -> Iterator[Finding]:
    """Yield a finding for each text outside the cells of data that has a number, and a note of the sender's answer."""
    explanation = tables.choices.not_personal
    if explanation is not None:
        yield Finding("assumed-not-personal", Severity.NOTE, params={"text": explanation})
    reported: set[str] = set()
    yield from _in_omitted_cells(tables)
    for where, content in _texts(tables):
        certainty = certainty_of(content, is_contact=where in CONTACT_FIELDS)
        is_answered = certainty == Certainty.PROBABLE and explanation is not None
        if certainty == Certainty.NONE or is_answered:
            continue
        digits = {number.digits for number in dated_numbers(content) if number.is_valid}
        cell = tables.about_source.cells.get(where)
        # A title may come from the file's name, and a short name from the title.
        if cell is None and digits <= reported:
            continue
        reported |= digits
        yield (
            _finding(certainty, where, tables.about_source.sheet, cell.row, cell.column)
            if cell
            else _finding(certainty, where)
        )


def name_findings(name: str) -> Iterator[Finding]:
    """Yield a finding for the name of a file that is not checked, if it contains a personal identity number."""
    if certainty_of(name) == Certainty.CERTAIN:
        yield _finding(Certainty.CERTAIN, "file")


def _finding(
    certainty: Certainty, where: str, sheet: str | None = None, row: int | None = None, column: str | None = None
) -> Finding:
    """Return the finding about a text outside the cells of data; `where` is a property or part of the submission."""
    code = CERTAIN_IN_TEXT if certainty == Certainty.CERTAIN else POSSIBLE_IN_TEXT
    key = f"personal.where.{where if where in NAMED else 'other'}"
    params = {f"where_{language}": messages(language, "schemas")(key) for language in LANGUAGES}
    return Finding(code, severity_of(code), None, sheet, row, column, params=params)


def _in_omitted_cells(tables: Tables) -> Iterator[Finding]:
    """Yield a finding for each column or row left out with numbers; those of a column are judged together."""
    groups: dict[tuple[str | None, str | None], list[OmittedNumber]] = {}
    for omitted in tables.omitted_numbers:
        groups.setdefault((omitted.sheet, omitted.column), []).append(omitted)
    for (sheet, column), group in groups.items():
        written, grouped = judged(omitted.number for omitted in group)
        rows: dict[int | None, Certainty] = {}
        for omitted in group:
            if omitted.number.is_valid:
                certainty = written if omitted.number.is_written else grouped
                rows[omitted.row] = max(certainty, rows.get(omitted.row, Certainty.NONE))
        for row, certainty in rows.items():
            is_answered = tables.choices.not_personal is not None and certainty == Certainty.PROBABLE
            if certainty != Certainty.NONE and not is_answered:
                yield _finding(certainty, "omitted", sheet, row, column)


def is_refused_for_persons(report: Report) -> bool:
    """Return True for a report on a file that contains personal identity numbers, which nothing may keep."""
    return not REFUSING.isdisjoint(report.counts)


def certainty_of(content: str, *, is_contact: bool = False) -> Certainty:
    """Return the highest certainty of a personal identity number in a text of its own.

    Ten digits in a field for contacts may be a phone number.
    """
    numbers = dated_numbers(content)
    written, grouped = judged(numbers)
    certainties = [written if number.is_written else grouped for number in numbers if number.is_valid]
    most = [
        Certainty.PROBABLE if is_contact and len(number.digits) == SHORT else Certainty.CERTAIN
        for number in numbers
        if number.is_valid
    ]
    return max(map(min, certainties, most), default=Certainty.NONE)


def _texts(tables: Tables) -> Iterator[tuple[str, str]]:
    """Yield the texts of a submission that are stored or shown, with the property or part that they belong to."""
    yield "file", tables.source.name
    yield from tables.about_source.texts.items()
    for content in tables.texts_beside:
        yield "beside", content
    # Of a file without a description of its own, and of the sender's options.
    for content in (*tables.about.titles.values(), tables.about.slug):
        yield "slug", content
    for table in tables.tables.values():
        yield "file", table.file
        for sheet in (table.sheet, *(part.sheet for part in table.parts)):
            yield "sheet", sheet or ""
        for column in (*table.columns, *table.beside):
            yield "label", column.label or ""
    yield "publisher_name", tables.choices.publisher or ""
    yield "not_personal", tables.choices.not_personal or ""


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a column in the table `relation` (cell, digits, is_valid, is_written), and their certainties."""

    relation: str
    written: Certainty
    grouped: Certainty


def _columns(on: Checking) -> list[str]:
    """Return the columns of the file with texts like a number; organisation_number has its own rule."""
    return on.once("columns of personal numbers", _candidate_columns)


def _candidate_columns(on: Checking) -> list[str]:
    names = [
        column.name
        for column in (*on.table.columns, *on.table.beside)
        if column.name != "organisation_number" and (column.letter or column.label or on.table.wide)
    ]
    # The pattern takes longer to compile than four rows take to check, and most columns have too few digits for it.
    for condition in (_has_digits, _is_candidate):
        if not names:
            break
        exist = (f"EXISTS (SELECT 1 FROM {on.distinct(name)} WHERE {condition(on, name)})" for name in names)
        occurs = on.work.execute(f"SELECT {', '.join(exist)}").fetchone() or ()
        names = [name for name, is_candidate in zip(names, occurs, strict=True) if is_candidate]
    return names


def _has_digits(on: Checking, name: str) -> str:
    """Return SQL of a text `cell` for which `_is_candidate` may be true: digits enough, an exponent, or not ASCII."""
    digits = "strlen(cell) - strlen(translate(cell, '0123456789', ''))"
    is_exponent = r"regexp_matches(cell, '\d[.,]\d+[eE]\+?\d')"
    return f"strlen(cell) >= {SHORTEST} AND ({digits} >= {SHORTEST} OR {is_exponent} OR strlen(cell) <> length(cell))"


def _is_candidate(on: Checking, name: str) -> str:
    """Return SQL of a text `cell` that may contain a number."""
    field = next((f for f in on.schema.fields if f.name == name), None)
    if field is not None and field.type in ("number", "integer"):
        return "strlen(cell) >= 10 AND regexp_full_match(cell, '[0-9]{10}([0-9]{2})?([.,]0+)?')"
    return f"strlen(cell) >= {SHORTEST} AND regexp_matches(cell, '{LIKE_A_NUMBER_SQL}')"


def _cells_with(on: Checking, name: str, certainty: Certainty) -> Iterator[Matches]:
    numbers = on.once(f"personal numbers of {name}", lambda on: _numbers_of(on, name))
    chosen = (
        [str(is_written) for is_written, own in ((True, numbers.written), (False, numbers.grouped)) if own == certainty]
        if numbers
        else []
    )
    if not numbers or not chosen:
        return
    cells = f"SELECT cell FROM {numbers.relation} WHERE is_valid AND is_written IN ({', '.join(chosen)})"
    query = f"SELECT _row FROM {on.table.relation} WHERE {quoted(name)} IN ({cells})"
    beside = next((column.label for column in on.table.beside if column.name == name), None)
    params: dict[str, object] = {} if beside is None else {"label": beside}
    yield from on.matches(query, lambda row: RuleMatch(row, name, params=params), field=name)


def _numbers_of(on: Checking, name: str) -> _Numbers | None:
    """Return the dated numbers in the different texts of a column, or None without any."""
    texts = on.distinct(name)
    relation = f"numbers_{on.table.resource}_{name}"
    usual = f"regexp_full_match(cell, '{USUAL}')"
    on.work.execute(
        f"""CREATE OR REPLACE TEMP TABLE {relation} AS
        SELECT cell, digits, {_passes_luhn("right(digits, 10)")} AS is_valid,
            regexp_full_match(cell, '{USUAL_WRITTEN}') AS is_written
        FROM (SELECT cell, regexp_replace(cell, '[^0-9]', '', 'g') AS digits FROM {texts} WHERE {usual})
        WHERE {_is_dated("digits")}"""
    )
    others = on.work.execute(f"SELECT cell FROM {texts} WHERE {_is_candidate(on, name)} AND NOT {usual}")
    dated: list[tuple[str, str, bool, bool]] = []
    while batch := others.fetchmany(10_000):
        for (cell,) in batch:
            dated += [(cell, n.digits, n.is_valid, n.is_written) for n in dated_numbers(cell)]
    if dated:
        columns = "unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::BOOLEAN[]), unnest(?::BOOLEAN[])"
        on.work.execute(
            f"INSERT INTO {relation} SELECT {columns}", [list(column) for column in zip(*dated, strict=True)]
        )
    counts = "count(DISTINCT digits), count(DISTINCT digits) FILTER (is_valid)"
    different, valid = on.work.execute(f"SELECT {counts} FROM {relation}").fetchone() or (0, 0)
    return _Numbers(relation, *judged_counts(different, valid)) if valid else None


def _passes_luhn(digits: str) -> str:
    """Return SQL of `passes_luhn`."""
    odd = (
        f"list_extract([0, 2, 4, 6, 8, 1, 3, 5, 7, 9], TRY_CAST(substr({digits}, {i}, 1) AS INT) + 1)"
        for i in range(1, 11, 2)
    )
    even = (f"TRY_CAST(substr({digits}, {i}, 1) AS INT)" for i in range(2, 11, 2))
    return f"({' + '.join((*odd, *even))}) % 10 = 0"


def _is_dated(digits: str) -> str:
    """Return SQL of `is_dated`."""
    month, day = (f"TRY_CAST(substr({digits}, {start}, 2) AS INT)" for start in (-8, -6))
    born = f"(CASE WHEN {day} > {COORDINATION_DAYS} THEN {day} - {COORDINATION_DAYS} ELSE {day} END)"
    written = f"substr({digits}, -10, 4) || lpad({born}::VARCHAR, 2, '0')"
    exists = " OR ".join(
        f"((strlen({digits}) = 10 OR starts_with({digits}, '{century}'))"
        f" AND try_strptime('{century}' || {written}, '%Y%m%d') <= current_date)"
        for century in CENTURIES
    )
    return f"{month} BETWEEN 1 AND 12 AND {born} BETWEEN 1 AND 31 AND ({exists})"
