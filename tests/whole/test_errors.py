"""Every error has its texts in both languages: each class, each message and remedy, and the command line."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, environment, vaven
from vaven.publisher.publish import SubmissionRefused
from vaven.publisher.settings import Settings
from vaven.schemas.check import validate
from vaven.vocab import errors
from vaven.vocab.errors import NotReadable, QueryError, VavenError
from vaven.vocab.messages import LANGUAGES, Message, messages

ROOMS = ("vocab", "schemas", "publisher", "catalogue")
KEY = re.compile(r"(?:vocab|schemas|publisher|catalogue)\.[a-z0-9-]+")


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
    unknown = {
        key for key in raised if re.search(rf'\b[A-Z]\w+\(\s*"{re.escape(key)}"', code)
    } - messages_by_key().keys()
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
        (["withdraw", "nope", "--reason", "x"], "Det finns ingen datamängd nope.", "There is no dataset nope."),
        (["kpis", "--theme", "nope"], "Det finns inget tema nope.", "There is no theme nope."),
        (["template", "--kommun", "9999"], "Det finns ingen kommun", "There is no municipality"),
        (["ckan", "check"], "Ingen CKAN-instans är inställd.", "No CKAN is configured."),
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
