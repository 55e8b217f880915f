"""The data files of vocab/: each conforms to its Table Schema, and to its source in both languages."""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from frictionless import Resource, Schema

from tests.conftest import ROOT
from vaven.schemas.standard.labels import codes_by_word, fold
from vaven.vocab import register
from vaven.vocab.areas import PATTERNS, areas

VOCAB = ROOT / "vocab"
SHARED = ROOT.parent / "shared" / "data"
TABLES = sorted(path.relative_to(VOCAB).with_suffix("").as_posix() for path in VOCAB.rglob("*.csv"))
LISTS = ("statuses", "sexes", "methods", "sectors", "levels", "investment_kinds", "populations")
CODE_LISTS = (*LISTS, "licences", "file_types", "outside_registers")
# The words are our own; what they are of is not.
WORDED = {"label_sv", "label_en", "definition_en", "unit", "numerator", "denominator", "source_body"}

Row = dict[str, str]
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared source data is not beside this checkout")


def rows(path: Path, delimiter: str = ",") -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


def table(name: str) -> list[Row]:
    return rows(VOCAB / f"{name}.csv")


def error_types(name: str, data: list[Row]) -> list[str]:
    """Return the types of the errors that frictionless reports for `data` by the schema of table `name`."""
    schema = Schema.from_descriptor(json.loads((VOCAB / f"{name}.schema.json").read_text("utf-8")))
    cells = [list(data[0]), *(list(row.values()) for row in data)]
    report = Resource(data=cells, schema=schema).validate()
    return [error for (error,) in report.flatten(["type"])]


def test_there_is_a_schema_for_every_table_and_no_other() -> None:
    described = sorted(
        p.relative_to(VOCAB).as_posix().removesuffix(".schema.json") for p in VOCAB.rglob("*.schema.json")
    )
    assert described == TABLES
    assert len(TABLES) == 17


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_valid_by_its_own_schema(name: str) -> None:
    schema = Schema.from_descriptor(json.loads((VOCAB / f"{name}.schema.json").read_text("utf-8")))
    report = Resource(path=f"{name}.csv", basepath=str(VOCAB), schema=schema).validate()
    assert report.valid, report.flatten(["rowNumber", "fieldName", "message"])
    assert report.tasks[0].stats["rows"] == len(table(name))


@pytest.mark.parametrize("name", TABLES)
def test_a_schema_titles_and_describes_each_field(name: str) -> None:
    schema = json.loads((VOCAB / f"{name}.schema.json").read_text("utf-8"))
    assert schema["title"]
    assert schema["description"]
    assert all(field["title"] and field["description"] for field in schema["fields"])


@pytest.mark.parametrize("name", TABLES)
def test_cells_have_no_surrounding_or_double_blanks_and_only_printable_characters(name: str) -> None:
    for row in table(name):
        for cell in row.values():
            assert cell == " ".join(cell.split()), row
            assert cell.isprintable(), row


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_utf8_without_a_byte_order_mark_and_has_uniform_line_ends(name: str) -> None:
    raw = (VOCAB / f"{name}.csv").read_bytes()
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert raw.endswith(b"\n")


@pytest.mark.parametrize(
    ("column", "cell", "error"),
    [
        ("id", "Trygg Mörker", "constraint-error"),
        ("id", "", "constraint-error"),
        ("id", "tillit", "unique-error"),
        ("tier", "extra", "constraint-error"),
        ("theme", "miljo", "constraint-error"),
        ("definition_sv", "", "constraint-error"),
        ("unit_iri", "http://qudt.org/vocab/unit/PROCENT", "constraint-error"),
        ("direction", "up", "constraint-error"),
        ("multiplier", "10", "constraint-error"),
        ("multiplier", "hundra", "type-error"),
        ("min", "", "constraint-error"),
        ("max", "1,5", "type-error"),
        ("kolada_ids", "N1234", "constraint-error"),
        ("kolada_ids", "N12345 U6789", "constraint-error"),
        ("kolada_status", "yes", "constraint-error"),
        ("sdg_iri", "https://metadata.un.org/sdg/C160104", "constraint-error"),
        ("iris_ids", "PI98345", "constraint-error"),
        ("segregationsbarometern", "maybe", "constraint-error"),
        ("cids_class", "https://ontology.commonapproach.org/cids#Outcomes", "constraint-error"),
    ],
)
def test_the_register_s_schema_refuses(column: str, cell: str, error: str) -> None:
    broken = table("kpis")
    broken[0][column] = cell
    errors = error_types("kpis", broken)
    # frictionless says a repeated or empty primary key beside what the column itself has.
    assert error in errors
    assert set(errors) <= {error, "primary-key"}


def test_counts_are_those_of_the_sources() -> None:
    counts = {name: len(table(name)) for name in TABLES}
    assert counts == {
        "areas/lan": 21,
        "file_types": 7,
        "outside_registers": 4,
        "areas/kommuner": 290,
        "areas/deso2018": 5984,
        "areas/deso2025": 1362,
        "areas/deso_changes": 132,
        "kpis": 48,
        "themes": 9,
        "statuses": 18,
        "sexes": 3,
        "methods": 5,
        "sectors": 4,
        "levels": 4,
        "investment_kinds": 8,
        "populations": 2,
        "licences": 3,
    }
    assert Counter(row["tier"] for row in table("kpis")) == {"core": 36, "optional": 12}


def test_every_kpi_belongs_to_a_theme_and_every_theme_has_kpis() -> None:
    themes = {row["id"] for row in table("themes")}
    assert {row["theme"] for row in table("kpis")} == themes


@pytest.mark.parametrize("row", table("kpis"), ids=lambda row: row["id"])
def test_a_kpi_s_unit_limits_and_matches_are_consistent(row: Row) -> None:
    if row["max"]:
        assert float(row["min"]) < float(row["max"])
    if row["unit"] == "%":
        assert (row["multiplier"], row["min"], row["unit_iri"].rsplit("/")[-1]) == ("100", "0", "PERCENT")
    if row["unit"].startswith("per 1"):
        assert row["multiplier"] == re.sub(r"\D", "", row["unit"])
        assert row["max"] == ""
    for scheme, ids in (("kolada", "kolada_ids"), ("sdg", "sdg_iri"), ("iris", "iris_ids")):
        assert bool(row[ids]) == bool(row[f"{scheme}_match"]) == (row[f"{scheme}_status"] != "none")


@pytest.mark.parametrize("row", table("kpis"), ids=lambda row: row["id"])
def test_a_kpi_s_texts_exist_in_both_languages_with_the_same_numbers(row: Row) -> None:
    for swedish, english in (
        ("label_sv", "label_en"),
        ("definition_sv", "definition_en"),
        ("unit_sv", "unit"),
        ("numerator_sv", "numerator"),
        ("source_body_sv", "source_body"),
    ):
        assert row[swedish]
        assert row[english]
    assert bool(row["denominator_sv"]) == bool(row["denominator"])
    assert row["definition_sv"][0].isupper()
    assert row["definition_sv"].endswith(".")
    for swedish, english in (("definition_sv", "definition_en"), ("denominator_sv", "denominator")):
        assert sorted(re.findall(r"\d+", row[swedish])) == sorted(re.findall(r"\d+", row[english]))


@pytest.mark.parametrize("row", table("kpis"), ids=lambda row: row["id"])
def test_a_definition_refers_to_no_other_definition(row: Row) -> None:
    relative = re.compile(r"\b(as above|see above|ditto|som ovan|se ovan|d:o)\b", re.IGNORECASE)
    for column in ("definition_sv", "definition_en", "numerator", "numerator_sv", "denominator", "denominator_sv"):
        assert not relative.search(row[column])


def test_the_register_returns_every_row_unchanged() -> None:
    for row in table("kpis"):
        kpi = register.kpis()[row["id"]]
        assert (kpi.text("sv"), kpi.text("en")) == (row["label_sv"], row["label_en"])
        assert (kpi.definition("sv"), kpi.unit("sv")) == (row["definition_sv"], row["unit_sv"])
        assert (kpi.numerators["sv"], kpi.denominators["en"]) == (row["numerator_sv"], row["denominator"])
    for name in CODE_LISTS:
        assert list(register.codes(name)) == [row.get("code") or row["id"] for row in table(name)]
    assert list(register.themes()) == [row["id"] for row in table("themes")]


@pytest.mark.parametrize("name", ["themes", *CODE_LISTS])
def test_a_code_has_labels_in_both_languages(name: str) -> None:
    prefixes = ["label", *(["definition"] if "definition_sv" in table(name)[0] else [])]
    for row in table(name):
        assert all(row[f"{prefix}_{language}"] for prefix in prefixes for language in ("sv", "en"))
    for column in (f"{prefix}_{language}" for prefix in prefixes for language in ("sv", "en")):
        assert len({row[column] for row in table(name)}) == len(table(name))


@pytest.mark.parametrize("name", [*LISTS, "licences", "kpis"])
def test_a_synonym_is_lower_case_and_unambiguous(name: str) -> None:
    synonyms = [word for row in table(name) for word in row["synonyms"].split("|") if row["synonyms"]]
    assert [word for word, times in Counter(synonyms).items() if times > 1] == []
    assert all(word and word == word.strip().lower() for word in synonyms)
    labels = {row[column].lower(): row["label_en"] for row in table(name) for column in ("label_sv", "label_en")}
    for row in table(name):
        assert {labels.get(word, row["label_en"]) for word in row["synonyms"].split("|")} == {row["label_en"]}


def test_a_former_name_of_a_kpi_is_recognised() -> None:
    names = codes_by_word("kpis")
    assert names[fold("Arbetslösa 18-65 år")] == names[fold("Arbetslösa av befolkningen 18-65 år")] == "arbetsloshet"
    assert names[fold("Trygg utomhus i området efter mörkrets inbrott")] == "trygg-morker"


@pytest.mark.parametrize("name", [*LISTS, "kpis"])
def test_a_code_is_recognised_by_each_of_its_labels(name: str) -> None:
    for row in table(name):
        code = row.get("code") or row["id"]
        words = (code, row["label_sv"], row["label_en"], *filter(None, row["synonyms"].split("|")))
        assert {codes_by_word(name)[fold(word)] for word in words} == {code}


def test_only_the_statuses_that_sdmx_calls_missing_forbid_a_value() -> None:
    """SDMX, Possible ways of implementing CL_OBS_STATUS 2.0, table of section 2: K, L, M, O and Q stand alone."""
    statuses = {row["code"]: row for row in table("statuses")}
    assert {code for code, row in statuses.items() if row["value_missing"] == "true"} == set("KLMOQ")
    for code, row in statuses.items():
        expected = f"http://purl.org/linked-data/sdmx/2009/code#obsStatus-{code}" if code in "ABEFIMPS" else ""
        assert row["sdmx_iri"] == expected


def test_a_licence_is_recognised_by_each_form_of_its_url() -> None:
    for row in table("licences"):
        assert row["iri"].startswith("https://")
        plain = row["iri"].replace("https://", "http://")
        assert {plain, plain + "deed.sv", row["iri"] + "deed.sv"} <= set(row["synonyms"].split("|"))


def test_each_area_is_in_a_known_municipality_or_county() -> None:
    assert all(row["lan"] == row["code"][:2] and row["lan"] in areas().lan for row in table("areas/kommuner"))
    for vintage in ("2018", "2025"):
        rows = table(f"areas/deso{vintage}")
        assert all(row["kommun"] == row["code"][:4] and row["category"] == row["code"][4] for row in rows)
        assert all(row["kommun"] in areas().kommuner for row in rows)
        assert [row["code"] for row in rows] == sorted(row["code"] for row in rows)
    assert {row["kommun"] for row in table("areas/deso2018")} == set(areas().kommuner)


def test_regso_names_are_unique_within_their_municipality() -> None:
    pairs = {(row["kommun"], row["regso"]) for row in table("areas/deso2018")}
    assert len(pairs) == 3363
    assert len({name for _, name in pairs}) == 3339
    # The link table's "RegSO-" before Malmö's names is no part of them and is not shown.
    assert areas().regso_names == {(kommun, name.removeprefix("RegSO-")) for kommun, name in pairs}
    assert len(areas().regso_names) == 3363


def test_known_json_states_the_counties_for_which_a_list_is_complete() -> None:
    known = json.loads((VOCAB / "areas" / "known.json").read_text("utf-8"))
    everywhere, partly = ("lan", "kommun", "deso2018"), {"deso2025": ["01"], "regso2020": [], "regso2025": []}
    assert known == dict.fromkeys(everywhere, "all") | partly
    assert {row["code"][:2] for row in table("areas/deso2025")} == set(known["deso2025"])


def test_successors_are_derived_from_the_lists_of_both_vintages() -> None:
    before = {row["code"] for row in table("areas/deso2018") if row["code"].startswith("01")}
    after = {row["code"] for row in table("areas/deso2025")}
    changes = {(row["from_code"], row["to_code"]) for row in table("areas/deso_changes")}
    expected = {(old, new) for old in before - after for new in after - before if new[:8] == old[:8]}
    assert changes == expected
    assert {old for old, _ in changes} == before - after
    # No code of 2018 shares its first eight positions, so its origin cannot be read from the lists.
    assert (after - before) - {new for _, new in changes} == {"0139B2070"}
    for old in before - after:
        numbers = sorted(new[8] for former, new in changes if former == old)
        assert old[8] == "0"
        assert numbers == [str(n + 1) for n in range(len(numbers))]


@needs_shared
def test_the_register_contains_every_fact_of_its_source() -> None:
    source = rows(SHARED / "kpis.csv")
    ours = table("kpis")
    assert [row["id"] for row in ours] == [row["id"] for row in source]
    changed = {c for old, new in zip(source, ours, strict=True) for c in old if old[c] != new[c]}
    assert changed == WORDED
    added = [column for column in ours[0] if column not in source[0]]
    assert added == ["synonyms", "definition_sv", "unit_sv", "numerator_sv", "denominator_sv", "source_body_sv"]


def kolada() -> set[str]:
    return {row["id"] for row in rows(SHARED / "kolada" / "kolada_kpi_metadata_2026-04.csv")}


def sdg() -> set[str]:
    return {row["iri"] for row in rows(SHARED / "derived" / "sdg_indicator_iris.csv")}


def iris() -> set[str]:
    return {row["iris_id"] for row in rows(SHARED / "derived" / "iris53_metric_ids.csv")}


def identifiers(column: str) -> Iterator[str]:
    for row in table("kpis"):
        yield from row[column].split()


@needs_shared
@pytest.mark.parametrize(("column", "known"), [("kolada_ids", kolada), ("sdg_iri", sdg), ("iris_ids", iris)])
def test_a_verified_identifier_exists_in_its_register(column: str, known: Callable[[], set[str]]) -> None:
    assert set(identifiers(column)) <= known()


@needs_shared
def test_areas_equal_scb_s_link_table_and_code_list() -> None:
    link = rows(SHARED / "geo" / "deso2018_regso2020_koppling_20210702.csv", ";")
    theirs = {(row["DeSO"], " ".join(row["RegSO"].split())) for row in link if row["DeSO"]}
    assert theirs == {(row["code"], row["regso"]) for row in table("areas/deso2018")}
    names = {row["municipality_code"]: row["municipality_name_short"] for row in rows(SHARED / "geo/kommuner_290.csv")}
    assert names == {row["code"]: row["name"] for row in table("areas/kommuner")}
    counties = {row["county_code"]: row["county_name"] for row in rows(SHARED / "geo/lan_21.csv")}
    assert counties == {row["code"]: row["name"] for row in table("areas/lan")}


@pytest.mark.parametrize(("name", "level"), [("lan", "lan"), ("kommuner", "kommun"), ("deso2018", "deso")])
def test_a_code_has_the_form_that_the_reader_of_areas_expects(name: str, level: str) -> None:
    assert all(PATTERNS[level].fullmatch(row["code"]) for row in table(f"areas/{name}"))
