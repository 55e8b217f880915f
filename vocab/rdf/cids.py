"""KPIs and themes in the Common Impact Data Standard 3.2.1 (CIDS), as its basic tier requires.

CIDS requires one plain literal where SKOS has one for each language. It is in English, since the standard's users are
Canadian; the Swedish text is in the SKOS labels of the same resource.
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
    # The indicator belongs to the register; each indicator report names its own organisation.
    graph.add((node, CIDS.forOrganization, URIRef(iris.mission)))


def add_impact_theme(graph: Graph, node: URIRef, theme: register.Theme) -> None:
    graph.add((node, RDF.type, CIDS.Theme))
    graph.add((node, TOVE.hasName, Literal(theme.text("en"))))
    graph.add((node, CIDS.hasDescription, Literal(theme.definition("en"))))


def add_organization(graph: Graph, node: URIRef, name: str) -> None:
    graph.add((node, RDF.type, CIDS.Organization))
    graph.add((node, TOVE.hasLegalName, Literal(name)))


def unit_names() -> dict[str, Mapping[str, str]]:
    """Return the names of QUDT's units by language.

    The name is the register's; where the register has several names for one unit, as QUDT has a single unit for all
    counts, it is a message.
    """
    names_by_unit: dict[str, set[tuple[str, ...]]] = {}
    for kpi in (kpi for kpi in register.kpis().values() if kpi.unit_iri):
        names_by_unit.setdefault(kpi.unit_iri, set()).add(tuple(kpi.unit(language) for language in LANGUAGES))
    return {iri: _unit_names(iri, *translations) for iri, translations in names_by_unit.items()}


def _unit_names(iri: str, name: tuple[str, ...], *others: tuple[str, ...]) -> Mapping[str, str]:
    if others:
        key = f"cube.unit.{iri.rpartition('/')[2]}"
        return {language: messages(language, "vocab")(key) for language in LANGUAGES}
    return dict(zip(LANGUAGES, name, strict=True))
