"""Every page in a real browser, at desktop and phone width: fits the window, logs no errors, is accessible."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.observations import write_observations
from tests.conftest import ROOT, SAMPLE, Serving, Site, environment, free_port
from tests.reading import LICENCE_AND_PUBLISHER
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import PushEnd, Records
from vaven.publisher.settings import Settings

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
TALLEST = 15_000
WIDTHS = {"desktop": 1280, "phone": 390}
PAGES = {
    "start": "",
    "areas": "areas?q=rin",
    "area": "area/deso2018/0180C6070",
    "area-without-values": "areas?q=lund",
    "own-area": "area/own/exempel-tre-kommuner.rinkeby-centrum",
    "kpis": "kpis",
    "theme": "theme/arbete",
    "kpi": "kpi/trygg-morker",
    "datasets": "datasets",
    "dataset": "dataset/exempel-tre-kommuner",
    "investment": "investment/exempel-tre-kommuner.trygga-gardar",
    "validate": "validate",
    "help": "help",
    "rule": "help/kpi-range",
    "about": "about",
    "sparql": "sparql?query=SELECT%20*%20%7B%20%3Fs%20%3Fp%20%3Fo%20%7D%20LIMIT%205",
    "sparql-error": "sparql?query=SELECT%20*%20%7B%20%3Fs%20skos%3Ax%20%3Fo%20%7D",
    "resource": "doc/status/Q",
    "resource-with-lists": "doc/dataset/exempel-tre-kommuner",
    "ontology": "ns",
    "developers": "docs/sparql",
    "about-ckan": "docs/ckan",
    "publications": "publications",
    "missing": "area/deso2018/0000X0000",
}
CHART_TEXTS = """[...document.querySelectorAll('.chart svg text')].filter(t => t.getClientRects().length).map(t => [
    parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getScreenCTM().a, t.getBoundingClientRect().right])"""
FAULTY = "Område;Nyckeltal;Period;Värde\n180C6070;trygg-morker;2023;64,5\n0180C6070;tryg-morker;2024;170\n"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory, whole_way: Site) -> Iterator[Site]:
    """A site whose CKAN refused the second version of a dataset."""
    home, port = tmp_path_factory.mktemp("troubled"), free_port()
    url = "http://127.0.0.1:9"
    settings = Settings(home=home, base_iri=f"http://127.0.0.1:{port}/")
    for value in (1, 2):
        path = home / "trygghet.csv"
        path.write_text(f"neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,{value}\n")
        publish(path, settings, choices=LICENCE_AND_PUBLISHER)
    with Records(settings.database) as records:
        for version, end in ((1, ("created", "", "")), (2, ("failed", "ckan-too-large", "413 for resource_create"))):
            records.begin_pushes(url, "push", [("trygghet", version)])
            records.end_pushes(url, [PushEnd("trygghet", version, *end)])
    with Serving(home, port, environment(home, port, VAVEN_CKAN_URL=url)) as site:
        yield site


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Browser, whole_way: Site, width: str) -> Iterator[Page]:
    """A page that fails the test if it logs to the console or sends a request to another host."""
    context = browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, locale="sv-SE")
    context.add_init_script("addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.blockedURI))")
    opened, problems = context.new_page(), []
    opened.on(
        "console",
        lambda message: (
            problems.append(message.text) if "404" not in message.text and "400" not in message.text else None
        ),
    )
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "request",
        lambda request: problems.append(request.url) if not request.url.startswith((whole_way.url, "data:")) else None,
    )
    yield opened
    context.close()
    assert problems == []


def looked_at(page: Page, name: str, width: str) -> None:
    """Check that a page fits its window and is accessible, and save a screenshot of it."""
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    # Chromium paints a page of 22,000 pixels for more than half a minute.
    is_short = page.evaluate("document.documentElement.scrollHeight") <= TALLEST
    page.screenshot(path=folder / f"{name}-{width}.png", full_page=is_short)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    assert page.locator("h1").count() == 1
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_the_window_without_errors_and_is_accessible(
    page: Page, whole_way: Site, name: str, width: str
) -> None:
    page.goto(whole_way.url + PAGES[name])
    looked_at(page, name, width)


def test_a_failed_push_to_ckan_is_readable(browser: Browser, troubled: Site, width: str) -> None:
    page = browser.new_page(viewport={"width": WIDTHS[width], "height": 900}, locale="sv-SE")
    page.goto(troubled.url + "publications")
    assert page.locator(".finding").count() == 1
    assert "tar inte emot så stora filer" in page.locator(".finding").inner_text()
    page.get_by_text("Felmeddelande").click()
    assert "413" in page.locator(".finding code").inner_text()
    looked_at(page, "publications-failed", width)
    page.close()


def test_a_partner_drops_a_file_and_reads_the_findings(page: Page, whole_way: Site, width: str, tmp_path: Path) -> None:
    path = tmp_path / "trygghet.csv"
    path.write_text(FAULTY, "utf-8")
    page.goto(whole_way.url + "validate")
    page.set_input_files("#file", path)
    page.get_by_role("button", name="Kontrollera", exact=True).click()
    page.wait_for_selector(".verdict-invalid")
    assert page.locator("h1").inner_text() == "Inte godkänd"
    text = page.locator("main").inner_text()
    assert "A2" in text
    assert "Menar du 0180C6070?" in text
    looked_at(page, "report", width)


def test_a_partner_filters_chooses_options_and_downloads_the_corrected_copy(
    page: Page, whole_way: Site, width: str, tmp_path: Path
) -> None:
    path = tmp_path / "enkät.csv"
    path.write_text("Område;Grupp;År;Värde;Internt\n180C1010;x;2023;5,5;a\n0180C1020;y;2023;650;b\n", "utf-8")
    page.goto(whole_way.url + "validate")
    page.set_input_files("#file", path)
    page.get_by_role("button", name="Kontrollera", exact=True).click()
    page.wait_for_selector(".verdict-invalid")
    page.get_by_label("”Internt” är").select_option("Läs inte kolumnen")
    page.get_by_label("”Grupp” är").select_option("Läs inte kolumnen")
    page.get_by_label("Nyckeltal", exact=True).select_option("Arbetslösa av befolkningen 18–65 år")
    looked_at(page, "report-choices", width)
    page.get_by_role("button", name="Kontrollera igen").click()
    page.wait_for_selector("td.cell-error")
    assert [cell.inner_text().split()[0] for cell in page.locator("td.cell-error").all()] == ["180C1010", "650"]
    page.get_by_role("link", name="Värdet är utanför").click()
    assert [cell.inner_text().split()[0] for cell in page.locator("td.cell-error").all()] == ["650"]
    assert page.locator(".finding").count() == 1
    looked_at(page, "report-filtered", width)
    with page.expect_download() as download:
        page.get_by_role("link", name="Ladda ner rättad kopia").click()
    assert download.value.suggested_filename == "enkät-rättad.csv"
    assert Path(download.value.path()).read_text("utf-8") == path.read_text("utf-8").replace("\n180C", "\n0180C")
    address = page.url
    page.get_by_role("button", name="Radera nu").click()
    page.wait_for_url("**/validate")
    assert page.goto(address).status == 404  # type: ignore[union-attr]


def test_a_large_file_shows_its_progress_with_and_without_scripts(
    browser: Browser, whole_way: Site, tmp_path: Path
) -> None:
    path = write_observations(tmp_path / "many.csv", 120_000)
    with path.open("a", encoding="utf-8") as file:
        file.write('0180C1010,trygg-morker,1999,T,T,50,,,60,A,survey,"två\nrader"\n')
    for scripts in (True, False):
        context = browser.new_context(locale="sv-SE", java_script_enabled=scripts)
        page = context.new_page()
        page.goto(whole_way.url + "validate")
        page.set_input_files("#file", path)
        page.get_by_role("button", name="Kontrollera", exact=True).click()
        page.wait_for_selector("progress#bar")
        page.wait_for_selector(".verdict-valid-with-warnings", timeout=60_000)
        context.close()


def test_a_valid_workbook_is_clearly_reported(page: Page, whole_way: Site, width: str) -> None:
    page.goto(whole_way.url + "validate?lang=en")
    page.set_input_files("#file", SAMPLE / "exempel.xlsx")
    page.get_by_role("button", name="Check", exact=True).click()
    page.wait_for_selector(".verdict-valid")
    assert page.locator("h1").inner_text() == "Valid"
    looked_at(page, "report-valid", width)


def test_the_chosen_language_is_used_on_every_page(page: Page, whole_way: Site) -> None:
    page.goto(whole_way.url + "kpi/trygg-morker")
    page.get_by_role("link", name="English").click()
    assert page.locator("h1").inner_text() == "Respondents who feel safe outdoors in the area after dark"
    page.get_by_role("link", name="Areas", exact=True).first.click()
    assert page.locator("html").get_attribute("lang") == "en"


def test_a_neighbourhoods_table_is_reached_from_the_start_page_by_keyboard_and_mouse(
    page: Page, whole_way: Site
) -> None:
    page.goto(whole_way.url)
    page.get_by_label("Sök område").fill("Rinkeby")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Rinkeby").first.click()
    page.get_by_text("Visa som tabell").first.click()
    assert page.locator("table.figures").first.is_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).first.click()
    assert download.value.suggested_filename.endswith(".csv")


def test_charts_are_readable_on_the_smallest_phone(browser: Browser, whole_way: Site) -> None:
    """At 320 px (WCAG 1.4.10) no text of a chart is set smaller than 10 px, and none leaves the page."""
    context = browser.new_context(viewport={"width": 320, "height": 700}, locale="sv-SE")
    page = context.new_page()
    for path in ("kpi/trygg-morker", "area/deso2018/0180C6070"):
        page.goto(whole_way.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        sizes = page.evaluate(CHART_TEXTS)
        assert len(sizes) > 10
        assert min(size for size, _ in sizes) >= 10
        assert max(right for _, right in sizes) <= 320
    context.close()


def test_a_reader_chooses_the_areas_of_a_chart(page: Page, whole_way: Site, width: str) -> None:
    page.goto(whole_way.url + "kpi/trygg-morker")
    for box in page.locator("input[name=area]").all():
        box.uncheck()
    page.get_by_label("Visa Holma 1280C1430 i diagrammet").check()
    page.get_by_label("Visa Östra Farsta Strand 0180C1010 i diagrammet").check()
    page.get_by_role("button", name="Visa valda i diagrammet").click()
    chart = page.locator("svg.only-wide" if width == "desktop" else "svg.only-narrow")
    assert [text[:12] for text in chart.locator("text.end").all_text_contents()] == ["Holma", "Östra Farsta"]
    looked_at(page, "kpi-chosen", width)


def test_pages_work_without_javascript(browser: Browser, whole_way: Site) -> None:
    context = browser.new_context(java_script_enabled=False, locale="sv-SE")
    page = context.new_page()
    page.goto(whole_way.url + "validate")
    page.set_input_files("#file", SAMPLE / "exempel.xlsx")
    page.get_by_role("button", name="Kontrollera", exact=True).click()
    assert page.locator("h1").inner_text() == "Godkänd"
    page.goto(whole_way.url + "sparql")
    page.get_by_role("button", name="Kör frågan").click()
    page.wait_for_selector("table")
    assert page.locator("table tbody tr").count() > 10
    context.close()
