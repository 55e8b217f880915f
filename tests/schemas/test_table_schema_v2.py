"""Table Schema v2 in a table with `--schema` and in a package: both engines, the same findings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import frictionless
import openpyxl
import pytest
from frictionless.resources import TableResource

from tests.reading import assert_speaks
from vaven.schemas import validate
from vaven.schemas.reports.formats import FORMS, render
from vaven.schemas.standard.finding import Report, Verdict
from vaven.schemas.tableschema.columns import judge
from vaven.schemas.tableschema.table_schema_v2 import refuse_invalid

PROFILE = "https://datapackage.org/profiles/2.0/{}.json"
Table = list[list[Any]]


def schema_of(*fields: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"$schema": PROFILE.format("tableschema"), "fields": list(fields), **properties}


def with_schema(folder: Path, schema: Any, table: Table) -> Report:
    (folder / "t.csv").write_text("".join(";".join(map(str, row)) + "\n" for row in table), "utf-8")
    (folder / "schema.json").write_text(json.dumps(schema))
    return validate(folder / "t.csv", schema=folder / "schema.json")


def in_a_workbook(folder: Path, schema: Any, table: Table) -> Report:
    book = openpyxl.Workbook()
    for row in table:
        book.active.append([None if cell == "" else cell for cell in row])
    book.save(folder / "t.xlsx")
    (folder / "schema.json").write_text(json.dumps(schema))
    return validate(folder / "t.xlsx", schema=folder / "schema.json")


def in_a_package(folder: Path, schema: Any, table: Table, **properties: Any) -> Report:
    (folder / "t.csv").write_text("".join(";".join(map(str, row)) + "\n" for row in table), "utf-8")
    described = {"name": "t", "path": "t.csv", "schema": schema}
    properties = properties or {"$schema": PROFILE.format("datapackage")}
    (folder / "datapackage.json").write_text(json.dumps({**properties, "resources": [described]}))
    return validate(folder / "datapackage.json")


WAYS: list[Callable[..., Report]] = [with_schema, in_a_workbook, in_a_package]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def check(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Any, Table], Report]:
    return lambda schema, table: request.param(tmp_path, schema, table)


def cells_of(report: Report) -> list[tuple[str, str]]:
    for finding in report.findings:
        assert_speaks(finding)
    return sorted((f.code, f.address) for f in report.findings)


AREA, YEAR = {"name": "area", "type": "string"}, {"name": "year", "type": "integer"}
VALUE = {"name": "value", "type": "number"}


def test_a_unique_key_occurs_once(check: Callable[..., Report]) -> None:
    schema = schema_of(AREA, YEAR, VALUE, uniqueKeys=[["area", "year"]])
    report = check(schema, [["area", "year", "value"], ["A", 2023, 1], ["A", 2024, 1], ["A", 2023, 2], ["A", 2023, 3]])
    assert cells_of(report) == [("table-unique-key", "4"), ("table-unique-key", "5")]
    assert [(f.field, f.params["before"]) for f in report.findings] == [("area, year", 2), ("area, year", 4)]
    assert report.counts == {"table-unique-key": 2}


def test_unique_keys_are_checked_separately(check: Callable[..., Report]) -> None:
    schema = schema_of(AREA, YEAR, uniqueKeys=[["area"], ["year"], ["area", "year"]])
    report = check(schema, [["area", "year"], ["A", 2023], ["A", 2024], ["B", 2023]])
    assert [f.field for f in report.findings] == ["area", "year"]


def test_a_unique_key_with_a_null_is_equal_to_no_other(check: Callable[..., Report]) -> None:
    schema = schema_of(AREA, YEAR, VALUE, uniqueKeys=[["area", "year"]])
    rows = [["A", "", 1], ["A", "", 1], ["", 2023, 1], ["", 2023, 1], ["", "", 1], ["", "", 1]]
    assert check(schema, [["area", "year", "value"], *rows]).verdict is Verdict.VALID


def test_unique_keys_of_fields_that_the_table_may_lack_are_nulls(check: Callable[..., Report]) -> None:
    schema = schema_of(AREA, YEAR, fieldsMatch="superset", uniqueKeys=[["area", "year"]])
    assert check(schema, [["area"], ["A"], ["A"]]).verdict is Verdict.VALID


def test_no_field_of_a_primary_key_is_null(check: Callable[..., Report]) -> None:
    schema = schema_of(AREA, YEAR, VALUE, primaryKey=["area", "year"])
    rows = [["A", 2023, 1], ["A", "", 1], ["A", "", 1], ["", "", 1], ["A", 2023, 1]]
    report = check(schema, [["area", "year", "value"], *rows])
    null, key = "table-primary-key-null", "table-primary-key"
    assert cells_of(report) == [(key, "5"), (key, "6"), (null, "3"), (null, "4")]
    assert {f.field for f in report.findings if f.code == null} == {"year"}


@pytest.mark.parametrize("categories", [[1, 2], [{"value": 1, "label": "low"}, {"value": 2}]])
def test_categories_are_the_only_values(check: Callable[..., Report], categories: list[Any]) -> None:
    levels = {"name": "level", "type": "integer", "categories": categories, "categoriesOrdered": True}
    report = check(schema_of(AREA, levels), [["area", "level"], ["A", 1], ["B", 9], ["C", ""], ["D", 2]])
    assert cells_of(report) == [("table-constraint-error", "B3")]
    limit = "1, 2" if categories == [1, 2] else "1 (low), 2"
    assert report.findings[0].params["constraint"] == "categories"
    assert report.findings[0].params["limit"] == limit


def test_an_enum_limits_categories_further(check: Callable[..., Report]) -> None:
    sex = {"name": "sex", "type": "string", "categories": ["F", "M"], "constraints": {"enum": ["F"]}}
    report = check(schema_of(sex), [["sex"], ["F"], ["M"], ["Q"]])
    assert [f.params["constraint"] for f in report.findings] == ["enum", "enum"]


MATCHES = {
    # The labels of the table, and the codes of the header.
    "exact": {("area", "year"): [], ("year", "area"): ["incorrect-label"] * 2, ("area", "year", "x"): ["extra-label"]},
    "equal": {("year", "area"): [], ("year", "area", "x"): ["extra-label"], ("year",): ["missing-label"]},
    "subset": {("x", "year", "area"): [], ("x", "year"): ["missing-label"]},
    "superset": {("year",): [], ("year", "area"): [], ("x", "year"): ["extra-label"]},
    "partial": {("x", "year"): [], ("year",): [], ("x", "y"): ["unmatched-header"]},
}
HEADERS = [(mode, labels, codes) for mode, headers in MATCHES.items() for labels, codes in headers.items()]


@pytest.mark.parametrize(("mode", "labels", "codes"), HEADERS)
def test_fields_are_matched_by_the_schema(tmp_path: Path, mode: str, labels: tuple[str, ...], codes: list[str]) -> None:
    """Both engines, without their child process: the file by columns, the rows in the descriptor by Frictionless."""
    cells = {"area": "A", "year": "2023", "x": "x", "y": "y"}
    table = [list(labels), [cells[label] for label in labels]]
    (tmp_path / "t.csv").write_text("".join(";".join(row) + "\n" for row in table))
    schema = schema_of(AREA, YEAR, fieldsMatch=mode)
    for source in ({"path": "t.csv", "dialect": {"csv": {"delimiter": ";"}}}, {"data": table}):
        resource = frictionless.Resource.from_descriptor(
            {"name": "t", "schema": schema, "encoding": "utf-8", **source}, basepath=str(tmp_path)
        )
        assert isinstance(resource, TableResource)
        with duckdb.connect() as work:
            result = judge(resource, work)
        assert result.engine == ("duckdb" if "path" in source else "frictionless")
        assert [error.type for error in result.errors if error.type.endswith(("label", "header"))] == codes
        assert result.is_valid == (not codes)


def test_fields_matched_by_name_are_checked_in_their_columns(check: Callable[..., Report]) -> None:
    schema = schema_of(AREA, YEAR, fieldsMatch="subset")
    report = check(schema, [["note", "year", "area"], ["n", 2023, "A"], ["n", "x", "A"]])
    assert cells_of(report) == [("table-type-error", "B3")]


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_exclusive_bounds_exclude_themselves(check: Callable[..., Report], kind: str) -> None:
    value = {**VALUE, "type": kind, "constraints": {"exclusiveMinimum": 0, "exclusiveMaximum": 100}}
    report = check(schema_of(AREA, value), [["area", "value"], ["A", 0], ["B", 100], ["C", 50], ["D", 1], ["E", 99]])
    assert cells_of(report) == [("table-constraint-error", "B2"), ("table-constraint-error", "B3")]


def test_list_items_have_their_type(check: Callable[..., Report]) -> None:
    tags = {"name": "tags", "type": "list", "delimiter": "|", "itemType": "integer", "constraints": {"minLength": 2}}
    report = check(schema_of(AREA, tags), [["area", "tags"], ["A", "1|2"], ["B", "1|x"], ["C", "1|"], ["D", "1"]])
    assert cells_of(report) == [
        ("table-constraint-error", "B5"), ("table-type-error", "B3"), ("table-type-error", "B4")
    ]  # fmt: skip
    assert report.findings[0].params["kind"] == "list (integer)"


@pytest.mark.parametrize("own", [["-"], [{"value": "-", "label": "not collected"}]])
def test_missing_values_of_a_field_replace_those_of_the_schema(check: Callable[..., Report], own: list[Any]) -> None:
    missing = [{"value": "", "label": "empty"}, {"value": "..", "label": "secret"}]
    schema = schema_of(AREA, YEAR, {**VALUE, "missingValues": own}, missingValues=missing)
    report = check(schema, [["area", "year", "value"], ["A", "..", "-"], ["B", 2023, ".."], ["C", "-", 5]])
    assert cells_of(report) == [("table-type-error", "B4"), ("table-type-error", "C3")]


INVALID: list[dict[str, Any]] = [
    {"uniqueKeys": []},
    {"uniqueKeys": "area"},
    {"uniqueKeys": ["area"]},
    {"uniqueKeys": [[]]},
    {"uniqueKeys": [["area", "gone"]]},
    {"uniqueKeys": [[["area"]]]},
    {"fields": [{**AREA, "categories": "A"}]},
    {"fields": [{**AREA, "categories": [{"label": "A"}]}]},
    {"fields": [{**AREA, "categories": ["A", "A"]}]},
    {"fields": [{**AREA, "categories": [{"value": "A", "label": "x"}, {"value": "B", "label": "x"}]}]},
    {"fields": [{**AREA, "categories": ["A"], "categoriesOrdered": "yes"}]},
    {"fields": [{**AREA, "categories": ["A"], "constraints": {"enum": ["B"]}}]},
    {"fields": [{**AREA, "type": "integer", "categories": ["x"]}]},
    {"fields": [{**AREA, "type": "list", "categories": ["x"]}]},
    {"fieldsMatch": "some"},
]


@pytest.mark.parametrize("invalid", INVALID, ids=json.dumps)
def test_invalid_metadata_of_version_2_is_refused(invalid: dict[str, Any]) -> None:
    with pytest.raises(frictionless.FrictionlessException) as refusal:
        refuse_invalid(frictionless.Schema.from_descriptor({**schema_of(AREA), **invalid}))
    assert refusal.value.reasons


@pytest.mark.parametrize("invalid", [{"uniqueKeys": [["gone"]]}, {"fieldsMatch": "some"}], ids=json.dumps)
def test_invalid_metadata_of_version_2_is_reported(check: Callable[..., Report], invalid: dict[str, Any]) -> None:
    report = check({**schema_of(AREA), **invalid}, [["area"], ["A"]])
    assert (report.verdict, report.counts) == (Verdict.NOT_CHECKED, {"not-readable-descriptor": 1})
    assert_speaks(report.findings[0])


def test_the_version_is_declared_by_the_schema_or_the_package(tmp_path: Path) -> None:
    value = {**VALUE, "constraints": {"exclusiveMinimum": 0}}
    schema, table = schema_of(value), [["value"], [0]]
    first = {"fields": [value]}
    assert with_schema(tmp_path, first, table).verdict is Verdict.NOT_CHECKED
    assert in_a_package(tmp_path, first, table, name="x").verdict is Verdict.NOT_CHECKED
    own = {**first, "$schema": "https://127.0.0.1:9/profile.json"}
    for report in (
        with_schema(tmp_path, schema, table),
        with_schema(tmp_path, own, table),
        in_a_package(tmp_path, first, table),
        in_a_package(tmp_path, schema, table, name="x"),
    ):
        assert cells_of(report) == [("table-constraint-error", "A2")]


def test_every_form_has_the_findings_of_keys(tmp_path: Path) -> None:
    schema = schema_of(AREA, YEAR, VALUE, primaryKey=["area", "year"], uniqueKeys=[["value"]])
    report = with_schema(tmp_path, schema, [["area", "year", "value"], ["A", 2023, 1], ["A", "", 1]])
    assert cells_of(report) == [("table-primary-key-null", "3"), ("table-unique-key", "3")]
    for form in FORMS:
        assert render(form, report, "sv")
    task = frictionless.Report.from_descriptor(json.loads(render("frictionless", report, "sv"))).tasks[0]
    assert sorted(error.type for error in task.errors) == ["primary-key", "row-error"]


INTEGERS = {"fields": [{"name": "id", "type": "integer"}, {"name": "x", "type": "integer"}]}
LONG = "9" * 66_000


@pytest.mark.parametrize("is_package", [True, False])
@pytest.mark.parametrize(
    ("name", "text", "counts"),
    [
        ("a.json", '[{"id": 1, "x": 2}]', {}),
        ("a.json", '[["id", "x"], [1, 2]]', {}),
        ("a.json", '[{"id": "q", "x": 2}]', {"table-type-error": 1}),
        ("a.json", '[{"id": 1, "id": 2, "x": 3}]', {"not-readable-json-key": 1}),
        ("a.json", f'[{{"id": {LONG}, "x": 3}}]', {"not-readable-number": 1}),
        ("a.jsonl", '{"id": 1, "x": 2}\n{"id": 1, "id": 2, "x": 3}\n', {"not-readable-json-key": 1}),
        ("a.jsonl", f'{{"id": 1, "x": 2}}\n{{"id": {LONG}, "x": 3}}\n', {"not-readable-number": 1}),
        ("a.json", '{"id": 1}', {"table-source": 1}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_json_table_is_checked_by_its_schema(
    tmp_path: Path, name: str, text: str, counts: dict[str, int], is_package: bool
) -> None:
    """Without a type, Frictionless takes a JSON resource for a file without a table, and checks nothing."""
    (tmp_path / name).write_text(text)
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(INTEGERS))
    source = tmp_path / "datapackage.json"
    source.write_text(json.dumps({"name": "p", "resources": [{"name": "a", "path": name, "schema": "schema.json"}]}))
    report = validate(source) if is_package else validate(tmp_path / name, schema=schema)
    assert report.counts == counts
    assert (report.verdict == "valid") == (not counts)
    assert sum(report.rows.values()) == (1 if counts in ({}, {"table-type-error": 1}) else 0)


@pytest.mark.parametrize("name", ["a.dat", "a", "a.pdf", "a.txt"])
def test_a_resource_with_a_schema_that_is_not_read_is_not_valid(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id,x\nq,2\n")
    source = tmp_path / "datapackage.json"
    source.write_text(json.dumps({"name": "p", "resources": [{"name": "a", "path": name, "schema": INTEGERS}]}))
    assert validate(source).counts == {"table-source": 1}


def test_a_package_without_a_table_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n")
    source = tmp_path / "datapackage.json"
    source.write_text(json.dumps({"name": "p", "resources": [{"name": "a", "path": "a.pdf"}]}))
    report = validate(source)
    assert (report.verdict, report.counts) == ("not-checked", {"not-readable-descriptor": 1})
