"""Provenance of a release (PROV-O, W3C Recommendation 2013-04-30): a submission was checked, then released.

The partner's file itself is not public; it is identified by its hash, so that anyone who has it can verify it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed

from rdflib import DCTERMS, FOAF, PROV, RDF, RDFS, XSD, BNode, Graph, Literal, URIRef

from vaven.publisher.metadata.distributions import add_checksum
from vaven.publisher.rdf.agents import add_mission
from vaven.publisher.releases.release import Release
from vaven.schemas.rules.metadata import effects
from vaven.schemas.standard.finding import Report
from vaven.vocab import media_types
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.literals import add_texts, moment
from vaven.vocab.rdf.namespaces import DCAT


@dataclass(frozen=True)
class ProvenanceRecord:
    """The report on a submission, with the beginning and end of its processing (UTC)."""

    report: Report
    began_at: datetime
    ended_at: datetime


def add_provenance(graph: Graph, iris: Iris, release: Release, provenance: ProvenanceRecord, publisher: URIRef) -> None:
    """Add submission, check, receipt and release, with the software and the rules."""

    def part(name: str) -> URIRef:
        return URIRef(iris.release_part(release.dataset, release.version, name))

    report, version = provenance.report, URIRef(iris.dataset(release.dataset, release.version))
    receipt = URIRef(iris.distribution(release.dataset, release.version, "report.json"))
    submission, standard = (
        _add_submission(graph, iris, part("submission"), report, publisher),
        _add_standard(graph, iris, report),
    )
    software, rules = _add_software(graph, iris), _add_rules(graph, iris, report)
    checked_at = report.checked_at or provenance.began_at
    checking = _add_activity(graph, part("checking"), "checking", provenance.began_at, checked_at)
    releasing = _add_activity(graph, part("releasing"), "releasing", release.issued_at, provenance.ended_at)
    for activity in (checking, releasing):
        graph.add((activity, PROV.wasAssociatedWith, software))
        graph.add((activity, PROV.used, submission))
    _add_plan(graph, checking, software, rules)
    graph.add((checking, PROV.used, standard))
    graph.add((releasing, PROV.used, receipt))
    graph.add((releasing, PROV.used, URIRef(iris.structure)))
    graph.add((releasing, PROV.wasInformedBy, checking))
    _add_receipt(graph, receipt, checking, submission, software)
    graph.add((version, RDF.type, PROV.Entity))
    graph.add((version, PROV.wasGeneratedBy, releasing))
    graph.add((version, PROV.wasDerivedFrom, submission))
    graph.add((version, PROV.wasAttributedTo, publisher))
    graph.add((version, PROV.generatedAtTime, moment(release.issued_at)))


def provenance_statement(provenance: ProvenanceRecord, defaults: Sequence[str]) -> dict[str, str]:
    """Return the origin of the data in each language (dcterms:provenance).

    `defaults` are the properties that the sender left out.
    """
    report = provenance.report
    params = {
        "standard": report.standard_version,
        "rules": report.rules_version,
        "rows": sum(report.rows.values()),
        "day": f"{report.checked_at or provenance.began_at:%Y-%m-%d}",
        "sha256": report.sha256,
    }
    return {
        language: " ".join(
            (messages(language, "publisher")("provenance.statement", **params), *effects(defaults, language))
        )
        for language in LANGUAGES
    }


def _add_submission(graph: Graph, iris: Iris, node: URIRef, report: Report, publisher: URIRef) -> URIRef:
    graph.add((node, RDF.type, PROV.Entity))
    _add_labels(graph, node, "submission")
    graph.add((node, PROV.wasAttributedTo, publisher))
    add_checksum(graph, iris, node, report.sha256)
    return node


def _add_activity(graph: Graph, node: URIRef, key: str, began: datetime, ended: datetime) -> URIRef:
    graph.add((node, RDF.type, PROV.Activity))
    _add_labels(graph, node, key)
    graph.add((node, PROV.startedAtTime, moment(began)))
    graph.add((node, PROV.endedAtTime, moment(ended)))
    return node


def _add_receipt(graph: Graph, node: URIRef, checking: URIRef, submission: URIRef, software: URIRef) -> None:
    graph.add((node, RDF.type, PROV.Entity))
    graph.add((node, RDF.type, FOAF.Document))
    _add_labels(graph, node, "receipt")
    graph.add((node, DCTERMS.format, Literal(media_types.JSON)))
    graph.add((node, PROV.wasGeneratedBy, checking))
    graph.add((node, PROV.wasDerivedFrom, submission))
    graph.add((node, PROV.wasAttributedTo, software))


def _add_plan(graph: Graph, activity: URIRef, software: URIRef, rules: URIRef) -> None:
    association = BNode()
    graph.add((activity, PROV.qualifiedAssociation, association))
    graph.add((association, RDF.type, PROV.Association))
    graph.add((association, PROV.agent, software))
    graph.add((association, PROV.hadPlan, rules))


def _add_software(graph: Graph, iris: Iris) -> URIRef:
    number = installed("vaven")
    node = URIRef(iris.software(number))
    graph.add((node, RDF.type, PROV.SoftwareAgent))
    graph.add((node, RDFS.label, Literal(f"Väven {number}")))
    graph.add((node, DCAT.version, Literal(number)))
    graph.add((node, PROV.actedOnBehalfOf, add_mission(graph, iris)))
    return node


def _add_rules(graph: Graph, iris: Iris, report: Report) -> URIRef:
    node = URIRef(iris.rules(report.rules_version))
    graph.add((node, RDF.type, PROV.Plan))
    _add_labels(graph, node, "rules", version=report.rules_version)
    graph.add((node, DCAT.version, Literal(report.rules_version)))
    graph.add((node, FOAF.page, URIRef(iris.base + "help")))
    return node


def _add_standard(graph: Graph, iris: Iris, report: Report) -> URIRef:
    node = URIRef(iris.standard(report.standard_version))
    graph.add((node, RDF.type, DCTERMS.Standard))
    titles = _texts("standard", version=report.standard_version)
    add_texts(graph, node, DCTERMS.title, titles)
    graph.add((node, DCAT.version, Literal(report.standard_version, datatype=XSD.string)))
    graph.add((node, FOAF.page, URIRef(iris.base + "help")))
    return node


def _add_labels(graph: Graph, node: URIRef, key: str, **params: object) -> None:
    add_texts(graph, node, RDFS.label, _texts(key, **params))


def _texts(key: str, **params: object) -> Mapping[str, str]:
    return {language: messages(language, "publisher")(f"provenance.{key}", **params) for language in LANGUAGES}
