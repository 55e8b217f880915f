"""Our findings about a Table Schema equal those of frictionless-py: same type, same row, same field.

Every deviation is listed in docs/frictionless.md, and here by one cell each; where one vanishes a test fails.
"""

import csv
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import frictionless
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tables_by_hand import tables_of
from vaven.schemas.check import RULE_MODULES, check
from vaven.schemas.rules.registry import RULES, SCHEMA_RULES
from vaven.schemas.standard.table_schemas import RESOURCES, Field, standard

# Our code to the error type of frictionless-py, for what both know.
BY_SCHEMA = {code: kind for code, (_, kind) in SCHEMA_RULES.items()} | {
    code: RULES[code].frictionless
    for code in ("duplicate-key", "duplicate-row", "duplicate-value", "reference-missing")
}
# These kinds speak of rows: frictionless-py names their fields otherwise or not at all.
OF_ROWS = ("primary-key", "foreign-key", "unique-error")

TEXTS: Mapping[str, Sequence[str]] = {
    "number": ("", "5.5", "0", "-3", "+7", ".5", "5.", "1e1", "150", "1,5", "5 %", "0x10", "abc", "-", "1.2.3"),
    "integer": ("", "5", "0", "-3", "+7", "5.0", "5e1", "abc", "5 st"),
    "date": ("", "2024-02-29", "2023-02-29", "20240101", "2024-13-01", "0000-01-01", "2024-01-01T00:00", "i dag"),
}
WORDS = (
    "",
    "T",
    "F",
    "X",
    "a",
    "b",
    "0180C1010",
    "0180",
    "arbetsloshet",
    "tillit",
    "2023",
    "2024-Q1",
    "2024-13",
    "16-24",
)
Rows = list[dict[str, str]]


def cell(field: Field) -> st.SearchStrategy[str]:
    allowed = tuple(str(code) for code in field.constraints.get("enum", ()))
    return st.sampled_from(TEXTS.get(field.type, (*WORDS, *allowed[:2])))


def rows(resource: str) -> st.SearchStrategy[Rows]:
    """Tables of one to five rows, each with some part of its key filled so that it is a row.

    Sex and age are filled where they are part of a key: an empty one is a total to us (docs/frictionless.md).
    """
    fields = {f.name: cell(f) for f in standard()[resource].fields}
    fields |= {n: fields[n].map(lambda text: text or "T") for n in ("sex", "age_group") if n in fields}
    row = st.fixed_dictionaries(fields).filter(
        lambda values: any(values[name] for name in standard()[resource].primary_key)
    )
    return st.lists(row, min_size=1, max_size=5)


def ours(resources: Mapping[str, Rows]) -> set[tuple[str, str, int | None, str | None]]:
    with tables_of(resources) as tables:
        findings = check(tables).findings
    kinds = ((BY_SCHEMA[f.code], f) for f in findings if f.code in BY_SCHEMA)
    return {(kind, f.resource or "", f.row, None if kind in OF_ROWS else f.field) for kind, f in kinds}


def theirs(resources: Mapping[str, Rows]) -> set[tuple[str, str, int | None, str | None]]:
    with tempfile.TemporaryDirectory() as folder:
        descriptors = [_resource(Path(folder), name, rows, set(resources)) for name, rows in resources.items()]
        descriptor = Path(folder) / "datapackage.json"
        descriptor.write_text(json.dumps({"name": "both", "resources": descriptors}), "utf-8")
        report = frictionless.validate(str(descriptor), limit_errors=10_000)
    errors = set()
    for task in report.tasks:
        for error in task.errors:
            field = None if error.type in OF_ROWS else error.field_name
            errors.add((error.type, task.name, error.row_number, field))
    return errors


def _resource(folder: Path, name: str, rows: Rows, present: set[str]) -> dict[str, object]:
    schema = dict(standard()[name].descriptor)
    keys = [key for key in schema.pop("foreignKeys", ()) if key["reference"]["resource"] in present]
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, standard()[name].names, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    dialect = {"delimiter": ",", "quoteChar": '"'}
    schema = {**schema, "foreignKeys": keys} if keys else schema
    return {"name": name, "path": f"{name}.csv", "schema": schema, "dialect": {"csv": dialect}}


def merged(errors: set[tuple[str, str, int | None, str | None]]) -> set[tuple[str, str, int | None, str | None]]:
    """Merge the two errors that frictionless-py reports, and we once, for a key of one unique field."""
    return {("primary-key" if kind == "unique-error" else kind, *rest) for kind, *rest in errors}  # type: ignore[misc]


def test_the_rules_map_to_error_types_of_frictionless() -> None:
    assert RULE_MODULES
    assert set(BY_SCHEMA.values()) == {"constraint-error", "type-error", "primary-key", "foreign-key", "unique-error"}


@pytest.mark.parametrize("resource", RESOURCES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_generated_tables_get_the_same_findings(resource: str, data: st.DataObject) -> None:
    table = data.draw(rows(resource))
    mine = {error for error in ours({resource: table}) if error[1] == resource}
    incomplete = {i for i, row in enumerate(table, 2) if not all(row[n] for n in standard()[resource].primary_key)}
    both = merged(theirs({resource: table}))
    assert mine == {error for error in both if error[0] != "primary-key" or error[2] not in incomplete}


@settings(max_examples=15, deadline=None)
@given(observations=rows("observations"), neighbourhoods=rows("neighbourhoods"))
def test_references_get_the_same_findings(observations: Rows, neighbourhoods: Rows) -> None:
    both = {"observations": observations, "neighbourhoods": neighbourhoods}
    assert {f for f in ours(both) if f[0] == "foreign-key"} == {f for f in theirs(both) if f[0] == "foreign-key"}


OBSERVATION = dict.fromkeys(standard()["observations"].names, "") | {
    "neighbourhood": "0180C1010",
    "kpi": "arbetsloshet",
    "period": "2023",
    "sex": "T",
    "age_group": "T",
    "value": "5.5",
}
NEIGHBOURHOOD = dict.fromkeys(standard()["neighbourhoods"].names, "") | {
    "code": "0180C1010",
    "level": "deso",
    "name": "Norrmalm",
    "municipality": "0180",
}
INVESTMENT = dict.fromkeys(standard()["investments"].names, "") | {
    "id": "ljus",
    "name": "Ljus",
    "neighbourhoods": "0180C1010",
    "actors": "staden",
    "start": "2022-01-01",
    "kind": "safety",
    "kpis": "tillit",
}


@pytest.mark.parametrize(
    ("resource", "row", "field", "text"),
    [
        ("observations", OBSERVATION, "value", "NaN"),
        ("observations", OBSERVATION, "value", "INF"),
        ("observations", OBSERVATION, "value", "1e999"),
        ("observations", OBSERVATION, "value", "1_000"),
        ("observations", OBSERVATION, "value", "٣"),
        ("observations", OBSERVATION, "sample_size", "99999999999999999999"),
        ("investments", INVESTMENT, "start", "2024-1-1"),
    ],
)
def test_a_value_that_only_frictionless_accepts_is_a_known_deviation(
    resource: str, row: dict[str, str], field: str, text: str
) -> None:
    rows = {resource: [{**row, field: text}]}
    assert theirs(rows) == set()
    assert ours(rows) == {("type-error", resource, 2, field)}


def test_a_rule_more_specific_than_frictionless_is_a_known_deviation() -> None:
    rows = {"neighbourhoods": [{**NEIGHBOURHOOD, "municipality": "180"}]}
    assert theirs(rows) == {("constraint-error", "neighbourhoods", 2, "municipality")}
    assert ours(rows) == set()
    with tables_of(rows) as tables:
        assert [(f.code, f.field) for f in check(tables).findings if f.row] == [("area-leading-zero", "municipality")]


def test_an_incomplete_key_is_a_known_deviation() -> None:
    row = dict.fromkeys(standard()["actors"].names, "") | {"name": "Staden", "sector": "public"}
    assert theirs({"actors": [row]}) - ours({"actors": [row]}) == {("primary-key", "actors", 2, None)}
    rows = {"observations": [{**OBSERVATION, "period": ""}] * 2}
    assert theirs(rows) - ours(rows) == {("primary-key", "observations", 3, None)}


def test_an_empty_cell_that_means_total_is_a_known_deviation() -> None:
    rows = {"observations": [OBSERVATION, {**OBSERVATION, "sex": ""}]}
    assert theirs(rows) == set()
    assert ours(rows) == {("primary-key", "observations", 3, None)}
