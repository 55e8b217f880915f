"""Personal identity numbers in texts of a file that are in no cell, such as comments and properties."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.comments import Comment

from tests.reading import validate
from tests.schemas.test_cases import CASES
from tests.schemas.test_disclosure import PERSONS, shows_number
from tests.schemas.test_spreadsheet_cells import ods
from vaven.schemas.reports.text_and_json import as_json, as_text
from vaven.schemas.spreadsheets.texts_beside import texts_beside

NUMBER = f"{PERSONS[1][:6]}-{PERSONS[1][6:]}"
ROWS = [["Område", "Nyckeltal", "Period", "Värde"], ["0180C6070", "tillit", "2022", "50"]]
SPACES = 'xmlns="http://schemas.openxmlformats.org/{0}/2006/main" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
RUNS = f"<r><t>{NUMBER[:4]}</t></r><r><rPr><b/></rPr><t>{NUMBER[4:]}</t></r>"


def _book(
    path: Path, change: Callable[[Workbook], None] = lambda _: None, parts: Mapping[str, str | bytes] | None = None
) -> None:
    book = Workbook()
    for row in ROWS:
        book.active.append(row)
    change(book)
    book.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in (parts or {}).items():
            archive.writestr(name, content)


def _comment(book: Workbook) -> None:
    book.active["D2"].comment = Comment(f"Fråga {NUMBER}", "Någon")


def _author(book: Workbook) -> None:
    book.active["D2"].comment = Comment("Fråga", f"Någon {NUMBER}")


def _property(name: str) -> Callable[[Workbook], None]:
    return lambda book: setattr(book.properties, name, f"Rapport {NUMBER}")


def _footer(book: Workbook) -> None:
    book.active.oddFooter.center.text = f"Utskrift {NUMBER}"


DRAWING = "<wsDr {}><a:p>{}</a:p></wsDr>".format(
    SPACES.format("drawingml"), RUNS.replace("<", "<a:").replace("<a:/", "</a:")
)
COMMENTS = f"<comments {SPACES.format('spreadsheetml')}><commentList><comment>{RUNS}</comment></commentList></comments>"
XLSX: dict[str, tuple[Callable[[Workbook], None], dict[str, str]]] = {
    "a comment": (_comment, {}),
    **{f"the property {name}": (_property(name), {}) for name in
       ("title", "subject", "creator", "keywords", "description", "lastModifiedBy", "category")},
    "a footer": (_footer, {}),
    "a comment in two formats": (lambda _: None, {"xl/comments9.xml": COMMENTS}),
    "a text box": (lambda _: None, {"xl/drawings/drawing9.xml": DRAWING}),
    "a threaded comment": (
        lambda _: None, {"xl/threadedComments/threadedComment1.xml":
                         f"<ThreadedComments><threadedComment><text>{NUMBER}</text></threadedComment></ThreadedComments>"},
    ),
    "a person who comments": (lambda _: None, {"xl/persons/person.xml": f'<l><person displayName="A {NUMBER}"/></l>'}),
    "a custom property": (lambda _: None, {"docProps/custom.xml": f"<P><lpwstr>{NUMBER}</lpwstr></P>"}),
}  # fmt: skip


def refused(path: Path) -> None:
    report = validate(path)
    assert report.counts.get("personal-number-in-text") == 1, report.counts
    for language in ("sv", "en"):
        text = as_text(report, language) + as_json(report, language)
        assert not shows_number(text, PERSONS[1])
        assert {"sv": "en kommentar, en textruta eller filens egenskaper", "en": "a comment, a text box"}[
            language
        ] in text


@pytest.mark.parametrize("where", XLSX)
def test_a_number_beside_the_cells_of_a_workbook_is_refused(tmp_path: Path, where: str) -> None:
    change, parts = XLSX[where]
    _book(tmp_path / "a.xlsx", change, parts)
    refused(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\x00junk", b"<P><Company>Hus</P>", b"<P><Company>Hus", b'<?xml version="1.0" encoding="klingon"?><P/>',
     "<P>Hus".encode("utf-16")],
)  # fmt: skip
def test_a_broken_part_beside_the_cells_refuses_no_file_and_hides_no_number(tmp_path: Path, content: bytes) -> None:
    _book(tmp_path / "a.xlsx", parts={"docProps/custom.xml": content})
    assert validate(tmp_path / "a.xlsx").is_publishable
    hidden = f"<t>{NUMBER[:3]}</t><t>{NUMBER[3:]} ".encode("utf-16" if b"\0H" in content else "utf-8")
    _book(tmp_path / "b.xlsx", parts={"docProps/custom.xml": content + hidden})
    refused(tmp_path / "b.xlsx")


def test_a_damaged_member_beside_the_cells_refuses_no_file(tmp_path: Path) -> None:
    text = b"Hus Hus"
    _book(tmp_path / "a.xlsx", parts={"docProps/custom.xml": text.decode()})
    damaged = (tmp_path / "a.xlsx").read_bytes().replace(text, b"Hus-Hus")
    (tmp_path / "a.xlsx").write_bytes(damaged)
    assert validate(tmp_path / "a.xlsx").is_publishable


@pytest.mark.parametrize("where", ["annotation", "title"])
def test_a_number_beside_the_cells_of_an_ods_is_refused(tmp_path: Path, where: str) -> None:
    note = (
        f"<office:annotation><text:p>Fråga {NUMBER[:4]}<text:span>{NUMBER[4:]}</text:span></text:p></office:annotation>"
    )
    cell = f'<table:table-cell office:value-type="string">{note}<text:p>50</text:p></table:table-cell>'
    ods(tmp_path / "a.ods", ROWS[0], [*ROWS[1][:3], cell if where == "annotation" else "50"])
    if where == "title":
        with zipfile.ZipFile(tmp_path / "a.ods", "a") as archive:
            archive.writestr("meta.xml", f'<m xmlns:dc="urn:dc"><dc:title>Rapport {NUMBER}</dc:title></m>')
    refused(tmp_path / "a.ods")


def test_a_number_in_a_keyword_of_pcaxis_that_no_table_contains_is_refused(tmp_path: Path) -> None:
    source = (CASES / "dash-ambiguous" / "px-explained-hyphen" / "input.px").read_bytes()
    (tmp_path / "a.px").write_bytes(source.replace(b"DATA=", f'INFO="Ring {NUMBER}";\nDATA='.encode(), 1))
    assert validate(tmp_path / "a.px").counts.get("personal-number-in-text") == 1


def test_times_and_numbers_of_the_program_are_no_texts(tmp_path: Path) -> None:
    _book(tmp_path / "a.xlsx", _comment)
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        texts = [text for text in texts_beside(archive) if text.strip()]
    assert set(texts) == {"openpyxl", f"Fråga {NUMBER}"}
