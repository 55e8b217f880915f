"""KPIs and themes in the words of the Common Impact Data Standard 3.2.1, as its basic tier demands them.

CIDS wants one plain text where SKOS has one a language. It is the English one, since the standard's readers are
Canadian; the Swedish stands in the SKOS labels beside it.
"""

from collections.abc import Mapping

from rdflib import RDF, Graph, Literal, URIRef

from vaven.vocab import register
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.namespaces import CIDS, TOVE


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


def unit_names() -> dict[str, Mapping[str, str]]:
    """The names of QUDT's units by language: the register's, and where it has several, as QUDT has one unit for all
    that is counted, a word of its own."""
    named: dict[str, set[tuple[str, ...]]] = {}
    for kpi in (kpi for kpi in register.kpis().values() if kpi.unit_iri):
        named.setdefault(kpi.unit_iri, set()).add(tuple(kpi.unit(language) for language in LANGUAGES))
    return {iri: _unit_names(iri, *found) for iri, found in named.items()}


def _unit_names(iri: str, name: tuple[str, ...], *others: tuple[str, ...]) -> Mapping[str, str]:
    if others:
        key = f"cube.unit.{iri.rpartition('/')[2]}"
        return {language: messages(language, "vocab")(key) for language in LANGUAGES}
    return dict(zip(LANGUAGES, name, strict=True))
