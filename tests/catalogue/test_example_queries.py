"""The example queries: each says what it asks, runs on the published sample and gives rows."""

import csv
import io
import json
import urllib.request
from urllib.parse import urlencode

import pytest

from tests.conftest import ROOT, Site
from vaven.vocab.areas import areas
from vaven.vocab.example_queries import Example, examples
from vaven.vocab.iris import Iris


def rows(site: Site, query: str) -> list[dict[str, str]]:
    asked = urllib.request.Request(site.url + "sparql?" + urlencode({"query": query}), headers={"Accept": "text/csv"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return list(csv.DictReader(io.StringIO(answer.read().decode("utf-8"))))


def test_there_are_examples_enough_and_the_benchmark_asks_the_same() -> None:
    assert len(examples()) >= 12
    asked = {path.stem for path in (ROOT / "benchmarks" / "queries").glob("*.rq")}
    assert asked == set(examples())


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("example", examples().values(), ids=lambda example: example.id)
def test_example_gives_rows(whole_way: Site, example: Example, language: str) -> None:
    found = rows(whole_way, example.query(whole_way.url, language))
    assert found, example.text
    # A column that no row fills is a pattern that matches nothing.
    empty = [name for name in found[0] if not any(row[name] for row in found)]
    assert empty == []
    assert len({tuple(row.values()) for row in found}) == len(found), "a row is said twice"


@pytest.mark.parametrize("example", examples().values(), ids=lambda example: example.id)
def test_example_asks_in_words_and_says_its_rows_and_cost(example: Example) -> None:
    text = (ROOT / "vocab" / "queries" / f"{example.id}.rq").read_text("utf-8")
    assert all(example.titles[language] for language in ("sv", "en"))
    assert example.titles["sv"] != example.titles["en"]
    assert example.keywords
    assert "# Out: " in text
    assert "Cost: " in text
    assert example.query("http://x/").startswith("PREFIX ")
    assert "{" + "base}" not in example.query("http://x/")


def test_missing_values_do_not_count_as_numbers(whole_way: Site) -> None:
    """The mean leaves out what is suppressed, as the CSV of the release has it."""
    found = rows(whole_way, examples()["mean-by-kommun"].query(whole_way.url))
    sample = list(csv.DictReader((ROOT / "catalogue/sample/package/observations.csv").open(encoding="utf-8")))
    kept = [
        float(row["value"])
        for row in sample
        if (row["kpi"], row["period"], row["sex"]) == ("tillit", "2024", "T")
        and row["neighbourhood"].startswith("1480")
        and row["value"]
    ]
    mine = [r for r in found if r["name"] == "Göteborg" and r["label"].startswith("Man kan lita")]
    assert [float(r["mean"]) for r in mine] == [pytest.approx(sum(kept) / len(kept))]


def test_the_endpoint_holds_the_examples_where_other_editors_look(whole_way: Site) -> None:
    """The query that SIB's sparql-editor asks an endpoint for its examples, and for its prefixes."""
    held = rows(
        whole_way,
        """PREFIX sh: <http://www.w3.org/ns/shacl#> PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
        SELECT DISTINCT ?sq ?comment ?query WHERE {
          ?sq a sh:SPARQLExecutable ; rdfs:comment ?comment ; sh:select|sh:ask|sh:construct ?query
        } ORDER BY ?sq""",
    )
    stem = whole_way.url + "id/query/"
    assert {row["sq"].removeprefix(stem): row["query"] for row in held} == {
        example.id: example.query(whole_way.url) for example in examples().values()
    }
    assert len(held) == 2 * len(examples()), "a comment in each language"
    prefixes = rows(
        whole_way,
        """PREFIX sh: <http://www.w3.org/ns/shacl#>
        SELECT DISTINCT ?prefix ?namespace WHERE { [] sh:declare [ sh:prefix ?prefix ; sh:namespace ?namespace ] }""",
    )
    assert {row["prefix"]: row["namespace"] for row in prefixes} == Iris(whole_way.url).prefixes


def test_every_municipality_has_an_outline_that_is_geojson() -> None:
    outlines = areas().outlines
    assert outlines.keys() == areas().kommuner.keys()
    for outline in map(json.loads, outlines.values()):
        assert outline["type"] in ("Polygon", "MultiPolygon")
        polygons = [outline["coordinates"]] if outline["type"] == "Polygon" else outline["coordinates"]
        for ring in (ring for polygon in polygons for ring in polygon):
            assert len(ring) >= 4
            assert ring[0] == ring[-1], "RFC 7946, section 3.1.6"
            assert all(10.5 < x < 24.5 and 55 < y < 69.5 for x, y in ring), "Sweden"
