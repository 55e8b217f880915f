"""Any table against any schema: the same verdict and the same errors as frictionless-py, word for word.

Its own fixtures, csvlint's, and generated tables of every type with its formats, options, constraints and keys.
Where we deviate stands in docs/frictionless.md. What Table Schema v2 requires and Frictionless ignores (unique keys,
categories, nulls in a primary key) is compared with a plain loop over Frictionless's rows (`of_version_2`).
"""

import csv
import io
import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from frictionless import FrictionlessException, Package, Resource
from frictionless.resources import TableResource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import SHARED
from vaven.schemas.standard.finding import MAX_FINDINGS
from vaven.schemas.tableschema.columns import COLUMNS, TableResult, judge

TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".ndjson", ".zip", ".gz")
# The one way in which an outcome of ours may differ: counts go on where Frictionless stops at its limit.
warnings.filterwarnings("ignore", category=UserWarning)


def key(error: Any) -> tuple[Any, ...]:
    names = ("row_number", "field_number", "field_name", "note")
    return (error.type, *(str(getattr(error, name, None)) for name in names))


def theirs(resource: TableResource) -> list[tuple[Any, ...]]:
    report = resource.to_copy().validate()
    return sorted(key(e) for e in [*(e for task in report.tasks for e in task.errors), *report.errors])


def ours(resource: TableResource) -> TableResult:
    with duckdb.connect() as work:
        return judge(resource, work)


def of_version_2(resource: TableResource) -> list[tuple[str, int]]:
    """Return type and row of each error that Table Schema v2 requires and Frictionless does not report."""
    copy = resource.to_copy()
    keys, primary = copy.schema.custom.get("uniqueKeys", []), copy.schema.primary_key
    categories = {
        field.name: [entry["value"] if isinstance(entry, dict) else entry for entry in field.custom["categories"]]
        for field in copy.schema.fields
        if "categories" in field.custom
    }
    errors: list[tuple[str, int]] = []
    values_by_key: dict[int, set[tuple[Any, ...]]] = defaultdict(set)
    if not (keys or categories or len(primary) > 1):
        return errors
    try:
        copy.to_descriptor(validate=True)
        copy.open()
    except FrictionlessException:
        return errors
    with copy:
        for row in copy.row_stream:
            for number, names in enumerate(keys):
                values = tuple(row.get(name) for name in names)
                if None not in values:
                    errors += [("unique-key", row.row_number)] * (values in values_by_key[number])
                    values_by_key[number].add(values)
            if set(primary) <= set(row.field_names) and set(primary) & set(row.blank_cells):
                errors += [("primary-key-null", row.row_number)] * any(row[name] is not None for name in primary)
            for name in categories.keys() & set(row.field_names):
                is_outside = row[name] is not None and row[name] not in categories[name]
                errors += [("constraint-error", row.row_number)] * is_outside
    return errors


def assert_same(resource: TableResource) -> TableResult:
    expected, report, added = theirs(resource), ours(resource), of_version_2(resource)
    nulls = {str(row) for kind, row in added if kind == "primary-key-null"}
    # A row with a null in its primary key has no other error of that key.
    expected = [error for error in expected if error[0] != "primary-key" or error[1] not in nulls]
    own = [e for e in report.errors if e.type in ("unique-key", "primary-key-null") or '"categories"' in e.note]
    assert sorted(key(e) for e in report.errors if e not in own) == expected
    assert sorted((e.type, e.row_number) for e in own) == sorted(added)
    counts = Counter(error[0] for error in [*expected, *added])
    assert dict(report.counts) == dict(counts) or len(expected) >= MAX_FINDINGS
    assert report.is_valid == (not expected and not added)
    return report


def files() -> list[Path]:
    folders = (SHARED / "frictionless-py-data", SHARED / "csvlint-fixtures")
    return sorted(p for folder in folders for p in folder.rglob("*") if p.is_file() and p.suffix in TABLES)


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SHARED)))
def test_a_fixture_gives_the_errors_of_frictionless(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    try:
        resource = Resource(path=path.name)
    except FrictionlessException:
        pytest.skip("frictionless itself takes this for no resource")
    if isinstance(resource, TableResource):
        assert_same(resource)


def packages() -> Iterator[Path]:
    for path in sorted(SHARED.rglob("*.json")):
        if path.stat().st_size < 200_000 and b'"resources"' in path.read_bytes():
            yield path


def test_packages_give_the_errors_of_frictionless(shared: Path) -> None:
    """Every package of the shared data whose descriptor Frictionless accepts: keys across files, dialects, parts."""
    engines: Counter[str] = Counter()
    for path in packages():
        try:
            package = Package.from_descriptor(str(path))
        except (FrictionlessException, AttributeError, KeyError, TypeError, ValueError):
            continue
        for resource in package.resources:
            # Addresses and databases are never opened: a path of a package is a file beside it.
            if isinstance(resource, TableResource) and (path.parent / (resource.path or "-")).is_file():
                engines[assert_same(resource).engine] += 1
    assert engines[COLUMNS] > 30


def test_nine_of_ten_text_fixtures_are_checked_by_columns(shared: Path) -> None:
    chosen = [p for p in files() if p.suffix in (".csv", ".tsv") and p.stat().st_size > 100]
    engines = [ours(r).engine for p in chosen if isinstance(r := _resource(p), TableResource)]
    assert engines.count(COLUMNS) / len(engines) > 0.9


def _resource(path: Path) -> Resource:
    return Resource(path=path.name, basepath=str(path.parent))


# --- generated --------------------------------------------------------------------------------------------------

NUMBERS = (
    "",
    "1",
    "-7",
    "0",
    "1.0",
    "1,5",
    "1.5",
    "1 000,5",
    "1,000.5",
    "5%",
    "$5",
    "1e3",
    "NaN",
    "INF",
    "٣",
    "x",
    "+2",
)
TIMES = (
    "",
    "2024-02-29",
    "2023-02-29",
    "29/02/2024",
    "20240229",
    "12:30:00",
    "12:30",
    "24:00:00",
    "2024-02-29T12:30:00Z",
)
MORE_TIMES = (
    "2024-02-29T12:30:00+02:00",
    "2024-02-29 12:30",
    "2024",
    "0001",
    "12024",
    "-2024",
    "2024-02",
    "2024-13",
    "P1Y2M",
    "PT5S",
    "P",
)
WORDS = (
    "",
    "a",
    "b",
    "A",
    "abc",
    "true",
    "false",
    "True",
    "1",
    "0",
    "yes",
    "no",
    "ja",
    "nej",
    "-",
    "NA",
    "n/a",
    " a",
    "å",
)
ODD = (
    "[1, 2]", '["a"]', "{}", '{"a": 1}', "a,b", "1,2", "1;2", "1.5,2", "[10.5,20]", '{"lon": 10, "lat": 20}', "200,100",
    '{"type": "Point", "coordinates": [1, 2]}', "a@b.se", "http://example.org", "urn:x", "example",
    "c0a8e1f4-5a0e-4c7a-9d5e-2f1b3c4d5e6f", "YWJj", "****",
)  # fmt: skip
TEXTS = (*NUMBERS, *TIMES, *MORE_TIMES, *WORDS, *ODD)
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "any": [{}],
    "array": [{}, {"arrayItem": {"type": "integer"}}],
    "boolean": [{}, {"trueValues": ["ja", "1"], "falseValues": ["nej", "0"]}],
    "date": [{}, {"format": "any"}, {"format": "%d/%m/%Y"}, {"format": "%Y%m%d"}],
    "datetime": [{}, {"format": "any"}, {"format": "%Y-%m-%d %H:%M"}],
    "duration": [{}],
    "geojson": [{}, {"format": "topojson"}],
    "geopoint": [{}, {"format": "array"}, {"format": "object"}],
    "integer": [{}, {"bareNumber": False}, {"groupChar": ","}],
    "list": [{}, {"delimiter": ";"}, {"itemType": "integer"}],
    "number": [
        {},
        {"decimalChar": ","},
        {"decimalChar": ",", "groupChar": " "},
        {"groupChar": ","},
        {"bareNumber": False},
        {"floatNumber": True},
    ],
    "object": [{}],
    "string": [{}, {"format": "email"}, {"format": "uri"}, {"format": "uuid"}, {"format": "binary"}],
    "time": [{}, {"format": "any"}, {"format": "%H:%M"}],
    "year": [{}],
    "yearmonth": [{}],
}
BOUNDS: dict[str, list[dict[str, Any]]] = {
    "integer": [{"minimum": 0}, {"maximum": 1}, {"enum": [1, 2]}, {"pattern": "[0-9]+"}, {"exclusiveMinimum": 1}],
    "number": [{"minimum": 1}, {"maximum": "1.5"}, {"enum": [1.5, "5"]}, {"exclusiveMaximum": 1.5}],
    "string": [{"minLength": 2}, {"maxLength": 1}, {"pattern": "[a-b]"}, {"enum": ["a", "b", "1"]}],
    "date": [{"minimum": "2024-01-01"}, {"maximum": "2024-01-01"}, {"exclusiveMinimum": "2024-02-29"}],
    "list": [{"minLength": 2}, {"maxLength": 1}],
    "year": [{"minimum": 2000}, {"enum": [2024]}],
    "boolean": [{"enum": [True]}],
}
CATEGORIES: dict[str, list[list[Any]]] = {
    "string": [["a", "b"], [{"value": "a", "label": "A"}, {"value": "1"}]],
    "integer": [[1, 0], [{"value": 1, "label": "one"}, {"value": -7}]],
}
V2 = "https://datapackage.org/profiles/2.0/dataresource.json"


@st.composite
def fields(draw: st.DrawFn, name: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(OPTIONS)))
    field = {"name": name, "type": kind, **draw(st.sampled_from(OPTIONS[kind]))}
    constraints: dict[str, Any] = {}
    if draw(st.booleans()):
        constraints["required"] = draw(st.booleans())
    if kind not in ("array", "object", "geojson", "list", "geopoint") and draw(st.integers(0, 3)) == 0:
        constraints["unique"] = True
    if kind in BOUNDS and "format" not in field and draw(st.booleans()):
        constraints |= draw(st.sampled_from(BOUNDS[kind]))
    if draw(st.integers(0, 4)) == 0:
        field["missingValues"] = draw(st.sampled_from([["-"], ["", "NA", "-"], [], [{"value": "-", "label": "none"}]]))
    if kind in CATEGORIES and "enum" not in constraints and draw(st.integers(0, 2)) == 0:
        field["categories"] = draw(st.sampled_from(CATEGORIES[kind]))
    return field | ({"constraints": constraints} if constraints else {})


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Any], list[list[str]]]:
    width = draw(st.integers(1, 4))
    described = [draw(fields(f"f{i}")) for i in range(width)]
    schema: dict[str, Any] = {"fields": described}
    if draw(st.booleans()):
        schema["missingValues"] = draw(st.sampled_from([[""], ["", "NA"], ["-"], [{"value": ""}, {"value": "NA"}]]))
    simple = [f["name"] for f in described if f["type"] not in ("array", "object", "geojson", "list", "geopoint")]
    if simple and draw(st.integers(0, 2)) == 0:
        schema["primaryKey"] = simple[: draw(st.integers(1, 2))]
    if simple and draw(st.integers(0, 2)) == 0:
        schema["uniqueKeys"] = [simple[:1], simple[-2:]]
    if len(simple) > 1 and draw(st.integers(0, 3)) == 0:
        reference = {"resource": "", "fields": [simple[1]]}
        schema["foreignKeys"] = [{"fields": [simple[0]], "reference": reference}]
    labels = [f["name"] for f in described]
    if draw(st.integers(0, 2)) == 0:
        schema["fieldsMatch"] = draw(st.sampled_from(["exact", "equal", "subset", "superset", "partial"]))
        labels = draw(st.permutations(labels))
    if draw(st.integers(0, 4)) == 0:
        labels[draw(st.integers(0, width - 1))] = draw(st.sampled_from(["", "f0", "other", "F0"]))
    lengths = st.sampled_from([width] * 12 + [width - 1, width + 1, 0])
    rows = [
        [draw(st.sampled_from(TEXTS)) for _ in range(max(draw(lengths), 0))] for _ in range(draw(st.integers(0, 8)))
    ]
    return schema, [labels, *rows]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables(), st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_generated_tables_give_the_errors_of_frictionless(
    tmp_path: Path, table: tuple[dict[str, Any], list[list[str]]], delimiter: str, end: str, is_told: bool
) -> None:
    schema, rows = table
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    (tmp_path / "t.csv").write_bytes(text.getvalue().encode())
    descriptor: dict[str, Any] = {"name": "t", "path": "t.csv", "schema": schema, "$schema": V2}
    if is_told:
        descriptor |= {"encoding": "utf-8", "dialect": {"csv": {"delimiter": delimiter}}}
    try:
        resource = Resource.from_descriptor(descriptor, basepath=str(tmp_path))
    except FrictionlessException:
        return
    try:
        theirs(resource)
    except (AttributeError, TypeError, ValueError, KeyError, ArithmeticError):
        # Frictionless itself fails on some metadata (a bound of another type); there is nothing to be equal to.
        return
    assert_same(resource)


# --- what columns are for ---------------------------------------------------------------------------------------

SCHEMA = {"fields": [{"name": "id", "type": "integer"}, {"name": "x", "type": "number"}], "primaryKey": ["id"]}


def table(folder: Path, text: str, **descriptor: Any) -> TableResource:
    (folder / "t.csv").write_text(text)
    properties = {"name": "t", "path": "t.csv", "encoding": "utf-8", "schema": SCHEMA, **descriptor}
    resource = Resource.from_descriptor(properties, basepath=str(folder))
    assert isinstance(resource, TableResource)
    return resource


def test_different_spellings_of_a_key_are_duplicates(tmp_path: Path) -> None:
    report = assert_same(table(tmp_path, "id,x\n1,1\n01,2\n 1,3\n2,x\n"))
    assert report.counts == {"primary-key": 2, "type-error": 1}
    assert report.engine == COLUMNS


def test_lists_are_compared_as_keys(tmp_path: Path) -> None:
    """Frictionless fails on lists as keys, so there is nothing to be equal to."""
    tags = {"name": "tags", "type": "list", "itemType": "integer", "constraints": {"unique": True}}
    schema = {"fields": [tags, {"name": "x", "type": "list"}], "uniqueKeys": [["x"]]}
    report = ours(table(tmp_path, "tags;x\n1,2;a\n01,2;b\n2,1;a\n", schema=schema, dialect={"delimiter": ";"}))
    assert [(error.type, error.row_number) for error in report.errors] == [("unique-error", 3), ("unique-key", 4)]
    assert report.engine == COLUMNS


def test_counts_continue_after_the_limit_of_listed_errors(tmp_path: Path) -> None:
    report = ours(table(tmp_path, "id,x\n" + "".join(f"{i},x\n" for i in range(5_000))))
    assert (report.counts, len(report.errors)) == ({"type-error": 5_000}, MAX_FINDINGS)


def test_dialects_of_frictionless_are_read_and_checked_by_columns(tmp_path: Path) -> None:
    """Dialects are read by Frictionless's own parser, and still checked by columns."""
    commented = table(tmp_path, "# note\nid|x\n1|2\n\n# more\n1|3\n", dialect={"commentChar": "#", "delimiter": "|"})
    report = assert_same(commented)
    assert report.engine == COLUMNS
    assert report.counts == {"blank-row": 1, "primary-key": 2}


def test_foreign_keys_are_checked_across_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,b\n1,x\n2,y\n3,\n4,z\n")
    (tmp_path / "b.csv").write_text("code,n\nx,1\ny,2\n")
    key = {"fields": ["b"], "reference": {"resource": "b", "fields": ["code"]}}
    kinds = [{"name": "id", "type": "integer"}, {"name": "b", "type": "string"}]
    others = [{"name": "code", "type": "string"}, {"name": "n", "type": "integer"}]
    package = Package.from_descriptor(
        {
            "resources": [
                {"name": "a", "path": "a.csv", "schema": {"fields": kinds, "foreignKeys": [key]}},
                {"name": "b", "path": "b.csv", "schema": {"fields": others}},
            ]
        },
        basepath=str(tmp_path),
    )
    (resource, _) = package.resources
    assert isinstance(resource, TableResource)
    report = assert_same(resource)
    assert (report.counts, report.engine) == ({"foreign-key": 1}, COLUMNS)


def test_reports_are_serialised_to_json(tmp_path: Path) -> None:
    report = ours(table(tmp_path, "id,x\n1,x\n"))
    assert json.dumps([error.to_descriptor() for error in report.errors])
