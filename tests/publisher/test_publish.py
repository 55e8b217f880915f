"""Guarantees of publishing: versions never change, and a kill at any moment leaves no incomplete state."""

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLE
from tests.reading import LICENCE_AND_PUBLISHER
from vaven.publisher.engine.open import open_engine
from vaven.publisher.graph.store import open_store
from vaven.publisher.publish import SubmissionRefused, publish
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.vocab.errors import NotReadable

SLUG = "exempel-tre-kommuner"
STEPS = ("received", "validated", "content", "released", "integrity", "in-graph", "visible", "in-ckan", "done")
GRAPH_STEPS = ("load", "checkpoint", "switch", "clean")
COUNT = """SELECT (COUNT(*) AS ?n) (SUM(?v) AS ?sum)
{ ?o <http://purl.org/linked-data/sdmx/2009/measure#obsValue> ?v FILTER (isNumeric(?v)) }"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def change_a_value(package: Path, value: str = "12.3") -> None:
    path = package / "observations.csv"
    rows = list(csv.reader(path.read_text("utf-8").splitlines()))
    rows[5][5] = value
    with path.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows(rows)


def state(settings: Settings) -> dict[str, object]:
    """Return the state that readers see: versions, the hash of every file, values of pages and endpoint."""
    collection, engine = Collection(settings), open_engine(settings)
    try:
        seen: dict[str, object] = {"visible": dict(collection.visible())}
        for dataset in collection.datasets():
            for entry in dataset.versions:
                for file in entry.files:
                    with collection.open(entry.dataset, entry.version, file.name) as content:
                        assert hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
                seen[f"{dataset.slug} {entry.version}"] = entry.file("observations.csv")
        numbers = [p.value for s in collection.series(kpi="trygg-morker") for p in s.points]
        seen["trygg-morker"] = numbers
        if collection.visible():
            result = engine.query(COUNT, media_type="text/csv")
            seen["sparql"] = result.file.read().decode()
            result.close()
        return seen
    finally:
        engine.close()
        collection.close()


def test_the_same_content_does_not_create_a_second_version(settings: Settings) -> None:
    first = publish(SAMPLE / "exempel.xlsx", settings)
    again = publish(SAMPLE / "exempel.xlsx", settings)
    as_package = publish(SAMPLE / "package", settings)
    assert (first.version, first.is_new) == (1, True)
    assert (again.version, again.is_new) == (1, False)
    assert (as_package.version, as_package.is_new) == (1, False)


def test_a_changed_value_creates_version_two_and_version_one_is_unchanged(settings: Settings, package: Path) -> None:
    publish(package, settings)
    folder = Path(settings.storage.removeprefix("file://")) / SLUG
    before = {path.name: path.read_bytes() for path in (folder / "1").iterdir()}
    change_a_value(package)
    second = publish(package, settings, note="Rättat värde")
    assert (second.version, second.is_new) == (2, True)
    assert {path.name: path.read_bytes() for path in (folder / "1").iterdir()} == before
    collection = Collection(settings)
    assert [v.version for v in collection.dataset(SLUG).versions] == [2, 1]
    assert collection.dataset(SLUG).current.note == "Rättat värde"
    with collection.open(SLUG, 1, "observations.csv") as old:
        assert old.read() == before["observations.csv"]
    collection.close()


def test_returning_to_an_earlier_value_creates_a_third_version(settings: Settings, package: Path) -> None:
    original = Path(shutil.copytree(package, package.with_name("original")))
    publish(package, settings)
    change_a_value(package)
    publish(package, settings)
    assert publish(original, settings).version == 3


def test_an_invalid_submission_leaves_no_files(settings: Settings, package: Path) -> None:
    publish(package, settings)
    before = state(settings)
    change_a_value(package, "170")
    with pytest.raises(SubmissionRefused) as refused:
        publish(package, settings)
    assert refused.value.report.counts["kpi-range"] == 1
    (package / "datapackage.json").write_text("{")
    with pytest.raises(NotReadable):
        publish(package, settings)
    assert state(settings) == before


def test_two_datasets_are_visible_at_once(settings: Settings, package: Path) -> None:
    publish(package, settings)
    publish(package, settings, dataset="en-annan")
    collection = Collection(settings)
    assert dict(collection.visible()) == {SLUG: 1, "en-annan": 1}
    assert len(collection.series(kpi="trygg-morker")) == 2 * len(collection.series(kpi="trygg-morker")) // 2
    area = collection.area("deso2018", "0180C6070")
    assert area is not None
    assert area.datasets == ("en-annan", SLUG)
    # The same own area in two datasets is two areas, since nobody can know that they are one.
    assert len([a for a in collection.areas() if a.area_vintage == "own"]) == 2
    collection.close()


def test_a_lone_csv_is_a_submission(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "Trygghet Rinkeby 2024.csv"
    path.write_text("Område;Nyckeltal;År;Värde\n0180C6070;trygg-morker;2023;57,5\n0180C6070;trygg-morker;2024;59,8\n")
    done = publish(path, settings, choices=LICENCE_AND_PUBLISHER)
    assert (done.dataset, done.version) == ("trygghet-rinkeby-2024", 1)
    collection = Collection(settings)
    (series,) = collection.series(kpi="trygg-morker")
    assert [p.value for p in series.points] == [57.5, 59.8]
    assert series.area.name == "Rinkeby"
    collection.close()


def killed_publish(settings: Settings, package: Path, step: str) -> None:
    """Publish in a process that ends itself by SIGKILL at a step."""
    driver = ROOT / "tests" / "publisher" / "publish_and_die.py"
    done = subprocess.run(
        [sys.executable, str(driver), str(settings.home), str(package), step], timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, f"the step {step} was never reached"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], dict[str, object]]:
    """The state that readers see after version 1 and after version 2 of an uninterrupted publish."""
    home = tmp_path_factory.mktemp("undisturbed")
    settings = Settings(home=home / "home")
    package = Path(shutil.copytree(SAMPLE / "package", home / "package"))
    publish(package, settings)
    first = state(settings)
    change_a_value(package)
    publish(package, settings)
    return first, state(settings)


@pytest.mark.parametrize("step", [*STEPS, *GRAPH_STEPS])
def test_a_publish_killed_at_any_step_shows_no_partial_release_and_can_be_completed(
    settings: Settings, package: Path, step: str, finished: tuple[dict[str, object], dict[str, object]]
) -> None:
    first, second = finished
    publish(package, settings)
    change_a_value(package)
    killed_publish(settings, package, step)
    assert state(settings) in (first, second)
    publish(package, settings)
    assert state(settings) == second
    left = [p.name for p in (settings.graph_folder / "snapshots").iterdir() if p.name.startswith(".part")]
    assert left == []


def test_a_publish_killed_before_the_very_first_release_shows_nothing(settings: Settings, package: Path) -> None:
    for step in (*STEPS[:6], *GRAPH_STEPS[:3]):
        killed_publish(settings, package, step)
        collection = Collection(settings)
        assert collection.datasets() == ()
        collection.close()
    assert publish(package, settings).version == 1


def test_another_submission_after_a_kill_takes_the_version_number_that_was_never_visible(
    settings: Settings, package: Path
) -> None:
    publish(package, settings)
    change_a_value(package, "12.3")
    killed_publish(settings, package, "in-graph")
    change_a_value(package, "13.4")
    assert publish(package, settings).version == 2
    killed = Collection(settings)
    assert [v.version for v in killed.dataset(SLUG).versions] == [2, 1]
    killed.close()


def test_another_submission_after_a_kill_past_the_switch_does_not_change_the_visible_version(
    settings: Settings, package: Path
) -> None:
    publish(package, settings)
    change_a_value(package, "12.3")
    killed_publish(settings, package, "visible")
    change_a_value(package, "13.4")
    assert publish(package, settings).version == 3


def test_a_publish_killed_at_random_moments_ends_in_the_same_state(
    settings: Settings, package: Path, finished: tuple[dict[str, object], dict[str, object]]
) -> None:
    publish(package, settings)
    change_a_value(package)
    driver = ROOT / "tests" / "publisher" / "publish_and_die.py"
    for tenths in range(2, 14, 2):
        command = [sys.executable, str(driver), str(settings.home), str(package), "never"]
        process = subprocess.Popen(command)
        time.sleep(tenths / 10)
        process.kill()
        process.wait()
        assert state(settings) in finished
    publish(package, settings)
    assert state(settings) == finished[1]


def test_snapshots_without_readers_are_deleted(settings: Settings, package: Path) -> None:
    for value in ("1", "2", "3", "4"):
        change_a_value(package, value)
        publish(package, settings)
    assert len(list((settings.graph_folder / "snapshots").iterdir())) == 1


def test_running_queries_use_their_snapshot_after_a_new_one_is_current(settings: Settings, package: Path) -> None:
    publish(package, settings)
    engine = open_engine(settings)
    before = engine.query(COUNT, media_type="text/csv")
    change_a_value(package)
    publish(package, settings)
    after = engine.query(COUNT, media_type="text/csv")
    assert before.state != after.state
    assert before.file.read() != after.file.read()
    assert open_store(settings).contents() == {SLUG: 2}
    engine.close()


def test_an_interrupted_copy_of_the_original_is_deleted(settings: Settings) -> None:
    cut_off = settings.home / "originals" / "part-abc"
    cut_off.mkdir(parents=True)
    (cut_off / "exempel.xlsx").write_bytes(b"half")
    publish(SAMPLE / "exempel.xlsx", settings)
    (original,) = (settings.home / "originals").iterdir()
    assert (original / "exempel.xlsx").read_bytes() == (SAMPLE / "exempel.xlsx").read_bytes()


def test_every_step_is_recorded_in_order(settings: Settings) -> None:
    publish(SAMPLE / "exempel.xlsx", settings)
    records = Records(settings.database)
    steps = records.steps(SLUG, 1)
    records.close()
    assert [s.step for s in steps] == ["received", "validated", "integrity", "released", "in-graph", "in-ckan"]
    assert [steps[i].result for i in (1, 2, -1)] == ["valid", "holds", "not configured"]


def test_the_receipt_names_the_submitted_file(settings: Settings) -> None:
    publish(SAMPLE / "exempel.xlsx", settings)
    collection = Collection(settings)
    with collection.open(SLUG, 1, "report.json") as content:
        receipt = json.load(content)
    collection.close()
    assert receipt["verdict"] == "valid"
    assert receipt["sha256"] == hashlib.sha256((SAMPLE / "exempel.xlsx").read_bytes()).hexdigest()
    assert receipt["standard_version"] == "1.0"


def test_characters_not_allowed_in_workbooks_do_not_prevent_publishing(settings: Settings, package: Path) -> None:
    """Pasted text may contain them, also between the words of a title."""
    path = package / "observations.csv"
    header, first, rest = path.read_text("utf-8").split("\n", 2)
    assert header.endswith(",note")
    assert first.endswith('"')
    path.write_text(f'{header}\n{first[:-1]}a\x01b\x0bc"\n{rest}', "utf-8")
    descriptor = json.loads((package / "datapackage.json").read_text("utf-8"))
    descriptor["vaven"]["title"] = {"sv": "En\x02 titel", "en": "A\x0b title"}
    (package / "datapackage.json").write_text(json.dumps(descriptor), "utf-8")
    done = publish(package, settings)
    assert "assumed-unseen" in {note.code for note in done.report.assumptions}
    collection = Collection(settings)
    try:
        assert collection.release(done.dataset, 1).about.titles == {"sv": "En  titel", "en": "A  title"}
        text = collection.open(done.dataset, 1, "observations.csv").read().decode("utf-8")
        assert not set(text) & {"\x01", "\x0b"}
        assert "a b c" in text
    finally:
        collection.close()
