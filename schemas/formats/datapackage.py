"""Data packages: a folder, its datapackage.json, or a zip of it. Only files inside the folder are opened."""

import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from frictionless import FrictionlessException, Package
from jsonschema import Draft7Validator

from vaven.schemas.formats.grid import CellCount, Grid, GridRow, column_letter, counted, filled_count
from vaven.schemas.formats.json_syntax import parse
from vaven.schemas.formats.open import grids_of
from vaven.schemas.formats.sniff import check_archive, content_of
from vaven.schemas.formats.xml_safety import ZIP_DAMAGE
from vaven.schemas.standard.cells import OmittedCells, checksum_of
from vaven.schemas.standard.labels import fold
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.standard.table_schemas import profile
from vaven.vocab.errors import NotReadable, WrongUse
from vaven.vocab.messages import LANGUAGES

MAX_DESCRIPTOR_BYTES = 10_000_000
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Bit 0 of a zip entry's general purpose flags (APPNOTE.TXT 4.4.4).
ENCRYPTED = 0x1
# Properties that may be a path or URL of further metadata. Frictionless would fetch a profile over the network.
POINTERS = ("schema", "dialect", "checklist", "pipeline")
# Properties of a dialect (Table Dialect v2, CSV Dialect v1) and the values that our readers support.
SUPPORTED_DIALECT: Mapping[str, tuple[Any, ...]] = {
    "quoteChar": ('"',),
    "doubleQuote": (True,),
    "escapeChar": (None, ""),
    "header": (True,),
    "commentChar": (None, ""),
    "commentRows": (None, []),
    "lineTerminator": ("\r\n", "\n", "\r", None),
    "nullSequence": (None, ""),
    "headerJoin": (" ", None),
}
PROFILES = ("profile", "$schema", "profiles")


def unpack(path: Path, folder: Path) -> Path:
    """Extract a zipped package into a folder and return its datapackage.json. Paths out of the folder are refused."""
    with check_archive(path) as archive:
        for entry in archive.infolist():
            if not is_inside(entry.filename):
                raise NotReadable("not-readable-path", file=path.name, path=entry.filename)
        if any(entry.flag_bits & ENCRYPTED for entry in archive.infolist()):
            raise NotReadable("not-readable-password", file=path.name)
        try:
            _unpack_entries(archive, folder)
        except ZIP_DAMAGE as cause:
            # OSError: a name that is not valid for a file, or one name for a file and a folder.
            raise NotReadable("not-readable-damaged", file=path.name) from cause
    return min(folder.rglob("datapackage.json"), key=lambda p: len(p.parts))


def _unpack_entries(archive: zipfile.ZipFile, folder: Path) -> None:
    for entry in archive.infolist():
        if not entry.is_dir():
            target = folder / entry.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)


def read_descriptor(path: Path) -> dict[str, Any]:
    """Read the descriptor at `path` (the JSON, or its folder), checked against Frictionless and our profile."""
    file = path / "datapackage.json" if path.is_dir() else path
    descriptor = read_json(file)
    for problem in sorted(Draft7Validator(profile()).iter_errors(descriptor), key=lambda e: list(map(str, e.path))):
        where = "/".join(str(part) for part in problem.absolute_path) or "."
        raise NotReadable("not-readable-descriptor", file=file.name, where=where, reason=problem.message[:300])
    for resource in descriptor["resources"]:
        _refuse_outside(file, resource)
    _validate_descriptor(file, descriptor)
    return dict(descriptor)


def read_json(file: Path) -> Any:
    """Read a JSON file of metadata. Raises NotReadable for invalid JSON, or one too large for metadata."""
    if file.stat().st_size > MAX_DESCRIPTOR_BYTES:
        raise NotReadable("not-readable-too-large", file=file.name, megabytes=file.stat().st_size // 1_000_000)
    try:
        text = file.read_text("utf-8-sig")
    except ValueError as cause:
        raise NotReadable("not-readable-json", file=file.name, reason=str(cause)) from cause
    return parse(file, text)


def is_inside(path: str) -> bool:
    """Return True for a path inside its descriptor's folder or archive: relative, no "..", no URL (Data Package v1)."""
    parts = PurePosixPath(path.replace("\\", "/"))
    is_plain = bool(path) and "\0" not in path and not SCHEME.match(path)
    return is_plain and not parts.is_absolute() and ".." not in parts.parts


def resource_grids(
    descriptor: Mapping[str, Any], folder: Path, sheets: Path
) -> Iterator[tuple[str | None, list[Grid], str | None]]:
    """Yield name, grids and None of each resource, in the descriptor's order; `sheets` is a folder for workbooks' rows.

    The resource's encoding, dialect and missing values are respected. A table in several files is one grid, or, if the
    labels are in each of them, a grid of each file. At the end, each sheet of a workbook that no resource names
    follows, with None as its name, and with the sheet that a resource's dialect chooses of that workbook.
    """
    read: set[tuple[str, str | None]] = set()
    unnamed: dict[tuple[str, str | None], Grid] = {}
    chosen: dict[str, str] = {}
    for resource in descriptor["resources"]:
        name = resource["name"]
        choices = resource_options(folder, resource)
        grids = []
        for i, path in enumerate(_paths(resource)):
            grid, *others = _grids(folder, path, sheets / f"{name}-{i}", name, choices)
            grids.append(grid)
            read.add((path, grid.sheet))
            unnamed |= {(path, other.sheet): other for other in others}
            chosen |= {path: choices.sheet} if choices.sheet else {}
        missing = _missing_values(folder, resource)
        yield name, [_blank_missing_values(grid, missing) for grid in _parts(grids, _paths(resource))], None
    yield from ((None, [grid], chosen.get(key[0])) for key, grid in unnamed.items() if key not in read)


def _paths(resource: Mapping[str, Any]) -> list[str]:
    path = resource["path"]
    return [str(part) for part in path] if isinstance(path, list) else [str(path)]


def _grids(folder: Path, relative_path: str, sheets: Path, name: str, choices: ReadOptions) -> list[Grid]:
    """Return the grid of a resource's file, followed by the other sheets of a workbook."""
    path = _resolved(folder, relative_path)
    if not path.is_relative_to(folder.resolve()):
        raise NotReadable("not-readable-path", file=folder.name, path=relative_path)
    if content_of(path, choices.encoding).kind in ("package", "descriptor"):
        raise NotReadable("not-readable-resource", file=path.name, resource=name)
    sheet = fold(choices.sheet) if choices.sheet else None
    grids = list(grids_of(path, sheets, choices))
    for i, grid in enumerate(grids):
        if (sheet is None and not grid.is_hidden) or sheet == fold(grid.sheet or ""):
            return [grid, *grids[:i], *grids[i + 1 :]]
    if sheet:
        raise NotReadable("not-readable-sheet", file=path.name, sheet=choices.sheet or "")
    raise NotReadable("not-readable-no-rows", file=path.name)


def _parts(grids: Sequence[Grid], paths: Sequence[str]) -> list[Grid]:
    """Return the parts of a table: each file that begins with the labels, by its path, or else all concatenated."""
    if len(grids) == 1:
        return [*grids]
    firsts = [next(grid.rows, (0, [])) for grid in grids]
    parts = [replace(grid, rows=chain([first], grid.rows)) for grid, first in zip(grids, firsts, strict=True)]
    if all(cells == firsts[0][1] for _, cells in firsts):
        return [replace(part, sheet=part.sheet or path) for part, path in zip(parts, paths, strict=True)]
    return [_concatenated(parts)]


def _concatenated(grids: Sequence[Grid]) -> Grid:
    """Concatenate the parts of a table; the first row of a later part is omitted if it repeats the labels."""
    count = CellCount()
    omitted: list[OmittedCells] = []

    def rows() -> Iterator[GridRow]:
        last, labels = 0, None
        for grid in grids:
            before = last
            for i, (number, cells) in enumerate(counted(grid.rows, count)):
                last = before + number
                if i == 0 and labels is None:
                    labels = cells
                elif i == 0 and cells == labels:
                    checksum = checksum_of(last, cells)
                    omitted.append(
                        OmittedCells("repeated-header", filled_count(cells), rows=(last, last), checksum=checksum)
                    )
                    continue
                yield last, cells

    return replace(grids[0], rows=rows(), plain=None, cell_count=count, omitted=omitted)


def _blank_missing_values(grid: Grid, missing: Set[str]) -> Grid:
    """Blank the cells that have one of the schema's missing values (Table Schema, "missingValues")."""
    if not missing:
        return grid
    parts: dict[int, OmittedCells] = {}

    def rows() -> Iterator[GridRow]:
        for number, cells in grid.rows:
            for i in (i for i, cell in enumerate(cells) if cell and cell in missing):
                part = parts.get(i, OmittedCells("missing-value", 0, column=column_letter(i)))
                checksum = part.checksum ^ checksum_of(number, [cells[i]])
                parts[i] = replace(part, count=part.count + 1, checksum=checksum)
            yield number, ["" if cell in missing else cell for cell in cells]
        grid.omitted.extend(parts.values())

    return replace(grid, rows=rows(), plain=None)


def resource_options(folder: Path, resource: Mapping[str, Any]) -> ReadOptions:
    """Return the read options that the descriptor declares; unsupported ones are refused rather than ignored."""
    dialect = _metadata(folder, resource.get("dialect"))
    # Frictionless-py 5 nests the properties of a format; Data Package v1 and v2 have them flat.
    flat = {**dialect, **dialect.get("csv", {}), **dialect.get("excel", {}), **dialect.get("ods", {})}
    for name, supported in SUPPORTED_DIALECT.items():
        if name in flat and flat[name] not in supported:
            raise NotReadable("not-readable-dialect", file=str(resource["path"])[:80], property=name)
    rows = flat.get("headerRows", [None])
    sheet = flat.get("sheetName", flat.get("sheet"))
    try:
        return ReadOptions(
            encoding=resource.get("encoding"),
            delimiter=flat.get("delimiter"),
            sheet=sheet if isinstance(sheet, str) else None,
            header_row=rows[-1] if isinstance(rows, list) and rows and isinstance(rows[-1], int) else None,
        )
    except WrongUse as cause:
        reasons = {f"reason_{language}": cause.message(language) for language in LANGUAGES}
        file = str(resource["path"])[:80]
        raise NotReadable("not-readable-descriptor", file=file, where="dialect", **reasons) from cause


def _missing_values(folder: Path, resource: Mapping[str, Any]) -> Set[str]:
    values = _metadata(folder, resource.get("schema")).get("missingValues", [])
    # A value of v2 may be {"value": …, "label": …}.
    texts = (v.get("value") if isinstance(v, dict) else v for v in values if isinstance(values, list))
    return {text for text in texts if isinstance(text, str)} - {""}


def _metadata(folder: Path, metadata: Any) -> dict[str, Any]:
    """Return metadata that is inline in the descriptor, or in a file beside it."""
    if isinstance(metadata, str):
        path = _resolved(folder, metadata)
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise NotReadable("not-readable-path", file=folder.name, path=metadata)
        metadata = read_json(path)
    return metadata if isinstance(metadata, dict) else {}


def _resolved(folder: Path, path: str) -> Path:
    """Resolve a path and its symbolic links. A name that is invalid on this system is a missing file."""
    try:
        target = (folder / path).resolve()
        target.exists()
    except OSError as cause:
        raise NotReadable("not-readable-missing", file=path[:80]) from cause
    return target


def _refuse_outside(file: Path, resource: Mapping[str, Any]) -> None:
    for path in (*_paths(resource), *(resource.get(pointer) for pointer in POINTERS)):
        if isinstance(path, str) and not is_inside(path):
            raise NotReadable("not-readable-path", file=file.name, path=path)


def _validate_descriptor(file: Path, descriptor: Mapping[str, Any]) -> None:
    """Validate the descriptor by Frictionless's own rules (types, names, duplicate resources).

    It gets no references that it could follow: no profiles, and no metadata by path or URL.
    """
    bare = {**_without_pointers(descriptor), "resources": [_without_pointers(r) for r in descriptor["resources"]]}
    try:
        Package.validate_descriptor(bare)
        Package.from_descriptor(bare)
    except FrictionlessException as cause:
        reason = "; ".join(str(e.note) for e in (cause.reasons or [cause.error]))
        raise NotReadable("not-readable-descriptor", file=file.name, where=".", reason=reason[:300]) from cause


def _without_pointers(metadata: Mapping[str, Any]) -> dict[str, Any]:
    pointers = {key for key in POINTERS if isinstance(metadata.get(key), str)}
    return {key: value for key, value in metadata.items() if key not in {"schema", *PROFILES, *pointers}}
