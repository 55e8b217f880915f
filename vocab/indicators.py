"""KPIs and themes in the words of the Common Impact Data Standard 3.2.1, as its basic tier demands them.

CIDS wants one plain text where SKOS has one a language. It is the English one, since the standard's readers are
Canadian; the Swedish stands in the SKOS labels beside it.
"""

from rdflib import RDF, Graph, Literal, Namespace, URIRef

from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES, Iris

CIDS, TOVE = Namespace(NAMESPACES["cids"]), Namespace(NAMESPACES["tove"])


def add_indicator(graph: Graph, iris: Iris, node: URIRef, kpi: register.Kpi) -> None:
    graph.add((node, RDF.type, CIDS.Indicator))
    graph.add((node, TOVE.hasName, Literal(kpi.text("en"))))
    graph.add((node, CIDS.hasDescription, Literal(kpi.definition("en"))))
    graph.add((node, CIDS.unitDescription, Literal(kpi.unit("en"))))
    graph.add((node, CIDS.forTheme, URIRef(iris.theme(kpi.theme))))
    # The indicator is the register's; each report says whose figure it is.
    graph.add((node, CIDS.forOrganization, URIRef(iris.mission)))


def add_impact_theme(graph: Graph, node: URIRef, theme: register.Theme) -> None:
    graph.add((node, RDF.type, CIDS.Theme))
    graph.add((node, TOVE.hasName, Literal(theme.text("en"))))
    graph.add((node, CIDS.hasDescription, Literal(theme.definition("en"))))


def add_organization(graph: Graph, node: URIRef, name: str) -> None:
    graph.add((node, RDF.type, CIDS.Organization))
    graph.add((node, TOVE.hasLegalName, Literal(name)))
