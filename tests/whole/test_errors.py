"""Every error has its texts in both languages: each class, message and remedy, the command line, problem details."""

import ast
import http.client
import json
import re
import string
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import ROOT, Site, environment, vaven
from vaven.catalogue.app import create_app
from vaven.catalogue.http.problem_details import problem
from vaven.publisher.publish import SubmissionRefused
from vaven.publisher.settings import Settings
from vaven.schemas.check import validate
from vaven.vocab import errors
from vaven.vocab.errors import NotReadable, QueryError, VavenError
from vaven.vocab.messages import LANGUAGES, Message, messages

ROOMS = ("vocab", "schemas", "publisher", "catalogue")
KEY = re.compile(r"(?:vocab|schemas|publisher|catalogue)\.[a-z0-9-]+")
# The calls that put words into a response, as functions or exceptions of HTTP.
WORDS_OF_RESPONSES = re.compile(
    r"problem|problem_of|problem_in|query_problem|abort|Response|ProtocolError|\w+HTTPException"
)
# What a client prefers, and the language of the problem that it gets.
PREFERENCES = {"": "en", "en": "en", "sv": "sv", "sv-SE, en;q=0.5": "sv", "fi": "en"}
VALID = b"neighbourhood,kpi,period,sex,age_group,value,status\n0180C1010,arbetsloshet,2024,T,T,5.5,A\n"


def family(base: type[VavenError] = VavenError) -> Iterator[type[VavenError]]:
    yield base
    for child in base.__subclasses__():
        yield from family(child)


def sources() -> list[Path]:
    return [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts]


def keys_in_code() -> set[str]:
    """Return the keys that errors are raised with; one with a computed end is recognised by its prefix."""
    literals = {
        node.value
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in literals if KEY.fullmatch(text)}


def messages_by_key() -> dict[str, str]:
    """Return the message of each error by its key, prefixed with its room."""
    return {
        f"{room}.{name.removeprefix('error.')}": text
        for room in ROOMS
        for name, text in messages("sv", room).texts.items()
        if re.fullmatch(r"error\.[a-zA-Z0-9-]+", name) and f"{name}.remedy" in messages("sv", room).texts
    }


def fields(template: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(template) if field}


def example(kind: type[VavenError]) -> VavenError:
    """Return an error of a class as the code raises it."""
    if issubclass(kind, QueryError):
        return kind(Message("publisher", "query.closing"), remedy=Message("publisher", "query.again.remedy"))
    if kind is NotReadable:
        return NotReadable("not-readable-empty", file="tom.csv")
    if kind is errors.SystemRefused:
        return errors.SystemRefused(PermissionError(13, "Permission denied", "/var/lib/vaven"))
    if kind is errors.Withdrawn:
        return errors.Withdrawn("provet", 2, day="2026-01-31", reason="Fel enkät")
    if kind is errors.NoLongerIncluded:
        return errors.NoLongerIncluded("provet", 2)
    if kind is errors.DiskFull:
        return errors.DiskFull()
    if kind.__init__ is VavenError.__init__ or kind is errors.CkanAnswerLost:
        return kind("publisher.no-version", dataset="provet", version=9)
    assert kind is SubmissionRefused, f"{kind.__name__} has no example here"
    return SubmissionRefused(validate(ROOT / "setup.cfg"))


@pytest.mark.parametrize("kind", sorted(set(family()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_an_error_of_every_class_has_its_message_and_remedy_in_both_languages(kind: type[VavenError]) -> None:
    error = example(kind)
    swedish, english = (error.text(language) for language in ("sv", "en"))
    assert swedish != english
    assert str(error) == (error.code if isinstance(error, NotReadable) else english)
    for language in LANGUAGES:
        assert error.message(language).strip()
        assert error.remedy(language).strip()
        assert "{" not in error.text(language)


def test_every_error_key_has_messages_and_every_message_an_error() -> None:
    code = "\n".join(path.read_text("utf-8") for path in sources())
    raised = keys_in_code()
    computed = {key for key in messages_by_key() if key.startswith("publisher.setting-not-")}
    assert 'f"publisher.setting-not-{' in code
    assert messages_by_key().keys() - computed == (raised & messages_by_key().keys()) - computed
    call = r'\b(?:[A-Z]\w+\(|problem\(\d+,)\s*"{}"'
    unknown = {key for key in raised if re.search(call.format(re.escape(key)), code)} - messages_by_key().keys()
    assert unknown == set()


def test_an_error_and_its_remedy_name_the_same_fields_in_both_languages() -> None:
    for key in messages_by_key():
        room, _, name = key.partition(".")
        for part in ("", ".remedy"):
            swedish, english = (fields(messages(language, room)(f"error.{name}{part}")) for language in LANGUAGES)
            assert swedish == english, key


@pytest.mark.parametrize(
    ("arguments", "swedish", "english"),
    [
        (["withdraw", "nope", "--reason", "x"], "Datamängden nope finns inte.", "The dataset nope does not exist."),
        (["kpis", "--theme", "nope"], "Temat nope finns inte.", "The theme nope does not exist."),
        (["template", "--kommun", "9999"], "Det finns ingen kommun", "There is no municipality"),
        (["ckan", "check"], "Ingen CKAN-instans är inställd.", "No CKAN instance is configured."),
    ],
    ids=["withdraw", "kpis", "template", "ckan"],
)
def test_the_command_line_uses_the_requested_language(
    tmp_path: Path, arguments: list[str], swedish: str, english: str
) -> None:
    settings = environment(tmp_path / "home", 8000)
    for language, sentence in (("sv", swedish), ("en", english)):
        done = vaven(*arguments, "--lang", language, environment=settings, folder=tmp_path)
        assert done.returncode == 2
        assert sentence in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_every_invalid_setting_is_named_in_both_languages(tmp_path: Path) -> None:
    for name in ("QUERY_SECONDS", "QUERY_MEMORY_MB", "TRUSTED_PROXY", "THRESHOLDS_SMALL_COUNT"):
        settings = environment(tmp_path / "home", 8000, **{f"VAVEN_{name}": "många"})
        if name == "TRUSTED_PROXY" and isinstance(Settings().trusted_proxy, str):
            continue
        for language in LANGUAGES:
            done = vaven("withdraw", "x", "--reason", "x", "--lang", language, environment=settings)
            assert f"VAVEN_{name}" in done.stderr
            assert "Traceback" not in done.stderr


def words_in_calls() -> Iterator[tuple[str, str]]:
    """Yield the literal texts within the arguments of calls that put words into a response, with their location."""
    for path in (ROOT / "catalogue").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(getattr(node, "func", None), "id", "") or getattr(getattr(node, "func", None), "attr", "")
            if isinstance(node, ast.Call) and WORDS_OF_RESPONSES.fullmatch(name):
                location = f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield location, part.value


def is_sentence(text: str) -> bool:
    """Recognise two words in a row, or one with a full stop; not a list of methods such as GET, HEAD."""
    return not text.isupper() and bool(re.match(r"\s*[^\W\d_]+([,;:]? +[^\W\d_]+|\.$)", text))


def test_no_problem_has_a_literal_sentence() -> None:
    """Its sentences are in the message catalogues; `problem` itself takes the key of one."""
    words = list(words_in_calls())
    assert [f"{location}: {text}" for location, text in words if is_sentence(text)] == []
    keys = [text for location, text in words if location.endswith(": problem") and KEY.fullmatch(text)]
    assert len(keys) > 15
    for bad in ("The file is being generated.", "Ask again in ", " is not a page", "No such file", "Unknown."):
        assert is_sentence(bad), bad


def keys_of_problems() -> list[str]:
    """The keys of problems.*.toml, whose errors only HTTP has."""
    text = (ROOT / "catalogue" / "messages" / "problems.en.toml").read_text("utf-8")
    return re.findall(r'^"error\.([a-z-]+)" =', text, re.MULTILINE)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = create_app(Settings(home=tmp_path_factory.mktemp("problems")))
    yield app
    app.extensions["vaven"].close()


@pytest.mark.parametrize("key", keys_of_problems())
def test_a_problem_is_in_the_clients_language_and_english_by_default(app: Flask, key: str) -> None:
    names = fields(messages("en", "catalogue")(f"error.{key}")) | fields(
        messages("en", "catalogue")(f"error.{key}.remedy")
    )
    params = {name: f"[{name}]" for name in names}
    for preference, language in PREFERENCES.items():
        with app.test_request_context("/", headers={"Accept-Language": preference} if preference else {}):
            app.preprocess_request()
            response = app.process_response(problem(400, f"catalogue.{key}", **params))
        sentences, body = messages(language, "catalogue"), response.get_json()
        assert body["detail"] == sentences.template(f"error.{key}", params).format(**params)
        assert body["remedy"] == sentences.template(f"error.{key}.remedy", params).format(**params)
        assert response.headers["Content-Language"] == language
        assert {"Accept-Language", "Cookie"} <= response.vary.as_set(preserve_casing=True)


@dataclass(frozen=True)
class Failing:
    """A request that fails with `status` and the problem of `key`; `ID` in its path is a stored validation."""

    key: str
    status: int
    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)


OBSERVATIONS = "/dataset/exempel-tre-kommuner/1/observations.csv"
FAILING = (
    Failing("not-acceptable", 406, "/catalog", headers={"Accept": "image/png"}),
    Failing("not-acceptable", 406, "/.well-known/void", headers={"Accept": "image/png"}),
    Failing("not-acceptable", 406, "/id/kpi/trygg-morker", headers={"Accept": "image/png"}),
    Failing("not-acceptable", 406, "/doc/kpi/trygg-morker", headers={"Accept": "image/png"}),
    Failing("not-acceptable", 406, "/ns", headers={"Accept": "image/png"}),
    Failing("unknown-identifier", 404, "/id/kpi/nope"),
    Failing("unknown-identifier", 404, "/doc/kpi/nope.ttl"),
    Failing("identifier-in-other-case", 404, "/id/kpi/TRYGG-MORKER"),
    Failing("identifier-too-long", 404, "/id/kpi/" + "a" * 2_001),
    Failing("no-resource", 404, "/nope"),
    Failing("method-not-allowed", 405, "/catalog.ttl", "DELETE"),
    Failing("range-beyond-file", 416, OBSERVATIONS, headers={"Range": "bytes=99999999-"}),
    Failing("unknown-profile", 400, "/catalog.ttl?profile=nope"),
    Failing("not-a-page-number", 400, "/catalog.ttl?page=one"),
    Failing("no-page", 404, "/catalog.ttl?page=99"),
    Failing("unknown-language", 400, "/api/v1/publications?lang=xx"),
    Failing("no-validation", 404, "/api/v1/validations/nope"),
    Failing("unknown-format", 400, "/api/v1/validations/nope/report?format=nope"),
    Failing("no-file", 400, "/api/v1/validations", "POST"),
    Failing("no-file", 400, "/validate", "POST", {"Accept": "application/json"}),
    Failing("nothing-to-fix", 404, "/api/v1/validations/ID/corrected"),
)


def respond(site: Site, failing: Failing, validation: str, **headers: str) -> tuple[http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(site.url).netloc, timeout=60)
    path = failing.path.replace("ID", validation)
    connection.request(failing.method, path, headers={**failing.headers, **headers})
    response = connection.getresponse()
    assert response.status == failing.status
    body = response.read()
    connection.close()
    return response.headers, body


@pytest.fixture(scope="module")
def validation(whole_way: Site) -> str:
    """Return the key of a valid file's validation."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(whole_way.url).netloc, timeout=60)
    name = b'Content-Disposition: form-data; name="file"; filename="file.csv"'
    body = b"--part\r\n" + name + b"\r\n\r\n" + VALID + b"\r\n--part--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=part"}
    connection.request("POST", "/api/v1/validations", body, headers)
    response = connection.getresponse()
    assert response.status == 201
    return str(json.load(response)["id"])


@pytest.mark.parametrize("failing", FAILING, ids=lambda failing: f"{failing.key}-{failing.path[:30]}")
def test_a_running_site_answers_with_problems_in_swedish_and_english(
    whole_way: Site, validation: str, failing: Failing
) -> None:
    for preference, language in PREFERENCES.items():
        wish = {"Accept-Language": preference} if preference else {}
        headers, body = respond(whole_way, failing, validation, **wish)
        assert headers.get_content_type() == "application/problem+json"
        details = json.loads(body)
        for member, ending in (("detail", ""), ("remedy", ".remedy")):
            template = messages(language, "catalogue")(f"error.{failing.key}{ending}")
            pattern = ".+".join(re.escape(text) for text, *_ in string.Formatter().parse(template))
            assert re.match(pattern, details[member]), (details, template)
        assert headers["Content-Language"] == language
        assert {"Accept-Language", "Cookie"} <= {name.strip() for name in headers["Vary"].split(",")}
