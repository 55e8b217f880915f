"""Disclosure that is not decided in time is an error that the catalogue's operator alone can answer, with a reason."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.reading import LICENCE_AND_PUBLISHER, assert_speaks
from tests.schemas.test_suppression import DESOS, HEADER, HIDDEN, row
from vaven.catalogue.cli.main import build_parser, main
from vaven.publisher.publish import Published, SubmissionRefused, publish
from vaven.publisher.settings import Settings
from vaven.schemas.standard.finding import Report, Verdict
from vaven.schemas.standard.thresholds import Thresholds
from vaven.vocab.errors import WrongUse

REASON = "Prövat med tau-Argus den 3 mars"
# Two areas by two sexes, suppressed, beside totals of both: only a linear programme can decide what they reveal.
TOTALS = [row("0114", sex=sex, numerator=50 * len(DESOS), denominator=90_000) for sex in "FM"]
OTHERS = [row(code, sex=sex, numerator=50) for code in DESOS[2:] for sex in "FM"]
SUPPRESSED = [row(code, sex=sex, **HIDDEN) for code in DESOS[:2] for sex in "FM"]
BOTH_SEXES = [row(code) for code in DESOS]
UNDECIDED = [*TOTALS, *OTHERS, *SUPPRESSED, *BOTH_SEXES]
# The total and women give men away by a single subtraction.
REVEALED = [row("1280", sex="T"), row("1280", sex="F", numerator=97), row("1280", sex="M", **HIDDEN)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", thresholds=Thresholds(disclosure_seconds=0))


def submit(settings: Settings, rows: list[str], reason: str | None = REASON, dataset: str = "ett") -> Published:
    path = settings.home.parent / f"{dataset}.csv"
    path.write_text("\n".join([HEADER, *rows]))
    return publish(path, settings, dataset=dataset, choices=LICENCE_AND_PUBLISHER, accept_undecided=reason)


def refused(settings: Settings, rows: list[str], reason: str | None = REASON, dataset: str = "ett") -> Report:
    with pytest.raises(SubmissionRefused) as error:
        submit(settings, rows, reason, dataset)
    return error.value.report


def test_what_is_not_decided_is_published_with_the_operators_reason_alone(settings: Settings) -> None:
    assert refused(settings, UNDECIDED, None).counts["suppression-undecided"] == 4
    publication = submit(settings, UNDECIDED)
    assert publication.is_new
    assert publication.report.verdict in (Verdict.VALID, Verdict.VALID_WITH_WARNINGS)
    (note,) = (note for note in publication.report.assumptions if note.code == "assumed-undecided")
    assert note.params == {"count": 4, "text": REASON}
    assert_speaks(note)
    receipt = json.loads(settings.release_storage.local("ett", 1, "report.json").read_text("utf-8"))
    assert receipt["choices"]["accept_undecided"] == REASON
    assert REASON in receipt["assumptions"][-1]["message"]
    assert "suppression-undecided" not in receipt["counts"]


def test_a_reason_is_not_recorded_where_everything_is_decided(settings: Settings) -> None:
    report = submit(replace(settings, thresholds=Thresholds()), UNDECIDED).report
    assert "accept_undecided" not in report.choices
    assert all(note.code != "assumed-undecided" for note in report.assumptions)


@pytest.mark.parametrize(
    ("rows", "code"),
    [(REVEALED, "suppression-reversible"), ([row("1280", sex="F", numerator=3)], "small-count")],
)
def test_the_operators_reason_answers_no_other_error(settings: Settings, rows: list[str], code: str) -> None:
    report = refused(settings, [*UNDECIDED, *rows])
    assert report.verdict is Verdict.INVALID
    assert code in report.counts
    assert "suppression-undecided" not in report.counts


def test_a_count_that_is_certainly_revealed_is_not_undecided_although_the_time_is_over(settings: Settings) -> None:
    report = refused(settings, REVEALED, None)
    assert "suppression-reversible" in report.counts
    assert "suppression-undecided" not in report.counts


def test_what_is_not_decided_together_with_published_data_needs_the_reason_too(settings: Settings) -> None:
    submit(settings, [*TOTALS, *BOTH_SEXES])
    rest = [*OTHERS, *SUPPRESSED]
    patient = replace(settings, thresholds=Thresholds())
    report = refused(settings, rest, None, "tva")
    assert {code for code in report.counts if code.startswith("integrity")} == {"integrity-disclosure-undecided"}
    for finding in report.findings:
        assert_speaks(finding)
    report = submit(settings, rest, dataset="tva").report
    assert report.choices["accept_undecided"] == REASON
    # With enough time, nothing is revealed.
    assert submit(patient, rest, None, "tre").is_new


def test_what_published_data_certainly_reveals_is_refused_with_a_reason(settings: Settings) -> None:
    submit(settings, REVEALED[:1])
    report = refused(settings, [REVEALED[1]], dataset="tva")
    assert report.counts.get("integrity-disclosure")


@pytest.mark.parametrize(
    ("reason", "code"), [("  ", "undecided-reason-missing"), ("Enligt 811228-9874", "text-personal")]
)
def test_a_reason_is_a_text_without_personal_numbers(settings: Settings, reason: str, code: str) -> None:
    with pytest.raises(WrongUse) as error:
        submit(settings, UNDECIDED, reason)
    assert error.value.args == (f"publisher.{code}",)


def test_only_the_command_of_publication_takes_the_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAVEN_HOME", str(settings.home))
    monkeypatch.setenv("VAVEN_THRESHOLDS_DISCLOSURE_SECONDS", "0")
    path = settings.home.parent / "ett.csv"
    path.write_text("\n".join([HEADER, *UNDECIDED]))
    command = ["publish", str(path), "--licence", "cc-by", "--publisher", "Den sociala väven", "--lang", "en"]
    assert main(command) == 1
    assert main([*command, "--accept-undecided", REASON]) == 0
    assert f"publishes the file anyway: {REASON}" in capsys.readouterr().out
    (commands,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    takers = [name for name, parser in commands.choices.items() if "--accept-undecided" in parser.format_help()]
    assert takers == ["publish"]
    # Neither the form nor the API has it.
    assert not [path for path in (ROOT / "catalogue").rglob("*.html") if "accept_undecided" in path.read_text("utf-8")]
    assert "accept_undecided" not in (ROOT / "catalogue" / "api" / "openapi.json").read_text("utf-8")
