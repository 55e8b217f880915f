"""Files for download: those of a release, its observations in other formats, and dumps of all published data.

Files that a release does not have are derived at the first request, and stored (publisher/published/derived_files.py).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from flask import Blueprint, Response, abort, g, url_for
from pyoxigraph import RdfFormat, serialize

from vaven.catalogue.http.problem_details import problem
from vaven.catalogue.http.send_file import UNTIL_CHANGED, FileResponse, send
from vaven.catalogue.linked_data.documents import UNUSED_PREFIXES
from vaven.publisher.cube.observations import GZIP_FILE, ZSTD_FILE
from vaven.publisher.engine.interface import QueryEngine
from vaven.publisher.integrity.disclosure import OBSERVATIONS
from vaven.publisher.metadata.csvw import csvw_metadata
from vaven.publisher.metadata.shared_graph import read_triples, split_shared
from vaven.publisher.published.collection import Collection
from vaven.publisher.published.derivation import GeneratedTriples, Recipe, Source
from vaven.publisher.published.derived_files import DerivedFiles, Prepare
from vaven.publisher.published.derived_folder import DerivedFile
from vaven.vocab import media_types
from vaven.vocab.errors import UnknownDataset
from vaven.vocab.iris import Iris

# Formats of the observations that a release does not contain, or did not in an older version of Väven.
DERIVED_FORMATS = {
    "observations.ttl": media_types.TURTLE,
    "observations.jsonld": media_types.JSON_LD,
    "observations.nt": media_types.N_TRIPLES,
    "observations.nt.gz": media_types.GZIP,
    "observations.nt.zst": media_types.ZSTD,
}
# Dumps of all published data: N-Quads with the graph of each dataset, N-Triples with the default graph.
DUMPS = {
    "dump.nq.zst": media_types.ZSTD,
    "dump.nq.gz": media_types.GZIP,
    "dump.nt.zst": media_types.ZSTD,
    "dump.nt.gz": media_types.GZIP,
}
# The files with a release's N-Triples, the preferred one first; one with many observations has neither.
RELEASED_TRIPLES = (ZSTD_FILE, GZIP_FILE)
WAIT_SECONDS = 20.0
RETRY_SECONDS = "15"


def blueprint(collection: Collection, engine: QueryEngine, derived_files: DerivedFiles, iris: Iris) -> Blueprint:
    pages = Blueprint("downloads", __name__)

    @pages.get("/dataset/<slug>/<int:version>/<name>")
    def file(slug: str, version: int, name: str) -> Response:
        release, download_name = collection.release(slug, version), f"{slug}-v{version}-{name}"
        if released := release.file(name):
            described = FileResponse(
                download_name, released.media_type, released.size, released.sha256, release.released_at
            )
            response = send(described, lambda: collection.open(slug, version, name))
            if name.endswith(".csv"):
                address = url_for("downloads.csvw", slug=slug, version=version, table=name.removesuffix(".csv"))
                response.headers.add("Link", f'<{address}>; rel="describedby"; type="{media_types.CSVW}"')
            return response
        source = release.file(GZIP_FILE) or release.file(OBSERVATIONS)
        if name not in DERIVED_FORMATS or source is None:
            abort(404)
        prepare = _observations(collection, iris, slug, version, name)
        file = derived_files.get(name, source.sha256, prepare, WAIT_SECONDS)
        return _send(file, download_name, DERIVED_FORMATS[name], release.released_at)

    @pages.get("/dataset/<slug>/<int:version>/<table>.csv-metadata.json")
    def csvw(slug: str, version: int, table: str) -> Response:
        """Send the description of a CSV file for tools of CSV on the Web."""
        collection.release(slug, version)
        package = json.loads(collection.local(slug, version, "datapackage.json").read_text("utf-8"))
        metadata = csvw_metadata(package, table, iris)
        if metadata is None:
            abort(404)
        g.is_same_in_every_language = True
        return Response(json.dumps(metadata, ensure_ascii=False, indent=2), mimetype=media_types.CSVW)

    @pages.get("/<any(dump.nq.zst, dump.nq.gz, dump.nt.zst, dump.nt.gz):name>")
    def dump(name: str) -> Response:
        """Send a dump of the current state; a download resumed after a publication starts again with the new dump."""
        g.is_same_in_every_language = True
        state, contents = _consistent_state(engine, collection)
        key = hashlib.sha256(f"{state}{json.dumps(contents, sort_keys=True)}".encode()).hexdigest()
        file = derived_files.get(name, key, _dump(collection, engine, iris, contents, name), WAIT_SECONDS)
        return _send(file, f"vaven-{name}", DUMPS[name], None)

    return pages


def _send(file: DerivedFile | None, name: str, media_type: str, modified: datetime | None) -> Response:
    if file is None:
        response = problem(503, "catalogue.file-pending", seconds=RETRY_SECONDS)
        response.headers["Retry-After"] = RETRY_SECONDS
        return response
    if modified:
        described = FileResponse(name, media_type, file.size, file.sha256, modified)
    else:
        described = FileResponse(name, media_type, file.size, file.sha256, file.created_at, UNTIL_CHANGED)
    return send(described, lambda: file.path.open("rb"))


def _observations(collection: Collection, iris: Iris, slug: str, version: int, name: str) -> Prepare:
    """Return the recipe of a release's observations in another format."""

    def prepare(_: Path) -> Recipe:
        prefixes = {prefix: ns for prefix, ns in iris.prefixes.items() if prefix not in UNUSED_PREFIXES}
        return Recipe(name, [_triples(collection, iris, slug, version, (GZIP_FILE,))], prefixes)

    return prepare


def _triples(
    collection: Collection, iris: Iris, slug: str, version: int, names: Sequence[str], graph: str = ""
) -> Source:
    """Return the first of these files that a release has, or its Parquet, from which they are generated."""
    release = collection.release(slug, version)
    for name in names:
        if release.file(name):
            return Source(str(collection.local(slug, version, name)), graph)
    record = collection.records.release(slug, version)
    if record is None:
        raise UnknownDataset("publisher.no-version", dataset=slug, version=version)
    columns = GeneratedTriples(iris.base, slug, version, record.complete_manifest.as_json())
    return Source(str(collection.local(slug, version, OBSERVATIONS)), graph, columns)


def _consistent_state(engine: QueryEngine, collection: Collection) -> tuple[str, Mapping[str, int]]:
    """Return the state of the graph and the versions that it contains, both of the same moment."""
    while True:
        state, contents = engine.state(), collection.visible()
        if engine.state() == state:
            return state, contents


def _dump(collection: Collection, engine: QueryEngine, iris: Iris, contents: Mapping[str, int], name: str) -> Prepare:
    """Return the recipe of a dump: the shared graphs from the endpoint, and each dataset's graph from its release."""

    def prepare(inputs: Path) -> Recipe:
        sources = []
        for number, graph in enumerate(iris.shared_graphs):
            path = inputs / f"{number}.nt"
            path.write_bytes(_graph(engine, graph))
            sources.append(Source(str(path), graph))
        for slug, version in sorted(contents.items()):
            metadata, graph = inputs / f"{slug}.nt", iris.dataset(slug)
            own, _ = split_shared(read_triples(collection.local(slug, version, "metadata.ttl")), iris)
            serialize(own, str(metadata), format=RdfFormat.N_TRIPLES)
            observations = _triples(collection, iris, slug, version, RELEASED_TRIPLES, graph)
            sources += [Source(str(metadata), graph), observations]
        return Recipe(name, sources, replaces=True)

    return prepare


def _graph(engine: QueryEngine, graph: str) -> bytes:
    query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}"
    result = engine.query(query, media_type=media_types.N_TRIPLES)
    try:
        return result.file.read()
    finally:
        result.close()
