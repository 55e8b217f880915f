"""A dataset's versions as a chain (DCAT 3, section 11), those withdrawn among them: what no single release can know."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdflib import DCTERMS, PROV, RDF, Graph, Literal, Namespace, URIRef

from vaven.publisher.metadata.distributions import DCAT
from vaven.publisher.rdf.agents import add_publisher
from vaven.publisher.releases.records import ReleaseRecord, Withdrawal
from vaven.schemas.tables.tables import About
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.vocabulary import add_texts, moment

ADMS = Namespace(NAMESPACES["adms"])
# The EU's authority table dataset-status; DCAT 3, section 11.3, leaves the vocabulary of adms:status open.
WITHDRAWN = URIRef("http://publications.europa.eu/resource/authority/dataset-status/WITHDRAWN")


@dataclass(frozen=True)
class VersionHistory:
    """A dataset's versions that were ever shown, oldest first, and the tombstones among them by version.

    `current` is the version that readers get; None where all were withdrawn.
    """

    slug: str
    versions: tuple[ReleaseRecord, ...]
    withdrawn: Mapping[int, Withdrawal]
    current: int | None

    @property
    def newest(self) -> ReleaseRecord:
        """The current version, or else the last that was."""
        return next((r for r in self.versions if r.version == self.current), self.versions[-1])


def about_of(record: ReleaseRecord) -> About:
    """What the submission said of itself, as the records keep it."""
    return about_from(record.manifest or {})


def about_from(manifest: Mapping[str, Any]) -> About:
    """What `write_datapackage` kept of a submission's own words."""
    kept = dict(manifest["about"])
    kept["keywords"] = {language: tuple(words) for language, words in kept["keywords"].items()}
    return About(**kept)


def version_histories(
    finished: Iterable[ReleaseRecord], withdrawals: Sequence[Withdrawal], contents: Mapping[str, int]
) -> tuple[VersionHistory, ...]:
    """All datasets by slug, when readers see the versions of `contents` (dataset to version)."""
    shown: dict[str, list[ReleaseRecord]] = {}
    for record in finished:
        if record.visible_at or record.version <= contents.get(record.dataset, 0):
            shown.setdefault(record.dataset, []).append(record)
    gone = {slug: {w.version: w for w in withdrawals if w.dataset == slug} for slug in shown}
    return tuple(
        VersionHistory(slug, tuple(sorted(shown[slug], key=lambda r: r.version)), gone[slug], contents.get(slug))
        for slug in sorted(shown)
    )


def add_version_history(graph: Graph, iris: Iris, lineage: VersionHistory) -> None:
    """The dataset with its earlier versions. Of the current one its own release says all, that it is current too."""
    dataset = URIRef(iris.dataset(lineage.slug))
    for record in lineage.versions:
        version = URIRef(iris.dataset(lineage.slug, record.version))
        if record.version == lineage.current:
            continue
        graph.add((dataset, DCAT.hasVersion, version))
        if tombstone := lineage.withdrawn.get(record.version):
            _add_old(graph, iris, record, version)
            _add_tombstone(graph, version, tombstone)
        else:
            _add_old(graph, iris, record, version)
            add_texts(graph, version, DCTERMS.description, _description(about_of(record)))
    if lineage.current is None:
        _add_withdrawn(graph, iris, lineage, dataset)


def _add_old(graph: Graph, iris: Iris, record: ReleaseRecord, version: URIRef) -> None:
    """What must be said of a version that the graph no longer holds."""
    about = about_of(record)
    graph.add((version, RDF.type, DCAT.Dataset))
    add_texts(graph, version, DCTERMS.title, about.titles)
    graph.add((version, DCTERMS.publisher, add_publisher(graph, iris, about)))
    graph.add((version, DCAT.version, Literal(str(record.version))))
    graph.add((version, DCAT.isVersionOf, URIRef(iris.dataset(record.dataset))))
    graph.add((version, DCTERMS.issued, moment(record.reserved_at)))
    graph.add((version, DCAT.landingPage, URIRef(iris.page(record.dataset, record.version))))
    add_texts(graph, version, ADMS.versionNotes, {"sv": about.version_note})
    if record.version > 1:
        graph.add((version, DCAT.previousVersion, URIRef(iris.dataset(record.dataset, record.version - 1))))


def _add_tombstone(graph: Graph, node: URIRef, tombstone: Withdrawal) -> None:
    graph.add((node, ADMS.status, WITHDRAWN))
    graph.add((node, PROV.invalidatedAtTime, moment(tombstone.withdrawn_at)))
    day = f"{tombstone.withdrawn_at:%Y-%m-%d}"
    for language in LANGUAGES:
        text = messages(language, "publisher")("catalogue.withdrawn", day=day, reason=tombstone.reason)
        graph.add((node, DCTERMS.description, Literal(text, lang=language)))


def _add_withdrawn(graph: Graph, iris: Iris, lineage: VersionHistory, dataset: URIRef) -> None:
    """A dataset of which nothing is left: no release says anything of it, so this does."""
    about, last = about_of(lineage.newest), max(lineage.withdrawn.values(), key=lambda w: w.withdrawn_at)
    graph.add((dataset, RDF.type, DCAT.Dataset))
    add_texts(graph, dataset, DCTERMS.title, about.titles)
    graph.add((dataset, DCTERMS.publisher, add_publisher(graph, iris, about)))
    graph.add((dataset, DCAT.landingPage, URIRef(iris.page(lineage.slug))))
    _add_tombstone(graph, dataset, last)


def _description(about: About) -> dict[str, str]:
    return {**about.titles, **{language: text for language, text in about.descriptions.items() if text}}
