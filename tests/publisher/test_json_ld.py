"""JSON-LD has types as @type, like the standard's algorithm, in whatever blocks it is written."""

import io
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, Triple, parse, serialize

from vaven.publisher.rdf.json_ld import LONGEST, Typed, typed, write_json_ld

TYPE = NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
NAME = NamedNode("http://a.example/name")


def resources(count: int) -> Iterator[Triple]:
    for i in range(count):
        resource = NamedNode(f"http://[::1]/{i}") if i % 3 else BlankNode(f"b{i}")
        for j in range(i % 4):
            yield Triple(resource, TYPE, NamedNode(f"http://[::1]/Class{j}" if j % 2 else f"http://a.example/C{j}"))
        # A literal with the text of the property.
        yield Triple(resource, NAME, Literal(f'"{TYPE.value}":[{{"@id":"http://a.example/C"}}] å {i}'))
        yield Triple(resource, NAME, TYPE)


def written(triples: list[Triple]) -> bytes:
    target = io.BytesIO()
    write_json_ld(triples, target)
    return target.getvalue()


def nodes(text: bytes) -> list[dict[str, Any]]:
    return json.loads(text)  # type: ignore[no-any-return]


def test_types_become_type_keywords_and_nothing_else_changes() -> None:
    triples = list(resources(500))
    text = written(triples)
    assert all(TYPE.value not in node for node in nodes(text))
    assert nodes(text)[1]["@type"] == ["http://a.example/C0"]
    assert {str(q.triple) for q in parse(text, RdfFormat.JSON_LD)} == {str(t) for t in triples}


@pytest.mark.parametrize("seed", range(20))
def test_the_output_is_independent_of_the_size_of_written_blocks(seed: int) -> None:
    complete = serialize(list(resources(60)), format=RdfFormat.JSON_LD) or b""
    dice, target = random.Random(seed), io.BytesIO()
    through, at = Typed(target), 0
    while at < len(complete):
        size = dice.choice((1, 2, 7, 60, 400))
        through.write(complete[at : at + size])
        at += size
    through.finish()
    assert target.getvalue() == typed(complete)
    assert b'"@type"' in target.getvalue()


def test_literals_and_blank_nodes_as_types_are_not_lost() -> None:
    resource = NamedNode("http://a.example/t")
    triples = [Triple(resource, TYPE, Literal("x")), Triple(NamedNode("http://a.example/u"), TYPE, BlankNode("y"))]
    literal, blank = nodes(written(triples))
    assert literal[TYPE.value] == [{"@value": "x"}]
    assert blank["@type"] == ["_:y"]


def test_a_list_beyond_the_limit_is_complete() -> None:
    resource = NamedNode("http://a.example/t")
    triples = [Triple(resource, TYPE, NamedNode(f"http://a.example/Class{i}")) for i in range(LONGEST // 20)]
    triples += [Triple(resource, NAME, Literal(str(i))) for i in range(LONGEST)]
    assert len(list(parse(written(triples), RdfFormat.JSON_LD))) == len(triples)
