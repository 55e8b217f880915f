import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLE
from tests.publisher.test_publish import SLUG, change_a_value
from tests.schemas.test_disclosure import PERSONS, submission
from vaven.publisher.publish import SubmissionRefused, publish
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.originals import Originals
from vaven.publisher.releases.records import Records, ReleaseRecord
from vaven.publisher.releases.storage import Storage, copy_file
from vaven.publisher.settings import Settings
from vaven.schemas.formats.submission import submission_files
from vaven.vocab.errors import NotReadable

WORKBOOK = SAMPLE / "exempel.xlsx"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def zipped(package: Path) -> Path:
    path = package.with_name("package.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in package.iterdir():
            archive.write(file, file.name)
    return path


def receipt(settings: Settings, version: int = 1) -> dict[str, Any]:
    collection = Collection(settings)
    with collection.open(SLUG, version, "report.json") as content:
        report: dict[str, Any] = json.load(content)
    collection.close()
    return report


def record(settings: Settings, version: int = 1) -> ReleaseRecord:
    with Records(settings.database) as records:
        release = records.release(SLUG, version)
    assert release is not None
    return release


def originals(settings: Settings) -> dict[str, bytes]:
    """All files below originals/ by their path there."""
    folder = settings.home / "originals"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stored_hash(settings: Settings) -> str:
    """The name of the only folder of originals/."""
    (folder,) = (settings.home / "originals").iterdir()
    return folder.name


@pytest.mark.parametrize("kind", ["file", "folder", "descriptor", "zip"])
def test_report_record_and_original_state_the_same_hash(
    settings: Settings, package: Path, zipped: Path, kind: str
) -> None:
    source = {"file": WORKBOOK, "folder": package, "descriptor": package / "datapackage.json", "zip": zipped}[kind]
    done = publish(source, settings)
    hashes = {done.report.sha256, receipt(settings)["sha256"], record(settings).source_sha256, stored_hash(settings)}
    assert hashes == {submission_files(source).sha256}
    if source.is_file() and kind != "descriptor":
        assert hashes == {hashlib.sha256(source.read_bytes()).hexdigest()}
    with Records(settings.database) as records:
        assert records.steps(SLUG, 1)[0].result == done.report.sha256


def test_anybody_can_reproduce_the_hash_of_a_package_by_sha256sum(package: Path) -> None:
    names = sorted(path.name for path in package.iterdir())
    sums = subprocess.run(["sha256sum", *names], cwd=package, capture_output=True, check=True).stdout
    assert submission_files(package).sha256 == hashlib.sha256(sums).hexdigest()


def test_a_package_folder_and_its_descriptor_are_the_same_submission(settings: Settings, package: Path) -> None:
    (package / "anteckningar.txt").write_text("Inte en del av inlämningen.")
    publish(package / "datapackage.json", settings)
    folder = stored_hash(settings)
    assert folder == submission_files(package).sha256
    publish(package, settings)
    assert stored_hash(settings) == folder


def test_the_original_of_a_descriptor_has_all_files_that_it_names_and_no_other(
    settings: Settings, package: Path
) -> None:
    (package / "data").mkdir()
    (package / "observations.csv").rename(package / "data" / "observations.csv")
    descriptor = package / "datapackage.json"
    content = json.loads(descriptor.read_text("utf-8"))
    (resource,) = (r for r in content["resources"] if r["name"] == "observations")
    (package / "schema.json").write_text(json.dumps({"fields": [{"name": "kpi"}], "missingValues": ["", "-"]}))
    resource.update(path="data/observations.csv", schema="schema.json")
    descriptor.write_text(json.dumps(content), "utf-8")
    (package / "anteckningar.txt").write_text("Inte en del av inlämningen.")
    named = {"datapackage.json", "schema.json", *(r["path"] for r in content["resources"])}
    publish(descriptor, settings)
    folder = stored_hash(settings)
    assert originals(settings) == {f"{folder}/{name}": (package / name).read_bytes() for name in named}


def test_no_file_outside_a_package_is_copied(settings: Settings, package: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    shutil.copyfile(package / "observations.csv", secret)
    (package / "observations.csv").unlink()
    (package / "observations.csv").symlink_to(secret)
    for source in (package, package / "datapackage.json"):
        with pytest.raises(NotReadable):
            publish(source, settings)
    (package / "observations.csv").unlink()
    descriptor = package / "datapackage.json"
    text = descriptor.read_text("utf-8")
    for path in ("../secret.csv", str(secret), secret.as_uri()):
        descriptor.write_text(text.replace('"observations.csv"', json.dumps(path)), "utf-8")
        with pytest.raises(NotReadable):
            publish(descriptor, settings)
    assert not [name for name in originals(settings) if "secret" in name or "observations" in name]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_published_is_the_stored_copy_though_the_file_changes_meanwhile(
    settings: Settings, package: Path, tmp_path: Path, kind: str
) -> None:
    source = package if kind == "folder" else Path(shutil.copyfile(WORKBOOK, tmp_path / "exempel.xlsx"))
    before = submission_files(source).sha256

    def change(step: str) -> None:
        if step == "validated":
            if kind == "folder":
                change_a_value(package)
            else:
                source.write_bytes(b"nothing that can be read")

    done = publish(source, settings, progress=change)
    assert submission_files(source).sha256 != before
    assert done.report.sha256 == receipt(settings)["sha256"] == stored_hash(settings) == before
    unchanged = Settings(home=tmp_path / "unchanged")
    publish(SAMPLE / "package" if kind == "folder" else WORKBOOK, unchanged)
    assert record(settings).content_sha256 == record(unchanged).content_sha256


def test_the_file_has_the_sender_s_name(settings: Settings, package: Path, tmp_path: Path) -> None:
    for source, name in ((WORKBOOK, "exempel.xlsx"), (package, "package"), (package / "datapackage.json",) * 2):
        home = Settings(home=tmp_path / f"home-{Path(name).name}")
        assert publish(source, home).report.source == source.name
        assert receipt(home)["source"] == record(home).source_name == source.name
    change_a_value(package, "170")
    with pytest.raises(SubmissionRefused) as refused:
        publish(package, settings)
    assert refused.value.report.source == "package"


def test_an_incompletely_stored_original_is_stored_again(settings: Settings) -> None:
    publish(WORKBOOK, settings)
    file = settings.home / "originals" / stored_hash(settings) / "exempel.xlsx"
    file.write_bytes(WORKBOOK.read_bytes()[:100])
    publish(WORKBOOK, settings)
    assert file.read_bytes() == WORKBOOK.read_bytes()


def test_the_copy_that_was_read_is_deleted(settings: Settings, package: Path) -> None:
    change_a_value(package, "170")
    with pytest.raises(SubmissionRefused):
        publish(package, settings)
    assert stored_hash(settings) == submission_files(package).sha256


def test_an_original_named_by_version_0_1_is_resolved_by_the_published_hash(settings: Settings) -> None:
    publish(WORKBOOK, settings)
    published = stored_hash(settings)
    older = hashlib.sha256(bytes.fromhex(published)).hexdigest()
    (settings.home / "originals" / published).rename(settings.home / "originals" / older)
    with Records(settings.database) as records:
        records.replace_source_hash(published, older)
    assert publish(WORKBOOK, settings).is_new is False
    assert stored_hash(settings) == record(settings).source_sha256 == published


def test_a_release_completed_by_another_file_of_the_same_content_records_that_file(
    settings: Settings, package: Path
) -> None:
    with Records(settings.database) as records:
        first = records.reserve("a", "content", "1" * 64, "first.csv")
        second = records.reserve("a", "content", "2" * 64, "second.csv")
        assert (first.version, second.version) == (1, 1)
        assert (second.source_sha256, second.source_name) == ("2" * 64, "second.csv")
        assert records.release("a", 1) == second


def test_originals_in_a_remote_storage_leave_no_copy_on_disk(settings: Settings, package: Path) -> None:
    storage = Storage("memory://originals-test", settings.home / "cache")
    with Records(settings.database) as records:
        received = Originals(storage, settings.home / "originals", records)
        with received.receive(package) as original:
            assert submission_files(original.path).sha256 == original.sha256
            received.keep(original)
        names = {path.name for path in package.iterdir()}
        assert storage.sizes(original.sha256) == {name: (package / name).stat().st_size for name in names}
        with storage.open(original.sha256, "observations.csv") as content:
            assert content.read() == (package / "observations.csv").read_bytes()
    assert originals(settings) == {}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_upload_becomes_the_stored_original_without_a_copy(
    settings: Settings, package: Path, tmp_path: Path, kind: str
) -> None:
    source = package if kind == "folder" else Path(shutil.copyfile(WORKBOOK, tmp_path / "exempel.xlsx"))
    uploaded = {path.name: path.stat().st_ino for path in submission_files(source).files.values()}
    publish(source, settings, is_upload=True)
    stored = [path for path in (settings.home / "originals").rglob("*") if path.is_file()]
    assert {path.name: path.stat().st_ino for path in stored} == uploaded
    assert {path.stat().st_nlink for path in stored} == {1}
    assert not [name for name in uploaded if (source / name if kind == "folder" else source).exists()]


def test_a_file_of_the_sender_is_copied_once_and_kept(settings: Settings, tmp_path: Path) -> None:
    source = Path(shutil.copyfile(WORKBOOK, tmp_path / "exempel.xlsx"))
    copies: list[int] = []

    def count(step: str) -> None:
        folders = (settings.home, tmp_path)
        files = {p.stat().st_ino for folder in folders for p in folder.rglob("*.xlsx") if p.name == source.name}
        copies.append(len(files))

    publish(source, settings, progress=count)
    assert (
        max(copies) == 2 == len({path.stat().st_ino for path in (source, *settings.home.rglob("originals/*/*.xlsx"))})
    )
    assert source.read_bytes() == WORKBOOK.read_bytes()


def test_a_refused_upload_with_personal_numbers_is_deleted(settings: Settings, tmp_path: Path) -> None:
    upload = submission(tmp_path / "deltagare.csv", [f"Ring {PERSONS[1][:6]}-{PERSONS[1][6:]}"])
    with pytest.raises(SubmissionRefused):
        publish(upload, settings, is_upload=True)
    assert not list(tmp_path.rglob("deltagare.csv"))


def test_a_file_is_copied_on_a_disk_that_shares_no_blocks(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"a" * 100_000)
    copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_ino != source.stat().st_ino
