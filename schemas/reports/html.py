"""A report as one self-contained HTML file, readable offline and laid out for printing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from vaven.schemas.reports.cells import cells_sentence
from vaven.schemas.reports.text_and_json import (
    MAX_REMEDIES,
    grouped,
    harmless,
    location,
    meaning,
    published_sentence,
    remedies,
    statements,
    table_name,
)
from vaven.schemas.standard.finding import Excerpt, Finding, Report, Severity
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab.messages import messages
from vaven.vocab.periods import written_moment

# Statements of one rule on the page before the number of remaining findings.
MAX_STATEMENTS = 200

# Findings by sheet, row and column letter.
FindingsByCell = Mapping[tuple[str | None, int | None, str | None], list[Finding]]


@dataclass(frozen=True)
class FaultyCell:
    """A cell of an excerpt. `severity` is the highest of its findings or None; `words` are their messages."""

    text: str
    severity: Severity | None
    words: str


@dataclass(frozen=True)
class FaultyTable:
    """The rows with findings of one table: field labels, and the number and cells of each row."""

    name: str
    labels: tuple[str, ...]
    rows: tuple[tuple[int, tuple[FaultyCell, ...]], ...]
    total: int


def as_html(report: Report, language: str) -> str:
    """Render a report as a complete HTML page in one language."""
    page = _template().render(
        report=report,
        lang=language,
        meaning=meaning(report, language),
        t=messages(language, "schemas"),
        cells=cells_sentence(report.cells, language) if report.cells else "",
        published=published_sentence(report, language),
        groups=grouped(report),
        tables=faulty_tables(report, language),
        location=lambda finding: location(report, finding, language),
        table_name=lambda resource: table_name(resource, language),
        max_statements=MAX_STATEMENTS,
        statements=lambda findings: statements(report, findings, language),
        max_remedies=MAX_REMEDIES,
        remedies=lambda findings: remedies(report, findings, language),
        moment=lambda time: written_moment(time, language),
        number=lambda count: f"{count:,}".replace(",", "\u00a0" if language == "sv" else ","),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("vaven.schemas.reports"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["harmless"] = harmless
    return environment.get_template("report.html")


def faulty_tables(
    report: Report, language: str, *, code: str | None = None, severity: Severity | None = None
) -> list[FaultyTable]:
    """Return each table's rows with findings, optionally of one rule or severity only."""
    findings = [f for f in report.findings if code in (None, f.code) and severity in (None, f.severity)]
    return [table for resource in report.rows if (table := _faulty_table(report, resource, findings, language))]


def _faulty_table(report: Report, resource: str, findings: list[Finding], language: str) -> FaultyTable | None:
    own = [f for f in findings if f.resource == resource and f.row]
    at = _by_cell(own)
    rows = {(f.sheet, f.row) for f in own if f.row}
    excerpts = [e for e in report.excerpts if e.resource == resource and (e.sheet, e.row) in rows and _is_meant(e, own)]
    if not excerpts:
        return None
    schema = standard()[resource]
    # Columns without any text are omitted, unless the empty cell is the finding.
    fields = [
        n for n in schema.names if any(e.texts.get(n) or (e.sheet, e.row, e.columns.get(n)) in at for e in excerpts)
    ]
    labels = tuple(schema[name].label(language) for name in fields)
    cells = tuple((e.row, tuple(_cell(e, name, at, language) for name in fields)) for e in excerpts)
    # A wide row has one excerpt per value. Findings about labels are on the header row, which precedes all data rows.
    is_wide = len({(e.sheet, e.row) for e in excerpts}) < len(excerpts)
    cell_rows = {(f.sheet, f.row, f.column if is_wide else None) for f in own if f.row}
    total = sum(1 for _, row, _ in cell_rows if row >= min(e.row for e in excerpts))
    return FaultyTable(table_name(resource, language), labels, cells, max(total, len(cells)))


def _is_meant(excerpt: Excerpt, findings: list[Finding]) -> bool:
    """Return whether a finding concerns an excerpt: a wide row has one excerpt per value."""
    columns = set(excerpt.columns.values())
    row = excerpt.sheet, excerpt.row
    return any((f.sheet, f.row) == row and (f.column is None or f.column in columns) for f in findings)


def _by_cell(findings: list[Finding]) -> FindingsByCell:
    by_cell: dict[tuple[str | None, int | None, str | None], list[Finding]] = {}
    for finding in findings:
        by_cell.setdefault((finding.sheet, finding.row, finding.column), []).append(finding)
    return by_cell


def _cell(excerpt: Excerpt, name: str, at: FindingsByCell, language: str) -> FaultyCell:
    column = excerpt.columns.get(name)
    here = at.get((excerpt.sheet, excerpt.row, column), []) if column else []
    # The labels of a wide table have the column of their values.
    here = [finding for finding in here if finding.field in (None, name)]
    severity = min((f.severity for f in here), key=list(Severity).index, default=None)
    return FaultyCell(excerpt.texts.get(name) or "", severity, " ".join(_sentences(here, language)))


def _sentences(findings: list[Finding], language: str) -> Iterator[str]:
    yield from dict.fromkeys(finding.message(language) for finding in findings)
