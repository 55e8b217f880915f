"""Graphs and literals: an empty graph with our prefixes, texts by language, names, times and numbers."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from rdflib import XSD, Graph, Literal, URIRef

from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES

NAME = URIRef(NAMESPACES["sdo"] + "name")


def new_graph(iris: Iris) -> Graph:
    """Return an empty graph whose serialisations use our prefixes."""
    graph = Graph(bind_namespaces="none")
    for prefix, namespace in iris.prefixes.items():
        graph.bind(prefix, namespace)
    return graph


def add_texts(graph: Graph, subject: URIRef, predicate: URIRef, texts: Mapping[str, str]) -> None:
    """Add a literal for each language that has a text."""
    for language, text in texts.items():
        if text:
            graph.add((subject, predicate, Literal(text, lang=language)))


def add_name(graph: Graph, subject: URIRef, texts: Mapping[str, str]) -> None:
    """Add the name that cube.link's tools read, in every language: a single one, as of an area, is a proper name.

    They look for their users' languages, and Swedish is none of them; a reader may ask for Swedish alone.
    """
    only = next(iter(texts.values()), "")
    add_texts(graph, subject, NAME, {language: texts.get(language) or only for language in LANGUAGES})


def moment(time: datetime) -> Literal:
    """Return a time in UTC as xsd:dateTime, to the second, in canonical form; rdflib would write +00:00."""
    return Literal(f"{time:%Y-%m-%dT%H:%M:%SZ}", datatype=XSD.dateTime, normalize=False)


def decimal(number: object) -> Literal:
    """Return a number as xsd:decimal in canonical form (XML Schema 1.1 Part 2, section E.1): 70, not 70.0.

    Engines that store numbers by value write them in this form.
    """
    exact = Decimal(str(number))
    # Normalising a number that ends in zeros before the point would give 7E+1.
    plain = exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact.normalize()
    return Literal(f"{plain:f}", datatype=XSD.decimal, normalize=False)
