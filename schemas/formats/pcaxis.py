"""PC-Axis files (.px), the format of Statistics Sweden's tables, as a row for each value.

"PC-Axis file format specification" (Statistics Sweden, version 2013): keywords with values up to DATA, then the cells
in row-major order of the stub and heading variables, or with the stub's values before each row (KEYS).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from pathlib import Path
from typing import IO

from vaven.schemas.formats.grid import MAX_CELLS, CellCount, Grid, GridRow, filled_count, first_uses
from vaven.schemas.formats.json_stat import category_texts
from vaven.schemas.standard.cells import CategoryTexts, OmittedCells, RepeatedText, omitted_texts
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import codes_by_word, fold, known_labels
from vaven.schemas.standard.pcaxis_terms import MEASURES, SYMBOLS, measure_note, measure_of, status_of, symbol_notes
from vaven.schemas.standard.read_options import codec_of
from vaven.vocab.errors import NotReadable

# Beginning of a file: a keyword in capitals, optionally a language and a variable, then "=".
OPENING = re.compile(
    r"\s*(CHARSET|AXIS-VERSION|CODEPAGE|LANGUAGES?|CREATION-DATE|NEXT-UPDATE|PX-SERVER|MATRIX|SUBJECT-AREA|SUBJECT-CODE|"
    r"TITLE|CONTENTS|DECIMALS|SHOWDECIMALS|TABLEID|COPYRIGHT|DEFAULT-GRAPH)(\[[a-z-]+\])?\s*="
)
TOKEN = re.compile(r'"([^"]*)"|([=;,()\[\]])|([^\s"=;,()\[\]]+)')
DATA = re.compile(r"\s*DATA\s*=")
CELL = re.compile(r'"([^"]*)"|([^\s";,]+)|(;)')
# Beginning of a statement, on its own line.
STATEMENT = re.compile(r'([A-Z][A-Z0-9-]+)(\[[a-z-]+\])?(\("[^"]*"(,"[^"]*")*\))?\s*=')
DECIMAL_COMMA = re.compile(r"(?<![0-9.,])-?[0-9]+,[0-9]+(?![0-9,])")
# Keywords of texts about the table, which some programs end after each of several texts.
NOTES = re.compile(r"(CELL|VALUE)?NOTEX?|INFO|SOURCE|DESCRIPTION")
# Cells that are held in memory while their rows are put together.
MAX_PIVOTED = 2_000_000
MAX_HEAD = 20_000_000
BLOCK = 1 << 16
# Labels of our own columns, which the standard knows in any language of the file.
VALUE, KPI, STATUS = "value", "kpi", "status"

Key = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True)
class _Variable:
    """A variable with the texts of its categories, and the keys that identify them in the rows of a file with KEYS.

    `source` is the key of the statement that the texts are from.
    """

    label: str
    texts: Sequence[str]
    keys: Sequence[str]
    has_keys: bool
    source: Key


def is_pcaxis(head: bytes) -> bool:
    return OPENING.match(head.decode("latin-1")) is not None


def codepage(head: bytes) -> str | None:
    """Return the encoding that the file declares, if it is supported."""
    match = re.search(rb'CODEPAGE\s*=\s*"([^"]+)"', head)
    return codec_of(match[1].decode("latin-1")) if match else None


def read_pcaxis(path: Path, encoding: str) -> Grid:
    """Read the table of a file, in Swedish if the file has it. A row's number is that of the value, from 1.

    Raises NotReadable for missing keywords, or if the number of cells does not fit the variables.
    """
    with path.open(encoding=encoding, newline="") as file:
        head, _ = _split_head(path, file)
    statements = list(_statements(path, head))
    keywords = dict(statements)
    language = _language(keywords)
    categories = CategoryTexts()
    stub, heading = (_variables(path, keywords, language, name, categories) for name in ("STUB", "HEADING"))
    count = 1
    for variable in (*stub, *heading):
        count *= len(variable.texts)
    if count > MAX_CELLS:
        raise NotReadable("not-readable-cells", file=path.name, sheet="", cells=MAX_CELLS, column_count=len(stub))
    contents = " ".join(_values(keywords, language, "CONTENTS"))
    note = Finding("assumed-pcaxis", Severity.NOTE, params={"contents": contents, "count": count})
    kpi = codes_by_word("kpis").get(fold(contents))
    texts = _symbol_texts(keywords, language)
    statuses = _symbol_statuses(texts, (*stub, *heading))
    cell_count = CellCount(sum(filled_count(texts) for _, texts in statements))
    used = [_key(keywords, language, name) for name in ("STUB", "HEADING", *["CONTENTS"] * bool(kpi))]
    used += [variable.source for variable in (*stub, *heading)]
    outside = list(_texts_outside(statements, used))
    omitted: list[OmittedCells] = []
    measure_notes: list[Finding] = []
    rows = _rows(path, encoding, stub, heading, kpi and categories.repeated(kpi), statuses, cell_count)
    if measures := _measures((*stub, *heading)):
        position, fields = measures
        variable = (*stub, *heading)[position]
        # Its texts are labels of the pivoted table, and its own label is none of its cells.
        categories.forget(variable.texts)
        outside.append(variable.label)
        rows = _pivoted(rows, len(stub) + len(heading), position, fields, omitted)
        note = replace(note, params={"contents": contents, "count": count // len(fields)})
        measure_notes = [measure_note(variable.label, fields)]
    symbols = symbol_notes(texts, statuses)
    notes = (note, *measure_notes, *symbols, *_code_notes(keywords, language, (*stub, *heading)))
    rows = first_uses(rows, categories, outside, omitted, path.name)
    return Grid(
        path.name, None, rows, decimal_comma=False, notes=notes, cell_count=cell_count, omitted=omitted,
        texts_beside=outside,
    )  # fmt: skip


def _texts_outside(statements: Sequence[tuple[Key, tuple[str, ...]]], used: Sequence[Key]) -> Iterator[str]:
    """Yield the texts of the keywords that no table contains: all but the last statements with the keys `used`."""
    last = {key: i for i, (key, _) in enumerate(statements)}
    for i, (key, texts) in enumerate(statements):
        if key not in used or last[key] != i:
            yield from texts
        elif key[0] == "CONTENTS":
            # The parts of the title of a KPI are one cell of the table.
            yield from texts[1:]


def _measures(variables: Sequence[_Variable]) -> tuple[int, Mapping[str, str]] | None:
    """Return the position of the contents variable, and the field of each of its texts: value, bounds, responses.

    None if each cell is a value of its own, or if the rows would need too much memory.
    """
    for position, variable in enumerate(variables):
        fields = {text: measure_of(text) for text in variable.texts}
        others = [text for text, field in fields.items() if field is None]
        if any(field in MEASURES for field in fields.values()) and len(others) <= 1:
            by_text = {text: field or VALUE for text, field in fields.items()}
            size = 1
            for inner in variables[position:]:
                size *= len(inner.texts)
            is_unique = VALUE in by_text.values() and len(set(by_text.values())) == len(variable.texts)
            return (position, by_text) if is_unique and size <= MAX_PIVOTED else None
    return None


def _pivoted(
    rows: Iterator[GridRow], width: int, position: int, fields: Mapping[str, str], omitted: list[OmittedCells]
) -> Iterator[GridRow]:
    """Yield a row for each value with its bounds and responses, which are cells of their own in `rows`.

    The first `width` cells of a row are categories, the contents variable at `position` among them. Symbols in place of
    bounds and responses are `omitted`.
    """
    symbols: list[str] = []
    number, labels = next(rows)
    names = [VALUE, *(name for name in fields.values() if name != VALUE)]
    added = labels[width + 1 :]
    yield number, [*labels[:position], *labels[position + 1 : width], *names, *added]
    for _, group in groupby(rows, lambda row: row[1][:position]):
        measures: dict[tuple[str, ...], dict[str, tuple[int, list[str]]]] = {}
        for number, cells in group:
            key = (*cells[:position], *cells[position + 1 : width])
            measures.setdefault(key, {})[fields[cells[position]]] = number, cells[width:]
        for key, by_name in measures.items():
            if VALUE not in by_name:
                # A row of KEYS is missing: a bound is no value, and its status is not that of the value.
                number, (_, *rest) = next(iter(by_name.values()))
                by_name[VALUE] = (
                    number,
                    ["", *("" if name == STATUS else cell for name, cell in zip(added, rest, strict=True))],
                )
            number, (value, *rest) = by_name[VALUE]
            beside = [by_name[name][1][0] if name in by_name else "" for name in names[1:]]
            # The status is that of the value.
            yield number, [*key, value, *("" if not cell.strip(".") else cell for cell in beside), *rest]
            for cell, *others in (cells for name, (_, cells) in by_name.items() if name != VALUE):
                symbols += [*([] if cell.strip(".") else [cell]), *others]
    omitted += omitted_texts("missing-value", symbols, None)


def _symbol_texts(keywords: Mapping[Key, tuple[str, ...]], language: str) -> Mapping[str, str]:
    """Return the texts that the file declares for symbols in place of a value."""
    texts = {symbol: " ".join(_values(keywords, language, keyword)).strip() for keyword, symbol in SYMBOLS.items()}
    return {symbol: text for symbol, text in texts.items() if text and text != symbol}


def _symbol_statuses(texts: Mapping[str, str], variables: Sequence[_Variable]) -> Mapping[str, str]:
    """Return the status that each symbol stands for; none in a table with a variable of statuses."""
    if any(known_labels("observations").get(fold(variable.label)) == STATUS for variable in variables):
        return {}
    return {symbol: status for symbol, text in texts.items() if (status := status_of(text))}


def _code_notes(
    keywords: Mapping[Key, tuple[str, ...]], language: str, variables: Sequence[_Variable]
) -> Iterator[Finding]:
    """Yield a note for each variable whose codes can't be assigned to its values."""
    for variable in variables:
        codes = _values(keywords, language, "CODES", variable.label)
        if codes and len(codes) != len(variable.texts):
            params = {"label": variable.label, "count": len(codes), "expected": len(variable.texts)}
            yield Finding("assumed-pcaxis-codes", Severity.NOTE, params=params)


def _split_head(path: Path, file: IO[str]) -> tuple[str, str]:
    """Return the keywords, and the rest of the line on which the data begin; `file` is then positioned after it."""
    head: list[str] = []
    size, is_quoted = 0, False
    statement = unclosed = ("", 0)
    while (line := file.readline(MAX_HEAD)) and size < MAX_HEAD:
        if not is_quoted and (match := DATA.match(line)):
            return "".join(head), line[match.end() :]
        head.append(line)
        size += len(line)
        if match := STATEMENT.match(line):
            # A statement within a text: the text of the one before has no end.
            unclosed = unclosed if unclosed[0] or not is_quoted else statement
            statement = match[1] + (match[3] or ""), len(head)
        is_quoted ^= line.count('"') % 2 == 1
    if unclosed[0] or is_quoted:
        keyword, row = unclosed if unclosed[0] else statement
        sv = f"{keyword} på rad {row}, där ett citattecken saknas"
        raise _broken(path, sv, f"{keyword} on line {row}, where a quotation mark is missing")
    raise _broken(path, "DATA")


def _broken(path: Path, what: str, what_en: str = "") -> NotReadable:
    params = {"what_sv": what[:200], "what_en": (what_en or what)[:200]}
    return NotReadable("not-readable-pcaxis", file=path.name, what=what[:100], **params)


def _statements(path: Path, head: str) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """Yield keyword, language and subkeys with the values of each statement. Adjacent texts are concatenated."""
    tokens: list[tuple[str, str]] = []
    keyword, is_text = "", True
    for match in TOKEN.finditer(head):
        if match[2] == ";":
            # A text alone continues the note before it.
            if not (tokens and is_text and NOTES.fullmatch(keyword)):
                statement = _statement(path, tokens)
                keyword = statement[0][0]
                yield statement
            tokens, is_text = [], True
        else:
            is_text = is_text and match[1] is not None
            tokens.append((match[2] or "", match[1] if match[1] is not None else match[3] or ""))
    if tokens:
        raise _broken(path, tokens[0][1])


def _statement(path: Path, tokens: Sequence[tuple[str, str]]) -> tuple[Key, tuple[str, ...]]:
    marks = [mark for mark, _ in tokens]
    if "=" not in marks or not tokens[0][1]:
        raise _broken(path, tokens[0][1] if tokens else ";")
    middle = marks.index("=")
    left, right = tokens[1:middle], tokens[middle + 1 :]
    language, subkeys, is_language = "", [], False
    for mark, text in left:
        is_language = mark == "[" or (is_language and mark != "]")
        if not mark and is_language:
            language = text
        elif not mark:
            subkeys.append(text.strip())
    return (tokens[0][1], language, tuple(subkeys)), tuple(_join_texts(right))


def _join_texts(tokens: Sequence[tuple[str, str]]) -> Iterator[str]:
    text: str | None = None
    for mark, part in tokens:
        if mark == ",":
            yield (text or "").strip()
            text = None
        elif not mark:
            text = (text or "") + part
    if text is not None:
        yield text.strip()


def _language(keywords: Mapping[Key, tuple[str, ...]]) -> str:
    """Return Swedish if it is one of the file's additional languages, else the file's default ("")."""
    return "sv" if ("STUB", "sv", ()) in keywords or ("HEADING", "sv", ()) in keywords else ""


def _values(keywords: Mapping[Key, tuple[str, ...]], language: str, keyword: str, *subkeys: str) -> tuple[str, ...]:
    return keywords.get(_key(keywords, language, keyword, *subkeys), ())


def _key(keywords: Mapping[Key, tuple[str, ...]], language: str, keyword: str, *subkeys: str) -> Key:
    """Return the key of a statement in the language, or else in the file's default."""
    key = (keyword, language, subkeys)
    return key if keywords.get(key) else (keyword, "", subkeys)


def _variables(
    path: Path, keywords: Mapping[Key, tuple[str, ...]], language: str, keyword: str, categories: CategoryTexts
) -> list[_Variable]:
    variables = []
    for label in _values(keywords, language, keyword):
        values = _values(keywords, language, "VALUES", label)
        if not values:
            name = f'VALUES("{label[:80]}")'
            sv = f"{keyword}, eftersom {name} saknas"
            raise _broken(path, sv, f"{keyword}, because {name} is missing")
        # If a code is missing (as in SCB's own example), the others cannot be assigned either.
        codes = _values(keywords, language, "CODES", label)
        codes = codes if len(codes) == len(values) else values
        keys = _values(keywords, language, "KEYS", label)
        row_keys = codes if keys == ("CODES",) else values
        texts = category_texts(codes, values)
        source = _key(keywords, language, "VALUES" if texts == [*values] else "CODES", label)
        variables.append(_Variable(label, [*map(categories.repeated, texts)], row_keys, bool(keys), source))
    return variables


def _cells(path: Path, encoding: str, *, must_close: bool) -> Iterator[tuple[str, bool]]:
    """Yield the text of each cell of DATA, and True for a quoted one, up to the closing semicolon.

    SCB's own examples sometimes omit it, but never the line break; a file without either is truncated, and its last
    cell may be half a number. `must_close`: nothing else would reveal missing rows.
    """
    with path.open(encoding=encoding, newline="") as file:
        _, rest = _split_head(path, file)
        while True:
            block = file.read(BLOCK)
            rest += block
            # A cell may continue in the next block: the text up to the last white space is complete.
            end = max(rest.rfind(" "), rest.rfind("\n")) + 1 if block else len(rest)
            if rest[:end].count('"') % 2 and block:
                if len(rest) > MAX_HEAD:
                    raise _broken(path, "DATA")
                continue
            for match in CELL.finditer(rest[:end]):
                if match[3]:
                    return
                yield (match[1], True) if match[1] is not None else (match[2], False)
            if not block and (rest or must_close):
                raise _broken(path, "DATA … ;")
            if not block:
                return
            rest = rest[end:]


def _rows(
    path: Path,
    encoding: str,
    stub: Sequence[_Variable],
    heading: Sequence[_Variable],
    kpi: str | None,
    statuses: Mapping[str, str],
    count: CellCount,
) -> Iterator[GridRow]:
    """Yield the labels and a row for each cell; one with a symbol of `statuses` has that status instead of a value.

    The cells of DATA, but for keys, which refer to the texts of categories, are added to `count`.
    """
    has_status = bool(statuses)
    ours = [RepeatedText(label) for label in (VALUE, *[KPI] * bool(kpi), *[STATUS] * has_status)]
    yield 0, [*(v.label for v in (*stub, *heading)), *ours]
    is_keyed = any(v.has_keys for v in stub)
    cells = _cells(path, encoding, must_close=is_keyed)
    kpi_cell = [kpi] if kpi else []
    heading_rows = list(product(*(v.texts for v in heading)))
    stubs = _keyed(path, stub, cells) if is_keyed else product(*(v.texts for v in stub))
    number = 0
    for texts in stubs:
        for headings in heading_rows:
            number += 1
            cell = next(cells, None)
            if cell is None:
                sv = f"DATA, där bara {number - 1} av variablernas värden finns"
                raise _broken(path, sv, f"DATA, which has only {number - 1} of its variables' values")
            value = cell[0].strip()
            count.total = (count.total or 0) + bool(value)
            status = statuses.get(value, "")
            yield number, [*texts, *headings, "" if status else value, *kpi_cell, *[status] * has_status]
    if next(cells, None) is not None:
        raise _surplus(path, encoding, number)


def _surplus(path: Path, encoding: str, count: int) -> NotReadable:
    """Return the error for more cells than the variables have; a decimal comma makes two of one."""
    with path.open(encoding=encoding, newline="") as file:
        _, rest = _split_head(path, file)
        match = DECIMAL_COMMA.search(rest + file.read(BLOCK))
    if match is None:
        sv = f"DATA, som har fler än variablernas {count} värden"
        return _broken(path, sv, f"DATA, which has more than the {count} values of its variables")
    sv = f"DATA, där ”{match[0]}” har decimalkomma. PC-Axis har decimalpunkt: {match[0].replace(',', '.')}"
    en = f"DATA, where “{match[0]}” has a decimal comma. PC-Axis has a decimal point: {match[0].replace(',', '.')}"
    return _broken(path, sv, en)


def _keyed(path: Path, stub: Sequence[_Variable], cells: Iterator[tuple[str, bool]]) -> Iterator[tuple[str, ...]]:
    """Yield the stub's texts of each row of a file with KEYS; rows may be missing and in any order."""
    texts_by_key = [dict(zip(v.keys, v.texts, strict=True)) for v in stub]
    while True:
        texts: list[str] = []
        for names, variable in zip(texts_by_key, stub, strict=True):
            cell = next(cells, None)
            if cell is None and not texts:
                return
            if cell is None or cell[0] not in names:
                raise _broken(path, f'KEYS("{variable.label}")')
            texts.append(names[cell[0]])
        yield tuple(texts)
