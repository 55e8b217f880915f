"""Corrected copy of a submitted file: all safe fixes applied, everything else unchanged.

In a text file only the characters of the fixed cells change: encoding, delimiter, quotes and line ends stay. A
workbook keeps its formats, formulas and drop-downs as far as openpyxl supports them.
"""

import csv
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaven.schemas.formats.csv import MAX_CELL, delimiter_of
from vaven.schemas.formats.grid import column_index
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.reports.annotated_workbook import editable_copy, sheet_of
from vaven.schemas.standard.finding import Finding, Report
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.vocab.errors import WrongUse

SPREADSHEET_ENDING = ".xlsx"
# Value of `max_findings` to fix all findings: no file has more cells.
ALL = 1 << 40


def fixes(report: Report) -> tuple[Finding, ...]:
    """Return the findings of a report with a safe fix; validate with `max_findings=ALL` to include all of them."""
    return tuple(f for f in report.findings if f.fix and f.row and f.column)


def target_name(source: Path, ending: str) -> str:
    """Return the file name of a copy: "fil-rättad.csv" for "fil.csv"; a workbook always becomes .xlsx."""
    if source.is_dir():
        return f"{source.name}-{ending}"
    is_workbook = content_of(source).kind == "workbook"
    return f"{source.stem}-{ending}{SPREADSHEET_ENDING if is_workbook else source.suffix}"


def fix(source: Path, report: Report, target: Path, *, choices: ReadOptions = DETECT) -> tuple[Finding, ...]:
    """Write the corrected copy of `source` to `target`, which must not exist, and return the fixed findings.

    `report` must be of the same bytes, read with the same `choices`. Without fixes no file is written. Raises
    WrongUse if the copy can't be written; the original is never changed.
    """
    findings = fixes(report)
    if not findings:
        return ()
    if target.exists():
        raise WrongUse("schemas.file-exists", file=target.name)
    with tempfile.TemporaryDirectory(prefix="vaven-fix-") as folder:
        # Written to a temporary folder and moved when complete, so that `target` is never partial.
        copy = _copy(source, findings, Path(folder), choices)
        shutil.move(copy, target)
    return findings


def _copy(source: Path, findings: Sequence[Finding], folder: Path, choices: ReadOptions) -> Path:
    content = content_of(source, choices.encoding)
    if content.kind in ("package", "descriptor"):
        return _package_copy(source, findings, folder, is_zip=content.kind == "package")
    copy = folder / "copy"
    _fix_file(source, findings, copy, choices)
    return copy


def _fix_file(source: Path, findings: Sequence[Finding], target: Path, choices: ReadOptions) -> None:
    content = content_of(source, choices.encoding)
    if content.kind == "text":
        _fix_text(source, content.encoding, delimiter_of(source, content.encoding, choices), findings, target)
    elif content.kind == "workbook":
        _fix_workbook(source, findings, target)
    else:
        raise WrongUse("schemas.format-not-written", file=source.name)


def _fix_workbook(source: Path, findings: Sequence[Finding], target: Path) -> None:
    book = editable_copy(source)
    for finding in findings:
        cell = sheet_of(book, finding)[finding.cell]
        # A code is text even if it consists of digits: stored as a number, it lost its leading zero.
        cell.value, cell.number_format = _new_text(finding), "@"
        cell.data_type = "s"
    with target.open("wb") as file:
        book.save(file)


def _new_text(finding: Finding) -> str:
    return finding.fix.text if finding.fix else ""


@dataclass
class _LineRecorder:
    """Iterator over lines for the CSV reader that records the source lines of the current record."""

    lines: Iterator[str]
    record_lines: list[str] = field(default_factory=list)

    def __iter__(self) -> "_LineRecorder":
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.record_lines.append(line)
        return line


def _fix_text(source: Path, encoding: str, delimiter: str, findings: Sequence[Finding], target: Path) -> None:
    by_row: dict[int, dict[int, str]] = defaultdict(dict)
    for finding in findings:
        by_row[finding.row or 0][column_index(finding.column or "A")] = _new_text(finding)
    csv.field_size_limit(MAX_CELL)
    with (
        source.open(encoding=encoding, newline="") as lines,
        # "utf-16" and "utf-8-sig" write a byte order mark first, which the original also has.
        target.open("w", encoding=encoding, newline="") as copy,
    ):
        recorder = _LineRecorder(iter(lines))
        number = 1
        reader = csv.reader(recorder, delimiter=delimiter)
        for _ in reader:
            record = "".join(recorder.record_lines)
            recorder.record_lines.clear()
            copy.write(_fix_record(record, delimiter, by_row[number]) if number in by_row else record)
            number = reader.line_num + 1


def _fix_record(record: str, delimiter: str, texts: Mapping[int, str]) -> str:
    parts: list[str] = []
    last = 0
    for position, (start, end) in enumerate(_spans(record, delimiter)):
        if position in texts:
            was_quoted = record[start : start + 1] == '"'
            parts += [record[last:start], _quoted(texts[position], delimiter, was_quoted)]
            last = end
    return "".join([*parts, record[last:]])


def _spans(record: str, delimiter: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each cell of a record, quotes included (RFC 4180, section 2)."""
    start, is_inside = 0, False
    for i, character in enumerate(record):
        if character == '"':
            # An escaped (doubled) quote toggles this twice.
            is_inside = not is_inside
        elif not is_inside and character == delimiter:
            yield start, i
            start = i + 1
    yield start, len(record.rstrip("\r\n")) if not is_inside else len(record)


def _quoted(text: str, delimiter: str, was_quoted: bool) -> str:
    if was_quoted or any(c in text for c in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _package_copy(source: Path, findings: Sequence[Finding], folder: Path, *, is_zip: bool) -> Path:
    """Write a copy of the whole package with its tables fixed, as a folder or ZIP archive like the original."""
    if is_zip:
        # Importing Frictionless takes longer than most copies.
        from vaven.schemas.formats.datapackage import unpack

        file = unpack(source, folder / "package")
        root = folder / "package"
    else:
        origin = source if source.is_dir() else source.parent
        root = folder / "package"
        shutil.copytree(origin, root)
        file = root / ("datapackage.json" if source.is_dir() else source.name)
    _fix_resources(file, findings, folder)
    if not is_zip:
        return root
    copy = folder / "copy.zip"
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(root).as_posix())
    return copy


def _fix_resources(file: Path, findings: Sequence[Finding], folder: Path) -> None:
    from vaven.schemas.formats.datapackage import read_descriptor

    descriptor = read_descriptor(file)
    for resource in descriptor["resources"]:
        own = [f for f in findings if f.resource == resource["name"]]
        if own:
            path, copy = file.parent / resource["path"], folder / "resource"
            _fix_file(path, own, copy, DETECT)
            shutil.move(copy, path)
            _update_integrity(resource, path)
    file.write_text(json.dumps(descriptor, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _update_integrity(resource: dict[str, Any], path: Path) -> None:
    """Update a resource's `bytes` and `hash` (Data Package v2), if present."""
    if "bytes" in resource:
        resource["bytes"] = path.stat().st_size
    if "hash" in resource:
        with path.open("rb") as content:
            resource["hash"] = "sha256:" + hashlib.file_digest(content, "sha256").hexdigest()
