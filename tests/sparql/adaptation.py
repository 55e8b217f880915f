"""The W3C's queries with our properties and resources in place of theirs, so that they have results here."""

import zlib
from collections.abc import Iterator

from lark import Token, Tree

from tests.sparql.coverage import features
from tests.sparql.release import BASE
from vaven.publisher.sparql.grammar import SyntaxStop, parse_tree
from vaven.publisher.sparql.query_facts import read_facts

PROPERTIES = (
    f"<{BASE}ns#kpi>",
    "<http://purl.org/linked-data/sdmx/2009/measure#obsValue>",
    "<http://purl.org/linked-data/sdmx/2009/dimension#refArea>",
    "<http://www.w3.org/2004/02/skos/core#broader>",
    "<http://www.w3.org/2000/01/rdf-schema#label>",
    "<http://purl.org/linked-data/sdmx/2009/attribute#comment>",
    f"<{BASE}ns#sampleSize>",
)
RESOURCES = (
    f"<{BASE}id/kpi/tillit>",
    f"<{BASE}id/area/deso2018/0180C6070>",
    f"<{BASE}id/area/kommun/0180>",
    f"<{BASE}id/observation/kanter/0180C6070/tillit/2020/T/T>",
)
GRAPHS = (f"<{BASE}id/dataset/kanter>", f"<{BASE}id/dataset/grannar>", f"<{BASE}id/reference>")
# Names that keep their meaning.
OWN_PREFIXES = ("xsd:", "rdf:", "http://www.w3.org/")
# The result of these is not determined, as the values of a sample, or has most triples.
EXCLUDED = {"SAMPLE", "GROUP_CONCAT", "limit", "offset", "BNODE", "describe", "order", "path-negated"}


def adapt(query: str) -> str | None:
    """Return the query with our terms; None if its result is not determined, or may have all triples."""
    tree = parse_tree(query)
    if isinstance(tree, SyntaxStop) or not read_facts(query).is_deterministic or features(query).keys() & EXCLUDED:
        return None
    if any(_has_only_variables(node) for node in tree.find_data("same_subject")):
        return None
    text, end = [], 0
    for leaf, term in sorted(_replacements(tree), key=lambda pair: pair[0].start_pos or 0):
        start = leaf.start_pos or 0
        text.append(query[end:start] + term)
        end = start + len(leaf.value)
    return "".join(text) + query[end:]


def _replacements(tree: Tree[Token]) -> Iterator[tuple[Token, str]]:
    for node in tree.iter_subtrees():
        name = str(node.data)
        for index, child in enumerate(node.children):
            if not (isinstance(child, Tree) and child.data == "iri" and isinstance(leaf := child.children[0], Token)):
                continue
            if leaf.value.strip("<").startswith(OWN_PREFIXES):
                continue
            if name in ("dataset", "graph"):
                yield leaf, _choice(GRAPHS, leaf)
            elif name.startswith("path") or name == "negated" or (name in ("same_subject", "bracketed") and index > 0):
                yield leaf, _choice(PROPERTIES, leaf)
            elif name in ("same_subject", "objects", "relation", "row", "values"):
                yield leaf, _choice(RESOURCES, leaf)


def _choice(terms: tuple[str, ...], leaf: Token) -> str:
    """Return the same of our terms for each occurrence of a name."""
    return terms[zlib.crc32(leaf.value.encode()) % len(terms)]


def _has_only_variables(node: Tree[Token]) -> bool:
    verbs = [child for child in node.children[1:] if not (isinstance(child, Tree) and child.data == "objects")]
    return any(isinstance(verb, Token) and verb.type == "VAR" for verb in verbs)
