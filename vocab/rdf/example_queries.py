"""Example queries as RDF, so that any editor can find them in the endpoint itself.

SHACL Advanced Features (W3C Working Group Note 2017-06-08), section 5.1: a sh:SPARQLSelectExecutable has its query in
sh:select. Labels, comments, keywords and target follow SIB's editor (sib-swiss/sparql-examples).
"""

from rdflib import RDF, RDFS, SH, XSD, BNode, Graph, Literal, URIRef

from vaven.vocab.example_queries import examples
from vaven.vocab.iris import Iris
from vaven.vocab.rdf.namespaces import SCHEMA


def add_examples(graph: Graph, iris: Iris) -> None:
    """Add all example queries, and declare the endpoint's prefixes on its ontology (SHACL, section 5.2.1)."""
    ontology = URIRef(iris.ontology)
    for prefix, namespace in iris.prefixes.items():
        declaration = BNode()
        graph.add((ontology, SH.declare, declaration))
        graph.add((declaration, RDF.type, SH.PrefixDeclaration))
        graph.add((declaration, SH.prefix, Literal(prefix)))
        graph.add((declaration, SH.namespace, Literal(namespace, datatype=XSD.anyURI)))
    for example in examples().values():
        node = URIRef(iris.example(example.id))
        graph.add((node, RDF.type, SH.SPARQLExecutable))
        graph.add((node, RDF.type, SH.SPARQLSelectExecutable))
        for language, title in example.titles.items():
            graph.add((node, RDFS.label, Literal(title, lang=language)))
            graph.add((node, RDFS.comment, Literal(title, lang=language)))
        for word in example.keywords:
            graph.add((node, SCHEMA.keywords, Literal(word)))
        graph.add((node, SH.order, Literal(example.order)))
        graph.add((node, SH.prefixes, ontology))
        graph.add((node, SH.select, Literal(example.query(iris.base))))
        graph.add((node, SCHEMA.target, URIRef(iris.base + "sparql")))
