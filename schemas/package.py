"""Data packages: a folder, its datapackage.json, or a zip of it. Only files inside are ever opened."""

import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from frictionless import FrictionlessException, Package
from jsonschema import Draft7Validator

from vaven.schemas.content import check_archive, content_of
from vaven.schemas.delimited import read_delimited
from vaven.schemas.grid import Grid
from vaven.schemas.standard import profile
from vaven.schemas.workbook import read_workbook
from vaven.vocab.errors import NotReadable

MAX_DESCRIPTOR_BYTES = 10_000_000
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Bit 0 of a zip entry's general purpose flags (APPNOTE.TXT 4.4.4).
ENCRYPTED = 0x1
# What may be an address of further metadata. Frictionless would fetch a profile over the network.
POINTERS = ("schema", "dialect", "checklist", "pipeline")
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
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as cause:
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
    if file.stat().st_size > MAX_DESCRIPTOR_BYTES:
        raise NotReadable("not-readable-too-large", file=file.name, megabytes=file.stat().st_size // 1_000_000)
    try:
        descriptor = json.loads(file.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as cause:
        raise NotReadable("not-readable-json", file=file.name, reason=str(cause)) from cause
    for problem in sorted(Draft7Validator(profile()).iter_errors(descriptor), key=lambda e: list(map(str, e.path))):
        where = "/".join(str(part) for part in problem.absolute_path) or "."
        raise NotReadable("not-readable-descriptor", file=file.name, where=where, reason=problem.message[:300])
    for resource in descriptor["resources"]:
        _refuse_outside(file, resource)
    _refuse_unsound(file, descriptor)
    return dict(descriptor)


def is_inside(path: str) -> bool:
    """Whether a path of a descriptor or archive stays inside: relative, without "..", no URL (Data Package v1)."""
    parts = PurePosixPath(path.replace("\\", "/"))
    is_plain = bool(path) and "\0" not in path and not SCHEME.match(path)
    return is_plain and not parts.is_absolute() and ".." not in parts.parts


def resource_grids(descriptor: Mapping[str, Any], folder: Path, sheets: Path) -> Iterator[tuple[str, Grid]]:
    """Resource name and grid of each resource, in the descriptor's order; `sheets` is a folder for workbooks' rows."""
    for resource in descriptor["resources"]:
        path = _resolved(folder, str(resource["path"]))
        if not path.is_relative_to(folder.resolve()):
            raise NotReadable("not-readable-path", file=folder.name, path=str(resource["path"]))
        content = content_of(path)
        if content.kind == "text":
            yield resource["name"], read_delimited(path, content.encoding)
        elif content.kind == "workbook":
            yield resource["name"], _first_sheet(path, sheets / resource["name"])
        else:
            raise NotReadable("not-readable-resource", file=path.name, resource=resource["name"])


def _resolved(folder: Path, path: str) -> Path:
    """The file behind symbolic links. A name that the system can't have is a missing file."""
    try:
        found = (folder / path).resolve()
        found.exists()
    except OSError as cause:
        raise NotReadable("not-readable-missing", file=path[:80]) from cause
    return found


def _first_sheet(path: Path, folder: Path) -> Grid:
    for grid in read_workbook(path, folder):
        return grid
    raise NotReadable("not-readable-no-rows", file=path.name)


def _refuse_outside(file: Path, resource: Mapping[str, Any]) -> None:
    path = resource["path"]
    if not isinstance(path, str):
        raise NotReadable("not-readable-multipart", file=file.name, resource=resource["name"])
    for given in (path, *(resource.get(pointer) for pointer in POINTERS)):
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
