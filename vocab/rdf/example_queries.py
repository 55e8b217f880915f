"""The example queries as RDF, so that any editor finds them in the endpoint itself.

SHACL Advanced Features (W3C Working Group Note 2017-06-08), section 5.1: a sh:SPARQLSelectExecutable holds its query in
sh:select. Labels, comments, keywords and target are as SIB's editor reads them (sib-swiss/sparql-examples).
"""

from rdflib import RDF, RDFS, SH, XSD, BNode, Graph, Literal, URIRef

from vaven.vocab.example_queries import examples
from vaven.vocab.iris import Iris
from vaven.vocab.rdf.namespaces import SCHEMA


def add_examples(graph: Graph, iris: Iris) -> None:
    """All example queries, and the prefixes of the endpoint declared on its ontology (SHACL, section 5.2.1)."""
    ontology = URIRef(iris.ontology)
    for prefix, namespace in iris.prefixes.items():
        declared = BNode()
        graph.add((ontology, SH.declare, declared))
        graph.add((declared, RDF.type, SH.PrefixDeclaration))
        graph.add((declared, SH.prefix, Literal(prefix)))
        graph.add((declared, SH.namespace, Literal(namespace, datatype=XSD.anyURI)))
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
