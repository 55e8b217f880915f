"""The files of a release: canonical CSV and Parquet, workbook, receipt, data package.

The folder is complete on local disk before any of it goes into the storage (DESIGN section 4).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from vaven.publisher.releases.areas import ReleasedArea, released_areas
from vaven.publisher.releases.completeness import check_complete, check_workbook, workbook_number
from vaven.publisher.releases.manifest import Manifest, ReleasedFile
from vaven.schemas.reports.text_and_json import as_json
from vaven.schemas.reports.xlsx_cells import ESCAPED
from vaven.schemas.rules.metadata import defaults_of
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.sql import quoted
from vaven.schemas.standard.table_schemas import RESOURCES, TableSchema, standard
from vaven.schemas.tables.compile import text_select, typed_select
from vaven.schemas.tables.tables import About, Table, Tables
from vaven.vocab import media_types, register
from vaven.vocab.periods import parse_period

MEDIA_TYPES = {
    ".csv": media_types.CSV,
    ".parquet": "application/vnd.apache.parquet",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".ttl": media_types.TURTLE,
    ".gz": media_types.GZIP,
    ".zst": media_types.ZSTD,
    ".json": media_types.JSON,
}
# A sheet ends at 1,048,576 rows, and people stop well before; longer tables are offered as CSV and Parquet only.
WORKBOOK_ROWS = 200_000
# Characters that XML excludes, which a workbook has in a notation of its own (ECMA-376 part 1, 22.9.2.19).
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Release:
    """A release on local disk before it is stored. `released_at` is UTC; `rows` counts by resource.

    `sha256` is the hash of the content (canonical tables and the submission's own description), so that the same
    values are recognised when they are sent again, in any format. `defaults` are the properties of the description that
    the sender left out (schemas/rules/metadata.py).
    """

    dataset: str
    version: int
    released_at: datetime | None
    about: About
    folder: Path
    rows: Mapping[str, int]
    areas: Mapping[str, ReleasedArea]
    kpis: tuple[str, ...]
    periods: tuple[str, ...]
    ages: tuple[str, ...]
    sha256: str
    defaults: tuple[str, ...] = ()

    @property
    def period(self) -> tuple[date, date]:
        """First and last day of the observations."""
        spans = [parse_period(text) for text in self.periods]
        return min(p.start for p in spans), max(p.end for p in spans)

    @property
    def issued_at(self) -> datetime:
        """The time of the release (UTC), which `stamp` sets. Raises ValueError before."""
        if self.released_at is None:
            raise ValueError(f"{self.dataset} was described before it was stamped")
        return self.released_at

    def table(self, resource: str) -> Path:
        return self.folder / f"{resource}.parquet"


def release(tables: Tables, folder: Path) -> Release:
    """Write the canonical tables of a clean submission into an empty folder. `stamp` adds version and time.

    The submission states its licence and publisher, by itself or by the sender's options.
    """
    rows = {}
    for resource in RESOURCES:
        if table := tables.tables.get(resource):
            rows[resource] = write_table(tables.workspace, table, folder)
            check_complete(tables.workspace, table, folder)
    with duckdb.connect() as reading:
        return replace(_described(reading, tables.about, folder, rows), defaults=defaults_of(tables))


def stamp(unstamped: Release, version: int, released_at: datetime, note: str) -> Release:
    """Return the release with its version and time; a `note` replaces the submission's own version note."""
    about = replace(unstamped.about, version_note=note) if note else unstamped.about
    return replace(unstamped, version=version, released_at=released_at, about=about)


def stored_release(manifest: Manifest, dataset: str, version: int, folder: Path) -> Release:
    """Return a stored release by its manifest, without its time and its hash; `folder` has its observations.parquet.

    Cost: a scan of two columns.
    """
    observations = str(folder / "observations.parquet")
    with duckdb.connect() as reading:
        return Release(
            dataset=dataset,
            version=version,
            released_at=None,
            about=manifest.about,
            folder=folder,
            rows=manifest.rows,
            areas={area.code: area for area in manifest.areas},
            kpis=manifest.kpis,
            periods=_distinct(reading, observations, "period"),
            ages=_distinct(reading, observations, "age_group"),
            sha256="",
        )


def read_rows(path: Path, columns: str = "*") -> list[dict[str, Any]]:
    """Return all rows of a small Parquet table as dictionaries; an absent table has none."""
    if not path.exists():
        return []
    with duckdb.connect() as reading:
        result = reading.execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def write_receipt(stamped: Release, report: Report) -> None:
    """Write the report without checksums of the cells left out, whose texts are not published."""
    report = replace(report, cells=report.cells and report.cells.without_checksums)
    (stamped.folder / "report.json").write_text(as_json(report, "sv"), "utf-8")


def write_workbook(stamped: Release) -> None:
    """Write the tables as one workbook with Swedish sheet and column names, and compare it with them."""
    if max(stamped.rows.values()) > WORKBOOK_ROWS:
        return
    # Slow to load, and not needed to read releases.
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    for resource in stamped.rows:
        schema = standard()[resource]
        sheet = workbook.create_sheet(schema.label("sv"))
        sheet.append([field.label("sv") for field in schema.fields])
        for row in read_rows(stamped.table(resource)):
            sheet.append([_workbook_cell(sheet, value) for value in row.values()])
    workbook.save(stamped.folder / "observations.xlsx")
    check_workbook(stamped.folder / "observations.xlsx", stamped.rows)


def _workbook_cell(sheet: Any, value: Any) -> Any:
    """Return a value as a cell, also a text that looks like an error, a formula, or a workbook's own notation."""
    text = workbook_number(value) if isinstance(value, float) else value
    if not isinstance(text, str):
        return text
    escaped = CONTROLS.sub(lambda match: f"_x{ord(match[0]):04X}_", ESCAPED.sub("_x005F_", text))
    if not escaped.startswith(("=", "#")):
        return escaped
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, escaped)
    cell.data_type = "s"
    return cell


def write_datapackage(stamped: Release, described: Sequence[ReleasedFile], statistics: Mapping[str, Any]) -> Manifest:
    """Write datapackage.json, last of all files; return the manifest, with `statistics` as they are.

    `described` are files that need not be read again.
    """
    known = {file.name: file for file in described}
    paths = (path for path in sorted(stamped.folder.iterdir()) if path.name != "datapackage.json")
    files = [known.get(path.name) or released_file(path) for path in paths]
    descriptor = _descriptor(stamped, {file.name: file for file in files})
    path = stamped.folder / "datapackage.json"
    path.write_text(json.dumps(descriptor, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return Manifest(
        about=stamped.about,
        files=(*files, released_file(path)),
        rows=dict(stamped.rows),
        kpis=stamped.kpis,
        areas=tuple(stamped.areas.values()),
        period=stamped.period,
        statistics=statistics,
        defaults=stamped.defaults,
    )


def write_table(workspace: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> int:
    """Write a table's Parquet and CSV; return the number of rows, in which a repeated row counts once.

    Cost: one sort by the key. Removing repeated rows costs three times as much, and few tables have any.
    """
    schema = standard()[table.resource]
    target = _quoted(folder / table.resource)
    options = "(FORMAT parquet, COMPRESSION zstd)"
    workspace.execute(f"COPY ({typed_select(table, schema)}) TO '{target}.parquet' {options}")
    if not _is_ascending(workspace, f"'{target}.parquet'", schema.primary_key):
        workspace.execute(f"COPY ({typed_select(table, schema, unique=True)}) TO '{target}.parquet' {options}")
    return _write_csv(workspace, folder / f"{table.resource}.parquet", folder / f"{table.resource}.csv", schema)


def write_csv(table: Path, path: Path, resource: str) -> None:
    """Write the CSV of a released table again, from its Parquet."""
    with duckdb.connect() as workspace:
        _write_csv(workspace, table, path, standard()[resource])


def _write_csv(workspace: duckdb.DuckDBPyConnection, table: Path, path: Path, schema: TableSchema) -> int:
    select = text_select(f"FROM '{_quoted(table)}'", schema)
    written = workspace.execute(f"COPY ({select}) TO '{_quoted(path)}' (FORMAT csv, HEADER)").fetchone()
    return int(written[0]) if written else 0


def _is_ascending(workspace: duckdb.DuckDBPyConnection, relation: str, key: Sequence[str]) -> bool:
    """Return True if the key of each row is greater than that of the row before, so that none is repeated."""
    columns = ", ".join(quoted(name) for name in key)
    query = f"""SELECT count(*) FILTER (NOT coalesce(this > previous, FALSE)) <= 1
        FROM (SELECT row({columns}) AS this, lag(row({columns})) OVER () AS previous FROM {relation})"""
    return bool((workspace.execute(query).fetchone() or (False,))[0])


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _described(reading: duckdb.DuckDBPyConnection, about: About, folder: Path, rows: Mapping[str, int]) -> Release:
    distinct = partial(_distinct, reading, str(folder / "observations.parquet"))
    used = distinct("kpi")
    return Release(
        dataset=about.slug,
        version=0,
        released_at=None,
        about=about,
        folder=folder,
        rows=rows,
        areas=released_areas(
            about.slug, read_rows(folder / "neighbourhoods.parquet"), distinct("neighbourhood"), about.area_vintage
        ),
        kpis=tuple(slug for slug in register.kpis() if slug in used),
        periods=distinct("period"),
        ages=distinct("age_group"),
        sha256=_content_hash(about, folder, rows),
    )


def _distinct(reading: duckdb.DuckDBPyConnection, table: str, column: str) -> tuple[str, ...]:
    query = f"SELECT DISTINCT {column} FROM read_parquet(?) ORDER BY 1"
    return tuple(row[0] for row in reading.execute(query, [table]).fetchall())


def _content_hash(about: About, folder: Path, rows: Mapping[str, int]) -> str:
    description = asdict(about)
    # A property that version 0.1 did not have must not change the hash of a release that does not use it.
    description |= {} if description.pop("area_vintage") == "" else {"area_vintage": about.area_vintage}
    content = hashlib.sha256(json.dumps(description, sort_keys=True, ensure_ascii=False).encode())
    for resource in rows:
        content.update(f"\0{resource}\0{_sha256(folder / f'{resource}.csv')}".encode())
    return content.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def released_file(path: Path) -> ReleasedFile:
    """Describe a file of a release on disk."""
    return ReleasedFile(path.name, MEDIA_TYPES[path.suffix], path.stat().st_size, _sha256(path))


def _descriptor(stamped: Release, files: Mapping[str, ReleasedFile]) -> dict[str, Any]:
    """Return the descriptor of a Data Package (v1) of the canonical CSV, with the profile's own properties."""
    about, licence = stamped.about, register.codes("licences")[stamped.about.licence]
    return {
        "profile": "tabular-data-package",
        "name": stamped.dataset,
        "version": str(stamped.version),
        "title": about.titles.get("sv") or about.titles["en"],
        "description": about.descriptions.get("sv") or about.descriptions.get("en", ""),
        "created": f"{stamped.released_at:%Y-%m-%dT%H:%M:%SZ}",
        "keywords": list(about.keywords.get("sv", ())),
        "licenses": [{"name": licence.id, "path": licence.properties["iri"], "title": licence.text("en")}],
        "vaven": {
            "standard": standard().version,
            "title": dict(about.titles),
            "description": dict(about.descriptions),
            "keywords": {language: list(words) for language, words in about.keywords.items()},
            "publisher": {
                "name": about.publisher_name,
                **({"organisation_number": about.publisher_number} if about.publisher_number else {}),
                **({"sector": about.publisher_sector} if about.publisher_sector else {}),
            },
            "contact": {"name": about.contact_name, **({"email": about.contact_email} if about.contact_email else {})},
            "version_note": about.version_note,
            **({"area_vintage": about.area_vintage} if about.area_vintage else {}),
            **({"series": {"name": about.series, "title": dict(about.series_titles)}} if about.series else {}),
            "content_sha256": stamped.sha256,
        },
        "resources": [_resource(resource, stamped.rows[resource], files) for resource in stamped.rows],
    }


def _resource(resource: str, rows: int, files: Mapping[str, ReleasedFile]) -> dict[str, Any]:
    file = files[f"{resource}.csv"]
    return {
        "profile": "tabular-data-resource",
        "name": resource,
        "path": file.name,
        "format": "csv",
        "mediatype": media_types.CSV,
        "encoding": "utf-8",
        "bytes": file.size,
        "hash": f"sha256:{file.sha256}",
        "stats": {"rows": rows},
        "schema": dict(standard()[resource].descriptor),
    }
