"""Releases, originals and derived files in an S3 bucket, over HTTP."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from tests.conftest import SAMPLE, Serving, Site, environment, vaven
from tests.servers.process import ServerProcess, free_port, stopped_at_end, wait_for_port
from vaven.publisher.published.derivation import Recipe, Source
from vaven.publisher.published.derived_files import DerivedFiles
from vaven.publisher.published.derived_folder import DerivedFile
from vaven.publisher.releases.storage import Storage
from vaven.schemas.formats.submission import submission_files

SLUG = "exempel-tre-kommuner"
BUCKET = "vaven"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server of S3's protocol with an empty bucket; yields the environment that leads clients to it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with (
        (tmp_path_factory.mktemp("s3") / "s3.log").open("w") as log,
        stopped_at_end(ServerProcess(command, stdout=log, stderr=subprocess.STDOUT)),
        pytest.MonkeyPatch.context() as patch,
    ):
        wait_for_port(port)
        request = urllib.request.Request(f"{variables['AWS_ENDPOINT_URL']}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        for name, value in variables.items():
            patch.setenv(name, value)
        yield variables
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture(scope="module")
def site(s3: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The sample, published to the bucket and served from it."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    settings = environment(home, port, **s3, VAVEN_STORAGE_URL=f"s3://{BUCKET}/data")
    done = vaven("publish", SAMPLE / "exempel.xlsx", environment=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    with Serving(home, port, settings) as site:
        yield site


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=100) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def bucket(folder: str = "data") -> dict[str, int]:
    return Storage(f"s3://{BUCKET}/{folder}", Path("unused")).sizes()


def test_files_of_a_release_are_served_from_the_bucket(site: Site) -> None:
    with urllib.request.urlopen(f"{site.url}dataset/{SLUG}/1/datapackage.json", timeout=100) as response:
        descriptor = json.load(response)
    for resource in descriptor["resources"]:
        status, content = get(f"{site.url}dataset/{SLUG}/1/{resource['path']}")
        assert (status, f"sha256:{hashlib.sha256(content).hexdigest()}") == (200, resource["hash"])
        assert bucket()[f"{SLUG}/1/{resource['path']}"] == len(content)
    assert get(f"{site.url}dataset/{SLUG}")[0] == get(f"{site.url}kpi/trygg-morker")[0] == 200
    assert not (site.home / "releases").exists()


def test_the_original_is_in_the_bucket_under_its_published_hash_and_not_served(site: Site) -> None:
    report = json.loads(get(f"{site.url}dataset/{SLUG}/1/report.json")[1])
    key = f"_originals/{report['sha256']}/exempel.xlsx"
    assert report["sha256"] == submission_files(SAMPLE / "exempel.xlsx").sha256
    assert bucket()[key] == (SAMPLE / "exempel.xlsx").stat().st_size
    assert list((site.home / "originals").iterdir()) == []
    for path in (key, f"dataset/{key}", f"dataset/_originals/1/{report['sha256']}"):
        assert get(site.url + path)[0] == 404


def test_derived_files_are_shared_through_the_bucket(site: Site) -> None:
    status, turtle = get(f"{site.url}dataset/{SLUG}/1/observations.ttl")
    assert status == 200
    wait_until(lambda: any(key.startswith("_derived/observations.ttl/") and "made.json" in key for key in bucket()))
    (key,) = (key for key in bucket() if key.startswith("_derived/observations.ttl/") and key.endswith(".ttl"))
    assert bucket()[key] == len(turtle)


def test_a_new_version_and_a_withdrawal_with_a_bucket(site: Site, tmp_path: Path) -> None:
    package = Path(shutil.copytree(SAMPLE / "package", tmp_path / "package"))
    table = package / "observations.csv"
    table.write_text(table.read_text("utf-8").replace(",22.2,", ",12.3,", 1), "utf-8")
    for _ in ("a new version", "the same content again"):
        done = site.run("publish", package / "datapackage.json")
        assert done.returncode == 0, done.stdout + done.stderr
        status, content = get(f"{site.url}dataset/{SLUG}/2/observations.csv")
        assert (status, b",12.3," in content) == (200, True)
    original = {path.name for path in package.iterdir()}
    folder = f"_originals/{submission_files(package).sha256}/"
    assert {key.removeprefix(folder) for key in bucket() if key.startswith(folder)} == original
    done = site.run("withdraw", SLUG, "2", "--reason", "Fel område.")
    assert done.returncode == 0, done.stdout + done.stderr
    assert get(f"{site.url}dataset/{SLUG}/2/observations.csv")[0] == 410
    assert get(f"{site.url}dataset/{SLUG}/1/observations.csv")[0] == 200
    query = f"{site.url}sparql?query=ASK%20%7B%20%3Fs%20%3Fp%20%3Fo%20%7D"
    assert get(query)[0] == 200


def wait_until(is_so: Callable[[], bool]) -> None:
    """A file is stored after the request for it is answered."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_until_stored(folder: str, key: str) -> None:
    wait_until(lambda: key in bucket(folder))


def recipe(folder: Path, lines: int = 3) -> Recipe:
    source = folder / "source.nt"
    source.write_bytes(b"".join(b'<http://a/%d> <http://b/> "c" .\n' % i for i in range(lines)))
    return Recipe("a.nt.gz", [Source(str(source))])


def derived_files(folder: Path, name: str, limit_mb: int = 100) -> DerivedFiles:
    folder.mkdir(exist_ok=True)
    return DerivedFiles(folder, limit_mb, Storage(f"s3://{BUCKET}/{name}", folder / "cache"))


def derive(files: DerivedFiles, key: str, prepare: object = recipe) -> DerivedFile:
    file = files.get("a", key, prepare, 100)  # type: ignore[arg-type]
    assert file is not None
    return file


def test_a_file_that_one_server_has_derived_is_fetched_by_another(s3: dict[str, str], tmp_path: Path) -> None:
    def never(_: Path) -> Recipe:
        raise AssertionError

    first = derive(derived_files(tmp_path / "one", "shared"), "k")
    wait_until_stored("shared", "a/k/made.json")
    second = derive(derived_files(tmp_path / "two", "shared"), "k", never)
    assert second.path.read_bytes() == first.path.read_bytes()
    assert (second.sha256, second.size, second.created_at) == (first.sha256, first.size, first.created_at)


def test_derived_files_in_a_bucket_stay_within_the_limit(s3: dict[str, str], tmp_path: Path) -> None:
    files = derived_files(tmp_path / "one", "bounded", limit_mb=0)
    for key in ("1", "2", "3"):
        derive(files, key)
        wait_until_stored("bounded", f"a/{key}/made.json")
        wait_until(lambda key=key: {path.split("/")[1] for path in bucket("bounded")} == {key})  # type: ignore[misc]


def test_a_new_dump_replaces_the_old_one_in_the_bucket(s3: dict[str, str], tmp_path: Path) -> None:
    def replacing(folder: Path) -> Recipe:
        return Recipe("a.nt.gz", recipe(folder).sources, replaces=True)

    one, two = (derived_files(tmp_path / name, "replaced") for name in ("one", "two"))
    derive(one, "1", replacing)
    wait_until_stored("replaced", "a/1/made.json")
    derive(two, "2", replacing)
    wait_until(lambda: {path.split("/")[1] for path in bucket("replaced")} == {"2"})
    derive(one, "2", replacing)
    assert [entry.name for entry in (tmp_path / "one" / "a").iterdir()] == ["2"]


def test_a_reservation_that_was_taken_over_is_read_anew(s3: dict[str, str], tmp_path: Path) -> None:
    """The same version may be written twice before anybody sees it; the local copy must not be of the first."""
    storage = Storage(f"s3://{BUCKET}/again", tmp_path / "cache")
    folder = tmp_path / "release"
    folder.mkdir()
    for content in ("first", "second"):
        (folder / "a.txt").write_text(content)
        (folder / f"{content}.txt").write_text(content)
        storage.put(folder, "slug", 1)
        assert storage.local("slug", 1, "a.txt").read_text() == content
        (folder / f"{content}.txt").unlink()
    assert set(storage.sizes("slug", 1)) == {"a.txt", "second.txt"}
    assert storage.sizes("absent") == {}


def test_many_threads_get_a_whole_local_copy(s3: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "large.bin").write_bytes(os.urandom(3 << 20))
    expected = hashlib.sha256((folder / "large.bin").read_bytes()).hexdigest()
    storage = Storage(f"s3://{BUCKET}/threads", tmp_path / "cache")
    storage.put(folder, "slug", 1)

    def copy(_: int) -> str:
        return hashlib.sha256(storage.local("slug", 1, "large.bin").read_bytes()).hexdigest()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(copy, range(16))) == {expected}


def test_a_backup_of_a_bucket_is_restored_into_another(site: Site, tmp_path: Path) -> None:
    done = site.run("backup", tmp_path / "backup")
    assert done.returncode == 0, done.stderr
    other = {**site.environment, "VAVEN_HOME": str(tmp_path / "home"), "VAVEN_STORAGE_URL": f"s3://{BUCKET}/other"}
    done = vaven("restore", tmp_path / "backup", environment=other)
    assert done.returncode == 0, done.stderr
    assert bucket("other").keys() == bucket().keys() - {name for name in bucket() if name.startswith("_derived/")}
    done = vaven("doctor", environment=other)
    assert (done.returncode, done.stdout) == (0, "Allt är helt.\n"), done.stdout + done.stderr
