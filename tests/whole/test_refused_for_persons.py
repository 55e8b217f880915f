"""Nothing remains of a file that was refused for a personal identity number: no file, log or temporary folder."""

import gzip
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from openpyxl import Workbook

from tests.conftest import Serving, environment, vaven
from tests.schemas.test_disclosure import PERSONS, shows_number, submission
from tests.servers.process import free_port

NUMBER = f"{PERSONS[1][:6]}-{PERSONS[1][6:]}"
HEADER = ["Område", "Nyckeltal", "Period", "Värde", "Anmärkning"]
ROW = ["0180C6070", "tillit", "2022", "50"]


def _csv(path: Path) -> Path:
    return submission(path.with_name(f"deltagare {NUMBER}.csv"), [f"Ring {NUMBER}"])


def _sheet(path: Path) -> Path:
    book = Workbook()
    book.active.title = f"Blad {NUMBER}"
    book.active.append(HEADER)
    book.active.append([*ROW, f"enligt {NUMBER}"])
    book.save(path.with_suffix(".xlsx"))
    return path.with_suffix(".xlsx")


def _zip(path: Path) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as package:
        package.write(_csv(path), f"personer/{NUMBER}.csv")
    return path.with_suffix(".zip")


def _gzip(path: Path) -> Path:
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(_csv(path).read_bytes()))
    return path.with_suffix(".csv.gz")


def _unreadable(path: Path) -> Path:
    path.with_name(f"{NUMBER}.csv").write_bytes(f"%PDF-1.7\n{NUMBER}".encode())
    return path.with_name(f"{NUMBER}.csv")


KINDS: dict[str, Callable[[Path], Path]] = {
    "csv": _csv, "sheet": _sheet, "zip": _zip, "gzip": _gzip, "unreadable": _unreadable,
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """The settings of a site with folders of its own for data and for temporary files."""
    for name in ("home", "temporary"):
        (tmp_path / name).mkdir()
    return environment(tmp_path / "home", free_port(), TMPDIR=str(tmp_path / "temporary"))


def remains(tmp_path: Path, source: Path) -> list[str]:
    """Return the files with the number or with the refused file's content, and all temporary ones."""
    content = source.read_bytes()
    paths = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    copies = [
        p for p in paths if content in p.read_bytes() or shows_number(p.name + p.read_text("latin-1"), PERSONS[1])
    ]
    return [str(path) for path in (*copies, *(p for p in (tmp_path / "temporary").rglob("*") if p.is_file()))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_publication_leaves_nothing(tmp_path: Path, settings: dict[str, str], kind: str) -> None:
    source = KINDS[kind](tmp_path / "fil")
    done = vaven("publish", source, "--licence", "cc0", "--publisher", "Hus", environment=settings)
    assert done.returncode != 0
    assert not shows_number(done.stdout + done.stderr, PERSONS[1])
    assert "Traceback" not in done.stderr
    assert remains(tmp_path, source) == []


def test_refused_uploads_leave_nothing_and_the_log_does_not_name_them(tmp_path: Path, settings: dict[str, str]) -> None:
    port = urlsplit(settings["VAVEN_BASE_IRI"]).port or 0
    sources = {}
    for kind, make in KINDS.items():
        (tmp_path / kind).mkdir()
        sources[kind] = make(tmp_path / kind / "fil")
    with Serving(tmp_path / "home", port, settings) as site:
        for kind, source in sources.items():
            form: dict[str, Any] = {"files": {"file": (source.name, source.read_bytes())}, "allow_redirects": False}
            fields = {"publisher": NUMBER, "not_personal": f"nej, {NUMBER}"}
            sent = requests.post(f"{site.url}validate", data=fields, timeout=60, **form)
            address = urljoin(site.url, sent.headers["Location"])
            deadline = time.monotonic() + 60
            while (report := requests.get(f"{address}/report.json", timeout=60)).status_code != 200:
                assert time.monotonic() < deadline, (kind, report.text)
                time.sleep(0.2)
            page = requests.get(address, timeout=60)
            assert report.json()["verdict"] in ("invalid", "not-checked"), kind
            assert not shows_number(page.text + report.text, PERSONS[1]), kind
    for source in sources.values():
        assert remains(tmp_path, source) == []
