"""Layout of a sheet: preamble, header row, columns with known labels, footnotes."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest

from vaven.schemas.formats.grid import GridRow, column_letter, filled_count
from vaven.schemas.spreadsheets.label_units import field_and_unit, is_unit_alone
from vaven.schemas.standard.cells import RepeatedText, checksum_of
from vaven.schemas.standard.data_like import YEAR, is_area, is_number, is_record
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import codes_by_word, fold, known_labels, values_in_label
from vaven.schemas.standard.period_forms import period_of
from vaven.schemas.standard.period_parts import PERIOD_PART, with_period_part
from vaven.schemas.standard.read_options import DETECT, OTHER_COLUMNS, ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.cell_account import CellAccount
from vaven.schemas.tables.tables import Column
from vaven.vocab import register
from vaven.vocab.areas import level_of, split_suffix

HEADER_SEARCH_ROWS = 50
# Columns in which areas without a label are searched for.
MAX_AREA_POSITION = 5
# Cells of the column may be empty, but a table of observations without it has no content.
ESSENTIAL = frozenset(("value",))


@dataclass(frozen=True)
class Header:
    """A header row: its number, its labels by position, and the standard's field of each position, if any.

    `wide` has the fields that a position's label fixes for all values below it, if columns are years, KPIs or sexes.
    `constants` are the user's texts for fields in all rows, `omitted` the positions that the user excludes. `names`
    maps columns of names to the field whose codes are in another column. `top` is the uppermost row of a header of
    several. `is_absent`: the sheet has no header, and the labels are the standard's, by the columns' content.
    """

    row: int
    labels: tuple[str, ...]
    fields: tuple[str | None, ...]
    wide: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    omitted: frozenset[int] = frozenset()
    names: Mapping[int, str] = field(default_factory=dict)
    top: int | None = None
    is_absent: bool = False

    @property
    def field_names(self) -> frozenset[str]:
        """Fields that every row has a value of: by column, label or constant."""
        values = {"value"} if self.wide else set()
        own = frozenset(name for name in self.fields if name) - {PERIOD_PART}
        return own | self.label_fields | set(self.constants) | values

    @property
    def label_fields(self) -> frozenset[str]:
        """Fields in the labels of columns of values."""
        return frozenset(name for says in self.wide.values() for name in says)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns with a field of the standard, leftmost first."""
        fields = [(i, name) for i, name in enumerate(self.fields) if name and name != PERIOD_PART]
        return tuple(Column(name, self.labels[i], column_letter(i)) for i, name in fields)

    @property
    def beside(self) -> tuple[Column, ...]:
        """Columns that are not read and may yet tell what a row is about, named c0, c1 … by position.

        The user's exclusion of a column answers the question.
        """
        return tuple(
            Column(unread_name(i), self.labels[i], column_letter(i))
            for i, reason in self.unread.items()
            if reason != "column-excluded" and i < len(self.labels)
        )

    @property
    def read_columns(self) -> frozenset[int]:
        return frozenset(i for i, name in enumerate(self.fields) if name) | frozenset(self.wide)

    @property
    def unread(self) -> Mapping[int, str]:
        """Positions of columns that are not read, with the reason (of OmittedCells)."""
        positions = (i for i, name in enumerate(self.fields) if name is None and i not in self.wide)
        return {i: self._reason_not_to_read(i) for i in positions}

    def _reason_not_to_read(self, position: int) -> str:
        if position in self.omitted:
            return "column-excluded"
        if position in self.names:
            return "column-of-names"
        return "column-unknown" if self.labels[position] else "column-unlabelled"


def unread_name(position: int) -> str:
    """Return the name in the workspace of a column without a field."""
    return f"c{position}"


def detect_header(rows: Sequence[GridRow], resource: str, choices: ReadOptions = DETECT) -> Header | None:
    """Return the most likely header among the first rows: the one with most known labels, else the first full one.

    None if no row has two filled cells (or one, in a sheet of a single column), or if the user's header row is not
    among them.
    """
    if choices.header_row is not None:
        header = next((header_of(n, cells, resource, choices) for n, cells in rows if n == choices.header_row), None)
        return header and _with_code_column(_with_area(header, rows, resource, choices), rows)
    headers = [
        _with_area(header_of(*row, resource, choices), rows, resource, choices) for row in rows[:HEADER_SEARCH_ROWS]
    ]
    first = rows[:HEADER_SEARCH_ROWS]
    runs = [*pairwise(first), *zip(first, first[1:], first[2:], strict=False)]
    combined = (h for run in runs if (h := _combined_header(run, resource, choices)))
    combined_headers = [_with_area(h, rows, resource, choices) for h in combined]
    # Rows of labels are the header together if they have more known labels than each of them.
    best = max((*headers, *combined_headers), key=_field_count, default=None)
    if best and _field_count(best) >= min(2, len(best.labels)):
        return _with_code_column(best, rows)
    if header := _absent_header(rows, resource, choices):
        return header
    # Years beside an area are no observations without a KPI, but they reveal the header.
    if resource == "observations" and choices.wide is None:
        wide = replace(choices, wide=True)
        as_wide = [_with_area(header_of(*row, resource, wide), rows, resource, wide) for row in first]
        widest = max(range(len(as_wide)), key=lambda i: _field_count(as_wide[i]), default=None)
        if widest is not None and _field_count(as_wide[widest]) >= 2:
            return headers[widest]
    # A row of data beside a text may be the fullest one.
    labels = [h for h in headers if not (is_record(h.labels) and any(map(is_area, h.labels)))]
    usual_width = max((filled_count(cells) for _, cells in rows), default=0)
    for share in (0.9, 0.6):
        full = [h for h in labels if filled_count(h.labels) >= max(usual_width * share, min(usual_width, 2), 1)]
        if header_of_words := next((h for h in full if not _is_numeric(h.labels)), None):
            return header_of_words
    # A header of years is numeric; it is accepted only if no full row of words exists.
    return next(iter(full), None) or next((h for h in headers if filled_count(h.labels)), None)


def _with_area(header: Header, rows: Sequence[GridRow], resource: str, choices: ReadOptions) -> Header:
    """Read a column without a label as that of areas if all of its cells are, as in exports of PxWeb."""
    if resource != "observations" or "neighbourhood" in (*header.fields, *header.constants) or not any(header.labels):
        return header
    below = [cells for number, cells in rows if number > header.row][:HEADER_SEARCH_ROWS]
    for i, label in enumerate(header.labels[:MAX_AREA_POSITION]):
        texts = [cells[i] for cells in below if i < len(cells) and cells[i] and filled_count(cells) > 1]
        if not label and texts and all(map(is_area, texts)) and not all(map(YEAR.fullmatch, texts)):
            columns = {**choices.columns, column_letter(i): "neighbourhood"}
            return replace(
                header_of(header.row, header.labels, resource, replace(choices, columns=columns)), top=header.top
            )
    return header


def _absent_header(rows: Sequence[GridRow], resource: str, choices: ReadOptions) -> Header | None:
    """Return a header for a sheet that begins with a row of data; None if some column's content is not certain."""
    if resource != "observations" or not rows or not (is_record(rows[0][1]) and any(map(is_area, rows[0][1]))):
        return None
    columns = [[cell for cell in cells if cell] for cells in zip_longest(*(cells for _, cells in rows), fillvalue="")]
    known = {kind: codes_by_word(kind) for kind in ("kpis", "sexes")}
    tests: Mapping[str, Callable[[str], object]] = {
        "kpi": lambda cell: fold(cell) in known["kpis"],
        "sex": lambda cell: fold(cell) in known["sexes"],
        "period": period_of,
        "neighbourhood": is_area,
        "value": lambda cell: is_number(cell) or not cell.strip("."),
    }
    fields: dict[int, str] = {}
    for name, test in tests.items():
        positions = [i for i, cells in enumerate(columns) if i not in fields and cells and all(map(test, cells))]
        if len(positions) > 1:
            return None
        fields |= dict.fromkeys(positions, name)
    if not {"neighbourhood", "period", "value", "kpi"} <= {*fields.values(), *choices.constants}:
        return None
    schema = standard()[resource]
    labels = [schema[fields[i]].label("sv") if i in fields else "" for i in range(len(columns))]
    return replace(header_of(rows[0][0] - 1, labels, resource, choices), is_absent=True)


def _field_count(header: Header) -> int:
    return len(header.field_names) - len(header.constants)


def _combined_header(rows: Sequence[GridRow], resource: str, choices: ReadOptions) -> Header | None:
    """Combine labels in two or three rows, e.g. years merged over women and men; None if the rows are no labels."""
    (top, _), *_, (number, below) = rows
    upper = [cells for _, cells in rows[:-1]]
    above = _joined_labels(upper)
    gaps = [i for i, cell in enumerate(below) if cell and (i >= len(above) or not above[i])]
    if number != top + len(rows) - 1 or not gaps or filled_count(below) < 2 or not all(map(filled_count, upper)):
        return None
    return replace(header_of(number, _joined_labels([*upper, below]), resource, choices), top=top)


def _joined_labels(rows: Sequence[Sequence[str]]) -> list[str]:
    """Join the labels of each column, of which all but the lowest row's extend to the right (_extended)."""
    *upper, below = rows
    lines = [[text for _, text in _extended(cells, rows[i + 1 :], upper[:i])] for i, cells in enumerate(upper)]
    columns = zip_longest(*lines, below, fillvalue="")
    return [" ".join(filter(None, labels)) for labels in columns]


def _extended(
    cells: Sequence[str], lower: Sequence[Sequence[str]], upper: Sequence[Sequence[str]]
) -> Iterator[tuple[int, str]]:
    """Yield position and text of the label that applies to each column, (-1, "") for none.

    A label extends to the right as long as there are labels below it, until another begins in its row or above.
    """
    current = (-1, "")
    for i in range(max(map(len, (cells, *lower)))):
        own = cells[i] if i < len(cells) else ""
        has_lower = any(i < len(row) and row[i] for row in lower)
        has_upper = any(i < len(row) and row[i] for row in upper)
        current = (i, own) if own else current if has_lower and not has_upper else (-1, "")
        yield current


def account_for_labels(
    account: CellAccount, header: Header, rows: Iterable[GridRow], *, is_chosen: bool = False
) -> None:
    """Account for the cells of the header's rows, and for those above it. `rows` are the first of the sheet.

    If the user has not chosen the row (`is_chosen`), it may be a wrong one below rows of data. A label is used if it
    names a column that is read. One of the upper of two rows may name several columns.
    """
    labels: list[GridRow] = []
    for number, cells in rows:
        if number < (header.top or header.row):
            account.omit_row("preamble-chosen" if is_chosen else "preamble", (number, cells))
        elif number <= header.row:
            labels.append((number, cells))
    texts = [cells for _, cells in labels]
    for i, row in enumerate(labels):
        labelled: dict[int, list[int]] = {}
        for position, (label, _) in enumerate(_extended(row[1], texts[i + 1 :], texts[:i])):
            labelled.setdefault(label, []).append(position)
        _account_for_labels(account, header, row, {label: of for label, of in labelled.items() if label >= 0})


def _account_for_labels(
    account: CellAccount, header: Header, row: GridRow, labelled: Mapping[int, Sequence[int]]
) -> None:
    """Account for the labels of a row, each with the columns that it names (_extended)."""
    unread = header.unread
    number, cells = row
    for label, positions in labelled.items():
        if type(cells[label]) is RepeatedText:
            continue
        if all(i in unread for i in positions):
            account.omit_column(unread[label], label, 1, checksum_of(number, [cells[label]]))
        else:
            account.use(1)


def _with_code_column(header: Header, rows: Sequence[GridRow]) -> Header:
    """Choose the column of area codes by its cells if several columns are labelled as areas."""
    if "neighbourhood" not in header.fields:
        return header
    fields_by_label = known_labels("observations")
    candidates = [i for i, label in enumerate(header.labels) if fields_by_label.get(fold(label)) == "neighbourhood"]
    candidates = [i for i in candidates if i not in header.omitted and header.fields[i] in (None, "neighbourhood")]
    below = [cells for number, cells in rows if number > header.row]
    code_counts = {i: sum(_is_code(cells[i]) for cells in below if i < len(cells)) for i in candidates}
    if len(candidates) < 2 or min(code_counts.values()) > 0:
        return header
    best = max(code_counts, key=lambda i: code_counts[i])
    fields = list(header.fields)
    fields[header.fields.index("neighbourhood")], fields[best] = None, "neighbourhood"
    return replace(
        header, fields=tuple(fields), names={i: "neighbourhood" for i in candidates if not code_counts[i] and i != best}
    )


def _is_code(cell: str) -> bool:
    code, _ = split_suffix(cell.split(" ", 1)[0])
    return level_of(code) is not None or level_of("0" + code) is not None


def header_of(number: int, cells: Sequence[str], resource: str, choices: ReadOptions) -> Header:
    names = set(standard()[resource].names)
    constants = {name: text for name, text in choices.constants.items() if name in names}
    fields_by_label = {**known_labels(resource), **{fold(label): name for label, name in choices.columns.items()}}
    # A column without a label is named by its letter.
    fields_by_letter = {label.upper(): name for label, name in choices.columns.items()}
    fields: list[str | None] = []
    for i, cell in enumerate(cells):
        name = _field_of(cell, fields_by_label, resource) if cell else fields_by_letter.get(column_letter(i))
        fields.append(name if name in names - set(fields) - set(constants) else None)
    labels = tuple(" ".join(cell.split()) for cell in cells)
    omitted = frozenset(
        i
        for i, label in enumerate(labels)
        if (fields_by_label.get(fold(label)) if label else fields_by_letter.get(column_letter(i))) in {"", *constants}
    )
    wide = _wide(labels, fields, omitted, choices) if resource == "observations" and choices.wide is not False else {}
    if resource == "observations":
        fields = with_period_part(labels, fields, wide, omitted)
        fields = fields if wide or "value" in constants else _with_value_by_unit(labels, fields, omitted)
    if choices.columns.get(OTHER_COLUMNS) == "":
        known = {i for i, label in enumerate(labels) if fold(label) in fields_by_label}
        omitted |= {i for i, name in enumerate(fields) if name is None} - wide.keys() - known
    return Header(number, labels, tuple(fields), wide, constants, omitted)


def _with_value_by_unit(
    labels: Sequence[str], fields: Sequence[str | None], omitted: frozenset[int]
) -> list[str | None]:
    """Return the fields with the value in the only column whose label is a unit, if no column is the value's."""
    units = [i for i, label in enumerate(labels) if fields[i] is None and i not in omitted and is_unit_alone(label)]
    has_keys = {"neighbourhood", "kpi", "period"} <= set(fields)
    is_value = len(units) == 1 and has_keys and "value" not in fields
    return ["value" if is_value and i in units else name for i, name in enumerate(fields)]


def _field_of(label: str, fields_by_label: Mapping[str, str], resource: str) -> str | None:
    """Return the field of a label, also of one with a unit: "Värde, procent"."""
    if name := fields_by_label.get(fold(label)):
        return name
    both = field_and_unit(label, resource) if fold(label) not in fields_by_label else None
    return both[0] if both else None


def _wide(
    labels: Sequence[str], fields: Sequence[str | None], omitted: frozenset[int], choices: ReadOptions
) -> Mapping[int, Mapping[str, str]]:
    """Return the columns of values with the fields in their labels; none if the table has one column of values.

    The labels must have the same fields, and none that has a column of its own. A single such column is accepted if
    its label is a KPI or a period; "Kvinnor" or "Totalt" alone is no table. The KPI must be in the table or set by the
    user: any table of statistics has years in its header, and most do not follow the standard.
    """
    field_names = {name for name in fields if name}
    if "value" in field_names or not field_names:
        return {}
    kpis = {fold(label): name for label, name in choices.columns.items() if name in register.kpis()}
    free = [(i, label) for i, label in enumerate(labels) if fields[i] is None and label and i not in omitted]
    if chosen := {i: {"kpi": kpis[fold(label)]} for i, label in free if fold(label) in kpis}:
        # The user states what the columns are: no other is one of values, also if its label looks like it.
        return {} if "kpi" in field_names else chosen
    values_by_position = {i: values for i, label in free if (values := values_in_label(label))}
    kinds = Counter(frozenset(values) for values in values_by_position.values() if not field_names & values.keys())
    kind, count = max(kinds.items(), key=lambda pair: pair[1], default=(frozenset[str](), 0))
    has_kpi = choices.wide or "kpi" in kind | field_names | set(choices.constants)
    if (count < 2 and not kind & {"kpi", "period"}) or not has_kpi:
        return {}
    return {i: values for i, values in values_by_position.items() if values.keys() == kind}


def _is_numeric(cells: Iterable[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return sum(cell.replace(",", "").replace(".", "").replace(" ", "").isdigit() for cell in filled) > len(filled) / 2


def label_problems(
    header: Header, location: Mapping[str, str | None], resource: str, filled: set[int]
) -> list[Finding]:
    """Return the findings about labels. `filled` are the positions with a value in some row."""
    findings = []
    fields_by_label = known_labels(resource)
    seen: set[str] = set()
    for i, label in enumerate(header.labels):
        if i in header.wide or i in header.omitted or i in header.names:
            continue
        at = {**location, "row": header.row or None, "column": column_letter(i), "text": label}
        if not label:
            if i in filled:
                findings.append(Finding("blank-label", Severity.WARNING, **at))  # type: ignore[arg-type]
        elif fields_by_label.get(fold(label)) in seen or (header.fields[i] is None and fold(label) in fields_by_label):
            findings.append(Finding("duplicate-label", Severity.ERROR, **at))  # type: ignore[arg-type]
        elif header.fields[i] is None:
            near = difflib.get_close_matches(fold(label), fields_by_label, n=1, cutoff=0.75)
            params = {"nearest": standard()[resource][fields_by_label[near[0]]].label("sv") if near else ""}
            findings.append(Finding("unknown-column", Severity.WARNING, params=params, **at))  # type: ignore[arg-type]
        seen |= {header.fields[i] or ""} - {""}
    return findings


def missing_columns(
    header: Header, location: Mapping[str, str | None], resource: str, added: Sequence[str] = ()
) -> list[Finding]:
    """Return a finding for each column that the standard requires and that neither header nor group rows have."""
    return [
        Finding(
            "missing-column",
            Severity.ERROR,
            **location,  # type: ignore[arg-type]
            row=header.row or None,
            field=field.name,
            params={"label_sv": field.label("sv"), "label_en": field.label("en")},
        )
        for field in standard()[resource].fields
        if (field.required or field.name in ESSENTIAL) and field.name not in {*header.field_names, *added}
    ]
