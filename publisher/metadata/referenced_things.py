"""Resources that a release refers to, as RDF: periods, ages, areas, actors, investments and targets."""

from collections.abc import Mapping
from typing import Any

from rdflib import DCTERMS, RDF, RDFS, SKOS, XSD, Graph, Literal, Namespace, URIRef

from vaven.publisher.rdf.agents import add_actor
from vaven.publisher.releases.areas import ReleasedArea
from vaven.publisher.releases.release import Release, read_rows
from vaven.vocab.areas import areas
from vaven.vocab.iris import Iris
from vaven.vocab.periods import parse_period
from vaven.vocab.rdf.literals import NAME, add_name, decimal
from vaven.vocab.rdf.namespaces import CIDS, DCAT
from vaven.vocab.rdf.vocabulary import add_age, add_area, add_geometry

Row = Mapping[str, Any]


def add_referenced_resources(graph: Graph, iris: Iris, release: Release) -> None:
    """Describe every resource that the release's tables refer to."""
    for text in release.periods:
        _add_period(graph, iris, text)
    for age in release.ages:
        add_age(graph, iris, age)
    for area in release.areas.values():
        _add_area(graph, iris, area, release.about.area_vintage)
    actors = {row["id"]: add_actor(graph, iris, release, row) for row in read_rows(release.table("actors"))}
    for row in read_rows(release.table("investments")):
        _add_investment(graph, iris, release, row, actors)
    for row in read_rows(release.table("targets")):
        _add_target(graph, iris, release, row)


def split_list(cell: str | None) -> list[str]:
    """Split a list cell at the semicolons by which the standard separates values."""
    return [part.strip() for part in (cell or "").split(";") if part.strip()]


def _add_period(graph: Graph, iris: Iris, text: str) -> URIRef:
    period, node = parse_period(text), URIRef(iris.period(text))
    graph.add((node, RDF.type, DCTERMS.PeriodOfTime))
    graph.add((node, RDFS.label, Literal(text)))
    graph.add((node, NAME, Literal(text)))
    graph.add((node, DCAT.startDate, Literal(period.start, datatype=XSD.date)))
    graph.add((node, DCAT.endDate, Literal(period.end, datatype=XSD.date)))
    return node


def _add_area(graph: Graph, iris: Iris, area: ReleasedArea, area_vintage: str) -> None:
    """Add an area under its own name, with its parts in a vintage and its outline."""
    node = URIRef(area.iri(iris))
    vintage = area.area_vintage[-4:] if area.area_vintage[-4:].isdecimal() else None
    if official := None if area.area_vintage == "own" else areas().find(area.code, vintage):
        add_area(graph, iris, official)
    else:
        _add_own_area(graph, iris, area, node)
    graph.add((node, RDFS.label, Literal(area.name, lang="sv")))
    for code in area.parts:
        if part := areas().find_in(code, area_vintage):
            graph.add((node, DCTERMS.hasPart, add_area(graph, iris, part)))
    if area.geometry:
        add_geometry(graph, iris, node, area.geometry)


def _add_own_area(graph: Graph, iris: Iris, area: ReleasedArea, node: URIRef) -> None:
    """Add an area that the partner has defined, or that the register of areas does not have."""
    graph.add((node, RDF.type, URIRef(iris.ontology + "Area")))
    graph.add((node, RDF.type, SKOS.Concept))
    graph.add((node, SKOS.inScheme, URIRef(iris.scheme("area"))))
    graph.add((node, SKOS.notation, Literal(area.code)))
    graph.add((node, SKOS.prefLabel, Literal(area.name, lang="sv")))
    add_name(graph, node, {"sv": area.name})
    if area.kommun in areas().kommuner:
        graph.add((node, SKOS.broader, add_area(graph, iris, areas().kommuner[area.kommun])))
    else:
        graph.add((node, SKOS.topConceptOf, URIRef(iris.scheme("area"))))


def _add_investment(
    graph: Graph, iris: Iris, release: Release, row: Mapping[str, Any], actors: Mapping[str, URIRef]
) -> None:
    node, ontology = URIRef(iris.investment(f"{release.dataset}.{row['id']}")), Namespace(iris.ontology)
    graph.add((node, RDF.type, ontology.Investment))
    graph.add((node, RDF.type, CIDS.Activity))
    graph.add((node, RDFS.label, Literal(row["name"], lang="sv")))
    graph.add((node, DCTERMS.isPartOf, URIRef(iris.dataset(release.dataset))))
    if row["description"]:
        graph.add((node, DCTERMS.description, Literal(row["description"], lang="sv")))
    graph.add((node, ontology.investmentKind, Literal(row["kind"])))
    if row["target_group"]:
        graph.add((node, ontology.targetGroup, Literal(row["target_group"], lang="sv")))
    graph.add((node, DCAT.startDate, Literal(row["start"], datatype=XSD.date)))
    if row["end"]:
        graph.add((node, DCAT.endDate, Literal(row["end"], datatype=XSD.date)))
    if row["amount"] is not None:
        graph.add((node, ontology.amount, decimal(row["amount"])))
    columns = {"neighbourhoods": ontology.neighbourhood, "comparison_areas": ontology.comparisonArea}
    for column, predicate in columns.items():
        for code in split_list(row[column]):
            graph.add((node, predicate, URIRef(release.areas[code].iri(iris))))
    for slug in split_list(row["kpis"]):
        graph.add((node, ontology.targetedKpi, URIRef(iris.kpi(slug))))
    for actor in split_list(row["actors"]):
        graph.add((node, ontology.actor, actors[actor]))


def _add_target(graph: Graph, iris: Iris, release: Release, row: Mapping[str, Any]) -> None:
    node = URIRef(iris.target(release.dataset, row["neighbourhood"], row["kpi"], row["period"]))
    ontology = Namespace(iris.ontology)
    graph.add((node, RDF.type, ontology.Target))
    graph.add((node, DCTERMS.isPartOf, URIRef(iris.dataset(release.dataset))))
    graph.add((node, ontology.neighbourhood, URIRef(release.areas[row["neighbourhood"]].iri(iris))))
    graph.add((node, CIDS.forIndicator, URIRef(iris.kpi(row["kpi"]))))
    graph.add((node, ontology.targetPeriod, _add_period(graph, iris, row["period"])))
    graph.add((node, ontology.targetValue, decimal(row["target_value"])))
    graph.add((node, ontology.baselinePeriod, _add_period(graph, iris, row["baseline_period"])))
    graph.add((node, ontology.baselineValue, decimal(row["baseline_value"])))
