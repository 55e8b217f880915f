"""Files of tables as grids: the reader is chosen by the detected format, not by the name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vaven.schemas.formats.csv import read_delimited
from vaven.schemas.formats.grid import Grid
from vaven.schemas.formats.sniff import Content, content_of, extract_tables
from vaven.schemas.standard.read_options import DETECT, Progress, ReadOptions, no_progress
from vaven.vocab.errors import NotReadable

# Each file in a zip is a table named after it; a submission has no more than this.
MAX_FILES = 100


def grids_of(
    path: Path,
    folder: Path,
    choices: ReadOptions = DETECT,
    progress: Progress = no_progress,
    content: Content | None = None,
) -> Iterator[Grid]:
    """Yield the tables of a file: one for a text, one for each sheet of a workbook or file of a zip.

    `folder` is for extracted rows until they are iterated; it must not exist, and the caller removes it. `progress`
    is called while rows of texts and workbooks are iterated. `content` is the file's, if it is known. Raises
    NotReadable for a data package, which has its own reader (datapackage), and for a file without tables.
    """
    content = content or content_of(path, choices.encoding)
    match content.kind:
        # Each reader is imported when a file needs it: importing all takes as long as checking a small file.
        case "text":
            yield read_delimited(path, content.encoding, choices, progress)
        case "workbook":
            from vaven.schemas.formats.workbook import read_workbook

            yield from read_workbook(path, folder, progress)
        case "parquet":
            from vaven.schemas.formats.workbook import read_parquet

            yield read_parquet(path, folder)
        case "pcaxis":
            from vaven.schemas.formats.pcaxis import read_pcaxis

            yield read_pcaxis(path, content.encoding)
        case "json":
            from vaven.schemas.formats.json import read_json

            yield from read_json(path, content.encoding)
        case "json-lines":
            from vaven.schemas.formats.json import read_json_lines

            yield from read_json_lines(path, content.encoding)
        case "compressed":
            yield from _compressed_grids(path, folder, choices, progress)
        case _:
            raise NotReadable("not-readable-format", file=path.name, format="Data Package")


def _compressed_grids(path: Path, folder: Path, choices: ReadOptions, progress: Progress) -> Iterator[Grid]:
    files = extract_tables(path, folder)
    if len(files) > MAX_FILES:
        raise NotReadable("not-readable-files", file=path.name, count=len(files))
    for i, (label, file) in enumerate(files.items()):
        if content_of(file, choices.encoding).kind == "compressed":
            # Nested archives are typical of decompression bombs.
            raise NotReadable("not-readable-format", file=file.name, format="gzip/zip")
        grids = list(grids_of(file, folder / f"rows-{i}", choices, progress))
        for grid in grids:
            # A workbook with a single sheet is named after its file: all of them may be called Blad1.
            name = f"{label}/{grid.sheet}" if len(grids) > 1 else label
            yield replace(grid, sheet=name) if len(files) > 1 else grid
