"""JSON as tables: arrays of records, arrays of rows, JSON Lines, objects that hold such arrays, and JSON-stat 2.

The file is walked as a stream, twice: once for its columns, once for its rows. A row's number is that of its item,
counted from 1; the labels stand in row 0, since no line of the file is a header.
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
# JSON-stat's dimensions and everything that is no table are kept whole: this many values are plenty.
MAX_VALUES = 2_000_000
# int() raises on texts of thousands of digits.
POSITION_DIGITS = 15

Event = tuple[str, Any]


def is_lines(path: Path, encoding: str) -> bool:
    """Whether the text is JSON Lines: an object whole on the first line, and another after it."""
    with path.open(encoding=encoding, newline="\n") as lines:
        found = [line for line in (lines.readline(MAX_LINE) for _ in range(20)) if line.strip()][:2]
    if len(found) < 2 or not found[1].lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(found[0]), dict)
    except (ValueError, RecursionError):
        return False


def is_descriptor(path: Path, encoding: str) -> bool:
    """Whether a JSON object is a data package or nothing that can be read at all, which its own reader explains."""
    if path.name == "datapackage.json":
        return True
    try:
        keys = [value for depth, kind, value in _events(path, encoding) if depth == 1 and kind == "map_key"]
    except NotReadable:
        return True
    return "resources" in keys


def read_json_lines(path: Path, encoding: str) -> Iterator[Grid]:
    """JSON Lines (one object a line; blank lines are skipped)."""

    def items() -> Iterator[Any]:
        with path.open(encoding=encoding, newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _loaded(path, line, number)

    yield Grid(path.name, None, _rows(path, items), decimal_comma=False)


def _loaded(path: Path, line: str, number: int) -> Any:
    try:
        return json.loads(line, parse_float=Decimal)
    except RecursionError as cause:
        raise too_deep(path) from cause
    except ArithmeticError as cause:
        raise _too_great(path) from cause
    except ValueError as cause:
        raise NotReadable("not-readable-json", file=path.name, reason=f"{cause} ({number})"[:300]) from cause


def read_json(path: Path, encoding: str) -> Iterator[Grid]:
    """Every table of a JSON document: one where it is an array; else each array that an object holds, by its key."""
    first = next((kind for _, kind, _ in _events(path, encoding)), "")
    if first == "start_array":
        yield Grid(path.name, None, _rows(path, lambda: _items(path, encoding, None)), decimal_comma=False)
        return
    heads = _heads(path, encoding)
    if {"id", "size", "dimension", "value"} <= heads.keys():
        yield Grid(path.name, None, _json_stat(path, encoding), decimal_comma=False)
        return
    tables = [key for key, kind in heads.items() if kind == "start_array"]
    for key in tables:
        name = key if len(tables) > 1 else None
        yield Grid(path.name, name, _rows(path, partial(_items, path, encoding, key)), decimal_comma=False)


def _events(path: Path, encoding: str) -> Iterator[tuple[int, str, Any]]:
    """Depth, kind and value of each event of the document. Raises NotReadable where it is broken or too deep."""
    depth = 0
    try:
        with _in_utf8(path, encoding) as file:
            for kind, value in ijson.basic_parse(file, use_float=False):
                if kind in ("end_map", "end_array"):
                    depth -= 1
                yield depth, kind, value
                if kind in ("start_map", "start_array"):
                    depth += 1
                    if depth > MAX_DEPTH:
                        raise too_deep(path)
    except ArithmeticError as cause:
        raise _too_great(path) from cause
    except (ijson.JSONError, UnicodeError, ValueError) as cause:
        raise NotReadable("not-readable-json", file=path.name, reason=str(cause)[:300]) from cause


def _no_table(path: Path, what_sv: str, what_en: str) -> NotReadable:
    return NotReadable("not-readable-json-table", file=path.name, what_sv=what_sv, what_en=what_en)


def _too_great(path: Path) -> NotReadable:
    """For a number whose exponent is beyond what decimal numbers take, as twenty digits are."""
    return _no_table(
        path,
        "ett av talen är för stort",
        "one of its numbers is too large",
    )


def too_deep(path: Path) -> NotReadable:
    """For JSON with more in each other than a table or a descriptor has."""
    return _no_table(path, "den har för många nivåer", "it has too many levels")


class _Recoded:
    """A binary file that gives UTF-8, whatever the text was written in."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text

    def read(self, size: int = -1) -> bytes:
        return self._text.read(size).encode("utf-8") if size else b""

    def __enter__(self) -> "_Recoded":
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()


def _in_utf8(path: Path, encoding: str) -> Any:
    return path.open("rb") if encoding == "utf-8" else _Recoded(path.open(encoding=encoding))


def _heads(path: Path, encoding: str) -> Mapping[str, str]:
    """Each key of the document's object with the kind of event that its value begins with."""
    found: dict[str, str] = {}
    key = ""
    for depth, kind, value in _events(path, encoding):
        if depth == 1 and kind == "map_key":
            key = value
        elif depth == 1 and key and key not in found:
            found[key] = kind
    return found


def _items(path: Path, encoding: str, key: str | None) -> Iterator[Any]:
    """The items of the document's array, or of the array under a key of its object."""
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
    """Header and rows of records (objects) or rows (arrays, the first of which is the header)."""
    labels: dict[str, None] = {}
    first: Any = None
    for item in items():
        first = item if first is None else first
        if isinstance(item, dict) != isinstance(first, dict) or not isinstance(item, dict | list):
            raise _no_table(
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
    """A JSON-stat 2 dataset as one row a value (https://json-stat.org/full/): a column a dimension, then the value.

    Values are in row-major order of the dimensions, as an array or as an object by position; status marks of a
    missing value stand in its place.
    """
    about = _without_values(path, encoding)
    dimensions = [_categories(path, about, name) for name in _names(path, about)]
    count = 1
    for _, texts in dimensions:
        count *= len(texts)
    if count > MAX_CELLS:
        raise NotReadable("not-readable-cells", file=path.name, sheet="", cells=MAX_CELLS, columns=MAX_COLUMNS)
    yield 0, [*(label for label, _ in dimensions), "value"]
    values, marks = _values(path, encoding, "value"), _marks(about)
    pending = next(values, None)
    for number, texts in enumerate(product(*(texts for _, texts in dimensions))):
        value = None
        if pending and pending[0] == number:
            value = pending[1]
            pending = next(values, None)
        if value is not None or number in marks:
            yield number + 1, [*texts, _text(value) or marks.get(number, "")]
    if pending:
        raise _no_table(
            path,
            "den har fler värden än dimensionerna rymmer",
            "it has more values than its dimensions hold",
        )


def _names(path: Path, about: Mapping[str, Any]) -> Sequence[str]:
    names = about.get("id")
    if not isinstance(names, list) or not isinstance(about.get("dimension"), dict):
        raise _no_table(path, "JSON-stat ska ha id och dimension", "JSON-stat must have id and dimension")
    return [str(name) for name in names]


def _categories(path: Path, about: Mapping[str, Any], name: str) -> tuple[str, Sequence[str]]:
    """Label of a dimension, and the text of each of its categories in order."""
    dimension = about["dimension"].get(name)
    category = dimension.get("category") if isinstance(dimension, dict) else None
    if not isinstance(category, dict):
        raise _no_table(path, f"dimensionen {name} har inga kategorier", f"the dimension {name} has no categories")
    index, labels = category.get("index"), category.get("label", {})
    if isinstance(index, dict):
        codes = sorted(index, key=lambda code: index[code])
    else:
        codes = index if isinstance(index, list) else list(labels)
    return str(dimension.get("label") or name), telling(codes, [labels.get(code, code) for code in codes])


def telling(codes: Sequence[str], labels: Sequence[str]) -> Sequence[str]:
    """Of the two names of each category the one that the standard knows: area and KPI codes, else what people read."""
    known = sum(1 for code in codes if is_code(str(code)))
    return [str(text) for text in (codes if known * 2 > len(codes) else labels)]


def is_code(text: str) -> bool:
    return level_of(text) is not None or text in kpis()


def _without_values(path: Path, encoding: str) -> dict[str, Any]:
    builder, current, count = ijson.ObjectBuilder(), "", 0
    for depth, kind, value in _events(path, encoding):
        if depth == 1 and kind == "map_key":
            current = value
        if current != "value" or depth == 0:
            builder.event(kind, value)
            count += 1
        if count > MAX_VALUES:
            raise _no_table(
                path,
                f"beskrivningen har fler än {MAX_VALUES} delar",
                f"its description has more than {MAX_VALUES} parts",
            )
    return dict(builder.value)


def _values(path: Path, encoding: str, key: str) -> Iterator[tuple[int, Any]]:
    """Position and value of each entry of `value`, in growing order; nobody writes an object's positions in another."""
    current, position = "", -1
    for depth, kind, value in _events(path, encoding):
        if depth == 1 and kind == "map_key":
            current = value
        elif current == key and depth == 2:
            if kind == "map_key":
                if not value.isdecimal() or len(value) > POSITION_DIGITS or int(value) <= position:
                    raise _no_table(
                        path,
                        f"positionen {value[:40]} i value är inte ett nummer i stigande ordning",
                        f"the position {value[:40]} in value is not a number in ascending order",
                    )
                position = int(value) - 1
                continue
            if kind not in ("null", "number", "string", "boolean"):
                raise _no_table(
                    path, "value innehåller annat än enkla värden", "value contains something other than plain values"
                )
            position += 1
            yield position, value


def _marks(about: Mapping[str, Any]) -> Mapping[int, str]:
    status = about.get("status", {})
    if isinstance(status, list):
        return {i: _text(mark) for i, mark in enumerate(status) if mark}
    if isinstance(status, dict):
        return {int(i): _text(mark) for i, mark in status.items() if i.isdecimal() and len(i) <= POSITION_DIGITS}
    return {}
