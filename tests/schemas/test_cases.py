"""Each behaviour is a folder: the input a partner would send, the command, and the expected report.

tests/cases/<rule>/<case>/ holds the input (CSV, workbook, or a data package `input/`), `cmd`, and `expected.json`
with verdict, counts, and findings as [code, resource, cell]. A new case needs no new test code.
"""

import contextlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.examples import TARGET, written
from tests.reading import ANSWER_OPTIONS, METADATA_RULES
from vaven.catalogue.cli.main import main
from vaven.schemas.check import RULE_MODULES
from vaven.schemas.rules.registry import READING_RULES, RULES, SCHEMA_RULES
from vaven.schemas.standard.finding import Verdict
from vaven.schemas.tableschema.check import COMMON, SENTENCES, code_of
from vaven.vocab.messages import messages

CASES = ROOT / "tests" / "cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/cmd"))
CODES = {*RULES, *SCHEMA_RULES, *READING_RULES}
# No field of the standard's six schemas is unique without being the key; tests/schemas/test_check.py covers it.
# No small file takes so long that its disclosure is undecided.
WITHOUT_CASE = {"duplicate-value", "suppression-undecided"}
# Reasons why a file cannot be read may have cases, too.
REASONS = {key.split(".")[1] for key in messages("sv", "schemas").texts if key.startswith("rule.not-readable-")}
# Findings of tables with their own schema; tests/schemas/test_tableschema.py covers those without a case.
OWN_SCHEMA = {*map(code_of, set(SENTENCES) - set(COMMON)), *REASONS}


def expected(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "expected.json").read_text("utf-8"))
    return report


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_a_case_has_its_expected_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, *arguments = shlex.split((folder / "cmd").read_text("utf-8"))
    assert command == "vaven"
    # A case shows one rule: what its file leaves unsaid about the dataset is answered, unless that is the rule.
    is_about_metadata = folder.parent.name in METADATA_RULES
    with contextlib.chdir(folder):
        status = main([*arguments, *(() if is_about_metadata or "--schema" in arguments else ANSWER_OPTIONS)])
    report = json.loads(capsys.readouterr().out)
    assert {
        "verdict": report["verdict"],
        "counts": report["counts"],
        "findings": [[f["code"], f["resource"], f["cell"]] for f in report["findings"]],
    } == expected(folder)
    assert status == Verdict(report["verdict"]).exit_code


def test_every_rule_has_an_invalid_and_a_valid_case() -> None:
    assert RULE_MODULES
    assert {path.name for path in CASES.iterdir()} - OWN_SCHEMA == CODES - WITHOUT_CASE
    for rule in CASES.iterdir():
        has_it = [rule.name in expected(folder)["counts"] for folder in _cases_of(rule)]
        assert True in has_it, f"{rule.name} has no bad case"
        assert False in has_it, f"{rule.name} has no good case"


def _cases_of(rule: Path) -> Iterator[Path]:
    return (folder for folder in FOLDERS if folder.parent == rule)


def test_the_help_pages_show_the_current_cases() -> None:
    """Run `python -m tests.examples` to update the help pages' cases if this fails."""
    assert TARGET.read_text("utf-8") == written()
    without_text = {"observations-missing", "columns-differ", "values-hidden", "values-left-out", *METADATA_RULES}
    assert CODES - WITHOUT_CASE - json.loads(written()).keys() == without_text


def test_the_folder_of_cases_contains_only_cases() -> None:
    assert {path.parent for path in CASES.glob("*/*/*")} == set(FOLDERS)
