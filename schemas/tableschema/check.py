"""A table or data package that is not of our standard, checked against the schema that comes with it.

Findings are those of Frictionless, in our sentences. The check runs in a process of its own with bounded
memory and time: a pattern of a descriptor may backtrack without end, and a workbook may ask for all there is.
"""

import re
import resource
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vaven.schemas.formats.child_process import ExitReason, enter, limit, read_result, run, write_result
from vaven.schemas.formats.datapackage import is_inside, read_json, unpack
from vaven.schemas.formats.grid import column_letter
from vaven.schemas.formats.sniff import check_compressed, content_of
from vaven.schemas.standard.finding import Finding, Report, Severity, Verdict
from vaven.schemas.standard.table_schemas import RESOURCES
from vaven.vocab.errors import NotReadable

MAX_BYTES = 4_000_000_000
MAX_SECONDS = 1_800
# Exits of the process that are a property of the file.
UNREADABLE = {
    ExitReason.TIMED_OUT: "not-readable-long",
    ExitReason.KILLED: "not-readable-heavy",
    ExitReason.OUT_OF_MEMORY: "not-readable-heavy",
}
# Formats and schemes that stay in the folder. Others of Frictionless's open networks and databases.
FORMATS = ("csv", "tsv", "xlsx", "xls", "ods", "json", "jsonl", "ndjson", "inline", "")
SCHEMES = ("file", "buffer", "")
# Metadata that may stand in a file of its own.
FOLLOWED = ("schema", "dialect")
# Addresses of profiles that Frictionless knows by heart; no other is looked up.
PROFILES = re.compile(r"https?://(datapackage\.org|specs\.frictionlessdata\.io|frictionlessdata\.io)/[\w./-]+")
# What Frictionless says in its note of a fault, taken apart for our sentences.
TYPE = re.compile(r'type is "([^"/]*)')
CONSTRAINT = re.compile(r'constraint "(\w+)" is "(.*)"', re.DOTALL)
BEFORE = re.compile(r"position (\d+)")
# Frictionless's own code ended with an exception: it takes the metadata for sound where they are not.
FAILED = re.compile(r'File "[^"]*/frictionless/[^"]*", line [^\n]*\n[^\n]*\n(?:[ ~^]*\n)?(\w[^\n]*)\s*\Z')
# Error types of frictionless-py 5 with a sentence of their own; the rest are faults of the file or its description.
SENTENCES = frozenset(
    (
        "type-error",
        "constraint-error",
        "unique-error",
        "primary-key",
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
    )
)
OTHER = "source"


def is_described(path: Path) -> bool:
    """Whether the file is a data package with tables, none of which is called as a table of the standard is."""
    try:
        if content_of(path).kind != "descriptor":
            return False
        names = [entry.get("name") for entry in _resources(read_json(_descriptor(path)))]
    except NotReadable:
        return False
    return bool(names) and not set(map(str, names)) & set(RESOURCES)


def validate_described(path: Path, schema: Path | None = None, *, seconds: float = MAX_SECONDS) -> Report:
    """Check a table against a Table Schema (`schema`, a JSON file), or a data package against its own.

    Raises NotReadable for what can't be opened safely.
    """
    for file in (path, schema):
        if file is not None and not file.exists():
            raise NotReadable("not-readable-missing", file=file.name)
    content_of(path)
    with tempfile.TemporaryDirectory(prefix="vaven-described-") as folder:
        target = Path(folder) / "outcomes.json"
        arguments = [str(path.resolve()), str(schema.resolve()) if schema else "", str(target)]
        child = run("vaven.schemas.tableschema.check", *arguments, seconds=seconds, folder=Path(folder))
        if code := UNREADABLE.get(child.reason):
            raise NotReadable(code, file=path.name)
        if child.reason is ExitReason.FAILED and (failed := FAILED.search(child.stderr)):
            raise NotReadable("not-readable-descriptor", file=(schema or path).name, where=".", reason=failed[1][:300])
        child.check()
        return _report(path, read_result(child, target))


# --- the report


def _report(path: Path, outcomes: Sequence[Mapping[str, Any]]) -> Report:
    findings = [finding for outcome in outcomes for finding in _findings(outcome)]
    counts: dict[str, int] = {}
    for outcome in outcomes:
        for kind, count in outcome["counts"].items():
            counts[code_of(kind)] = counts.get(code_of(kind), 0) + count
    engines = sorted({outcome["engine"] for outcome in outcomes})
    names = {e: ", ".join(o["name"] for o in outcomes if o["engine"] == e)[:200] for e in engines}
    return Report(
        source=path.name,
        sha256="",
        verdict=Verdict.INVALID if counts else Verdict.VALID,
        findings=tuple(findings),
        counts=counts,
        assumptions=(Finding("assumed-described", Severity.NOTE),),
        rows={outcome["name"]: outcome["rows"] for outcome in outcomes if outcome["rows"] is not None},
        engine="; ".join(f"{engine} ({names[engine]})" for engine in engines),
        checked_at=datetime.now(UTC).replace(microsecond=0),
    )


def code_of(kind: str) -> str:
    """Our code of a Frictionless error type."""
    return f"table-{kind if kind in SENTENCES else OTHER}"


def _findings(outcome: Mapping[str, Any]) -> Iterator[Finding]:
    for kind, row, number, field, cell, note in outcome["errors"]:
        params: dict[str, object] = {"note": note}
        if found := TYPE.search(note):
            params["kind"] = found[1]
        if found := CONSTRAINT.search(note):
            params |= {"constraint": found[1], "limit": found[2][:200]}
        if found := BEFORE.search(note):
            params["before"] = int(found[1])
        column = column_letter(number - 1) if number else None
        name = outcome["name"] or None
        yield Finding(code_of(kind), Severity.ERROR, name, None, row, column, field, cell, params)


# --- in the process of its own


def main(path: Path, schema: Path | None, target: Path) -> int:
    """Write the outcome of each table, or the reason for none, to `target`. Returns the exit code."""
    limit(resource.RLIMIT_DATA, MAX_BYTES)
    return write_result(target, lambda: _outcomes(path, schema, target.parent))


def _outcomes(path: Path, schema: Path | None, folder: Path) -> list[dict[str, Any]]:
    import duckdb
    from frictionless import FrictionlessException

    from vaven.schemas.tableschema.columns import judge

    try:
        resources = [_table(path, schema)] if schema else list(_tables(path, folder))
    except FrictionlessException as cause:
        reason = "; ".join(str(error.note) for error in (cause.reasons or [cause.error]))[:300]
        name = (schema or path).name
        raise NotReadable("not-readable-descriptor", file=name, where=".", reason=reason) from cause
    found = []
    for table in resources:
        with duckdb.connect() as work:
            work.execute(f"SET temp_directory = '{folder}/spill'")
            outcome = judge(table, work)
        errors = [_as_list(error) for error in outcome.errors]
        form = {"name": outcome.name, "rows": outcome.rows, "engine": outcome.engine}
        found.append({**form, "counts": dict(outcome.counts), "errors": errors})
    return found


def _as_list(error: Any) -> list[Any]:
    row = getattr(error, "row_number", None) or (getattr(error, "row_numbers", None) or [None])[0]
    cell = getattr(error, "cell", None) or getattr(error, "label", None)
    names = getattr(error, "field_names", None)
    field = getattr(error, "field_name", None) or (", ".join(names) if names else None)
    note = error.note or error.message
    return [error.type, row, getattr(error, "field_number", None), field, cell and str(cell)[:400], str(note)[:400]]


def _table(path: Path, schema: Path) -> Any:
    from frictionless import Resource, Schema

    check_compressed(path)
    descriptor = read_json(schema)
    if not isinstance(descriptor, dict):
        raise NotReadable("not-readable-descriptor", file=schema.name, where=".", reason="no object")
    ending = path.suffix.lower().removeprefix(".")
    described = {"name": "table", "path": path.name, "scheme": "file", "schema": {"fields": []}}
    if ending not in (*FORMATS, "gz", "zip") or not ending:
        described["format"] = {"text": "csv", "workbook": "xlsx"}.get(content_of(path).kind, "csv")
    made = Resource.from_descriptor(described, basepath=str(path.parent))
    made.schema = Schema.from_descriptor(descriptor)
    return _tabular(made, path)


def _tabular(made: Any, path: Path) -> Any:
    from frictionless.resources import TableResource

    if not isinstance(made, TableResource):
        raise NotReadable("not-readable-format", file=path.name, format=str(made.format or "?"))
    return made


def _tables(path: Path, folder: Path) -> Iterator[Any]:
    from frictionless import Package
    from frictionless.resources import TableResource

    if content_of(path).kind == "package":
        path = unpack(path, folder / "package")
    file = _descriptor(path)
    descriptor = _inside(file, read_json(file))
    package = Package.from_descriptor(descriptor, basepath=str(file.parent))
    yield from (made for made in package.resources if isinstance(made, TableResource))


def _descriptor(path: Path) -> Path:
    return path / "datapackage.json" if path.is_dir() else path


def _resources(descriptor: Any) -> list[dict[str, Any]]:
    found = descriptor.get("resources") if isinstance(descriptor, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _inside(file: Path, descriptor: Any) -> dict[str, Any]:
    """The descriptor with its metadata files read into it, and no profile that would be fetched. Raises NotReadable
    for a path that leads out of the folder, and for what Frictionless would open beyond files.
    """
    if not _resources(descriptor):
        raise NotReadable("not-readable-descriptor", file=file.name, where="resources", reason="no resources")
    made = _known_profiles(descriptor)
    made["resources"] = [_inside_resource(file, entry) for entry in _resources(descriptor)]
    return made


def _inside_resource(file: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    made = _known_profiles(given)
    paths = given.get("path", [])
    for path in [*(paths if isinstance(paths, list) else [paths]), *given.get("extrapaths", [])]:
        check_compressed(_safe(file, path))
    for name in FOLLOWED:
        if isinstance(given.get(name), str):
            made[name] = read_json(_safe(file, given[name]))
    if made.get("format", "") not in FORMATS or made.get("scheme", "") not in SCHEMES:
        what = str(made.get("scheme") or made.get("format"))[:80]
        raise NotReadable("not-readable-format", file=file.name, format=what)
    for removed in ("checklist", "pipeline", "innerpath"):
        made.pop(removed, None)
    return made


def _known_profiles(given: Mapping[str, Any]) -> dict[str, Any]:
    def is_known(value: Any) -> bool:
        return isinstance(value, str) and ("/" not in value or PROFILES.fullmatch(value) is not None)

    return {k: v for k, v in given.items() if k not in ("profile", "$schema", "profiles") or is_known(v)}


def _safe(file: Path, path: Any) -> Path:
    """The file behind a path of a descriptor, where it lies in the descriptor's folder, also behind symbolic links."""
    if not isinstance(path, str) or not is_inside(path):
        raise NotReadable("not-readable-path", file=file.name, path=str(path)[:200])
    found = (file.parent / path).resolve()
    if not found.is_relative_to(file.parent.resolve()):
        raise NotReadable("not-readable-path", file=file.name, path=path)
    if not found.is_file():
        raise NotReadable("not-readable-missing", file=path[:80])
    return found


if __name__ == "__main__":
    file, own_schema, outcomes = enter(sys.argv[1:])
    sys.exit(main(Path(file), Path(own_schema) if own_schema else None, Path(outcomes)))
