"""Corrected copy of a submitted file: all safe fixes applied, everything else unchanged.

In a text file only the characters of the fixed cells change: encoding, delimiter, quotes and line ends stay. In an XLSX
only the fixed cells change; XLS and ODS become an XLSX with all their texts. Every copy is read again and compared with
its original, cell by cell, before it appears under its name.
"""

import csv
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vaven.schemas.formats.csv import MAX_CELL, delimiter_of
from vaven.schemas.formats.grid import column_index
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.formats.submission import DESCRIPTOR
from vaven.schemas.reports.annotated_workbook import UNREADABLE, editable_copy, is_xlsx, save, sheet_of
from vaven.schemas.reports.copy_check import changes_of, check_copy
from vaven.schemas.reports.xlsx_cells import replace_texts
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

    `report` must be of the same bytes, read with the same `choices`. Without fixes no file is written. A cell with a
    formula keeps it, and an empty cell, which has the text of one above, stays empty; their findings are not returned.
    Raises WrongUse if the copy can't be written, or differs in other cells; the original is never changed.
    """
    findings = fixes(report)
    if not findings:
        return ()
    if target.exists():
        raise WrongUse("schemas.file-exists", file=target.name)
    with tempfile.TemporaryDirectory(prefix="vaven-fix-") as folder:
        # Written to a temporary folder and moved when complete, so that `target` is never partial.
        copy, findings = _copy(source, findings, Path(folder), choices)
        if findings:
            shutil.move(copy, target)
    return findings


def _copy(
    source: Path, findings: tuple[Finding, ...], folder: Path, choices: ReadOptions
) -> tuple[Path, tuple[Finding, ...]]:
    """Write the copy to a file in `folder`. Returns it with the fixed findings."""
    content = content_of(source, choices.encoding)
    if content.kind in ("package", "descriptor"):
        return _package_copy(source, findings, folder, is_zip=content.kind == "package")
    copy = folder / "copy"
    return copy, _fix_file(source, findings, copy, choices)


def _fix_file(source: Path, findings: tuple[Finding, ...], target: Path, choices: ReadOptions) -> tuple[Finding, ...]:
    """Write the copy of one file, and compare it with the original. Returns the fixed findings."""
    content = content_of(source, choices.encoding)
    if content.kind == "text":
        delimiter = delimiter_of(source, content.encoding, choices)
        findings = _fix_text(source, content.encoding, delimiter, findings, target)
    elif content.kind == "workbook":
        findings = _fix_workbook(source, findings, target)
    else:
        raise WrongUse("schemas.format-not-written", file=source.name)
    changes = changes_of((f.sheet or "", f.row or 0, f.column or "A", _new_text(f)) for f in findings)
    check_copy(source, target, choices=choices, copy_choices=choices, changes=changes)
    return findings


def _fix_workbook(source: Path, findings: tuple[Finding, ...], target: Path) -> tuple[Finding, ...]:
    if not is_xlsx(source):
        book = editable_copy(source)
        for finding in findings:
            # A code is text even if it consists of digits: stored as a number, it lost its leading zero.
            cell = sheet_of(book, finding)[finding.cell]
            cell.value, cell.number_format, cell.data_type = _new_text(finding), "@", "s"
        save(book, target)
        return findings
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for finding in findings:
        texts[finding.sheet or ""][finding.cell] = _new_text(finding)
    try:
        replaced = replace_texts(source, target, texts)
    except UNREADABLE as cause:
        raise WrongUse("schemas.workbook-not-written", file=source.name) from cause
    return tuple(f for f in findings if f.cell in replaced[f.sheet or ""])


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


def _fix_text(
    source: Path, encoding: str, delimiter: str, findings: tuple[Finding, ...], target: Path
) -> tuple[Finding, ...]:
    by_row: dict[int, dict[int, str]] = defaultdict(dict)
    replaced: set[tuple[int, int]] = set()
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
        for cells in reader:
            record = "".join(recorder.record_lines)
            recorder.record_lines.clear()
            if number in by_row:
                # An empty cell has the text of one above.
                texts = {i: text for i, text in by_row[number].items() if i < len(cells) and cells[i].strip()}
                replaced.update((number, i) for i in texts)
                record = _fix_record(record, delimiter, texts)
            copy.write(record)
            number = reader.line_num + 1
    return tuple(f for f in findings if (f.row, column_index(f.column or "A")) in replaced)


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


def _package_copy(
    source: Path, findings: Sequence[Finding], folder: Path, *, is_zip: bool
) -> tuple[Path, tuple[Finding, ...]]:
    """Write a copy of the whole package with its tables fixed, as a folder or ZIP archive like the original.

    Returns it with the fixed findings.
    """
    root = folder / "package"
    if is_zip:
        # Importing Frictionless takes longer than most copies.
        from vaven.schemas.formats.datapackage import unpack

        file = unpack(source, root)
    else:
        shutil.copytree(source if source.is_dir() else source.parent, root)
        file = root / (DESCRIPTOR if source.is_dir() else source.name)
    fixed = _fix_resources(file, findings, folder)
    if not is_zip:
        return root, fixed
    copy = folder / "copy.zip"
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(root).as_posix())
    return copy, fixed


def _fix_resources(file: Path, findings: Sequence[Finding], folder: Path) -> tuple[Finding, ...]:
    from vaven.schemas.formats.datapackage import read_descriptor, resource_options

    descriptor = read_descriptor(file)
    fixed: list[Finding] = []
    is_changed = False
    for resource in descriptor["resources"]:
        by_path: dict[str, list[Finding]] = defaultdict(list)
        for finding in (f for f in findings if f.resource == resource["name"]):
            by_path[_path_of(resource, finding)].append(finding)
        for name, own in by_path.items():
            path, copy = file.parent / name, folder / "resource"
            # The sheet of a text is its path, if the table is in several files.
            in_file = {id(f): replace(f, sheet=None) if f.sheet == name else f for f in own}
            done = set(map(id, _fix_file(path, tuple(in_file.values()), copy, resource_options(file.parent, resource))))
            fixed += [f for f in own if id(in_file[id(f)]) in done]
            shutil.move(copy, path)
            is_changed |= _update_integrity(resource, path)
    if is_changed:
        file.write_text(json.dumps(descriptor, ensure_ascii=False, indent=2) + "\n", "utf-8")
    numbers = set(map(id, fixed))
    return tuple(f for f in findings if id(f) in numbers)


def _path_of(resource: dict[str, Any], finding: Finding) -> str:
    """Return the path of the file with a finding. Raises WrongUse for rows numbered throughout several files."""
    if not isinstance(resource["path"], list):
        return str(resource["path"])
    if finding.sheet not in resource["path"]:
        raise WrongUse("schemas.format-not-written", file=resource["name"])
    return str(finding.sheet)


def _update_integrity(resource: dict[str, Any], path: Path) -> bool:
    """Update a resource's `bytes` and `hash` (Data Package v2), if present. Returns True if one of them is."""
    if "bytes" in resource:
        resource["bytes"] = path.stat().st_size
    if "hash" in resource:
        with path.open("rb") as content:
            resource["hash"] = "sha256:" + hashlib.file_digest(content, "sha256").hexdigest()
    return "bytes" in resource or "hash" in resource
