"""Stored validations and queued jobs: JSON that outlives an upgrade, on a local disk and in an object store."""

import io
import json
import pickle
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from huey.registry import Message
from openpyxl import load_workbook

from tests.conftest import ROOT, VAVEN, environment, free_port
from tests.reading import HEADER, ROW
from vaven.catalogue.app import create_app
from vaven.catalogue.validation.fork_server import ForkServer
from vaven.catalogue.validation.jobs import queue
from vaven.catalogue.validation.report_json import dump_options, dump_report, load_options, load_report
from vaven.publisher.settings import Settings
from vaven.schemas import validate
from vaven.schemas.reports.formats import FORMS, render
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.vocab.messages import LANGUAGES

API = "/api/v1/validations"
FAULTY = f"{HEADER}\n{ROW}\n180C1010,arbetsloshet,2024,T,T,5.5,A,\n"
INPUTS = sorted(
    path
    for cmd in (ROOT / "tests" / "cases").glob("*/*/cmd")
    for path in cmd.parent.iterdir()
    if path.name not in ("cmd", "expected.json")
)
WAIT_SECONDS = 60


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(Settings(home=tmp_path / "home"))
    yield app
    app.extensions["vaven"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def object_store(tmp_path: Path) -> Iterator[Flask]:
    """A site whose uploads are in an object store: fsspec's store in memory, which has no folders and no renames."""
    url = f"memory://{tmp_path.name}"
    app = create_app(Settings(home=tmp_path / "home", uploads_url=url))
    yield app
    app.extensions["vaven"].close()
    objects = fsspec.filesystem("memory")
    for path in objects.find(f"/{tmp_path.name}"):
        objects.rm_file(path)


def send(client: FlaskClient, *, name: str = "fil.csv", prefer: str = "") -> dict[str, Any]:
    data = {"file": (io.BytesIO(FAULTY.encode()), name)}
    response = client.post(API, data=data, headers={"Prefer": prefer})
    assert response.status_code == (202 if prefer else 201)
    status: dict[str, Any] = response.get_json()
    return status


def test_every_report_is_the_same_after_storage() -> None:
    assert len(INPUTS) > 100
    for path in INPUTS:
        report = validate(path)
        stored = load_report(dump_report(report))
        assert stored == report, path
        for name in FORMS:
            assert [render(name, stored, lang) for lang in LANGUAGES] == [
                render(name, report, lang) for lang in LANGUAGES
            ]


def test_a_parameter_without_a_form_in_json_is_stored_as_its_text(tmp_path: Path) -> None:
    path = tmp_path / "fil.csv"
    path.write_text(FAULTY)
    report = validate(path)
    odd = replace(report.findings[0], params={**report.findings[0].params, "path": Path("a/ä")})
    assert load_report(dump_report(replace(report, findings=(odd,)))).findings[0].params["path"] == "a/ä"


def test_options_are_the_same_after_storage() -> None:
    options = ReadOptions(
        encoding="cp1252", delimiter="\t", header_row=3, columns={"Område": "neighbourhood", "x": ""}, wide=False,
        constants={"kpi": "trygg-morker"}, shares=True, vintage="2018",
    )  # fmt: skip
    assert load_options(dump_options(options)) == options
    assert load_options(dump_options(DETECT)) == DETECT


def changed(content: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(content) | fields).encode()


def with_rule(content: bytes, code: str) -> bytes:
    report = json.loads(content)
    report["findings"][0]["code"] = code
    return json.dumps(report).encode()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("report.json", lambda _: pickle.dumps({"verdict": "invalid"})),
        ("report.json", lambda content: content[:-20]),
        ("report.json", lambda content: changed(content, severity_of_all="error")),
        ("report.json", lambda content: changed(content, verdict="perhaps")),
        ("report.json", lambda content: changed(content, findings=None)),
        ("report.json", lambda content: changed(content, findings=[{"code": "type-error"}])),
        ("report.json", lambda content: with_rule(content, "rule-of-an-older-version")),
        ("report.json", None),
        ("options.json", lambda _: b"\x80\x04\x95"),
        ("options.json", lambda _: b"[]"),
        ("options.json", lambda content: changed(content, encoding="no-such-encoding")),
        ("options.json", lambda content: changed(content, no_such_option=True)),
        ("options.json", None),
        ("state.json", lambda _: b""),
        ("state.json", lambda content: changed(content, state="resting")),
        ("state.json", lambda content: changed(content, no_such_field=1)),
    ],
)
def test_a_validation_that_another_version_stored_counts_as_expired(
    client: FlaskClient, tmp_path: Path, name: str, change: Any
) -> None:
    validation = send(client)
    file = tmp_path / "home" / "validations" / validation["id"] / name
    if change:
        file.write_bytes(change(file.read_bytes()))
    else:
        file.rename(file.with_suffix(".pickle"))
    page = f"/validate/{validation['id']}"
    for path in (page, f"{page}/report.json", f"{page}/corrected", f"{page}/annotated", *validation["links"].values()):
        assert client.get(path).status_code == 404, path
    assert client.post(page).status_code == 404
    assert client.post(f"{page}/delete").status_code == 303
    assert not file.parent.exists()
    assert send(client)["verdict"] == "invalid"


def test_uploads_are_checked_shown_and_deleted_in_an_object_store(object_store: Flask, tmp_path: Path) -> None:
    client = object_store.test_client()
    validation = send(client, name="två områden.csv")
    page = f"/validate/{validation['id']}"
    assert (validation["name"], validation["verdict"]) == ("två områden.csv", "invalid")
    text = client.get(page).get_data(as_text=True)
    assert f"{page}/annotated" in text
    assert f"{page}/corrected" in text
    assert "0180C1010" in client.get(f"{page}/corrected").get_data(as_text=True)
    assert load_workbook(io.BytesIO(client.get(f"{page}/annotated").data)).sheetnames
    assert client.post(page, data={"decimal": ","}).status_code == 303
    assert 'value="," selected' in client.get(page).get_data(as_text=True)
    assert not (tmp_path / "home" / "validations").exists()
    objects = fsspec.filesystem("memory")
    assert any(validation["id"] in path for path in objects.find(f"/{tmp_path.name}"))
    assert client.delete(validation["links"]["self"]).status_code == 204
    assert client.get(page).status_code == 404
    assert objects.find(f"/{tmp_path.name}") == []


@pytest.mark.parametrize("site", ["app", "object_store"])
def test_a_check_stores_nothing_of_an_upload_that_is_deleted_meanwhile(
    site: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = request.getfixturevalue(site).test_client()
    validation = send(client, prefer="respond-async")

    read = ForkServer.__call__

    def deleting(*arguments: Any, **options: Any) -> Any:
        value = read(*arguments, **options)
        assert client.delete(validation["links"]["self"]).status_code == 204
        options["progress"]("checking", 1)
        return value

    monkeypatch.setattr(ForkServer, "__call__", deleting)
    assert client.post(f"/validate/{validation['id']}").status_code == 303
    assert client.get(validation["links"]["self"]).status_code == 404
    stored = [*(tmp_path / "home").rglob("*"), *fsspec.filesystem("memory").find(f"/{tmp_path.name}")]
    assert not [path for path in stored if Path(path).name in ("report.json", "options.json", "fil.csv")]


def test_expired_uploads_are_swept_from_an_object_store(
    object_store: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = object_store.test_client()
    first = send(client)
    now = time.time()
    monkeypatch.setattr("vaven.catalogue.validation.store.time.time", lambda: now + 3601)
    assert client.get(first["links"]["self"]).status_code == 404
    second = client.post("/validate", data={"file": (io.BytesIO(FAULTY.encode()), "ny.csv")})
    assert second.status_code == 303
    assert not any(first["id"] in path for path in fsspec.filesystem("memory").find(f"/{tmp_path.name}"))


def test_a_job_that_another_version_queued_is_dropped_with_a_log_line(client: FlaskClient, tmp_path: Path) -> None:
    """The consumer process skips unreadable jobs and runs the readable one after them."""
    jobs = queue(Settings(home=tmp_path / "home"))
    of_old_module = Message("1", "vaven.catalogue.jobs.check", args=("A" * 22,), kwargs={})
    of_other_version = {"id": "2", "task": "no_such_task", "arguments": ["A" * 22]}
    unreadable = (pickle.dumps(of_old_module), json.dumps(of_other_version).encode(), b"{}", b"5", b"\xff")
    for job in unreadable:
        jobs.storage.enqueue(job)
    validation = send(client, prefer="respond-async")
    settings = environment(tmp_path / "home", free_port())
    with subprocess.Popen([str(VAVEN), "jobs"], env=settings, stderr=subprocess.PIPE, text=True) as consumer:
        deadline = time.monotonic() + WAIT_SECONDS
        try:
            while client.get(validation["links"]["self"]).get_json()["state"] != "done":
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            consumer.send_signal(signal.SIGINT)
            _, log = consumer.communicate(timeout=30)
    assert log.count("Dropped a job that this version can't read") == len(unreadable), log
    assert "Traceback" not in log
    assert len(jobs) == 0
