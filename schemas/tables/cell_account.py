"""Account of a sheet's non-empty cells: those that a table contains, and those left out, by range and reason."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from vaven.schemas.formats.grid import CellCount, Grid, GridRow, column_letter
from vaven.schemas.standard.cells import Cells, OmittedCells, checksum_of, filled_in_file
from vaven.schemas.standard.data_like import is_record
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.personal_number_forms import LIKE_A_NUMBER, SHORTEST, DatedNumber, dated_numbers

# Ranges of one reason in a sheet; the last one extends over all that follow, so that the counts are complete.
MAX_PARTS = 200
# Findings about a label; a warning says that the column may stay as it is.
DUPLICATE_LABEL, LABEL_WARNINGS = "duplicate-label", ("unknown-column", "blank-label")
# Reasons of detection. Cells that the sender excludes, totals, and cells with a finding of their own are none.
REASONS_OF_DATA = frozenset(
    ("preamble", "repeated-header", "table-without-rows", "column-unknown", "column-unlabelled")
)
# Ours: a column with more numbers than this share of its cells has data.
SHARE_OF_NUMBERS = 0.5
# So many numbers of a sheet suffice to judge it.
MAX_NUMBERS = 10_000


@dataclass(frozen=True)
class OmittedNumber:
    """A number that looks like a personal identity number in a cell that no table contains, and its place."""

    sheet: str | None
    row: int | None
    column: str | None
    number: DatedNumber


@dataclass
class CellAccount:
    """Cells of one sheet, counted while its rows are read. `total` and `reader_omitted` are those of its grid.

    `numbers` are in the cells left out, and look like personal identity numbers.
    """

    file: str = ""
    sheet: str | None = None
    total: CellCount = field(default_factory=CellCount)
    reader_omitted: list[OmittedCells] = field(default_factory=list)
    used: int = 0
    resource: str | None = None
    numbers: list[OmittedNumber] = field(default_factory=list)
    _sheets: list[OmittedCells] = field(default_factory=list)
    _rows: dict[tuple[str, bool], list[OmittedCells]] = field(default_factory=dict)
    _columns: dict[tuple[int, str], OmittedCells] = field(default_factory=dict)

    def use(self, count: int) -> None:
        self.used += count

    def search(self, texts: Iterable[str], row: int | None = None, column: str | None = None) -> None:
        """Note the numbers that look like personal identity numbers in texts that are left out."""
        for text in texts:
            if len(text) >= SHORTEST and len(self.numbers) < MAX_NUMBERS and LIKE_A_NUMBER.search(text):
                self.numbers += [OmittedNumber(self.sheet, row, column, number) for number in dated_numbers(text)]

    def omit_row(self, reason: str, row: GridRow) -> None:
        self.search(row[1], row[0])
        is_data = reason in REASONS_OF_DATA and is_record(row[1])
        self.omit_cells(reason, row[0], filled_in_file(row[1]), checksum_of(*row), is_data=is_data)

    def omit_cells(self, reason: str, row: int, count: int, checksum: int, *, is_data: bool = False) -> None:
        """Leave out `count` cells of a row, in one range with the row above if that has the same reason."""
        if not count:
            return
        parts = self._rows.setdefault((reason, is_data), [])
        last = parts[-1].rows if parts else None
        if last and (row <= last[1] + 1 or len(parts) >= MAX_PARTS):
            checksum ^= parts[-1].checksum
            parts[-1] = replace(parts[-1], count=parts[-1].count + count, rows=(last[0], row), checksum=checksum)
        else:
            parts.append(OmittedCells(reason, count, self.sheet, (row, row), is_data=is_data, checksum=checksum))

    def omit_column(self, reason: str, position: int, count: int, checksum: int, *, numbers: int = 0) -> None:
        """Leave out `count` cells of a column, of which `numbers` are numbers, in one range of each reason."""
        if count:
            letter = column_letter(position)
            part = self._columns.get((position, reason), OmittedCells(reason, 0, self.sheet, column=letter))
            is_data = part.is_data or (reason in REASONS_OF_DATA and numbers > count * SHARE_OF_NUMBERS)
            checksum ^= part.checksum
            self._columns[position, reason] = replace(
                part, count=part.count + count, is_data=is_data, checksum=checksum
            )

    def omit_sheet(self, reason: str, rows: Iterable[GridRow]) -> None:
        """Leave out all cells of `rows`, which are iterated to their end."""
        count = checksum = 0
        for row in rows:
            if filled := filled_in_file(row[1]):
                self.search(row[1], row[0])
                count += filled
                checksum ^= checksum_of(*row)
        if count:
            self._sheets.append(OmittedCells(reason, count, self.sheet, checksum=checksum))

    @property
    def is_complete(self) -> bool:
        """True if all cells are accounted for, or their number is not known."""
        return self.total.total in (None, self.used + sum(part.count for part in self.omitted))

    @property
    def omitted(self) -> tuple[OmittedCells, ...]:
        """Ranges left out: the sheet, rows from the first, columns from the left."""
        by_reader = [replace(part, sheet=part.sheet or self.sheet) for part in self.reader_omitted]
        rows = [*(part for parts in self._rows.values() for part in parts), *(p for p in by_reader if p.rows)]
        columns = [self._columns[key] for key in sorted(self._columns)]
        rows.sort(key=lambda part: part.rows or ())
        return (*self._sheets, *rows, *columns, *(p for p in by_reader if not p.rows))

    def problems(self, findings: Sequence[Finding]) -> Iterator[Finding]:
        """Yield the errors about rows and columns that look like data and are left out.

        `findings` are those of reading: a column with a duplicate label has an error already, and the error about any
        other column has its label.
        """
        labels = {(f.resource, f.sheet, f.column): f for f in findings if f.code in (DUPLICATE_LABEL, *LABEL_WARNINGS)}
        for part in (p for p in self.omitted if p.is_data):
            label = labels.get((self.resource, part.sheet, part.column)) if part.column else None
            if label and label.code == DUPLICATE_LABEL:
                continue
            row, last = part.rows or (None, None)
            params: dict[str, object] = {"count": (last or 0) - (row or 0) + 1, "other": last, "column": part.column}
            if label and label.params.get("nearest"):
                params |= {"nearest": label.params["nearest"], "advice": "column.nearest"}
            code, text = "column-left-out" if part.column else "rows-left-out", label.text if label else None
            yield Finding(code, Severity.ERROR, self.resource, part.sheet, row, part.column, text=text, params=params)


def with_errors(findings: Sequence[Finding], errors: Sequence[Finding]) -> tuple[Finding, ...]:
    """Join the findings of reading and of the accounts, without the warnings about labels of columns with an error."""
    columns = {(f.resource, f.sheet, f.column) for f in errors if f.column}
    others = (f for f in findings if f.code not in LABEL_WARNINGS or (f.resource, f.sheet, f.column) not in columns)
    return (*others, *errors)


def account_of(grid: Grid) -> CellAccount:
    return CellAccount(grid.file, grid.sheet, grid.cell_count, grid.omitted)


def cells_of(accounts: Sequence[CellAccount]) -> Cells | None:
    """Add up the accounts of a submission's sheets; None if the cells of one could not be counted."""
    totals = [account.total.total for account in accounts]
    if None in totals:
        return None
    omitted = [
        # A package of several texts has no sheets, and its ranges are named after the files.
        replace(part, sheet=account.file) if account.sheet is None and len(accounts) > 1 else part
        for account in accounts
        for part in account.omitted
    ]
    return Cells(sum(total or 0 for total in totals), sum(account.used for account in accounts), tuple(omitted))
