"""Rows with one text that applies to the rows below: "Kvinnor" or "Stockholm" alone above their values.

They are found in the loaded relation, so that tables without them cost one query.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from vaven.schemas.formats.grid import column_index
from vaven.schemas.standard.data_like import is_area
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import code_of, fold, values_in_label
from vaven.schemas.standard.sql import quoted
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.compile import describe_field
from vaven.schemas.tables.header import Header
from vaven.vocab import register
from vaven.vocab.areas import areas

# Fields that the text of a group may state, and those with a total.
GROUP_FIELDS = ("neighbourhood", "kpi", "period", "sex", "age_group")
FIELDS_WITH_TOTAL = ("sex", "age_group")
# Texts of a field that are compared with that of the group above them.
MAX_TEXTS = 20
MAX_EXAMPLES = 3


@dataclass(frozen=True)
class _Block:
    """The rows from a group row to the next: their number, and the number of texts in each field with some of these."""

    count: int
    filled: Mapping[str, int]
    texts: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _Group:
    """A row with one filled cell, in the column `name` of the relation, and the rows that it applies to."""

    row: int
    name: str
    text: str
    block: _Block
    has_rows: bool


@dataclass
class GroupRows:
    """The group rows of a relation: `relation` has the texts in the rows below, in `added` fields too.

    `read` and `refused` are the rows that are no longer in the raw relation, with the name of the filled column,
    and `texts` are those of all by row.
    """

    relation: str
    added: tuple[str, ...] = ()
    read: list[tuple[int, str]] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    notes: list[Finding] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)


def read_group_rows(
    work: duckdb.DuckDBPyConnection, raw: str, header: Header, names: Sequence[str], location: Mapping[str, str | None]
) -> GroupRows:
    """Move the group rows out of `raw`, whose columns are `names`. A group whose meaning is uncertain is an error."""
    result = GroupRows(raw)
    if location["resource"] != "observations":
        return result
    groups = _groups(work, raw, header, names)
    result.texts = {group.row: group.text for group in groups}
    texts: dict[int, Mapping[str, str]] = {}
    kinds = [_fields_of(group, header) for group in groups]
    levels = list(dict.fromkeys(tuple(fields) for fields in kinds if fields))
    used = {name for level in levels for name in level}
    added = used - header.field_names
    is_late = bool(added) and _has_rows_above(work, raw, groups[0].row)
    current: dict[str, str] = {}
    for group, own_fields in zip(groups, kinds, strict=True):
        fields = _total(used) if own_fields is None and _is_total(group) else own_fields
        if fields is None:
            continue
        # A group ends those of the fields that began below its own.
        first = levels.index(tuple(fields)) if tuple(fields) in levels else len(levels)
        ended = {name for level in levels[first:] for name in level}
        current = {name: text for name, text in current.items() if name not in ended} | fields
        # Without a column for a field, every row needs a group that states it.
        if not fields or is_late or (group.has_rows and not added <= current.keys()):
            result.refused.append((group.row, group.name))
            result.problems.append(_refusal(group, header, location))
            continue
        result.read.append((group.row, group.name))
        texts[group.row] = dict(current)
    return _applied(work, raw, header, result, groups, texts, location)


def _groups(work: duckdb.DuckDBPyConnection, raw: str, header: Header, names: Sequence[str]) -> list[_Group]:
    """Return the rows with one filled cell, besides names of areas, in a column of groups."""
    labels_of_areas = {header.beside[i].name for i in range(len(header.beside)) if _is_name_column(header, i)}
    cells = [name for name in names if name not in labels_of_areas]
    candidates = [name for name in cells if name in GROUP_FIELDS or name in {c.name for c in header.beside}]
    if not candidates or len(cells) < 2:
        return []
    filled = " + ".join(f"({quoted(name)} IS NOT NULL)::INT" for name in cells)
    text = ", ".join(map(quoted, candidates))
    case = " ".join(f"WHEN {quoted(name)} IS NOT NULL THEN '{name}'" for name in candidates)
    query = f"""CREATE OR REPLACE TEMP TABLE group_rows AS
        SELECT _row, CASE {case} END AS name, coalesce({text}) AS text FROM {raw}
        WHERE {filled} = 1 AND coalesce({text}) IS NOT NULL"""
    work.execute(query)
    if not work.execute("SELECT 1 FROM group_rows LIMIT 1").fetchone():
        return []
    fields = [name for name in cells if name in GROUP_FIELDS]
    counts = "".join(f", count({quoted(name)})" for name in fields)
    lists = "".join(f", list(DISTINCT {quoted(name)})[:{MAX_TEXTS}]" for name in fields)
    query = f"""SELECT g._row, any_value(g.name), any_value(g.text), count(r._row){counts}{lists}
        FROM group_rows g LEFT JOIN (
            SELECT r.*, h._row AS of FROM {raw} r ASOF JOIN group_rows h ON r._row >= h._row WHERE r._row <> h._row) r
        ON r.of = g._row GROUP BY g._row ORDER BY g._row"""
    rows = work.execute(query).fetchall()
    blocks = [_block(fields, row[3:]) for row in rows]
    return [
        _Group(row, name, text, blocks[i] if blocks[i].count else _with_following(blocks, i), blocks[i].count > 0)
        for i, (row, name, text, *_) in enumerate(rows)
    ]


def _has_rows_above(work: duckdb.DuckDBPyConnection, raw: str, row: int) -> bool:
    return work.execute(f"SELECT 1 FROM {raw} WHERE _row < $1 LIMIT 1", [row]).fetchone() is not None


def _is_name_column(header: Header, number: int) -> bool:
    return column_index(header.beside[number].letter or "") in header.names


def _block(fields: Sequence[str], counted: Sequence[object]) -> _Block:
    count, filled, texts = counted[0], counted[1 : len(fields) + 1], counted[len(fields) + 1 :]
    lists = {name: [t for t in of or () if t is not None] for name, of in zip(fields, texts, strict=True)}  # type: ignore[attr-defined]
    return _Block(int(count), dict(zip(fields, filled, strict=True)), lists)  # type: ignore[call-overload, arg-type]


def _with_following(blocks: Sequence[_Block], position: int) -> _Block:
    """Return the rows of a group whose next row is another group: those of the groups until the next such group."""
    count, filled, texts = 0, dict.fromkeys(blocks[position].filled, 0), {name: list[str]() for name in GROUP_FIELDS}
    for block in blocks[position + 1 :]:
        if not block.count and count:
            break
        count += block.count
        for name, number in block.filled.items():
            filled[name] += number
            texts[name] += block.texts[name]
    return _Block(count, filled, texts)


def _fields_of(group: _Group, header: Header) -> dict[str, str] | None:
    """Return the fields that a group sets with their texts; none if that is uncertain, None if the row is no group."""
    block = group.block
    values = dict(values_in_label(group.text))
    is_own = group.name in GROUP_FIELDS
    if not block.count or _is_total(group):
        return None
    if values and all(_is_free(name, value, group, header) for name, value in values.items()):
        return values
    if is_own and not values and set(block.texts[group.name]) <= {group.text}:
        return {group.name: group.text}
    is_described = group.name == "neighbourhood" and block.filled["neighbourhood"] == block.count
    if not values and ((is_described and _is_area_name(group.text)) or not is_own or _is_theme(group.text)):
        # An area without values, or a heading of rows that state their own areas or KPIs.
        return None
    return {}


def _is_free(name: str, code: str, group: _Group, header: Header) -> bool:
    """Return True if the rows below have no other text in a field."""
    if name not in group.block.filled:
        return name not in header.field_names
    texts = {values_in_label(text).get(name) or text for text in group.block.texts[name]}
    return texts <= {code} and (name != group.name or not texts)


def _is_total(group: _Group) -> bool:
    return code_of("sexes", group.text) == register.TOTAL


def _total(used: set[str]) -> dict[str, str] | None:
    """Return the total of the fields that other groups set; without these, the defaults mean the same."""
    return {name: register.TOTAL for name in FIELDS_WITH_TOTAL if name in used} or None


def _is_area_name(text: str) -> bool:
    return is_area(text) or any(fold(area.name) == fold(text) for area in areas().lan.values())


def _is_theme(text: str) -> bool:
    return code_of("themes", text) is not None


def _refusal(group: _Group, header: Header, location: Mapping[str, str | None]) -> Finding:
    columns = {**{c.name: c.letter for c in header.columns}, **{c.name: c.letter for c in header.beside}}
    at = {**location, "row": group.row, "column": columns.get(group.name), "text": group.text}
    return Finding("group-row", Severity.ERROR, params={"count": group.block.count}, **at)  # type: ignore[arg-type]


def _applied(
    work: duckdb.DuckDBPyConnection,
    raw: str,
    header: Header,
    result: GroupRows,
    groups: Sequence[_Group],
    texts: Mapping[int, Mapping[str, str]],
    location: Mapping[str, str | None],
) -> GroupRows:
    """Create the relation with the texts of the groups, and delete their rows from `raw`."""
    moved = [row for row, _ in (*result.read, *result.refused)]
    if not moved:
        return result
    work.execute(f"DELETE FROM {raw} WHERE _row IN (SELECT unnest($1::BIGINT[]))", [moved])
    if not texts:
        return result
    names = [name for name in GROUP_FIELDS if any(name in fields for fields in texts.values())]
    result.added = tuple(name for name in names if name not in header.field_names)
    columns = ", ".join(f"unnest(${n}::VARCHAR[]) AS {name}" for n, name in enumerate(names, start=2))
    values = [[fields.get(name) for fields in texts.values()] for name in names]
    work.execute(f"CREATE TABLE {raw}_groups AS SELECT unnest($1::BIGINT[]) AS _row, {columns}", [list(texts), *values])
    own = ", ".join(f"coalesce(r.{name}, g.{name}) AS {name}" for name in names if name not in result.added)
    added = "".join(f", g.{name}" for name in result.added)
    result.relation = f"{raw}_grouped"
    work.execute(
        f"""CREATE TABLE {result.relation} AS SELECT r.*{f" REPLACE ({own})" if own else ""}{added}
        FROM {raw} r ASOF LEFT JOIN {raw}_groups g ON r._row > g._row ORDER BY r._row"""
    )
    result.notes += _notes(names, {group.row: group.text for group in groups}, texts, location)
    return result


def _notes(
    names: Sequence[str],
    text_by_row: Mapping[int, str],
    texts: Mapping[int, Mapping[str, str]],
    location: Mapping[str, str | None],
) -> Iterator[Finding]:
    """Yield a note for each field with the texts of its groups."""
    for name in names:
        rows, before = [], None
        for row, fields in texts.items():
            if fields.get(name) and fields.get(name) != before:
                rows.append(row)
            before = fields.get(name)
        different = list(dict.fromkeys(text_by_row[row] for row in rows))
        examples = ", ".join(f"”{text}”" for text in different[:MAX_EXAMPLES])
        examples += " …" if len(different) > MAX_EXAMPLES else ""
        params = {**describe_field(standard()["observations"][name]), "count": len(rows), "examples": examples}
        yield Finding("assumed-group-rows", Severity.NOTE, **location, row=rows[0], field=name, params=params)  # type: ignore[arg-type]
