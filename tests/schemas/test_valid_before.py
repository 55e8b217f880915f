"""Files that the validator before the account of cells accepted stay valid, or need one option that their report names.

valid_before.json lists them, all in the folder of shared data: data packages; tables of official statistics with the
options that make them submissions; and tables with a schema that frictionless-py describes. `one_option` has those that
need an option since then. docs/validation.md explains what changed.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from frictionless import Resource

from tests.conftest import ROOT
from tests.reading import validate
from vaven.catalogue.cli.next_commands import next_commands
from vaven.schemas import check
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import ReadOptions

LIST = json.loads(Path(__file__).with_name("valid_before.json").read_text("utf-8"))
MINIMUM_SHARE = 0.95
# Of the tables with a schema, which take long to describe, every one of so many.
STEP = 16
# The option that leaves out all columns without a label of the standard or of the user.
OTHERS = {"*": ""}


def is_valid(report: Report) -> bool:
    return report.verdict.exit_code == 0


@pytest.mark.parametrize("name", LIST["packages"])
def test_a_package_stays_valid(shared: Path, name: str) -> None:
    assert is_valid(validate(shared / name))


@pytest.mark.parametrize("table", LIST["tables"], ids=lambda table: Path(table["path"]).stem)
def test_a_table_of_official_statistics_stays_valid(shared: Path, table: dict[str, Any]) -> None:
    assert is_valid(validate(shared / table["path"], choices=ReadOptions(**table["options"])))


@pytest.mark.parametrize("table", LIST["one_option"], ids=lambda table: Path(table["path"]).stem)
def test_one_option_of_its_report_makes_a_table_valid(shared: Path, table: dict[str, Any]) -> None:
    options = ReadOptions(**table["options"])
    report = validate(shared / table["path"], choices=options)
    assert {f.code for f in report.findings if f.severity == "error"} == {"column-left-out"}
    assert "--column '*='" in next_commands(report, "sv")
    decided = replace(options, columns={**options.columns, **OTHERS})
    assert is_valid(validate(shared / table["path"], choices=decided))


def test_tables_with_a_schema_stay_valid(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = LIST["with_schema"][::STEP]
    changed = []
    for name in names:
        path, schema = shared / name, tmp_path / "schema.json"
        monkeypatch.chdir(path.parent)
        resource = Resource(path=path.name)
        resource.infer(stats=False)
        schema.write_text(json.dumps(resource.schema.to_descriptor()), "utf-8")
        if not is_valid(check.validate(path, schema=schema)):
            changed.append(name)
    assert len(names) >= 20
    assert len(changed) <= (1 - MINIMUM_SHARE) * len(names), changed


def test_the_document_states_the_numbers() -> None:
    text = (ROOT / "docs" / "validation.md").read_text("utf-8")
    counts = {name: len(LIST[name]) for name in ("packages", "tables", "one_option", "with_schema")}
    assert f"| data packages | {counts['packages']} | {counts['packages']} | 0 | 0 |" in text
    both = counts["tables"] + counts["one_option"]
    assert f"| tables of official statistics | {both} | {counts['tables']} | {counts['one_option']} | 0 |" in text
    assert f"| tables with a schema of their own | {counts['with_schema']} | {counts['with_schema']} | 0 | 0 |" in text
