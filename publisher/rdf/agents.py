"""Agents as RDF: publishers of the catalogue and of the datasets, contacts, and the actors of investments.

Each has an IRI: the Swedish portal harvests no blank node as publisher or contact, and requires that an organisation is
described once ("Skördning av DCAT-AP-SE", DIGG).
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from typing import Any

from rdflib import DCTERMS, FOAF, OWL, PROV, RDF, Graph, Literal, URIRef

from vaven.publisher.releases.release import Release
from vaven.schemas.tables.about import slug_of
from vaven.schemas.tables.tables import About
from vaven.vocab import register
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.cids import add_organization
from vaven.vocab.rdf.namespaces import VCARD

MISSION = "Den sociala väven"
# DIGG's pattern, by which the portal identifies an organisation across catalogues.
PORTAL = "http://dataportal.se/organisation/SE"


def add_mission(graph: Graph, iris: Iris) -> URIRef:
    """Add the mission, which publishes the catalogue; return its node."""
    node = _add_agent(graph, iris, name_key(MISSION), MISSION, "civil-society")
    for language in LANGUAGES:
        description = Literal(messages(language, "publisher")("catalogue.description"), lang=language)
        graph.add((node, DCTERMS.description, description))
    return node


def publisher_key(about: About) -> str:
    """Return the last segment of the publisher's IRI: its organisation number, or else a short form of its name."""
    return about.publisher_number or name_key(about.publisher_name or MISSION)


def name_key(name: str) -> str:
    """Return a short form of an organisation's name, unique by a digest of the name if letters were lost."""
    slug = slug_of(name, "organisation")
    letters = unicodedata.normalize("NFKD", name.casefold())
    is_lossy = any(c.isalnum() and not c.isascii() for c in letters) or not any(c.isalpha() for c in letters)
    return f"{slug}-{hashlib.sha256(name.casefold().encode()).hexdigest()[:8]}" if is_lossy else slug


def add_publisher(graph: Graph, iris: Iris, about: About) -> URIRef:
    if publisher_key(about) == name_key(MISSION):
        return add_mission(graph, iris)
    name, number = about.publisher_name, about.publisher_number
    return _add_agent(graph, iris, publisher_key(about), name, about.publisher_sector, number)


def add_contact(graph: Graph, iris: Iris, about: About) -> URIRef:
    """Add the contact of a dataset whose description has an e-mail address; return its node."""
    node = URIRef(iris.contact(about.slug))
    graph.add((node, RDF.type, VCARD.Organization))
    graph.add((node, VCARD.fn, Literal(about.contact_name or about.publisher_name or about.contact_email)))
    graph.add((node, VCARD.hasEmail, URIRef(f"mailto:{about.contact_email}")))
    return node


def add_operator_contact(graph: Graph, iris: Iris, email: str) -> URIRef:
    """Add the contact of the SPARQL service; return its node."""
    node = URIRef(iris.service_contact)
    graph.add((node, RDF.type, VCARD.Organization))
    graph.add((node, VCARD.fn, Literal(MISSION)))
    graph.add((node, VCARD.hasEmail, URIRef(f"mailto:{email}")))
    graph.add((node, VCARD.hasURL, URIRef(iris.base)))
    return node


def add_actor(graph: Graph, iris: Iris, release: Release, row: Mapping[str, Any]) -> URIRef:
    """Add an actor of an investment; return its node. Without an organisation number, its IRI is the dataset's."""
    number = row["organisation_number"] or ""
    return _add_agent(graph, iris, number or f"{release.dataset}.{row['id']}", row["name"], row["sector"], number)


def _add_agent(graph: Graph, iris: Iris, key: str, name: str, sector: str, number: str = "") -> URIRef:
    node = URIRef(iris.organisation(key))
    kind = register.codes("sectors")[sector or "civil-society"].properties["adms_iri"]
    graph.add((node, RDF.type, FOAF.Agent))
    graph.add((node, RDF.type, PROV.Organization))
    add_organization(graph, node, name)
    # In one language, so that a query for names returns one row for each organisation; the feed adds English.
    graph.add((node, FOAF.name, Literal(name, lang="sv")))
    graph.add((node, DCTERMS.type, URIRef(kind)))
    if number:
        graph.add((node, DCTERMS.identifier, Literal(number)))
        graph.add((node, OWL.sameAs, URIRef(PORTAL + number.replace("-", ""))))
    return node
