"""The GitHub Action and the pre-commit hook, run as their programs run them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.reading import HEADER, ROW

GOOD = f"{HEADER}\n{ROW}\n"
BAD = f"{HEADER}\n{ROW.replace('5.5', '550')}\n"
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "data" / "år 2024").mkdir(parents=True)
    (folder / "data" / "god.csv").write_text(GOOD, "utf-8")
    (folder / "data" / "år 2024" / "fel.csv").write_text(BAD, "utf-8")
    return folder


def act(checkout: Path, files: str) -> tuple[int, str, Path]:
    """The action's last step with its inputs, as the runner has bash run it."""
    step = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"][-1]
    temporary = checkout.parent
    variables = {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_OUTPUT": str(temporary / "output"),
        "RUNNER_TEMP": str(temporary),
        "FILES": files,
        "LANGUAGE_OF_FINDINGS": "sv",
    }
    assert step["env"].keys() == {"FILES", "LANGUAGE_OF_FINDINGS"}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(
        command, cwd=checkout, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr, temporary / "vaven-sarif"


def test_the_action_fails_at_the_faulty_file_and_leaves_sarif(checkout: Path) -> None:
    code, output, sarif = act(checkout, "data/**/*.csv")
    assert code == 1, output
    assert "::error file=data/år 2024/fel.csv::INTE GODKÄND" in output
    assert "::error file=data/god.csv" not in output
    results = [json.loads(path.read_text())["runs"][0]["results"] for path in sorted(sarif.glob("*.sarif"))]
    # A table without licence and publisher has a warning.
    errors = [[result for result in run if result["level"] == "error"] for run in results]
    assert sorted(map(bool, errors)) == [False, True]
    (uri,) = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for run in errors for r in run}
    assert uri == "data/%C3%A5r%202024/fel.csv", "by which the code host finds the file"
    assert (checkout.parent / "output").read_text() == f"sarif={sarif}\n"


def test_the_action_passes_good_files_and_refuses_patterns_without_any(checkout: Path) -> None:
    assert act(checkout, "data/*.csv")[0] == 0
    code, output, _ = act(checkout, "nothing/*.csv --help")
    assert code == 2
    assert "::error::No file fits nothing/*.csv --help" in output


def test_the_pre_commit_hook_stops_a_commit(checkout: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    command = [PROGRAMS / "pre-commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml"]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    # An environment of its own would install everything anew; the entry and its pattern are what can be wrong here.
    local = {"repos": [{"repo": "local", "hooks": [hook | {"language": "system"}]}]}
    (checkout / ".pre-commit-config.yaml").write_text(yaml.safe_dump(local))
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    variables = {"PATH": path, "HOME": str(checkout.parent), "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}

    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=checkout, env=variables, capture_output=True, text=True, timeout=120, check=False
        )

    assert shutil.which("git")
    run("git", "init", "--quiet")
    run("git", "add", ".")
    stopped = run("pre-commit", "run")
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert "INTE GODKÄND" in stopped.stdout
    run("git", "rm", "--quiet", "--cached", "data/år 2024/fel.csv")
    passed = run("pre-commit", "run")
    assert passed.returncode == 0, passed.stdout + passed.stderr
