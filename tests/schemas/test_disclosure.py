"""Disclosure control: personal identity numbers, all constructed, and counts so small that they identify a person."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random

import pytest
from openpyxl import Workbook

from tests.reading import LICENCE_AND_PUBLISHER, validate
from vaven.catalogue.app import create_app
from vaven.publisher.publish import SubmissionRefused, publish
from vaven.publisher.settings import Settings
from vaven.schemas.reports.text_and_json import as_json, as_text
from vaven.schemas.rules.personal_numbers import certainty_of, is_refused_for_persons
from vaven.schemas.standard.personal_number_forms import Certainty, dated_numbers, judged, masked, passes_luhn
from vaven.vocab.errors import NotReadable, WrongUse


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
        assert not any(shows_number(texts, number) for number in PERSONS)


# Forms of the number YYMMDDNNNN: {0} its date, {1} its last four digits, {2} year, {3} month, {4} day, {5} the four as
# two by two, {6} the last three, {7} the number with separators of thousands.
WRITTEN = [
    "nr {0}-{1}.", "({0}){1}", "{0}--{1}", "{0}\u2014{1}", "{0}\u2011{1}", "{0}\u2009{1}", "{0}\t{1}", "{0}·{1}",
    "{0}|{1}", "{2}/{3}/{4}-{1}", "{2} {3} {4}-{1}", "{2}.{3}.{4}/{1}", "19{0}{1}", "19{0} {1}", "19-{0}-{1}",
    "19{2}/{3}/{4} {1}", "19{2}.{3}.{4}.{1}", "19{0}\u200d-{1}", "id19{0}{1}x", "19{0}{1}.00", "1.9{0}{1}E+11",
    "{0}-T{6}", "19{0}R{6}", "{0} t {6}", "{0}\u2060-\u2060{1}", "Anna ({0}/{1}), Bo", "{0}\xad{1}",
    "19 {2} {3} {4} - {1}", "{0} – {1}", "\ufeff{0}+{1}",
]  # fmt: skip
GROUPED = [
    "{0}{1}", "{2} {3} {4} {5}", "{0} {5}", "{0}{1}.0", "{0}{1},00", "{7}", "tal {0}{1}!", "x{0}{1}y", "2023-{0}-{1}",
]  # fmt: skip


def disguised(form: str, number: str) -> str:
    date, last = number[:6], number[6:]
    thousands = f"{number[0]} {number[1:4]} {number[4:7]} {number[7:]}"
    return form.format(date, last, date[:2], date[2:4], date[4:], f"{last[:2]} {last[2:]}", last[1:], thousands)


@pytest.mark.parametrize("form", [*WRITTEN, *GROUPED])
def test_a_disguised_number_is_refused_or_asked_about_wherever_it_is(form: str) -> None:
    for number in PERSONS[:5]:
        text = disguised(form, number)
        assert certainty_of(text) == (Certainty.CERTAIN if form in WRITTEN else Certainty.PROBABLE), text
        assert number[6:] not in masked(text).replace(" ", "")


@pytest.mark.parametrize("digits", ["０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "⁰¹²³⁴⁵⁶⁷⁸⁹"])
def test_digits_of_any_script_are_digits(digits: str) -> None:
    number = PERSONS[1].translate(dict(zip(map(ord, "0123456789"), digits, strict=True)))
    assert certainty_of(f"{number[:6]}-{number[6:]}") == Certainty.CERTAIN


@pytest.mark.parametrize(
    "text",
    ["2023-01-01/2023-12-31", "2023-01-01–2023-12-31", "0.8112319812", "59.3293234, 18.0685808", "5560360793", "18-64",
     "SE45 5000 0000 0583 9825 7466", "2018 2019 2020 2021 2022", "20990101-1230", "81-13-31 9812"],
)  # fmt: skip
def test_other_numbers_are_no_persons(text: str) -> None:
    assert certainty_of(text) == Certainty.NONE


@pytest.mark.parametrize("before", ["8112", "0180", "20240115-1430 ", "Dnr 810101 ", "81-12-31 ", "123 456 "])
def test_digits_beside_a_number_do_not_hide_it(before: str) -> None:
    for number in PERSONS[:5]:
        text = f"{before} {number[:6]}-{number[6:]}"
        assert certainty_of(text) >= Certainty.PROBABLE, text
        assert number[6:] not in masked(text)


def test_a_day_with_a_time_is_at_most_asked_about() -> None:
    """One in ten passes the check digit, and names of files have them."""
    year = date.today().year - 1
    texts = [f"rapport {year}{month:02}15-{hour:02}30.xlsx" for month in range(1, 13) for hour in range(24)]
    assert {certainty_of(text) for text in texts} == {Certainty.NONE, Certainty.PROBABLE}


def shows_number(text: str, number: str) -> bool:
    """Return whether a text has the last four digits; those within a checksum or a longer number are others."""
    return bool(re.search(rf"(?<![0-9a-f]){number[6:]}(?![0-9a-f])|{number}", text))


def test_a_certain_number_is_refused_in_every_text_beside_the_data(tmp_path: Path) -> None:
    number = f"{PERSONS[1][:6]} - {PERSONS[1][6:]}"
    for where in ("file", "sheet", "label", "Titel", "Beskrivning", "Utgivare", "Nyckelord", "Vad är nytt", "Serie"):
        path = tmp_path / where / f"{number if where == 'file' else 'fil'}.xlsx"
        path.parent.mkdir()
        book = Workbook()
        book.active.title = number if where == "sheet" else "Observationer"
        book.active.append(
            ["Område", "Nyckeltal", "Period", "Värde", *([f"Värde {number}"] if where == "label" else [])]
        )
        book.active.append(["0180C6070", "tillit", "2022", 50])
        about = book.create_sheet("Om")
        about.append([where, f"om {number}"] if where[0].isupper() else ["Titel", "Trygghet"])
        book.save(path)
        report = validate(path)
        codes = {f.code for f in report.findings}
        assert "personal-number-in-text" in codes, (where, codes)
        for language in ("sv", "en"):
            assert not shows_number(as_text(report, language) + as_json(report, language), PERSONS[1])


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
@pytest.mark.parametrize("where", ["title", "footnote", "unread", "excluded", "notes", "hidden"])
def test_cells_that_are_left_out_are_searched(tmp_path: Path, where: str, ending: str) -> None:
    """The original has them, too."""
    if ending == ".csv" and where in ("notes", "hidden"):
        pytest.skip("a text file has no sheets")
    number = f"{PERSONS[2][:6]}-{PERSONS[2][6:]}"
    rows: list[list[str]] = [[f"Deltagare {number}"], []] if where == "title" else []
    rows.append(["Område", "Nyckeltal", "Period", "Värde", *(["Deltagare"] if where in ("unread", "excluded") else [])])
    rows.append(["0180", "tillit", "2022", "50", *([number] if where in ("unread", "excluded") else [])])
    rows += [[], [f"Källa: {number}"]] if where == "footnote" else []
    path = tmp_path / f"fil{ending}"
    if ending == ".csv":
        path.write_text("\n".join(";".join(row) for row in rows) + "\n", "utf-8")
    else:
        book = Workbook()
        for row in rows:
            book.active.append(row)
        if where in ("notes", "hidden"):
            sheet = book.create_sheet("Anteckningar")
            sheet.append(["Anna", number])
            sheet.sheet_state = "hidden" if where == "hidden" else "visible"
        book.save(path)
    choices = replace(LICENCE_AND_PUBLISHER, columns={"Deltagare": ""} if where == "excluded" else {})
    report = validate(path, choices=choices)
    assert is_refused_for_persons(report), report.counts
    assert not shows_number(as_json(report, "sv"), PERSONS[2])


def test_ten_digits_in_a_contact_are_asked_about(tmp_path: Path) -> None:
    number = f"{PERSONS[1][:6]}-{PERSONS[1][6:]}"
    assert certainty_of(number, is_contact=True) == Certainty.PROBABLE
    assert certainty_of(f"19{number}", is_contact=True) == Certainty.CERTAIN
    path = submission(tmp_path / "nummer.csv", [PERSONS[0], "inget här"])
    assert [(f.code, f.address) for f in validate(path).findings] == [("personal-number-possible", "E2")]
    answered = validate(path, choices=replace(LICENCE_AND_PUBLISHER, not_personal="diarienummer"))
    assert answered.is_publishable
    assert "diarienummer" in as_json(answered, "sv")


def test_no_phone_number_stops_a_submission() -> None:
    """One in twenty mobile numbers has a date and a valid check digit, and is asked about at most."""
    random = Random(5)
    forms = ("{}{}-{} {} {}", "{}{}{}{}{}", "{}{}-{}{}{}", "+46 {}{}-{} {} {}", "{}{}/{}.{}.{}")
    certainties = Counter(
        certainty_of(
            f"Ring {form}".format(
                "7" if form[0] == "+" else "07", random.randrange(10), f"{random.randrange(1000):03}",
                f"{random.randrange(100):02}", f"{random.randrange(100):02}",
            ),
            is_contact=random.random() < 0.5,
        )
        for form in random.choices(forms, k=100_000)
    )  # fmt: skip
    assert certainties[Certainty.CERTAIN] == 0
    assert 0 < certainties[Certainty.PROBABLE] < 5_000


def date_of(random: Random) -> str:
    return f"{random.randrange(10, 26)}{random.randrange(1, 13):02}{random.randrange(1, 29):02}"


CODES: dict[str, Callable[[Random], str]] = {
    "organisations": lambda random: f"55{random.randrange(20, 100)}{random.randrange(10**6):06}",
    "areas": lambda random: f"03{random.randrange(1, 13):02}{random.randrange(1, 30):02}01{random.randrange(100):02}",
    "cases": lambda random: f"{date_of(random)}-{random.randrange(1, 10**4):04}",
    "dated cases": lambda random: f"Dnr 20{date_of(random)}-{random.randrange(1, 10**4):04}",
    "any": lambda random: f"{random.randrange(10**10):010}",
}


@pytest.mark.parametrize("codes", CODES)
def test_a_column_of_codes_is_no_column_of_persons(codes: str) -> None:
    random = Random(18)
    for _ in range(20):
        column = [CODES[codes](random) for _ in range(1_000)]
        assert judged(number for text in column for number in dated_numbers(text)) == (Certainty.NONE, Certainty.NONE)


def test_the_rate_of_probable_numbers_in_random_digits_is_what_chance_explains() -> None:
    """The first six of ten random digits are a date in 7.3 %, and the last is right in 10 % (docs/disclosure.md)."""
    random = Random(7)
    probable = sum(certainty_of(f"tal {random.randrange(10**10):010}") == Certainty.PROBABLE for _ in range(100_000))
    assert probable / 100_000 == pytest.approx(0.12 * 0.61 * 0.1, rel=0.1)


def test_nothing_of_a_refused_file_is_kept(tmp_path: Path) -> None:
    number = f"{PERSONS[1][:6]}-{PERSONS[1][6:]}"
    settings = Settings(home=tmp_path / "home")
    source = submission(tmp_path / f"deltagare {number}.csv", [f"Ring {number}"])
    with pytest.raises(SubmissionRefused) as refused:
        publish(source, settings, choices=LICENCE_AND_PUBLISHER)
    assert is_refused_for_persons(refused.value.report)
    assert _files_with(settings.home, PERSONS[1]) == []
    other = submission(tmp_path / "fel.csv", ["inget här"])
    other.write_text(other.read_text().replace("tillit", "finns-inte"))
    with pytest.raises(SubmissionRefused):
        publish(other, settings, choices=LICENCE_AND_PUBLISHER)
    assert [path.name for path in (settings.home / "originals").rglob("*.csv")] == ["fel.csv"]
    unreadable = tmp_path / f"{number}.csv"
    unreadable.write_bytes(b"%PDF-1.7\n")
    with pytest.raises(NotReadable):
        publish(unreadable, settings, choices=LICENCE_AND_PUBLISHER)
    assert is_refused_for_persons(validate(unreadable))
    assert _files_with(settings.home, PERSONS[1]) == []
    fine = submission(tmp_path / "fin.csv", ["inget här"])
    with pytest.raises(WrongUse):
        publish(fine, settings, choices=LICENCE_AND_PUBLISHER, note=f"enligt {number}")


def test_an_upload_with_a_personal_number_is_deleted_after_its_check(tmp_path: Path) -> None:
    number = f"{PERSONS[1][:6]}-{PERSONS[1][6:]}"
    settings = Settings(home=tmp_path / "home")
    client = create_app(settings).test_client()
    content = submission(tmp_path / "deltagare.csv", [f"Ring {number}"]).read_bytes()
    file = (io.BytesIO(content), f"deltagare {number}.csv")
    sent = client.post("/validate", data={"file": file, "not_personal": f"nej {number}", "publisher": number})
    page = client.get(sent.location)
    assert page.status_code == 200
    assert "borttagen från servern" in page.text
    assert not shows_number(page.text, PERSONS[1])
    assert _files_with(settings.home, PERSONS[1]) == []
    assert client.get(f"{sent.location}/annotated").status_code == 404
    assert client.post(sent.location, data={"not_personal": "nej"}).status_code == 404


def _files_with(folder: Path, number: str) -> list[str]:
    """Return the files with the number in their name or content."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in paths if shows_number(path.name + path.read_text("latin-1"), number)]


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
