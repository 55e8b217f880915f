"""Checks that exceed the machine's memory or disk report that, without a traceback and without a verdict."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.observations import write_observations
from tests.conftest import SAMPLE, environment
from vaven.publisher.settings import Settings
from vaven.schemas.check import validate
from vaven.schemas.standard.finding import Report, Verdict

# SIGXFSZ would end the process where no file may grow beyond a megabyte; without it, writing fails as on a full disk.
FULL_DISK = """
import json, resource, signal, sys
from vaven.schemas.check import validate
from vaven.schemas.reports.text_and_json import as_dict
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000,) * 2)
print(json.dumps(as_dict(validate(sys.argv[1]), "sv")))
"""
PUBLISH_ON_A_FULL_DISK = """
import resource, signal, sys
from vaven.catalogue.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(["publish", sys.argv[2]]))
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file in Windows-1252, which is copied before DuckDB reads it."""
    path = write_observations(tmp_path / "large.csv", 400_000)
    path.write_text(path.read_text().replace(",A,survey,", ",A,survey,å"), "cp1252")
    return path


def test_exhausted_memory_is_reported(large: Path) -> None:
    report: Report = validate(large, memory_mb=5)
    assert (report.verdict, report.counts) == (Verdict.NOT_CHECKED, {"not-readable-resources": 1})
    assert "minne" in report.findings[0].message("sv")
    assert "memory" in report.findings[0].message("en")


def test_a_full_disk_is_reported(large: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(large)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["verdict"], report["counts"]) == ("not-checked", {"not-readable-resources": 1})
    assert "disk" in report["findings"][0]["message"]


@pytest.mark.parametrize("room", [0, 4_000, 60_000, 250_000])
def test_publishing_on_a_full_disk_ends_with_an_error_message_and_succeeds_once_there_is_space(
    tmp_path: Path, room: int
) -> None:
    settings = environment(tmp_path / "home", 8000)
    command = [sys.executable, "-c", PUBLISH_ON_A_FULL_DISK]
    sample = str(SAMPLE / "exempel.xlsx")
    full, roomy = (
        subprocess.run(
            [*command, str(size), sample], check=False, capture_output=True, text=True, timeout=120, env=settings
        )
        for size in (room, 1_000_000_000)
    )
    assert full.returncode == 1, full.stdout + full.stderr
    assert "Traceback" not in full.stderr
    assert "Disken" in full.stderr + full.stdout
    assert roomy.returncode == 0, roomy.stdout + roomy.stderr


def test_an_empty_secret_key_is_generated_again(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    assert len(Settings(home=tmp_path).signing_key) == 64
    assert Settings(home=tmp_path).signing_key == Settings(home=tmp_path).signing_key
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
