"""`make fuzz`: every reader on mutated real files, in processes with bounded memory and time.

For any input, `validate` returns a report that can be written in every form: never an exception, a hang, more than the
memory limit, or "valid" for a truncated file or one with a corrupted cell. The same holds with the user's options, with
a schema of their own, and for `fix` and `annotate`, which write the file back. Inputs that break this are kept in the
folder given by --keep; once fixed, they go to tests/fuzz_cases, which `make test` runs.
"""

import argparse
import gzip
import io
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.conftest import ROOT, SHARED
from vaven.schemas.standard.read_options import DETECT, ENCODINGS, ReadOptions

SCHEMA = ROOT / "schemas" / "standard" / "descriptors" / "observations.json"
MEMORY = 3_000_000_000
SECONDS_A_FILE = 40
FILES_A_WORKER = 40
LARGEST = 300_000
KINDS = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".px", ".json", ".jsonl", ".parquet", ".zip", ".gz")
# A truncated file of these kinds can be recognised.
WITH_AN_END = (".xlsx", ".xls", ".ods", ".px", ".json", ".parquet", ".zip", ".gz")
CORRUPTED = "¤?!¤"
ROWS = [
    ["0180C1010", "arbetsloshet", str(year), sex, "T", f"{year % 7}.{n}", "A", "anm"]
    for n, year in enumerate(range(2010, 2025))
    for sex in ("T", "F", "M")
]
LABELS = ["neighbourhood", "kpi", "period", "sex", "age_group", "value", "status", "note"]
FRAGMENTS = (
    b'"', b"'", b";", b",", b"\t", b"\n", b"\r", b"\r\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe5", b"\xc3", b"../",
    b"http://127.0.0.1:9/", b"=1+1", b"-", b"..", b"1e999", b"9" * 40, b"[" * 60, b"{", b"}", b"]", b"DATA=", b'"',
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"XFD1048576", b'r="A99999999"', b"\xe2\x80\xae", b"A" * 5000, b"NaN",
)  # fmt: skip


def sample(folder: Path) -> list[Path]:
    """Write the same valid table in every kind of file."""
    import openpyxl
    import pyarrow as pa
    from pyarrow import parquet

    table = [LABELS, *ROWS]
    text = "".join(",".join(row) + "\n" for row in table)
    records = [dict(zip(LABELS, row, strict=True)) for row in ROWS]
    (folder / "intact.csv").write_text(text)
    (folder / "intact.tsv").write_text(text.replace(",", "\t"))
    (folder / "intact-sv.csv").write_bytes(text.replace(",", ";").encode("utf-16"))
    (folder / "intact.json").write_text(json.dumps(records))
    (folder / "intact.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "intact.csv.gz").write_bytes(gzip.compress(text.encode()))
    parquet.write_table(pa.Table.from_pylist(records), folder / "intact.parquet")
    book = openpyxl.Workbook()
    book.active.title = "Observationer"
    for row in table:
        book.active.append(row)
    book.save(folder / "intact.xlsx")
    (folder / "intact.ods").write_bytes(_open_document(table))
    years = sorted({row[2] for row in ROWS})
    values = " ".join(row[5] for row in ROWS if row[3] == "T")
    periods = ",".join(f'"{year}"' for year in years)
    (folder / "intact.px").write_text(
        'AXIS-VERSION="2013";\nCONTENTS="Arbetslöshet";\nSTUB="Område";\nHEADING="Period";\n'
        f'VALUES("Område")="0180C1010";\nVALUES("Period")={periods};\nDATA=\n{values};\n'
    )
    with zipfile.ZipFile(folder / "intact.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        resources = [{"name": "observations", "path": "o.csv", "encoding": "utf-8", "dialect": {"delimiter": ","}}]
        archive.writestr("datapackage.json", json.dumps({"resources": resources}))
        archive.writestr("o.csv", text)
    return sorted(folder.glob("intact*"))


def _open_document(table: list[list[str]]) -> bytes:
    names = "urn:oasis:names:tc:opendocument:xmlns"
    mimetype = "application/vnd.oasis.opendocument.spreadsheet"
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    rows = "".join(f"<table:table-row>{''.join(map(cell.format, row))}</table:table-row>" for row in table)
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{names}:office:1.0" '
        f'xmlns:table="{names}:table:1.0" xmlns:text="{names}:text:1.0"><office:body><office:spreadsheet>'
        f'<table:table table:name="Observationer">{rows}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    document = io.BytesIO()
    with zipfile.ZipFile(document, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        archive.writestr("META-INF/manifest.xml", f'<manifest xmlns="{names}:manifest:1.0"/>')
        archive.writestr("content.xml", content)
    return document.getvalue()


def real_files() -> list[Path]:
    """Return small real files of every kind: shared data, our sample, and the cases of the rules."""
    paths = [
        p
        for folder in (SHARED, ROOT / "catalogue" / "sample", ROOT / "tests" / "cases")
        if folder.is_dir()
        for p in folder.rglob("*")
        if p.is_file() and p.suffix.lower() in KINDS and 0 < p.stat().st_size <= LARGEST
    ]
    return sorted(paths)


# --- mutations


def mutated(path: Path, dice: random.Random) -> tuple[bytes, bool]:
    """Return the mutated content of a file, and whether its verdict may be "valid"."""
    content = path.read_bytes()
    is_intact = path.name.startswith("intact")
    if is_intact and path.suffix in (".xlsx", ".ods", ".zip") and dice.random() < 0.25:
        return _corrupt_entry(content, dice), False
    if zipfile.is_zipfile(path) and dice.random() < 0.6:
        return _inside(content, dice), True
    if path.suffix == ".gz" and dice.random() < 0.6:
        return gzip.compress(_bytes(gzip.decompress(content), dice)), True
    choice = dice.random()
    if is_intact and choice < 0.25 and path.suffix in (".csv", ".tsv", ".json", ".jsonl", ".px"):
        return _corrupt(path, content, dice), False
    if is_intact and choice < 0.4 and path.suffix in WITH_AN_END:
        return content[: dice.randrange(1, len(content) - 1)], False
    return _bytes(content, dice), True


def _corrupt(path: Path, content: bytes, dice: random.Random) -> bytes:
    """Replace one value of the table by one that no rule accepts."""
    encoding = "utf-16" if path.name == "intact-sv.csv" else "utf-8"
    text = content.decode(encoding)
    target = dice.choice([row[dice.choice((0, 1, 2, 5))] for row in ROWS])
    if path.suffix == ".px":
        target = dice.choice([row[5] for row in ROWS if row[3] == "T"])
    return text.replace(target, CORRUPTED, 1).encode(encoding)


def _corrupt_entry(content: bytes, dice: random.Random) -> bytes:
    """Replace one value of the table in an archive by one that no rule accepts."""
    target = dice.choice([row[dice.choice((0, 1, 5))] for row in ROWS])
    archive = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as changed:
        for name in source.namelist():
            data = source.read(name)
            if name in ("xl/worksheets/sheet1.xml", "content.xml", "o.csv"):
                data = data.replace(target.encode(), CORRUPTED.encode(), 1)
                assert CORRUPTED.encode() in data, "the value is in another part of the sample"
            changed.writestr(name, data)
    return archive.getvalue()


def _bytes(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 4, 12))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0:
                data[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                data[at:at] = dice.choice(FRAGMENTS)
            case 2:
                del data[at : at + dice.choice((1, 3, 30, 3000))]
            case 3:
                data[at:at] = data[at : at + dice.choice((1, 20, 500))] * dice.choice((1, 2, 50))
            case 4:
                other = dice.randrange(len(data) + 1)
                data[at : at + 8], data[other : other + 8] = data[other : other + 8], data[at : at + 8]
            case _:
                del data[at:]
        data = data or bytearray(b" ")
    return bytes(data)


def _inside(content: bytes, dice: random.Random) -> bytes:
    """Mutate an entry of an archive, remove one, or move one out of the folder."""
    archive = io.BytesIO()
    try:
        with (
            zipfile.ZipFile(io.BytesIO(content)) as source,
            zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            names = source.namelist()
            chosen, mutation = dice.choice(names), dice.randrange(8)
            for name in names:
                data = source.read(name)
                if name != chosen:
                    target.writestr(name, data)
                elif mutation == 0:
                    continue
                elif mutation == 1:
                    target.writestr("../" + name, data)
                else:
                    target.writestr(name, _bytes(data, dice))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        return _bytes(content, dice)
    return archive.getvalue()


# --- the worker


class TooLong(Exception):
    """A file took more than SECONDS_A_FILE."""


def work(seed: int, folder: Path, seeds: list[Path]) -> None:
    """Check FILES_A_WORKER mutated files. The current one is in `folder`, in case the process crashes."""
    from vaven.schemas.reports.formats import FORMS, render
    from vaven.schemas.standard.finding import Verdict

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))

    def stop(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, stop)
    dice = random.Random(seed)
    for _ in range(FILES_A_WORKER):
        source = dice.choice(seeds)
        content, may_be_valid = mutated(source, dice)
        ending = dice.choice(KINDS) if dice.random() < 0.05 else "".join(source.suffixes[-2:])
        path = folder / f"current{ending}"
        path.write_bytes(content)
        signal.alarm(SECONDS_A_FILE)
        report, is_plain = _checked(path, folder, dice)
        signal.alarm(0)
        may_be_valid = may_be_valid or not is_plain
        for form in FORMS:
            render(form, report, dice.choice(("sv", "en")))
        if report.verdict in (Verdict.VALID, Verdict.VALID_WITH_WARNINGS):
            assert may_be_valid, f"valid, though {source.name} was corrupted"
            assert sum(report.rows.values()) > 0 or not report.standard_version, "valid without a row"
        else:
            assert report.findings, "no finding"
        path.unlink()


def _checked(path: Path, folder: Path, dice: random.Random) -> tuple[Any, bool]:
    """Return the report, and whether it used the default options; sometimes write the file back as well."""
    from vaven.schemas import validate
    from vaven.schemas.reports.annotated_workbook import annotate
    from vaven.schemas.reports.fix import fix
    from vaven.vocab.errors import VavenError

    if dice.random() < 0.05 and path.suffix in (".csv", ".tsv", ".json"):
        schema = folder / "schema.json"
        schema.write_bytes(_bytes(SCHEMA.read_bytes(), dice) if dice.random() < 0.5 else SCHEMA.read_bytes())
        return validate(path, schema=schema, seconds=SECONDS_A_FILE / 2), False
    if path.suffix == ".xlsx" and dice.random() < 0.3:
        _streamed(path, folder / "streamed")
    choices = _chosen(dice) if dice.random() < 0.15 else DETECT
    report = validate(path, choices=choices)
    if dice.random() < 0.15:
        for write_back in (fix, annotate):
            target = folder / f"back-{write_back.__name__}.xlsx"
            # A file that can't be written back has an error of ours; any other exception is a bug.
            with suppress(VavenError):
                write_back(path, report, target, choices=choices)
            target.unlink(missing_ok=True)
    return report, choices == DETECT


def _streamed(path: Path, folder: Path) -> None:
    """Unfold a workbook as if each of its sheets were large."""
    from vaven.schemas.formats import workbook, xlsx_stream
    from vaven.vocab.errors import NotReadable

    folder.mkdir()
    streamed = patch.object(workbook, "large_parts", lambda archive, _=0: xlsx_stream.large_parts(archive, -1))
    with streamed, suppress(NotReadable):
        workbook.extract_sheets(path, folder)
    shutil.rmtree(folder)


def _chosen(dice: random.Random) -> ReadOptions:
    some = [
        {"encoding": dice.choice(ENCODINGS)}, {"delimiter": dice.choice(";,|\t")}, {"decimal": dice.choice(",.")},
        {"sheet": dice.choice(("Observationer", "Blad1"))}, {"header_row": dice.randint(1, 9)}, {"shares": True},
        {"vintage": dice.choice(("2018", "2025"))},
        {"last_row": dice.randint(1, 60)}, {"fill_down": True}, {"wide": dice.choice((True, False))},
        {"constants": {"kpi": "arbetsloshet"}}, {"columns": {"value": "value", "note": ""}},
    ]  # fmt: skip
    return ReadOptions(**{name: value for one in dice.sample(some, dice.randint(1, 3)) for name, value in one.items()})


def run(seconds: float, first: int, keep: Path) -> int:
    """Run workers until their CPU time is used up; returns the number that broke a guarantee."""
    broken, seed = 0, first
    keep.mkdir(parents=True, exist_ok=True)
    while (used := _cpu()) < seconds:
        with tempfile.TemporaryDirectory(prefix="vaven-fuzz-") as folder:
            command = [sys.executable, "-m", "tests.fuzz", "--worker", str(seed), "--keep", folder]
            limit = SECONDS_A_FILE * FILES_A_WORKER
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False, cwd=ROOT)
            if done.returncode:
                broken += 1
                for path in Path(folder).glob("current*"):
                    target = keep / f"{seed}-{path.name}"
                    target.write_bytes(path.read_bytes())
                    last = (done.stderr.strip().splitlines() or [f"ended by signal {-done.returncode}"])[-1]
                    print(f"{target.name}: {last}", flush=True)
        seed += 1
    print(f"{seed - first} workers, {(seed - first) * FILES_A_WORKER} files, {used:.0f} CPU seconds, {broken} broken")
    return broken


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="CPU seconds in all")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed makes the same files")
    parser.add_argument(
        "--keep", type=Path, default=ROOT / "build" / "fuzz", help="folder for inputs that broke a guarantee"
    )
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is None:
        return min(run(options.seconds, options.seed, options.keep), 1)
    (options.keep / "seeds").mkdir()
    work(options.worker, options.keep, [*sample(options.keep / "seeds") * 12, *real_files()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
