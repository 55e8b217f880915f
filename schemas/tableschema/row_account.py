"""Account of the cells that Frictionless reads from one table: those that its rows contain, and those that it drops.

Frictionless reads a table as a stream of rows. Its dialect takes some for labels and some for data, and drops the
others; its header decides which columns have a field.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from frictionless.resources import TableResource

from vaven.schemas.formats.grid import Grid
from vaven.schemas.spreadsheets.sheet_properties import UNCALCULATED
from vaven.schemas.standard.cells import checksum_of
from vaven.schemas.tables.cell_account import CellAccount

JSON = ("json", "jsonl", "ndjson")


def texts_in(cell: Any) -> list[str]:
    """Return the non-empty texts of a cell: one, or those of the values in a list or an object of JSON."""
    if isinstance(cell, Mapping):
        return [inner for value in cell.values() for inner in texts_in(value)]
    if isinstance(cell, list | tuple):
        return [inner for value in cell for inner in texts_in(value)]
    stripped = "" if cell is None else str(cell).strip()
    return [stripped] if stripped else []


class RowAccount:
    """Cells of one table, counted while its rows are read. `sheet` is that of a workbook.

    After the last row, `resource` is the opened resource with the dialect that was detected, and `is_complete` is
    True. `label_row` has the texts of the first row of labels; if `is_keyed`, they are keys of records. `text_total`
    is the number of non-empty cells of a text that DuckDB has read, which has no line breaks in its cells.
    """

    def __init__(self, sheet: Grid | None = None) -> None:
        self.account = CellAccount(sheet=sheet.sheet if sheet else None)
        self.is_complete = False
        self.label_row: list[str] = []
        self.text_total: int | None = None
        self.resource: TableResource | None = None
        self._names: list[str] = []
        self._has_field: list[bool] = []
        self._waiting: tuple[int, Sequence[Any]] | None = None
        self.is_keyed = False
        properties = sheet.properties if sheet else None
        self._merged = properties.merged if properties else []
        self._formulas: dict[int, list[int]] = {}
        for row, column, cell in properties.invalid_cells if properties else ():
            if cell.startswith(UNCALCULATED):
                self._formulas.setdefault(row, []).append(column)

    def open(self, resource: TableResource) -> None:
        """Note the fields of an opened resource's columns."""
        fields = resource.header.get_expected_fields()
        self.resource = resource
        self._names = [field.name for field in fields]
        # Frictionless invents a field for a label that the schema does not have.
        own = {id(field) for field in resource.header.fields}
        self._has_field = [id(field) in own for field in fields]
        # A cell that repeats one that it is merged with is not in the file.
        controls = resource.dialect.controls
        self._merged = self._merged if any(getattr(c, "fill_merged_cells", False) for c in controls) else []
        # A control that the format does not use is in the dialect, too.
        kind = "inline" if resource.data is not None else "json" if resource.format in JSON else ""
        self.is_keyed = any(c.type == kind and getattr(c, "keyed", False) for c in controls)

    @property
    def fields(self) -> list[Any]:
        """The fields of the schema that columns of the table have, in the order of the columns."""
        names = [name for name, has_field in zip(self._names, self._has_field, strict=True) if has_field]
        return [self._opened.schema.get_field(name) for name in names] if names else []

    @property
    def columns_with_field(self) -> frozenset[int]:
        """The positions of columns with a field, which are the only ones that are read."""
        return frozenset(i for i, has_field in enumerate(self._has_field) if has_field)

    @property
    def header_row(self) -> int:
        """The number of the last row of labels; 0 without one."""
        dialect = self._opened.dialect
        return max(dialect.header_rows, default=0) if dialect.header else 0

    # Rows

    def watched(self, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """Yield rows as they are. A row that is not entered before the next one is yielded was dropped."""
        for number, cells in enumerate(rows, start=1):
            self._waiting = (number, cells)
            yield cells
            self._omit_formulas(number, cells)
            if self._waiting is not None:
                self._drop(number, cells)
        self._waiting = None
        self.is_complete = True

    def entered(self, rows: Iterable[tuple[int, list[Any]]]) -> Iterator[tuple[int, list[Any]]]:
        """Yield rows of data, which enter the table, as they are."""
        for row in rows:
            self._waiting = None
            yield row

    def enter(self, row: Any) -> None:
        """Count the cells of a Row of Frictionless."""
        self._waiting = None
        for i, cell in enumerate(row.cells):
            if texts := self._own(row.row_number, i, cell):
                is_blank = i < len(self._names) and self._names[i] in row.blank_cells
                self._count(row.row_number, i, texts, is_blank=is_blank)

    def enter_labels(self, number: int, cells: Sequence[Any]) -> None:
        """Count the cells of a row of labels, if they are in the file: the labels of records are their keys."""
        self.label_row = self.label_row or [str(cell) for cell in cells]
        for i, cell in enumerate(cells) if not self.is_keyed else ():
            if texts := self._own(number, i, cell):
                self._count(number, i, texts)

    def enter_header(self, resource: TableResource, total: int) -> None:
        """Count the labels of a text with `total` non-empty cells that DuckDB has read below its first line."""
        self.open(resource)
        self.enter_labels(1, resource.sample[0])
        self.text_total, self.is_complete = total, True

    def use_labels(self, keys: Collection[str]) -> None:
        """Count the labels of records, each of which is one of the `keys` in the file."""
        for i, label in enumerate(self.label_row):
            if label in keys:
                self._count(1, i, [label])

    def enter_column(self, i: int, filled: int, missing: int, checksum: int) -> None:
        """Count the cells of a column: those with a value, and those with a missing value of the schema.

        `checksum` is that of the cells which `has_field` decides to be left out.
        """
        if self.has_field(i):
            self.account.use(filled)
            self._omit_column("missing-value", i, missing, checksum)
        else:
            self._omit_column("column-unknown", i, filled + missing, checksum)

    def has_field(self, i: int) -> bool:
        """Return whether the schema has a field for the column at a position."""
        return i < len(self._has_field) and self._has_field[i]

    def omit_extra_cells(self, number: int, cells: Sequence[Any], width: int) -> None:
        """Leave out the cells of a row that are to the right of its fields."""
        for i, cell in enumerate(cells[width:], start=width):
            if texts := self._own(number, i, cell):
                self._count(number, i, texts)

    # Cells

    def _count(self, number: int, i: int, texts: Sequence[str], *, is_blank: bool = False) -> None:
        if i >= len(self._has_field):
            reason = "extra-cell"
        elif not self.has_field(i):
            reason = "column-unknown"
        elif is_blank:
            reason = "missing-value"
        else:
            self.account.use(len(texts))
            return
        self._omit_column(reason, i, len(texts), checksum_of(number, texts))

    def _drop(self, number: int, cells: Sequence[Any]) -> None:
        dialect: Any = self._opened.dialect
        sample, is_content = self._opened.sample, dialect.create_comment_filter()
        is_comment = is_content is not None and not is_content(number, list(cells))
        if dialect.header and number in dialect.header_rows and number <= len(sample) and not is_comment:
            self.enter_labels(number, cells)
        elif texts := [inner for i, cell in enumerate(cells) for inner in self._own(number, i, cell)]:
            self.account.omit_row("comment" if is_comment else "preamble", (number, texts))

    def _own(self, number: int, i: int, cell: Any) -> list[str]:
        """Return the texts of a cell that are in the file, and not those of another cell."""
        is_repeated = any(
            top <= number <= bottom and left <= i <= right and (number, i) != (top, left)
            for top, left, bottom, right in self._merged
        )
        return [] if is_repeated else texts_in(cell)

    def _omit_formulas(self, number: int, cells: Sequence[Any]) -> None:
        for i in self._formulas.get(number, ()):
            if i >= len(cells) or not texts_in(cells[i]):
                self._omit_column("formula-without-value", i, 1, checksum_of(number, [str(i)]))

    def _omit_column(self, reason: str, i: int, count: int, checksum: int) -> None:
        self.account.omit_column(reason, i, count, checksum)

    @property
    def _opened(self) -> TableResource:
        assert self.resource is not None
        return self.resource


class AccountedTable(TableResource):
    """A resource whose rows are watched by an account, if it has one."""

    # Frictionless takes names without an underscore for metadata.
    _account: RowAccount | None = None

    @property
    def row_account(self) -> RowAccount:
        assert self._account is not None
        return self._account

    @property
    def cell_stream(self) -> Any:
        if self._account is None:
            return super().cell_stream
        self._account.open(self)
        return self._account.watched(super().cell_stream)


def accounted(resource: TableResource, account: RowAccount) -> AccountedTable:
    """Make a resource an AccountedTable with `account`, which counts the cells of the rows that are read from it."""
    resource.__class__ = AccountedTable
    assert isinstance(resource, AccountedTable)
    resource._account = account
    return resource
