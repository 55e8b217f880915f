"""Disclosure control: personal identity numbers, all constructed, and counts so small that they identify a person."""

import csv
from pathlib import Path

import pytest

from tests.reading import validate
from vaven.schemas.reports.text_and_json import as_json, as_text
from vaven.schemas.standard.personal_number_forms import masked, passes_luhn


def with_check_digit(nine: str) -> str:
    return next(nine + str(d) for d in range(10) if passes_luhn(nine + str(d)))


# Constructed, with birth numbers 980-989, which the tax agency keeps for tests.
PERSONS = [with_check_digit(f"{year:02}{month:02}{day:02}98{year % 10}") for year, month, day in
           [(75, 2, 3), (81, 12, 31), (64, 7, 1), (92, 2, 29), (99, 11, 11), (70, 5, 61)]]  # fmt: skip


def submission(path: Path, notes: list[str], **columns: list[str]) -> Path:
    names = ["neighbourhood", "kpi", "period", "value", "note", *columns]
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(names)
        for i, note in enumerate(notes):
            writer.writerow(
                ["0180C6070", "tillit", str(2000 + i), "50", note, *(column[i] for column in columns.values())]
            )
    return path


@pytest.mark.parametrize("form", ["{0}", "19{0}", "{1}-{2}", "19{1}-{2}", "{1}+{2}"])
def test_a_column_of_personal_numbers_is_refused_and_never_repeated(tmp_path: Path, form: str) -> None:
    notes = [form.format(n, n[:6], n[6:]) for n in PERSONS]
    report = validate(submission(tmp_path / "personer.csv", notes))
    assert report.verdict.value == "invalid"
    assert [(f.code, f.address) for f in report.findings] == [("personal-number", f"E{i}") for i in range(2, 8)]
    for language in ("sv", "en"):
        texts = as_text(report, language) + as_json(report, language)
        assert not any(number[6:] in texts for number in PERSONS)


def test_numbers_in_free_text_are_a_warning(tmp_path: Path) -> None:
    number = PERSONS[0]
    report = validate(submission(tmp_path / "text.csv", ["Ring " + number[:6] + "-" + number[6:], "inget här"]))
    assert [(f.code, f.address) for f in report.findings] == [("personal-number-in-text", "E2")]
    assert number[6:] not in as_text(report, "sv")


def test_codes_with_a_valid_check_digit_by_chance_are_not_personal_numbers(tmp_path: Path, shared: Path) -> None:
    """Ten-digit area codes of Oslo: nine of them have a date and a valid check digit."""
    with next((shared / "no-oslo").glob("*.csv")).open(encoding="utf-8-sig") as lines:
        codes = sorted({row["delbydelid"] for row in csv.DictReader(lines, delimiter=";")})
    assert sum(masked(code) != code for code in codes) == 9
    report = validate(submission(tmp_path / "oslo.csv", codes[:500]))
    assert "personal-number" not in report.counts


@pytest.mark.parametrize("number", ["7502310241", "2120000142", "5560360793", "0000000000", "1234567890"])
def test_numbers_that_identify_no_person_are_accepted(tmp_path: Path, number: str) -> None:
    assert not validate(submission(tmp_path / "ok.csv", [number])).findings


@pytest.mark.parametrize(
    ("columns", "cell"),
    [
        ({"kpi": "uvas-16-24", "numerator": "3", "denominator": "60", "value": "5"}, "numerator"),
        ({"kpi": "uvas-16-24", "numerator": "6", "denominator": "9", "value": "66.7"}, "denominator"),
        ({"kpi": "tillit", "sample_size": "12", "value": "50"}, "sample_size"),
    ],
)
def test_small_counts_are_refused_unless_suppressed(tmp_path: Path, columns: dict[str, str], cell: str) -> None:
    base = {"neighbourhood": "0180C6070", "period": "2024", "status": "A", "method": "register"}

    def findings(row: dict[str, str]) -> list[tuple[str, str | None]]:
        path = tmp_path / "small.csv"
        path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
        return [(f.code, f.field) for f in validate(path).findings]

    assert findings(base | columns) == [("small-count", cell)]
    hidden = {name: "" for name in ("value", "numerator", "denominator", "sample_size") if name in columns}
    assert findings(base | columns | hidden | {"status": "Q"}) == []
