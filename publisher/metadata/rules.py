"""The validator's rules as dqv:Metrics (DQV, section 4.7), together with the vocabulary that they belong to."""

from functools import cache

from rdflib import FOAF, RDF, XSD, Graph, URIRef

from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, Messages, messages
from vaven.vocab.rdf.namespaces import DQV
from vaven.vocab.rdf.vocabulary import add_concept, add_top_concepts, vocabulary
from vaven.vocab.register import Labelled

# The rooms with rules: schemas for submissions, publisher for finished releases.
ROOMS = ("schemas", "publisher")


def rule_texts(language: str) -> Messages:
    """Return the title, message and remedy of every rule."""
    texts = {
        key: text for room in ROOMS for key, text in messages(language, room).texts.items() if key.startswith("rule.")
    }
    return Messages(language, texts)


def published_vocabulary(iris: Iris) -> Graph:
    """Return the vocabulary with every rule as a concept and as a dqv:Metric, which counts findings per release."""
    graph = vocabulary(iris)
    texts = {language: rule_texts(language) for language in LANGUAGES}
    for code in (key.split(".")[1] for key in texts["sv"].texts if key.endswith(".title")):
        titles = {language: rules(f"rule.{code}.title") for language, rules in texts.items()}
        node = add_concept(graph, iris, "rule", iris.rule(code), Labelled(code, titles))
        graph.add((node, RDF.type, DQV.Metric))
        graph.add((node, DQV.inDimension, URIRef(iris.ontology + "validity")))
        graph.add((node, DQV.expectedDataType, XSD.integer))
        graph.add((node, FOAF.page, URIRef(f"{iris.base}help/{code}")))
    add_top_concepts(graph)
    return graph


@cache
def vocabulary_triples(iris: Iris) -> bytes:
    """Return the published vocabulary as N-Triples."""
    triples: bytes = published_vocabulary(iris).serialize(format="nt", encoding="utf-8")
    return triples
