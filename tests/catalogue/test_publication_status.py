"""Publication status of each release: recorded before each attempt, and reported by page, JSON and command."""

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from tests.conftest import SAMPLE, VAVEN, environment, free_port, vaven
from tests.reading import LICENCE_AND_PUBLISHER
from tests.servers.ckan.services import postgres as alone
from vaven.catalogue.app import create_app
from vaven.catalogue.pages import publication_status as pages
from vaven.publisher.ckan.run import code_of, is_pushing, push_release
from vaven.publisher.graph.store import open_store
from vaven.publisher.operations.publication_status import ATTENTION_STATES, STATES, Publications, Status, as_dict
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import PushEnd, Records
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab import errors
from vaven.vocab.errors import CkanError, CkanUnreachable
from vaven.vocab.messages import LANGUAGES, messages

SLUG = "provet"
BROWSER = {"Accept": "text/html"}
CKAN = "https://ckan.example.org"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A real PostgreSQL on loopback, as an SQLAlchemy URL without the database."""
    # Not among pytest's own folders, which the database's user can't reach.
    with tempfile.TemporaryDirectory(prefix="vaven-postgres-") as folder, alone(Path(folder)) as port:
        yield f"postgresql+psycopg://ckan@127.0.0.1:{port}/"


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'records.sqlite'}"
    else:
        server = request.getfixturevalue("postgres")
        name = f"records_{time.time_ns()}"
        with psycopg.connect(server.replace("+psycopg", "") + "postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        url = server + name
    with Records(url) as opened:
        yield opened


def ended(records: Records, version: int, result: str, action: str = "push", **more: str) -> None:
    records.begin_pushes(CKAN, action, [(SLUG, version)])
    records.end_pushes(CKAN, [PushEnd(SLUG, version, result, **more)])


# --- what the records keep ----------------------------------------------------------------------------------------


def test_a_target_has_one_version_and_a_failure_does_not_change_it(records: Records) -> None:
    ended(records, 1, "created")
    ended(records, 2, "failed", problem="ckan-refused", reason="No." * 300)
    one, two = records.pushes(SLUG)
    assert (one.is_held, one.result, two.is_held, two.problem) == (True, "created", False, "ckan-refused")
    assert two.reason == "No." * 300
    ended(records, 2, "changed")
    one, two = records.pushes(SLUG)
    assert (one.is_held, two.is_held, two.problem, two.reason) == (False, True, "", "")
    assert one.held_at is not None
    ended(records, 2, "failed", "withdraw", problem="ckan-unreachable", reason="Away.")
    assert [push.is_held for push in records.pushes()] == [False, True]
    ended(records, 2, "withdrawn", "withdraw")
    assert [push.is_held for push in records.pushes()] == [False, False]


def test_recording_the_same_state_again_changes_only_the_time(records: Records) -> None:
    def without_times() -> list[tuple[object, ...]]:
        return [(p.version, p.target, p.action, p.result, p.is_held, p.problem) for p in records.pushes()]

    ended(records, 1, "unchanged")
    before = without_times()
    ended(records, 1, "unchanged")
    assert without_times() == before == [(1, CKAN, "push", "unchanged", True, "")]


def test_an_unfinished_push_is_interrupted(records: Records) -> None:
    ended(records, 1, "created")
    records.begin_pushes(CKAN, "push", [(SLUG, 1), (SLUG, 2)])
    assert [push.result for push in records.pushes()] == [None, None]
    records.interrupt_pushes()
    assert [(push.result, push.is_held) for push in records.pushes()] == [("interrupted", True), ("interrupted", False)]
    records.interrupt_pushes()
    records.end_pushes(CKAN, [])


def test_targets_are_independent(records: Records) -> None:
    ended(records, 1, "created")
    records.begin_pushes("https://other.example.org", "push", [(SLUG, 2)])
    records.end_pushes("https://other.example.org", [PushEnd(SLUG, 2, "created")])
    assert [(push.version, push.is_held) for push in records.pushes()] == [(1, True), (2, True)]


def test_older_records_are_migrated_with_their_releases(tmp_path: Path) -> None:
    """A data folder of an earlier Väven, with tables of the second migration."""
    settings = Settings(home=tmp_path / "home")
    publish(SAMPLE / "exempel.xlsx", settings)
    with sa.create_engine(settings.database).begin() as connection:
        connection.execute(sa.text("DROP TABLE pushes"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
    with Records(settings.database) as records:
        assert [record.version for record in records.finished()] == [1]
        assert records.pushes() == []


def test_publishing_is_the_same_with_postgresql(postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres.replace("+psycopg", "") + "postgres", autocommit=True) as admin:
        admin.execute(b"CREATE DATABASE whole")
    settings = Settings(home=tmp_path, database_url=postgres + "whole")
    assert publish_value(settings, tmp_path, 1) == publish_value(settings, tmp_path, 1) == 1
    assert publish_value(settings, tmp_path, 2) == 2
    withdraw(settings, SLUG, 2, reason="Fel.")
    (dataset,) = status_of(settings).datasets
    assert {v.number: v.states[0].state for v in dataset.versions} == {2: "withdrawn", 1: "published"}


# --- what is told of them -----------------------------------------------------------------------------------------


def publish_value(settings: Settings, folder: Path, value: int) -> int:
    path = folder / "provet.csv"
    path.write_text(f"neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,{value}\n")
    return publish(path, settings, choices=LICENCE_AND_PUBLISHER).version


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    settings = Settings(home=folder / "home", base_iri="http://localhost/")
    for value in (1, 2, 3):
        publish_value(settings, folder, value)
    return settings.home


@pytest.fixture
def settings(published: Path, tmp_path: Path) -> Settings:
    """A data folder with a dataset of three versions, and with a CKAN configured afterwards."""
    home = Path(shutil.copytree(published, tmp_path / "home"))
    return Settings(home=home, base_iri="http://localhost/", ckan_url=f"{CKAN}/")


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


def status_of(settings: Settings) -> Status:
    with Records(settings.database) as records:
        return Publications(settings, records, open_store(settings)).status()


def states(settings: Settings, kind: str = "ckan") -> dict[int, str]:
    """Return the state of each version at the targets of a kind."""
    (dataset,) = status_of(settings).datasets
    return {v.number: p.state for v in dataset.versions for p in v.states if p.target.kind == kind}


def note(settings: Settings, version: int, result: str, action: str = "push", **more: str) -> None:
    with Records(settings.database) as records:
        ended(records, version, result, action, **more)


def test_every_version_has_a_status_at_every_target(settings: Settings) -> None:
    assert states(settings, "site") == {1: "published", 2: "published", 3: "published"}
    assert states(settings, "sparql") == {1: "replaced", 2: "replaced", 3: "published"}
    assert states(settings) == {1: "not-sent", 2: "not-sent", 3: "missing"}
    note(settings, 1, "created")
    assert states(settings) == {1: "out-of-date", 2: "not-sent", 3: "missing"}
    note(settings, 3, "failed", problem="ckan-refused", reason="Validation Error")
    assert states(settings) == {1: "out-of-date", 2: "not-sent", 3: "failed"}
    (dataset,) = status_of(settings).datasets
    assert {state.held_version for state in dataset.states if state.target.kind == "ckan"} == {1}
    note(settings, 3, "changed")
    assert states(settings) == {1: "replaced", 2: "not-sent", 3: "published"}


def test_a_withdrawn_version_still_at_a_target_needs_attention(settings: Settings, tmp_path: Path) -> None:
    note(settings, 3, "created")
    # Nobody answers there, so the withdrawal on CKAN fails; here it is done.
    away = Settings(home=settings.home, base_iri=settings.base_iri, ckan_url=f"http://127.0.0.1:{free_port()}")
    note_at = away.ckan_url
    with Records(away.database) as records:
        records.begin_pushes(note_at, "push", [(SLUG, 3)])
        records.end_pushes(note_at, [PushEnd(SLUG, 3, "created")])
    with pytest.raises(CkanUnreachable):
        withdraw(away, SLUG, reason="Fel enkät.")
    assert states(away, "site") == {1: "withdrawn", 2: "withdrawn", 3: "withdrawn"}
    assert states(away, "sparql") == {1: "withdrawn", 2: "withdrawn", 3: "withdrawn"}
    targets = {p.target.id: p for d, v, p in status_of(away).attention if v.number == 3}
    assert (targets[note_at].state, targets[note_at].action, targets[note_at].result) == (
        "remains",
        "withdraw",
        "failed",
    )
    assert targets[note_at].problem is not None
    assert targets[note_at].problem.code == "ckan-unreachable"
    # What was left at an address that is configured no longer is told of, but nothing can be done about it.
    assert CKAN not in targets
    with Records(away.database) as records:
        records.begin_pushes(note_at, "withdraw", [(SLUG, 3)])
        records.end_pushes(note_at, [PushEnd(SLUG, 3, "withdrawn")])
    assert status_of(away).attention == []


def test_a_version_that_is_current_again_is_recorded_with_its_time(settings: Settings) -> None:
    withdraw(Settings(home=settings.home, base_iri=settings.base_iri), SLUG, 3, reason="Fel.")
    assert states(settings, "sparql") == {1: "replaced", 2: "published", 3: "withdrawn"}
    with Records(settings.database) as records:
        assert [s.step for s in records.steps(SLUG, 2)].count("in-graph") == 2


def test_an_unavailable_graph_server_is_reported(settings: Settings) -> None:
    away = Settings(
        home=settings.home, base_iri="http://localhost/", sparql_query_url=f"http://127.0.0.1:{free_port()}"
    )
    assert states(away, "sparql") == {1: "replaced", 2: "replaced", 3: "unknown"}
    (state,) = [status for _, _, status in status_of(away).attention]
    assert state.problem is not None
    assert state.problem.code == "endpoint-away"
    assert state.problem.detail


def test_a_login_in_the_url_is_never_shown(settings: Settings, tmp_path: Path) -> None:
    port = free_port()
    secret = Settings(home=settings.home, base_iri="http://localhost/", ckan_url=f"http://me:hush@127.0.0.1:{port}/")
    with Records(secret.database) as records:
        record = records.release(SLUG, 3)
        assert record is not None
        with pytest.raises(CkanUnreachable) as raised:
            push_release(secret, records, record)
        assert "hush" not in str(raised.value)
        (push,) = records.pushes(SLUG)
        assert (push.target, push.problem) == (f"http://127.0.0.1:{port}", "ckan-unreachable")
        assert "hush" not in repr(records.steps(SLUG, 3)) + repr(push)
    assert "hush" not in json.dumps(as_dict(status_of(secret), "sv"))


# --- under way, killed, and taken up ------------------------------------------------------------------------------


def test_a_push_is_in_progress_until_killed_and_then_interrupted(settings: Settings, client: FlaskClient) -> None:
    """The command runs against a CKAN that accepts the connection and does not respond."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        variables = environment(settings.home, 8000, VAVEN_CKAN_URL=url, VAVEN_CKAN_TOKEN="x")
        here = Settings(home=settings.home, base_iri="http://localhost/", ckan_url=url)
        note(settings, 2, "created")
        pushing = subprocess.Popen([VAVEN, "ckan", "push"], env=variables, stderr=subprocess.PIPE)
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()
            assert is_pushing(here)
            (dataset,) = status_of(here).datasets
            assert {p.state for p in dataset.states if p.target.id == url} == {"under-way"}
            assert status_of(here).attention == []
        finally:
            pushing.send_signal(signal.SIGKILL)
            pushing.communicate()
        connection.close()
    assert not is_pushing(here)
    ((_, version, state),) = status_of(here).attention
    assert (version.number, state.state, state.result) == (3, "interrupted", "interrupted")
    status = vaven("ckan", "status", "--lang", "en", environment=variables)
    assert status.returncode == 1
    assert f"{SLUG}, version 3: interrupted" in status.stdout
    assert f"{CKAN} (no longer used)" in status.stdout
    # The next one, which fails for another reason, says its own.
    done = vaven("ckan", "push", environment=variables)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    ((_, _, state),) = status_of(here).attention
    assert (state.state, state.problem and state.problem.code) == ("failed", "ckan-unreachable")


# --- page, JSON, command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_shows_the_problem_and_its_remedy(settings: Settings, client: FlaskClient, language: str) -> None:
    note(settings, 1, "created")
    note(settings, 3, "failed", problem="ckan-too-large", reason="413 <b>here</b>")
    t = messages(language, "publisher")
    page = client.get(f"/publications?lang={language}", headers=BROWSER).get_data(as_text=True)
    for code in ("problem", "remedy"):
        assert t(f"publications.{code}.ckan-too-large", target=CKAN, dataset=SLUG, version=3) in unescape(page)
    assert "413 &lt;b&gt;here&lt;/b&gt;" in page
    assert f'href="{CKAN}/dataset/{SLUG}"' in page
    for state in ("failed", "out-of-date", "not-sent", "replaced", "published"):
        assert f">{t(f'publications.state.{state}')}</span>" in page
    one = client.get(f"/publications?dataset={SLUG}&lang={language}", headers=BROWSER)
    assert one.status_code == 200
    assert client.get("/publications?dataset=finns-inte", headers=BROWSER).status_code == 404


def test_a_dataset_s_page_shows_its_targets(settings: Settings, client: FlaskClient) -> None:
    def line() -> str:
        page = client.get(f"/dataset/{SLUG}?lang=sv", headers=BROWSER).get_data(as_text=True)
        match = re.search(r"<dt>Publicerad på</dt><dd>(.*?)</dd>", page)
        assert match
        return match[1]

    assert "(saknas)" in line()
    assert f'href="/publications?dataset={SLUG}"' in line()
    note(settings, 3, "created")
    assert f'<a href="{CKAN}/dataset/{SLUG}">' in line()
    assert (
        re.sub(r"<[^>]+>", "", line())
        == "Webbplatsen, SPARQL, CKAN (ckan.example.org) · Alla publiceringsställen och tidpunkter"
    )


def test_the_json_conforms_to_its_schema_in_every_state(settings: Settings, client: FlaskClient) -> None:
    schema = client.get("/api/v1/publications.schema.json").get_json()
    jsonschema.Draft7Validator.check_schema(schema)
    assert tuple(schema["definitions"]["state"]["enum"]) == STATES

    def checked(address: str) -> Any:
        document = client.get(address).get_json()
        jsonschema.validate(document, schema, format_checker=jsonschema.FormatChecker())
        return document

    checked("/publications.json")
    note(settings, 1, "created")
    note(settings, 2, "unchanged", "withdraw")
    note(settings, 3, "failed", problem="ckan-without-search", reason="Solr")
    for address in ("/publications.json?lang=en", f"/api/v1/publications?lang=en&dataset={SLUG}"):
        document = checked(address)
        assert (document["language"], document["needs_attention"]) == ("en", 1)
        (version, *_) = document["datasets"][0]["versions"]
        state = next(p for p in version["places"] if p["target"] == CKAN)
        assert (state["state"], state["problem"]["detail"]) == ("failed", "Solr")
        assert state["problem"]["message"].startswith("The search engine")
    withdraw(Settings(home=settings.home, base_iri=settings.base_iri), SLUG, reason="Fel.")
    document = checked("/publications.json")
    assert document["datasets"][0]["current"] is None
    assert document["datasets"][0]["versions"][0]["withdrawn"]["reason"] == "Fel."
    assert client.get("/publications.json?dataset=finns-inte").status_code == 404
    assert client.get("/api/v1/publications?dataset=%00").status_code == 404


def test_the_command_prints_the_same_json(settings: Settings, client: FlaskClient) -> None:
    variables = environment(settings.home, 8000, VAVEN_BASE_IRI="http://localhost/", VAVEN_CKAN_URL=CKAN)
    done = vaven("ckan", "status", "--format", "json", "--lang", "en", environment=variables)
    printed, on_page = json.loads(done.stdout), client.get("/publications.json?lang=en").get_json()
    assert {**printed, "checked_at": ""} == {**on_page, "checked_at": ""}
    assert vaven("ckan", "status", "finns-inte", environment=variables).returncode == 2
    without = {name: value for name, value in variables.items() if name != "VAVEN_CKAN_URL"}
    nowhere = vaven("ckan", "status", environment=without)
    assert (nowhere.returncode, nowhere.stdout.strip()) == (0, "Ingen CKAN-instans är inställd (VAVEN_CKAN_URL).")


def test_many_datasets_are_paginated(
    settings: Settings, client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(SAMPLE / "exempel.xlsx", Settings(home=settings.home, base_iri=settings.base_iri))
    monkeypatch.setattr(pages, "PAGE_SIZE", 1)
    first, second = (client.get(f"/publications?page={n}", headers=BROWSER).get_data(as_text=True) for n in (1, 2))
    assert ('id="d-exempel-tre-kommuner"' in first, f'id="d-{SLUG}"' in first) == (True, False)
    assert ('id="d-exempel-tre-kommuner"' in second, f'id="d-{SLUG}"' in second) == (False, True)
    assert 'href="/publications?page=2"' in first
    assert client.get("/publications?page=3", headers=BROWSER).status_code == 404


def test_every_failure_and_state_has_messages() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CkanError)]
    codes = {code_of(kind("")) for kind in kinds}
    assert codes >= {"ckan-not-allowed", "ckan-answer-lost", "ckan-without-search"}
    for language in LANGUAGES:
        texts = messages(language, "publisher").texts
        for code in (*codes, "interrupted", "missing", "out-of-date", "remains", "endpoint-away", "endpoint-missing"):
            assert {f"publications.problem.{code}", f"publications.remedy.{code}"} <= texts.keys(), code
        assert {f"publications.state.{state}" for state in STATES} <= texts.keys()
    assert set(ATTENTION_STATES) < set(STATES)
