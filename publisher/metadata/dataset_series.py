"""Dataset series (DCAT 3, section 12; DIGG's recommendations 15-21): one publisher's datasets of one kind.

The partner states in the submission which series a dataset belongs to; nobody else can know whether two datasets are
of one kind. Members are ordered by the period that their observations cover.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise

from rdflib import DCTERMS, RDF, Graph, Literal, URIRef

from vaven.publisher.metadata.dataset import add_timespan
from vaven.publisher.rdf.agents import add_publisher, publisher_key
from vaven.publisher.releases.versions import VersionHistory
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab import register
from vaven.vocab.areas import areas
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.literals import add_texts, moment
from vaven.vocab.rdf.namespaces import DCAT
from vaven.vocab.rdf.vocabulary import add_area

Members = Sequence[VersionHistory]


def add_all_series(graph: Graph, iris: Iris, histories: Iterable[VersionHistory]) -> tuple[URIRef, ...]:
    """Add every series of the current datasets, and return the series' IRIs."""
    grouped: dict[str, list[VersionHistory]] = {}
    for history in histories:
        about = history.newest.complete_manifest.about
        if history.current is not None and about.series:
            grouped.setdefault(iris.series(publisher_key(about), about.series), []).append(history)
    return tuple(
        _add_series(graph, iris, URIRef(iri), sorted(members, key=_position)) for iri, members in grouped.items()
    )


def _position(history: VersionHistory) -> tuple[date, date, str]:
    return (*history.newest.complete_manifest.period, history.slug)


def _add_series(graph: Graph, iris: Iris, node: URIRef, members: Members) -> URIRef:
    graph.add((node, RDF.type, DCAT.DatasetSeries))
    _add_description(graph, iris, node, members)
    _add_members(graph, iris, node, members)
    spans = [member.newest.complete_manifest.period for member in members]
    add_timespan(graph, iris, node, min(s[0] for s in spans), max(s[1] for s in spans))
    for kommun in sorted({kommun for m in members for kommun in m.newest.complete_manifest.kommuner}):
        graph.add((node, DCTERMS.spatial, add_area(graph, iris, areas().kommuner[kommun])))
    graph.add((node, DCTERMS.issued, moment(min(m.versions[0].reserved_at for m in members))))
    graph.add((node, DCTERMS.modified, moment(max(m.newest.reserved_at for m in members))))
    for scheme in (iris.structure, iris.standard(standard().version)):
        graph.add((node, DCTERMS.conformsTo, URIRef(scheme)))
    return node


def _add_description(graph: Graph, iris: Iris, node: URIRef, members: Members) -> None:
    """Add title, publisher and contact of the newest member, and the keywords and themes of all members."""
    about = members[-1].newest.complete_manifest.about
    add_texts(graph, node, DCTERMS.title, about.series_titles)
    for language in LANGUAGES:
        title = about.series_titles.get(language) or next(iter(about.series_titles.values()))
        text = messages(language, "publisher")("catalogue.series", title=title, count=len(members))
        graph.add((node, DCTERMS.description, Literal(text, lang=language)))
    graph.add((node, DCTERMS.publisher, add_publisher(graph, iris, about)))
    if about.contact_email:
        # Described by the newest member's own release.
        graph.add((node, DCAT.contactPoint, URIRef(iris.contact(about.slug))))
    for member in members:
        for language, keywords in member.newest.complete_manifest.about.keywords.items():
            for keyword in keywords:
                graph.add((node, DCAT.keyword, Literal(keyword, lang=language)))
        for slug in member.newest.complete_manifest.kpis:
            graph.add((node, DCAT.theme, URIRef(register.themes()[register.kpis()[slug].theme].data_theme)))


def _add_members(graph: Graph, iris: Iris, node: URIRef, members: Members) -> None:
    """Add the members, ordered in both directions: DCAT 3, section 7, allows dcat:next as inverse of dcat:prev."""
    nodes = [URIRef(iris.dataset(member.slug)) for member in members]
    graph.add((node, DCAT.first, nodes[0]))
    graph.add((node, DCAT.last, nodes[-1]))
    for member in nodes:
        graph.add((member, DCAT.inSeries, node))
    for before, after in pairwise(nodes):
        graph.add((after, DCAT.prev, before))
        graph.add((before, DCAT.next, after))
