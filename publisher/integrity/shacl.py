"""SHACL validation of a release's metadata: the Swedish profile of DCAT-AP, and the project's shapes of a release.

pyshacl, the SHACL validator of the RDFLib project, is imported only if needed. Only violations count: a recommendation
that a partner does not follow is no reason to block a release.
"""

from collections.abc import Iterator
from functools import cache

from rdflib import SH, Graph
from rdflib.term import Node

from vaven.publisher.integrity.constraints import Violation
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES
from vaven.vocab.shapes import release_shapes, swedish_profile


def shape_violations(metadata: Graph, iris: Iris) -> Iterator[Violation]:
    """Yield the violations of the shapes in a release's metadata.

    Cost: linear in its nodes, most of it for loading.
    """
    from pyshacl import validate

    # Without inference nothing is added to the graph, so it need not be copied.
    _, results, _ = validate(metadata, shacl_graph=_shapes(iris), inplace=True)
    assert isinstance(results, Graph)
    for result in results.subjects(SH.resultSeverity, SH.Violation):
        focus, path, value = (results.value(result, p) for p in (SH.focusNode, SH.resultPath, SH.value))
        yield Violation("shape", _text(focus), _text(path), _text(value), texts=_messages(results, result, path))


def load_shapes(iris: Iris) -> None:
    """Load the shapes and pyshacl, as the first call of `shape_violations` would."""
    import pyshacl  # noqa: F401

    _shapes(iris)


@cache
def _shapes(iris: Iris) -> Graph:
    return swedish_profile(iris) + release_shapes(iris)


def _messages(results: Graph, result: Node, path: Node | None) -> dict[str, str]:
    """Return the shape's message by language; without a message in a language, the name of the constraint."""
    texts = {getattr(text, "language", None) or "": str(text) for text in results.objects(result, SH.resultMessage)}
    component = str(results.value(result, SH.sourceConstraintComponent)).rsplit("#", 1)[-1]
    return {f"actual_{language}": texts.get(language) or texts.get("") or component for language in LANGUAGES}


def _text(node: Node | None) -> str:
    return "" if node is None else str(node)
