"""Reference data: the resources that datasets share, in a graph of their own, so that each triple is in one graph.

The endpoint's default graph is the union of the named graphs. An RDF graph is a set, but an engine that queries several
graphs may return a triple once for each graph that has it, and then every count over a join is too high. So areas,
periods, ages, organisations and programs, which the `metadata.ttl` of each release describes, are merged here, and no
two graphs have a triple in common.

If releases describe a shared resource differently, the newest release wins: an organisation changes its name. Older
names of an area remain as alternative labels.
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
# Object properties with one value per resource, as all texts and numbers have: the kind of an organisation.
FUNCTIONAL = frozenset({NAMESPACES["dcterms"] + "type"})
FORMATS = {".ttl": RdfFormat.TURTLE, ".nt": RdfFormat.N_TRIPLES}
DIGEST_BYTES = 16
# The description of a subject by its digest, and the concatenated digests of all descriptions in a release.
TABLES = """
CREATE TABLE IF NOT EXISTS descriptions (digest BLOB PRIMARY KEY, triples BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS releases (key TEXT PRIMARY KEY, digests BLOB NOT NULL) WITHOUT ROWID;
"""
Key = tuple[object, ...]
Source = tuple[str, Callable[[], Path]]


def read_triples(path: Path) -> Iterator[Triple]:
    """Parse a file, with blank nodes renamed so that no other file has them."""
    for quad in parse(path=str(path), format=FORMATS[path.suffix], rename_blank_nodes=True):
        yield quad.triple


def split_shared(triples: Iterable[Triple], iris: Iris) -> tuple[list[Triple], list[Triple]]:
    """Separate descriptions of a dataset's or the catalogue's own resources from descriptions of shared resources.

    A blank node belongs to its graph: shared resources have none (Iris.geometry).
    """
    own: list[Triple] = []
    shared: list[Triple] = []
    by_subject: dict[NamedNode, list[Triple]] = {}
    for triple in triples:
        subject = triple.subject
        if isinstance(subject, NamedNode):
            if subject not in by_subject:
                by_subject[subject] = shared if iris.owner(subject.value) is None else own
            by_subject[subject].append(triple)
        else:
            own.append(triple)
    return own, shared


def merge_shared_triples(
    cache: Path, iris: Iris, first: Sequence[Triple], releases: Sequence[Source]
) -> Iterator[Triple]:
    """Merge the descriptions of shared resources in `first` and in all releases, the newest of which comes last.

    `releases` are the SHA-256 of each `metadata.ttl` and a function that returns its path. `cache` is a file that may
    be deleted; it stores the descriptions in each release, so that a release is read once: publishing must not read a
    thousand datasets. Cost: about a second for a new release of 6,000 areas, a millisecond for a cached release, and a
    second for the descriptions of 10,000 areas. Raises PublishingFailed if the cache can't be written.
    """
    cache.parent.mkdir(parents=True, exist_ok=True)
    try:
        merged = _merge(cache, iris, first, releases)
    except sqlite3.DatabaseError:
        # Damaged, or of an older layout: everything in it can be read again.
        cache.unlink(missing_ok=True)
        try:
            merged = _merge(cache, iris, first, releases)
        except sqlite3.DatabaseError as cause:
            raise PublishingFailed("publisher.cache-not-written", file=cache, cause=cause) from cause
    return merged.triples()


def _merge(cache: Path, iris: Iris, first: Sequence[Triple], releases: Sequence[Source]) -> "_MergedDescriptions":
    with closing(sqlite3.connect(cache)) as connection:
        connection.executescript(TABLES)
        newest: dict[bytes, None] = {}
        for sha256, path_of in releases:
            for digest in _digests(connection, f"{iris.base} {sha256}", path_of, iris):
                # Of identical descriptions only the last occurrence counts.
                newest.pop(digest, None)
                newest[digest] = None
        merged = _MergedDescriptions(iris)
        merged.add(first)
        for digest in newest:
            row = connection.execute("SELECT triples FROM descriptions WHERE digest = ?", [digest]).fetchone()
            merged.add(quad.triple for quad in parse(row[0], RdfFormat.N_TRIPLES))
    return merged


def _digests(connection: sqlite3.Connection, key: str, path_of: Callable[[], Path], iris: Iris) -> list[bytes]:
    """Return the digests of a file's descriptions, one per subject."""
    row = connection.execute("SELECT digests FROM releases WHERE key = ?", [key]).fetchone()
    if row is not None:
        return [row[0][i : i + DIGEST_BYTES] for i in range(0, len(row[0]), DIGEST_BYTES)]
    by_subject: dict[object, list[Triple]] = {}
    for triple in split_shared(read_triples(path_of()), iris)[1]:
        by_subject.setdefault(triple.subject, []).append(triple)
    texts = [serialize(sorted(triples, key=str), format=RdfFormat.N_TRIPLES) or b"" for triples in by_subject.values()]
    descriptions = [(hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest(), text) for text in texts]
    with connection:
        connection.executemany("INSERT OR IGNORE INTO descriptions VALUES (?, ?)", descriptions)
        connection.execute("INSERT INTO releases VALUES (?, ?)", [key, b"".join(digest for digest, _ in descriptions)])
    return [digest for digest, _ in descriptions]


class _MergedDescriptions:
    """Descriptions of subjects, in which later values replace earlier ones."""

    def __init__(self, iris: Iris) -> None:
        self._area_prefix = iris.area("", "").rstrip("/") + "/"
        self._values: dict[Key, list[Triple]] = {}
        self._area_names: dict[Key, set[Literal]] = {}

    def add(self, triples: Iterable[Triple]) -> None:
        by_key: dict[Key, list[Triple]] = {}
        for triple in triples:
            by_key.setdefault(_key(triple), []).append(triple)
        self._values |= by_key
        for key, values in by_key.items():
            if values[0].predicate == LABEL and str(values[0].subject)[1:].startswith(self._area_prefix):
                names = (t.object for t in values if isinstance(t.object, Literal))
                self._area_names.setdefault(key, set()).update(names)

    def triples(self) -> Iterator[Triple]:
        for key, values in self._values.items():
            yield from values
            for name in self._area_names.get(key, set()) - {t.object for t in values}:
                yield Triple(values[0].subject, OTHER_LABEL, name)


def _key(triple: Triple) -> Key:
    """Return the key of a value: one text per language, or one number, per property; otherwise the triple itself."""
    value = triple.object
    if isinstance(value, Literal):
        return triple.subject, triple.predicate, value.language or ""
    return triple.subject, triple.predicate, None if triple.predicate.value in FUNCTIONAL else value
