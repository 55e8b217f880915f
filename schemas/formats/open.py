"""Any file that holds tables, as grids: which reader takes it is decided by what the file is, not by its name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vaven.schemas.formats.csv import read_delimited
from vaven.schemas.formats.grid import Grid
from vaven.schemas.formats.json import read_json, read_json_lines
from vaven.schemas.formats.pcaxis import read_pcaxis
from vaven.schemas.formats.sniff import content_of, unpack_tables
from vaven.schemas.formats.workbook import read_parquet, read_workbook
from vaven.schemas.standard.read_options import DETECT, Progress, ReadOptions, no_progress
from vaven.vocab.errors import NotReadable

# Of several files in a zip, each is a table by its own name; more than these are no submission.
MAX_FILES = 100


def grids_of(
    path: Path, folder: Path, choices: ReadOptions = DETECT, progress: Progress = no_progress
) -> Iterator[Grid]:
    """The tables of a file: one of a text, a sheet each of a workbook, a file each of a zip.

    `folder` is where unpacked rows wait until they are walked; it must not exist, and the caller removes it.
    `progress` hears of the rows of texts and workbooks as they are walked. Raises
    NotReadable for a data package, which has a reader of its own, and for what no table can be read from.
    """
    content = content_of(path, choices.encoding)
    match content.kind:
        case "text":
            yield read_delimited(path, content.encoding, choices, progress)
        case "workbook":
            yield from read_workbook(path, folder, progress)
        case "parquet":
            yield read_parquet(path, folder)
        case "pcaxis":
            yield read_pcaxis(path, content.encoding)
        case "json":
            yield from read_json(path, content.encoding)
        case "json-lines":
            yield from read_json_lines(path, content.encoding)
        case "packed":
            yield from _unpacked(path, folder, choices, progress)
        case _:
            raise NotReadable("not-readable-format", file=path.name, format="Data Package")


def _unpacked(path: Path, folder: Path, choices: ReadOptions, progress: Progress) -> Iterator[Grid]:
    files = unpack_tables(path, folder)
    if len(files) > MAX_FILES:
        raise NotReadable("not-readable-files", file=path.name, count=len(files))
    for i, file in enumerate(files):
        if content_of(file, choices.encoding).kind == "packed":
            # An archive in an archive is how bombs are built.
            raise NotReadable("not-readable-format", file=file.name, format="gzip/zip")
        for grid in grids_of(file, folder / f"rows-{i}", choices, progress):
            yield replace(grid, sheet=grid.sheet or file.stem) if len(files) > 1 else grid
