"""What the SPARQL page gives its scripts: words, prefixes and the endpoint's address.

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
# Which words the scripts may say, by the beginnings of their keys; errors are told in the page's own words.
SPOKEN = {
    "editor.": "editor.",
    "why.ask": "editor.empty.why",
    "why.title": "editor.why.title",
    "sparql.error.": "editor.error.",
    "sparql.remedy.": "editor.remedy.",
}
FIRST = "one-kpi-over-time"


def editor_config(iris: Iris, examples: Examples) -> dict[str, Any]:
    """For the template: `first`, the query of an empty page, and `desk`, what the scripts read (None without them)."""
    return {"first": examples[FIRST].query(iris.base, g.lang), "editor_config": _told(iris) if has_library() else None}


@cache
def has_library() -> bool:
    return (files("vaven.catalogue") / LIBRARY).is_file()


def words(language: str) -> dict[str, str]:
    """What the scripts may say, by key."""
    texts = messages(language, "catalogue").texts
    return {
        name + key.removeprefix(prefix): text
        for prefix, name in SPOKEN.items()
        for key, text in texts.items()
        if key.startswith(prefix)
    }


def _told(iris: Iris) -> dict[str, Any]:
    return {
        "language": g.lang,
        "base": iris.base,
        "endpoint": url_for("sparql.endpoint"),
        "prefixes": iris.prefixes,
        "words": words(g.lang),
    }
