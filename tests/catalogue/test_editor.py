"""The SPARQL editor in a real browser: completion, results, views, sharing, errors, keyboard; and its requests."""

import csv
import io
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.catalogue.test_browser import FLAGS, WIDTHS, looked_at
from tests.conftest import ROOT, Site
from vaven.catalogue.http.headers import SECURITY
from vaven.catalogue.sparql import editor
from vaven.vocab.example_queries import examples
from vaven.vocab.iris import Iris

BREACHES = "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
VENDOR = ROOT / "catalogue" / "static" / "vendor"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_page(browser: Browser, site: Site, width: str, messages: list[str], locale: str = "sv-SE") -> Page:
    """Open a page whose errors, policy violations and requests to other hosts are added to `messages`."""
    context = browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, locale=locale)
    context.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
    )
    page = context.new_page()
    # A refused query is a valid response, and a lost network may be intended; the browser logs both to its console.
    page.on("console", lambda m: None if m.text.startswith("Failed to load resource") else messages.append(m.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda r: messages.append(r.url) if not r.url.startswith((site.url, "data:", "blob:")) else None)
    return page


@pytest.fixture
def page(browser: Browser, whole_way: Site, width: str) -> Iterator[Page]:
    messages: list[str] = []
    new_page = open_page(browser, whole_way, width, messages)
    yield new_page
    new_page.context.close()
    assert messages == []


@pytest.fixture
def editor_page(browser: Browser, whole_way: Site) -> Iterator[Page]:
    """The editor at desktop width, ready for typing."""
    messages: list[str] = []
    new_page = open_page(browser, whole_way, "desktop", messages)
    new_page.goto(whole_way.url + "sparql")
    new_page.wait_for_selector(".CodeMirror")
    new_page.wait_for_selector("#example-filter")
    yield new_page
    new_page.context.close()
    assert messages == []


def write(page: Page, query: str) -> None:
    """Type a query as a person does, in its own tab."""
    page.get_by_role("button", name="Ny fråga").click()
    page.locator(".CodeMirror").click()
    page.keyboard.type(query)


def written(page: Page) -> str:
    return str(page.locator("#query").evaluate("box => box.value"))


def open_query(page: Page, site: Site, query: str, view: str = "") -> None:
    """Open a query's permanent link."""
    page.goto(f"{site.url}sparql?{urlencode({'query': query, **({'view': view} if view else {})})}")


def test_an_example_runs_and_shows_rows_time_and_size(page: Page, whole_way: Site, width: str) -> None:
    page.goto(whole_way.url + "sparql")
    page.wait_for_selector("#example-filter")
    page.get_by_label("Sök bland exemplen").fill("rangordning")
    page.get_by_role("link", name="Rangordning").click()
    expect(page.locator(".view tbody tr")).to_have_count(14)
    facts = page.locator(".result-facts").inner_text()
    assert re.search(r"14 rader.*\d s.*kB", facts.replace("\n", " ")), facts
    assert page.locator(".view tbody td").nth(1).inner_text() == "Lindängen"
    looked_at(page, "editor-table", width)
    page.get_by_role("button", name="Kör frågan").click()
    expect(page.locator(".result-facts")).to_contain_text("ur cacheminnet")


def test_a_table_can_be_sorted_and_filtered(editor_page: Page, whole_way: Site) -> None:
    open_query(editor_page, whole_way, examples()["ranking"].query(whole_way.url))
    editor_page.get_by_role("button", name="value").click()
    editor_page.get_by_role("button", name="value").click()
    assert editor_page.locator("th[aria-sort=descending]").count() == 1
    values = [float(cell.inner_text().replace(",", ".")) for cell in editor_page.locator(".view td.num").all()]
    assert values == sorted(values, reverse=True)
    editor_page.get_by_label("Sök i resultatet").fill("rinkeby")
    expect(editor_page.locator(".view tbody tr")).to_have_count(2)
    assert editor_page.locator(".view tbody a").first.get_attribute("href", timeout=1000) is not None


@pytest.mark.parametrize(("typed", "expected"), [("trygg", "kpi:trygg-morker"), ("Trygg utomhus", "kpi:trygg-morker")])
def test_a_word_of_a_kpi_completes_to_its_iri(editor_page: Page, whole_way: Site, typed: str, expected: str) -> None:
    write(editor_page, f"SELECT * {{ ?o vaven:kpi {typed.split(maxsplit=1)[0]}")
    hint = editor_page.locator(".CodeMirror-hint").first
    expect(hint).to_contain_text("Svarande som är trygga utomhus i området när det är mörkt")
    editor_page.keyboard.press("Enter")
    expect(editor_page.locator(".CodeMirror-hints")).to_have_count(0)
    editor_page.keyboard.type(" }")
    lines = written(editor_page).split("\n")
    assert f"PREFIX kpi: <{whole_way.url}id/kpi/>" in lines
    assert f"PREFIX vaven: <{whole_way.url}ns#>" in lines, "declared as soon as it was written"
    assert lines[-1] == f"SELECT * {{ ?o vaven:kpi {expected} }}"


def test_an_areas_name_completes_to_its_iri(editor_page: Page, width: str, whole_way: Site) -> None:
    write(editor_page, "SELECT * { ?o ?p Rinkeby")
    expect(editor_page.locator(".CodeMirror-hint")).to_have_count(3)
    looked_at(editor_page, "editor-completion", width)
    editor_page.locator(".CodeMirror-hint", has_text="0180C6090").click()
    assert written(editor_page).endswith(f"?p <{whole_way.url}id/area/deso2018/0180C6090>")


def test_classes_and_properties_complete_by_label_in_their_positions(editor_page: Page) -> None:
    write(editor_page, "SELECT * { ?x a nyckel")
    expect(editor_page.locator(".CodeMirror-hint").first).to_contain_text("vaven:Kpi")
    editor_page.keyboard.press("Enter")
    expect(editor_page.locator(".CodeMirror-hints")).to_have_count(0)
    editor_page.keyboard.type(" ; belopp")
    expect(editor_page.locator(".CodeMirror-hint").first).to_contain_text("vaven:amount")
    editor_page.keyboard.press("Enter")
    assert written(editor_page).endswith("SELECT * { ?x a vaven:Kpi ; vaven:amount")
    editor_page.keyboard.type(" ?nyck")
    expect(editor_page.locator(".CodeMirror-hints")).to_have_count(0)


def test_a_missing_prefix_is_added_by_a_button(page: Page, whole_way: Site, width: str) -> None:
    open_query(page, whole_way, "SELECT * { ?s skos:prefLabel ?label } LIMIT 3")
    page.wait_for_selector(".notice-error button")
    assert "Prefixet skos: är inte deklarerat" in page.locator(".notice-error").inner_text()
    looked_at(page, "editor-error", width)
    page.get_by_role("button", name="Lägg till raden för skos:").click()
    expect(page.locator(".view tbody tr")).to_have_count(3)
    assert written(page).startswith("PREFIX skos: <http://www.w3.org/2004/02/skos/core#>\n")


def test_a_syntax_error_is_marked_while_typing(editor_page: Page, whole_way: Site) -> None:
    open_query(editor_page, whole_way, "SELECT * {\n  ?s ?p ?o .\n  FILTER (\n}")
    editor_page.get_by_role("button", name="Gå till rad").click()
    assert editor_page.locator(".syntax-mark").count() == 1
    assert "går inte att läsa" in editor_page.locator(".editor-status").inner_text()
    assert editor_page.evaluate("document.activeElement.closest('.editor') !== null")


def test_a_timeout_and_a_lost_network_have_different_messages(editor_page: Page, whole_way: Site) -> None:
    open_query(editor_page, whole_way, "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }")
    expect(editor_page.locator(".notice-error")).to_contain_text("Frågan tog för lång tid", timeout=40_000)
    editor_page.context.set_offline(True)
    editor_page.get_by_role("button", name="Kör frågan").click()
    expect(editor_page.locator(".notice-error")).to_contain_text("Servern gick inte att nå")
    editor_page.context.set_offline(False)


def test_lines_over_time_are_drawn(page: Page, whole_way: Site, width: str) -> None:
    open_query(page, whole_way, examples()["one-kpi-over-time"].query(whole_way.url), "chart")
    page.wait_for_selector("canvas[aria-label]")
    assert "14 serier" in str(page.locator("canvas").get_attribute("aria-label"))
    assert inked_share(page) > 0.01
    looked_at(page, "editor-lines", width)


def test_bars_by_area_are_drawn_and_the_columns_can_be_chosen(page: Page, whole_way: Site, width: str) -> None:
    open_query(page, whole_way, examples()["change-between-years"].query(whole_way.url))
    page.get_by_role("button", name="Diagram").click()
    page.wait_for_selector("canvas[aria-label]")
    assert page.get_by_label("Typ", exact=True).input_value() == "bar"
    page.get_by_label("Värde", exact=True).select_option("after")
    assert str(page.locator("canvas").get_attribute("aria-label")).startswith("Diagram av after mot name")
    assert inked_share(page) > 0.05
    page.get_by_label("Värde", exact=True).select_option("varje kolumn med tal")
    assert "3 serier" in str(page.locator("canvas").get_attribute("aria-label"))
    assert "view=chart" in page.url
    looked_at(page, "editor-bars", width)


def inked_share(page: Page) -> float:
    """Return the share of a canvas's pixels that are drawn on."""
    return float(
        page.locator("canvas").evaluate(
            "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
            " for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n / (d.length / 4); }"
        )
    )


def test_municipalities_are_drawn_on_a_map_without_third_party_requests(
    page: Page, whole_way: Site, width: str
) -> None:
    open_query(page, whole_way, examples()["kommuner-on-a-map"].query(whole_way.url), "map")
    page.wait_for_selector(".map-legend")
    expect(page.locator(".map-box path.leaflet-interactive")).to_have_count(3)
    assert page.locator(".map-box path.map-ground").count() == 290
    assert [row.inner_text() for row in page.locator(".map-legend li").all()] == ["49,26", "53,88", "56,06"]
    page.locator(".map-box path.leaflet-interactive").first.click(force=True)
    expect(page.locator(".map-facts")).to_contain_text("Göteborg")
    looked_at(page, "editor-map", width)


def test_points_in_well_known_text_and_municipalities_by_their_identifier_are_drawn_too(
    editor_page: Page, whole_way: Site
) -> None:
    wkt = "http://www.opengis.net/ont/geosparql#wktLiteral"
    open_query(
        editor_page, whole_way, f'SELECT * {{ VALUES (?name ?place) {{ ("A" "POINT(17.9 59.4)"^^<{wkt}>) }} }}', "map"
    )
    expect(editor_page.locator(".map-box path.leaflet-interactive")).to_have_count(1)
    open_query(editor_page, whole_way, examples()["mean-by-kommun"].query(whole_way.url), "map")
    expect(editor_page.locator(".map-box path.leaflet-interactive")).to_have_count(27)


def test_well_known_text_is_read_as_geojson(editor_page: Page) -> None:
    texts = [
        "POINT (17.9 59.4)",
        "<http://www.opengis.net/def/crs/EPSG/0/4326> POINT(59.4 17.9)",
        "POLYGON((1 2, 3 4, 5 6, 1 2),(1 1,2 2,3 3,1 1))",
        "MULTIPOINT((1 2),(3 4))",
        "MULTIPOINT(1 2, 3 4)",
        "MULTIPOLYGON Z (((1 2 9,3 4 9,5 6 9,1 2 9)))",
        "LINESTRING(1 2,-3e1 4.5)",
    ]
    read = "async ([name, texts]) => { const found = await import(name); return texts.map(found.readWkt); }"
    assert editor_page.evaluate(read, ["/static/sparql/wkt.js", texts]) == [
        {"type": "Point", "coordinates": [17.9, 59.4]},
        {"type": "Point", "coordinates": [17.9, 59.4]},
        {"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [5, 6], [1, 2]], [[1, 1], [2, 2], [3, 3], [1, 1]]]},
        {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
        {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
        {"type": "MultiPolygon", "coordinates": [[[[1, 2], [3, 4], [5, 6], [1, 2]]]]},
        {"type": "LineString", "coordinates": [[1, 2], [-30, 4.5]]},
    ]
    refused = """async () => {
      const { readWkt } = await import('/static/sparql/wkt.js');
      const read = (text) => { try { readWkt(text); return text; } catch { return ''; } };
      return ['POINT()', 'POINT(1 2', 'CIRCLE(1 2)', 'POLYGON((1 2))x'].map(read);
    }"""
    assert editor_page.evaluate(refused) == [""] * 4


def test_all_kinds_of_terms_are_parsed(editor_page: Page, whole_way: Site) -> None:
    terms = r'"a\tb\"c\\n\nd" "hej"@sv 1 1.50 1e3 true <http://x/å>'
    query = f'SELECT * {{ VALUES ?v {{ {terms} "2024-01-01"^^<http://www.w3.org/2001/XMLSchema#date> }} }}'
    read = """async (query) => {
      const { runQuery } = await import('/static/sparql/query.js');
      return (await runQuery(query)).rows.map(([term]) => [term.type, term.value, term.number ?? null]);
    }"""
    assert editor_page.evaluate(read, query) == [
        ["literal", 'a\tb"c\\n\nd', None],
        ["literal", "hej", None],
        ["literal", "1", 1],
        ["literal", "1.50", 1.5],
        ["literal", "1e3", 1000],
        ["literal", "true", None],
        ["iri", "http://x/å", None],
        ["literal", "2024-01-01", None],
    ]


def test_the_query_form_is_recognised(editor_page: Page) -> None:
    forms = {
        "# SELECT\nASK {}": "ASK",
        "PREFIX select: <http://x/ASK#>\nconstruct {} where {}": "CONSTRUCT",
        'DESCRIBE ?x { ?x ?y "ASK" }': "DESCRIBE",
        "SELECT * {}": "SELECT",
        "\\u0041SK {}": "ASK",
        "": "SELECT",
    }
    form = "async (texts) => { const { formOf } = await import('/static/sparql/query.js'); return texts.map(formOf); }"
    assert editor_page.evaluate(form, list(forms)) == list(forms.values())


def test_booleans_graphs_and_empty_results_have_their_own_views(editor_page: Page, whole_way: Site) -> None:
    open_query(editor_page, whole_way, "ASK { ?s ?p ?o }")
    expect(editor_page.locator(".view")).to_have_text("Ja")
    open_query(editor_page, whole_way, "CONSTRUCT { ?s ?p ?o } { ?s ?p ?o } LIMIT 2")
    expect(editor_page.locator(".view pre")).to_contain_text(" .")
    open_query(editor_page, whole_way, "SELECT * { ?s <http://x/nothing> ?o }")
    expect(editor_page.locator("[data-result]")).to_contain_text("Frågan gav inga träffar.")


def test_an_empty_result_is_explained_and_fixed_by_a_button(page: Page, whole_way: Site, width: str) -> None:
    query = (
        "PREFIX skos: <http://www.w3.org/2004/02/skos/core#>\nSELECT ?kpi ?theme WHERE {\n"
        '  ?kpi skos:broader ?theme .\n  ?theme skos:prefLabel "Trygghet" .\n}'
    )
    open_query(page, whole_way, query)
    page.get_by_role("button", name="Varför tomt?").click()
    expect(page.locator(".why")).to_contain_text('Rad 4: ingen trippel passar ?theme skos:prefLabel "Trygghet"')
    assert "".join(page.locator(".why-mark").all_inner_texts()) == '?theme skos:prefLabel "Trygghet"'
    expect(page.locator(".why-line")).to_have_count(1)
    looked_at(page, "editor-why", width)
    page.get_by_role("button", name='Byt till "Trygghet"@sv och kör igen').click()
    page.wait_for_selector(".view tbody tr")
    assert '"Trygghet"@sv' in written(page)
    expect(page.locator(".why-mark")).to_have_count(0)


def test_an_alias_in_having_is_replaced_by_a_button(editor_page: Page, whole_way: Site) -> None:
    open_query(editor_page, whole_way, "SELECT ?k (COUNT(*) AS ?n) { ?o <ns#kpi> ?k }\nGROUP BY ?k HAVING(?n > 100)")
    editor_page.get_by_role("button", name="Varför tomt?").click()
    expect(editor_page.locator(".why")).to_contain_text("HAVING kan inte använda ?n")
    assert "".join(editor_page.locator(".why-mark").all_inner_texts()) == "HAVING(?n > 100)"
    editor_page.get_by_role("button", name="Byt till HAVING(COUNT(*) > 100) och kör igen").click()
    editor_page.wait_for_selector(".view tbody tr")


def test_a_query_with_escapes_is_run_and_not_marked(editor_page: Page, whole_way: Site) -> None:
    open_query(editor_page, whole_way, "SELECT * { BIND (7 AS ?\\u0061rea) }")
    expect(editor_page.locator(".view thead")).to_contain_text("area")
    expect(editor_page.locator(".view tbody tr")).to_have_count(1)
    assert editor_page.locator(".syntax-mark").count() == 0


def test_a_link_to_an_explanation_shows_it_with_and_without_javascript(browser: Browser, whole_way: Site) -> None:
    address = whole_way.url + "sparql?" + urlencode({"query": "SELECT *\n{ ?s <a:b> ?o }", "explain": "empty"})
    for has_scripts in (True, False):
        context = browser.new_context(locale="en-GB", java_script_enabled=has_scripts)
        new_page = context.new_page()
        new_page.goto(address)
        expect(new_page.locator(".why")).to_contain_text("Line 2: no triple matches ?s <a:b> ?o")
        expect(new_page.locator(".why-mark").first).to_contain_text("?s")
        context.close()


def test_a_large_result_is_truncated_with_a_note(editor_page: Page, whole_way: Site) -> None:
    cube = "http://purl.org/linked-data/cube#"
    query = f"SELECT ?a ?b {{ ?a a <{cube}Observation> . ?b a <{whole_way.url}ns#Kpi> }}"
    open_query(editor_page, whole_way, query)
    expect(editor_page.locator(".result-facts")).to_contain_text(re.compile("de första 20.000 raderna"), timeout=30_000)
    assert editor_page.locator(".view tbody tr").count() == 200
    editor_page.get_by_role("button", name="Visa fler rader").click()
    assert editor_page.locator(".view tbody tr").count() == 400
    with editor_page.expect_download() as download:
        editor_page.get_by_role("link", name="CSV", exact=True).click()
    assert len(Path(download.value.path()).read_text("utf-8").splitlines()) == 1 + 629 * 48


def test_a_permanent_link_restores_query_view_and_tab(browser: Browser, whole_way: Site, editor_page: Page) -> None:
    editor_page.get_by_role("link", name="Kvinnor och män").click()
    expect(editor_page.locator(".view tbody tr")).to_have_count(20)
    editor_page.get_by_role("button", name="Diagram").click()
    editor_page.wait_for_selector("canvas[aria-label]")
    address = editor_page.url
    editor_page.reload()
    editor_page.wait_for_selector("canvas[aria-label]")
    assert editor_page.locator(".tabs li.is-current").inner_text().startswith("Kvinnor och män")
    messages: list[str] = []
    other = open_page(browser, whole_way, "phone", messages, locale="en-GB")
    other.goto(address)
    other.wait_for_selector("canvas[aria-label]")
    assert other.get_by_role("button", name="Chart").get_attribute("aria-pressed") == "true"
    assert written(other) == examples()["women-and-men"].query(whole_way.url)
    other.context.close()
    assert messages == []


def test_back_returns_to_the_previous_query(editor_page: Page) -> None:
    editor_page.get_by_role("link", name="Vilka områden har värden").click()
    expect(editor_page.locator(".view tbody tr")).to_have_count(15)
    editor_page.get_by_role("link", name="Datastruktur: dimensioner").click()
    expect(editor_page.locator(".view tbody")).to_contain_text("sdmx-measure:obsValue")
    editor_page.go_back()
    expect(editor_page.locator(".view tbody tr")).to_have_count(15)
    assert editor_page.locator(".tabs li.is-current").inner_text().startswith("Vilka områden")


def test_tabs_keep_their_queries(editor_page: Page) -> None:
    write(editor_page, "# Min lista\nASK {}")
    editor_page.keyboard.press("Control+Enter")
    expect(editor_page.locator(".view")).to_have_text("Ja")
    editor_page.goto(editor_page.url.split("?")[0])
    editor_page.get_by_role("button", name="Min lista", exact=True).click()
    assert written(editor_page) == "# Min lista\nASK {}"
    editor_page.get_by_role("button", name="Stäng Min lista").click()
    expect(editor_page.get_by_role("button", name="Min lista", exact=True)).to_have_count(0)


LABELS = "http://www.w3.org/2004/02/skos/core#prefLabel"
QUERIES = {
    "plain": f"SELECT ?s ?label {{ ?s <{LABELS}> ?label }} ORDER BY ?s ?label LIMIT 5\n",
    "awkward": r"""SELECT ("it's \"x\" $HOME `id` %41+&\\" AS ?text) ('''SPARQL
SPARQL
"""
    + r'"""'
    + """)-"''' AS ?more) {}""",
}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_generated_code_runs_and_returns_the_rows(
    editor_page: Page, whole_way: Site, name: str, language: str, tmp_path: Path
) -> None:
    open_query(editor_page, whole_way, QUERIES[name])
    editor_page.wait_for_selector(".view td")
    editor_page.get_by_role("button", name="Som kod").click()
    editor_page.get_by_role("radio", name=language).check()
    code = str(editor_page.locator("dialog code").evaluate("code => code.textContent"))
    command = ["bash", "-c", code] if language == "curl" else [sys.executable, "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    request = urllib.request.Request(
        whole_way.url + "sparql?" + urlencode({"query": QUERIES[name]}), headers={"Accept": "text/csv"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        expected = response.read().decode("utf-8")
    if language == "curl":
        assert list(csv.reader(io.StringIO(process.stdout))) == list(csv.reader(io.StringIO(expected)))
    else:
        rows = list(csv.DictReader(io.StringIO(expected)))
        assert process.stdout == "".join(f"{row}\n" for row in rows)
        assert rows


def test_the_generated_r_code_quotes_the_query_exactly(editor_page: Page, whole_way: Site) -> None:
    open_query(editor_page, whole_way, QUERIES["awkward"])
    editor_page.wait_for_selector(".view td")
    editor_page.get_by_role("button", name="Som kod").click()
    editor_page.get_by_role("radio", name="R", exact=True).check()
    code = str(editor_page.locator("dialog code").evaluate("code => code.textContent"))
    # R's raw strings end at the bracket, dashes and quote that they began with (R 4.0.0, ?Quotes).
    match = re.search(r'r"(-*)\((.*?)\)\1"', code, re.DOTALL)
    assert match
    assert match[2] == QUERIES["awkward"]


def test_the_link_can_be_copied(editor_page: Page, whole_way: Site) -> None:
    editor_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_query(editor_page, whole_way, "ASK { ?s ?p ?o }", "table")
    editor_page.get_by_role("button", name="Kopiera länk").click()
    expect(editor_page.locator(".editor-status")).to_have_text("Kopierat.")
    assert editor_page.evaluate("navigator.clipboard.readText()") == whole_way.url + "sparql?" + urlencode(
        {"query": "ASK { ?s ?p ?o }"}
    )


def test_the_keyboard_can_leave_the_editor(editor_page: Page) -> None:
    write(editor_page, "ASK {}")
    editor_page.keyboard.press("Home")
    editor_page.keyboard.press("Tab")
    assert written(editor_page).strip() == "ASK {}"
    assert written(editor_page) != "ASK {}", "Tab indents"
    editor_page.keyboard.press("Escape")
    expect(editor_page.locator(".editor-status")).to_have_text("Tabb lämnar nu rutan.")
    editor_page.keyboard.press("Tab")
    assert editor_page.evaluate("document.activeElement.textContent") == "Kör frågan"
    editor_page.keyboard.press("Enter")
    expect(editor_page.locator(".view")).to_have_text("Ja")
    editor_page.keyboard.press("Shift+Tab")
    assert editor_page.evaluate("document.activeElement.closest('.editor') !== null")


def test_classes_and_their_properties_are_listed(page: Page, whole_way: Site, width: str) -> None:
    page.goto(whole_way.url + "sparql")
    page.wait_for_selector("#example-filter")
    page.get_by_text("Vad finns här?").click()
    first = page.locator(".describe > li").first
    expect(first).to_contain_text("qb:Observation")
    expect(first).to_contain_text("629")
    first.locator("summary").click()
    looked_at(page, "editor-describe", width)
    page.get_by_role("button", name="Ny fråga").click()
    first.get_by_role("button", name="sdmx-measure:obsValue").click()
    assert written(page).split("\n")[-1] == "sdmx-measure:obsValue "
    first.get_by_role("button", name="Visa tio exempel").click()
    page.get_by_role("button", name="Visa fler rader").click()
    assert len({cell.inner_text() for cell in page.locator(".view tbody td:first-child").all()}) == 10


def test_the_page_is_available_in_english(browser: Browser, whole_way: Site) -> None:
    messages: list[str] = []
    page = open_page(browser, whole_way, "desktop", messages, locale="en-GB")
    open_query(page, whole_way, "SELECT * { ?s foo:x ?o }")
    expect(page.locator(".notice-error")).to_contain_text("The query has a syntax error")
    open_query(page, whole_way, "SELECT ?s, ?o {\n ?s ?p ?o }")
    expect(page.locator(".notice-error")).to_contain_text("“,” is not allowed at line 1, column 10.")
    expect(page.locator(".notice-error")).to_contain_text("Remove the sign. Write columns with spaces between them")
    new_query = page.get_by_role("button", name="New query")
    new_query.click()
    page.locator(".CodeMirror").click()
    page.keyboard.type("SELECT * { ?o ?p dark")
    expect(page.locator(".CodeMirror-hint").first).to_contain_text(
        "Respondents who feel safe outdoors in the area after dark"
    )
    page.get_by_role("link", name="One area over time").click()
    expect(page.locator(".view tbody")).to_contain_text("Respondents who feel safe outdoors in the area after dark")
    page.context.close()
    assert messages == []


def test_the_content_security_policy_is_as_strict_as_elsewhere(whole_way: Site) -> None:
    request = urllib.request.Request(whole_way.url + "sparql", headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=20) as response:
        text = response.read().decode("utf-8")
        assert response.headers["Content-Security-Policy"] == SECURITY["Content-Security-Policy"]
    assert "unsafe" not in SECURITY["Content-Security-Policy"]
    assert "editor.js" in text
    config = json.loads(re.search(r'id="sparql-data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert config["prefixes"] == Iris(whole_way.url).prefixes


def test_every_message_of_the_scripts_exists() -> None:
    with_kinds = r"""\bt\((["`])([a-z0-9_.${}-]+)\1"""
    words = editor.words("sv")
    for path in (ROOT / "catalogue" / "static" / "sparql").glob("*.js"):
        for _, key in re.findall(with_kinds, path.read_text("utf-8")):
            fixed = re.escape(f"editor.{key}").replace(r"\$\{", "${")
            pattern = re.sub(r"\$\{[^}]*\\?\}", r"[\\w.-]+", fixed)
            assert any(re.fullmatch(pattern, known) for known in words), f"{path.name} says {key}"


def test_without_libraries_the_page_keeps_its_plain_form(whole_way: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from vaven.catalogue.app import create_app
    from vaven.publisher.settings import Settings

    monkeypatch.setattr(editor, "LIBRARY", "static/vendor/not-there.js")
    editor.has_library.cache_clear()
    app = create_app(Settings(home=whole_way.home, base_iri=whole_way.url))
    text = app.test_client().get("/sparql", headers={"Accept": "text/html"}).get_data(as_text=True)
    app.extensions["vaven"].close()
    editor.has_library.cache_clear()
    assert "<textarea" in text
    assert "editor.js" not in text
    assert "vendor" not in text


def fetch(site: Site, path: str, **headers: str) -> tuple[int, Message, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(site.url + path, headers=headers), timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_completions_are_cached_by_snapshot(whole_way: Site) -> None:
    status, headers, body = fetch(whole_way, "sparql/completions.json")
    assert status == 200
    completions = json.loads(body)
    kinds = {term["kind"] for term in completions["terms"]}
    assert kinds == {"kpi", "theme", "code", "dataset", "investment", "period", "class", "property"}
    assert len([term for term in completions["terms"] if term["kind"] == "kpi"]) == 48
    assert [each["query"] for each in completions["examples"]] == [e.query(whole_way.url) for e in examples().values()]
    assert fetch(whole_way, "sparql/completions.json", **{"If-None-Match": headers["ETag"]})[0] == 304


def test_areas_are_found_by_name_code_and_municipality(whole_way: Site) -> None:
    def labels(text: str) -> list[str]:
        body = fetch(whole_way, "sparql/completions.json?" + urlencode({"area": text}))[2]
        return [area["labels"][""] for area in json.loads(body)["areas"]]

    assert labels("rinkeby")[:2] == ["Rinkeby (0180C6070), Stockholm", "Rinkeby (0180C6090), Stockholm"]
    assert labels("1280C14") == ["Holma (1280C1430), Malmö", "Nydala norr (1280C1460), Malmö"]
    assert labels("malm") == ["Malmö (1280)"]
    assert labels("xyz") == []
    assert labels(" ") == []


def test_the_libraries_have_the_pinned_versions() -> None:
    pinned = json.loads((ROOT / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    for name, version in pinned.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} is not pinned"
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all(package["integrity"].startswith("sha512-") for name, package in locked.items() if name)
    for file, banner in (
        ("chart.umd.min.js", f"Chart.js v{pinned['chart.js']}"),
        ("leaflet.js", f"Leaflet {pinned['leaflet']}"),
    ):
        assert banner in (VENDOR / file).read_text("utf-8")[:400]
