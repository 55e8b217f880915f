"""A file that ends its reader is a verdict of the process that reports on it, and leaves nothing behind."""

import ctypes
import faulthandler
import mmap
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import SAMPLE, VAVEN, environment, vaven
from tests.reading import HEADER, ROW
from vaven.schemas.check import validate
from vaven.schemas.formats.child_process import ChildExit, ExitReason
from vaven.schemas.isolation import COMMAND, PREFIX, Limits, isolated, temporary_folder, validate_isolated
from vaven.schemas.standard.finding import Verdict
from vaven.schemas.standard.read_options import Progress
from vaven.vocab.errors import NotReadable, WrongUse

LITTLE = Limits(memory_bytes=2_000_000_000, file_bytes=1_000_000, seconds=20)
# Loaded by every Python process with this folder on its path: the file's reader crashes as native code does.
CRASHING_READER = """
import os, signal
try:
    from vaven.schemas.tables import read
except ImportError:
    read = None
if read:
    def crash(*_arguments, **_options):
        os.kill(os.getpid(), signal.{name})
    read._read_into = crash
"""

# The first fork ends before it gets work, the second waits for it.
EARLY_FORKS = """
import os, signal
from pathlib import Path
from vaven.schemas import early_fork
early_fork.start()
from vaven.schemas.isolation import isolated
early = early_fork.take()
print(early_fork.take())
os.kill(early.process, signal.SIGKILL)
os.waitid(os.P_PID, early.process, os.WEXITED | os.WNOWAIT)
print(isolated(Path("a.csv"), callable, early=early))
early_fork.start()
print(isolated(Path("a.csv"), callable, early=early_fork.take()))
"""


def crash(_: Progress) -> None:
    # The traceback of the test framework.
    faulthandler.disable()
    ctypes.string_at(0)


def allocate_natively(_: Progress) -> None:
    # Blocks of a C library that gets no more memory end like this.
    parts = []
    try:
        while True:
            parts.append(mmap.mmap(-1, 50_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    except OSError:
        faulthandler.disable()
        os.abort()


def work_forever(_: Progress) -> None:
    while True:
        pass


def start_processes(_: Progress) -> None:
    subprocess.run([sys.executable, "-c", "import time; print('grandchild', flush=True); time.sleep(600)"], check=False)


def refuse(_: Progress) -> None:
    raise NotReadable("not-readable-empty", file="a.csv")


def refuse_use(_: Progress) -> None:
    raise WrongUse("schemas.not-annotated")


@pytest.fixture(autouse=True)
def no_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a temporary folder of the test's own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.mark.parametrize(
    ("work", "limits", "how"),
    [
        (crash, LITTLE, r"the reader crashed \(code -11\)"),
        (allocate_natively, LITTLE, r"the reader crashed \(code -6\)"),
        (work_forever, replace(LITTLE, seconds=1), "it was not read after [0-9]+ seconds"),
        (work_forever, replace(LITTLE, cpu_seconds=1), "it was not read after [0-9]+ seconds"),
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), LITTLE, "the memory ran out while it was read"),
        (lambda _: os._exit(7), LITTLE, r"the reader crashed \(code 7\)"),
    ],
)
def test_the_end_of_a_reader_is_an_error_with_its_reason(
    work: Callable[[Progress], None], limits: Limits, how: str
) -> None:
    with pytest.raises(NotReadable) as error:
        isolated(Path("a.csv"), work, limits=limits)
    assert error.value.code == "not-readable-ended"
    message = error.value.message("en")
    assert re.fullmatch(rf"a\.csv is not checked: the file ended its reader, since {how}\.", message), message
    assert error.value.message("sv").startswith("a.csv är inte kontrollerad: filen avbröt läsaren eftersom ")
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


def test_memory_and_written_files_are_limited() -> None:
    with pytest.raises(NotReadable, match="not-readable-ended"):
        isolated(Path("a"), lambda _: bytearray(3_000_000_000), limits=LITTLE)
    with pytest.raises(OSError, match="File too large"):
        isolated(Path("a"), lambda _: Path(tempfile.mkdtemp(), "x").write_bytes(bytes(2_000_000)), limits=LITTLE)
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


def test_values_exceptions_and_progress_reach_the_parent() -> None:
    seen: list[tuple[str, float]] = []

    def work(progress: Progress) -> bytes:
        progress("reading", 0.5)
        return b"x" * 5_000_000

    assert isolated(Path("a"), work, progress=lambda *step: seen.append(step)) == b"x" * 5_000_000
    assert seen == [("reading", 0.5)]
    with pytest.raises(NotReadable) as refusal:
        isolated(Path("a"), refuse)
    assert (refusal.value.code, refusal.value.params) == ("not-readable-empty", {"file": "a.csv"})
    with pytest.raises(WrongUse) as use:
        isolated(Path("a"), refuse_use)
    assert use.value.text("sv") == WrongUse("schemas.not-annotated").text("sv")
    with pytest.raises(ZeroDivisionError) as mistake:
        isolated(Path("a"), lambda _: 1 // 0)
    assert "test_isolation.py" in mistake.value.__notes__[0]


def test_what_the_parent_has_reserved_is_not_counted() -> None:
    with mmap.mmap(-1, 3_000_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS):
        assert isolated(Path("a"), lambda _: len(b"x" * 500_000_000), limits=LITTLE) == 500_000_000
        with pytest.raises(NotReadable) as ended:
            isolated(Path("a"), lambda _: len(b"x" * 2_500_000_000), limits=LITTLE)
        assert "the memory ran out" in ended.value.text("en")


def test_processes_that_the_reader_started_end_with_it() -> None:
    reading, writing = os.pipe()
    before = os.dup(1)
    os.dup2(writing, 1)
    os.close(writing)
    try:
        with pytest.raises(NotReadable):
            isolated(Path("a"), start_processes, limits=replace(LITTLE, seconds=3))
    finally:
        os.dup2(before, 1)
        os.close(before)
    with open(reading, "rb") as output:
        assert output.read() == b"grandchild\n"


def test_the_report_is_that_of_a_validation_in_this_process(tmp_path: Path) -> None:
    path = SAMPLE / "exempel.xlsx"
    here, apart = validate(path), validate_isolated(path)
    assert apart == replace(here, checked_at=apart.checked_at)
    (tmp_path / "tom.csv").touch()
    assert validate_isolated(tmp_path / "tom.csv").verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize(("status", "code"), [(-11, "not-readable-ended"), (-6, "not-readable-heavy")])
def test_a_crash_of_the_reader_of_workbooks_is_not_taken_for_a_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    def run(*_: object, **__: object) -> ChildExit:
        return ChildExit(ExitReason.KILLED, status)

    monkeypatch.setattr("vaven.schemas.formats.workbook.run", run)
    assert validate(SAMPLE / "exempel.xlsx").counts == {code: 1}


# Commands whose reader really crashes.


@pytest.fixture
def crashing(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    def settings(name: str) -> dict[str, str]:
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / "sitecustomize.py").write_text(CRASHING_READER.format(name=name))
        (tmp_path / "a.csv").write_text(f"{HEADER}\n{ROW}\n")
        (tmp_path / "temporary").mkdir(exist_ok=True)
        paths = {"PYTHONPATH": str(tmp_path / "modules"), "TMPDIR": str(tmp_path / "temporary")}
        return environment(tmp_path / "home", 8000, **paths)

    return settings


@pytest.mark.parametrize("command", ["validate", "fix", "publish"])
@pytest.mark.parametrize(("language", "text"), [("sv", "filen avbröt läsaren"), ("en", "the file ended its reader")])
def test_a_segmentation_fault_is_a_verdict_of_the_command(
    crashing: Callable[[str], dict[str, str]], tmp_path: Path, command: str, language: str, text: str
) -> None:
    done = vaven(command, tmp_path / "a.csv", "--lang", language, environment=crashing("SIGSEGV"))
    assert (done.returncode, text in done.stdout) == (2, True), done.stdout + done.stderr
    assert "(kod -11)" in done.stdout or "(code -11)" in done.stdout
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_killed_command_leaves_no_reader(crashing: Callable[[str], dict[str, str]], tmp_path: Path) -> None:
    settings = crashing("SIGSTOP")
    command = subprocess.Popen([VAVEN, "validate", tmp_path / "a.csv"], env=settings, stdout=subprocess.PIPE)
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
    deadline = time.monotonic() + 30
    while not list((tmp_path / "temporary").glob(f"{PREFIX}*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    (reader,) = children.read_text().split()
    command.kill()
    command.communicate(timeout=30)
    wait_for_end(int(reader))
    # The next command removes what the killed one left, but nothing that is in use.
    (left,) = (tmp_path / "temporary").iterdir()
    with temporary_folder() as used:
        for folder in (left, used):
            os.utime(folder, (0, 0))
        assert vaven("validate", tmp_path / "missing.csv", environment=settings).returncode == 2
        assert list((tmp_path / "temporary").iterdir()) == [used]


# The fork that `vaven validate` starts before it reads its arguments.


def test_a_command_that_is_killed_or_refused_leaves_no_early_fork(tmp_path: Path) -> None:
    settings = environment(tmp_path / "home", 8000)
    command = subprocess.Popen([VAVEN, "validate", tmp_path / "a.csv"], env=settings, stdout=subprocess.PIPE)
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
    deadline = time.monotonic() + 30
    while not (forks := children.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.001)
    command.kill()
    command.communicate(timeout=30)
    for fork in forks:
        wait_for_end(int(fork))
    for arguments in ((), ("--unknown", "a.csv"), ("--help",)):
        # A fork that lived on would keep the pipe of the output open.
        done = vaven("validate", *arguments, environment=settings)
        assert done.returncode == (0 if "--help" in arguments else 2)
        assert "Traceback" not in done.stderr


def test_work_that_the_early_fork_cannot_take_gets_another(tmp_path: Path) -> None:
    # A process of its own, since the one that forks early has loaded little and runs no thread.
    settings = environment(tmp_path / "home", 8000, TMPDIR=tempfile.gettempdir())
    done = subprocess.run(
        [sys.executable, "-P", "-c", EARLY_FORKS], env=settings, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["None", "True", "True"], done.stderr
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


def test_each_of_several_files_has_its_report(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"{HEADER}\n{ROW}\n")
    done = vaven("validate", tmp_path / "a.csv", tmp_path / "b.csv", environment=environment(tmp_path / "home", 8000))
    assert done.returncode == 0, done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("GODKÄND")] == ["a.csv", "b.csv"]


def wait_for_end(process: int) -> None:
    deadline = time.monotonic() + 10
    while is_running(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(process)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_limits_of_the_command_leave_room_for_the_largest_files() -> None:
    assert COMMAND.memory_bytes >= 4_000_000_000
    assert COMMAND.seconds >= 1_800
