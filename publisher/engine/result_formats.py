"""Results of SELECT and ASK in the W3C's formats: JSON, XML, CSV and TSV.

SPARQL 1.1 Query Results JSON Format; SPARQL Query Results XML Format (Second Edition); SPARQL 1.1 Query Results CSV and
TSV Formats.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import Protocol
from xml.sax.saxutils import escape, quoteattr

from vaven.publisher.columnar.run import Solution, Solutions
from vaven.publisher.columns.terms import XSD, split_literal
from vaven.publisher.columns.values import DECIMAL_FORM, DOUBLE_FORM, INTEGER_FORM
from vaven.vocab import media_types

BATCH = 1024
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
    """Write the solutions of a SELECT. Raises KeyError for another media type."""
    head, row, between, end = _FORMATS[media_type](solutions.variables)
    target.write(head.encode())
    parts = (row(solution) for solution in solutions.rows)
    is_first = True
    while batch := list(islice(parts, BATCH)):
        target.write(("" if is_first else between).encode() + between.join(batch).encode())
        is_first = False
    target.write(end.encode())


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


Row = Callable[[Solution], str]


def _json(variables: tuple[str, ...]) -> tuple[str, Row, str, str]:
    names = [f"{json.dumps(name)}:" for name in variables]

    def row(solution: Solution) -> str:
        cells = (name + _json_term(term) for name, term in zip(names, solution, strict=True) if term is not None)
        return f"{{{','.join(cells)}}}"

    head = json.dumps({"vars": list(variables)}, ensure_ascii=False, separators=(",", ":"))
    return f'{{"head":{head},"results":{{"bindings":[', row, ",", "]}}"


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


def _xml(variables: tuple[str, ...]) -> tuple[str, Row, str, str]:
    def row(solution: Solution) -> str:
        cells = (
            f"<binding name={quoteattr(name)}>{_xml_term(term)}</binding>"
            for name, term in zip(variables, solution, strict=True)
            if term is not None
        )
        return f"<result>{''.join(cells)}</result>"

    head = "".join(f"<variable name={quoteattr(name)}/>" for name in variables)
    return f"{XML_HEAD}<head>{head}</head><results>", row, "", "</results></sparql>"


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


def _csv(variables: tuple[str, ...]) -> tuple[str, Row, str, str]:
    def row(solution: Solution) -> str:
        return ",".join("" if term is None else _csv_term(term) for term in solution) + "\r\n"

    return ",".join(map(_csv_text, variables)) + "\r\n", row, "", ""


@lru_cache(CACHED)
def _csv_term(term: str) -> str:
    if term[0] == "_":
        return f"_:{term[1:]}"
    return _csv_text(term[1:] if term[0] == "<" else split_literal(term)[1])


def _csv_text(text: str) -> str:
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _tsv(variables: tuple[str, ...]) -> tuple[str, Row, str, str]:
    def row(solution: Solution) -> str:
        return "\t".join("" if term is None else _tsv_term(term) for term in solution) + "\n"

    return "\t".join(f"?{name}" for name in variables) + "\n", row, "", ""


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


_FORMATS: dict[str, Callable[[tuple[str, ...]], tuple[str, Row, str, str]]] = {
    media_types.SPARQL_JSON: _json,
    media_types.SPARQL_XML: _xml,
    media_types.CSV: _csv,
    media_types.TSV: _tsv,
}
