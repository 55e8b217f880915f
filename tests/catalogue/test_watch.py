"""`vaven validate --watch` reports again whenever the file changes, however the program saves it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.reading import ANSWER_OPTIONS
from vaven.catalogue.cli.watch import _stamp

GOOD = "Område,KPI,Period,Värde\n0180C1010,trygg-morker,2023,62.5\n"


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def verdicts(out: Path) -> list[str]:
    return re.findall(r"^(.+)  fil\.csv$", out.read_text(), re.MULTILINE)


def test_a_file_is_checked_again_when_it_is_saved_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    path, out = tmp_path / "fil.csv", tmp_path / "ut.txt"
    path.write_text(GOOD)
    # What a shell runs in the background ignores Ctrl+C, and so does what it starts.
    command = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-m",
        "vaven.catalogue.cli.main",
        "validate",
        "--watch",
        str(path),
        *ANSWER_OPTIONS,
    ]
    with out.open("w") as output:
        running = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: verdicts(out)[:1] == ["GODKÄND"])
            # As spreadsheets save: a new file takes the old one's place.
            new = tmp_path / "~$fil.csv"
            new.write_text(GOOD.replace("62.5", "620"))
            os.replace(new, path)
            wait_for(lambda: verdicts(out) == ["GODKÄND", "INTE GODKÄND"])
            path.unlink()
            time.sleep(1)
            path.write_text(GOOD)
            wait_for(lambda: verdicts(out) == ["GODKÄND", "INTE GODKÄND", "GODKÄND"])
            running.send_signal(signal.SIGINT)
            assert running.wait(20) == 0
        finally:
            running.kill()
            running.wait()
    assert "Traceback" not in out.read_text()


def test_a_package_is_watched_file_by_file_and_lock_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "datapackage.json").write_text("{}")
    before = _stamp(tmp_path)
    (tmp_path / ".~lock.observations.csv#").write_text("")
    (tmp_path / "~$bok.xlsx").write_text("")
    assert _stamp(tmp_path) == before
    (tmp_path / "observations.csv").write_text("")
    assert _stamp(tmp_path) != before
    assert _stamp(tmp_path / "datapackage.json") == _stamp(tmp_path)
    assert _stamp(tmp_path / "borta.csv") == ()
