"""JSON-LD as the standard's own algorithm writes it, from how Oxigraph does.

Serialize RDF as JSON-LD (JSON-LD 1.1 API, section 8.4.2) tells types by @type, which is what programs that read the
JSON without RDF look for; Oxigraph writes them as any other property.
"""

import re
from typing import IO, cast

from pyoxigraph import RdfFormat, serialize

# In JSON a quotation mark inside of a text is escaped, so this is a property's name and nothing else.
PROPERTY = b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#type":['
# A type that is a literal, which no vocabulary has, stays as it is.
TYPES = re.compile(re.escape(PROPERTY) + rb'((?:\{"@id":"(?:[^"\\]|\\.)*"\},?)+)\]')
NAME = re.compile(rb'\{"@id":("(?:[^"\\]|\\.)*")\}')
# A longer list of types stays as it is, so that memory has an end.
LONGEST = 1 << 16


class Typed:
    """What Oxigraph's JSON-LD is written through into `target`; `finish` writes the rest."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._held = b""

    def write(self, data: bytes) -> int:
        text = self._held + data
        cut = _cut(text)
        self._target.write(typed(text[:cut]))
        self._held = text[cut:]
        return len(data)

    def flush(self) -> None:
        """Nothing is sent before the end."""

    def finish(self) -> None:
        self._target.write(typed(self._held))


def _cut(text: bytes) -> int:
    """Up to where a text can go: what may be the beginning of a list of types waits for its end."""
    last = max(len(text) - len(PROPERTY) + 1, 0)
    start = text.rfind(PROPERTY)
    if start < 0:
        return last
    if found := TYPES.match(text, start):
        return max(found.end(), last)
    return start if len(text) - start < LONGEST else last


def typed(text: bytes) -> bytes:
    """Oxigraph's JSON-LD, or a part of it, with the lists of types that are whole in it as @type."""
    return TYPES.sub(lambda found: b'"@type":[' + b",".join(NAME.findall(found[1])) + b"]", text)


def write_json_ld(triples: object, target: IO[bytes]) -> None:
    """Triples or quads as JSON-LD, in memory that does not grow with them."""
    through = Typed(target)
    serialize(triples, cast(IO[bytes], through), format=RdfFormat.JSON_LD)  # type: ignore[arg-type]
    through.finish()
