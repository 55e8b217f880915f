"""Files for download: those of a release, other forms of its observations, and everything at once.

What a release does not hold is made when it is first asked for, and kept (publisher/derived.py).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from flask import Blueprint, Response, abort, g
from pyoxigraph import RdfFormat, serialize

from vaven.catalogue.http.problem_details import problem
from vaven.catalogue.http.send_file import UNTIL_CHANGED, FileResponse, send
from vaven.catalogue.linked_data.documents import LEFT_OUT_PREFIXES
from vaven.publisher.cube.observations import GZIP_FILE, ZSTD_FILE
from vaven.publisher.engine.interface import QueryEngine
from vaven.publisher.metadata.shared_graph import read_triples, split_shared
from vaven.publisher.published.collection import Collection
from vaven.publisher.published.derived_files import DerivedFile, DerivedFiles, Prepare, Recipe, Source
from vaven.vocab import media_types
from vaven.vocab.iris import Iris

# Forms of the observations that a release does not keep, or did not when it was made.
MADE = {
    "observations.ttl": media_types.TURTLE,
    "observations.jsonld": media_types.JSON_LD,
    "observations.nt": media_types.N_TRIPLES,
    ZSTD_FILE: media_types.ZSTD,
}
# All that is published: N-Quads tell a dataset's graph, N-Triples are what the default graph holds.
DUMPS = {
    "dump.nq.zst": media_types.ZSTD,
    "dump.nq.gz": media_types.GZIP,
    "dump.nt.zst": media_types.ZSTD,
    "dump.nt.gz": media_types.GZIP,
}
KEPT = (ZSTD_FILE, GZIP_FILE)
WAIT_SECONDS = 20.0
RETRY_SECONDS = "15"


def blueprint(collection: Collection, engine: QueryEngine, derived: DerivedFiles, iris: Iris) -> Blueprint:
    pages = Blueprint("downloads", __name__)

    @pages.get("/dataset/<slug>/<int:version>/<name>")
    def file(slug: str, version: int, name: str) -> Response:
        entry, shown = collection.release(slug, version), f"{slug}-v{version}-{name}"
        if kept := entry.file(name):
            sent = FileResponse(shown, kept.media_type, kept.size, kept.sha256, entry.released_at)
            return send(sent, lambda: collection.open(slug, version, name))
        packed = entry.file(GZIP_FILE)
        if name not in MADE or packed is None:
            abort(404)
        made = derived.get(name, packed.sha256, _form(collection, iris, slug, version, name), WAIT_SECONDS)
        return _send(made, shown, MADE[name], entry.released_at)

    @pages.get("/<any(dump.nq.zst, dump.nq.gz, dump.nt.zst, dump.nt.gz):name>")
    def dump(name: str) -> Response:
        """Of the moment: who resumes a download after something was published gets the new one from the start."""
        g.is_same_in_every_language = True
        state, contents = _moment(engine, collection)
        key = hashlib.sha256(f"{state}{json.dumps(contents, sort_keys=True)}".encode()).hexdigest()
        made = derived.get(name, key, _everything(collection, engine, iris, contents, name), WAIT_SECONDS)
        return _send(made, f"vaven-{name}", DUMPS[name], None)

    return pages


def _send(made: DerivedFile | None, name: str, media_type: str, modified: datetime | None) -> Response:
    if made is None:
        text = "The file is being made."
        answer = problem(503, text, text, remedy=f"Ask again in {RETRY_SECONDS} seconds.")
        answer.headers["Retry-After"] = RETRY_SECONDS
        return answer
    if modified:
        sent = FileResponse(name, media_type, made.size, made.sha256, modified)
    else:
        sent = FileResponse(name, media_type, made.size, made.sha256, made.made_at, UNTIL_CHANGED)
    return send(sent, lambda: made.path.open("rb"))


def _form(collection: Collection, iris: Iris, slug: str, version: int, name: str) -> Prepare:
    """Another form of a release's observations."""

    def prepare(_: Path) -> Recipe:
        prefixes = {prefix: ns for prefix, ns in iris.prefixes.items() if prefix not in LEFT_OUT_PREFIXES}
        return Recipe(name, [Source(str(collection.local(slug, version, GZIP_FILE)))], prefixes)

    return prepare


def _moment(engine: QueryEngine, collection: Collection) -> tuple[str, Mapping[str, int]]:
    """The state of the graph with the versions that it holds, of one and the same moment."""
    while True:
        state, contents = engine.state(), collection.visible()
        if engine.state() == state:
            return state, contents


def _everything(
    collection: Collection, engine: QueryEngine, iris: Iris, contents: Mapping[str, int], name: str
) -> Prepare:
    """The graphs that no dataset has for its own as the endpoint has them, and each dataset's from its release."""

    def prepare(inputs: Path) -> Recipe:
        sources = []
        for number, graph in enumerate(iris.shared_graphs):
            path = inputs / f"{number}.nt"
            path.write_bytes(_graph(engine, graph))
            sources.append(Source(str(path), graph))
        for slug, version in sorted(contents.items()):
            entry, described = collection.release(slug, version), inputs / f"{slug}.nt"
            own, _ = split_shared(read_triples(collection.local(slug, version, "metadata.ttl")), iris)
            serialize(own, str(described), format=RdfFormat.N_TRIPLES)
            observations = collection.local(slug, version, next(file for file in KEPT if entry.file(file)))
            sources += [Source(str(path), iris.dataset(slug)) for path in (described, observations)]
        return Recipe(name, sources, replaces=True)

    return prepare


def _graph(engine: QueryEngine, graph: str) -> bytes:
    query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}"
    answer = engine.query(query, media_type=media_types.N_TRIPLES)
    try:
        return answer.file.read()
    finally:
        answer.close()
