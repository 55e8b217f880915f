"""JSON-stat 2 datasets (https://json-stat.org/full/) as a row for each value."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import ijson

from vaven.schemas.formats.grid import MAX_CELLS, MAX_COLUMNS, GridRow
from vaven.schemas.formats.json_syntax import events, not_a_table, text_of
from vaven.vocab.areas import level_of
from vaven.vocab.errors import NotReadable
from vaven.vocab.register import kpis

# Dimensions, and whatever is not the values, are held in memory: this many are plenty.
MAX_VALUES = 2_000_000
# int() raises on texts of thousands of digits.
POSITION_DIGITS = 15


def read_json_stat(path: Path, encoding: str) -> Iterator[GridRow]:
    """Yield a JSON-stat 2 dataset (https://json-stat.org/full/) as a row for each value.

    There is a column for each dimension, then the value. Values are in row-major order of the dimensions, in an array
    or an object by position. The mark of a missing value replaces it; any other status has a column.
    """
    metadata = _metadata(path, encoding)
    dimensions = [_categories(path, metadata, name) for name in _names(path, metadata)]
    count = 1
    for _, texts in dimensions:
        count *= len(texts)
    if count > MAX_CELLS:
        raise NotReadable("not-readable-cells", file=path.name, sheet="", cells=MAX_CELLS, column_count=MAX_COLUMNS)
    marks = _status_marks(metadata, count)
    has_status = _has_status(path, encoding, marks)
    yield 0, [*(label for label, _ in dimensions), "value", *["status"] * has_status]
    values = _values(path, encoding, "value")
    pending = next(values, None)
    for number, texts in enumerate(product(*(texts for _, texts in dimensions))):
        value = None
        if pending and pending[0] == number:
            value = pending[1]
            pending = next(values, None)
        mark = marks.get(number, "")
        if value is not None or mark:
            is_missing = value is None and _is_missing_mark(mark)
            cells = [mark if is_missing else text_of(value), *["" if is_missing else mark] * has_status]
            yield number + 1, [*texts, *cells]
    if pending:
        raise not_a_table(
            path,
            "den har fler värden än dimensionerna rymmer",
            "it has more values than its dimensions hold",
        )


def _names(path: Path, metadata: Mapping[str, Any]) -> Sequence[str]:
    names = metadata.get("id")
    if not isinstance(names, list) or not isinstance(metadata.get("dimension"), dict):
        raise not_a_table(path, "JSON-stat ska ha id och dimension", "JSON-stat must have id and dimension")
    return [str(name) for name in names]


def _categories(path: Path, metadata: Mapping[str, Any], name: str) -> tuple[str, Sequence[str]]:
    """Return the label of a dimension, and the texts of its categories in order."""
    dimension = metadata["dimension"].get(name)
    category = dimension.get("category") if isinstance(dimension, dict) else None
    if not isinstance(category, dict):
        raise not_a_table(path, f"dimensionen {name} har inga kategorier", f"the dimension {name} has no categories")
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
    for depth, kind, value in events(path, encoding):
        if depth == 1 and kind == "map_key":
            current = value
        if current != "value" or depth == 0:
            builder.event(kind, value)
            count += 1
        if count > MAX_VALUES:
            raise not_a_table(
                path,
                f"beskrivningen har fler än {MAX_VALUES} delar",
                f"its description has more than {MAX_VALUES} parts",
            )
    return dict(builder.value)


def _values(path: Path, encoding: str, key: str) -> Iterator[tuple[int, Any]]:
    """Yield position and value of each entry of `value`. An object's positions must be in ascending order."""
    current, position = "", -1
    for depth, kind, value in events(path, encoding):
        if depth == 1 and kind == "map_key":
            current = value
        elif current == key and depth == 2:
            if kind == "map_key":
                if not value.isdecimal() or len(value) > POSITION_DIGITS or int(value) <= position:
                    raise not_a_table(
                        path,
                        f"positionen {value[:40]} i value är inte ett nummer i stigande ordning",
                        f"the position {value[:40]} in value is not a number in ascending order",
                    )
                position = int(value) - 1
                continue
            if kind not in ("null", "number", "string", "boolean"):
                raise not_a_table(
                    path, "value innehåller annat än enkla värden", "value contains something other than plain values"
                )
            position += 1
            yield position, value


def _status_marks(metadata: Mapping[str, Any], count: int) -> Mapping[int, str]:
    """Return the status of values by position; a text is that of all of them."""
    status = metadata.get("status", {})
    if isinstance(status, str) and status:
        return dict.fromkeys(range(min(count, MAX_VALUES)), status)
    if isinstance(status, list):
        return {i: text_of(mark) for i, mark in enumerate(status) if mark}
    if isinstance(status, dict):
        return {int(i): text_of(mark) for i, mark in status.items() if i.isdecimal() and len(i) <= POSITION_DIGITS}
    return {}


def _is_missing_mark(mark: str) -> bool:
    """Return True for a mark that stands in place of a value, such as ".."."""
    return not mark.strip(".…-–")


def _has_status(path: Path, encoding: str, marks: Mapping[int, str]) -> bool:
    """Return whether a number has a status, or a missing value one that is no mark."""
    if any(not _is_missing_mark(mark) for mark in marks.values()):
        return True
    return bool(marks) and any(v is not None and i in marks for i, v in _values(path, encoding, "value"))
