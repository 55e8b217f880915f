"""Validation of a table or data package outside our standard against its own Table Schema.

The errors are Frictionless's (schemas/tableschema/columns.py) with our messages. It runs in a child process with
limited memory and time: a pattern of a descriptor may backtrack without end, and a workbook may exhaust the memory.
"""

import re
import resource
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaven.schemas.formats.child_process import ExitReason, ended, enter, limit, read_result, run, write_result
from vaven.schemas.formats.csv import check_absorbed_rows, find_delimiter, first_lines
from vaven.schemas.formats.datapackage import is_inside, read_json, unpack
from vaven.schemas.formats.grid import column_letter
from vaven.schemas.formats.json_syntax import events_of_unique_keys, parse
from vaven.schemas.formats.sniff import check_compressed, content_of
from vaven.schemas.standard.cells import Cells, OmittedCells
from vaven.schemas.standard.finding import MAX_FINDINGS, Finding, Report, Severity, Verdict
from vaven.schemas.standard.personal_number_forms import masked
from vaven.schemas.standard.table_schemas import RESOURCES
from vaven.schemas.tables.cell_account import cells_of
from vaven.schemas.tableschema.other_sheets import OtherSheet, tables_in
from vaven.schemas.tableschema.pattern_deadline import pattern_deadline
from vaven.vocab.errors import NotReadable

if TYPE_CHECKING:
    from vaven.schemas.tableschema.file_cells import FileCells

MAX_BYTES = 4_000_000_000
MAX_SECONDS = 1_800
# Time limit for one value and one pattern, or a quarter of the time for the file if that is shorter.
PATTERN_SECONDS = 5.0
# Exit reasons of the child process that the file causes.
UNREADABLE = {
    ExitReason.TIMED_OUT: "not-readable-long",
    ExitReason.KILLED: "not-readable-memory",
    ExitReason.OUT_OF_MEMORY: "not-readable-memory",
}
# Formats and schemes confined to the folder; others of Frictionless's open network connections and databases.
FORMATS = ("csv", "tsv", "xlsx", "xls", "ods", "json", "jsonl", "ndjson", "inline", "")
SCHEMES = ("file", "buffer", "")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
# Metadata that may be in a separate file.
FOLLOWED = ("schema", "dialect")
# URLs of profiles built into Frictionless; no others are dereferenced.
PROFILES = re.compile(r"https?://(datapackage\.org|specs\.frictionlessdata\.io|frictionlessdata\.io)/[\w./-]+")
# Parts of the note of a Frictionless error, for the parameters of our messages.
TYPE = re.compile(r'type is "([^"/]*)')
ITEM = re.compile(r'^expected item type is "([^"]*)')
CONSTRAINT = re.compile(r'constraint "(\w+)" is "(.*)"', re.DOTALL)
BEFORE = re.compile(r"position (\d+)")
# An exception in Frictionless's own code, caused by invalid metadata that it did not detect.
FAILED = re.compile(r'File "[^"]*/frictionless/[^"]*", line [^\n]*\n[^\n]*\n(?:[ ~^]*\n)?(\w[^\n]*)\s*\Z')
# Error types of frictionless-py 5, and ours of keys, with a message of their own; the rest concern the file or its
# descriptor.
SENTENCES = frozenset(
    (
        "type-error",
        "constraint-error",
        "unique-error",
        "primary-key",
        "primary-key-null",
        "unique-key",
        "foreign-key",
        "blank-row",
        "extra-cell",
        "missing-cell",
        "blank-header",
        "extra-label",
        "missing-label",
        "blank-label",
        "duplicate-label",
        "incorrect-label",
        "unmatched-header",
        "hash-count",
        "byte-count",
        "field-count",
        "row-count",
        "first-row",
        "joined-row",
        "unread-key",
        "unread-sheet",
        "hidden-sheet",
        "formula-without-value",
    )
)
# Codes that the standard's tables have, too.
COMMON = ("formula-without-value",)
OTHER = "source"


def is_described(path: Path) -> bool:
    """Return whether the file is a data package without any table named as in the standard."""
    try:
        if content_of(path).kind != "descriptor":
            return False
        names = [entry.get("name") for entry in _resources(read_json(_descriptor(path)))]
    except NotReadable:
        return False
    return bool(names) and not set(map(str, names)) & set(RESOURCES)


def validate_described(
    path: Path, schema: Path | None = None, *, sheet: str | None = None, seconds: float = MAX_SECONDS
) -> Report:
    """Check a table against a Table Schema (`schema`, a JSON file), or a data package against its own schemas.

    `sheet` is the sheet of a workbook, or the file in a zip, that `schema` is about; all others are then left out.

    Raises NotReadable for a source that can't be opened safely.
    """
    for file in (path, schema):
        if file is not None and not file.exists():
            raise NotReadable("not-readable-missing", file=file.name)
    kind = content_of(path).kind
    with tempfile.TemporaryDirectory(prefix="vaven-described-") as folder:
        target = Path(folder) / "outcomes.json"
        arguments = [str(path.resolve()), str(schema.resolve()) if schema else "", str(target)]
        arguments += [str(min(PATTERN_SECONDS, seconds / 4)), sheet or ""]
        child = run("vaven.schemas.tableschema.check", *arguments, seconds=seconds, folder=Path(folder))
        if child.has_crashed:
            raise ended(path, 0, child.code)
        if code := UNREADABLE.get(child.reason):
            is_heavy = code == "not-readable-memory" and kind == "workbook"
            raise NotReadable("not-readable-heavy" if is_heavy else code, file=path.name)
        if child.reason is ExitReason.FAILED and (failed := FAILED.search(child.stderr)):
            raise NotReadable("not-readable-descriptor", file=(schema or path).name, where=".", reason=failed[1][:300])
        child.check()
        report = _report(path, read_result(child, target))
        return replace(report, choices={"sheet": sheet}) if sheet else report


# --- the report


def _report(path: Path, outcome: Mapping[str, Any]) -> Report:
    tables = outcome["tables"]
    sheets = [OtherSheet(**sheet) for sheet in outcome["sheets"]]
    unread = [_unread_sheet(sheet, outcome) for sheet in sheets if sheet.is_data]
    warnings = [Finding(**{**finding, "severity": Severity.WARNING}) for finding in outcome["warnings"]]
    findings = [*unread, *(finding for table in tables for finding in _findings(table)), *warnings]
    counts = Counter(finding.code for finding in (*unread, *warnings))
    for table in tables:
        for kind, count in table["counts"].items():
            counts[code_of(kind)] += count
    engines = sorted({table["engine"] for table in tables})
    names = {e: ", ".join(table["name"] for table in tables if table["engine"] == e)[:200] for e in engines}
    return Report(
        source=masked(path.name),
        sha256="",
        verdict=_verdict(counts, warnings),
        findings=tuple(findings),
        counts=dict(counts),
        assumptions=tuple(_notes(outcome, [sheet for sheet in sheets if not sheet.is_data])),
        rows={table["name"]: table["rows"] for table in tables if table["rows"] is not None},
        cells=_cells(outcome["cells"]),
        engine="; ".join(f"{engine} ({names[engine]})" for engine in engines),
        checked_at=datetime.now(UTC).replace(microsecond=0),
    )


def _verdict(counts: Mapping[str, int], warnings: Sequence[Finding]) -> Verdict:
    if counts.keys() - {warning.code for warning in warnings}:
        return Verdict.INVALID
    return Verdict.VALID_WITH_WARNINGS if warnings else Verdict.VALID


def _unread_sheet(sheet: OtherSheet, outcome: Mapping[str, Any]) -> Finding:
    """Return the error about data that no table is read from. Its option names the sheet that is read."""
    params = {"sheet": outcome["sheet"]} if outcome["sheet"] else {"advice": sheet.advice}
    code = code_of("hidden-sheet" if sheet.is_hidden else "unread-sheet")
    return Finding(code, Severity.ERROR, sheet=sheet.sheet, params=params)


def _notes(outcome: Mapping[str, Any], sheets: Sequence[OtherSheet]) -> Iterator[Finding]:
    """Yield the notes on the schema, on sheets that no table is read from, and on tables that could not be counted."""
    yield Finding("assumed-described", Severity.NOTE)
    for sheet in sheets:
        code = "sheet-hidden" if sheet.is_hidden else "sheet-not-chosen" if sheet.chosen else "assumed-described-sheet"
        params: dict[str, object] = {"sheet": sheet.chosen} if sheet.chosen else {}
        yield Finding(code, Severity.NOTE, sheet=sheet.sheet, params=params)
    for name in outcome["uncounted"]:
        yield Finding("assumed-described-uncounted", Severity.NOTE, name or None, params={"text": name})


def _cells(values: Mapping[str, Any] | None) -> Cells | None:
    """Return the account of cells. Raises NotReadable if it does not add up: some cell was then lost."""
    if values is None:
        return None
    parts = (OmittedCells(**{**part, "rows": part["rows"] and tuple(part["rows"])}) for part in values["omitted"])
    omitted = tuple(replace(part, sheet=masked(part.sheet) if part.sheet else None) for part in parts)
    cells = Cells(values["total"], values["used"], omitted)
    cells.check()
    return cells


def code_of(kind: str) -> str:
    """Return our finding code of a Frictionless error type."""
    return kind if kind in COMMON else f"table-{kind if kind in SENTENCES else OTHER}"


def _findings(outcome: Mapping[str, Any]) -> Iterator[Finding]:
    for kind, row, number, field, cell, note in outcome["errors"]:
        params: dict[str, object] = {"note": note}
        if match := TYPE.search(note):
            params["kind"] = f"list ({match[1]})" if ITEM.match(note) else match[1]
        if match := CONSTRAINT.search(note):
            params |= {"constraint": match[1], "limit": match[2][:200]}
        if match := BEFORE.search(note):
            params["before"] = int(match[1])
        column = column_letter(number - 1) if number else None
        name = outcome["name"] or None
        yield Finding(code_of(kind), Severity.ERROR, name, None, row, column, field, cell, params)


# --- in the child process


def main(path: Path, schema: Path | None, target: Path, seconds: float, sheet: str | None) -> int:
    """Write the result of each table, or the error, to `target`, and return the exit code.

    `seconds` is the time limit for one value and one pattern; `sheet` is the one that the sender chose.
    """
    limit(resource.RLIMIT_DATA, MAX_BYTES)
    return write_result(target, lambda: _outcomes(path, schema, target.parent, seconds, sheet))


def _outcomes(path: Path, schema: Path | None, folder: Path, seconds: float, sheet: str | None) -> dict[str, Any]:
    from frictionless import FrictionlessException

    from vaven.schemas.tableschema.file_cells import FileCells
    from vaven.schemas.tableschema.table_schema_v2 import refuse_invalid

    try:
        files = FileCells(folder, sheet)
        resources = [files.with_sheet(_table(path, schema))] if schema else list(_tables(path, folder))
        for table in resources:
            refuse_invalid(table.schema)
    except FrictionlessException as cause:
        reason = "; ".join(str(error.note) for error in (cause.reasons or [cause.error]))[:300]
        name = (schema or path).name
        raise NotReadable("not-readable-descriptor", file=name, where=".", reason=reason) from cause
    with pattern_deadline((schema or path).name, [table.schema.to_descriptor() for table in resources], seconds):
        tables = [_outcome(table, folder, files) for table in resources]
        sheets = [asdict(other) for other in files.omit_others()]
    cells = None if files.uncounted else cells_of(files.accounts)
    return {
        "tables": tables,
        "sheets": sheets,
        "sheet": files.name_of_sheet(resources[0]) if schema else None,
        "cells": cells and asdict(cells),
        "uncounted": files.uncounted,
        "warnings": [asdict(warning) for warning in files.warnings],
    }


def _outcome(table: Any, folder: Path, files: "FileCells") -> dict[str, Any]:
    import duckdb

    from vaven.schemas.tableschema.columns import judge

    _check_absorbed_rows(table)
    sheet = files.sheet_of(table)
    with duckdb.connect() as work:
        work.execute(f"SET temp_directory = '{folder}/spill'")
        result = judge(table, work, sheet=sheet)
    dropped = files.add(result.name, result.account, sheet)
    counts = Counter(result.counts) + Counter(data.kind for data in dropped)
    errors = [_as_list(error) for error in result.errors]
    errors += [[data.kind, data.row, data.column, None, data.text, ""] for data in dropped[:MAX_FINDINGS]]
    return {"name": result.name, "rows": result.rows, "engine": result.engine, "counts": dict(counts), "errors": errors}


def _check_absorbed_rows(table: Any) -> None:
    """Raise NotReadable for rows that an unclosed quotation mark has absorbed, which Frictionless reads as one cell."""
    from frictionless.formats import CsvControl

    if table.format != "csv" or table.compression or table.multipart or not table.normpath:
        return
    control, path = CsvControl.from_dialect(table.dialect), Path(table.normpath)
    if control.quote_char != '"' or control.escape_char or not path.is_file():
        return
    content = content_of(path, table.encoding)
    if content.kind == "text":
        # Frictionless detects a delimiter that no dialect states, later.
        is_stated = "delimiter" in control.list_defined()
        delimiter = control.delimiter if is_stated else find_delimiter(first_lines(path, content.encoding))
        check_absorbed_rows(path, content.encoding, delimiter)


def _as_list(error: Any) -> list[Any]:
    row = getattr(error, "row_number", None) or (getattr(error, "row_numbers", None) or [None])[0]
    cell = getattr(error, "cell", None) or getattr(error, "label", None)
    names = getattr(error, "field_names", None)
    field = getattr(error, "field_name", None) or (", ".join(names) if names else None)
    note = error.note or error.message
    return [error.type, row, getattr(error, "field_number", None), field, cell and str(cell)[:400], str(note)[:400]]


def _table(path: Path, schema: Path) -> Any:
    from frictionless import Resource, Schema

    from vaven.schemas.tableschema.table_schema_v2 import PROFILE, is_version_2

    _check_source(path)
    descriptor = read_json(schema)
    if not isinstance(descriptor, dict):
        raise NotReadable("not-readable-descriptor", file=schema.name, where=".", reason="no object")
    ending = path.suffix.lower().removeprefix(".")
    described = {"name": "table", "type": "table", "path": path.name, "scheme": "file", "schema": {"fields": []}}
    if is_version_2(descriptor):
        # A resource imposes its version on its schema.
        described["$schema"] = PROFILE.format("dataresource")
        descriptor["$schema"] = PROFILE.format("tableschema")
    if ending == "zip":
        described |= _first_member(path)
    elif ending not in (*FORMATS, "gz") or not ending:
        described["format"] = {"text": "csv", "workbook": "xlsx"}.get(content_of(path).kind, "csv")
    table = Resource.from_descriptor(described, basepath=str(path.parent))
    table.schema = Schema.from_descriptor(descriptor)
    return _tabular(table, path)


def _first_member(path: Path) -> dict[str, str]:
    """Return the properties of a resource that is the first table in a zip, whatever the name of the zip is."""
    with zipfile.ZipFile(path) as archive:
        member = next(iter(tables_in(archive.namelist())), "")
    ending = Path(member).suffix.lower().removeprefix(".")
    return {"compression": "zip", "innerpath": member, "format": "csv" if ending == "txt" else ending}


def _tabular(table: Any, path: Path) -> Any:
    from frictionless.resources import TableResource

    if not isinstance(table, TableResource):
        raise NotReadable("not-readable-format", file=path.name, format=str(table.format or "?"))
    return table


def _tables(path: Path, folder: Path) -> Iterator[Any]:
    from frictionless import Package
    from frictionless.resources import TableResource

    if content_of(path).kind == "package":
        path = unpack(path, folder / "package")
    file = _descriptor(path)
    descriptor = _inside(file, read_json(file))
    package = Package.from_descriptor(descriptor, basepath=str(file.parent))
    tables = [table for table in package.resources if isinstance(table, TableResource)]
    if not tables:
        raise NotReadable("not-readable-descriptor", file=file.name, where="resources", reason="no table with a schema")
    yield from tables


def _descriptor(path: Path) -> Path:
    return path / "datapackage.json" if path.is_dir() else path


def _resources(descriptor: Any) -> list[dict[str, Any]]:
    resources = descriptor.get("resources") if isinstance(descriptor, dict) else None
    return [entry for entry in resources if isinstance(entry, dict)] if isinstance(resources, list) else []


def _inside(file: Path, descriptor: Any) -> dict[str, Any]:
    """Return the descriptor with its metadata files embedded and without profiles to dereference.

    Raises NotReadable for a path outside the folder, and for formats and schemes other than files.
    """
    from vaven.schemas.tableschema.table_schema_v2 import PROFILE, is_version_2

    if not _resources(descriptor):
        raise NotReadable("not-readable-descriptor", file=file.name, where="resources", reason="no resources")
    copy = _known_profiles(descriptor)
    copy["resources"] = [_inside_resource(file, entry) for entry in _resources(descriptor)]
    schemas = [resource.get("schema") for resource in copy["resources"]]
    if any(map(is_version_2, [descriptor, *_resources(descriptor), *schemas])):
        # A package imposes its version on its resources, and one without `$schema` is v1.
        copy["$schema"] = PROFILE.format("datapackage")
    return copy


def _inside_resource(file: Path, resource: Mapping[str, Any]) -> dict[str, Any]:
    copy = _known_profiles(resource)
    paths = resource.get("path", [])
    for path in [*(paths if isinstance(paths, list) else [paths]), *resource.get("extrapaths", [])]:
        _check_source(_safe(file, path))
    if "schema" in resource:
        # Frictionless takes JSON, and files of unknown endings, for files without a table, and checks nothing.
        copy["type"] = "table"
    for name in FOLLOWED:
        if isinstance(resource.get(name), str):
            copy[name] = read_json(_safe(file, resource[name]))
    if copy.get("format", "") not in FORMATS or copy.get("scheme", "") not in SCHEMES:
        what = str(copy.get("scheme") or copy.get("format"))[:80]
        raise NotReadable("not-readable-format", file=file.name, format=what)
    for removed in ("checklist", "pipeline", "innerpath"):
        copy.pop(removed, None)
    return copy


def _check_source(path: Path) -> None:
    """Raise NotReadable for a file that expands beyond limits, and for JSON that a parser would change silently."""
    check_compressed(path)
    if path.suffix.lower() not in JSON_SUFFIXES:
        return
    content = content_of(path)
    encoding = content.encoding or "utf-8"
    if content.kind == "json-lines":
        with path.open(encoding=encoding, newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    parse(path, line, number)
    else:
        for _ in events_of_unique_keys(path, encoding):
            pass


def _known_profiles(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    def is_known(value: Any) -> bool:
        return isinstance(value, str) and ("/" not in value or PROFILES.fullmatch(value) is not None)

    return {k: v for k, v in descriptor.items() if k not in ("profile", "$schema", "profiles") or is_known(v)}


def _safe(file: Path, path: Any) -> Path:
    """Resolve a path of a descriptor, including symbolic links, to a file in the descriptor's folder."""
    if not isinstance(path, str) or not is_inside(path):
        raise NotReadable("not-readable-path", file=file.name, path=str(path)[:200])
    target = (file.parent / path).resolve()
    if not target.is_relative_to(file.parent.resolve()):
        raise NotReadable("not-readable-path", file=file.name, path=path)
    if not target.is_file():
        raise NotReadable("not-readable-missing", file=path[:80])
    return target


if __name__ == "__main__":
    file, own_schema, outcomes, time_limit, chosen = enter(sys.argv[1:])
    schema_path = Path(own_schema) if own_schema else None
    sys.exit(main(Path(file), schema_path, Path(outcomes), float(time_limit), chosen or None))
