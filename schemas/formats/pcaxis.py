"""PC-Axis files (.px), the form of Statistics Sweden's tables, as one row a value.

Read by "PC-Axis file format specification" (Statistics Sweden, version 2013): keywords with values up to DATA, then
the cells in row-major order of the stub and heading variables, or with the stub's values before each row (KEYS).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import IO

from vaven.schemas.formats.grid import MAX_CELLS, Grid, GridRow
from vaven.schemas.formats.json import telling
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import codes_by_word, fold
from vaven.schemas.standard.read_options import codec_of
from vaven.vocab.errors import NotReadable

# How a file begins: a keyword in capitals, perhaps with a language and a variable, then "=".
OPENING = re.compile(
    r"\s*(CHARSET|AXIS-VERSION|CODEPAGE|LANGUAGES?|CREATION-DATE|NEXT-UPDATE|PX-SERVER|MATRIX|SUBJECT-AREA|SUBJECT-CODE|"
    r"TITLE|CONTENTS|DECIMALS|SHOWDECIMALS|TABLEID|COPYRIGHT|DEFAULT-GRAPH)(\[[a-z-]+\])?\s*="
)
TOKEN = re.compile(r'"([^"]*)"|([=;,()\[\]])|([^\s"=;,()\[\]]+)')
DATA = re.compile(r"\s*DATA\s*=")
CELL = re.compile(r'"([^"]*)"|([^\s";,]+)|(;)')
MAX_HEAD = 20_000_000
BLOCK = 1 << 16
# The form in which a reader's column is known to the standard, whatever language the file is in.
VALUE, KPI = "value", "kpi"

Key = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True)
class _Variable:
    """`texts` are what a row shows for each of its categories; `keys` what a row of a file with KEYS names them by."""

    label: str
    texts: Sequence[str]
    keys: Sequence[str]
    has_keys: bool


def is_pcaxis(head: bytes) -> bool:
    return OPENING.match(head.decode("latin-1")) is not None


def codepage(head: bytes) -> str | None:
    """The encoding that the file names, where it is one that we read."""
    found = re.search(rb'CODEPAGE\s*=\s*"([^"]+)"', head)
    return codec_of(found[1].decode("latin-1")) if found else None


def read_pcaxis(path: Path, encoding: str) -> Grid:
    """The table of a file, in Swedish where the file has that. A row's number is that of the value, from 1.

    Raises NotReadable where keywords are missing or the cells are more or fewer than the variables say.
    """
    with path.open(encoding=encoding, newline="") as file:
        head, _ = _split(path, file)
    words = dict(_statements(path, head))
    language = _language(words)
    stub, heading = (_variables(path, words, language, name) for name in ("STUB", "HEADING"))
    count = 1
    for variable in (*stub, *heading):
        count *= len(variable.texts)
    if count > MAX_CELLS:
        raise NotReadable("not-readable-cells", file=path.name, sheet="", cells=MAX_CELLS, columns=len(stub))
    contents = " ".join(_get(words, language, "CONTENTS"))
    note = Finding("assumed-pcaxis", Severity.NOTE, params={"contents": contents, "count": count})
    kpi = codes_by_word("kpis").get(fold(contents))
    rows = _rows(path, encoding, stub, heading, kpi)
    return Grid(path.name, None, rows, decimal_comma=False, notes=(note,))


def _split(path: Path, file: IO[str]) -> tuple[str, str]:
    """The keywords, and the rest of the line on which the data begin; `file` then stands behind that line."""
    head: list[str] = []
    size, is_quoted = 0, False
    while (line := file.readline(MAX_HEAD)) and size < MAX_HEAD:
        if not is_quoted and (found := DATA.match(line)):
            return "".join(head), line[found.end() :]
        head.append(line)
        size += len(line)
        is_quoted ^= line.count('"') % 2 == 1
    raise _broken(path, "DATA")


def _broken(path: Path, what: str) -> NotReadable:
    return NotReadable("not-readable-pcaxis", file=path.name, what=what[:100])


def _statements(path: Path, head: str) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """Keyword, language and subkeys with the values of each statement. Texts beside each other are one text."""
    tokens: list[tuple[str, str]] = []
    for match in TOKEN.finditer(head):
        if match[2] == ";":
            yield _statement(path, tokens)
            tokens = []
        else:
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
            subkeys.append(text)
    return (tokens[0][1], language, tuple(subkeys)), tuple(_joined(right))


def _joined(tokens: Sequence[tuple[str, str]]) -> Iterator[str]:
    text: str | None = None
    for mark, part in tokens:
        if mark == ",":
            yield text or ""
            text = None
        elif not mark:
            text = (text or "") + part
    if text is not None:
        yield text


def _language(words: Mapping[Key, tuple[str, ...]]) -> str:
    """Swedish where it is one of the file's further languages, else the file's own ("")."""
    return "sv" if ("STUB", "sv", ()) in words or ("HEADING", "sv", ()) in words else ""


def _get(words: Mapping[Key, tuple[str, ...]], language: str, keyword: str, *subkeys: str) -> tuple[str, ...]:
    return words.get((keyword, language, subkeys)) or words.get((keyword, "", subkeys)) or ()


def _variables(path: Path, words: Mapping[Key, tuple[str, ...]], language: str, keyword: str) -> list[_Variable]:
    found = []
    for label in _get(words, language, keyword):
        values = _get(words, language, "VALUES", label)
        if not values:
            raise _broken(path, f'VALUES("{label}")')
        # Where a code is forgotten (SCB's own example has that), none of them can be told apart.
        codes = _get(words, language, "CODES", label)
        codes = codes if len(codes) == len(values) else values
        keys = _get(words, language, "KEYS", label)
        named_by = codes if keys == ("CODES",) else values
        found.append(_Variable(label, telling(codes, values), named_by, bool(keys)))
    return found


def _cells(path: Path, encoding: str, *, must_close: bool) -> Iterator[tuple[str, bool]]:
    """Text of each cell of DATA and whether it was quoted, up to the closing semicolon.

    SCB's own examples leave it out now and then, but never the line break; a file without both was cut off, and its
    last cell may be half a number. `must_close`: nothing else would tell that rows are missing.
    """
    with path.open(encoding=encoding, newline="") as file:
        _, rest = _split(path, file)
        while True:
            block = file.read(BLOCK)
            rest += block
            # A cell may go on in the next block: all but the last white space is safe to take.
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
    path: Path, encoding: str, stub: Sequence[_Variable], heading: Sequence[_Variable], kpi: str | None
) -> Iterator[GridRow]:
    yield 0, [*(v.label for v in (*stub, *heading)), VALUE, *([KPI] if kpi else [])]
    is_keyed = any(v.has_keys for v in stub)
    cells = _cells(path, encoding, must_close=is_keyed)
    beside = [kpi] if kpi else []
    across = list(product(*(v.texts for v in heading)))
    stubs = _keyed(path, stub, cells) if is_keyed else product(*(v.texts for v in stub))
    number = 0
    for texts in stubs:
        for headings in across:
            number += 1
            cell = next(cells, None)
            if cell is None:
                raise _broken(path, f"DATA: {number - 1} …")
            yield number, [*texts, *headings, cell[0].strip(), *beside]
    if next(cells, None) is not None:
        raise _broken(path, f"DATA: {number} …")


def _keyed(path: Path, stub: Sequence[_Variable], cells: Iterator[tuple[str, bool]]) -> Iterator[tuple[str, ...]]:
    """The stub's texts of each row of a file whose rows name them; rows may be missing and in any order."""
    known = [dict(zip(v.keys, v.texts, strict=True)) for v in stub]
    while True:
        texts: list[str] = []
        for names, variable in zip(known, stub, strict=True):
            cell = next(cells, None)
            if cell is None and not texts:
                return
            if cell is None or cell[0] not in names:
                raise _broken(path, f'KEYS("{variable.label}")')
            texts.append(names[cell[0]])
        yield tuple(texts)
