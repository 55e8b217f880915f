"""Explanations of empty results over HTTP: JSON, text and page, in both languages, and never a 500."""

import html
import json
import re
import shutil
import urllib.parse
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.catalogue.test_endpoint import query_endpoint
from tests.conftest import SAMPLE, Site
from vaven.catalogue.app import create_app
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab.messages import messages

OLD_AREA = "1480C3950"
FORM = "application/x-www-form-urlencoded"
QUERY = """PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
SELECT ?o WHERE {
  ?o <ns#kpi> ?kpi .
  ?kpi skos:broader/skos:prefLabel "Trygghet" .
}"""


def explained(site: Site, query: str = QUERY, **params: str) -> dict[str, Any]:
    status, headers, body = query_endpoint(site, query, accept="application/json", explain="empty", **params)
    assert (status, headers["Content-Type"]) == (200, "application/json"), body
    document: dict[str, Any] = json.loads(body)
    return document


def test_the_json_structure_is_as_documented(whole_way: Site) -> None:
    explanation = explained(whole_way, lang="en")
    assert explanation.keys() == {"answer", "message", "findings", "isLeast", "asked", "seconds"}
    (finding,) = explanation["findings"]
    assert finding.keys() == {"reason", "message", "places", "remedies"}
    text = '?kpi skos:broader/skos:prefLabel "Trygghet"'
    assert finding["places"] == [{"line": 4, "column": 3, "endLine": 4, "endColumn": 3 + len(text), "text": text}]
    (remedy,) = finding["remedies"]
    assert remedy["kind"] == "language"
    position = {"line": 4, "column": 36, "endLine": 4, "endColumn": 46, "text": '"Trygghet"'}
    assert remedy["replace"] == position | {"by": '"Trygghet"@sv'}


@pytest.mark.parametrize(("language", "word"), [("sv", "Rad 4"), ("en", "Line 4")])
def test_explanations_are_in_both_languages_in_every_format(whole_way: Site, language: str, word: str) -> None:
    assert explained(whole_way, lang=language)["findings"][0]["message"].startswith(word)
    status, headers, body = query_endpoint(whole_way, QUERY, accept="text/plain", explain="empty", lang=language)
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert headers["Content-Language"] == language
    assert f"\n{word}: " in body.decode()
    status, headers, body = query_endpoint(whole_way, QUERY, accept="text/html", explain="empty", lang=language)
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert word in body.decode()
    sent = urllib.parse.urlencode({"query": QUERY, "explain": "empty", "lang": language}).encode()
    _, _, body = query_endpoint(whole_way, accept="application/json", method="POST", body=sent, kind=FORM)
    assert json.loads(body)["findings"][0]["message"].startswith(word)


def test_the_page_marks_the_line_without_javascript(whole_way: Site) -> None:
    _, _, body = query_endpoint(whole_way, QUERY, accept="text/html")
    assert '<button name="explain" value="empty">' in body.decode()
    _, _, body = query_endpoint(whole_way, QUERY, accept="text/html", explain="empty")
    (line,) = re.findall(r'<li class="why-line"><code>(.*?)</code>', body.decode())
    assert re.search(r'<mark class="why-mark">(.*?)</mark>', line)
    _, _, body = query_endpoint(whole_way, "SELECT * { ?s ?p ?o } LIMIT 1", accept="text/html")
    assert 'name="explain"' not in body.decode()


@pytest.mark.parametrize("query", ["ASK { <a:a> ?p ?o }", "CONSTRUCT { ?s ?p ?o } { <a:a> ?p ?o . ?s ?p ?o }"])
def test_the_page_offers_an_explanation_for_other_query_forms_too(whole_way: Site, query: str) -> None:
    assert '<button name="explain" value="empty">' in query_endpoint(whole_way, query, accept="text/html")[2].decode()
    assert explained(whole_way, query)["answer"] == "empty"


def test_terms_from_the_graph_statistics_are_suggested(whole_way: Site) -> None:
    suggestion = explained(whole_way, "SELECT * { ?o <ns#kpis> ?k }", lang="en")["findings"][0]["remedies"][0]
    assert (suggestion["kind"], suggestion["replace"]["by"]) == ("nearest", "<ns#kpi>")
    suggestion = explained(whole_way, "SELECT * { ?o <ns#kpi> <id/kpi/trygg-mörker> }")["findings"][0]["remedies"][0]
    assert (suggestion["kind"], suggestion["replace"]["by"]) == ("nearest", "<id/kpi/trygg-morker>")


def test_a_nonempty_result_is_reported_as_such(whole_way: Site) -> None:
    explanation = explained(whole_way, "SELECT * { ?s ?p ?o }")
    assert (explanation["answer"], explanation["findings"]) == ("not-empty", [])


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [("SELECT * {\n ?s ?p }", 400, "syntax"), ("SELECT * { SERVICE <http://x/> { ?s ?p ?o } }", 403, "refused")],
)
def test_errors_are_those_of_the_query(whole_way: Site, query: str, status: int, kind: str) -> None:
    response_status, headers, body = query_endpoint(whole_way, query, accept="application/json", explain="empty")
    assert (response_status, headers["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(body)["type"].endswith(f"help/sparql-{kind}")


def test_unsupported_explanations_and_formats_are_refused(whole_way: Site) -> None:
    assert query_endpoint(whole_way, QUERY, explain="everything")[0] == 400
    assert query_endpoint(whole_way, QUERY, accept="image/png", explain="empty")[0] == 406
    assert query_endpoint(whole_way, QUERY, accept="application/sparql-results+json", explain="empty")[0] == 200
    assert query_endpoint(whole_way, QUERY, explain="empty", format="text")[1].get_content_type() == "text/plain"


def test_results_and_explanations_are_cached_separately(whole_way: Site) -> None:
    for _ in range(3):
        assert "results" in json.loads(query_endpoint(whole_way, QUERY, accept="application/json")[2])
        assert "findings" in explained(whole_way)


def test_every_reason_and_suggestion_has_a_message() -> None:
    texts = messages("sv", "catalogue").texts
    reasons = (files("vaven.publisher.explain") / "empty_answer.py").read_text("utf-8")
    remedies = (files("vaven.publisher.explain") / "suggestions.py").read_text("utf-8")
    keys = {f"why.reason.{name}" for name in re.findall(r'EmptyReason\(\s*"([a-z-]+)"', reasons)}
    keys |= {f"why.remedy.{name}" for name in re.findall(r'(?:Suggestion\(\s*|yield |\(\()"([a-z-]+)"', remedies)}
    assert len(keys) > 20
    assert keys <= texts.keys()


def test_an_area_that_only_an_older_version_had_is_explained_with_a_link_to_that_version(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", base_iri="http://localhost/")
    package = Path(shutil.copytree(SAMPLE / "package", tmp_path / "package"))
    publish(package, settings)
    app = create_app(settings)
    query = f"""PREFIX dim: <http://purl.org/linked-data/sdmx/2009/dimension#>
SELECT * {{ ?o dim:refArea <id/area/deso2018/{OLD_AREA}> }}"""
    try:
        client = app.test_client()
        params = {"query": query, "explain": "empty", "lang": "en"}
        assert client.get("/sparql", query_string=params).get_json()["answer"] == "not-empty"
        for name in ("observations.csv", "neighbourhoods.csv"):
            lines = (package / name).read_text("utf-8").splitlines(keepends=True)
            (package / name).write_text("".join(line for line in lines if OLD_AREA not in line), "utf-8")
        publish(package, settings, note="Utan Lövgärdet")
        # The application is the same: what it knows of the data is that of their present state.
        explanation = client.get("/sparql", query_string=params).get_json()
        ((remedy,),) = [finding["remedies"] for finding in explanation["findings"]]
        assert (explanation["answer"], remedy["kind"]) == ("empty", "older")
        page = "http://localhost/dataset/exempel-tre-kommuner/1"
        assert remedy["message"].endswith(f"the dataset exempel-tre-kommuner. Version 1 has it: {page}")
        assert client.get(page, headers={"Accept": "text/html"}).status_code == 200
        areas = client.get("/sparql/completions.json?area=Lövgärdet").get_json()["areas"]
        assert [area for area in areas if OLD_AREA in area["iri"]] == []
        # A withdrawn version is not shown, so it is no help.
        withdraw(settings, "exempel-tre-kommuner", 1, reason="Fel fil")
        ((remedy,),) = [f["remedies"] for f in client.get("/sparql", query_string=params).get_json()["findings"]]
        assert remedy["kind"] != "older"
    finally:
        app.extensions["vaven"].close()


def test_an_alias_in_having_is_explained_on_the_page_and_in_both_languages(whole_way: Site) -> None:
    query = "SELECT ?k (COUNT(*) AS ?n) { ?o <ns#kpi> ?k } GROUP BY ?k HAVING(?n > 100)"
    for language, words in (("en", "HAVING can't use ?n"), ("sv", "HAVING kan inte använda ?n")):
        (finding,) = explained(whole_way, query, lang=language)["findings"]
        (remedy,) = finding["remedies"]
        assert remedy["message"].startswith(words)
        assert remedy["message"].endswith("HAVING(COUNT(*) > 100)")
        assert (remedy["replace"]["text"], remedy["replace"]["by"]) == ("HAVING(?n > 100)", "HAVING(COUNT(*) > 100)")
        _, _, body = query_endpoint(whole_way, query, accept="text/html", explain="empty", lang=language)
        assert html.escape(words, quote=False).replace("'", "&#39;") in body.decode()
    fixed = query.replace(remedy["replace"]["text"], remedy["replace"]["by"])
    status, _, body = query_endpoint(whole_way, fixed)
    assert (status, len(json.loads(body)["results"]["bindings"])) == (200, 1)


def test_a_comparison_over_missing_values_is_explained(whole_way: Site) -> None:
    missing = "{ SELECT ?v { ?o measure:obsValue ?v FILTER (!isNumeric(?v)) } }"
    query = f"""PREFIX measure: <http://purl.org/linked-data/sdmx/2009/measure#>
SELECT ?v {{ {missing} FILTER (?v < 60) }}"""
    (finding,) = explained(whole_way, query, lang="en")["findings"]
    (remedy,) = finding["remedies"]
    assert (finding["reason"], remedy["kind"]) == ("filter", "missing")
    assert 'All values of ?v here are missing (""^^<https://cube.link/Undefined>)' in remedy["message"]
