"""Accounting for cells of PC-Axis, JSON-stat, Kolada's and PxWeb's JSON, archives and data packages.

As in test_cell_account.py, another reader counts the cells of generated files.
"""

import csv
import json
import shlex
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reading import examples, validate
from tests.schemas.test_cell_account import (
    LONG,
    ROW,
    Rows,
    Sheets,
    account,
    check_account,
    layouts,
    tables,
    written_csv,
    written_json,
    written_ods,
    written_xlsx,
)
from vaven.schemas.reports.fix import fix
from vaven.schemas.standard.cells import Cells
from vaven.vocab.errors import WrongUse

pytestmark = pytest.mark.usefixtures("workbooks_in_this_process")

KPI = "Svarande som är trygga utomhus i området när det är mörkt"
CATEGORIES = {
    "region": (["0180", "1280", "1480"], ["Stockholm", "Malmö", "Göteborg"]),
    "kön": (["1", "2"], ["män", "kvinnor"]),
    "år": (["2022", "2023"], ["2022", "2023"]),
}
MEASURES = ["andel", "undre gräns", "övre gräns"]
NUMBERS = st.sampled_from(["57.5", "40", "0"])
SYMBOLS = st.sampled_from(['".."', '"."', '"-"', '"..."'])


@st.composite
def px_files(draw: st.DrawFn) -> str:
    """A table with codes, notes, symbols and a second language, with keys, or with bounds beside the values."""
    names = ["region", *draw(st.lists(st.just("kön"), max_size=1)), "år"]
    has_keys = draw(st.booleans())
    stub = names[:-1] if has_keys else names[: draw(st.integers(1, len(names) - 1))]
    has_measures = not has_keys and draw(st.booleans())
    values = {name: CATEGORIES[name][1] for name in names}
    heading = [*names[len(stub) :], *["innehåll"] * has_measures]
    if has_measures:
        values["innehåll"] = draw(st.permutations(MEASURES))
    lines = ['CHARSET="ANSI";', 'AXIS-VERSION="2013";', 'CODEPAGE="utf-8";', 'LANGUAGES="sv","en";']
    lines += [f'CONTENTS="{draw(st.sampled_from([KPI, "Annat", "Två "]))}"\n"delar";'] * draw(st.integers(0, 1))
    lines += [f'CONTENTS="{KPI}";'] * draw(st.integers(0, 1))
    lines += [f"STUB={_texts(stub)};", f"HEADING={_texts(heading)};"]
    for name in (*stub, *heading):
        lines.append(f'VALUES("{name}")={_texts(values[name])};')
        if name != "innehåll" and (has_keys or draw(st.booleans())):
            lines.append(f'CODES("{name}")={_texts(CATEGORIES[name][0])};')
        if draw(st.booleans()):
            lines.append(f'VALUES[en]("{name}")={_texts(["x", "", "y"])};')
        lines += [f'KEYS("{name}")=CODES;'] * (has_keys and name in stub)
    lines += [
        f'DATASYMBOL{n}="{draw(st.sampled_from(["Uppgift saknas", "sekretess", "annat"]))}";' for n in range(1, 3)
    ]
    lines += ['NOTE="en not"', '"i två delar";', 'SOURCE="enkäten";', "DECIMALS=1;"] * draw(st.integers(0, 1))
    rows = [[]]
    for name in stub:
        rows = [[*row, code] for row in rows for code in CATEGORIES[name][0][: len(values[name])]]
    width = 1
    for name in heading:
        width *= len(values[name])
    if has_keys:
        rows = draw(st.lists(st.sampled_from(rows), min_size=1, max_size=4, unique_by=tuple))
    data = []
    for row in rows:
        cells = [draw(NUMBERS if draw(st.booleans()) else SYMBOLS) for _ in range(width)]
        data.append(" ".join([*(f'"{key}"' for key in row if has_keys), *cells]))
    return "\n".join([*lines, "DATA=", *data]) + ";\n"


def _texts(texts: list[str]) -> str:
    return ",".join(f'"{text}"' for text in texts)


def px_total(text: str) -> int:
    """Count the texts after the equals signs, and the cells of DATA that are not keys."""
    *statements, last = (_split(statement, "=") for statement in _split(text, ";"))
    texts = [
        (name.strip(), [item.replace('"\n"', "").strip(' "\n') for item in _split("=".join(rest), ",")])
        for name, *rest in statements
    ]
    data = shlex.split(last[1])
    count = sum(1 for _, items in texts for item in items if item)
    if any(name.startswith("KEYS") for name, _ in texts):
        keys = len(dict(texts)["STUB"])
        width = keys + len(dict(texts)['VALUES("år")'])
        data = [cell for i, cell in enumerate(data) if i % width >= keys]
    return count + len(data)


def _split(text: str, mark: str) -> list[str]:
    parts, is_quoted = [""], False
    for character in text.strip():
        is_quoted ^= character == '"'
        if character == mark and not is_quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts if parts[-1].strip() else parts[:-1]


@settings(max_examples=examples(20), deadline=None)
@given(text=px_files())
def test_cells_of_pcaxis_add_up(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.px"
        path.write_text(text, "utf-8")
        check_account(path, px_total(text))


@st.composite
def json_stats(draw: st.DrawFn) -> Mapping[str, Any]:
    """A dataset with codes as keys or in a list, labels, status, and metadata beside the table."""
    names = ["region", "KPI", *draw(st.lists(st.just("kön"), max_size=1)), "år"]
    dimension: dict[str, Any] = {}
    for name in names:
        codes, labels = CATEGORIES.get(name, (["N1"], [KPI]))
        category: dict[str, Any] = {}
        kind = draw(st.sampled_from(["keys", "list", "none"]))
        if kind != "none":
            category["index"] = codes if kind == "list" else {code: i for i, code in enumerate(codes)}
        if kind == "none" or draw(st.booleans()):
            category["label"] = dict(zip(codes, labels, strict=True))
        dimension[name] = {"category": category} | ({"label": name.title()} if draw(st.booleans()) else {})
        dimension[name] |= {"note": ["en not"], "extension": {"show": True}} if draw(st.booleans()) else {}
    size = [len(CATEGORIES.get(name, (["N1"],))[0]) for name in names]
    count = 1
    for length in size:
        count *= length
    values = [draw(st.sampled_from([57.5, 40, None])) for _ in range(count)]
    status = draw(
        st.sampled_from([None, "A", {"0": "P", "1": ".."}, ["P", *[None] * (count - 1)], {str(count): "P", "x": "E"}])
    )
    document = {"version": "2.0", "class": "dataset", "id": names, "size": size, "dimension": dimension}
    document |= {"value": values if draw(st.booleans()) else {str(i): v for i, v in enumerate(values) if v}}
    document |= {"status": status} if status else {}
    return {**document, "source": "SCB", "label": "", "role": {"time": ["år"]}}


def scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from scalars(member)
    elif value is not None and str(value).strip():
        yield str(value)


def json_stat_total(document: Mapping[str, Any]) -> int:
    categories = [dimension["category"] for dimension in document["dimension"].values()]
    codes = [category["index"] if "index" in category else category["label"] for category in categories]
    return len([*scalars(document)]) + sum(len(of) for of in codes if isinstance(of, dict))


@settings(max_examples=examples(20), deadline=None)
@given(document=json_stats())
def test_cells_of_json_stat_add_up(document: Mapping[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.json"
        path.write_text(json.dumps(document), "utf-8")
        check_account(path, json_stat_total(document))


def test_cells_of_kolada_and_pxweb_add_up(tmp_path: Path) -> None:
    values = [{"gender": sex, "value": 5.5, "status": "", "count": 1} for sex in ("K", "M")]
    items = [{"kpi": "N1", "municipality": code, "period": 2023, "values": values} for code in ("0180", "1280")]
    kolada = {"count": 2, "values": [*items, {**items[0], "values": []}], "next": None, "links": ["a"]}
    path = tmp_path / "kolada.json"
    path.write_text(json.dumps(kolada), "utf-8")
    check_account(path, len([*scalars(kolada)]) + 7)
    columns = [{"code": "Region", "text": "region", "type": "d"}, {"code": "Tid", "text": "år", "type": "t"}]
    columns.append({"code": "X", "text": KPI, "type": "c", "comment": "en not"})
    rows = [{"key": [code, "2023"], "values": [".."]} for code in ("0180", "1280")]
    pxweb = {
        "columns": columns,
        "comments": ["not"],
        "data": [*rows, {"key": ["1480", "2023"], "values": ["5"], "a": 1}],
    }
    path.write_text(json.dumps(pxweb), "utf-8")
    check_account(path, len([*scalars(pxweb)]))


# --- archives and packages


@settings(max_examples=examples(10), deadline=None)
@given(first=tables(), second=tables(), layout=layouts(), choice=st.sampled_from(["csv", "xlsx", "ods", "json"]))
def test_cells_of_an_archive_add_up(first: Rows, second: Rows, layout: tuple[Sheets, Any], choice: str) -> None:
    with TemporaryDirectory() as folder:
        base = Path(folder)
        total = written_csv(base / "2022.csv", first, ";", csv.QUOTE_ALL, "utf-8")
        total += written_csv(base / "2023.csv", second, ";", csv.QUOTE_ALL, "utf-8")
        write = {"xlsx": written_xlsx, "ods": written_ods, "json": written_json}.get(choice)
        total += write(base / f"more.{choice}", *layout) if write else 0
        with zipfile.ZipFile(base / "all.zip", "w") as archive:
            for path in sorted(base.glob("*.*")):
                if path.suffix != ".zip":
                    archive.write(path, path.name)
        check_account(base / "all.zip", total)


@settings(max_examples=examples(10), deadline=None)
@given(first=tables(), second=tables(), layout=layouts(), missing=st.sampled_from([[], ["..", "ej svar"]]))
def test_cells_of_a_package_add_up(first: Rows, second: Rows, layout: tuple[Sheets, Any], missing: list[str]) -> None:
    with TemporaryDirectory() as folder:
        base = Path(folder)
        total = written_csv(base / "2022.csv", first, ",", csv.QUOTE_ALL, "utf-8")
        total += written_csv(base / "2023.csv", second, ",", csv.QUOTE_ALL, "utf-8")
        total += written_xlsx(base / "actors.xlsx", *layout)
        observations = {"name": "observations", "path": ["2022.csv", "2023.csv"], "schema": {"missingValues": missing}}
        resources = [observations, {"name": "actors", "path": "actors.xlsx"}]
        (base / "datapackage.json").write_text(json.dumps({"name": "trygghet", "resources": resources}), "utf-8")
        check_account(base, total)


def test_a_row_of_a_resource_in_several_files_is_located_and_fixed_in_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    written_csv(folder / "2022.csv", [["Trygghet"], LONG, ROW], ",", csv.QUOTE_MINIMAL, "utf-8")
    written_csv(folder / "2023.csv", [["Trygghet"], LONG, ["180", *ROW[1:2], "2022", "5"]], ",", csv.QUOTE_ALL, "utf-8")
    resource = {"name": "observations", "path": ["2022.csv", "2023.csv"]}
    (folder / "datapackage.json").write_text(json.dumps({"name": "trygghet", "resources": [resource]}), "utf-8")
    cells = account(folder)
    assert (cells.total, cells.used) == (18, 16)
    assert [(part.reason, part.sheet, part.rows) for part in cells.omitted] == [
        ("preamble", "2022.csv", (1, 1)),
        ("preamble", "2023.csv", (1, 1)),
    ]
    report = validate(folder)
    assert [finding.address for finding in fix(folder, report, tmp_path / "copy")] == ["2023.csv!A3"]
    assert (tmp_path / "copy" / "2023.csv").read_text("utf-8").splitlines()[2].startswith('"0180"')
    assert (tmp_path / "copy" / "2022.csv").read_bytes() == (folder / "2022.csv").read_bytes()


def test_a_table_with_its_labels_in_the_first_of_several_files_is_not_fixed(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    written_csv(folder / "2022.csv", [LONG, ROW], ",", csv.QUOTE_MINIMAL, "utf-8")
    written_csv(folder / "2023.csv", [["180", *ROW[1:2], "2022", "5"]], ",", csv.QUOTE_ALL, "utf-8")
    resource = {"name": "observations", "path": ["2022.csv", "2023.csv"]}
    (folder / "datapackage.json").write_text(json.dumps({"name": "trygghet", "resources": [resource]}), "utf-8")
    assert account(folder) == Cells(12, 12)
    with pytest.raises(WrongUse, match="observations"):
        fix(folder, validate(folder), tmp_path / "copy")
