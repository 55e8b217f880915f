"""Child processes: they end with their parent, at their limits, and the way they ended is reported."""

import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vaven.schemas.formats.child_process import REFUSED, ExitReason, command, read_result, run
from vaven.vocab.errors import NotReadable

# A module that does what its first argument says. Each holds the pipe open that a test gave it on standard error.
MODULE = """
import os, resource, sys, time
from pathlib import Path
from vaven.schemas.formats.child_process import enter, limit, write_result
from vaven.vocab.errors import NotReadable

class PanicException(BaseException):
    "The name that PyO3 gives to a panic."

def refuse():
    raise NotReadable("not-readable-cells", file="x.xlsx", cells=3)

action, target = enter(sys.argv[1:])
if action == "write":
    sys.exit(write_result(Path(target), lambda: [sys.stdin.read()]))
if action == "refuse":
    sys.exit(write_result(Path(target), refuse))
if action == "allocate":
    limit(resource.RLIMIT_DATA, 200_000_000)
    b" " * 1_000_000_000
if action == "panic":
    raise PanicException("index out of bounds")
if action == "abort":
    os.abort()
if action == "fill the disk":
    raise OSError(28, os.strerror(28))
if action == "fail":
    raise ValueError("a mistake of ours")
print("running", flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys
from vaven.schemas.formats.child_process import command
subprocess.run(command("bounded", "sleep", ""))
"""
MODULES = (
    "vaven.schemas.formats.workbook",
    "vaven.schemas.tableschema.check",
    "vaven.publisher.published.derived_files",
)


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module `bounded` that children find."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "bounded.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    return "bounded"


def has_closed(pipe: int, seconds: float) -> bool:
    """Return True when all processes that hold the other end of a pipe end in that time."""
    ready, _, _ = select.select([pipe], [], [], seconds)
    return bool(ready) and os.read(pipe, 1) == b""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"running\n"
        assert not has_closed(parent.stdout.fileno(), 0.2)
        os.kill(parent.pid, signal.SIGKILL)
        assert has_closed(parent.stdout.fileno(), 20)


def test_a_child_ends_with_the_thread_that_started_it(module: str) -> None:
    children: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        child = subprocess.Popen(command(module, "sleep", ""), stdout=subprocess.PIPE)
        assert child.stdout
        assert child.stdout.readline() == b"running\n"
        children.append(child)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(30)
    (child,) = children
    assert child.wait(20) == -signal.SIGKILL
    child.communicate()


@pytest.mark.parametrize("name", MODULES)
def test_each_of_our_children_ends_at_once_where_its_parent_has_ended_already(name: str) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as parent:
        parent.wait()
    line = [*command(name, "a", "b", "c")[:-1], str(parent.pid)]
    child = subprocess.run(line, check=False, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)
    assert (child.returncode, child.stderr) == (-signal.SIGKILL, b"")


def test_a_child_gets_standard_input_and_returns_a_value(module: str, tmp_path: Path) -> None:
    child = run(module, "write", str(tmp_path / "result"), stdin="Väven")
    assert (child.reason, child.code) == (ExitReason.FINISHED, 0)
    assert read_result(child, tmp_path / "result") == ["Väven"]
    child.check()


def test_a_refusal_reaches_the_parent_with_code_and_parameters(module: str, tmp_path: Path) -> None:
    child = run(module, "refuse", str(tmp_path / "result"))
    assert (child.reason, child.code) == (ExitReason.REFUSED, REFUSED)
    child.check()
    with pytest.raises(NotReadable) as refusal:
        read_result(child, tmp_path / "result")
    assert (refusal.value.code, refusal.value.params) == ("not-readable-cells", {"file": "x.xlsx", "cells": 3})


def test_a_child_is_killed_at_its_time_limit(module: str) -> None:
    start = time.monotonic()
    assert run(module, "sleep", "", seconds=1).reason is ExitReason.TIMED_OUT
    assert 1 <= time.monotonic() - start < 20
    assert subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "bounded"], check=False).returncode == 1


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("allocate", ExitReason.OUT_OF_MEMORY),
        ("panic", ExitReason.PANICKED),
        ("abort", ExitReason.KILLED),
        ("fill the disk", ExitReason.DISK_FULL),
        ("fail", ExitReason.FAILED),
    ],
)
def test_the_reason_why_a_child_ended_is_recognised(module: str, action: str, reason: ExitReason) -> None:
    child = run(module, action, "")
    assert child.reason is reason, child.stderr
    with pytest.raises(OSError if reason is ExitReason.DISK_FULL else RuntimeError):
        child.check()


def test_a_resource_limit_is_never_raised() -> None:
    script = (
        "import resource; from vaven.schemas.formats.child_process import limit; "
        "limit(resource.RLIMIT_CORE, 1000); limit(resource.RLIMIT_CORE, 2000); "
        "print(*resource.getrlimit(resource.RLIMIT_CORE))"
    )
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    _, allowed = resource.getrlimit(resource.RLIMIT_CORE)
    expected = 1000 if allowed == resource.RLIM_INFINITY else min(1000, allowed)
    assert result.stdout.split() == [str(expected)] * 2
