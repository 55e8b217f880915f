"""Digests of results over columns in this process, to compare many queries under two conditions."""

import contextlib
import hashlib
import signal
from types import FrameType

from lark import Tree

from tests.sparql.corpus import CorpusQuery
from tests.sparql.release import BASE
from vaven.publisher.columnar.query_algebra import query_algebra
from vaven.publisher.columnar.run import Solutions, run
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import literal
from vaven.publisher.columns.values import DOUBLE, FLOAT
from vaven.publisher.sparql.grammar import parse_tree

QUERY_SECONDS = 60
INEXACT = (literal("", DOUBLE), literal("", FLOAT))


def digest(columns: Columns, query: CorpusQuery) -> str:
    """Return a text that equal results have in common: of terms, but for the labels of blank nodes, or of an error."""

    def end(_: int, __: FrameType | None) -> None:
        columns.connection.interrupt()
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(QUERY_SECONDS)
    try:
        tree = parse_tree(query.text)
        assert isinstance(tree, Tree)
        result = run(columns, query_algebra(tree, BASE))
        if isinstance(result, bool):
            return str(result)
        rows = ["\t".join(map(_comparable, row)) for row in (result.rows if isinstance(result, Solutions) else result)]
    except Exception as error:  # noqa: BLE001 - an error is a result
        return type(error).__name__
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    if query.is_reduced:
        rows = list(dict.fromkeys(rows))
    return hashlib.sha1("\n".join(rows if query.is_ordered else sorted(rows)).encode()).hexdigest()


def _comparable(term: str | None) -> str:
    """Return a term as a digest has it: the last digits of a sum of doubles depend on the order of its terms."""
    if term is None:
        return ""
    for kind in INEXACT:
        with contextlib.suppress(ValueError):
            if term.startswith(kind):
                return f"{kind}{float(term.removeprefix(kind)):.12g}"
    return "_" if term[0] == "_" else term
