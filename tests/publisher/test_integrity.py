"""Integrity checks of a finished release: violations are detected, named, and located in the submission."""

import gzip
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import openpyxl
import pytest
from rdflib import DCTERMS, QB, RDF, RDFS, SKOS, XSD, Graph, Literal, URIRef

from tests.conftest import SAMPLE
from vaven.publisher.cube.observation_counts import observation_counts
from vaven.publisher.cube.observations import Emission, emit
from vaven.publisher.integrity import run as integrity_module
from vaven.publisher.integrity.constraints import Violation
from vaven.publisher.integrity.run import CODES, check_integrity, invalid_iris, unknown_codes
from vaven.publisher.integrity.trace import trace_violations
from vaven.publisher.metadata.dataset import describe
from vaven.publisher.metadata.provenance import ProvenanceRecord
from vaven.publisher.metadata.quality import measure_quality
from vaven.publisher.metadata.rules import published_vocabulary, vocabulary_triples
from vaven.publisher.releases.release import Release, release, stamp
from vaven.schemas.check import check
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import DETECT
from vaven.schemas.tables.read import read
from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import messages

IRIS = Iris("https://data.example/")
WORKBOOK = SAMPLE / "exempel.xlsx"
AREA = "0180C6070"
NOW = datetime(2026, 1, 2, tzinfo=UTC).replace(tzinfo=None)
DIMENSION, ATTRIBUTE = NAMESPACES["sdmx-dimension"], NAMESPACES["sdmx-attribute"]
VALUE = NAMESPACES["sdmx-measure"] + "obsValue"


@dataclass(frozen=True)
class Finished:
    """A release in the state that publishing checks."""

    release: Release
    emission: Emission
    metadata: Graph
    report: Report

    def violations(self) -> list[Violation]:
        (self.release.folder / "metadata.ttl").write_text(self.metadata.serialize(format="turtle"), "utf-8")
        return check_integrity(self.release, IRIS, self.emission, self.metadata)

    def constraints(self) -> set[str]:
        return {violation.constraint for violation in self.violations()}


def finish(stamped: Release, report: Report) -> Finished:
    """Emit and describe a release from the current content of its table."""
    with duckdb.connect() as work:
        count = work.execute("SELECT count(*) FROM read_parquet(?)", [str(stamped.table("observations"))]).fetchone()
    assert count
    stamped = replace(stamped, rows={**stamped.rows, "observations": count[0]})
    emission = emit(stamped, IRIS)
    counts = observation_counts(stamped, emission, IRIS)
    metadata = describe(
        stamped, IRIS, [], ProvenanceRecord(report, NOW, NOW), measure_quality(stamped), counts, first_issued_at=NOW
    )
    return Finished(stamped, emission, metadata, report)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("release")
    with read(WORKBOOK) as tables:
        report = check(tables)
        draft = release(tables, folder)
    return finish(stamp(draft, 1, NOW, ""), report)


@pytest.fixture
def finished(sample: Finished, tmp_path: Path) -> Finished:
    """A copy of the sample's release that a test may damage."""
    folder = Path(shutil.copytree(sample.release.folder, tmp_path / "release"))
    emission = replace(sample.emission, path=folder / sample.emission.path.name)
    metadata = Graph()
    metadata += sample.metadata
    return Finished(replace(sample.release, folder=folder), emission, metadata, sample.report)


def change_table(finished: Finished, change: str) -> None:
    """Change the released observations by SQL over the table `o`."""
    path = finished.release.table("observations")
    with duckdb.connect() as work:
        work.execute(f"CREATE TABLE o AS FROM read_parquet('{path}')")
        work.execute(change)
        work.execute(f"COPY o TO '{path}' (FORMAT parquet)")


def change_lines(finished: Finished, change: Callable[[list[str]], list[str]]) -> None:
    """Change the emitted lines of the release."""
    path = finished.emission.path
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        changed = change(list(lines))
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(changed)


@pytest.fixture
def spoilt_vocabulary(monkeypatch: pytest.MonkeyPatch) -> Graph:
    """The vocabulary that the check uses, for a test to damage."""
    graph = published_vocabulary(IRIS)
    monkeypatch.setattr(integrity_module, "published_vocabulary", lambda _: graph)
    monkeypatch.setattr(
        integrity_module, "vocabulary_triples", lambda _: graph.serialize(format="nt", encoding="utf-8")
    )
    return graph


def test_the_sample_has_no_violations(finished: Finished) -> None:
    assert finished.violations() == []


# Each violation is planted in an input of the release, and its constraint must be reported.

STRUCTURE = URIRef(IRIS.structure)
REF_AREA = URIRef(DIMENSION + "refArea")


def _component(graph: Graph, kind: URIRef, name: URIRef) -> None:
    node = URIRef("urn:component")
    graph.add((STRUCTURE, QB.component, node))
    graph.add((node, kind, name))


def _optional_dimension(graph: Graph) -> None:
    node = next(graph.subjects(QB.dimension, REF_AREA))
    graph.add((node, QB.componentRequired, Literal(False)))


def _slice_key(graph: Graph) -> None:
    graph.add((URIRef("urn:key"), RDF.type, QB.SliceKey))


def _strange_slice_key(graph: Graph) -> None:
    key = URIRef("urn:key")
    graph.add((key, RDF.type, QB.SliceKey))
    graph.add((key, QB.componentProperty, RDFS.label))
    graph.add((STRUCTURE, QB.sliceKey, key))


VOCABULARY_ERRORS: Mapping[str, Callable[[Graph], object]] = {
    "ic-3": lambda g: g.remove((None, QB.measure, None)),
    "ic-4": lambda g: g.remove((REF_AREA, RDFS.range, None)),
    "ic-5": lambda g: g.remove((URIRef(DIMENSION + "age"), QB.codeList, None)),
    "ic-6": _optional_dimension,
    "ic-7": _slice_key,
    "ic-8": _strange_slice_key,
    "ic-11": lambda g: _component(g, QB.dimension, URIRef("urn:dimension")),
    "ic-13": lambda g: (
        _component(g, QB.attribute, URIRef("urn:attribute"))
        or g.add((URIRef("urn:component"), QB.componentRequired, Literal(True)))
    ),
    "ic-14": lambda g: _component(g, QB.measure, URIRef("urn:measure")),
    "ic-19a": lambda g: g.remove((None, SKOS.inScheme, URIRef(IRIS.scheme("kpi")))),
    "skos-s9": lambda g: g.add((URIRef(IRIS.scheme("kpi")), RDF.type, SKOS.Concept)),
    "skos-s13": lambda g: g.add((URIRef(IRIS.kpi("sysselsatta")), SKOS.altLabel, _label(g, "sysselsatta"))),
    "skos-s14": lambda g: g.add((URIRef(IRIS.kpi("sysselsatta")), SKOS.prefLabel, Literal("Uvas", lang="sv"))),
    "skos-s27": lambda g: g.add((URIRef(IRIS.kpi("sysselsatta")), SKOS.related, URIRef(IRIS.theme("arbete")))),
    "skos-s46": lambda g: [g.add((URIRef("urn:a"), p, URIRef("urn:b"))) for p in (SKOS.exactMatch, SKOS.relatedMatch)],
    "concept": lambda g: g.remove((URIRef(IRIS.kpi("sysselsatta")), SKOS.notation, None)),
}


def _label(graph: Graph, kpi: str) -> Literal:
    return next(o for o in graph.objects(URIRef(IRIS.kpi(kpi)), SKOS.prefLabel) if isinstance(o, Literal))


@pytest.mark.parametrize("constraint", VOCABULARY_ERRORS)
def test_an_error_in_the_vocabulary_is_reported_by_its_constraint(
    finished: Finished, spoilt_vocabulary: Graph, constraint: str
) -> None:
    VOCABULARY_ERRORS[constraint](spoilt_vocabulary)
    assert constraint in finished.constraints()


DATASET = URIRef(IRIS.dataset("exempel-tre-kommuner"))
SLICE = URIRef("urn:slice")
METADATA_ERRORS: Mapping[str, Callable[[Graph], object]] = {
    "ic-2": lambda g: g.remove((DATASET, QB.structure, None)),
    "ic-9": lambda g: g.add((DATASET, QB.slice, SLICE)),
    "ic-10": lambda g: [
        g.add((SLICE, QB.sliceStructure, URIRef("urn:key"))),
        g.add((URIRef("urn:key"), QB.componentProperty, REF_AREA)),
    ],
    "ic-19a": lambda g: g.remove((URIRef(IRIS.area("deso2018", AREA)), SKOS.inScheme, None)),
    "skos-s14": lambda g: g.add((URIRef(IRIS.area("deso2018", AREA)), SKOS.prefLabel, Literal("Rinkby", lang="sv"))),
    "shape": lambda g: g.remove((DATASET, DCTERMS.publisher, None)),
}


@pytest.mark.parametrize("constraint", METADATA_ERRORS)
def test_an_error_in_the_metadata_is_reported_by_its_constraint(finished: Finished, constraint: str) -> None:
    METADATA_ERRORS[constraint](finished.metadata)
    assert constraint in finished.constraints()


@pytest.mark.parametrize("column", ["neighbourhood", "kpi", "period", "sex", "age_group", "status", "method"])
def test_an_unknown_code_is_reported_with_its_rows(finished: Finished, column: str) -> None:
    """Rows with unknown codes can't be emitted, and the emission's joins would drop them, so they are checked first."""
    assert list(unknown_codes(finished.release, IRIS)) == []
    change_table(finished, f"UPDATE o SET {column} = 'okänd' WHERE rowid IN (5, 6)")
    (violation,) = unknown_codes(finished.release, IRIS)
    assert (violation.constraint, violation.cells, violation.rows) == ("code", {column: "okänd"}, 2)


def test_an_area_without_a_term_also_violates_its_constraint(finished: Finished) -> None:
    known_areas = {code: area for code, area in finished.release.areas.items() if code != AREA}
    violations = replace(finished, release=replace(finished.release, areas=known_areas)).violations()
    (violation,) = [v for v in violations if v.constraint == "ic-11"]
    assert (violation.property, violation.cells) == (str(REF_AREA), {"neighbourhood": AREA})
    with duckdb.connect() as work:
        count = "SELECT count(*) FROM read_parquet(?) WHERE neighbourhood = ?"
        rows = work.execute(count, [str(finished.release.table("observations")), AREA]).fetchone()
    assert rows == (violation.rows,)


def test_a_duplicate_row_is_reported(finished: Finished) -> None:
    change_table(finished, "INSERT INTO o SELECT * REPLACE (99.0 AS value) FROM o LIMIT 1")
    (violation,) = [v for v in finish(finished.release, finished.report).violations() if v.constraint == "ic-12"]
    assert violation.rows == 2
    assert set(violation.cells or ()) == {"neighbourhood", "kpi", "period", "sex", "age_group"}


def test_two_codes_for_one_area_are_reported(finished: Finished) -> None:
    areas = dict(finished.release.areas)
    areas["0180C6090"] = areas[AREA]
    violations = finish(replace(finished.release, areas=areas), finished.report).violations()
    duplicates = [v for v in violations if v.constraint == "ic-12"]
    assert {v.cells["neighbourhood"] for v in duplicates if v.cells} == {AREA, "0180C6090"}
    with duckdb.connect() as work:
        count = "SELECT count(*) FROM read_parquet(?) WHERE neighbourhood IN (?, ?)"
        rows = work.execute(count, [str(finished.release.table("observations")), AREA, "0180C6090"]).fetchone()
    assert rows == (sum(v.rows for v in duplicates),)


def test_an_unsorted_release_is_checked_as_well(finished: Finished) -> None:
    change_table(
        finished, "CREATE OR REPLACE TABLE o AS FROM o ORDER BY hash(neighbourhood, kpi, period, sex, age_group)"
    )
    assert finish(finished.release, finished.report).violations() == []
    change_table(finished, "INSERT INTO o FROM o LIMIT 1")
    assert "ic-12" in finish(finished.release, finished.report).constraints()


@pytest.mark.usefixtures("spoilt_vocabulary")
def test_a_kpi_without_a_unit_is_reported(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vocabulary was built before, so that only the rows lack the unit."""
    kpis = register.kpis()
    spoilt = {**kpis, "sysselsatta": replace(kpis["sysselsatta"], unit_iri="")}
    monkeypatch.setattr(register, "kpis", lambda: spoilt)
    missing = [v for v in finished.violations() if v.constraint == "ic-13"]
    assert [(v.property, v.cells) for v in missing] == [(ATTRIBUTE + "unitMeasure", {"kpi": "sysselsatta"})]


def test_a_register_without_a_unit_gives_an_invalid_vocabulary(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    kpis = register.kpis()
    spoilt = {**kpis, "sysselsatta": replace(kpis["sysselsatta"], unit_iri="")}
    monkeypatch.setattr(register, "kpis", lambda: spoilt)
    vocabulary_triples.cache_clear()
    try:
        (violation,) = finished.violations()
    finally:
        vocabulary_triples.cache_clear()
    assert (violation.constraint, violation.focus, violation.value) == ("iri", IRIS.kpi("sysselsatta"), "")


def test_an_area_outside_all_code_lists_is_reported_with_its_rows(finished: Finished) -> None:
    finished.metadata.remove((URIRef(IRIS.area("deso2018", AREA)), SKOS.inScheme, None))
    (outside,) = [v for v in finished.violations() if v.constraint == "ic-19a"]
    assert (outside.property, outside.cells) == (str(REF_AREA), {"neighbourhood": AREA})
    assert outside.rows > 10


def test_lost_lines_are_reported(finished: Finished) -> None:
    fewer = replace(finished, emission=replace(finished.emission, lines=finished.emission.lines - 1))
    assert fewer.constraints() == {"lines"}


def first_of(lines: list[str], predicate: str) -> int:
    return next(i for i, line in enumerate(lines) if f"<{predicate}>" in line)


def test_a_value_that_differs_from_its_row_is_reported_with_the_row(finished: Finished) -> None:
    def other_value(lines: list[str]) -> list[str]:
        at = first_of(lines, VALUE)
        subject, predicate, _ = lines[at].split(" ", 2)
        lines[at] = f'{subject} {predicate} "-1"^^<{XSD.decimal}> .\n'
        return lines

    change_lines(finished, other_value)
    (violation,) = finished.violations()
    assert (violation.constraint, violation.property, violation.texts["actual"]) == ("sample", VALUE, "-1.0")
    assert set(violation.cells or ()) == {"neighbourhood", "kpi", "period", "sex", "age_group"}


def test_a_missing_line_is_also_reported_by_sparql(finished: Finished) -> None:
    def without_status(lines: list[str]) -> list[str]:
        del lines[first_of(lines, ATTRIBUTE + "obsStatus")]
        return lines

    change_lines(finished, without_status)
    assert finished.constraints() == {"sample", "ic-13"}


def test_an_observation_of_another_dataset_is_reported(finished: Finished) -> None:
    def in_two(lines: list[str]) -> list[str]:
        at = first_of(lines, str(QB.dataSet))
        lines.insert(at, lines[at].replace(f"<{DATASET}>", "<urn:other>"))
        return lines

    change_lines(finished, in_two)
    assert finished.constraints() >= {"sample", "ic-1"}


def test_lines_with_a_syntax_error_are_reported(finished: Finished) -> None:
    change_lines(finished, lambda lines: ["<no end\n", *lines])
    assert finished.constraints() == {"syntax"}


def test_observations_with_foreign_iris_are_reported(finished: Finished) -> None:
    change_lines(finished, lambda lines: [line.replace("/observation/", "/elsewhere/") for line in lines])
    assert "sample" in finished.constraints()


@pytest.mark.parametrize("bad", ["mailto:anna andersson", "https://data.example/id/area/own/x.\ue000", "<x>"])
def test_an_invalid_iri_is_reported_before_anything_is_written(finished: Finished, bad: str) -> None:
    assert list(invalid_iris(finished.metadata)) == []
    finished.metadata.add((DATASET, RDFS.seeAlso, URIRef(bad)))
    assert [v.value for v in invalid_iris(finished.metadata)] == [bad]


def test_every_violation_code_has_a_title(sample: Finished) -> None:
    titles = {key for key in messages("sv", "publisher").texts if key.startswith("rule.integrity-")}
    assert {f"rule.{code}.title" for code in CODES} <= titles


# Back to row and cell


def cells(report: Report, code: str, source: Path) -> Iterator[tuple[str | None, object]]:
    """Yield the text of each finding and the workbook's value at its address."""
    book = openpyxl.load_workbook(source)
    for finding in report.findings:
        if finding.code == code:
            assert finding.sheet
            assert finding.row
            yield finding.text, book[finding.sheet][f"{finding.column}{finding.row}"].value


def trace_workbook(finished: Finished, source: Path, *violations: Violation) -> Report:
    return trace_violations(finished.report, violations, source, None, DETECT, finished.release, IRIS)


def test_violating_rows_are_located_by_sheet_row_and_cell(sample: Finished) -> None:
    violation = Violation("ic-19a", property=str(REF_AREA), value="x", cells={"neighbourhood": AREA}, rows=43)
    report = trace_workbook(sample, WORKBOOK, violation)
    texts = list(cells(report, "integrity-ic-19a", WORKBOOK))
    assert texts == [(AREA, AREA)] * 20
    assert report.counts["integrity-ic-19a"] == 43
    assert report.findings[0].address.startswith("Observationer!A")
    assert not report.is_publishable


def test_a_single_observation_is_located_by_its_key(sample: Finished) -> None:
    key = {"neighbourhood": AREA, "kpi": "trygg-morker", "period": "2024", "sex": "T", "age_group": "T"}
    report = trace_workbook(sample, WORKBOOK, Violation("sample", property=VALUE, cells=key, texts={"actual": "1"}))
    ((text, written),) = cells(report, "integrity-sample", WORKBOOK)
    assert text is not None
    assert float(text.replace(",", ".")) == float(str(written))


def test_areas_investments_and_targets_are_located_in_their_own_sheets(sample: Finished) -> None:
    own = IRIS.area("own", "exempel-tre-kommuner.rinkeby-centrum")
    insats = IRIS.investment("exempel-tre-kommuner.trygga-gardar")
    with duckdb.connect() as work:
        row = work.execute(f"FROM read_parquet('{sample.release.table('targets')}') LIMIT 1").fetchone()
    assert row
    target = IRIS.target("exempel-tre-kommuner", *row[:3])
    report = trace_workbook(
        sample, WORKBOOK, *(Violation("shape", iri, texts={"actual_sv": "x"}) for iri in (own, insats, target))
    )
    locations = [(f.resource, f.address.rstrip("0123456789")) for f in report.findings if f.code == "integrity-shape"]
    assert locations == [("neighbourhoods", "Områden!A"), ("investments", "Insatser!A"), ("targets", "Mål!")]


def test_a_violation_without_rows_is_reported_without_a_location(sample: Finished) -> None:
    report = trace_workbook(sample, WORKBOOK, Violation("ic-4", str(REF_AREA)))
    (finding,) = [f for f in report.findings if f.code == "integrity-ic-4"]
    assert (finding.resource, finding.row) == (None, None)
    assert "sdmx-dimension:refArea" in finding.message("sv")
    assert "sdmx-dimension:refArea" in finding.message("en")


def test_the_cell_of_a_wide_table_is_located(sample: Finished, workbook: Callable[..., Path]) -> None:
    """With one column per year, the value is at the intersection of row and year, and the year in the header."""
    source = workbook(
        {
            "Data": [
                ["Område", "Nyckeltal", "2023", "2024"],
                [AREA, "trygg-morker", 57.5, 59.8],
                ["0180C6090", "trygg-morker", 1, 2],
            ]
        }
    )
    key = {"neighbourhood": AREA, "kpi": "trygg-morker", "period": "2024", "sex": "T", "age_group": "T"}
    report = trace_workbook(sample, source, Violation("sample", property=VALUE, cells=key, texts={"actual": "1"}))
    assert [(f.address, f.text) for f in report.findings if f.code == "integrity-sample"] == [("Data!D2", "59.8")]
    report = trace_workbook(sample, source, Violation("ic-11", cells={"period": "2023"}, rows=2))
    assert {f.address for f in report.findings if f.code == "integrity-ic-11"} == {"Data!C1"}
