"""`make fuzz`: every reader on mutated real files, in processes with bounded memory and time.

Whatever comes in, `validate` must give a report that can be written in every form: never an exception, a hang, more
than the set memory, or "valid" for a file that was cut off or had a cell turned to garbage. So it is with choices of
the user, with a schema of their own, and for `fix` and `annotate`, which write the file back. What breaks that is kept
in the folder given by --keep; once mended, it goes to tests/fuzz_cases, which `make test` runs.
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

SCHEMA = ROOT / "schemas" / "descriptors" / "observations.json"
MEMORY = 3_000_000_000
SECONDS_A_FILE = 40
FILES_A_WORKER = 40
LARGEST = 300_000
KINDS = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".px", ".json", ".jsonl", ".parquet", ".zip", ".gz")
# A cut-off file of these kinds can be told from a whole one.
WITH_AN_END = (".xlsx", ".xls", ".ods", ".px", ".json", ".parquet", ".zip", ".gz")
GARBAGE = "¤?!¤"
ROWS = [
    ["0180C1010", "arbetsloshet", str(year), sex, "T", f"{year % 7}.{n}", "A", "anm"]
    for n, year in enumerate(range(2010, 2025))
    for sex in ("T", "F", "M")
]
LABELS = ["neighbourhood", "kpi", "period", "sex", "age_group", "value", "status", "note"]
PIECES = (
    b'"', b"'", b";", b",", b"\t", b"\n", b"\r", b"\r\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe5", b"\xc3", b"../",
    b"http://127.0.0.1:9/", b"=1+1", b"-", b"..", b"1e999", b"9" * 40, b"[" * 60, b"{", b"}", b"]", b"DATA=", b'"',
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"XFD1048576", b'r="A99999999"', b"\xe2\x80\xae", b"A" * 5000, b"NaN",
)  # fmt: skip


def sample(folder: Path) -> list[Path]:
    """The same sound table in every kind of file."""
    import openpyxl
    import pyarrow as pa
    from pyarrow import parquet

    table = [LABELS, *ROWS]
    text = "".join(",".join(row) + "\n" for row in table)
    records = [dict(zip(LABELS, row, strict=True)) for row in ROWS]
    (folder / "sound.csv").write_text(text)
    (folder / "sound.tsv").write_text(text.replace(",", "\t"))
    (folder / "sound-sv.csv").write_bytes(text.replace(",", ";").encode("utf-16"))
    (folder / "sound.json").write_text(json.dumps(records))
    (folder / "sound.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "sound.csv.gz").write_bytes(gzip.compress(text.encode()))
    parquet.write_table(pa.Table.from_pylist(records), folder / "sound.parquet")
    book = openpyxl.Workbook()
    book.active.title = "Observationer"
    for row in table:
        book.active.append(row)
    book.save(folder / "sound.xlsx")
    (folder / "sound.ods").write_bytes(_open_document(table))
    years = sorted({row[2] for row in ROWS})
    values = " ".join(row[5] for row in ROWS if row[3] == "T")
    listed = ",".join(f'"{year}"' for year in years)
    (folder / "sound.px").write_text(
        'AXIS-VERSION="2013";\nCONTENTS="Arbetslöshet";\nSTUB="Område";\nHEADING="Period";\n'
        f'VALUES("Område")="0180C1010";\nVALUES("Period")={listed};\nDATA=\n{values};\n'
    )
    with zipfile.ZipFile(folder / "sound.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        resources = [{"name": "observations", "path": "o.csv", "encoding": "utf-8", "dialect": {"delimiter": ","}}]
        archive.writestr("datapackage.json", json.dumps({"resources": resources}))
        archive.writestr("o.csv", text)
    return sorted(folder.glob("sound*"))


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
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        archive.writestr("META-INF/manifest.xml", f'<manifest xmlns="{names}:manifest:1.0"/>')
        archive.writestr("content.xml", content)
    return made.getvalue()


def real_files() -> list[Path]:
    """Small real files of every kind: shared data, our sample, and the cases of the rules."""
    found = [
        p
        for folder in (SHARED, ROOT / "catalogue" / "sample", ROOT / "tests" / "cases")
        if folder.is_dir()
        for p in folder.rglob("*")
        if p.is_file() and p.suffix.lower() in KINDS and 0 < p.stat().st_size <= LARGEST
    ]
    return sorted(found)


# --- mutations: the new content, and whether the outcome may be "valid"


def mutated(path: Path, dice: random.Random) -> tuple[bytes, bool]:
    content = path.read_bytes()
    is_sound = path.name.startswith("sound")
    if is_sound and path.suffix in (".xlsx", ".ods", ".zip") and dice.random() < 0.25:
        return _garbage_inside(content, dice), False
    if zipfile.is_zipfile(path) and dice.random() < 0.6:
        return _inside(content, dice), True
    if path.suffix == ".gz" and dice.random() < 0.6:
        return gzip.compress(_bytes(gzip.decompress(content), dice)), True
    choice = dice.random()
    if is_sound and choice < 0.25 and path.suffix in (".csv", ".tsv", ".json", ".jsonl", ".px"):
        return _garbage(path, content, dice), False
    if is_sound and choice < 0.4 and path.suffix in WITH_AN_END:
        return content[: dice.randrange(1, len(content) - 1)], False
    return _bytes(content, dice), True


def _garbage(path: Path, content: bytes, dice: random.Random) -> bytes:
    """One value of the table turned into what no rule accepts."""
    encoding = "utf-16" if path.name == "sound-sv.csv" else "utf-8"
    text = content.decode(encoding)
    target = dice.choice([row[dice.choice((0, 1, 2, 5))] for row in ROWS])
    if path.suffix == ".px":
        target = dice.choice([row[5] for row in ROWS if row[3] == "T"])
    return text.replace(target, GARBAGE, 1).encode(encoding)


def _garbage_inside(content: bytes, dice: random.Random) -> bytes:
    """One value of the table that an archive holds turned into what no rule accepts."""
    target = dice.choice([row[dice.choice((0, 1, 5))] for row in ROWS])
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as changed:
        for name in source.namelist():
            data = source.read(name)
            if name in ("xl/worksheets/sheet1.xml", "content.xml", "o.csv"):
                data = data.replace(target.encode(), GARBAGE.encode(), 1)
                assert GARBAGE.encode() in data, "the sample has the value in another place"
            changed.writestr(name, data)
    return made.getvalue()


def _bytes(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 4, 12))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0:
                data[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                data[at:at] = dice.choice(PIECES)
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
    """Mutate an entry of an archive, leave one out, or send one elsewhere."""
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
            names = source.namelist()
            chosen, what = dice.choice(names), dice.randrange(8)
            for name in names:
                data = source.read(name)
                if name != chosen:
                    target.writestr(name, data)
                elif what == 0:
                    continue
                elif what == 1:
                    target.writestr("../" + name, data)
                else:
                    target.writestr(name, _bytes(data, dice))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        return _bytes(content, dice)
    return made.getvalue()


# --- the worker


class TooLong(Exception):
    """A file took more than its seconds."""


def work(seed: int, folder: Path, seeds: list[Path]) -> None:
    """Check FILES_A_WORKER mutated files. The one being checked lies in `folder`, for whoever finds the body."""
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
            assert may_be_valid, f"valid, though {source.name} was damaged"
            assert sum(report.rows.values()) > 0 or not report.standard_version, "valid without a row"
        else:
            assert report.findings, "no reason given"
        path.unlink()


def _checked(path: Path, folder: Path, dice: random.Random) -> tuple[Any, bool]:
    """The report, and whether it was made as it is by default; now and then the file is written back as well."""
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
            # What can't be written back is told; anything else is a fault.
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
        workbook.unfold(path, folder)
    shutil.rmtree(folder)


def _chosen(dice: random.Random) -> ReadOptions:
    some = [
        {"encoding": dice.choice(ENCODINGS)}, {"delimiter": dice.choice(";,|\t")}, {"decimal": dice.choice(",.")},
        {"sheet": dice.choice(("Observationer", "Blad1"))}, {"header_row": dice.randint(1, 9)}, {"shares": True},
        {"vintage": dice.choice(("2018", "2025"))},
        {"last_row": dice.randint(1, 60)}, {"fill_down": True}, {"wide": dice.choice((True, False))},
        {"constants": {"kpi": "arbetsloshet"}}, {"columns": {"value": "value", "note": ""}},
    ]  # fmt: skip
    return ReadOptions(**{name: given for one in dice.sample(some, dice.randint(1, 3)) for name, given in one.items()})


def run(seconds: float, first: int, keep: Path) -> int:
    """Run workers until their CPU time is used up; returns how many broke a promise."""
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
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "fuzz", help="where inputs that broke are kept")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker is None:
        return min(run(given.seconds, given.seed, given.keep), 1)
    (given.keep / "seeds").mkdir()
    work(given.worker, given.keep, [*sample(given.keep / "seeds") * 12, *real_files()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
