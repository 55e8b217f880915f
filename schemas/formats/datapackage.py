"""Data packages: a folder, its datapackage.json, or a zip of it. Only files inside are ever opened."""

import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from frictionless import FrictionlessException, Package
from jsonschema import Draft7Validator

from vaven.schemas.formats.grid import Grid, GridRow
from vaven.schemas.formats.json import too_deep
from vaven.schemas.formats.open import grids_of
from vaven.schemas.formats.sniff import check_archive, content_of
from vaven.schemas.formats.xml_safety import ZIP_DAMAGE
from vaven.schemas.standard.labels import fold
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.standard.table_schemas import profile
from vaven.vocab.errors import NotReadable, WrongUse
from vaven.vocab.messages import LANGUAGES

MAX_DESCRIPTOR_BYTES = 10_000_000
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Bit 0 of a zip entry's general purpose flags (APPNOTE.TXT 4.4.4).
ENCRYPTED = 0x1
# What may be an address of further metadata. Frictionless would fetch a profile over the network.
POINTERS = ("schema", "dialect", "checklist", "pipeline")
# Properties of a dialect (Table Dialect v2, CSV Dialect v1) and the values of them that our readers follow.
USUAL: Mapping[str, tuple[Any, ...]] = {
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
    """Unpack a zipped package into a folder and return its datapackage.json. Entries that point outside are refused."""
    with check_archive(path) as archive:
        for entry in archive.infolist():
            if not is_inside(entry.filename):
                raise NotReadable("not-readable-path", file=path.name, path=entry.filename)
        if any(entry.flag_bits & ENCRYPTED for entry in archive.infolist()):
            raise NotReadable("not-readable-password", file=path.name)
        try:
            _unpack_entries(archive, folder)
        except ZIP_DAMAGE as cause:
            # OSError: names that no file can have, or one name for a file and a folder.
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
    """The descriptor at `path` (the json, or the folder with it), checked against Frictionless and our profile."""
    file = path / "datapackage.json" if path.is_dir() else path
    descriptor = read_json(file)
    for problem in sorted(Draft7Validator(profile()).iter_errors(descriptor), key=lambda e: list(map(str, e.path))):
        where = "/".join(str(part) for part in problem.absolute_path) or "."
        raise NotReadable("not-readable-descriptor", file=file.name, where=where, reason=problem.message[:300])
    for resource in descriptor["resources"]:
        _refuse_outside(file, resource)
    _refuse_unsound(file, descriptor)
    return dict(descriptor)


def read_json(file: Path) -> Any:
    """A JSON file of metadata. Raises NotReadable where it is none, or too large to be."""
    if file.stat().st_size > MAX_DESCRIPTOR_BYTES:
        raise NotReadable("not-readable-too-large", file=file.name, megabytes=file.stat().st_size // 1_000_000)
    try:
        return json.loads(file.read_text("utf-8-sig"))
    except RecursionError as cause:
        raise too_deep(file) from cause
    except ValueError as cause:
        raise NotReadable("not-readable-json", file=file.name, reason=str(cause)) from cause


def is_inside(path: str) -> bool:
    """Whether a path of a descriptor or archive stays inside: relative, without "..", no URL (Data Package v1)."""
    parts = PurePosixPath(path.replace("\\", "/"))
    is_plain = bool(path) and "\0" not in path and not SCHEME.match(path)
    return is_plain and not parts.is_absolute() and ".." not in parts.parts


def resource_grids(descriptor: Mapping[str, Any], folder: Path, sheets: Path) -> Iterator[tuple[str, Grid]]:
    """Resource name and grid of each resource, in the descriptor's order; `sheets` is a folder for workbooks' rows.

    Of a resource's own description count its encoding, dialect and missing values; a table in several files is one.
    """
    for resource in descriptor["resources"]:
        name = resource["name"]
        choices = _as_described(folder, resource)
        grids = [_grid(folder, path, sheets / f"{name}-{i}", name, choices) for i, path in enumerate(_paths(resource))]
        missing = _missing_values(folder, resource)
        yield name, _without_marks(_joined(grids), missing)


def _paths(resource: Mapping[str, Any]) -> list[str]:
    path = resource["path"]
    return [str(part) for part in path] if isinstance(path, list) else [str(path)]


def _grid(folder: Path, given: str, sheets: Path, name: str, choices: ReadOptions) -> Grid:
    path = _resolved(folder, given)
    if not path.is_relative_to(folder.resolve()):
        raise NotReadable("not-readable-path", file=folder.name, path=given)
    if content_of(path, choices.encoding).kind in ("package", "descriptor"):
        raise NotReadable("not-readable-resource", file=path.name, resource=name)
    wanted = fold(choices.sheet) if choices.sheet else None
    for grid in grids_of(path, sheets, choices):
        if not grid.is_hidden and wanted in (None, fold(grid.sheet or "")):
            return grid
    if wanted:
        raise NotReadable("not-readable-sheet", file=path.name, sheet=choices.sheet or "")
    raise NotReadable("not-readable-no-rows", file=path.name)


def _joined(grids: Sequence[Grid]) -> Grid:
    """One grid of a table's parts; the first row of a later part is left out where it repeats the labels."""
    if len(grids) == 1:
        return grids[0]

    def rows() -> Iterator[GridRow]:
        last, labels = 0, None
        for grid in grids:
            before = last
            for i, (number, cells) in enumerate(grid.rows):
                last = before + number
                if i == 0 and labels is None:
                    labels = cells
                elif i == 0 and cells == labels:
                    continue
                yield last, cells

    return replace(grids[0], rows=rows(), plain=None)


def _without_marks(grid: Grid, missing: Set[str]) -> Grid:
    """The grid with empty cells where a cell has one of the schema's missing values (Table Schema, "missingValues")."""
    if not missing:
        return grid
    rows = ((number, ["" if cell in missing else cell for cell in cells]) for number, cells in grid.rows)
    return replace(grid, rows=rows, plain=None)


def _as_described(folder: Path, resource: Mapping[str, Any]) -> ReadOptions:
    """How the descriptor says that the file is written; what we don't do is refused rather than read in another way."""
    dialect = _metadata(folder, resource.get("dialect"))
    # Frictionless-py 5 nests what belongs to a format; Data Package v1 and v2 have it flat.
    flat = {**dialect, **dialect.get("csv", {}), **dialect.get("excel", {}), **dialect.get("ods", {})}
    for name, usual in USUAL.items():
        if name in flat and flat[name] not in usual:
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


def _metadata(folder: Path, given: Any) -> dict[str, Any]:
    """Metadata that stands in the descriptor, or in a file beside it."""
    if isinstance(given, str):
        path = _resolved(folder, given)
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise NotReadable("not-readable-path", file=folder.name, path=given)
        given = read_json(path)
    return given if isinstance(given, dict) else {}


def _resolved(folder: Path, path: str) -> Path:
    """The file behind symbolic links. A name that the system can't have is a missing file."""
    try:
        found = (folder / path).resolve()
        found.exists()
    except OSError as cause:
        raise NotReadable("not-readable-missing", file=path[:80]) from cause
    return found


def _refuse_outside(file: Path, resource: Mapping[str, Any]) -> None:
    for given in (*_paths(resource), *(resource.get(pointer) for pointer in POINTERS)):
        if isinstance(given, str) and not is_inside(given):
            raise NotReadable("not-readable-path", file=file.name, path=given)


def _refuse_unsound(file: Path, descriptor: Mapping[str, Any]) -> None:
    """Let Frictionless judge the descriptor by its own rules (types, names, duplicate resources).

    It sees nothing that it could follow: profiles, and metadata given by an address.
    """
    bare = {**_without_pointers(descriptor), "resources": [_without_pointers(r) for r in descriptor["resources"]]}
    try:
        Package.validate_descriptor(bare)
        Package.from_descriptor(bare)
    except FrictionlessException as cause:
        reason = "; ".join(str(e.note) for e in (cause.reasons or [cause.error]))
        raise NotReadable("not-readable-descriptor", file=file.name, where=".", reason=reason[:300]) from cause


def _without_pointers(described: Mapping[str, Any]) -> dict[str, Any]:
    followed = {key for key in POINTERS if isinstance(described.get(key), str)}
    return {key: value for key, value in described.items() if key not in {"schema", *PROFILES, *followed}}
