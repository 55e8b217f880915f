"""JSON (RFC 8259) as a stream of events or as a value, without silent loss: a key occurs once in its object.

Of two members with one name, a parser returns the last and drops the other. ijson's C backend ends the process at an
integer of 66,000 digits, so the length of numbers is checked in the text before any parser sees it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import ijson

from vaven.vocab.errors import NotReadable

MAX_DEPTH = 16
# Ours: the widest number of IEEE 754 has 309 digits before the decimal point.
MAX_DIGITS = 1_000
# Digits that the message about a long number quotes.
QUOTED_DIGITS = 20
# A run of digits that begins neither within another one nor a text.
LONG_NUMBER = re.compile(rb'(?<!["0-9])[0-9]{%d}' % (MAX_DIGITS + 1))
# JSON-stat's values by position, which may be millions. Its reader requires ascending positions.
POSITIONS = ("value",)

Event = tuple[int, str, Any]


def events(path: Path, encoding: str) -> Iterator[Event]:
    """Yield depth, kind and value of each event. Raises NotReadable for a document that is invalid or too deep."""
    depth = 0
    try:
        with _open_as_utf8(path, encoding) as file:
            for kind, value in ijson.basic_parse(file, use_float=False):
                if kind in ("end_map", "end_array"):
                    depth -= 1
                yield depth, kind, value
                if kind in ("start_map", "start_array"):
                    depth += 1
                    if depth > MAX_DEPTH:
                        raise too_deep(path)
    except ArithmeticError as cause:
        raise _number_too_large(path) from cause
    except (ijson.JSONError, UnicodeError, ValueError) as cause:
        raise NotReadable("not-readable-json", file=path.name, reason=str(cause)[:300]) from cause


def events_of_unique_keys(path: Path, encoding: str) -> Iterator[Event]:
    """Yield `events`. Raises NotReadable for an object with a duplicate key; the innermost array item is its row."""
    steps: list[str | int] = []
    keys: list[set[str]] = []
    for depth, kind, value in events(path, encoding):
        if kind == "map_key":
            if (*steps[:-1],) != POSITIONS:
                if value in keys[-1]:
                    raise _duplicate_key(path, value, steps[:-1])
                keys[-1].add(value)
            steps[-1] = value
        elif kind in ("end_map", "end_array"):
            steps.pop()
            keys.pop()
        elif steps and isinstance(steps[-1], int):
            steps[-1] += 1
        yield depth, kind, value
        if kind in ("start_map", "start_array"):
            steps.append("" if kind == "start_map" else 0)
            keys.append(set())


def parse(path: Path, text: str, row: int | None = None) -> Any:
    """Parse a text of the file: its line number `row`, or all of it. Raises NotReadable as `events_of_unique_keys`."""
    check_numbers(path, text.encode("utf-8", "replace"), row or 1)
    repeated: list[tuple[dict[str, Any], str]] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            names = [name for name, _ in pairs]
            repeated.append((members, next(name for name in names if names.count(name) > 1)))
        return members

    try:
        value = json.loads(text, parse_float=Decimal if row else None, object_pairs_hook=unique)
    except RecursionError as cause:
        raise too_deep(path) from cause
    except ArithmeticError as cause:
        raise _number_too_large(path) from cause
    except ValueError as cause:
        reason = f"{cause} ({row})" if row else str(cause)
        raise NotReadable("not-readable-json", file=path.name, reason=reason[:300]) from cause
    if repeated:
        # The outermost object is parsed last; an inner one may be in a member that was dropped.
        members, key = repeated[-1]
        raise _duplicate_key(path, key, [row] if row else next(_steps_to(value, members), ()))
    return value


def _steps_to(value: Any, target: Any) -> Iterator[list[str]]:
    """Yield the keys and item numbers (from 1) that lead from a value to an object within it."""
    if value is target:
        yield []
    members: Mapping[Any, Any] = {}
    if isinstance(value, dict):
        members = value
    elif isinstance(value, list):
        members = dict(enumerate(value, start=1))
    for step, member in members.items():
        yield from ([str(step), *steps] for steps in _steps_to(member, target))


def check_numbers(path: Path, block: bytes, row: int, start: int = 0) -> None:
    """Raise NotReadable for a number with more than MAX_DIGITS digits in a row; `row` is the line of the first byte."""
    if match := LONG_NUMBER.search(block, start):
        line = row + block.count(b"\n", 0, match.start())
        text = f"{match[0][:QUOTED_DIGITS].decode()}…"
        raise NotReadable("not-readable-number", file=path.name, row=line, text=text, maximum=MAX_DIGITS)


def _duplicate_key(path: Path, key: str, steps: Sequence[str | int]) -> NotReadable:
    """Return the error for a key of the object that `steps` lead to; a number among them is the row of a table."""
    rows = [step for step in steps if isinstance(step, int)][:1]
    pointer = "/".join(str(step) for step in steps if step not in rows)
    sv = [f"objektet {pointer}"] * bool(pointer) + [f"rad {row}" for row in rows]
    en = [f"the object {pointer}"] * bool(pointer) + [f"row {row}" for row in rows]
    where = {
        "where_sv": " på ".join(sv) or "det yttersta objektet",
        "where_en": " in ".join(en) or "the outermost object",
    }
    return NotReadable("not-readable-json-key", file=path.name, key=key[:100], **where)


def text_of(value: Any) -> str:
    """Return a value as a cell's text: numbers with all their digits, null empty, objects and arrays as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}" if abs(value.adjusted()) < 30 else str(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def texts_of(value: Any, *, without: Set[str] = frozenset()) -> Iterator[str]:
    """Yield the text of each string, number and boolean in a value, but for the members with the keys `without`."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key not in without:
                yield from texts_of(member, without=without)
    elif isinstance(value, list):
        for member in value:
            yield from texts_of(member, without=without)
    elif text := text_of(value):
        yield text


def not_a_table(path: Path, what_sv: str, what_en: str) -> NotReadable:
    """Return the error for valid JSON that contains no table, with the reason in both languages."""
    return NotReadable("not-readable-json-table", file=path.name, what_sv=what_sv, what_en=what_en)


def _number_too_large(path: Path) -> NotReadable:
    """Return the error for a number whose exponent exceeds that of decimal numbers, e.g. one of twenty digits."""
    return not_a_table(path, "ett av talen är för stort", "one of its numbers is too large")


def too_deep(path: Path) -> NotReadable:
    """Return the error for JSON that is nested deeper than any table or descriptor."""
    return not_a_table(path, "den har för många nivåer", "it has too many levels")


class _Utf8Reader:
    """A binary file object that transcodes a text to UTF-8 and checks the length of its numbers."""

    def __init__(self, path: Path, text: IO[Any]) -> None:
        self._path = path
        self._text = text
        self._end = b""
        self._row = 1

    def read(self, size: int = -1) -> bytes:
        text = self._text.read(size) if size else b""
        block = text.encode("utf-8") if isinstance(text, str) else bytes(text)
        # A number may begin in the block before; digits that already fill its end belong to a quoted text.
        last = self._end + block
        quoted = len(last) - len(last.lstrip(b"0123456789")) if self._end else 0
        check_numbers(self._path, last, self._row, quoted)
        self._row += last[: -MAX_DIGITS - 2].count(b"\n")
        self._end = last[-MAX_DIGITS - 2 :]
        return block

    def __enter__(self) -> "_Utf8Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()


def _open_as_utf8(path: Path, encoding: str) -> _Utf8Reader:
    return _Utf8Reader(path, path.open("rb") if encoding == "utf-8" else path.open(encoding=encoding))
