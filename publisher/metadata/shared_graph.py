"""The reference data: what datasets have in common, in a graph of its own, so that each triple is in one graph.

The endpoint's default graph is the union of the named graphs. An RDF graph is a set, but an engine that answers from
several may give a triple once for each that has it, and then every count over a join is too high. So areas, periods,
ages, organisations and programs, which the `metadata.ttl` of each release describes, are gathered here, and no two
graphs have a triple in common.

Where releases say different things of what they share, the newest is right: an organisation changes its name. What
older ones called an area is kept as another name of it.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from pyoxigraph import Literal, NamedNode, RdfFormat, Triple, parse, serialize

from vaven.vocab.errors import PublishingFailed
from vaven.vocab.iris import NAMESPACES, Iris

LABEL = NamedNode(NAMESPACES["rdfs"] + "label")
OTHER_LABEL = NamedNode(NAMESPACES["skos"] + "altLabel")
# Beside texts and numbers, what a thing has one of: the kind of an organisation.
SINGLE = frozenset({NAMESPACES["dcterms"] + "type"})
FORMATS = {".ttl": RdfFormat.TURTLE, ".nt": RdfFormat.N_TRIPLES}
DIGEST = 16
# What is said of a subject, by the digest of that, and the digests of all that a file says, one after the other.
TABLES = """
CREATE TABLE IF NOT EXISTS said (digest BLOB PRIMARY KEY, triples BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (key TEXT PRIMARY KEY, digests BLOB NOT NULL) WITHOUT ROWID;
"""
Key = tuple[object, ...]
Source = tuple[str, Callable[[], Path]]


def read_triples(path: Path) -> Iterator[Triple]:
    """The triples of a file; blank nodes get names that no other file has."""
    for quad in parse(path=str(path), format=FORMATS[path.suffix], rename_blank_nodes=True):
        yield quad.triple


def split_shared(triples: Iterable[Triple], iris: Iris) -> tuple[list[Triple], list[Triple]]:
    """Those that say something of what is a dataset's or the catalogue's own, and those of what several have in common.

    A blank node is its graph's own: what datasets have in common has none (Iris.geometry).
    """
    own: list[Triple] = []
    common: list[Triple] = []
    known: dict[NamedNode, list[Triple]] = {}
    for triple in triples:
        subject = triple.subject
        if isinstance(subject, NamedNode):
            if subject not in known:
                known[subject] = common if iris.owner(subject.value) is None else own
            known[subject].append(triple)
        else:
            own.append(triple)
    return own, common


def merge_shared_triples(
    cache: Path, iris: Iris, first: Sequence[Triple], releases: Sequence[Source]
) -> Iterator[Triple]:
    """What is said of what datasets have in common: by `first`, and by all that is published, the newest last.

    `releases` are the SHA-256 of each `metadata.ttl` and where it is. In `cache`, a file that may be deleted, is kept
    what each said, so that one is read once: a publication of a thousand datasets must not read them all. Cost: about
    a second for a release of 6,000 areas that is new, a millisecond for one that is known, and a second for the
    descriptions of 10,000 areas. Raises PublishingFailed where the cache can't be written.
    """
    cache.parent.mkdir(parents=True, exist_ok=True)
    try:
        merged = _merged(cache, iris, first, releases)
    except sqlite3.DatabaseError:
        # Damaged, or of another time: all that is in it can be read again.
        cache.unlink(missing_ok=True)
        try:
            merged = _merged(cache, iris, first, releases)
        except sqlite3.DatabaseError as cause:
            raise PublishingFailed("publisher.cache-not-written", file=cache, cause=cause) from cause
    return merged.triples()


def _merged(cache: Path, iris: Iris, first: Sequence[Triple], releases: Sequence[Source]) -> "_Merged":
    with closing(sqlite3.connect(cache)) as kept:
        kept.executescript(TABLES)
        newest: dict[bytes, None] = {}
        for sha256, find in releases:
            for digest in _digests(kept, f"{iris.base} {sha256}", find, iris):
                # The last of those that say the same is the one that counts.
                newest.pop(digest, None)
                newest[digest] = None
        merged = _Merged(iris)
        merged.add(first)
        for digest in newest:
            (triples,) = kept.execute("SELECT triples FROM said WHERE digest = ?", [digest]).fetchone()
            merged.add(quad.triple for quad in parse(triples, RdfFormat.N_TRIPLES))
    return merged


def _digests(kept: sqlite3.Connection, key: str, find: Callable[[], Path], iris: Iris) -> list[bytes]:
    """The digests of what a file says, subject by subject."""
    found = kept.execute("SELECT digests FROM files WHERE key = ?", [key]).fetchone()
    if found is None:
        said: dict[object, list[Triple]] = {}
        for triple in split_shared(read_triples(find()), iris)[1]:
            said.setdefault(triple.subject, []).append(triple)
        texts = [serialize(sorted(triples, key=str), format=RdfFormat.N_TRIPLES) or b"" for triples in said.values()]
        listed = [(hashlib.blake2b(text, digest_size=DIGEST).digest(), text) for text in texts]
        with kept:
            kept.executemany("INSERT OR IGNORE INTO said VALUES (?, ?)", listed)
            kept.execute("INSERT INTO files VALUES (?, ?)", [key, b"".join(digest for digest, _ in listed)])
        return [digest for digest, _ in listed]
    return [found[0][i : i + DIGEST] for i in range(0, len(found[0]), DIGEST)]


class _Merged:
    """What is said of subjects, where what is added last has the last word."""

    def __init__(self, iris: Iris) -> None:
        self._areas = iris.area("", "").rstrip("/") + "/"
        self._said: dict[Key, list[Triple]] = {}
        self._names: dict[Key, set[Literal]] = {}

    def add(self, triples: Iterable[Triple]) -> None:
        said: dict[Key, list[Triple]] = {}
        for triple in triples:
            said.setdefault(_key(triple), []).append(triple)
        self._said |= said
        for key, found in said.items():
            if found[0].predicate == LABEL and str(found[0].subject)[1:].startswith(self._areas):
                self._names.setdefault(key, set()).update(t.object for t in found if isinstance(t.object, Literal))

    def triples(self) -> Iterator[Triple]:
        for key, found in self._said.items():
            yield from found
            for name in self._names.get(key, set()) - {t.object for t in found}:
                yield Triple(found[0].subject, OTHER_LABEL, name)


def _key(triple: Triple) -> Key:
    """What a subject has one of: a text of a property in a language, or a number; else the triple is its own key."""
    value = triple.object
    if isinstance(value, Literal):
        return triple.subject, triple.predicate, value.language or ""
    return triple.subject, triple.predicate, None if triple.predicate.value in SINGLE else value
