"""The example queries: each has a title, runs on the published sample and returns rows."""

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
    request = urllib.request.Request(site.url + "sparql?" + urlencode({"query": query}), headers={"Accept": "text/csv"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return list(csv.DictReader(io.StringIO(response.read().decode("utf-8"))))


def test_there_are_enough_examples_and_the_benchmark_uses_them() -> None:
    assert len(examples()) >= 12
    benchmark_names = {path.stem for path in (ROOT / "benchmarks" / "queries").glob("*.rq")}
    assert benchmark_names == set(examples())


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("example", examples().values(), ids=lambda example: example.id)
def test_example_returns_rows(whole_way: Site, example: Example, language: str) -> None:
    result = rows(whole_way, example.query(whole_way.url, language))
    assert result, example.text
    # A column without values means that its pattern matches nothing.
    empty = [name for name in result[0] if not any(row[name] for row in result)]
    assert empty == []
    assert len({tuple(row.values()) for row in result}) == len(result), "a row is said twice"


@pytest.mark.parametrize("example", examples().values(), ids=lambda example: example.id)
def test_example_has_titles_columns_and_cost(example: Example) -> None:
    text = (ROOT / "vocab" / "queries" / f"{example.id}.rq").read_text("utf-8")
    assert all(example.titles[language] for language in ("sv", "en"))
    assert example.titles["sv"] != example.titles["en"]
    assert example.keywords
    assert "# Out: " in text
    assert "Cost: " in text
    assert example.query("http://x/").startswith("PREFIX ")
    assert "{" + "base}" not in example.query("http://x/")


def test_missing_values_do_not_count_as_numbers(whole_way: Site) -> None:
    """The mean excludes suppressed values, like the CSV of the release."""
    result = rows(whole_way, examples()["mean-by-kommun"].query(whole_way.url))
    sample = list(csv.DictReader((ROOT / "catalogue/sample/package/observations.csv").open(encoding="utf-8")))
    values = [
        float(row["value"])
        for row in sample
        if (row["kpi"], row["period"], row["sex"]) == ("tillit", "2024", "T")
        and row["neighbourhood"].startswith("1480")
        and row["value"]
    ]
    means = [r for r in result if r["name"] == "Göteborg" and r["label"].startswith("Svarande som litar")]
    assert [float(r["mean"]) for r in means] == [pytest.approx(sum(values) / len(values))]


def test_the_examples_are_stored_where_other_editors_look(whole_way: Site) -> None:
    """SIB's sparql-editor sends these queries to an endpoint for its examples and prefixes."""
    stored = rows(
        whole_way,
        """PREFIX sh: <http://www.w3.org/ns/shacl#> PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
        SELECT DISTINCT ?sq ?comment ?query WHERE {
          ?sq a sh:SPARQLExecutable ; rdfs:comment ?comment ; sh:select|sh:ask|sh:construct ?query
        } ORDER BY ?sq""",
    )
    iri_prefix = whole_way.url + "id/query/"
    assert {row["sq"].removeprefix(iri_prefix): row["query"] for row in stored} == {
        example.id: example.query(whole_way.url) for example in examples().values()
    }
    assert len(stored) == 2 * len(examples()), "a comment in each language"
    prefixes = rows(
        whole_way,
        """PREFIX sh: <http://www.w3.org/ns/shacl#>
        SELECT DISTINCT ?prefix ?namespace WHERE { [] sh:declare [ sh:prefix ?prefix ; sh:namespace ?namespace ] }""",
    )
    assert {row["prefix"]: row["namespace"] for row in prefixes} == Iris(whole_way.url).prefixes


def test_every_municipality_has_a_geojson_outline() -> None:
    outlines = areas().outlines
    assert outlines.keys() == areas().kommuner.keys()
    for outline in map(json.loads, outlines.values()):
        assert outline["type"] in ("Polygon", "MultiPolygon")
        polygons = [outline["coordinates"]] if outline["type"] == "Polygon" else outline["coordinates"]
        for ring in (ring for polygon in polygons for ring in polygon):
            assert len(ring) >= 4
            assert ring[0] == ring[-1], "RFC 7946, section 3.1.6"
            assert all(10.5 < x < 24.5 and 55 < y < 69.5 for x, y in ring), "Sweden"
