"""Recognition of data by its form: numbers, areas, and records of a table in rows of cells or in lines of text."""

import csv
import re
from collections.abc import Collection, Sequence
from functools import cache

from vaven.vocab.areas import areas, level_of, split_suffix

# Delimiters of text files, most Swedish first.
DELIMITERS = (";", ",", "\t", "|")
NUMBER = re.compile(r"[-+−]?[0-9][0-9\s.,]*\s*%?")
YEAR = re.compile(r"(?:19|20)[0-9]{2}")
# A line of fewer cells may be a sentence with a number in it.
MIN_CELLS = 3
# Longer texts are no rows of a table.
MAX_LINE = 5_000


def is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None


def is_area(text: str) -> bool:
    """Return True for the code of an area, also before a name, and for a municipality's name."""
    code, _ = split_suffix(text.split(" ", 1)[0])
    level = level_of(code)
    if level == "kommun":
        return code in areas().kommuner
    return level in ("deso", "regso") or text.casefold().removesuffix(" kommun") in _kommun_names()


@cache
def _kommun_names() -> frozenset[str]:
    return frozenset(area.name.casefold() for area in areas().kommuner.values())


def is_record(cells: Sequence[str]) -> bool:
    """Return True for a row with an area and a number, or with two numbers; a year alone is no number."""
    numbers = [cell for cell in cells if is_number(cell) and not YEAR.fullmatch(cell)]
    return len(numbers) > 1 or (bool(numbers) and any(is_area(cell) for cell in cells if cell and numbers != [cell]))


def is_record_line(line: str, delimiter: str, widths: Collection[int]) -> bool:
    """Return True for a line of text that is a row of a table; `widths` are the numbers of cells in its rows."""
    if delimiter not in line or len(line) > MAX_LINE:
        return False
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    except (csv.Error, StopIteration):
        return False
    if len(cells) < MIN_CELLS:
        return False
    numbers = [cell for cell in cells if is_number(cell)]
    # A sentence may have a year between commas, and names of municipalities.
    is_full = len(numbers) > 1 or any(not YEAR.fullmatch(cell) for cell in numbers)
    has_code = any(is_area(cell) and cell[0].isdigit() for cell in cells if cell not in numbers or len(numbers) > 1)
    return (has_code and bool(numbers)) or (is_full and (len(cells) in widths or any(map(is_area, cells))))


def delimiter_within(cell: str, width: int) -> str | None:
    """Return the delimiter that splits the text of a cell into a record of a table with `width` columns."""
    widths = range(max(width - 1, MIN_CELLS), width + 2)
    return next((d for d in DELIMITERS if is_record_line(cell, d, widths)), None)
