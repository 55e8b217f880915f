"""Quality measurements of a release, as values and as RDF in the Data Quality Vocabulary (W3C Note 2016-12-15)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import duckdb
from rdflib import DCTERMS, PROV, RDF, XSD, Graph, Literal, Namespace, URIRef

from vaven.publisher.releases.release import Release
from vaven.schemas.standard.finding import Report, Severity
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.literals import add_texts, decimal, moment
from vaven.vocab.rdf.namespaces import DQV, OA
from vaven.vocab.register import SUPPRESSED

UNIT_MEASURE = URIRef(NAMESPACES["sdmx-attribute"] + "unitMeasure")
PERCENT = URIRef(NAMESPACES["unit"] + "PERCENT")


@dataclass(frozen=True)
class Quality:
    """Counts of a release's observations; `filled` is the number of non-empty cells by column."""

    rows: int
    filled: Mapping[str, int]
    suppressed: int

    @property
    def completeness_percent(self) -> Decimal:
        return _percent(self.filled["value"], self.rows)

    @property
    def suppressed_percent(self) -> Decimal:
        return _percent(self.suppressed, self.rows)


def measure_quality(release: Release) -> Quality:
    """Count a release's observations.

    Cost: one scan of the Parquet's columns.
    """
    with duckdb.connect() as work:
        view = work.read_parquet(str(release.table("observations")))
        counts = ", ".join(f'count("{column}")' for column in view.columns)
        query = f"SELECT count(*), count(*) FILTER (status = '{SUPPRESSED}'), {counts} FROM view"
        rows, suppressed, *filled = work.execute(query).fetchall()[0]
        return Quality(rows, dict(zip(view.columns, filled, strict=True)), suppressed)


def add_quality(graph: Graph, iris: Iris, release: Release, report: Report, quality: Quality) -> None:
    """Add a dqv:QualityMeasurement for each metric, and the receipt as the release's quality certificate."""
    version = URIRef(iris.dataset(release.dataset, release.version))
    for name, metric, value in _measurements(iris, report, quality):
        node = URIRef(iris.release_part(release.dataset, release.version, "quality", name))
        graph.add((version, DQV.hasQualityMeasurement, node))
        graph.add((node, RDF.type, DQV.QualityMeasurement))
        graph.add((node, DQV.isMeasurementOf, metric))
        graph.add((node, DQV.computedOn, version))
        graph.add((node, DQV.value, value))
        if value.datatype == XSD.decimal:
            graph.add((node, UNIT_MEASURE, PERCENT))
    _add_certificate(graph, iris, release, version)


def _measurements(iris: Iris, report: Report, quality: Quality) -> Iterator[tuple[str, URIRef, Literal]]:
    """Yield name, metric and value; the metrics are defined in ontology.ttl, and every rule is a metric too."""
    ontology = Namespace(iris.ontology)
    severities = {finding.code: finding.severity for finding in report.findings}
    by_severity = {severity: [c for c, s in severities.items() if s == severity] for severity in Severity}
    counts = {severity: sum(report.counts[code] for code in codes) for severity, codes in by_severity.items()}
    yield "rows-checked", ontology.rowsChecked, Literal(sum(report.rows.values()))
    yield "errors", ontology.errors, Literal(counts[Severity.ERROR])
    yield "warnings", ontology.warnings, Literal(counts[Severity.WARNING])
    yield "completeness", ontology.valueCompleteness, decimal(quality.completeness_percent)
    yield "suppressed", ontology.suppressedShare, decimal(quality.suppressed_percent)
    for code in sorted(by_severity[Severity.WARNING]):
        yield code, URIRef(iris.rule(code)), Literal(report.counts[code])


def _add_certificate(graph: Graph, iris: Iris, release: Release, version: URIRef) -> None:
    node = URIRef(iris.release_part(release.dataset, release.version, "certificate"))
    graph.add((version, DQV.hasQualityAnnotation, node))
    graph.add((node, RDF.type, DQV.QualityCertificate))
    graph.add((node, OA.hasTarget, version))
    graph.add((node, OA.hasBody, URIRef(iris.distribution(release.dataset, release.version, "report.json"))))
    graph.add((node, OA.motivatedBy, DQV.qualityAssessment))
    graph.add((node, DQV.inDimension, URIRef(iris.ontology + "validity")))
    titles = {language: messages(language, "publisher")("provenance.certificate") for language in LANGUAGES}
    add_texts(graph, node, DCTERMS.title, titles)
    graph.add((node, PROV.generatedAtTime, moment(release.issued_at)))


def _percent(part: int, total: int) -> Decimal:
    return (Decimal(100 * part) / total).quantize(Decimal("0.01")) if total else Decimal(0)
