"""Counts that two datasets, or two versions of one, reveal together although each is safe alone."""

import shutil
from pathlib import Path

import pytest

from tests.reading import LICENCE_AND_PUBLISHER
from tests.schemas.test_cases import CASES
from tests.schemas.test_suppression import DESOS, HEADER, HIDDEN, row
from vaven.publisher.integrity.disclosure import PublishedTable
from vaven.publisher.integrity.submission import published_tables
from vaven.publisher.publish import SubmissionRefused, publish
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.thresholds import Thresholds


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def submit(settings: Settings, dataset: str, *rows: str) -> dict[str, int]:
    """Publish rows as a dataset. Returns the counts of the errors that refuse it."""
    path = settings.home.parent / f"{dataset}.csv"
    path.write_text("\n".join([HEADER, *rows]))
    try:
        publish(path, settings, dataset=dataset, choices=LICENCE_AND_PUBLISHER)
    except SubmissionRefused as refused:
        report = refused.report
        assert all(f.message(language) and f.remedy(language) for f in report.findings for language in ("sv", "en"))
        errors = {finding.code for finding in report.findings if finding.severity == Severity.ERROR}
        return {code: report.counts[code] for code in errors}
    return {}


TOGETHER = {
    "the total in one, one sex in the other": ([row()], [row(sex="F", numerator=97)]),
    "a total beside suppressed parts": (
        [row(sex="F", numerator=97), row(sex="M", **HIDDEN)],
        [row()],
    ),
    "a municipality beside its DeSO": (
        [row("0114", numerator=100 * len(DESOS) - 97, denominator=90_000)],
        [*(row(code) for code in DESOS[1:]), row(DESOS[0], **HIDDEN)],
    ),
    "a suppressed count that another dataset publishes": (
        [row(), row(sex="F", **HIDDEN), row(sex="M", **HIDDEN)],
        [row(sex="F", numerator=40)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", TOGETHER)
@pytest.mark.parametrize("order", [1, -1])
def test_what_two_datasets_reveal_together_is_refused(settings: Settings, way: str, order: int) -> None:
    first, second = TOGETHER[way][::order]
    assert submit(settings, "ett", *first) == {}
    assert submit(settings, "tva", *second).get("integrity-disclosure")
    collection = Collection(settings)
    assert dict(collection.visible()) == {"ett": 1}
    collection.close()
    # Without the other dataset nothing is revealed.
    withdraw(settings, "ett", None, reason="Fel tal.")
    assert submit(settings, "tva", *second) == {}


def test_an_earlier_version_counts_until_it_is_withdrawn(settings: Settings) -> None:
    assert submit(settings, "ett", row()) == {}
    later = [row(sex="F", numerator=97), row(period="2021")]
    assert submit(settings, "ett", *later) == {"integrity-disclosure": 1}
    withdraw(settings, "ett", 1, reason="Fel tal.")
    assert submit(settings, "ett", *later) == {}


def test_counts_that_are_suppressed_everywhere_are_no_disclosure(settings: Settings) -> None:
    """A new version suppresses the same counts as the one before, and so may another dataset."""
    rows = [row(), row(sex="F", **HIDDEN), row(sex="M", **HIDDEN)]
    assert submit(settings, "ett", *rows) == {}
    assert submit(settings, "ett", *rows, row("0180C1020")) == {}
    assert submit(settings, "tva", *rows) == {}


def test_other_kpis_years_and_areas_reveal_nothing(settings: Settings) -> None:
    assert submit(settings, "ett", row(), row(sex="F", numerator=60), row(sex="M", numerator=40)) == {}
    assert submit(settings, "tva", row(sex="F", numerator=97, kpi="ekonomiskt-bistand")) == {}
    assert submit(settings, "tre", row(sex="F", numerator=97, period="2021")) == {}
    assert submit(settings, "fyra", row("0180C1020", sex="F", numerator=97)) == {}
    # Another source may have another number of the same people.
    assert submit(settings, "fem", row(numerator=102), row(sex="F", numerator=61), row(sex="M", numerator=41)) == {}


def test_own_areas_are_those_of_their_dataset(settings: Settings) -> None:
    package = settings.home.parent / "package"
    shutil.copytree(CASES / "suppression-reversible" / "one-deso-of-an-own-area" / "input", package)
    label, *lines = (package / "observations.csv").read_text("utf-8").splitlines()
    parts = [line for line in lines if not line.startswith("gula-husen")]
    totals = [line for line in lines if line.startswith("gula-husen")]

    (package / "observations.csv").write_text("\n".join([label, *parts]))
    publish(package, settings, dataset="ett", choices=LICENCE_AND_PUBLISHER)
    (package / "observations.csv").write_text("\n".join([label, *totals]))
    # The same code is an area of its own in another dataset, but its parts are the same DeSO.
    for dataset in ("tva", "ett"):
        with pytest.raises(SubmissionRefused) as refused:
            publish(package, settings, dataset=dataset, choices=LICENCE_AND_PUBLISHER)
        assert refused.value.report.counts.get("integrity-disclosure") == 1


def test_what_was_revealed_before_does_not_stop_other_rows(settings: Settings) -> None:
    assert submit(settings, "ett", row(sex="F", numerator=97)) == {}
    others = [row("0180C1020", sex="F", numerator=50), row("0180C1020")]
    revealing = Settings(home=settings.home, thresholds=Thresholds(small_count=2))
    assert submit(revealing, "tva", row()) == {}
    assert submit(settings, "tre", *others) == {}


def test_a_missing_file_of_another_dataset_does_not_stop_a_release(settings: Settings) -> None:
    assert submit(settings, "ett", row()) == {}
    shutil.rmtree(settings.home / "releases" / "ett" / "1")
    assert submit(settings, "tva", row(sex="F", numerator=97)) == {}


def test_a_damaged_file_of_another_dataset_does_not_stop_a_release(settings: Settings) -> None:
    assert submit(settings, "ett", row()) == {}
    folder = settings.home / "releases" / "ett" / "1"
    for damaged, expected in (("observations.parquet", {"integrity-disclosure": 1}), ("observations.csv", {})):
        (folder / damaged).unlink()
        (folder / damaged).write_bytes(b"PAR1")
        # The CSV stands in for the Parquet file; what nobody can read reveals nothing.
        assert submit(settings, f"efter-{damaged}", row(sex="F", numerator=97)) == expected


def test_only_tables_with_a_kpi_a_year_and_a_lan_of_the_release_are_read(settings: Settings) -> None:
    assert submit(settings, "samma", row(DESOS[0]), row(DESOS[0], period="2021")) == {}
    assert submit(settings, "annat-lan", row("0860A0020")) == {}
    assert submit(settings, "annat-ar", row(DESOS[0], period="2020")) == {}
    assert submit(settings, "annat-nyckeltal", row(DESOS[0], kpi="ekonomiskt-bistand")) == {}
    assert submit(settings, "mitt", row("0860A0030", period="2019", kpi="ekonomiskt-bistand")) == {}
    assert submit(settings, "mitt", row("0114")) == {}
    own = PublishedTable.in_folder("mitt", 2, settings.home / "releases" / "mitt" / "2")
    with Records(settings.database) as records:
        tables = published_tables(records, settings, own)
    assert [(table.dataset, table.version) for table in tables] == [("mitt", 2), ("samma", 1)]
