"""Fixtures for tests of the readers."""

from pathlib import Path
from typing import Any

import pytest

from vaven.schemas.formats import workbook
from vaven.schemas.formats.child_process import ChildExit, ExitReason


@pytest.fixture
def workbooks_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read workbooks without a process of their own, which would take most of a test's time."""

    def run(_: str, path: str, folder: str, **_options: Any) -> ChildExit:
        code = workbook.write_result(
            Path(folder) / workbook.SHEETS, lambda: workbook.extract_sheets(Path(path), Path(folder))
        )
        return ChildExit(ExitReason.REFUSED if code else ExitReason.FINISHED, code)

    monkeypatch.setattr(workbook, "run", run)
