"""SHACL shapes: the Swedish profile of DCAT-AP, ours since DIGG publishes none (docs/metadata.md), and a release's own.

The Turtle files are the source of truth and are served as they are; their IRIs are relative to the base IRI.
"""

from importlib.resources import files

from rdflib import Graph

from vaven.vocab.iris import Iris

# Shapes are the same whatever their names begin with; a caller who shows them to others gives the site's own base.
LOCAL = Iris("http://127.0.0.1:8000/")


def swedish_profile(iris: Iris = LOCAL) -> Graph:
    """DCAT-AP-SE 3.0.1 as a shapes graph for pyshacl: what is mandatory as violations, what is recommended as
    warnings, with messages in Swedish and English."""
    return Graph().parse(data=swedish_profile_text(), format="turtle", publicID=iris.base)


def swedish_profile_text() -> str:
    """The Turtle of the Swedish profile, with relative IRIs."""
    return (files(__package__) / "dcat-ap-se.ttl").read_text("utf-8")


def release_shapes(iris: Iris = LOCAL) -> Graph:
    """What a release must say of its cube, periods, investments and targets, as a shapes graph."""
    return Graph().parse(
        data=(files(__package__) / "release.ttl").read_text("utf-8"), format="turtle", publicID=iris.base
    )
