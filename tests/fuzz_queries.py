"""`make fuzz`, second part: the endpoint under mutated queries, and a listener that none of them may reach.

For any query: no 500 but for a crash of the engine (QueryCrashed), no response later than the deadline, none truncated
under 200, no connection from us. The queries are those of the SPARQL 1.1 tests if the shared data is available, and our
examples; the mutations target SPARQL's weak points. A query that breaks a guarantee is printed with its seed.
"""

import argparse
import csv
import io
import json
import random
import sys
import tempfile
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from pyoxigraph import QueryResultsFormat, QuerySolutions, RdfFormat, parse, parse_query_results

from tests.conftest import ROOT, SHARED, Serving, Site, environment, free_port
from tests.servers.listener import Listener
from vaven.publisher.graph.store import EmbeddedStore
from vaven.publisher.sparql.lexer import tokens
from vaven.vocab.example_queries import examples
from vaven.vocab.iris import Iris

SECONDS = 2.0
# Beyond the deadline: the time that a loaded machine needs to stop a query and to respond.
SLACK = 20.0
CLIENTS = 4
LIMITS = {
    "VAVEN_QUERY_SECONDS": str(SECONDS),
    "VAVEN_QUERY_MEMORY_MB": "800",
    "VAVEN_ANSWER_MB": "4",
    "VAVEN_QUERIES_A_MINUTE": "1000000",
}
STATUSES = {200, 304, 400, 403, 406, 413, 415, 429, 500, 503, 504, 507}
ACCEPTED = (
    "*/*",
    "application/sparql-results+json",
    "application/sparql-results+xml",
    "text/csv",
    "text/tab-separated-values",
    "text/turtle",
    "application/n-triples",
    "application/rdf+xml",
    "application/ld+json",
    "text/html",
    "image/png",
)
# LISTENER is replaced by a URL on loopback that no query may reach.
CALLS = (
    "SERVICE <LISTENER> { ?s ?p ?o }",
    "SERVICE SILENT <LISTENER> { ?s ?p ?o }",
    "\\u0053ERVICE <LISTENER> { ?s ?p ?o }",
    "S\\u0045RVICE <LISTENER> { ?s ?p ?o }",
    "\\U00000053ERVICE <LISTENER> { ?s ?p ?o }",
    "SERVICE#x\n<LISTENER>{}",
    "#\rSERVICE <LISTENER> {}\n",
    "{ SELECT * { SERVICE <LISTENER> { ?s ?p ?o } } }",
    "OPTIONAL { SERVICE <LISTENER> {} }",
    "FILTER EXISTS { SERVICE <LISTENER> {} }",
    "MINUS { SERVICE <LISTENER> {} }",
    "GRAPH <LISTENER> { ?s ?p ?o }",
    "VALUES ?x { <LISTENER> } SERVICE ?x { ?s ?p ?o }",
    "FROM <LISTENER>",
    "FROM NAMED <LISTENER>",
    "LOAD <LISTENER>",
    "LOAD SILENT <LISTENER> INTO GRAPH <LISTENER>",
    "DESCRIBE <LISTENER>",
    "BASE <LISTENER>",
    "1SERVICE<LISTENER>{}",
    "trueSERVICE<LISTENER>{}",
    "FILTER(1<2#>'''\n)SERVICE <LISTENER> {} #'''",
)
FRAGMENTS = (
    *CALLS, "{", "}", "(", ")", "[", "]", "<", ">", "'", '"', '"""', "'''", "\\", "#", "\n", "\0", "\ud800", "\ufeff",
    "a:b", ":", "_:b", "?x", "$", "@sv", "^^", "^", "|", "*", "+", "!", "{" * 500, "(" * 3000, "a." * 3000, "9" * 400,
    "1e999", "-", "UNION", "OPTIONAL", "FILTER", "BIND", "VALUES", "MINUS", "GRAPH", "SELECT", "DISTINCT", "*",
    "ORDER BY", "GROUP BY ?x", "HAVING", "LIMIT 0", "LIMIT 99999999999999999999", "OFFSET -1", "COUNT(*)", "AVG(?x)",
    "NOT EXISTS { ?s ?p ?o }", "(a:p*)*", "(^a:p|!a:q)+", "?s ?p ?o . ?t ?q ?r . ?u ?v ?w .", "<< ?s ?p ?o >>",
    'FILTER(REGEX("' + "a" * 60 + '!", "(a+)+$"))', 'BIND(REPLACE("' + "a" * 60 + '", "(a|aa)+", "$1") AS ?z)',
    "BIND(CONCAT(STR(?s), STR(?o)) AS ?s)", "BIND(STRDT('x', <LISTENER>) AS ?y)", "INSERT DATA {}", "CLEAR ALL", ";",
    "PREFIX : <LISTENER>", "PREFIX a: <a:>", "UUID()", "RAND()", "NOW()", "IRI(CONCAT('LISTENER', ?x))", "\u2028",
    "å", "🏘",
)  # fmt: skip
# Every kind of term, for functions and sorting.
TERMS = "".join(
    f"<http://127.0.0.1/s{i % 7}> <http://127.0.0.1/p{i % 3}> {term} .\n"
    for i, term in enumerate(
        (
            "<http://127.0.0.1/s1>", "_:b1", '"a"', '"a\\tb\\"\\n"@sv', '"1"^^<http://www.w3.org/2001/XMLSchema#integer>',
            '"1e400"^^<http://www.w3.org/2001/XMLSchema#double>', '"x"^^<http://www.w3.org/2001/XMLSchema#integer>',
            '"2024"^^<http://www.w3.org/2001/XMLSchema#gYear>', '"NaN"^^<http://www.w3.org/2001/XMLSchema#double>',
            '"2024-02-30"^^<http://www.w3.org/2001/XMLSchema#date>', '"true"^^<http://www.w3.org/2001/XMLSchema#boolean>',
            '"9999999999999999999"^^<http://www.w3.org/2001/XMLSchema#integer>', '"P1Y"^^<http://127.0.0.1/own>', '""',
        )
        * 3
    )
)  # fmt: skip
PARAMETERS = (
    ("default-graph-uri", "LISTENER"),
    ("named-graph-uri", "LISTENER"),
    ("default-graph-uri", "not an iri"),
    ("default-graph-uri", ""),
    ("format", "json"),
    ("format", "xml"),
    ("format", "nothing"),
    ("explain", "empty"),
    ("query", "ASK {}"),
    ("update", "CLEAR ALL"),
    ("timeout", "1"),
    ("lang", "sv"),
)


def seeds() -> list[str]:
    """Return real queries: the W3C's, some of them with errors, and ours."""
    paths = sorted((SHARED / "sparql11-tests").rglob("*.rq")) if SHARED.is_dir() else []
    updates = sorted((SHARED / "sparql11-tests").rglob("*.ru"))[::6] if SHARED.is_dir() else []
    ours = [example.query("http://127.0.0.1/") for example in examples().values()] * 5
    calls = [f"SELECT * {{ {call} }}" for call in CALLS]
    return [path.read_text("utf-8", "replace") for path in paths + updates] + ours + calls


def mutated(seeds: Sequence[str], dice: random.Random) -> str:
    """Return a seed, unchanged or with a few changes of its tokens and characters, or with fragments inserted."""
    text = dice.choice(seeds)
    for _ in range(dice.choice((0, 0, 0, 1, 1, 1, 2, 4))):
        text = dice.choice((_insert, _insert, _token, _splice, _character, _nest))(text, seeds, dice)
    return text[:300_000]


def _insert(text: str, _: Sequence[str], dice: random.Random) -> str:
    starts = [token.start for token in tokens(text)]
    at = dice.choice(starts) if starts else 0
    return f"{text[:at]} {dice.choice(FRAGMENTS)} {text[at:]}"


def _token(text: str, _: Sequence[str], dice: random.Random) -> str:
    """Delete a token, repeat it, or replace it by another."""
    every = list(tokens(text))
    if not every:
        return text
    one, other = dice.choice(every), dice.choice(every)
    replacement = dice.choice(("", f"{one.text} {one.text}", other.text))
    return text[: one.start] + replacement + text[one.end :]


def _splice(text: str, seeds: Sequence[str], dice: random.Random) -> str:
    other = dice.choice(seeds)
    return text[: dice.randrange(len(text) + 1)] + other[dice.randrange(len(other) + 1) :]


def _character(text: str, _: Sequence[str], dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    return (
        text[:at]
        + chr(dice.choice((dice.randrange(128), dice.randrange(0x3000), 0x1F600)))
        + text[at + dice.randrange(2) :]
    )


def _nest(text: str, _: Sequence[str], dice: random.Random) -> str:
    depth = dice.choice((1, 3, 30, 3000))
    return text.replace("{", "{" * depth, 1).replace("}", "}" * depth, 1)


@dataclass
class Outcome:
    """Count of each status, the longest response time in seconds, and the broken guarantees."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    broken: list[str] = field(default_factory=list)


def attack(site: Site, listener: Listener, seeds: Sequence[str], numbers: Sequence[int]) -> Outcome:
    """Send the queries of these seeds, a few at a time."""
    outcome, lock = Outcome(), threading.Lock()

    def one(number: int) -> None:
        dice = random.Random(number)
        query = mutated(seeds, dice).replace("LISTENER", listener.address)
        started = time.monotonic()
        try:
            status = _sent(site, query, dice, listener.address)
            problem = "" if status in STATUSES else f"status {status}"
        except (AssertionError, HTTPException, OSError, SyntaxError, ValueError) as error:
            status, problem = 0, f"{type(error).__name__}: {error}"[:300]
        seconds = time.monotonic() - started
        with lock:
            outcome.statuses[status] += 1
            outcome.slowest = max(outcome.slowest, seconds)
            if seconds > SECONDS + SLACK:
                outcome.broken.append(f"{number}: {seconds:.1f} s")
            if problem:
                outcome.broken.append(f"{number}: {problem}: {query[:300]!r}")

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one, numbers))
    if listener.connections:
        outcome.broken.append(f"{listener.connections} connections to the listener")
    return outcome


def _sent(site: Site, query: str, dice: random.Random, address: str) -> int:
    """Send a query by one of the protocol's operations; returns the status of its complete response."""
    more = [p for p in PARAMETERS if dice.random() < 0.04]
    parameters = [(name, value.replace("LISTENER", address)) for name, value in more]
    headers = {
        "Accept": dice.choice(ACCEPTED) + dice.choice(("", ", */*;q=0.1", ", */*;q=0.1")),
        "Accept-Encoding": "identity",
    }
    encoded = query.encode("utf-8", "surrogatepass")
    operation = dice.choice(("get", "form", "direct")) if len(encoded) < 50_000 else "direct"
    method, path, body = "POST", "/sparql", encoded
    if operation == "direct":
        path += "?" + urllib.parse.urlencode(parameters)
        headers["Content-Type"] = "application/sparql-query"
    else:
        content = urllib.parse.urlencode([("query", encoded), *parameters])
        method, path, body = (
            ("GET", f"{path}?{content}", b"") if operation == "get" else ("POST", path, content.encode())
        )
        headers |= {"Content-Type": "application/x-www-form-urlencoded"} if operation == "form" else {}
    server = urllib.parse.urlsplit(site.url)
    connection = HTTPConnection(server.hostname or "", server.port, timeout=SECONDS + 3 * SLACK)
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        content_type = (response.headers["Content-Type"] or "").split(";")[0]
        _check_complete(response.status, content_type, response.read(), response.headers["Content-Length"])
    finally:
        connection.close()
    return response.status


def _check_complete(status: int, kind: str, body: bytes, length: str | None) -> None:
    """Assert that a result parses to its end in its declared media type, and that an error has a title."""
    assert length is None or int(length) == len(body), "not of its declared length"
    if kind == "text/html":
        assert body.rstrip().endswith(b"</html>"), "a truncated page"
    elif status != 200:
        assert kind == "application/problem+json", kind
        problem = json.loads(body)
        assert problem["title"]
        assert status != 500 or problem["type"].endswith("/help/sparql-crash"), problem
    elif kind == "application/json":
        json.loads(body)
    elif kind == "text/plain":
        assert body.decode().endswith("\n"), "a truncated explanation"
    elif results_format := QueryResultsFormat.from_media_type(kind):
        if kind == "text/csv":
            _check_table(body.decode())
        elif isinstance(results := parse_query_results(body, format=results_format), QuerySolutions):
            list(results)
    else:
        form = RdfFormat.from_media_type(kind)
        assert form, kind
        list(parse(body, form))


def _check_table(text: str) -> None:
    """Assert that each row of a CSV result is as wide as the header and ends; a boolean has neither."""
    if text in ("true", "false"):
        return
    assert text.endswith("\n"), "truncated CSV"
    assert len({max(len(row), 1) for row in csv.reader(io.StringIO(text, newline=""))}) == 1, "a truncated row"


def serving(home: Path) -> Serving:
    """Prepare a site of a few hundred triples with low limits."""
    port = free_port()
    (home / "terms.nt").write_text(TERMS)
    ontology = (ROOT / "vocab" / "rdf" / "ontology.ttl").read_text("utf-8")
    (home / "ontology.ttl").write_text(f"@base <http://127.0.0.1/> .\n{ontology}", "utf-8")
    graphs = {f"http://127.0.0.1/{name.partition('.')[0]}": [home / name] for name in ("terms.nt", "ontology.ttl")}
    EmbeddedStore(home / "graph", Iris("http://example.org/")).replace(graphs, contents={})
    return Serving(home, port, environment(home, port, **LIMITS))


def run(seconds: float, first: int, report: Callable[[str], None]) -> int:
    """Attack until the time is used up; returns the number of broken guarantees."""
    listener, real, number, broken = Listener(), seeds(), first, 0
    statuses: Counter[int] = Counter()
    with tempfile.TemporaryDirectory(prefix="vaven-fuzz-") as home, serving(Path(home)) as site:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            outcome = attack(site, listener, real, range(number, number + 200))
            number += 200
            broken += len(outcome.broken)
            statuses += outcome.statuses
            for line in outcome.broken:
                report(line)
    listener.close()
    report(f"{number - first} queries, {broken} broken guarantees, by status {dict(sorted(statuses.items()))}")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="seconds in all")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed makes the same queries")
    options = parser.parse_args()
    return min(run(options.seconds, options.seed, lambda line: print(line, flush=True)), 1)


if __name__ == "__main__":
    sys.exit(main())
