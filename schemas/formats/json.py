"""JSON as tables: arrays of records, arrays of rows, JSON Lines, objects that contain such arrays, and JSON-stat 2.

The file is parsed as a stream, twice: once for its columns, once for its rows. A row's number is that of its item,
from 1; the labels are row 0, since the file has no header line.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import product
from pathlib import Path
from typing import IO, Any

import ijson

from vaven.schemas.formats.grid import MAX_CELLS, MAX_COLUMNS, Grid, GridRow
from vaven.vocab.areas import level_of
from vaven.vocab.errors import NotReadable
from vaven.vocab.register import kpis

MAX_DEPTH = 16
MAX_LINE = 10_000_000
# JSON-stat's dimensions, and whatever is not the table, are held in memory: this many values are plenty.
MAX_VALUES = 2_000_000
# int() raises on texts of thousands of digits.
POSITION_DIGITS = 15

Event = tuple[str, Any]


def is_lines(path: Path, encoding: str) -> bool:
    """Return True for JSON Lines: a complete object on the first line, and another one after it."""
    with path.open(encoding=encoding, newline="\n") as lines:
        first_lines = [line for line in (lines.readline(MAX_LINE) for _ in range(20)) if line.strip()][:2]
    if len(first_lines) < 2 or not first_lines[1].lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(first_lines[0]), dict)
    except (ValueError, RecursionError):
        return False


def is_descriptor(path: Path, encoding: str) -> bool:
    """Return True for a JSON object that is a data package, or is not readable, which its reader will report."""
    if path.name == "datapackage.json":
        return True
    try:
        keys = [value for depth, kind, value in _events(path, encoding) if depth == 1 and kind == "map_key"]
    except NotReadable:
        return True
    return "resources" in keys


def read_json_lines(path: Path, encoding: str) -> Iterator[Grid]:
    """Read JSON Lines: one object on each line; blank lines are skipped."""

    def items() -> Iterator[Any]:
        with path.open(encoding=encoding, newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _parse_line(path, line, number)

    yield Grid(path.name, None, _rows(path, items), decimal_comma=False)


def _parse_line(path: Path, line: str, number: int) -> Any:
    try:
        return json.loads(line, parse_float=Decimal)
    except RecursionError as cause:
        raise too_deep(path) from cause
    except ArithmeticError as cause:
        raise _number_too_large(path) from cause
    except ValueError as cause:
        raise NotReadable("not-readable-json", file=path.name, reason=f"{cause} ({number})"[:300]) from cause


def read_json(path: Path, encoding: str) -> Iterator[Grid]:
    """Read the tables of a JSON document: the document if it is an array, else each array of its object, by key."""
    first = next((kind for _, kind, _ in _events(path, encoding)), "")
    if first == "start_array":
        yield Grid(path.name, None, _rows(path, lambda: _items(path, encoding, None)), decimal_comma=False)
        return
    kinds = _value_kinds(path, encoding)
    if {"id", "size", "dimension", "value"} <= kinds.keys():
        yield Grid(path.name, None, _json_stat(path, encoding), decimal_comma=False)
        return
    tables = [key for key, kind in kinds.items() if kind == "start_array"]
    for key in tables:
        name = key if len(tables) > 1 else None
        yield Grid(path.name, name, _rows(path, partial(_items, path, encoding, key)), decimal_comma=False)


def _events(path: Path, encoding: str) -> Iterator[tuple[int, str, Any]]:
    """Yield depth, kind and value of each event. Raises NotReadable for a document that is invalid or too deep."""
    depth = 0
    try:
        with _open_as_utf8(path, encoding) as file:
            for kind, value in ijson.basic_parse(file, use_float=False):
                if kind in ("end_map", "end_array"):
                    depth -= 1
                yield depth, kind, value
                if kind in ("start_map", "start_array"):
                    depth += 1
                    if depth > MAX_DEPTH:
                        raise too_deep(path)
    except ArithmeticError as cause:
        raise _number_too_large(path) from cause
    except (ijson.JSONError, UnicodeError, ValueError) as cause:
        raise NotReadable("not-readable-json", file=path.name, reason=str(cause)[:300]) from cause


def _not_a_table(path: Path, what_sv: str, what_en: str) -> NotReadable:
    return NotReadable("not-readable-json-table", file=path.name, what_sv=what_sv, what_en=what_en)


def _number_too_large(path: Path) -> NotReadable:
    """Return the error for a number whose exponent exceeds that of decimal numbers, e.g. one of twenty digits."""
    return _not_a_table(
        path,
        "ett av talen är för stort",
        "one of its numbers is too large",
    )


def too_deep(path: Path) -> NotReadable:
    """Return the error for JSON that is nested deeper than any table or descriptor."""
    return _not_a_table(path, "den har för många nivåer", "it has too many levels")


class _Utf8Reader:
    """A binary file object that transcodes a text to UTF-8."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text

    def read(self, size: int = -1) -> bytes:
        return self._text.read(size).encode("utf-8") if size else b""

    def __enter__(self) -> "_Utf8Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()


def _open_as_utf8(path: Path, encoding: str) -> Any:
    return path.open("rb") if encoding == "utf-8" else _Utf8Reader(path.open(encoding=encoding))


def _value_kinds(path: Path, encoding: str) -> Mapping[str, str]:
    """Return the kind of the first event of each value of the document's object, by key."""
    kinds: dict[str, str] = {}
    key = ""
    for depth, kind, value in _events(path, encoding):
        if depth == 1 and kind == "map_key":
            key = value
        elif depth == 1 and key and key not in kinds:
            kinds[key] = kind
    return kinds


def _items(path: Path, encoding: str, key: str | None) -> Iterator[Any]:
    """Yield the items of the document's array, or of the array under a key of its object."""
    base = 0 if key is None else 1
    is_inside = key is None
    builder, current = ijson.ObjectBuilder(), ""
    for depth, kind, value in _events(path, encoding):
        if base and depth == 1 and kind == "map_key":
            current = value
        is_inside = key is None or current == key
        if not is_inside or depth <= base:
            continue
        builder.event(kind, value)
        if depth == base + 1 and kind not in ("start_map", "start_array"):
            yield builder.value
            builder = ijson.ObjectBuilder()


def _rows(path: Path, items: Callable[[], Iterator[Any]]) -> Iterator[GridRow]:
    """Yield header and rows of an array of records (objects) or of rows (arrays, the first of them the header)."""
    labels: dict[str, None] = {}
    first: Any = None
    for item in items():
        first = item if first is None else first
        if isinstance(item, dict) != isinstance(first, dict) or not isinstance(item, dict | list):
            raise _not_a_table(
                path, "listan blandar objekt, listor och enkla värden", "its list mixes objects, lists and plain values"
            )
        if isinstance(item, dict):
            labels.update(dict.fromkeys(item))
        if len(labels) > MAX_COLUMNS or (isinstance(item, list) and len(item) > MAX_COLUMNS):
            raise NotReadable("not-readable-columns", file=path.name, columns=MAX_COLUMNS)
    if isinstance(first, dict):
        yield 0, [label.strip() for label in labels]
    for number, item in enumerate(items(), start=1 if isinstance(first, dict) else 0):
        yield number, [_text(item.get(label)) for label in labels] if isinstance(item, dict) else [*map(_text, item)]


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}" if abs(value.adjusted()) < 30 else str(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _json_stat(path: Path, encoding: str) -> Iterator[GridRow]:
    """Yield a JSON-stat 2 dataset (https://json-stat.org/full/) as a row for each value.

    There is a column for each dimension, then the value. Values are in row-major order of the dimensions, in an array
    or an object by position; the status mark of a missing value replaces it.
    """
    metadata = _metadata(path, encoding)
    dimensions = [_categories(path, metadata, name) for name in _names(path, metadata)]
    count = 1
    for _, texts in dimensions:
        count *= len(texts)
    if count > MAX_CELLS:
        raise NotReadable("not-readable-cells", file=path.name, sheet="", cells=MAX_CELLS, columns=MAX_COLUMNS)
    yield 0, [*(label for label, _ in dimensions), "value"]
    values, marks = _values(path, encoding, "value"), _status_marks(metadata)
    pending = next(values, None)
    for number, texts in enumerate(product(*(texts for _, texts in dimensions))):
        value = None
        if pending and pending[0] == number:
            value = pending[1]
            pending = next(values, None)
        if value is not None or number in marks:
            yield number + 1, [*texts, _text(value) or marks.get(number, "")]
    if pending:
        raise _not_a_table(
            path,
            "den har fler värden än dimensionerna rymmer",
            "it has more values than its dimensions hold",
        )


def _names(path: Path, metadata: Mapping[str, Any]) -> Sequence[str]:
    names = metadata.get("id")
    if not isinstance(names, list) or not isinstance(metadata.get("dimension"), dict):
        raise _not_a_table(path, "JSON-stat ska ha id och dimension", "JSON-stat must have id and dimension")
    return [str(name) for name in names]


def _categories(path: Path, metadata: Mapping[str, Any], name: str) -> tuple[str, Sequence[str]]:
    """Return the label of a dimension, and the texts of its categories in order."""
    dimension = metadata["dimension"].get(name)
    category = dimension.get("category") if isinstance(dimension, dict) else None
    if not isinstance(category, dict):
        raise _not_a_table(path, f"dimensionen {name} har inga kategorier", f"the dimension {name} has no categories")
    index, labels = category.get("index"), category.get("label", {})
    if isinstance(index, dict):
        codes = sorted(index, key=lambda code: index[code])
    else:
        codes = index if isinstance(index, list) else list(labels)
    return str(dimension.get("label") or name), category_texts(codes, [labels.get(code, code) for code in codes])


def category_texts(codes: Sequence[str], labels: Sequence[str]) -> Sequence[str]:
    """Return the codes of categories if most are area or KPI codes of the standard, else their labels."""
    known_count = sum(1 for code in codes if is_code(str(code)))
    return [str(text) for text in (codes if known_count * 2 > len(codes) else labels)]


def is_code(text: str) -> bool:
    return level_of(text) is not None or text in kpis()


def _metadata(path: Path, encoding: str) -> dict[str, Any]:
    builder, current, count = ijson.ObjectBuilder(), "", 0
    for depth, kind, value in _events(path, encoding):
        if depth == 1 and kind == "map_key":
            current = value
        if current != "value" or depth == 0:
            builder.event(kind, value)
            count += 1
        if count > MAX_VALUES:
            raise _not_a_table(
                path,
                f"beskrivningen har fler än {MAX_VALUES} delar",
                f"its description has more than {MAX_VALUES} parts",
            )
    return dict(builder.value)


def _values(path: Path, encoding: str, key: str) -> Iterator[tuple[int, Any]]:
    """Yield position and value of each entry of `value`. An object's positions must be in ascending order."""
    current, position = "", -1
    for depth, kind, value in _events(path, encoding):
        if depth == 1 and kind == "map_key":
            current = value
        elif current == key and depth == 2:
            if kind == "map_key":
                if not value.isdecimal() or len(value) > POSITION_DIGITS or int(value) <= position:
                    raise _not_a_table(
                        path,
                        f"positionen {value[:40]} i value är inte ett nummer i stigande ordning",
                        f"the position {value[:40]} in value is not a number in ascending order",
                    )
                position = int(value) - 1
                continue
            if kind not in ("null", "number", "string", "boolean"):
                raise _not_a_table(
                    path, "value innehåller annat än enkla värden", "value contains something other than plain values"
                )
            position += 1
            yield position, value


def _status_marks(metadata: Mapping[str, Any]) -> Mapping[int, str]:
    status = metadata.get("status", {})
    if isinstance(status, list):
        return {i: _text(mark) for i, mark in enumerate(status) if mark}
    if isinstance(status, dict):
        return {int(i): _text(mark) for i, mark in status.items() if i.isdecimal() and len(i) <= POSITION_DIGITS}
    return {}
