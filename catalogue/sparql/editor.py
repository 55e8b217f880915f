"""Configuration of the SPARQL page's scripts: messages, prefixes and the endpoint's URL.

The editor's libraries are npm packages that `make` copies into static/vendor; without them, as in a bare checkout, the
page keeps its plain form.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from flask import g, url_for

from vaven.vocab.example_queries import Examples
from vaven.vocab.iris import Iris
from vaven.vocab.messages import messages

LIBRARY = "static/vendor/yasqe.min.js"
# Messages that the scripts may use, by the beginnings of their keys; errors use the page's own messages.
SCRIPT_MESSAGES = {
    "editor.": "editor.",
    "why.ask": "editor.empty.why",
    "why.title": "editor.why.title",
    "sparql.error.": "editor.error.",
    "sparql.remedy.": "editor.remedy.",
}
FIRST_EXAMPLE = "one-kpi-over-time"


def editor_config(iris: Iris, examples: Examples) -> dict[str, Any]:
    """Return template variables: `first`, the initial query, and `editor_config`, None without libraries."""
    return {
        "first": examples[FIRST_EXAMPLE].query(iris.base, g.lang),
        "editor_config": _script_data(iris) if has_library() else None,
    }


@cache
def has_library() -> bool:
    return (files("vaven.catalogue") / LIBRARY).is_file()


def words(language: str) -> dict[str, str]:
    """Return the scripts' messages by key."""
    texts = messages(language, "catalogue").texts
    return {
        name + key.removeprefix(prefix): text
        for prefix, name in SCRIPT_MESSAGES.items()
        for key, text in texts.items()
        if key.startswith(prefix)
    }


def _script_data(iris: Iris) -> dict[str, Any]:
    return {
        "language": g.lang,
        "base": iris.base,
        "endpoint": url_for("sparql.endpoint"),
        "prefixes": iris.prefixes,
        "words": words(g.lang),
    }
