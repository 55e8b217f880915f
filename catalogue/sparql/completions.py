"""What the SPARQL editor completes and describes, asked of the endpoint itself and kept while the snapshot is the same.

/sparql/completions.json has prefixes, terms and the examples that the endpoint holds; with ?area=… the areas whose name
or code has the text, since all of Sweden's would drown a browser. /sparql/classes.json has the classes with their
number of things and their properties.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, request

from vaven.catalogue.harvest.graph_statistics import GraphStatisticsCache
from vaven.catalogue.http.i18n import language_of_programs
from vaven.catalogue.http.problem_details import problem
from vaven.publisher.engine.interface import QueryEngine
from vaven.publisher.published.collection import Collection
from vaven.vocab.areas import areas
from vaven.vocab.errors import QueryBusy, QueryError
from vaven.vocab.iris import Iris

JSON_RESULTS = "application/sparql-results+json"
AREAS_SHOWN = 30
KEPT_SECONDS = 300
Row = Mapping[str, Mapping[str, str]]


def blueprint(engine: QueryEngine, collection: Collection, overviews: GraphStatisticsCache, iris: Iris) -> Blueprint:
    pages = Blueprint("completions", __name__)
    terms = CachedByGraph(engine, lambda: all_terms(engine, iris))
    classes = CachedByGraph(engine, lambda: {"classes": list(_classes(engine, overviews, iris))})

    @pages.get("/sparql/completions.json")
    def completions() -> Response:
        if (text := request.args.get("area")) is not None:
            return _json({"areas": list(find_areas(collection, iris, text))})
        return terms.answer()

    @pages.get("/sparql/classes.json")
    def described() -> Response:
        return classes.answer()

    @pages.get("/sparql/kommuner.geojson")
    def outlines() -> Response:
        """The kommuner to draw under a map of results."""
        answer = Response(
            (files("vaven.vocab.areas") / "kommuner.geojson").read_bytes(), mimetype="application/geo+json"
        )
        answer.headers["Cache-Control"] = f"public, max-age={KEPT_SECONDS}"
        return answer

    return pages


class CachedByGraph:
    """What `build` gives, built once for each state of the graph; safe to call from many threads.

    A remote server doesn't tell its state; then it is built once for the process.
    """

    def __init__(self, engine: QueryEngine, build: Callable[[], dict[str, Any]]) -> None:
        self._engine, self._build = engine, build
        self._lock = threading.Lock()
        self._state: str | None = None
        self._found: dict[str, Any] = {}

    def answer(self) -> Response:
        state = self._engine.state()
        if state != self._state:
            # Counting may take long: who comes meanwhile is told to come back, and no thread of the server waits.
            if not self._lock.acquire(blocking=False):
                return _later("It is just being worked out.")
            try:
                self._found, self._state = self._build(), state
            except QueryBusy as busy:
                return _later(busy.message(language_of_programs()))
            finally:
                self._lock.release()
        return _json(self._found)


def _later(why: str) -> Response:
    answer = problem(503, "Not yet", why, remedy="Ask again in a moment.")
    answer.headers["Retry-After"] = "1"
    return answer


def all_terms(engine: QueryEngine, iris: Iris) -> dict[str, Any]:
    """Prefixes, terms and examples; terms are {iri, kind, labels} and, where there are, notes. Raises QueryBusy."""
    terms = []
    for iri, rows in _by(_ask(engine, iris, "terms"), "iri"):
        found = {"iri": iri, "kind": rows[0]["kind"]["value"], "labels": _texts(rows, "label")}
        terms.append(found | ({"notes": notes} if (notes := _texts(rows, "note")) else {}))
    examples = [
        {"iri": iri, "titles": _texts(rows, "label"), "query": rows[0]["query"]["value"]}
        for iri, rows in _by(_ask(engine, iris, "examples"), "iri")
    ]
    return {"prefixes": iris.prefixes, "terms": terms, "examples": examples}


def _classes(engine: QueryEngine, overviews: GraphStatisticsCache, iris: Iris) -> Iterator[dict[str, Any]]:
    """Every class with how many things have it, as VoID tells, and the properties of its things; the largest first."""
    classes = overviews.now().whole.classes
    for name in sorted(classes, key=lambda name: (-classes[name], name)):
        having = _ask(engine, iris, "properties-of-class", {"class": name})
        properties = [found["property"]["value"] for found in having]
        yield {"iri": name, "things": classes[name], "properties": properties}


def _ask(engine: QueryEngine, iris: Iris, name: str, given: Mapping[str, str] | None = None) -> list[Row]:
    """The rows of a query of this room; none where the engine can't end it. Raises QueryBusy: then later it can."""
    query = (files(__package__) / "queries" / f"{name}.rq").read_text("utf-8")
    for key, value in {"base": iris.base, **(given or {})}.items():
        query = query.replace(f"{{{key}}}", value)
    try:
        answer = engine.answer(query, media_type=JSON_RESULTS)
    except QueryBusy:
        raise
    except QueryError:
        return []
    try:
        rows: list[Row] = json.load(answer.file)["results"]["bindings"]
    finally:
        answer.close()
    return rows


def find_areas(collection: Collection, iris: Iris, text: str) -> Iterator[dict[str, Any]]:
    """Areas with values, and the kommuner they lie in, whose name or code has the text; whole beginnings first."""
    wanted = text.strip().casefold()
    if not wanted:
        return
    entries = collection.areas()
    named = [(e.name, e.code, iris.area(e.division, e.code), e.kommun_name) for e in entries]
    for kommun in sorted({e.kommun for e in entries if e.kommun}):
        around = areas().kommuner[kommun]
        named.append((around.name, kommun, iris.area(around.division, kommun), ""))
    fitting = [n for n in named if wanted in n[0].casefold() or wanted in n[1].casefold()]
    fitting.sort(key=lambda n: (not n[0].casefold().startswith(wanted), bool(n[3]), n[0].casefold(), n[1]))
    for name, code, iri, where in fitting[:AREAS_SHOWN]:
        label = f"{name} ({code})" + (f", {where}" if where else "")
        yield {"iri": iri, "kind": "area", "labels": {"": label}}


def _by(rows: Iterable[Row], name: str) -> Iterator[tuple[str, list[Row]]]:
    """Rows grouped by the value of a variable, in the order of its first row."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[name]["value"], []).append(row)
    yield from groups.items()


def _texts(rows: Iterable[Row], name: str) -> dict[str, str]:
    return {row[name].get("xml:lang", ""): row[name]["value"] for row in rows if name in row}


def _json(found: Mapping[str, Any]) -> Response:
    """Asked for again, it is 304 until something else is published."""
    answer = Response(json.dumps(found, ensure_ascii=False, separators=(",", ":")), mimetype="application/json")
    answer.add_etag()
    answer.headers["Cache-Control"] = "public, max-age=0, must-revalidate"
    answer.make_conditional(request)
    return answer
