"""Damaged files of a release: nothing of them is shown or sent, and all else is."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.conftest import SAMPLE
from tests.damage import OTHER_AREA, flip, publish_other
from vaven.catalogue.app import create_app
from vaven.publisher.publish import publish
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.storage import Storage
from vaven.publisher.releases.verification import Verification
from vaven.publisher.settings import Settings
from vaven.vocab.errors import DamagedFile

SLUG = "exempel-tre-kommuner"
PAGES = (
    "/",
    "/datasets",
    f"/dataset/{SLUG}",
    f"/dataset/{SLUG}/1",
    "/areas",
    "/kpis",
    "/kpi/trygg-morker",
    "/catalog.ttl",
)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def swap(path: Path) -> None:
    """Another file of the same size."""
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES: list[Callable[[Path], None]] = [flip, truncate, swap, Path.unlink]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    settings = Settings(home=tmp_path / "home")
    publish(SAMPLE / "exempel.xlsx", settings)
    publish_other(settings, tmp_path)
    return settings.home


@pytest.fixture
def release(home: Path) -> Path:
    return home / "releases" / SLUG / "1"


@pytest.fixture
def open_client(home: Path) -> Iterator[Callable[[], FlaskClient]]:
    """A function that starts the site; what it started is closed at the end."""
    apps = []

    def start() -> FlaskClient:
        apps.append(create_app(Settings(home=home)))
        return apps[-1].test_client()

    yield start
    for app in apps:
        app.extensions["vaven"].close()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_not_sent(
    release: Path, open_client: Callable[[], FlaskClient], damage: Callable[[Path], None], tmp_path: Path
) -> None:
    client = open_client()
    files = ("observations.csv", "observations.xlsx", "observations.nt.gz", "metadata.ttl", "report.json")
    for name in files:
        address, path = f"/dataset/{SLUG}/1/{name}", release / name
        sound = client.get(address)
        assert sound.status_code == 200
        shutil.copy2(path, tmp_path / name)
        damage(path)
        # A part of it is refused as well.
        for headers in ({}, {"Range": "bytes=0-9"}):
            refused = client.get(address, headers=headers)
            assert refused.status_code == 503, name
            assert refused.mimetype == "application/problem+json"
            assert name in refused.json["detail"]
            assert refused.json["remedy"]
            assert "Repr-Digest" not in refused.headers
        shutil.copy2(tmp_path / name, path)
        assert client.get(address).data == sound.data


def test_the_file_is_read_once_while_it_does_not_change(
    release: Path, open_client: Callable[[], FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, read = open_client(), list[str]()
    real = Verification._has_content

    def counting(self: Verification, dataset: str, version: int, file: ReleasedFile) -> bool:
        read.append(file.name)
        return real(self, dataset, version, file)

    monkeypatch.setattr(Verification, "_has_content", counting)
    for _ in range(3):
        assert client.get(f"/dataset/{SLUG}/1/observations.csv").status_code == 200
    assert read.count("observations.csv") == 1
    (release / "observations.csv").touch()
    assert client.get(f"/dataset/{SLUG}/1/observations.csv").status_code == 200
    assert read.count("observations.csv") == 2


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_the_site_starts_and_shows_all_but_the_damaged_table(
    release: Path, open_client: Callable[[], FlaskClient], damage: Callable[[Path], None], tmp_path: Path
) -> None:
    path = release / "observations.parquet"
    shutil.copy2(path, tmp_path)
    damage(path)
    client = open_client()
    for page in PAGES:
        assert client.get(page).status_code == 200, page
    page = client.get(f"/dataset/{SLUG}", headers={"Accept-Language": "sv"}).text
    assert "har skadats" in page
    assert client.get(f"/area/deso2018/{OTHER_AREA}").status_code == 200
    assert client.get("/area/deso2018/0180C6070").status_code == 404
    assert client.get(f"/dataset/{SLUG}/1/observations.csv").status_code == 200
    assert client.get(f"/dataset/{SLUG}/1/observations.parquet").status_code == 503
    # Readers see it again as soon as it is restored.
    shutil.copy2(tmp_path / path.name, path)
    assert client.get("/area/deso2018/0180C6070").status_code == 200
    assert "har skadats" not in client.get(f"/dataset/{SLUG}", headers={"Accept-Language": "sv"}).text


def test_a_site_whose_only_observations_are_damaged_starts(release: Path, home: Path) -> None:
    flip(release / "observations.parquet")
    flip(home / "releases" / "annan" / "1" / "observations.parquet")
    app = create_app(Settings(home=home))
    try:
        for page in PAGES:
            assert app.test_client().get(page).status_code == 200, page
    finally:
        app.extensions["vaven"].close()


def test_readyz_has_the_releases_and_what_is_degraded(release: Path, home: Path) -> None:
    app = create_app(Settings(home=home))
    client = app.test_client()
    sound = client.get("/readyz")
    (release / "observations.parquet").write_bytes(b"")
    degraded = client.get("/readyz", headers={"Accept-Language": "sv"})
    app.extensions["vaven"].close()
    assert (sound.status_code, sound.json["status"], sound.json["problems"]) == (200, "ready", [])
    assert sound.json["releases"] == degraded.json["releases"]
    assert (degraded.status_code, degraded.json["status"]) == (200, "degraded")
    (problem,) = degraded.json["problems"]
    assert problem["part"] == "files"
    assert "observations.parquet" in problem["detail"]
    assert problem["remedy"]


def test_readyz_has_a_damaged_file_that_was_requested(release: Path, home: Path) -> None:
    app = create_app(Settings(home=home))
    client, content = app.test_client(), (release / "observations.csv").read_bytes()
    flip(release / "observations.csv")
    assert client.get(f"/dataset/{SLUG}/1/observations.csv").status_code == 503
    degraded = client.get("/readyz")
    (release / "observations.csv").write_bytes(content)
    restored = client.get("/readyz")
    app.extensions["vaven"].close()
    assert ["observations.csv" in problem["detail"] for problem in degraded.json["problems"]] == [True]
    assert restored.json["status"] == "ready"


def test_a_damaged_copy_of_a_remote_file_is_copied_again(release: Path, tmp_path: Path) -> None:
    import fsspec

    remote = fsspec.filesystem("memory")
    remote.put(str(release.parent.parent), "/releases", recursive=True)
    storage = Storage("memory://releases", tmp_path / "cache")
    content = (release / "observations.parquet").read_bytes()
    file = ReleasedFile("observations.parquet", "", len(content), hashlib.sha256(content).hexdigest())
    verification = Verification(storage)
    copy = verification.local(SLUG, 1, file)
    for damage in DAMAGES:
        damage(copy)
        assert verification.local(SLUG, 1, file).read_bytes() == content
    copy.unlink()
    remote.pipe_file(f"/releases/{SLUG}/1/observations.parquet", content[:-1])
    with pytest.raises(DamagedFile):
        verification.local(SLUG, 1, file)
    remote.rm("/releases", recursive=True)


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
def test_refusals_behind_a_proxy_that_is_not_configured_are_explained(
    home: Path, trusted: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(home=home, queries_a_minute=1, trusted_proxy=trusted))
    client, headers = app.test_client(), {"X-Forwarded-For": "192.0.2.1"}
    before = client.get("/readyz").json["status"]
    statuses = [client.get(f"/sparql?query=ASK%7B%3Fs%20%3Fp%20{n}%7D", headers=headers).status_code for n in range(4)]
    problems = client.get("/readyz").json["problems"]
    app.extensions["vaven"].close()
    assert before == "ready"
    assert statuses[-1] == 429
    assert [problem["part"] for problem in problems] == ([] if trusted else ["proxy"])
    assert caplog.text.count("VAVEN_TRUSTED_PROXY") == len(problems)
