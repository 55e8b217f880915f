"""JSON as tables: arrays of records, arrays of rows, JSON Lines, objects with such arrays, JSON-stat 2, PxWeb, Kolada.

The file is parsed as a stream, twice: once for its columns, once for its rows. A row's number is that of its item,
from 1; the labels are row 0, since the file has no header line.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ijson

from vaven.schemas.formats.grid import MAX_COLUMNS, CellCount, Grid, GridRow, counted, filled_count
from vaven.schemas.formats.json_stat import read_json_stat
from vaven.schemas.formats.json_syntax import events, events_of_unique_keys, not_a_table, parse, text_of, texts_of
from vaven.schemas.standard.cells import OmittedCells, RepeatedText, omitted_texts
from vaven.schemas.standard.labels import codes_by_word, fold
from vaven.vocab.errors import NotReadable

MAX_LINE = 10_000_000
SCALARS = frozenset(("string", "number", "boolean"))
# Properties of each item of an answer of Kolada's API (https://github.com/Hypergene/kolada), by the standard's labels.
KOLADA = ("kpi", "municipality", "period")
KOLADA_LABELS = {"municipality": "neighbourhood", "gender": "sex"}


def is_lines(path: Path, encoding: str) -> bool:
    """Return True for JSON Lines: a complete object on the first line, and another one after it."""
    with path.open(encoding=encoding, newline="\n") as lines:
        first_lines = [line for line in (lines.readline(MAX_LINE) for _ in range(20)) if line.strip()][:2]
    if len(first_lines) < 2 or not first_lines[1].lstrip().startswith("{"):
        return False
    try:
        # int() raises on texts of thousands of digits.
        return isinstance(json.loads(first_lines[0], parse_int=str), dict)
    except (ValueError, RecursionError):
        return False


def is_descriptor(path: Path, encoding: str) -> bool:
    """Return True for a JSON object that is a data package, or is not readable, which its reader will report.

    Raises NotReadable for a number that no reader may parse.
    """
    if path.name == "datapackage.json":
        return True
    try:
        keys = [value for depth, kind, value in events(path, encoding) if depth == 1 and kind == "map_key"]
    except NotReadable as reason:
        if reason.code == "not-readable-number":
            raise
        return True
    return "resources" in keys


def read_json_lines(path: Path, encoding: str) -> Iterator[Grid]:
    """Read JSON Lines: one object on each line; blank lines are skipped."""

    def items() -> Iterator[Any]:
        with path.open(encoding=encoding, newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield parse(path, line, number)

    yield _grid(path, None, _rows(path, items))


def read_json(path: Path, encoding: str) -> Iterator[Grid]:
    """Read the tables of a JSON document: the document if it is an array, else each array of its object, by key."""
    first = next((kind for _, kind, _ in events(path, encoding)), "")
    if first == "start_array":
        yield _grid(path, None, _rows(path, lambda: _items(path, encoding, None)))
        return
    kinds, outside = _values_of(path, encoding)
    if {"id", "size", "dimension", "value"} <= kinds.keys():
        yield read_json_stat(path, encoding)
        return
    if kinds.get("columns") == kinds.get("data") == "start_array" and _is_pxweb(path, encoding):
        yield _pxweb_grid(path, encoding)
        return
    if kinds.get("values") == "start_array" and _is_kolada(path, encoding):
        grid = _grid(path, None, iter(()), _texts_beside(path, encoding, ("values",)))
        rows = _kolada_rows(path, encoding, grid.cell_count, grid.omitted)
        yield replace(grid, rows=rows)
        return
    tables = [key for key, kind in kinds.items() if kind == "start_array"]
    for i, key in enumerate(tables):
        name = key if len(tables) > 1 else None
        yield _grid(path, name, _rows(path, partial(_items, path, encoding, key)), () if i else outside)


def _grid(path: Path, name: str | None, rows: Iterator[GridRow], outside: Sequence[str] = ()) -> Grid:
    """Return a grid of rows; `outside` are the texts of the document that no table contains."""
    count = CellCount(len(outside))
    omitted = omitted_texts("outside-tables", outside, path.name)
    return Grid(path.name, name, counted(rows, count), decimal_comma=False, cell_count=count, omitted=omitted)


def _values_of(path: Path, encoding: str) -> tuple[Mapping[str, str], list[str]]:
    """Return the kind of the first event of each value of the document's object, by key.

    The texts are those of the non-empty scalars in values that are no array.
    """
    kinds: dict[str, str] = {}
    key, texts = "", list[str]()
    for depth, kind, value in events_of_unique_keys(path, encoding):
        if depth == 1 and kind == "map_key":
            key = value
            continue
        if depth == 1 and key not in kinds:
            kinds[key] = kind
        if kind in SCALARS and kinds.get(key) != "start_array":
            texts += [text] if (text := text_of(value)) else []
    return kinds, texts


def _items(path: Path, encoding: str, key: str | None) -> Iterator[Any]:
    """Yield the items of the document's array, or of the array under a key of its object."""
    base = 0 if key is None else 1
    is_inside = key is None
    builder, current = ijson.ObjectBuilder(), ""
    # Those of an object are checked by `_value_kinds`.
    stream = events_of_unique_keys if key is None else events
    for depth, kind, value in stream(path, encoding):
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
            raise not_a_table(
                path, "listan blandar objekt, listor och enkla värden", "its list mixes objects, lists and plain values"
            )
        if isinstance(item, dict):
            labels.update(dict.fromkeys(item))
        if len(labels) > MAX_COLUMNS or (isinstance(item, list) and len(item) > MAX_COLUMNS):
            raise NotReadable("not-readable-columns", file=path.name, column_count=MAX_COLUMNS)
    if isinstance(first, dict):
        yield 0, [label.strip() for label in labels]
    for number, item in enumerate(items(), start=1 if isinstance(first, dict) else 0):
        yield (
            number,
            [text_of(item.get(label)) for label in labels] if isinstance(item, dict) else [*map(text_of, item)],
        )


def _is_pxweb(path: Path, encoding: str) -> bool:
    item = next(_items(path, encoding, "data"), None)
    return isinstance(item, dict) and {"key", "values"} <= item.keys()


def _pxweb_grid(path: Path, encoding: str) -> Grid:
    """Read a table in the first JSON format of PxWeb's API: rows of the codes of `key`, then the `values`.

    The only column of values is labelled as such, with its KPI in a column of its own if the standard has it.
    """
    labels: dict[bool, list[str]] = {False: [], True: []}
    outside = _texts_beside(path, encoding, ("columns", "data"))
    for column in _items(path, encoding, "columns"):
        if not isinstance(column, dict) or "text" not in column:
            raise not_a_table(path, "columns saknar text", "columns lack text")
        labels[column.get("type") == "c"].append(text_of(column["text"]))
        outside += texts_of({key: value for key, value in column.items() if key != "text"})
    grid = _grid(path, None, iter(()), outside)
    return replace(grid, rows=_pxweb_rows(path, encoding, labels[False], labels[True], grid.cell_count, grid.omitted))


def _pxweb_rows(
    path: Path,
    encoding: str,
    labels: Sequence[str],
    contents: Sequence[str],
    count: CellCount,
    omitted: list[OmittedCells],
) -> Iterator[GridRow]:
    """Yield the labels and rows of PxWeb's JSON. The cells are added to `count`, those beside the rows to `omitted`."""
    kpi = codes_by_word("kpis").get(fold(contents[0])) if len(contents) == 1 else None
    added = [RepeatedText(kpi)] if kpi else []
    count.total = (count.total or 0) + filled_count([*labels, *contents])
    yield 0, [*labels, *(["value"] if len(contents) == 1 else contents), *[RepeatedText("kpi")] * len(added)]
    beside: list[str] = []
    for number, item in enumerate(_items(path, encoding, "data"), start=1):
        cells = [item.get(name) if isinstance(item, dict) else None for name in ("key", "values")]
        if [len(part) if isinstance(part, list) else -1 for part in cells] != [len(labels), len(contents)]:
            raise not_a_table(
                path,
                f"rad {number} i data har inte lika många delar som columns. Välj JSON-stat 2 eller CSV i PxWeb",
                f"row {number} of data does not have as many parts as columns. Choose JSON-stat 2 or CSV in PxWeb",
            )
        texts = [text_of(cell) for part in cells for cell in part or ()]
        others = [*texts_of({key: value for key, value in item.items() if key not in ("key", "values")})]
        count.total += filled_count(texts) + len(others)
        beside += others
        yield number, [*texts, *added]
    omitted += omitted_texts("outside-tables", beside, path.name)


def _texts_beside(path: Path, encoding: str, tables: Sequence[str]) -> list[str]:
    """Return the texts of the document's object that are in none of its values `tables`."""
    key, texts = "", list[str]()
    for depth, kind, value in events(path, encoding):
        if depth == 1 and kind == "map_key":
            key = value
        elif kind in SCALARS and key not in tables:
            texts += [text] if (text := text_of(value)) else []
    return texts


def _is_kolada(path: Path, encoding: str) -> bool:
    item = next(_items(path, encoding, "values"), None)
    return isinstance(item, dict) and {*KOLADA, "values"} <= item.keys() and isinstance(item["values"], list)


def _kolada_rows(path: Path, encoding: str, count: CellCount, omitted: list[OmittedCells]) -> Iterator[GridRow]:
    """Yield the rows of an answer of Kolada's API: KPI, municipality and period, each with values by sex.

    A row's number is that of the value. Properties beside those of the standard are columns, too. The cells are added
    to `count`, and the properties of an item without values to `omitted`.
    """
    outer: dict[str, None] = dict.fromkeys(KOLADA)
    inner: dict[str, None] = dict.fromkeys(("gender", "value", "status"))
    for item in _items(path, encoding, "values"):
        is_regular = isinstance(item, dict) and isinstance(item.get("values"), list)
        if not is_regular or not all(isinstance(value, dict) for value in item["values"]):
            raise not_a_table(path, "en del av values saknar värden", "a part of values lacks values")
        outer.update(dict.fromkeys(key for key in item if key != "values"))
        for value in item["values"]:
            inner.update(dict.fromkeys(value))
    if len(outer) + len(inner) > MAX_COLUMNS:
        raise NotReadable("not-readable-columns", file=path.name, column_count=MAX_COLUMNS)
    labels = [KOLADA_LABELS.get(label, label.strip()) for label in (*outer, *inner)]
    count.total = (count.total or 0) + filled_count(labels)
    yield 0, labels
    number, without_values = 0, list[str]()
    for item in _items(path, encoding, "values"):
        outer_cells = [text_of(item.get(key)) for key in outer]
        count.total += filled_count(outer_cells)
        without_values += [] if item["values"] else outer_cells
        for value in item["values"]:
            number += 1
            inner_cells = [text_of(value.get(key)) for key in inner]
            count.total += filled_count(inner_cells)
            yield number, [*outer_cells, *inner_cells]
            # The next value has these texts from the same item.
            outer_cells = [*map(RepeatedText, outer_cells)]
    omitted += omitted_texts("row-without-values", without_values, path.name)
