"""Tables with a custom schema: our own messages, bounded resources, and never read as a submission."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frictionless
import pytest

from tests.conftest import vaven
from tests.reading import assert_speaks
from vaven.schemas import validate
from vaven.schemas.reports.formats import FORMS, render
from vaven.schemas.standard.finding import Finding, Report, Severity, Verdict
from vaven.schemas.tableschema.check import SENTENCES, code_of

SCHEMA = {
    "fields": [{"name": "id", "type": "integer"}, {"name": "namn", "constraints": {"maxLength": 3}, "type": "string"}],
    "primaryKey": ["id"],
}


@pytest.fixture
def with_schema(tmp_path: Path) -> Callable[..., Report]:
    def check(text: str, schema: Any = SCHEMA, **options: Any) -> Report:
        (tmp_path / "t.csv").write_text(text)
        (tmp_path / "schema.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
        return validate(tmp_path / "t.csv", schema=tmp_path / "schema.json", **options)

    return check


def cells_of(report: Report) -> list[tuple[str, str]]:
    return [(f.code, f.address) for f in report.findings]


def package(folder: Path, *resources: dict[str, Any], **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "datapackage.json").write_text(json.dumps({"resources": list(resources)}))
    return folder


def test_a_table_is_checked_against_a_custom_schema(with_schema: Callable[..., Report]) -> None:
    report = with_schema("id;namn\n1;abc\n1;abcd\nx;\n")
    assert set(cells_of(report)) == {
        ("table-constraint-error", "B3"),
        ("table-primary-key", "3"),
        ("table-type-error", "A4"),
        ("table-primary-key", "4"),
    }
    assert report.verdict is Verdict.INVALID
    assert report.engine == "duckdb (table)"
    assert with_schema("id;namn\n1;abc\n").verdict is Verdict.VALID


@pytest.mark.parametrize("language", ["sv", "en"])
def test_every_form_states_that_the_standard_was_not_checked(with_schema: Callable[..., Report], language: str) -> None:
    report = with_schema("id;namn\n1;abc\nx;abc\n")
    for form in FORMS:
        text = render(form, report, language)
        assert text
        if form == "frictionless":
            task = frictionless.Report.from_descriptor(json.loads(text)).tasks[0]
            assert [(e.type, e.row_number) for e in task.errors] == [("type-error", 3), ("primary-key", 3)]
    sentence = {"sv": "Den kan inte publiceras.", "en": "It can't be published."}[language]
    assert sentence in render("text", report, language)
    assert "kan publiceras." not in render("text", with_schema("id;namn\n1;a\n"), "sv")


def test_every_error_type_has_its_messages() -> None:
    params = {"note": "n", "kind": "k", "constraint": "c", "limit": "l", "before": 1}
    for kind in (*SENTENCES, "anything-else"):
        assert_speaks(Finding(code_of(kind), Severity.ERROR, row=1, field="f", text="t", params=params))


def test_a_package_of_other_tables_is_checked_against_its_own_schemas(tmp_path: Path) -> None:
    key = {"fields": ["b"], "reference": {"resource": "b", "fields": ["id"]}}
    a = {"name": "a", "path": "a.csv", "schema": {"fields": [{"name": "b", "type": "integer"}], "foreignKeys": [key]}}
    folder = package(tmp_path / "p", a, {"name": "b", "path": "b.csv"}, a="b\n1\n9\n", b="id,n\n1,2\n")
    assert cells_of(validate(folder)) == [("table-foreign-key", "3")]
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    assert validate(tmp_path / "p.zip").rows == {} or cells_of(validate(tmp_path / "p.zip"))


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({"path": "../a.csv"}, "not-readable-path"),
        ({"path": "http://127.0.0.1:9/a.csv"}, "not-readable-path"),
        ({"path": "/etc/hostname"}, "not-readable-path"),
        ({"path": "a.csv", "schema": "http://127.0.0.1:9/s.json"}, "not-readable-path"),
        ({"path": "a.csv", "scheme": "http"}, "not-readable-format"),
        ({"path": "a.csv", "format": "sql"}, "not-readable-format"),
        ({"path": "gone.csv"}, "not-readable-missing"),
        ({"path": "a.csv", "schema": {"fields": 5}}, "not-readable-descriptor"),
    ],
)
def test_nothing_outside_a_package_is_opened(tmp_path: Path, resource: dict[str, Any], code: str) -> None:
    report = validate(package(tmp_path / "p", {"name": "x", **resource}, a="id\n1\n"))
    assert set(report.counts) <= {code, "table-source"}, report.findings
    assert report.verdict is not Verdict.VALID


def test_a_link_out_of_a_package_is_refused(tmp_path: Path) -> None:
    folder = package(tmp_path / "p", {"name": "x", "path": "a.csv"})
    (tmp_path / "outside.csv").write_text("id\n1\n")
    (folder / "a.csv").symlink_to(tmp_path / "outside.csv")
    assert "not-readable-path" in validate(folder).counts


def test_a_profile_at_a_url_is_not_fetched(tmp_path: Path) -> None:
    folder = package(tmp_path / "p", {"name": "x", "path": "a.csv", "profile": "http://127.0.0.1:9/p"}, a="id\n1\n")
    assert validate(folder).verdict is Verdict.VALID


ENDLESS = {"fields": [{"name": "a", "type": "string", "constraints": {"pattern": "(a+)+b"}}]}


def assert_names_the_pattern(report: Report) -> None:
    assert (report.verdict, report.counts) == (Verdict.NOT_CHECKED, {"not-readable-pattern": 1})
    (finding,) = report.findings
    assert (finding.params["field"], finding.params["pattern"]) == ("a", "(a+)+b")
    assert_speaks(finding)
    assert "(a+)+b" in finding.message("sv")


def test_a_pattern_that_does_not_terminate_is_stopped_and_named(with_schema: Callable[..., Report]) -> None:
    assert_names_the_pattern(with_schema("a\n" + "a" * 60 + "\n", ENDLESS, seconds=16))


@pytest.mark.parametrize("path", [{"path": "a.csv"}, {"data": [["a"], ["a" * 60]], "format": "inline"}])
def test_a_pattern_of_a_package_that_does_not_terminate_is_stopped_and_named(
    tmp_path: Path, path: dict[str, Any]
) -> None:
    folder = package(tmp_path / "p", {"name": "x", **path, "schema": ENDLESS}, a="a\n" + "a" * 60 + "\n")
    assert_names_the_pattern(validate(folder, seconds=16))


def test_many_values_with_a_fast_pattern_do_not_meet_its_deadline(with_schema: Callable[..., Report]) -> None:
    fast = {"fields": [{"name": "a", "constraints": {"pattern": "a+[0-9]+"}}]}
    text = "a\n" + "".join(f"a{i}\n" for i in range(300_000))
    assert with_schema(text, fast, seconds=60).verdict is Verdict.VALID


@pytest.mark.parametrize(
    "schema", ["{", "[]", '{"fields": [{"name": "a", "type": "nothing"}]}', '{"fields": [5]}', "null"]
)
def test_an_invalid_schema_is_reported(with_schema: Callable[..., Report], schema: str) -> None:
    report = with_schema("a\n1\n", schema)
    assert report.verdict is not Verdict.VALID
    assert report.findings
    for finding in report.findings:
        assert_speaks(finding)


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_rows_that_a_quotation_mark_absorbs_are_an_error(with_schema: Callable[..., Report], delimiter: str) -> None:
    fields = [{"name": name, "type": "string"} for name in ("id", "namn", "ort")]
    rows = ["id,namn,ort", "1,a,x", '2,"b,y', "3,c,z", "4,d,w"]

    def codes(*lines: str) -> list[str]:
        text = "\n".join(lines).replace(",", delimiter) + "\n"
        return [f.code for f in with_schema(text, {"fields": fields}).findings]

    assert codes(*rows) == ["not-readable-quote"]
    assert codes(*rows[:-1], '4,d",w') == ["not-readable-quote"]
    # A note of two lines, and a quotation mark within a text.
    assert codes(*rows[:2], '2,"first line\nsecond line",y', '3,"c ""d""",z') == []


def test_a_missing_schema_is_reported(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,namn\n1,abcd\n")
    assert validate(tmp_path / "t.csv", schema=tmp_path / "gone.json").counts == {"not-readable-missing": 1}


def test_workbooks_are_checked_by_frictionless(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["id", "namn"], [1, "abc"], [2, "abcd"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    report = validate(tmp_path / "t.xlsx", schema=tmp_path / "schema.json")
    assert (cells_of(report), report.engine) == ([("table-constraint-error", "B3")], "frictionless (table)")
    assert [note.code for note in report.assumptions] == ["assumed-described"]
    book.create_sheet("Mer").append(["id", "namn"])
    book.save(tmp_path / "t.xlsx")
    _, note = validate(tmp_path / "t.xlsx", schema=tmp_path / "schema.json").assumptions
    assert (note.code, note.sheet) == ("assumed-described-sheet", "Mer")


def test_the_command_takes_a_schema(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,namn\n1,abcd\n")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    done = vaven("validate", tmp_path / "t.csv", "--schema", tmp_path / "schema.json")
    assert done.returncode == 1
    assert "B2: ”abcd” uppfyller inte villkoret maxLength: 3." in done.stdout
