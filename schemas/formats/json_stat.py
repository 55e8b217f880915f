"""JSON-stat 2 datasets (https://json-stat.org/full/) as a row for each value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import ijson

from vaven.schemas.formats.grid import MAX_CELLS, MAX_COLUMNS, CellCount, Grid, GridRow, first_uses
from vaven.schemas.formats.json_syntax import events, not_a_table, text_of, texts_of
from vaven.schemas.standard.cells import CategoryTexts, OmittedCells, RepeatedText
from vaven.vocab.areas import level_of
from vaven.vocab.errors import NotReadable
from vaven.vocab.register import kpis

# Dimensions, and whatever is not the values, are held in memory: this many are plenty.
MAX_VALUES = 2_000_000
# int() raises on texts of thousands of digits.
POSITION_DIGITS = 15


@dataclass(frozen=True)
class _Dimension:
    """A dimension's label and the texts of its categories in order; `unused` are other texts about them."""

    label: str
    texts: Sequence[str]
    unused: Sequence[str]


def read_json_stat(path: Path, encoding: str) -> Grid:
    """Read a JSON-stat 2 dataset (https://json-stat.org/full/): a row for each value.

    There is a column for each dimension, then the value. Values are in row-major order of the dimensions, in an array
    or an object by position. The mark of a missing value replaces it; any other status has a column. The cells of the
    file are its strings, numbers and booleans, and the codes of categories that are keys.
    """
    metadata = _metadata(path, encoding)
    names = _names(path, metadata)
    dimensions = [_dimension(path, metadata, name) for name in names]
    marks, outside = _status_marks(metadata)
    others = {key: value for key, value in metadata.items() if key not in ("id", "dimension", "status", "value")}
    other_dimensions = {key: value for key, value in metadata["dimension"].items() if key not in names}
    outside += [*texts_of(others), *texts_of(other_dimensions), *_codes(other_dimensions)]
    outside += [text for dimension in dimensions for text in dimension.unused]
    cell_count = CellCount(sum(1 for _ in (*texts_of(metadata), *_codes(metadata["dimension"]))))
    categories, omitted = CategoryTexts(), list[OmittedCells]()
    rows = first_uses(
        _rows(path, encoding, dimensions, marks, categories, cell_count), categories, outside, omitted, path.name
    )
    return Grid(
        path.name, None, rows, decimal_comma=False, cell_count=cell_count, omitted=omitted, texts_beside=outside
    )


def _rows(
    path: Path,
    encoding: str,
    dimensions: Sequence[_Dimension],
    status: Mapping[int, str] | str,
    categories: CategoryTexts,
    cell_count: CellCount,
) -> Iterator[GridRow]:
    """Yield the labels and a row for each value or status; the values are added to `cell_count`."""
    count = 1
    for dimension in dimensions:
        count *= len(dimension.texts)
    if count > MAX_CELLS:
        raise NotReadable("not-readable-cells", file=path.name, sheet="", cells=MAX_CELLS, column_count=MAX_COLUMNS)
    if isinstance(status, str):
        marks = dict.fromkeys(range(min(count, MAX_VALUES)), categories.repeated(status)) if status else {}
    else:
        marks = {i: categories.repeated(mark) for i, mark in status.items()}
    has_status = _has_status(path, encoding, marks)
    ours = [RepeatedText("value"), *[RepeatedText("status")] * has_status]
    yield 0, [*(dimension.label for dimension in dimensions), *ours]
    columns = [[*map(categories.repeated, dimension.texts)] for dimension in dimensions]
    values = _values(path, encoding, "value")
    pending = next(values, None)
    for number, texts in enumerate(product(*columns)):
        value = None
        if pending and pending[0] == number:
            value = pending[1]
            cell_count.total = (cell_count.total or 0) + (text_of(value) != "")
            pending = next(values, None)
        mark = marks.get(number) or ""
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


def _dimension(path: Path, metadata: Mapping[str, Any], name: str) -> _Dimension:
    dimension = metadata["dimension"].get(name)
    category = dimension.get("category") if isinstance(dimension, dict) else None
    if not isinstance(category, dict):
        raise not_a_table(path, f"dimensionen {name} har inga kategorier", f"the dimension {name} has no categories")
    index, labels = category.get("index"), category.get("label", {})
    if isinstance(index, dict):
        codes = sorted(index, key=lambda code: index[code])
    else:
        codes = index if isinstance(index, list) else list(labels)
    label = text_of(dimension.get("label")) or name
    own_labels = [labels.get(code, code) for code in codes]
    texts = category_texts(codes, own_labels)
    others = {key: value for key, value in dimension.items() if key not in ("label", "category")}
    more = {key: value for key, value in category.items() if key not in ("index", "label")}
    unused = [*texts_of(others), *texts_of(more), *[name] * bool(text_of(dimension.get("label")))]
    unused += texts_of(index) if isinstance(index, dict) else []
    if texts == [str(code).strip() for code in codes] and texts != own_labels:
        unused += texts_of(labels)
    else:
        unused += [*(str(code) for code in codes if code in labels)]
        unused += [*texts_of({code: text for code, text in labels.items() if code not in codes})]
    return _Dimension(label, texts, unused)


def _codes(dimensions: Mapping[str, Any]) -> Iterator[str]:
    """Yield the codes of categories that are keys, of positions or, without these, of labels."""
    for dimension in dimensions.values():
        category = dimension.get("category") if isinstance(dimension, dict) else None
        members = (category.get("index"), category.get("label")) if isinstance(category, dict) else ()
        codes = next((codes for codes in members if codes is not None), ())
        yield from (code for code in codes if isinstance(codes, dict) and code.strip())


def category_texts(codes: Sequence[str], labels: Sequence[str]) -> Sequence[str]:
    """Return the codes of categories if most are area or KPI codes of the standard, else their labels."""
    known_count = sum(1 for code in codes if is_code(str(code)))
    return [str(text).strip() for text in (codes if known_count * 2 > len(codes) else labels)]


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


def _status_marks(metadata: Mapping[str, Any]) -> tuple[Mapping[int, str] | str, list[str]]:
    """Return the status of values by position, or that of all of them, and the texts that are no such status."""
    status = metadata.get("status")
    if isinstance(status, str):
        return text_of(status), []
    members = dict(enumerate(status)) if isinstance(status, list) else status
    if not isinstance(members, dict):
        return {}, [*texts_of(status)]
    marks: dict[int, str] = {}
    outside: list[str] = []
    for i, mark in members.items():
        is_position = isinstance(i, int) or (i.isdecimal() and len(i) <= POSITION_DIGITS)
        if is_position and not isinstance(mark, dict | list):
            marks |= {int(i): text} if (text := text_of(mark)) else {}
        else:
            outside += texts_of(mark)
    return marks, outside


def _is_missing_mark(mark: str) -> bool:
    """Return True for a mark that stands in place of a value, such as ".."."""
    return not mark.strip(".…-–")


def _has_status(path: Path, encoding: str, marks: Mapping[int, str]) -> bool:
    """Return whether a number has a status, or a missing value one that is no mark."""
    if any(not _is_missing_mark(mark) for mark in marks.values()):
        return True
    return bool(marks) and any(v is not None and i in marks for i, v in _values(path, encoding, "value"))
