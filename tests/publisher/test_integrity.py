"""Integrity before visibility: what breaks a rule in a finished release is found, named, and led back to its cell."""

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
from vaven.publisher.metadata.rules import published_vocabulary
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
    """A release as publishing has it when it is about to be judged."""

    made: Release
    emitted: Emission
    metadata: Graph
    report: Report

    def found(self) -> list[Violation]:
        (self.made.folder / "metadata.ttl").write_text(self.metadata.serialize(format="turtle"), "utf-8")
        return check_integrity(self.made, IRIS, self.emitted, self.metadata)

    def constraints(self) -> set[str]:
        return {violation.constraint for violation in self.found()}


def finish(made: Release, report: Report) -> Finished:
    """Emitted and described from whatever the table has by now."""
    with duckdb.connect() as work:
        found = work.execute("SELECT count(*) FROM read_parquet(?)", [str(made.table("observations"))]).fetchone()
    assert found
    made = replace(made, rows={**made.rows, "observations": found[0]})
    emitted = emit(made, IRIS)
    counted = observation_counts(made, emitted, IRIS)
    metadata = describe(
        made, IRIS, [], ProvenanceRecord(report, NOW, NOW), measure_quality(made), counted, first_issued_at=NOW
    )
    return Finished(made, emitted, metadata, report)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("release")
    with read(WORKBOOK) as tables:
        report = check(tables)
        made = release(tables, folder, default_licence="cc-by")
    return finish(stamp(made, 1, NOW, ""), report)


@pytest.fixture
def finished(sample: Finished, tmp_path: Path) -> Finished:
    """A copy of the sample's release to spoil."""
    folder = Path(shutil.copytree(sample.made.folder, tmp_path / "release"))
    emitted = replace(sample.emitted, path=folder / sample.emitted.path.name)
    metadata = Graph()
    metadata += sample.metadata
    return Finished(replace(sample.made, folder=folder), emitted, metadata, sample.report)


def in_table(finished: Finished, change: str) -> None:
    """Change the released observations by SQL over the table `o`."""
    path = finished.made.table("observations")
    with duckdb.connect() as work:
        work.execute(f"CREATE TABLE o AS FROM read_parquet('{path}')")
        work.execute(change)
        work.execute(f"COPY o TO '{path}' (FORMAT parquet)")


def in_lines(finished: Finished, change: Callable[[list[str]], list[str]]) -> None:
    """Change the emitted lines of the release."""
    path = finished.emitted.path
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        changed = change(list(lines))
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(changed)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Graph:
    """The vocabulary that the release is judged by, to spoil."""
    graph = published_vocabulary(IRIS)
    monkeypatch.setattr(integrity_module, "published_vocabulary", lambda _: graph)
    return graph


def test_the_sample_breaks_nothing(finished: Finished) -> None:
    assert finished.found() == []


# Each breach is planted in what a release is made of, and the right constraint is named.

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


IN_VOCABULARY: Mapping[str, Callable[[Graph], object]] = {
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


@pytest.mark.parametrize("constraint", IN_VOCABULARY)
def test_a_fault_of_the_vocabulary_is_named(finished: Finished, words: Graph, constraint: str) -> None:
    IN_VOCABULARY[constraint](words)
    assert constraint in finished.constraints()


DATASET = URIRef(IRIS.dataset("exempel-tre-kommuner"))
SLICE = URIRef("urn:slice")
IN_METADATA: Mapping[str, Callable[[Graph], object]] = {
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


@pytest.mark.parametrize("constraint", IN_METADATA)
def test_a_fault_of_the_metadata_is_named(finished: Finished, constraint: str) -> None:
    IN_METADATA[constraint](finished.metadata)
    assert constraint in finished.constraints()


@pytest.mark.parametrize("column", ["neighbourhood", "kpi", "period", "sex", "age_group", "status", "method"])
def test_a_code_that_stands_for_nothing_is_named_with_its_rows(finished: Finished, column: str) -> None:
    """Nothing can be made of such rows, and the joins of the emission would drop them: so they are looked for first."""
    assert list(unknown_codes(finished.made, IRIS)) == []
    in_table(finished, f"UPDATE o SET {column} = 'okänd' WHERE rowid IN (5, 6)")
    (found,) = unknown_codes(finished.made, IRIS)
    assert (found.constraint, found.cells, found.rows) == ("code", {column: "okänd"}, 2)


def test_an_area_without_words_is_named_by_its_constraint_too(finished: Finished) -> None:
    known = {code: place for code, place in finished.made.places.items() if code != AREA}
    found = replace(finished, made=replace(finished.made, places=known)).found()
    (nowhere,) = [v for v in found if v.constraint == "ic-11"]
    assert (nowhere.property, nowhere.cells) == (str(REF_AREA), {"neighbourhood": AREA})
    with duckdb.connect() as work:
        count = "SELECT count(*) FROM read_parquet(?) WHERE neighbourhood = ?"
        rows = work.execute(count, [str(finished.made.table("observations")), AREA]).fetchone()
    assert rows == (nowhere.rows,)


def test_a_row_that_stands_twice_is_named(finished: Finished) -> None:
    in_table(finished, "INSERT INTO o SELECT * REPLACE (99.0 AS value) FROM o LIMIT 1")
    (twin,) = [v for v in finish(finished.made, finished.report).found() if v.constraint == "ic-12"]
    assert twin.rows == 2
    assert set(twin.cells or ()) == {"neighbourhood", "kpi", "period", "sex", "age_group"}


def test_two_codes_that_stand_for_one_area_are_named(finished: Finished) -> None:
    places = dict(finished.made.places)
    places["0180C6090"] = places[AREA]
    found = finish(replace(finished.made, places=places), finished.report).found()
    twins = [v for v in found if v.constraint == "ic-12"]
    assert {v.cells["neighbourhood"] for v in twins if v.cells} == {AREA, "0180C6090"}
    with duckdb.connect() as work:
        count = "SELECT count(*) FROM read_parquet(?) WHERE neighbourhood IN (?, ?)"
        rows = work.execute(count, [str(finished.made.table("observations")), AREA, "0180C6090"]).fetchone()
    assert rows == (sum(v.rows for v in twins),)


def test_a_release_that_is_out_of_order_is_compared_all_the_same(finished: Finished) -> None:
    in_table(finished, "CREATE OR REPLACE TABLE o AS FROM o ORDER BY hash(neighbourhood, kpi, period, sex, age_group)")
    assert finish(finished.made, finished.report).found() == []
    in_table(finished, "INSERT INTO o FROM o LIMIT 1")
    assert "ic-12" in finish(finished.made, finished.report).constraints()


@pytest.mark.usefixtures("words")
def test_a_kpi_that_lost_its_unit_is_named(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vocabulary was made before, so that only the rows have no unit."""
    kpis = register.kpis()
    spoilt = {**kpis, "sysselsatta": replace(kpis["sysselsatta"], unit_iri="")}
    monkeypatch.setattr(register, "kpis", lambda: spoilt)
    missing = [v for v in finished.found() if v.constraint == "ic-13"]
    assert [(v.property, v.cells) for v in missing] == [(ATTRIBUTE + "unitMeasure", {"kpi": "sysselsatta"})]


def test_a_register_without_a_unit_makes_no_vocabulary(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    kpis = register.kpis()
    spoilt = {**kpis, "sysselsatta": replace(kpis["sysselsatta"], unit_iri="")}
    monkeypatch.setattr(register, "kpis", lambda: spoilt)
    (found,) = finished.found()
    assert (found.constraint, found.focus, found.value) == ("iri", IRIS.kpi("sysselsatta"), "")


def test_an_area_of_no_code_list_is_named_with_its_rows(finished: Finished) -> None:
    finished.metadata.remove((URIRef(IRIS.area("deso2018", AREA)), SKOS.inScheme, None))
    (outside,) = [v for v in finished.found() if v.constraint == "ic-19a"]
    assert (outside.property, outside.cells) == (str(REF_AREA), {"neighbourhood": AREA})
    assert outside.rows > 10


def test_lines_that_are_lost_are_told(finished: Finished) -> None:
    fewer = replace(finished, emitted=replace(finished.emitted, lines=finished.emitted.lines - 1))
    assert fewer.constraints() == {"lines"}


def first_of(lines: list[str], predicate: str) -> int:
    return next(i for i, line in enumerate(lines) if f"<{predicate}>" in line)


def test_a_value_that_is_not_the_row_s_is_told_with_its_row(finished: Finished) -> None:
    def other_value(lines: list[str]) -> list[str]:
        at = first_of(lines, VALUE)
        subject, predicate, _ = lines[at].split(" ", 2)
        lines[at] = f'{subject} {predicate} "-1"^^<{XSD.decimal}> .\n'
        return lines

    in_lines(finished, other_value)
    (found,) = finished.found()
    assert (found.constraint, found.property, found.texts["said"]) == ("sample", VALUE, "-1.0")
    assert set(found.cells or ()) == {"neighbourhood", "kpi", "period", "sex", "age_group"}


def test_a_line_that_is_missing_is_told_by_sparql_too(finished: Finished) -> None:
    def without_status(lines: list[str]) -> list[str]:
        del lines[first_of(lines, ATTRIBUTE + "obsStatus")]
        return lines

    in_lines(finished, without_status)
    assert finished.constraints() == {"sample", "ic-13"}


def test_an_observation_of_another_dataset_is_told(finished: Finished) -> None:
    def in_two(lines: list[str]) -> list[str]:
        at = first_of(lines, str(QB.dataSet))
        lines.insert(at, lines[at].replace(f"<{DATASET}>", "<urn:other>"))
        return lines

    in_lines(finished, in_two)
    assert finished.constraints() >= {"sample", "ic-1"}


def test_lines_that_no_reader_reads_are_told(finished: Finished) -> None:
    in_lines(finished, lambda lines: ["<no end\n", *lines])
    assert finished.constraints() == {"syntax"}


def test_observations_of_nowhere_are_told(finished: Finished) -> None:
    in_lines(finished, lambda lines: [line.replace("/observation/", "/elsewhere/") for line in lines])
    assert "sample" in finished.constraints()


@pytest.mark.parametrize("bad", ["mailto:anna andersson", "https://data.example/id/area/own/x.\ue000", "<x>"])
def test_an_iri_that_is_none_is_told_before_anything_is_written(finished: Finished, bad: str) -> None:
    assert list(invalid_iris(finished.metadata)) == []
    finished.metadata.add((DATASET, RDFS.seeAlso, URIRef(bad)))
    assert [v.value for v in invalid_iris(finished.metadata)] == [bad]


def test_every_violation_has_a_code(sample: Finished) -> None:
    titles = {key for key in messages("sv", "publisher").texts if key.startswith("rule.integrity-")}
    assert {f"rule.{code}.title" for code in CODES} <= titles


# Back to row and cell


def cells(report: Report, code: str, source: Path) -> Iterator[tuple[str | None, object]]:
    """The text that each finding shows, and what the workbook has at its address."""
    book = openpyxl.load_workbook(source)
    for finding in report.findings:
        if finding.code == code:
            assert finding.sheet
            assert finding.row
            yield finding.text, book[finding.sheet][f"{finding.column}{finding.row}"].value


def traced(finished: Finished, source: Path, *found: Violation) -> Report:
    return trace_violations(finished.report, found, source, None, DETECT, finished.made, IRIS)


def test_rows_at_fault_are_named_by_sheet_row_and_cell(sample: Finished) -> None:
    fault = Violation("ic-19a", property=str(REF_AREA), value="x", cells={"neighbourhood": AREA}, rows=43)
    report = traced(sample, WORKBOOK, fault)
    shown = list(cells(report, "integrity-ic-19a", WORKBOOK))
    assert shown == [(AREA, AREA)] * 20
    assert report.counts["integrity-ic-19a"] == 43
    assert report.findings[0].address.startswith("Observationer!A")
    assert not report.is_publishable


def test_a_single_observation_is_found_by_its_key(sample: Finished) -> None:
    key = {"neighbourhood": AREA, "kpi": "trygg-morker", "period": "2024", "sex": "T", "age_group": "T"}
    report = traced(sample, WORKBOOK, Violation("sample", property=VALUE, cells=key, texts={"said": "1"}))
    ((text, written),) = cells(report, "integrity-sample", WORKBOOK)
    assert text is not None
    assert float(text.replace(",", ".")) == float(str(written))


def test_an_area_an_investment_and_a_target_lead_to_their_own_sheets(sample: Finished) -> None:
    own = IRIS.area("own", "exempel-tre-kommuner.rinkeby-centrum")
    insats = IRIS.investment("exempel-tre-kommuner.trygga-gardar")
    with duckdb.connect() as work:
        row = work.execute(f"FROM read_parquet('{sample.made.table('targets')}') LIMIT 1").fetchone()
    assert row
    target = IRIS.target("exempel-tre-kommuner", *row[:3])
    report = traced(
        sample, WORKBOOK, *(Violation("shape", iri, texts={"said_sv": "x"}) for iri in (own, insats, target))
    )
    places = [(f.resource, f.address.rstrip("0123456789")) for f in report.findings if f.code == "integrity-shape"]
    assert places == [("neighbourhoods", "Områden!A"), ("investments", "Insatser!A"), ("targets", "Mål!")]


def test_what_no_row_made_is_told_without_one(sample: Finished) -> None:
    report = traced(sample, WORKBOOK, Violation("ic-4", str(REF_AREA)))
    (finding,) = [f for f in report.findings if f.code == "integrity-ic-4"]
    assert (finding.resource, finding.row) == (None, None)
    assert "sdmx-dimension:refArea" in finding.message("sv")
    assert "sdmx-dimension:refArea" in finding.message("en")


def test_a_wide_table_s_cell_is_found(sample: Finished, workbook: Callable[..., Path]) -> None:
    """A column a year: the value stands where row and year cross, and the year in the header."""
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
    report = traced(sample, source, Violation("sample", property=VALUE, cells=key, texts={"said": "1"}))
    assert [(f.address, f.text) for f in report.findings if f.code == "integrity-sample"] == [("Data!D2", "59.8")]
    report = traced(sample, source, Violation("ic-11", cells={"period": "2023"}, rows=2))
    assert {f.address for f in report.findings if f.code == "integrity-ic-11"} == {"Data!C1"}
