"""Why an answer is empty, over HTTP: JSON, text and page, in both languages, and never a 500."""

import json
import re
import urllib.parse
from importlib.resources import files
from typing import Any

import pytest

from tests.catalogue.test_endpoint import ask
from tests.conftest import Site
from vaven.vocab.messages import messages

FORM = "application/x-www-form-urlencoded"
QUERY = """PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
SELECT ?o WHERE {
  ?o <ns#kpi> ?kpi .
  ?kpi skos:broader/skos:prefLabel "Trygghet" .
}"""


def told(site: Site, query: str = QUERY, **more: str) -> dict[str, Any]:
    status, headers, body = ask(site, query, accept="application/json", explain="empty", **more)
    assert (status, headers["Content-Type"]) == (200, "application/json"), body
    found: dict[str, Any] = json.loads(body)
    return found


def test_the_shape_is_as_documented(whole_way: Site) -> None:
    found = told(whole_way, lang="en")
    assert found.keys() == {"answer", "message", "findings", "isLeast", "asked", "seconds"}
    (finding,) = found["findings"]
    assert finding.keys() == {"reason", "message", "places", "remedies"}
    text = '?kpi skos:broader/skos:prefLabel "Trygghet"'
    assert finding["places"] == [{"line": 4, "column": 3, "endLine": 4, "endColumn": 3 + len(text), "text": text}]
    (remedy,) = finding["remedies"]
    assert remedy["kind"] == "language"
    place = {"line": 4, "column": 36, "endLine": 4, "endColumn": 46, "text": '"Trygghet"'}
    assert remedy["replace"] == place | {"by": '"Trygghet"@sv'}


@pytest.mark.parametrize(("language", "word"), [("sv", "Rad 4"), ("en", "Line 4")])
def test_it_speaks_both_languages_in_every_form(whole_way: Site, language: str, word: str) -> None:
    assert told(whole_way, lang=language)["findings"][0]["message"].startswith(word)
    status, headers, body = ask(whole_way, QUERY, accept="text/plain", explain="empty", lang=language)
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert headers["Content-Language"] == language
    assert f"\n{word}: " in body.decode()
    status, headers, body = ask(whole_way, QUERY, accept="text/html", explain="empty", lang=language)
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert word in body.decode()
    sent = urllib.parse.urlencode({"query": QUERY, "explain": "empty", "lang": language}).encode()
    _, _, body = ask(whole_way, accept="application/json", method="POST", body=sent, kind=FORM)
    assert json.loads(body)["findings"][0]["message"].startswith(word)


def test_the_page_marks_the_line_without_javascript(whole_way: Site) -> None:
    _, _, body = ask(whole_way, QUERY, accept="text/html")
    assert '<button name="explain" value="empty">' in body.decode()
    _, _, body = ask(whole_way, QUERY, accept="text/html", explain="empty")
    (line,) = re.findall(r'<li class="why-line"><code>(.*?)</code>', body.decode())
    assert re.search(r'<mark class="why-mark">(.*?)</mark>', line)
    _, _, body = ask(whole_way, "SELECT * { ?s ?p ?o } LIMIT 1", accept="text/html")
    assert 'name="explain"' not in body.decode()


@pytest.mark.parametrize("query", ["ASK { <a:a> ?p ?o }", "CONSTRUCT { ?s ?p ?o } { <a:a> ?p ?o . ?s ?p ?o }"])
def test_the_page_offers_it_for_the_other_forms_too(whole_way: Site, query: str) -> None:
    assert '<button name="explain" value="empty">' in ask(whole_way, query, accept="text/html")[2].decode()
    assert told(whole_way, query)["answer"] == "empty"


def test_what_the_overview_knows_is_proposed(whole_way: Site) -> None:
    found = told(whole_way, "SELECT * { ?o <ns#kpis> ?k }", lang="en")["findings"][0]["remedies"][0]
    assert (found["kind"], found["replace"]["by"]) == ("nearest", "<ns#kpi>")
    found = told(whole_way, "SELECT * { ?o <ns#kpi> <id/kpi/trygg-mörker> }")["findings"][0]["remedies"][0]
    assert (found["kind"], found["replace"]["by"]) == ("nearest", "<id/kpi/trygg-morker>")


def test_of_an_answer_with_rows_it_is_said(whole_way: Site) -> None:
    found = told(whole_way, "SELECT * { ?s ?p ?o }")
    assert (found["answer"], found["findings"]) == ("not-empty", [])


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [("SELECT * {\n ?s ?p }", 400, "syntax"), ("SELECT * { SERVICE <http://x/> { ?s ?p ?o } }", 403, "refused")],
)
def test_errors_are_those_of_the_query(whole_way: Site, query: str, status: int, kind: str) -> None:
    found, headers, body = ask(whole_way, query, accept="application/json", explain="empty")
    assert (found, headers["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(body)["type"].endswith(f"help/sparql-{kind}")


def test_what_cannot_be_explained_or_sent_is_refused(whole_way: Site) -> None:
    assert ask(whole_way, QUERY, explain="everything")[0] == 400
    assert ask(whole_way, QUERY, accept="image/png", explain="empty")[0] == 406
    assert ask(whole_way, QUERY, accept="application/sparql-results+json", explain="empty")[0] == 200
    assert ask(whole_way, QUERY, explain="empty", format="text")[1].get_content_type() == "text/plain"


def test_an_answer_and_its_explanation_are_never_taken_for_each_other(whole_way: Site) -> None:
    for _ in range(3):
        assert "results" in json.loads(ask(whole_way, QUERY, accept="application/json")[2])
        assert "findings" in told(whole_way)


def test_every_reason_and_remedy_has_its_sentence() -> None:
    known = messages("sv", "catalogue").texts
    reasons = (files("vaven.publisher.explain") / "empty_answer.py").read_text("utf-8")
    remedies = (files("vaven.publisher.explain") / "suggestions.py").read_text("utf-8")
    wanted = {f"why.reason.{name}" for name in re.findall(r'Finding\(\s*"([a-z-]+)"', reasons)}
    wanted |= {f"why.remedy.{name}" for name in re.findall(r'(?:Remedy\(\s*|yield |\(\()"([a-z-]+)"', remedies)}
    assert len(wanted) > 20
    assert wanted <= known.keys()
