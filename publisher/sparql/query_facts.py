"""Facts that a service needs of a query before it runs: form, dataset, prefixes and determinism.

Read from the syntax tree, once per text. A query that the grammar refuses, and the engine may accept, is in a later
version of SPARQL: for it, the facts are those of its words, the result is not cached, and the text is unchanged.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urljoin

from lark import Tree

from vaven.publisher.sparql.error_text import QueryMistake
from vaven.publisher.sparql.grammar import SyntaxStop, parse_tree
from vaven.publisher.sparql.lexer import FORMS, DecodedQuery, Token
from vaven.publisher.sparql.syntax_check import find_tolerated_mistake
from vaven.publisher.sparql.tree import Node, child_nodes, end_of, first_leaf, leaves, start_of

# A text has at most 200,000 characters (catalogue/sparql/protocol.py).
MAX_CACHED = 32


@dataclass(frozen=True)
class QueryFacts:
    """Facts of a query.

    `form` is SELECT, ASK, CONSTRUCT or DESCRIBE; "" for any other text. `has_dataset`: FROM or FROM NAMED (SPARQL 1.1,
    section 13.2). `is_deterministic`: the result is the same until new data are published (no function of time or
    chance). `prologue` are prefixes, with their colon, and IRIs in the order of the query; BASE lines have the prefix
    "". `text` is the query with its escapes replaced, and with `true` and `false` in lower case, as Oxigraph requires.
    `tolerated` is a mistake that an engine may not report.
    """

    form: str
    has_dataset: bool
    is_deterministic: bool
    prologue: tuple[tuple[str, str], ...]
    text: str
    tolerated: QueryMistake | None = None

    def declared_prefixes(self, base: str) -> dict[str, str]:
        """Return the namespaces of the PREFIX lines by prefix, without its colon; the last declaration counts.

        Each IRI is resolved against the BASE before it (SPARQL 1.1 Query Language, section 4.1.1.2), the first against
        `base`.
        """
        declared = {}
        for prefix, iri in self.prologue:
            if prefix:
                declared[prefix[:-1]] = _resolve(base, iri)
            else:
                base = _resolve(base, iri)
        return declared


@lru_cache(MAX_CACHED)
def read_facts(query: str) -> QueryFacts:
    """Return the facts of a query. Cost: that of `parse_tree`; a text among the last MAX_CACHED is not parsed again."""
    tree, text = parse_tree(query), DecodedQuery(query).text
    if isinstance(tree, SyntaxStop):
        return _facts_of_words(text, tree)
    text = lower_booleans(text, tree)
    form = tree.children[-1]
    assert isinstance(form, Tree)
    return QueryFacts(
        str(first_leaf(form)),
        bool(child_nodes(form, "dataset")),
        # NOW, RAND, UUID and STRUUID (sections 17.4.2.12, 17.4.4.5 and 17.4.5.1) are the functions without argument.
        not any(word.type == "FUNCTION_0" for word in leaves(form)),
        tuple(_prologue(map(str, leaves(*tree.children[:-1])))),
        text,
        find_tolerated_mistake(tree),
    )


def lower_booleans(query: str, tree: Node) -> str:
    """Return the query with `true` and `false` in lower case."""
    for word in leaves(tree):
        if word.type in ("TRUE", "FALSE"):
            query = query[: start_of(word)] + word.lower() + query[end_of(word) :]
    return query


def _facts_of_words(text: str, stop: SyntaxStop) -> QueryFacts:
    words = [token.text for token in stop.all_tokens if token.kind == "word"]
    form = next((word for word in words if word in FORMS), "")
    has_dataset = any(word.startswith("FROM") for word in words)
    prologue = tuple(_prologue(token.text for token in stop.before))
    return QueryFacts(form, has_dataset, False, prologue, text, find_tolerated_mistake(stop))


def undeclared_prefix(query: str) -> Token | None:
    """Return the first prefixed name whose prefix is not declared."""
    tree = parse_tree(query)
    if isinstance(tree, SyntaxStop):
        written: Iterable[str] = (token.text for token in tree.before)
        names = [token for token in tree.all_tokens if token.kind == "prefixed"]
    else:
        written = map(str, leaves(tree))
        words = (word for word in leaves(tree) if word.type in ("PNAME_LN", "PNAME_NS"))
        names = [Token("prefixed", str(w), w.line or 1, w.column or 1, w.start_pos or 0) for w in words]
    declared = {prefix for prefix, _ in _prologue(written)}
    return next((name for name in names if name.text.partition(":")[0] + ":" not in declared), None)


def _prologue(written: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield prefixes and IRIs from the first tokens of a query."""
    rest = iter(written)
    for word in rest:
        if word not in ("BASE", "PREFIX"):
            return
        prefix = next(rest, "") if word == "PREFIX" else ""
        yield prefix, next(rest, "")[1:-1]


def _resolve(base: str, iri: str) -> str:
    """Resolve an IRI against a base; with its fragment separate, since Python omits an empty one."""
    reference, mark, rest = iri.partition("#")
    return urljoin(base, reference) + mark + rest
