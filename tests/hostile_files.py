"""Files that are made to end or to occupy their reader: one generator for each kind."""

import gzip
import io
import json
import random
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz import LABELS, ROWS, mutated, sample

Maker = Callable[[random.Random], tuple[str, bytes]]
MAKERS: list[Maker] = []
HEADER = ",".join(LABELS)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def maker(function: Maker) -> Maker:
    MAKERS.append(function)
    return function


def hostile_files(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of `count` files, all kinds in turn."""
    dice = random.Random(seed)
    for i in range(count):
        name, content = MAKERS[i % len(MAKERS)](dice)
        yield f"{i}-{name}", content


def archive(**parts: bytes | str) -> bytes:
    """Return a compressed zip; a part's name has a double underscore for each slash."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        for name, part in parts.items():
            file.writestr(name.replace("__", "/"), part)
    return content.getvalue()


def xlsx(sheet: str | bytes, strings: str | bytes = "", sheets: int = 1) -> bytes:
    """Return a workbook whose sheets all have the same XML."""
    names = "".join(f'<sheet name="S{i}" sheetId="{i + 1}" r:id="r{i}"/>' for i in range(sheets))
    relations = "".join(
        f'<Relationship Id="r{i}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>' for i in range(sheets)
    )
    shared = f'<Relationship Id="s" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>' if strings else ""
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{types}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{types}.worksheet+xml"/></Types>',
        "_rels__.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r" '
        f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl__workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>{names}</sheets></workbook>',
        "xl___rels__workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{relations}{shared}'
        "</Relationships>",
        "xl__worksheets__sheet1.xml": sheet,
    }
    if strings:
        parts["xl__sharedStrings.xml"] = strings
    return archive(**parts)


def sheet_of(rows: str, rest: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{rest}</worksheet>'


# --- JSON


@maker
def json_number(dice: random.Random) -> tuple[str, bytes]:
    number = dice.choice("123456789") * dice.randint(20_000, 300_000)
    return "number.json", f'[{{"neighbourhood": "0114A0010", "value": {number}}}]'.encode()


@maker
def json_nesting(dice: random.Random) -> tuple[str, bytes]:
    depth = dice.randint(1_000, 900_000)
    return "nesting.json", b"[" * depth + b"1" + b"]" * depth


@maker
def json_lines_of_numbers(dice: random.Random) -> tuple[str, bytes]:
    line = '{"value": 1e' + "9" * dice.randint(5, 400) + "}\n"
    return "exponents.jsonl", (line * dice.randint(1, 500)).encode()


@maker
def json_stat_of_huge_size(dice: random.Random) -> tuple[str, bytes]:
    size = [dice.randint(10_000, 4_000_000_000) for _ in range(3)]
    dimensions = {name: {"category": {"index": {"a": 0}}} for name in "abc"}
    document = {"version": "2.0", "class": "dataset", "id": list("abc"), "size": size}
    return "size.json", json.dumps(document | {"dimension": dimensions, "value": {str(2**63): 1}}).encode()


@maker
def json_duplicates(dice: random.Random) -> tuple[str, bytes]:
    members = ",".join(f'"k{i % 40_000}": {i}' for i in range(dice.randint(50_000, 100_000)))
    return "keys.json", f"[{{{members}}}]".encode()


# --- texts


@maker
def endless_quote(dice: random.Random) -> tuple[str, bytes]:
    line = ",".join(ROWS[0]) + "\n"
    return "quote.csv", f'{HEADER}\n{line}"'.encode() + line.encode() * dice.randint(1_000, 40_000)


@maker
def only_quotes(dice: random.Random) -> tuple[str, bytes]:
    return "quotes.csv", f"{HEADER}\n".encode() + dice.choice((b'"', b'""', b'",', b'"\n')) * dice.randint(
        10**5, 9 * 10**5
    )


@maker
def endless_line(dice: random.Random) -> tuple[str, bytes]:
    return "line.csv", dice.choice((b"a,", b"a", b";;", b"1 ")) * dice.randint(100_000, 900_000)


@maker
def pcaxis_of_huge_dimensions(dice: random.Random) -> tuple[str, bytes]:
    names = [f"D{i}" for i in range(dice.randint(4, 60))]
    codes = ",".join(f'"{i}"' for i in range(dice.randint(100, 2_000)))
    lines = ['CHARSET="ANSI";', 'MATRIX="x";', "STUB=" + ",".join(f'"{name}"' for name in names) + ";"]
    lines += [f'VALUES("{name}")={codes};' for name in names]
    return "dimensions.px", "\n".join([*lines, "DATA=", "1 2 3;"]).encode()


@maker
def compressed_zeros(dice: random.Random) -> tuple[str, bytes]:
    return "zeros.csv.gz", gzip.compress(bytes(dice.randint(50, 150) * 1_000_000), 6)


# --- workbooks


@maker
def far_cell(dice: random.Random) -> tuple[str, bytes]:
    row = dice.choice((1_048_576, 4_000_000_000, 999_999_999_999, 2**63))
    cell = dice.choice(("A", "XFD", "ZZZZ"))
    return "far.xlsx", xlsx(sheet_of(f'<row r="{row}"><c r="{cell}{row}"><v>1</v></c></row>'))


@maker
def huge_sheet(dice: random.Random) -> tuple[str, bytes]:
    row = f"<row>{'<c><v>1</v></c>' * 100}</row>"
    return "heavy.xlsx", xlsx(sheet_of(row * dice.randint(10_000, 60_000)))


@maker
def deep_xml(dice: random.Random) -> tuple[str, bytes]:
    depth = dice.randint(10_000, 2_000_000)
    return "deep.xlsx", xlsx(sheet_of("<row>" * depth))


@maker
def shared_strings(dice: random.Random) -> tuple[str, bytes]:
    count = dice.randint(1_000_000, 4_000_000)
    strings = f'<sst xmlns="{MAIN}" count="{2**31}">' + "<si><t>abc</t></si>" * count + "</sst>"
    return "strings.xlsx", xlsx(sheet_of('<row r="1"><c r="A1" t="s"><v>0</v></c></row>'), strings)


@maker
def merged_ranges(dice: random.Random) -> tuple[str, bytes]:
    merged = '<mergeCell ref="A1:XFD1048576"/>' * dice.randint(10, 100_000)
    cells = '<row r="1"><c r="A1"><v>1</v></c></row>'
    return "merged.xlsx", xlsx(sheet_of(cells, f"<mergeCells>{merged}</mergeCells>"))


@maker
def many_sheets(dice: random.Random) -> tuple[str, bytes]:
    return "sheets.xlsx", xlsx(sheet_of('<row r="1"><c r="A1"><v>1</v></c></row>'), sheets=dice.randint(500, 10_000))


@maker
def entities(dice: random.Random) -> tuple[str, bytes]:
    entity = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(dice.randint(5, 12)))
    return "entities.xlsx", xlsx(f'<!DOCTYPE a [<!ENTITY e0 "x">{entity}]>{sheet_of("<row>&e5;</row>")}')


@maker
def repeated_rows(dice: random.Random) -> tuple[str, bytes]:
    names = "urn:oasis:names:tc:opendocument:xmlns"
    count = dice.choice((10**6, 2**31 - 1, 10**12))
    cell = f'<table:table-cell table:number-columns-repeated="{count}"><text:p>1</text:p></table:table-cell>'
    row = f'<table:table-row table:number-rows-repeated="{count}">{cell}</table:table-row>'
    content = (
        f'<office:document-content xmlns:office="{names}:office:1.0" xmlns:table="{names}:table:1.0" '
        f'xmlns:text="{names}:text:1.0"><office:body><office:spreadsheet><table:table table:name="A">{row}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    return "repeated.ods", archive(
        mimetype="application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": content}
    )


@maker
def zip_bomb(dice: random.Random) -> tuple[str, bytes]:
    return "bomb.xlsx", xlsx(bytes(dice.randint(100, 250) * 1_000_000))


@maker
def old_workbook(dice: random.Random) -> tuple[str, bytes]:
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    return "old.xls", header + dice.randbytes(dice.randint(512, 200_000))


# --- packages, columns, archives


@maker
def catastrophic_pattern(dice: random.Random) -> tuple[str, bytes]:
    field = {"name": "a", "type": "string", "constraints": {"pattern": dice.choice(("(a+)+$", "(a|aa)+$", "(.*)*b"))}}
    data = [{"a": "a" * dice.randint(28, 60) + "!"} for _ in range(dice.randint(1, 20))]
    resource = {"name": "t", "data": data, "schema": {"fields": [field]}}
    return "datapackage.json", json.dumps({"resources": [resource]}).encode()


@maker
def many_files(dice: random.Random) -> tuple[str, bytes]:
    return "files.zip", archive(**{f"{i}.csv": "a,b\n1,2\n" for i in range(dice.randint(90, 9_000))})


@maker
def corrupted_sample(dice: random.Random) -> tuple[str, bytes]:
    """Damage a valid file of any kind: pages of a Parquet file, entries of a workbook, lines of a text."""
    kinds = dice.choice(((".parquet",), (".xlsx", ".ods")))
    with tempfile.TemporaryDirectory() as folder:
        path = dice.choice([path for path in sample(Path(folder)) if path.suffix in kinds])
        return path.name, mutated(path, dice)[0]
