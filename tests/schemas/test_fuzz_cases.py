"""Inputs that once broke a reader (found by `make fuzz`), and a short run of the fuzzer itself."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fuzz import run
from vaven.schemas import validate
from vaven.schemas.reports.annotated_workbook import annotate
from vaven.schemas.reports.fix import fix
from vaven.schemas.reports.formats import FORMS, render
from vaven.vocab.errors import VavenError

CASES = sorted((ROOT / "tests" / "fuzz_cases").glob("*"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.name)
def test_files_that_once_crashed_a_reader_have_a_report(path: Path, tmp_path: Path) -> None:
    report = validate(path)
    for form in FORMS:
        assert render(form, report, "sv")
    assert report.findings or report.is_publishable
    for write_back in (fix, annotate):
        with suppress(VavenError):
            write_back(path, report, tmp_path / f"{write_back.__name__}.xlsx")


def test_a_short_fuzz_run_finds_no_failure(tmp_path: Path) -> None:
    assert run(15, 1, tmp_path) == 0
