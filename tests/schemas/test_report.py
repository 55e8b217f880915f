"""Reports: a prominent verdict first, cells named, remedies once, and a JSON form that conforms to its schema."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import openpyxl
import pytest

from tests.conftest import ROOT, SAMPLE, vaven
from tests.reading import validate
from tests.schemas.test_cases import FOLDERS
from vaven.schemas.check import not_checked
from vaven.schemas.reports.text_and_json import MAX_STATEMENTS, REPORT_VERSION, as_json, as_text, grouped
from vaven.schemas.standard.finding import MAX_FINDINGS, Finding, Report, Severity, Verdict
from vaven.vocab.errors import NotReadable
from vaven.vocab.messages import LANGUAGES

HEADER = "Område,Nyckeltal,Period,Värde"
SCHEMA = json.loads((ROOT / "schemas" / "reports" / "report.schema.json").read_text("utf-8"))
WORDS = {
    Verdict.VALID: {"sv": "GODKÄND", "en": "VALID"},
    Verdict.VALID_WITH_WARNINGS: {"sv": "GODKÄND MED VARNINGAR", "en": "VALID WITH WARNINGS"},
    Verdict.INVALID: {"sv": "INTE GODKÄND", "en": "INVALID"},
    Verdict.NOT_CHECKED: {"sv": "INTE KONTROLLERAD", "en": "NOT CHECKED"},
}


def report_of(verdict: Verdict = Verdict.INVALID, *findings: Finding, **more: Any) -> Report:
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.code] = counts.get(finding.code, 0) + 1
    return Report("file.csv", "0" * 64, verdict, findings, more.pop("counts", counts), **more)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str) -> Path:
        (tmp_path / "table.csv").write_text("\n".join((HEADER, *rows)) + "\n", "utf-8")
        return tmp_path / "table.csv"

    return write


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("verdict", Verdict)
def test_the_verdict_is_first_and_prominent(verdict: Verdict, language: str) -> None:
    first = as_text(report_of(verdict), language).splitlines()[0]
    assert first == f"{WORDS[verdict][language]}  file.csv"
    painted = as_text(report_of(verdict), language, colour=True)
    assert painted.startswith("\x1b[1;3")
    assert "\x1b" not in as_text(report_of(verdict), language)


def test_rules_are_grouped_by_severity_then_count() -> None:
    notes = [Finding("area-list-unknown", Severity.NOTE)] * 9
    warnings = [Finding("jump", Severity.WARNING)] * 5
    errors = [Finding("area-unknown", Severity.ERROR), *[Finding("kpi-range", Severity.ERROR)] * 3]
    groups = grouped(report_of(Verdict.INVALID, *notes, *warnings, *errors))
    assert [code for code, _, _ in groups] == ["kpi-range", "area-unknown", "jump", "area-list-unknown"]


def test_cells_are_listed_up_to_a_limit_and_the_rest_counted(table: Callable[..., Path]) -> None:
    rows = [f"0180C1010,arbetsloshet,{year},{year - 1900}" for year in range(2001, 2013)]
    text = as_text(validate(table(*rows)), "sv")
    assert "Fel: Värdet är utanför nyckeltalets gränser (12)  [kpi-range]" in text
    assert [line for line in text.splitlines() if line.startswith("  D")] == [
        f"  D{row}: Arbetslösa av befolkningen 18–65 år kan inte vara {99 + row}. Möjliga värden: 0–100."
        for row in range(2, 2 + MAX_STATEMENTS)
    ]
    assert "  … och 7 till" in text
    assert text.count("  → ") == 1


def test_a_message_about_many_cells_is_printed_once_with_all_of_them(table: Callable[..., Path]) -> None:
    rows = [f"0180C1010,{'arbetslös' if year in (2002, 2007) else 'jobb'},{year},5" for year in range(2001, 2010)]
    text = as_text(validate(table(*rows)), "sv")
    assert "  B2, B4:B7, B9:B10: ”jobb” finns inte i listan" in text
    assert "  B3, B8: ”arbetslös” finns inte i listan" in text
    assert "… och" not in text
    other = [f"0180C1010,{'jobb' if i % 2 else 'arbete'},{2001 + i},5" for i in range(18)]
    assert "  B3, B5, B7, B9, B11, B13 … och 3 till: ”jobb”" in as_text(validate(table(*other)), "sv")


def test_a_truncated_list_states_the_total_number(table: Callable[..., Path]) -> None:
    report = validate(table(*(f"0180C1010,arbetsloshet,år {i},5" for i in range(MAX_FINDINGS + 5))))
    assert f"({MAX_FINDINGS + 5})  [pattern-mismatch]" in as_text(report, "sv")
    document = json.loads(as_json(report, "sv"))
    assert (document["is_cut"], document["counts"], len(document["findings"])) == (
        True,
        {"pattern-mismatch": MAX_FINDINGS + 5},
        MAX_FINDINGS,
    )


def test_a_sheet_is_part_of_the_address(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Observationer"
    for row in (HEADER.split(","), ["0180C1010", "arbetsloshet", 2023, 104]):
        book["Observationer"].append(row)
    book.save(tmp_path / "book.xlsx")
    text = as_text(validate(tmp_path / "book.xlsx"), "sv")
    assert "  Observationer!D2: Arbetslösa av befolkningen 18–65 år kan inte vara 104." in text


def test_a_package_names_the_table_in_the_readers_language() -> None:
    folder = next(f for f in FOLDERS if f.name == "declared").parents[1] / "list-member-unknown" / "misspelt-actor"
    report = validate(folder / "input")
    assert "  Insatser!D2: " in as_text(report, "sv")
    assert "  Investments!D2: " in as_text(report, "en")


def test_assumptions_are_reported(table: Callable[..., Path]) -> None:
    text = as_text(validate(table("0180C1010,Arbetslöshet,2023,5.5")), "sv")
    assert "Så här lästes filen" in text
    assert "Observationer, kontrollerade rader: 1" in text


def test_the_report_states_why_a_file_was_not_checked() -> None:
    report = not_checked(Path("/somewhere/secret/file.csv"), NotReadable("not-readable-empty", file="file.csv"))
    text = as_text(report, "sv")
    assert text.startswith("INTE KONTROLLERAD  file.csv\n")
    assert "file.csv" in text
    assert "secret" not in text + as_json(report, "sv")


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;owned\x07", "a\r\nGODKÄND", "\u202egnirts", "\u2028", "\x9b2J"])
def test_a_cell_cannot_send_control_characters_to_the_terminal(text: str) -> None:
    finding = Finding("type-error", Severity.ERROR, "observations", f"S{text}", 2, "D", "value", text)
    finding = Finding(**{**vars(finding), "params": {"label_sv": text, "label_en": text, "type": "number"}})
    lines = as_text(report_of(Verdict.INVALID, finding, assumptions=(finding,)), "sv").splitlines()
    assert not {c for line in lines for c in line} & set("\x1b\x07\x9b\r\u202e\u2028")
    assert not any(line.startswith("GODKÄND") for line in lines)


def test_an_unpaired_surrogate_is_encoded_in_every_output() -> None:
    report = not_checked(Path("x"), NotReadable("not-readable-path", file="datapackage.json", path="\ud800.csv"))
    for language in LANGUAGES:
        as_text(report, language).encode("utf-8")
        as_json(report, language).encode("utf-8")


@pytest.mark.parametrize("folder", FOLDERS[::5], ids=lambda f: f"{f.parent.name}/{f.name}")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_json_report_conforms_to_its_schema(folder: Path, language: str) -> None:
    source = next(path for path in folder.iterdir() if path.name.startswith("input"))
    document = json.loads(as_json(validate(source), language))
    jsonschema.Draft7Validator(SCHEMA).validate(document)
    assert document["version"] == REPORT_VERSION
    for finding in document["findings"]:
        assert finding["message"]
        assert "{" not in finding["message"] + finding["remedy"]


def test_the_json_report_of_an_unchecked_file_conforms_to_its_schema() -> None:
    document = json.loads(as_json(not_checked(Path("x"), NotReadable("not-readable-empty", file="x")), "en"))
    jsonschema.Draft7Validator(SCHEMA).validate(document)
    assert (document["verdict"], document["rows"]) == ("not-checked", {})


def test_the_time_of_the_check_is_utc() -> None:
    document = json.loads(as_json(report_of(checked_at=datetime(2024, 5, 1, 12, tzinfo=UTC)), "sv"))
    assert document["checked_at"] == "2024-05-01T12:00:00Z"


@pytest.mark.parametrize("source", ["exempel.xlsx", "package"])
def test_the_sample_is_valid_in_both_forms(source: str) -> None:
    done = vaven("validate", SAMPLE / source, "--format", "json", "--lang", "en")
    document = json.loads(done.stdout)
    assert (done.returncode, document["verdict"], document["counts"]) == (0, "valid", {"method-illustrative": 1})
