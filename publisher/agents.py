"""Those behind the data, as RDF: the catalogue's and the datasets' publishers, contacts, and the actors of investments.

Each has an IRI of its own: the Swedish portal harvests no blank node as publisher or contact, and wants an
organisation to be described once ("Skördning av DCAT-AP-SE", DIGG).
"""

from collections.abc import Mapping
from typing import Any

from rdflib import DCTERMS, FOAF, OWL, PROV, RDF, Graph, Literal, Namespace, URIRef

from vaven.publisher.release import Release
from vaven.schemas.about import slug_of
from vaven.schemas.tables import About
from vaven.vocab import register
from vaven.vocab.indicators import add_organization
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES, messages

VCARD = Namespace(NAMESPACES["vcard"])
MISSION = "Den sociala väven"
# DIGG's pattern, by which the portal finds that two catalogues name the same organisation.
PORTAL = "http://dataportal.se/organisation/SE"


def add_mission(graph: Graph, iris: Iris) -> URIRef:
    """The mission itself, which publishes the catalogue."""
    node = _add_agent(graph, iris, slug_of(MISSION), MISSION, "civil-society")
    for language in LANGUAGES:
        words = Literal(messages(language)("catalogue.description"), lang=language)
        graph.add((node, DCTERMS.description, words))
    return node


def publisher_key(about: About) -> str:
    """What the publisher's IRI ends with: its organisation number, or else a short form of its name."""
    return about.publisher_number or slug_of(about.publisher_name or MISSION)


def add_publisher(graph: Graph, iris: Iris, about: About) -> URIRef:
    if publisher_key(about) == slug_of(MISSION):
        return add_mission(graph, iris)
    return _add_agent(graph, iris, publisher_key(about), about.publisher_name, about.publisher_sector)


def add_contact(graph: Graph, iris: Iris, about: About) -> URIRef:
    """Whom to ask about a dataset; `about` has an address for it."""
    node = URIRef(iris.contact(about.slug))
    graph.add((node, RDF.type, VCARD.Organization))
    graph.add((node, VCARD.fn, Literal(about.contact_name or about.publisher_name or about.contact_email)))
    graph.add((node, VCARD.hasEmail, URIRef(f"mailto:{about.contact_email}")))
    return node


def add_actor(graph: Graph, iris: Iris, release: Release, row: Mapping[str, Any]) -> URIRef:
    """An actor of an investment; one without a number belongs to its dataset, where its id is."""
    key = row["organisation_number"] or f"{release.dataset}-{row['id']}"
    return _add_agent(graph, iris, key, row["name"], row["sector"])


def _add_agent(graph: Graph, iris: Iris, key: str, name: str, sector: str) -> URIRef:
    node = URIRef(iris.organisation(key))
    kind = register.codes("sectors")[sector or "civil-society"].properties["adms_iri"]
    graph.add((node, RDF.type, FOAF.Agent))
    graph.add((node, RDF.type, PROV.Organization))
    add_organization(graph, node, name)
    # Once, so that a query for names has a row an organisation; the feed says it in English too.
    graph.add((node, FOAF.name, Literal(name, lang="sv")))
    graph.add((node, DCTERMS.type, URIRef(kind)))
    if (bare := key.replace("-", "")).isdecimal():
        graph.add((node, DCTERMS.identifier, Literal(key)))
        graph.add((node, OWL.sameAs, URIRef(PORTAL + bare)))
    return node
