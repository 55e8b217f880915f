"""SHACL shapes: the Swedish profile of DCAT-AP, ours since DIGG publishes none (docs/metadata.md), and of a release.

The Turtle files are the source of truth and are served unchanged; their IRIs are relative to the base IRI.
"""

from importlib.resources import files

from rdflib import Graph

from vaven.vocab.iris import Iris

# Validation does not depend on the base IRI; a caller that serves the shapes passes the site's own.
LOCAL = Iris("http://127.0.0.1:8000/")


def swedish_profile(iris: Iris = LOCAL) -> Graph:
    """Return DCAT-AP-SE 3.0.1 as a shapes graph for pyshacl, with messages in Swedish and English.

    A missing mandatory property is a violation, a missing recommended one a warning.
    """
    return Graph().parse(data=swedish_profile_text(), format="turtle", publicID=iris.base)


def swedish_profile_text() -> str:
    """Return the Turtle of the Swedish profile, with relative IRIs."""
    return (files(__package__) / "dcat-ap-se.ttl").read_text("utf-8")


def release_shapes(iris: Iris = LOCAL) -> Graph:
    """Return the shapes graph of a release: requirements of its cube, periods, investments and targets."""
    return Graph().parse(
        data=(files(__package__) / "release.ttl").read_text("utf-8"), format="turtle", publicID=iris.base
    )
