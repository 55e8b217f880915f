"""Completions and descriptions for the SPARQL editor, from queries to the endpoint, cached by snapshot.

/sparql/completions.json has prefixes, terms and the endpoint's example queries; with ?area=… the areas whose name or
code contains the text, since all areas of Sweden would be too many for a browser. /sparql/classes.json has the classes
with their number of instances and their properties.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, request

from vaven.catalogue.harvest.graph_statistics import GraphStatisticsCache
from vaven.catalogue.http.problem_details import problem, problem_of
from vaven.publisher.engine.interface import QueryEngine
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.cache import CachedByState
from vaven.vocab import media_types
from vaven.vocab.areas import areas
from vaven.vocab.errors import QueryBusy, QueryError
from vaven.vocab.iris import Iris

MAX_AREAS = 30
OUTLINE_SECONDS = 300
Row = Mapping[str, Mapping[str, str]]


def blueprint(engine: QueryEngine, collection: Collection, statistics: GraphStatisticsCache, iris: Iris) -> Blueprint:
    pages = Blueprint("completions", __name__)
    terms = CachedDocument(engine, lambda: all_terms(engine, iris))
    classes = CachedDocument(engine, lambda: {"classes": list(_classes(engine, statistics, iris))})

    @pages.get("/sparql/completions.json")
    def completions() -> Response:
        if (text := request.args.get("area")) is not None:
            return _json_response({"areas": list(find_areas(collection, iris, text))})
        return terms.response()

    @pages.get("/sparql/classes.json")
    def described() -> Response:
        return classes.response()

    @pages.get("/sparql/kommuner.geojson")
    def outlines() -> Response:
        """Return the outlines of kommuner, the ground of a map of results."""
        response = Response(
            (files("vaven.vocab.areas") / "kommuner.geojson").read_bytes(), mimetype="application/geo+json"
        )
        response.headers["Cache-Control"] = f"public, max-age={OUTLINE_SECONDS}"
        return response

    return pages


class CachedDocument:
    """A document built once for each state of the graph; safe to call from several threads.

    A remote server does not report its state; the document is then built once for the process.
    """

    def __init__(self, engine: QueryEngine, build: Callable[[], dict[str, Any]]) -> None:
        self._engine, self._build = engine, build
        self._documents = CachedByState[str, dict[str, Any]](1)

    def response(self) -> Response:
        try:
            # In a tuple an empty state counts as known. Counting may take long: meanwhile other clients are asked to
            # retry (0 seconds), and no thread of the server waits.
            document = self._documents.get((self._engine.state(),), "", self._build, seconds=0)
        except TimeoutError:
            return _retry_later(problem(503, "catalogue.list-pending"))
        except QueryBusy as busy:
            return _retry_later(problem_of(503, busy))
        return _json_response(document)


def _retry_later(response: Response) -> Response:
    response.headers["Retry-After"] = "1"
    return response


def all_terms(engine: QueryEngine, iris: Iris) -> dict[str, Any]:
    """Return prefixes, terms and examples; terms are {iri, kind, labels} and optionally notes. Raises QueryBusy."""
    terms = []
    for iri, rows in _group_by(_run_query(engine, iris, "terms"), "iri"):
        term = {"iri": iri, "kind": rows[0]["kind"]["value"], "labels": _texts_by_language(rows, "label")}
        terms.append(term | ({"notes": notes} if (notes := _texts_by_language(rows, "note")) else {}))
    examples = [
        {"iri": iri, "titles": _texts_by_language(rows, "label"), "query": rows[0]["query"]["value"]}
        for iri, rows in _group_by(_run_query(engine, iris, "examples"), "iri")
    ]
    return {"prefixes": iris.prefixes, "terms": terms, "examples": examples}


def _classes(engine: QueryEngine, statistics: GraphStatisticsCache, iris: Iris) -> Iterator[dict[str, Any]]:
    """Yield each class with its number of instances (from VoID) and their properties; the largest first."""
    classes = statistics.now().union.classes
    for name in sorted(classes, key=lambda name: (-classes[name], name)):
        rows = _run_query(engine, iris, "properties-of-class", {"class": name})
        properties = [row["property"]["value"] for row in rows]
        yield {"iri": name, "things": classes[name], "properties": properties}


def _run_query(engine: QueryEngine, iris: Iris, name: str, params: Mapping[str, str] | None = None) -> list[Row]:
    """Return the rows of a query file; none if the engine can't finish it. Raises QueryBusy: a retry may succeed."""
    query = (files(__package__) / "queries" / f"{name}.rq").read_text("utf-8")
    for key, value in {"base": iris.base, **(params or {})}.items():
        query = query.replace(f"{{{key}}}", value)
    try:
        result = engine.query(query, media_type=media_types.SPARQL_JSON)
    except QueryBusy:
        raise
    except QueryError:
        return []
    try:
        rows: list[Row] = json.load(result.file)["results"]["bindings"]
    finally:
        result.close()
    return rows


def find_areas(collection: Collection, iris: Iris, text: str) -> Iterator[dict[str, Any]]:
    """Yield areas with values, and their kommuner, whose name or code contains the text; prefix matches first."""
    search_text = text.strip().casefold()
    if not search_text:
        return
    areas_with_values = collection.areas()
    candidates = [(e.name, e.code, iris.area(e.area_vintage, e.code), e.kommun_name) for e in areas_with_values]
    for kommun in sorted({e.kommun for e in areas_with_values if e.kommun}):
        area = areas().kommuner[kommun]
        candidates.append((area.name, kommun, iris.area(area.area_vintage, kommun), ""))
    matches = [n for n in candidates if search_text in n[0].casefold() or search_text in n[1].casefold()]
    matches.sort(key=lambda n: (not n[0].casefold().startswith(search_text), bool(n[3]), n[0].casefold(), n[1]))
    for name, code, iri, where in matches[:MAX_AREAS]:
        label = f"{name} ({code})" + (f", {where}" if where else "")
        yield {"iri": iri, "kind": "area", "labels": {"": label}}


def _group_by(rows: Iterable[Row], name: str) -> Iterator[tuple[str, list[Row]]]:
    """Group rows by the value of a variable, in order of first occurrence."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[name]["value"], []).append(row)
    yield from groups.items()


def _texts_by_language(rows: Iterable[Row], name: str) -> dict[str, str]:
    return {row[name].get("xml:lang", ""): row[name]["value"] for row in rows if name in row}


def _json_response(document: Mapping[str, Any]) -> Response:
    """Return a JSON response, revalidated by ETag (304) until new data are published."""
    response = Response(json.dumps(document, ensure_ascii=False, separators=(",", ":")), mimetype=media_types.JSON)
    response.add_etag()
    response.headers["Cache-Control"] = "public, max-age=0, must-revalidate"
    response.make_conditional(request)
    return response
