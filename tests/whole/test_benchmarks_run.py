"""Every benchmark and every fuzz target runs to its end at its smallest size. No test asserts a time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import AREAS
from tests.conftest import ROOT
from tests.servers.process import run_supervised

FIGURE = re.compile(r"^  \S.* +\d+\.\d\d (x|MB|ms|/s|)\b", re.MULTILINE)
SUMMARIES = {
    "tests.fuzz": re.compile(r"^\d+ workers, ([1-9]\d*) files, .* 0 broken$", re.MULTILINE),
    "tests.fuzz_queries": re.compile(r"^([1-9]\d*) queries, 0 broken guarantees", re.MULTILINE),
}


def run(*arguments: str | Path) -> str:
    """Run a module of the repository; returns its output, which is printed if the test fails."""
    done = run_supervised([sys.executable, "-m", *arguments], timeout=580)
    print(done.stdout)
    assert done.returncode == 0
    return done.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", AREAS)
def test_a_benchmark_prints_figures_and_succeeds(name: str) -> None:
    assert FIGURE.search(run("benchmarks", name, "--tiny"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", SUMMARIES)
def test_a_fuzz_target_finds_no_failure_in_a_short_run(module: str) -> None:
    assert SUMMARIES[module].search(run(module, "--seconds", "5", "--seed", "1"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("options", [(), ("--unprotected",)])
def test_an_attack_on_suppressed_counts_succeeds_only_without_protection(options: tuple[str, ...]) -> None:
    assert re.search(r"^3 submissions, [1-9]\d* suppressed counts", run("tests.attack", "--submissions", "3", *options))


def test_an_unknown_benchmark_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks", "nothing"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False).returncode == 2
