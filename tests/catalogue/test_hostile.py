"""Hostile files: each is refused with its reason, in bounded memory and time, by every command that opens it."""

import gzip
import json
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from flask.testing import FlaskClient

from tests.conftest import VAVEN
from tests.reading import ANSWER_OPTIONS
from vaven.catalogue.app import create_app
from vaven.publisher.settings import Settings
from vaven.schemas import validate

LABELS = ("neighbourhood", "kpi", "period", "sex", "age_group", "value")
ROW = ("0180C1010", "arbetsloshet", "2020", "T", "T", "5.1")
TEXT = f"{','.join(LABELS)}\n{','.join(ROW)}\n"
# What a process of ours may hold at most for any of these files; each of them would take many times as much unfolded.
MEGABYTES = 700
# A guard against hanging, far above what any of them takes.
SECONDS = 100

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LAUGHS = (
    '<!DOCTYPE a [<!ENTITY l0 "lol">' + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10)) + "]>"
)
ENTITIES = {
    "billion laughs": (LAUGHS, "&l9;"),
    "quadratic blow-up": (f'<!DOCTYPE a [<!ENTITY q "{"q" * 100_000}">]>', "&q;" * 30_000),
    "external entity": ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
    "external document type": ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">', "a"),
    "parameter entity": ('<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/a.dtd"> %x;]>', "a"),
    "behind a long comment": (f"<!--{'x' * 100_000}-->{LAUGHS}", "&l9;"),
}


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    megabytes: float
    output: str
    report: dict[str, Any] | None

    @property
    def codes(self) -> list[str]:
        return list(self.report["counts"]) if self.report else []


# Runs a command and prints its peak memory on a last line. Between us and the command, since the kernel counts a
# process's peak from what its parent had when it was made, and the tests' own process grows.
MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(f"\\n{usage.ru_maxrss}", end="")
sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


def run(*arguments: str | Path) -> Outcome:
    """Run a command; return its output, its report and its peak memory, children included."""
    command = [sys.executable, "-S", "-c", MEASURED, "timeout", str(SECONDS), str(VAVEN), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    output, _, kilobytes = done.stdout.rpartition("\n")
    assert done.returncode != 124, "it hung"
    assert "Traceback" not in output, output[-2000:]
    report = json.loads(output) if output.startswith("{") else None
    return Outcome(done.returncode, int(kilobytes) / 1024, output, report)


def assert_refused(path: Path, code: str) -> None:
    """Assert that validate in any format and fix refuse a file."""
    seen = run("validate", path, "--format", "json")
    assert (seen.exit_code, seen.codes) == (2, [code])
    for arguments in (("validate", path, "--format", "xlsx"), ("fix", path)):
        again = run(*arguments)
        assert again.exit_code == 2
        assert f"[{code}]" in again.output
        assert again.megabytes < MEGABYTES
    assert seen.megabytes < MEGABYTES
    assert list(path.parent.glob("*-*")) == [], "nothing is written beside it"


# --- workbooks --------------------------------------------------------------------------------------------------


def book(path: Path) -> Path:
    workbook = openpyxl.Workbook()
    workbook.active.title = "Observationer"
    for row in (LABELS, ROW):
        workbook.active.append(row)
    workbook.save(path)
    return path


def changed(source: Path, part: str, change: Callable[[str], str]) -> Path:
    """Rewrite one XML part of the workbook, or create it if there is none."""
    target = source.with_name("changed.xlsx")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in {*old.namelist(), part}:
            text = (
                old.read(name).decode()
                if name in old.namelist()
                else '<?xml version="1.0"?><sst><si><t>S</t></si></sst>'
            )
            new.writestr(name, change(text) if name == part else text)
    source.unlink()
    return target


def with_declaration(text: str, declaration: str, use: str) -> str:
    """Return an XML text with a document type, and an entity in its first text."""
    text = re.sub(r"<\?xml.*?\?>", "", text)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        + declaration
        + re.sub(r"(<t>|<v>)[^<]+", rf"\g<1>{use}", text, count=1)
    )


@pytest.mark.parametrize(
    "part",
    ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml", "docProps/core.xml"],
)
@pytest.mark.parametrize("kind", ENTITIES)
def test_an_xml_bomb_in_an_xlsx_is_refused(tmp_path: Path, kind: str, part: str) -> None:
    path = changed(book(tmp_path / "a.xlsx"), part, lambda text: with_declaration(text, *ENTITIES[kind]))
    seen = run("validate", path, "--format", "json")
    assert (seen.exit_code, seen.codes) == (2, ["not-readable-declarations"])
    assert seen.megabytes < MEGABYTES
    assert part in seen.output


def test_no_command_expands_an_xml_bomb(tmp_path: Path) -> None:
    path = changed(
        book(tmp_path / "a.xlsx"), "xl/styles.xml", lambda text: with_declaration(text, *ENTITIES["billion laughs"])
    )
    assert_refused(path, "not-readable-declarations")


def test_an_xml_bomb_in_utf_16_is_refused_too(tmp_path: Path) -> None:
    target = tmp_path / "a.xlsx"
    with zipfile.ZipFile(book(tmp_path / "old.xlsx")) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            if name == "xl/styles.xml":
                text = with_declaration(text, *ENTITIES["billion laughs"]).replace("UTF-8", "UTF-16")
                new.writestr(name, text.encode("utf-16"))
            else:
                new.writestr(name, text)
    assert run("validate", target, "--format", "json").codes == ["not-readable-declarations"]


def ods(path: Path, rows: str, declaration: str = "") -> Path:
    mimetype = "application/vnd.oasis.opendocument.spreadsheet"
    office = "urn:oasis:names:tc:opendocument:xmlns"
    manifest = (
        '<!DOCTYPE manifest:manifest PUBLIC "-//OpenOffice.org//DTD Manifest 1.0//EN" "Manifest.dtd">'
        f'<manifest:manifest xmlns:manifest="{office}:manifest:1.0"><manifest:file-entry '
        f'manifest:full-path="/" manifest:media-type="{mimetype}"/></manifest:manifest>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        archive.writestr("META-INF/manifest.xml", '<?xml version="1.0"?>' + manifest)
        archive.writestr(
            "content.xml",
            f'<?xml version="1.0" encoding="UTF-8"?>{declaration}<office:document-content'
            f' xmlns:office="{office}:office:1.0" xmlns:table="{office}:table:1.0" xmlns:text="{office}:text:1.0">'
            "<office:body><office:spreadsheet>"
            f'<table:table table:name="Observationer">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return path


def ods_cell(text: str, repeated: int = 1) -> str:
    times = f' table:number-columns-repeated="{repeated}"' if repeated > 1 else ""
    return f'<table:table-cell office:value-type="string"{times}><text:p>{text}</text:p></table:table-cell>'


def ods_row(*cells: str, repeated: int = 1) -> str:
    times = f' table:number-rows-repeated="{repeated}"' if repeated > 1 else ""
    return f"<table:table-row{times}>{''.join(cells)}</table:table-row>"


SOUND = ods_row(*map(ods_cell, LABELS)) + ods_row(*map(ods_cell, ROW))


def test_the_manifest_of_an_old_openoffice_is_not_a_bomb(tmp_path: Path) -> None:
    assert run("validate", ods(tmp_path / "a.ods", SOUND)).exit_code == 0


@pytest.mark.parametrize("kind", ENTITIES)
def test_an_xml_bomb_in_an_ods_is_refused(tmp_path: Path, kind: str) -> None:
    declaration, use = ENTITIES[kind]
    assert_refused(ods(tmp_path / "a.ods", SOUND + ods_row(ods_cell(use)), declaration), "not-readable-declarations")


def test_an_endless_element_is_refused(tmp_path: Path) -> None:
    """Millions of nested elements, to exhaust the reader's stack or memory."""
    path = changed(book(tmp_path / "a.xlsx"), "xl/worksheets/sheet1.xml", lambda _: "<a>" * 10_000_000)
    seen = run("validate", path, "--format", "json")
    assert seen.exit_code == 2
    assert seen.megabytes < MEGABYTES


# --- too many cells ---------------------------------------------------------------------------------------------


def test_one_row_of_100_000_columns_is_refused_in_every_kind_of_file(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(100_000)]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    (tmp_path / "a.json").write_text(json.dumps([dict.fromkeys(names, 1)]))
    ods(tmp_path / "a.ods", ods_row(ods_cell("x", repeated=100_000)))
    cells = "".join(f'<c r="{letters(i)}1" t="inlineStr"><is><t>{name}</t></is></c>' for i, name in enumerate(names))
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData><row r="1">{cells}</row></sheetData></worksheet>'
    changed(book(tmp_path / "a.xlsx"), "xl/worksheets/sheet1.xml", lambda _: sheet)
    expected = {"a.csv": "columns", "a.json": "columns", "a.ods": "outside", "changed.xlsx": "outside"}
    for name, code in expected.items():
        seen = run("validate", tmp_path / name, "--format", "json")
        assert (seen.exit_code, seen.codes) == (2, [f"not-readable-{code}"]), name
        assert seen.megabytes < MEGABYTES, name


def letters(index: int) -> str:
    name, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def test_a_used_range_of_a_billion_cells_is_refused(tmp_path: Path) -> None:
    workbook = openpyxl.load_workbook(book(tmp_path / "old.xlsx"))
    workbook.active["AAA1000000"] = "far"
    workbook.save(tmp_path / "a.xlsx")
    far = ods_row(ods_cell("x", repeated=1_000), repeated=1_000_000)
    expected = {"a.xlsx": "heavy", "a.ods": "cells"}
    ods(tmp_path / "a.ods", SOUND + far)
    for name, code in expected.items():
        seen = run("validate", tmp_path / name, "--format", "json")
        assert (seen.exit_code, seen.codes) == (2, [f"not-readable-{code}"]), name


def test_a_billion_empty_or_declared_cells_are_ignored(tmp_path: Path) -> None:
    """Excel and LibreOffice write formatted rows to the end of the sheet, and a dimension that includes them."""
    empty = ods_row('<table:table-cell table:number-columns-repeated="16384"/>', repeated=1_048_574)
    assert run("validate", ods(tmp_path / "a.ods", SOUND + empty)).exit_code == 0
    wide = re.compile(r'<dimension ref="[^"]*"')
    path = changed(
        book(tmp_path / "a.xlsx"),
        "xl/worksheets/sheet1.xml",
        lambda text: wide.sub('<dimension ref="A1:XFD1048576"', text),
    )
    seen = run("validate", path)
    assert seen.exit_code == 0
    assert seen.megabytes < MEGABYTES


# --- archives ---------------------------------------------------------------------------------------------------


def package(target: Path, files: dict[str, str | bytes], path: str = "o.csv") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        described = {"resources": [{"name": "observations", "path": path}]}
        archive.writestr("datapackage.json", json.dumps(described))
        for name, content in files.items():
            archive.writestr(name, content)
    return target


def zeros(count: int) -> Iterator[bytes]:
    return (b"0" * 1_000_000 for _ in range(count))


def test_a_gigabyte_compressed_to_a_megabyte_is_refused_in_every_kind_of_archive(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.csv.gz", "wb", 9) as compressed:
        compressed.writelines(zeros(1_000))
    for name, entry in (("a.zip", "o.csv"), ("b.zip", "big.csv"), ("a.xlsx", "xl/media/big.bin")):
        target = package(tmp_path / name, {"o.csv": TEXT}) if name == "b.zip" else None
        target = target or (book(tmp_path / name) if name == "a.xlsx" else package(tmp_path / name, {}))
        with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(entry, "w") as big:
            for block in zeros(1_000):
                big.write(block)
    for path in sorted(tmp_path.iterdir()):
        assert path.stat().st_size < 3_000_000
        seen = run("validate", path, "--format", "json")
        assert (seen.exit_code, seen.codes) == (2, ["not-readable-too-large"]), path.name
        assert seen.megabytes < MEGABYTES


def test_an_archive_with_false_sizes_in_its_directory_is_refused(tmp_path: Path) -> None:
    path = package(tmp_path / "a.zip", {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("o.csv", "w") as big:
        for block in zeros(300):
            big.write(block)
    content = bytearray(path.read_bytes())
    content[(at := content.rfind(b"PK\x01\x02") + 24) : at + 4] = (1_000).to_bytes(4, "little")
    path.write_bytes(content)
    seen = run("validate", path, "--format", "json")
    assert (seen.exit_code, seen.codes) == (2, ["not-readable-damaged"])
    assert seen.megabytes < MEGABYTES


@pytest.mark.parametrize("is_package", [True, False])
def test_a_symbolic_link_in_a_zip_is_refused(tmp_path: Path, is_package: bool) -> None:
    path = package(tmp_path / "a.zip", {}) if is_package else tmp_path / "a.zip"
    link = zipfile.ZipInfo("o.csv")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert_refused(path, "not-readable-link")


# --- descriptors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../o.csv",
        "a/../../o.csv",
        "/etc/passwd",
        "http://127.0.0.1:9/o.csv",
        "file:///etc/passwd",
        "s3://b/o.csv",
        "..\\o.csv",
    ],
)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_path_or_url_out_of_a_package_is_refused(tmp_path: Path, path: str, form: str) -> None:
    (tmp_path / "o.csv").write_text(TEXT)
    source = package(tmp_path / "a.zip", {"o.csv": TEXT}, path=path)
    if form == "folder":
        with zipfile.ZipFile(source) as archive:
            archive.extractall(source := tmp_path / "a")
    seen = run("validate", source, "--format", "json")
    assert (seen.exit_code, seen.codes) == (2, ["not-readable-path"])


# --- text -------------------------------------------------------------------------------------------------------

SWEDISH = f"{','.join(LABELS)},note\n{','.join(ROW)},Söder\n"
MORE = f"{','.join(ROW).replace('2020', '2021')},Årsta är än ö\n"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (TEXT.encode() + b"\0", "not-readable-binary"),
        (TEXT.encode() * 500 + b"a\0b\n", "not-readable-binary"),
        (SWEDISH.encode() + MORE.encode("cp1252"), "not-readable-mixed"),
        (SWEDISH.encode("cp1252") + MORE.encode(), "not-readable-mixed"),
        (SWEDISH.encode("utf-8-sig") + MORE.encode("cp1252"), "not-readable-mixed"),
        (SWEDISH.encode("utf-16") + MORE.encode("cp1252") + b"\xd8", "not-readable-encoding"),
        (SWEDISH.encode("cp1252") + b"\x81\x8d\n", "not-readable-encoding"),
    ],
    ids=["NUL", "late NUL", "UTF-8 then 1252", "1252 then UTF-8", "BOM then 1252", "UTF-16 then 1252", "neither"],
)
def test_text_with_nuls_or_in_two_encodings_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert_refused(tmp_path / "a.csv", code)


def test_lines_in_different_encodings_are_named_and_a_chosen_encoding_is_used(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(SWEDISH.encode() * 400 + MORE.encode("cp1252"))
    seen = run("validate", tmp_path / "a.csv", "--format", "json", "--lang", "en")
    assert seen.report
    assert "Line 2 and line 801 of a.csv have different encodings" in seen.report["findings"][0]["message"]
    assert run("validate", tmp_path / "a.csv", "--encoding", "cp1252", "--format", "json").exit_code != 2


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp1252", "Windows-1252"), ("mac-roman", "Mac Roman"), ("cp850", "DOS (CP850)")]
)
def test_encodings_of_windows_mac_and_dos_are_distinguished_by_their_letters(
    tmp_path: Path, encoding: str, name: str
) -> None:
    text = SWEDISH.replace("Söder", "Södermalm på Mälaröarna").replace("T,T", "T,T")
    (tmp_path / "a.csv").write_bytes(text.replace("note", "Anmärkning").encode(encoding))
    seen = run("validate", tmp_path / "a.csv", *ANSWER_OPTIONS, "--format", "json")
    assert seen.report
    assert [f["message"] for f in seen.report["assumptions"] if name in f["message"]]
    assert seen.report["verdict"] == "valid"


# --- over the web -----------------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    app = create_app(Settings(home=tmp_path / "home"))
    app.config["TESTING"] = True
    return app.test_client()


def test_a_hostile_upload_has_a_report_like_any_other(client: FlaskClient, tmp_path: Path) -> None:
    path = changed(
        book(tmp_path / "a.xlsx"), "xl/styles.xml", lambda text: with_declaration(text, *ENTITIES["billion laughs"])
    )
    with path.open("rb") as upload:
        validation = client.post("/api/v1/validations", data={"file": (upload, "a.xlsx")}).get_json()
    assert (validation["verdict"], list(validation["counts"])) == ("not-checked", ["not-readable-declarations"])
    for link in ("corrected", "annotated"):
        assert client.get(validation["links"][link]).status_code == 404


def test_an_unknown_compression_is_reported_as_damage_and_not_as_a_password(tmp_path: Path) -> None:
    path = tmp_path / "table.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", "neighbourhood,kpi,period,value\n0180C1010,tillit,2024,55\n")
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(mark) + at] = 97
    path.write_bytes(content)
    assert set(validate(path).counts) == {"not-readable-damaged"}
