"""Validation over HTTP: the API against its own description, the queue, limits, and deletion."""

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook

from benchmarks.observations import write_observations
from tests.conftest import ROOT, Serving, Site, environment, free_port, vaven
from tests.reading import HEADER, METADATA_RULES, ROW
from tests.schemas.test_cases import WITHOUT_CASE
from tests.servers.ckan.services import redis as run_redis
from vaven.catalogue.app import create_app
from vaven.catalogue.validation.store import LIFETIME_SECONDS
from vaven.publisher.metadata.rules import rule_texts
from vaven.publisher.settings import Settings
from vaven.schemas.reports.formats import FORMS
from vaven.schemas.rules.registry import READING_RULES, RULES, SCHEMA_RULES, severity_of
from vaven.schemas.standard.read_options import ENCODINGS, ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.standard.thresholds import USED_BY
from vaven.vocab.messages import LANGUAGES

API = "/api/v1/validations"
FAULTY = f"{HEADER}\n{ROW}\n180C1010,arbetsloshet,2024,T,T,5.5,A,\n"
DESCRIPTION = json.loads((ROOT / "catalogue" / "api" / "openapi.json").read_text("utf-8"))
WAIT_SECONDS = 60


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = create_app(Settings(home=tmp_path_factory.mktemp("validation"), uploads_a_minute=1000))
    yield app
    app.extensions["vaven"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home, port = tmp_path_factory.mktemp("serving"), free_port()
    settings = environment(home, port, VAVEN_UPLOADS_A_MINUTE="100000", VAVEN_UPLOAD_MB="20")
    with Serving(home, port, settings) as site:
        yield site


def send(client: FlaskClient, content: str | bytes, name: str = "fil.csv", **form: Any) -> dict[str, Any]:
    content = content.encode() if isinstance(content, str) else content
    response = client.post(API, data={"file": (io.BytesIO(content), name), **form})
    assert response.status_code == 201, response.get_data(as_text=True)
    validation: dict[str, Any] = response.get_json()
    assert response.location == validation["links"]["self"]
    return validation


def done(url: str, validation: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, float]]]:
    """Return the status of the finished check, and the progress reported before."""
    seen: list[tuple[str, float]] = []
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        now = requests.get(url.rstrip("/") + validation["links"]["self"], timeout=10).json()
        if now["state"] in ("done", "failed"):
            return now, seen
        seen.append((now["stage"], now["share"]))
        time.sleep(0.05)
    raise AssertionError(f"still {now}")


# The description.


def test_the_api_description_lists_the_valid_options() -> None:
    fields = DESCRIPTION["components"]["schemas"]["Submission"]["properties"]
    assert fields["encoding"]["enum"] == ["", *ENCODINGS]
    for name, pattern in (("column", r"^([\s\S]*=({})?)?$"), ("set", r"^(({})=[\s\S]*)?$")):
        assert fields[name]["items"]["pattern"] == pattern.format("|".join(standard()["observations"].names))
    report = DESCRIPTION["paths"]["/validations/{id}/report"]["get"]
    assert report["parameters"][1]["schema"]["enum"] == ["json", "text", "html", "sarif", "frictionless"]
    assert set(report["parameters"][1]["schema"]["enum"]) == set(FORMS)


def test_every_read_option_is_in_the_form_the_api_and_the_command(client: FlaskClient) -> None:
    names = {field.name for field in fields(ReadOptions)} - {"columns", "constants"}
    validation = send(client, "Region;Slump;Utfall\n0180C1010;x;5,5\n")
    page = client.get(f"/validate/{validation['id']}").get_data(as_text=True)
    for name in (*names, "column", "set-kpi"):
        assert f'name="{name}"' in page, name
    described = set(DESCRIPTION["components"]["schemas"]["Submission"]["properties"])
    assert described == {*names, "column", "set", "file"}
    helped = vaven("validate", "--help").stdout
    for name in (*names, "column", "set"):
        assert f"--{name.replace('_', '-')}" in helped, name


def test_options_of_the_form_are_applied_and_shown(client: FlaskClient) -> None:
    rows = ("0180C1010;trygg-morker;2022;0,571", ";;2023;0,58", "0180C1020;trygg-morker;2022;0,6", "", "not")
    text = "\n".join(("Område;Nyckeltal;Period;Värde", *rows))
    validation = send(client, text)
    address = f"/validate/{validation['id']}"
    assert set(validation["counts"]) == {"required-missing", "licence-publisher-missing"}
    choices = {
        "licence": "cc-by",
        "publisher": "Bostadsbolaget",
        "shares": "true",
        "fill_down": "true",
        "last_row": "4",
        "decimal": ",",
        "delimiter": ";",
        "wide": "false",
    }
    assert client.post(address, data=choices).status_code == 303
    page = client.get(address).get_data(as_text=True)
    assert re.search(r'verdict-valid[" ]', page)
    assert 'id="choices" open>' in page
    assert 'name="publisher" value="Bostadsbolaget"' in page
    for name in ("shares", "fill_down"):
        assert re.search(rf'name="{name}">.*?<option value="true" selected>', page, re.DOTALL), name
    assert 'name="last_row" type="number" min="1" max="9999999" value="4"' in page
    assert client.post(address, data={"last_row": "fyra"}).status_code == 400


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_has_a_help_page_with_its_case_and_the_source_of_its_limits(
    client: FlaskClient, language: str
) -> None:
    for code in {*RULES, *SCHEMA_RULES, *READING_RULES}:
        response = client.get(f"/help/{code}?lang={language}")
        page = unescape(response.get_data(as_text=True))
        assert response.status_code == 200, code
        assert rule_texts(language)(f"rule.{code}.title") in page
        if code not in (
            *WITHOUT_CASE,
            "observations-missing",
            "columns-differ",
            "values-hidden",
            "values-left-out",
            *METADATA_RULES,
        ):
            assert "<td" in page, code
            has_cell = bool(
                json.loads((ROOT / "catalogue" / "pages" / "examples.json").read_text("utf-8"))[code]["cells"]
            )
            assert (f'class="cell-{severity_of(code).value}"' in page) >= has_cell, code
        whose = {"sv": "Gränsvärdena är Vävens, inte lagens", "en": "The limits are Väven's, not set by law"}[language]
        assert (whose in page) >= (code in USED_BY)


@pytest.mark.timeout(600)
def test_the_api_conforms_to_its_description(serving: Site, tmp_path: Path) -> None:
    """Run Schemathesis as a command, as others would: generated and mutated requests, all of its checks."""
    program = Path(sys.executable).with_name("schemathesis")
    root = serving.url + "api/v1"
    command = [program, "run", f"{root}/openapi.json", "--url", root, "--max-examples", "40", "--seed", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    assert "Server error" not in ended.stdout


# A validation as a resource.


def test_a_small_file_is_checked_at_once_and_its_report_is_available_in_every_form(client: FlaskClient) -> None:
    validation = send(client, FAULTY)
    schema = DESCRIPTION["components"]["schemas"]["Validation"]
    jsonschema.validate(validation, schema, format_checker=jsonschema.FormatChecker())
    assert (validation["state"], validation["verdict"], validation["name"]) == ("done", "invalid", "fil.csv")
    assert client.get(validation["links"]["self"]).get_json() == validation
    report = client.get(validation["links"]["report"] + "?lang=en").get_json()
    jsonschema.validate(report, client.get("/api/v1/report.schema.json").get_json())
    assert report["counts"] == validation["counts"]
    for form in FORMS:
        response = client.get(validation["links"]["report"] + f"?format={form}&lang=sv")
        assert response.status_code == 200
        assert response.mimetype == FORMS[form][0]
        assert response.headers["Cache-Control"] == "no-store"


def test_the_corrected_copy_and_the_annotated_workbook_can_be_downloaded(client: FlaskClient) -> None:
    validation = send(client, FAULTY)
    corrected = client.get(validation["links"]["corrected"])
    assert corrected.status_code == 200
    assert corrected.get_data(as_text=True) == FAULTY.replace("\n180C1010", "\n0180C1010")
    assert "fil-r%C3%A4ttad.csv" in corrected.headers["Content-Disposition"]
    book = load_workbook(io.BytesIO(client.get(validation["links"]["annotated"]).data))
    assert any(cell.comment for sheet in book for row in sheet.iter_rows() for cell in row)
    again = send(client, corrected.data)
    assert again["verdict"] != "invalid"
    assert client.get(again["links"]["corrected"]).status_code == 404


def test_options_are_applied_and_an_invalid_one_is_reported(client: FlaskClient) -> None:
    content = "Omr;Mått;1\n0180C1010;5,5;x\n0180C1020;6,5;y\n"
    decided = {"column": ["Omr=neighbourhood", "Mått=value", "1="], "set": ["kpi=arbetsloshet", "period=2023"]}
    stated = {"licence": "CC BY 4.0", "publisher": "Bostadsbolaget"}
    validation = send(client, content, **decided, **stated, decimal=",", delimiter=";")
    assert validation["verdict"] == "valid", validation
    report = client.get(validation["links"]["report"]).get_json()
    assert report["choices"]["constants"] == {"kpi": "arbetsloshet", "period": "2023"}
    for wrong in (
        {"licence": "mit"},
        {"encoding": "utf-9"},
        {"wide": "maybe"},
        {"header_row": "två"},
        {"set": "kpi"},
        {"set": "x=1"},
    ):
        response = client.post(API, data={"file": (io.BytesIO(b"a"), "x.csv"), **wrong})
        assert response.status_code == 400, wrong
        assert response.get_json()["remedy"], wrong


def test_a_deleted_or_expired_validation_is_gone(client: FlaskClient, app: Flask) -> None:
    first, second = send(client, FAULTY), send(client, FAULTY)
    assert client.delete(first["links"]["self"]).status_code == 204
    assert client.get(first["links"]["self"]).status_code == 404
    folder = Path(app.instance_path) / "validations" / second["id"]
    assert folder.stat().st_mode & 0o077 == 0, "others on the machine can't read it"
    past = time.time() - LIFETIME_SECONDS - 1
    os.utime(folder / "state.json", (past, past))
    assert client.get(second["links"]["report"]).status_code == 404
    send(client, FAULTY)
    assert not folder.exists()


@pytest.mark.parametrize("key", ["..", "x", "A" * 22, "../../secret_key", "%2e%2e%2fsecret_key", "A" * 21 + "\n"])
def test_an_invalid_id_is_not_found(client: FlaskClient, key: str) -> None:
    assert client.get(f"{API}/{key}").status_code == 404
    assert client.delete(f"{API}/{key}").status_code == 404
    assert client.get(f"/validate/{key}").status_code == 404


def test_queued_and_interrupted_checks_are_reported_as_such(client: FlaskClient, app: Flask) -> None:
    response = client.post(API, data={"file": (io.BytesIO(b"a"), "x.csv")}, headers={"Prefer": "respond-async"})
    assert response.status_code == 202
    validation = response.get_json()
    early = client.get(validation["links"]["report"])
    assert (early.status_code, early.headers["Retry-After"]) == (409, "1")
    assert "Väntar i kö" in client.get(f"/validate/{validation['id']}").get_data(as_text=True)
    state = Path(app.instance_path) / "validations" / validation["id"] / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"state": "checking", "at": time.time() - 700}))
    assert client.get(validation["links"]["self"]).get_json()["state"] == "failed"
    assert client.get(validation["links"]["report"]).status_code == 409
    assert "Kontrollen avbröts" in client.get(f"/validate/{validation['id']}").get_data(as_text=True)
    assert client.post(f"/validate/{validation['id']}").status_code == 303
    assert client.get(validation["links"]["self"]).get_json()["verdict"] == "not-checked"


def test_a_client_over_the_upload_limit_waits_a_minute(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, uploads_a_minute=2))
    try:
        client = app.test_client()
        for expected in (201, 201, 429):
            response = client.post(API, data={"file": (io.BytesIO(b"a"), "x.csv")})
            assert response.status_code == expected
        assert response.headers["Retry-After"] == "60"
        page = client.post("/validate", data={"file": (io.BytesIO(b"a"), "x.csv")}, headers={"Accept": "text/html"})
        assert page.status_code == 429
        assert "För många filer" in page.get_data(as_text=True)
        other = client.post(
            API, data={"file": (io.BytesIO(b"a"), "x.csv")}, environ_overrides={"REMOTE_ADDR": "10.0.0.9"}
        )
        assert other.status_code == 201
    finally:
        app.extensions["vaven"].close()


# Large files, on a running site.


def test_a_large_file_is_queued_and_its_progress_reported(serving: Site, tmp_path: Path) -> None:
    path = write_observations(tmp_path / "many.csv", 150_000, faulty_share=0.001)
    # A note with a line break keeps it off the fastest way, so that there is something to tell.
    with path.open("a", encoding="utf-8") as file:
        file.write('0180C1010,trygg-morker,1999,T,T,50,,,60,A,survey,"två\nrader"\n')
    with path.open("rb") as file:
        response = requests.post(serving.url.rstrip("/") + API, files={"file": file}, timeout=60)
    assert response.status_code == 202
    now, seen = done(serving.url, response.json())
    assert now["verdict"] == "invalid"
    assert now["counts"]["type-error"] == 150
    stages = [stage for stage, _ in seen]
    assert stages == sorted(stages, key=["", "opening", "reading", "checking"].index)
    assert all(0 <= share <= 1 for _, share in seen)
    report = requests.get(serving.url.rstrip("/") + now["links"]["report"], timeout=60).json()
    assert sum(report["rows"].values()) == 150_001


def test_a_file_too_large_is_a_problem_document_for_programs(serving: Site) -> None:
    response = requests.post(serving.url.rstrip("/") + API, files={"file": ("x.csv", b"a" * (21 << 20))}, timeout=60)
    assert response.status_code == 413
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    with run_redis(tmp_path) as port:
        yield f"redis://127.0.0.1:{port}/0"


def test_several_sites_share_queue_and_limits_in_redis(redis: str, tmp_path: Path) -> None:
    """Two web processes on one data folder: the consumer of one runs the other's jobs, and both share the limits."""
    (tmp_path / "home").mkdir()
    more = {"VAVEN_REDIS_URL": redis, "VAVEN_UPLOADS_A_MINUTE": "3"}
    ports = (free_port(), free_port())
    with (
        Serving(tmp_path / "home", ports[0], environment(tmp_path / "home", ports[0], **more)) as one,
        Serving(tmp_path / "home", ports[1], environment(tmp_path / "home", ports[1], **more)) as two,
    ):
        responses = [
            requests.post(
                site.url.rstrip("/") + API,
                files={"file": ("x.csv", FAULTY.encode())},
                headers={"Prefer": "respond-async"},
                timeout=30,
            )
            for site in (one, two, one, two)
        ]
        assert [a.status_code for a in responses] == [202, 202, 202, 429]
        for response in responses[:3]:
            now, _ = done(two.url, response.json())
            assert now["verdict"] == "invalid"
    assert not (tmp_path / "home" / "jobs.sqlite").exists()


def test_a_consumer_ends_with_its_server_even_before_it_is_ready(tmp_path: Path) -> None:
    server = "import os, subprocess, sys; print(subprocess.Popen([*sys.argv[1:], str(os.getpid())]).pid, flush=True)"
    consumer = [sys.executable, "-P", "-m", "vaven.catalogue.cli.main", "jobs", "--with-parent"]
    variables = environment(tmp_path, free_port())
    with subprocess.Popen([sys.executable, "-c", server, *consumer], env=variables, stdout=subprocess.PIPE) as ended:
        assert ended.stdout
        pid = int(ended.stdout.readline())
        assert ended.wait(30) == 0
        # The pipe is open for as long as the consumer is.
        has_ended, _, _ = select.select([ended.stdout], [], [], 60)
        if not has_ended:
            os.kill(pid, signal.SIGKILL)
        assert has_ended
        assert ended.stdout.read() == b""
