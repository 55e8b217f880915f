"""Results of SELECT and ASK in the W3C's formats: JSON, XML, CSV and TSV.

SPARQL 1.1 Query Results JSON Format; SPARQL Query Results XML Format (Second Edition); SPARQL 1.1 Query Results CSV and
TSV Formats.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from xml.sax.saxutils import escape, quoteattr

from vaven.publisher.columnar.run import Decoder, Solutions
from vaven.publisher.columns.terms import XSD, split_literal
from vaven.publisher.columns.values import DECIMAL_FORM, DOUBLE_FORM, INTEGER_FORM
from vaven.vocab import media_types

# Most results repeat their terms: areas, KPIs, periods.
CACHED = 1 << 16
XML_HEAD = '<?xml version="1.0"?><sparql xmlns="http://www.w3.org/2005/sparql-results#">'
# Literals that TSV writes as in Turtle, without quotation marks.
BARE = {f"^{XSD}integer": INTEGER_FORM, f"^{XSD}decimal": DECIMAL_FORM, f"^{XSD}double": DOUBLE_FORM}
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Writer(Protocol):
    """The target of a result."""

    def write(self, data: bytes, /) -> object: ...


def write_solutions(solutions: Solutions, media_type: str, target: Writer) -> None:
    """Write the solutions of a SELECT. Raises KeyError for another media type.

    Each distinct value of a column is written once, and its text is repeated.
    """
    form = _FORMATS[media_type](solutions.variables)
    target.write(form.head.encode())
    texts = [_Texts(decode, cell) for decode, cell in zip(solutions.decoders, form.cells, strict=True)]
    is_first = True
    for batch in solutions.batches:
        columns = [map(text.__getitem__, column) for text, column in zip(texts, zip(*batch, strict=True), strict=True)]
        rows = map(form.row, zip(*columns, strict=True)) if columns else (form.row(()) for _ in batch)
        target.write(("" if is_first else form.between).encode() + form.between.join(rows).encode())
        is_first = False
    target.write(form.end.encode())


class _Texts(dict[Any, str]):
    """The texts of a column's values in a result; "" is unbound."""

    def __init__(self, decode: Decoder, cell: Callable[[str], str]) -> None:
        self._decode, self._cell = decode, cell

    def __missing__(self, value: Any) -> str:
        if len(self) >= CACHED:
            self.clear()
        text = self[value] = "" if value is None else self._cell(self._decode(value))
        return text


def write_boolean(value: bool, media_type: str, target: Writer) -> None:
    """Write the result of an ASK. Raises KeyError for another media type."""
    word = "true" if value else "false"
    forms = {
        media_types.SPARQL_JSON: f'{{"head":{{}},"boolean":{word}}}',
        media_types.SPARQL_XML: f"{XML_HEAD}<head></head><boolean>{word}</boolean></sparql>",
        media_types.CSV: word,
        media_types.TSV: word,
    }
    target.write(forms[media_type].encode())


@dataclass(frozen=True)
class _Form:
    """A format of solutions: its begin and end, the text of a variable's term, and rows of these texts."""

    head: str
    cells: Sequence[Callable[[str], str]]
    row: Callable[[Sequence[str]], str]
    between: str
    end: str


def _json(variables: tuple[str, ...]) -> _Form:
    def cell(variable: str) -> Callable[[str], str]:
        name = json.dumps(variable)
        return lambda term: f"{name}:{_json_term(term)}"

    head = json.dumps({"vars": list(variables)}, ensure_ascii=False, separators=(",", ":"))
    return _Form(
        f'{{"head":{head},"results":{{"bindings":[',
        [cell(variable) for variable in variables],
        lambda texts: f"{{{','.join(filter(None, texts))}}}",
        ",",
        "]}}",
    )


@lru_cache(CACHED)
def _json_term(term: str) -> str:
    if term[0] == "<":
        return f'{{"type":"uri","value":{_json_text(term[1:])}}}'
    if term[0] == "_":
        return f'{{"type":"bnode","value":{_json_text(term[1:])}}}'
    tag, lexical = split_literal(term)
    extra = ""
    if tag[:1] == "@":
        extra = f',"xml:lang":{_json_text(tag[1:])}'
    elif tag:
        extra = f',"datatype":{_json_text(tag[1:])}'
    return f'{{"type":"literal","value":{_json_text(lexical)}{extra}}}'


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _xml(variables: tuple[str, ...]) -> _Form:
    def cell(variable: str) -> Callable[[str], str]:
        name = quoteattr(variable)
        return lambda term: f"<binding name={name}>{_xml_term(term)}</binding>"

    head = "".join(f"<variable name={quoteattr(name)}/>" for name in variables)
    return _Form(
        f"{XML_HEAD}<head>{head}</head><results>",
        [cell(variable) for variable in variables],
        lambda texts: f"<result>{''.join(texts)}</result>",
        "",
        "</results></sparql>",
    )


@lru_cache(CACHED)
def _xml_term(term: str) -> str:
    if term[0] == "<":
        return f"<uri>{_xml_text(term[1:])}</uri>"
    if term[0] == "_":
        return f"<bnode>{_xml_text(term[1:])}</bnode>"
    tag, lexical = split_literal(term)
    attribute = ""
    if tag[:1] == "@":
        attribute = f" xml:lang={quoteattr(tag[1:])}"
    elif tag:
        attribute = f" datatype={quoteattr(tag[1:])}"
    return f"<literal{attribute}>{_xml_text(lexical)}</literal>"


def _xml_text(text: str) -> str:
    # A parser would read a carriage return as a line feed.
    return escape(text, {"\r": "&#xD;"})


def _csv(variables: tuple[str, ...]) -> _Form:
    head = ",".join(map(_csv_text, variables)) + "\r\n"
    return _Form(head, [_csv_term] * len(variables), lambda texts: ",".join(texts) + "\r\n", "", "")


@lru_cache(CACHED)
def _csv_term(term: str) -> str:
    if term[0] == "_":
        return f"_:{term[1:]}"
    return _csv_text(term[1:] if term[0] == "<" else split_literal(term)[1])


def _csv_text(text: str) -> str:
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _tsv(variables: tuple[str, ...]) -> _Form:
    head = "\t".join(f"?{name}" for name in variables) + "\n"
    return _Form(head, [_tsv_term] * len(variables), lambda texts: "\t".join(texts) + "\n", "", "")


@lru_cache(CACHED)
def _tsv_term(term: str) -> str:
    if term[0] == "<":
        return f"<{term[1:]}>"
    if term[0] == "_":
        return f"_:{term[1:]}"
    tag, lexical = split_literal(term)
    if tag in BARE and BARE[tag].fullmatch(lexical) and _is_bare(tag, lexical):
        return lexical
    suffix = tag if tag[:1] == "@" else f"^^<{tag[1:]}>" if tag else ""
    return f'"{lexical.translate(ESCAPES)}"{suffix}'


def _is_bare(tag: str, lexical: str) -> bool:
    """Return whether Turtle reads a number without quotation marks as this datatype."""
    if tag.endswith("#decimal"):
        return "." in lexical and lexical[-1] != "."
    return "e" in lexical.lower() if tag.endswith("#double") else True


_FORMATS: dict[str, Callable[[tuple[str, ...]], _Form]] = {
    media_types.SPARQL_JSON: _json,
    media_types.SPARQL_XML: _xml,
    media_types.CSV: _csv,
    media_types.TSV: _tsv,
}
SOLUTION_FORMATS = frozenset(_FORMATS)
