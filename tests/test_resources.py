"""What a check says where the machine's memory or disk do not suffice: never a traceback, never a verdict."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.observations import write_observations

CHECK = """
import json, resource, signal, sys
from vaven.schemas.check import validate
from vaven.schemas.report import as_dict
{limit}
print(json.dumps(as_dict(validate(sys.argv[1]), "sv")))
"""
# Memory: what the process has already, and 40 MB more. Disk: no file may grow beyond 1 MB.
MEMORY = """
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 40_000_000,) * 2)
"""
DISK = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000,) * 2)
"""


@pytest.mark.parametrize(("limit", "what"), [(MEMORY, "minne"), (DISK, "disk")])
def test_too_little_memory_or_disk_is_said(tmp_path: Path, limit: str, what: str) -> None:
    path = write_observations(tmp_path / "large.csv", 400_000)
    # In Windows-1252 the file is copied, which takes disk even where memory would do.
    text = path.read_text().replace(",A,survey,", ",A,survey,å")
    path.write_text(text, "cp1252")
    done = subprocess.run(
        [sys.executable, "-c", CHECK.format(limit=limit), str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"] == "not-checked"
    assert report["counts"] == {"not-readable-resources": 1}
    assert what in report["findings"][0]["message"]
