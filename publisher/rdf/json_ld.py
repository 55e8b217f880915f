"""JSON-LD as the standard's own algorithm writes it, converted from Oxigraph's.

Serialize RDF as JSON-LD (JSON-LD 1.1 API, section 8.4.2) writes types as @type, which programs that read the JSON
without RDF expect; Oxigraph writes them like any other property.
"""

import re
from typing import IO, cast

from pyoxigraph import RdfFormat, serialize

# In JSON a quotation mark inside a text is escaped, so this can only be the name of a property.
PROPERTY = b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#type":['
# A type that is a literal, which no vocabulary has, is not converted.
TYPES = re.compile(re.escape(PROPERTY) + rb'((?:\{"@id":"(?:[^"\\]|\\.)*"\},?)+)\]')
NAME = re.compile(rb'\{"@id":("(?:[^"\\]|\\.)*")\}')
# A longer list of types is not converted, so that memory stays bounded.
LONGEST = 1 << 16


class Typed:
    """A stream that converts Oxigraph's JSON-LD and writes it to `target`; `finish` writes the rest."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._buffer = b""

    def write(self, data: bytes) -> int:
        text = self._buffer + data
        cut = _cut(text)
        self._target.write(typed(text[:cut]))
        self._buffer = text[cut:]
        return len(data)

    def flush(self) -> None:
        """Do nothing: the end of the buffer may be an incomplete list of types."""

    def finish(self) -> None:
        self._target.write(typed(self._buffer))


def _cut(text: bytes) -> int:
    """Return the length of the text that can be written: an incomplete list of types waits for its end."""
    last = max(len(text) - len(PROPERTY) + 1, 0)
    start = text.rfind(PROPERTY)
    if start < 0:
        return last
    if match := TYPES.match(text, start):
        return max(match.end(), last)
    return start if len(text) - start < LONGEST else last


def typed(text: bytes) -> bytes:
    """Return Oxigraph's JSON-LD, or a part of it, with its complete lists of types as @type."""
    return TYPES.sub(lambda match: b'"@type":[' + b",".join(NAME.findall(match[1])) + b"]", text)


def write_json_ld(triples: object, target: IO[bytes]) -> None:
    """Write triples or quads as JSON-LD, in memory that does not grow with their number."""
    through = Typed(target)
    serialize(triples, cast(IO[bytes], through), format=RdfFormat.JSON_LD)  # type: ignore[arg-type]
    through.finish()
