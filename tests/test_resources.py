"""What a check says where the machine's memory or disk do not suffice: never a traceback, never a verdict."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.observations import write_observations
from vaven.schemas.check import validate
from vaven.schemas.finding import Report, Verdict

# SIGXFSZ would end the process where no file may grow beyond a megabyte; without it, writing fails as on a full disk.
FULL_DISK = """
import json, resource, signal, sys
from vaven.schemas.check import validate
from vaven.schemas.report import as_dict
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000,) * 2)
print(json.dumps(as_dict(validate(sys.argv[1]), "sv")))
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file in Windows-1252, which is copied before DuckDB reads it."""
    path = write_observations(tmp_path / "large.csv", 400_000)
    path.write_text(path.read_text().replace(",A,survey,", ",A,survey,å"), "cp1252")
    return path


def test_too_little_memory_is_said(large: Path) -> None:
    report: Report = validate(large, memory_mb=5)
    assert (report.verdict, report.counts) == (Verdict.NOT_CHECKED, {"not-readable-resources": 1})
    assert "minne" in report.findings[0].message("sv")
    assert "memory" in report.findings[0].message("en")


def test_too_little_disk_is_said(large: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(large)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["verdict"], report["counts"]) == ("not-checked", {"not-readable-resources": 1})
    assert "disk" in report["findings"][0]["message"]
