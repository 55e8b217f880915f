"""Pages of a valid submission with unusual values, requested by Flask's test client."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import Environment, UndefinedError
from openpyxl import load_workbook
from rdflib import QB, RDF, Graph

from tests.conftest import SAMPLE, words
from vaven.catalogue.app import CheckedUndefined, create_app
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
OWN = 'östra "gården"/1?#%<b>'
NAME = "<script>alert(1)</script> & ”citat”"
OWN_AREA = "/area/own/" + quote(f"awkward.{OWN}", safe="")
COLUMNS = (
    "neighbourhood", "kpi", "period", "sex", "age_group", "value", "ci_lower", "ci_upper", "status", "method", "note",
)  # fmt: skip


def observations() -> list[dict[str, str]]:
    """An own area and one of the sample's: small numbers, quarters, gaps, breaks, many groups, formulas."""
    rows: list[dict[str, str]] = []

    def add(kpi: str, period: str, value: str, sex: str = "T", age: str = "T", **more: str) -> None:
        for code in (OWN, "0180C6070"):
            cells = {"neighbourhood": code, "kpi": kpi, "period": period, "sex": sex, "age_group": age, "value": value}
            rows.append(dict.fromkeys(COLUMNS, "") | {"status": "A", "method": "survey"} | cells | more)

    for year, value in enumerate(("0.310", "0.314", "0.318", "0.326"), 2021):
        add("gini-disponibel", str(year), value)
    for year, value in (("2021", "50"), ("2022", "52"), ("2023", "54")):
        add("trygg-morker", year, value, method="illustrative", note='=HYPERLINK("http://example.org")')
    add("trygg-morker", "2024", "", status="Q", method="", note="@SUM(1)")
    for sex in "FM":
        for age in ("16-24", "25-44", "45-64", "65+"):
            add("trygg-morker", "2020" if sex == "F" else "2022", "40", sex, age)
            add("trygg-morker", "2024", "44", sex, age)
    for year, value, status in (("2020", "60", "A"), ("2021", "61", "B"), ("2022", "63", "A"), ("2023", "62", "P")):
        add("hyresgast-nojdhet", year, value, status=status, ci_lower="55", ci_upper="66" if year != "2022" else "")
    add("arbetsloshet", "2023-Q4", "7.0")
    add("arbetsloshet", "2024-Q1", "8.5")
    add("tillit", "2022", "51", "F")
    add("tillit", "2023", "52", "F")
    add("anmalda-brott", "2022-07-01/2023-06-30", "15321.4")
    add("anmalda-brott", "2023-07-01/2024-06-30", "14000.1")
    add("bra-halsa", "2024", "", status="Q")
    add("hyresratt-andel", "2022", "0")
    return rows


def awkward_package(folder: Path) -> Path:
    tables: dict[str, list[dict[str, str]]] = {
        "observations": observations(),
        "neighbourhoods": [
            {"code": OWN, "level": "own", "vintage": "", "name": NAME, "municipality": "0180"}
            | {"deso_codes": "0180C6070;0180C6090"},
            {"code": "0180C6070", "level": "deso", "vintage": "2018", "name": "Rinkeby", "municipality": "0180"}
            | {"deso_codes": ""},
        ],
        "actors": [{"id": "a", "name": "<i>Bolaget</i>", "sector": "private"}],
        "investments": [
            {"id": "i", "name": "<b>Satsning</b>", "neighbourhoods": OWN, "actors": "a", "start": "2023-01-01"}
            | {"end": "", "amount": "", "kind": "other", "kpis": "trygg-morker", "comparison_areas": "0180C6070"}
        ],
    }
    package = json.loads((SAMPLE / "package" / "datapackage.json").read_text("utf-8"))
    package["name"] = "awkward"
    package["vaven"]["title"] = {"sv": "</script><script>alert(1)</script> Å & B"}
    package["resources"] = [r for r in package["resources"] if r["name"] in tables]
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    (folder / "datapackage.json").write_text(json.dumps(package), "utf-8")
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    settings = Settings(home=tmp_path_factory.mktemp("pages"), base_iri="http://localhost/", upload_mb=1)
    publish(SAMPLE / "exempel.xlsx", settings)
    publish(awkward_package(tmp_path_factory.mktemp("awkward")), settings)
    app = create_app(settings)
    yield app
    app.extensions["vaven"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def page(client: FlaskClient, path: str, status: int = 200) -> str:
    response = client.get(path, headers=BROWSER)
    assert response.status_code == status, path
    assert response.mimetype == "text/html"
    return response.get_data(as_text=True)


def card(text: str, name: str) -> str:
    """Return the HTML of one KPI's card on an area's page."""
    match = re.search(rf'<article class="kpi-card" id="{name}".*?</article>', text, re.DOTALL)
    assert match, name
    return match[0]


def plain(markup: str) -> str:
    return words(re.sub(r"<[^>]*>", " ", markup))


# Figures say what the data says.


def test_small_numbers_have_enough_decimals_to_differ(client: FlaskClient) -> None:
    html = card(page(client, "/area/deso2018/0180C6070"), "gini-disponibel")
    assert "0,326 index · 2024 +0,016 sedan 2021 (sämre)" in plain(html)
    ticks = re.findall(r'text-anchor="end">([^<]*)<', html.split("</svg>")[0])
    assert len(ticks) == len(set(ticks)) > 2


def test_a_change_is_described_by_direction_and_never_across_a_break(client: FlaskClient) -> None:
    text = page(client, OWN_AREA)
    assert "−1 321,3 per 100 000 invånare sedan juli 2022 – juni 2023 (bättre)" in plain(card(text, "anmalda-brott"))
    assert "+1,5 procentenheter sedan kvartal 4 2023 (sämre)" in plain(card(text, "arbetsloshet"))
    assert "+1 procentenhet sedan 2021 (bättre)" in plain(card(text, "hyresgast-nojdhet"))


def test_a_missing_last_value_is_shown_and_fictitious_values_are_marked(client: FlaskClient) -> None:
    html = card(page(client, OWN_AREA), "trygg-morker")
    assert "54 % · 2023" in plain(html)
    assert "2024: Undertryckt" in plain(html)
    assert "Påhittat värde" in html
    assert 'class="mark-missing"' in html


def test_values_for_women_only_are_labelled_as_such(client: FlaskClient) -> None:
    assert "52 % · Kvinnor · 2023" in plain(card(page(client, OWN_AREA), "tillit"))


def test_the_table_has_every_period_of_every_group_and_the_chart_a_limited_number(client: FlaskClient) -> None:
    html = card(page(client, OWN_AREA), "trygg-morker")
    table = html[html.index("<table") :]
    assert re.findall(r'class="num">(\d{4})<', table) == ["2020", "2021", "2022", "2023", "2024"]
    assert table.count('<th scope="row">') == 9
    assert html.split("</svg>")[0].count('<g class="line') == 6
    assert "Diagrammet visar 6 av 9 grupper" in html


def test_measurements_of_two_partners_are_never_drawn_as_one_line(client: FlaskClient) -> None:
    text = page(client, "/area/deso2018/0180C6070")
    ours, theirs = card(text, "trygg-morker"), card(text, "trygg-morker-exempel-tre-kommuner")
    assert {"54" in ours, "59,8" in theirs} == {True}
    assert '<a href="/dataset/awkward">' in ours
    assert '<a href="/dataset/exempel-tre-kommuner">' in theirs
    assert len(re.findall(r' id="([^"]*)"', text)) == len(set(re.findall(r' id="([^"]*)"', text)))


def test_intervals_are_a_band_if_complete_and_whiskers_otherwise(client: FlaskClient) -> None:
    chart = card(page(client, OWN_AREA), "hyresgast-nojdhet").split("</svg>")[0]
    assert "mark-break" in chart
    assert "mark-provisional" in chart
    assert chart.count('class="whisker') == 3


def test_areas_without_a_value_are_mentioned(client: FlaskClient) -> None:
    assert "2 områden har lämnat rader om nyckeltalet" in page(client, "/kpi/bra-halsa")
    assert "Värde saknas" in plain(page(client, OWN_AREA))


def test_a_kpi_chart_shows_the_requested_areas(client: FlaskClient) -> None:
    address = "/kpi/trygg-morker?area=deso2018/1280C1430&area=deso2018/0180C1010"
    chart = page(client, address).split("</svg>")[0]
    assert re.findall(r'<text class="end[^>]*>([^<]*)<', chart) == ["Holma", "Östra Farsta Strand"]


def test_only_verified_counterparts_are_shown(client: FlaskClient) -> None:
    assert "N00610" in page(client, "/kpi/trygg-morker")


# Any name and any code leads somewhere, and nothing of it is run.


def test_names_from_a_submission_are_escaped_on_every_page(client: FlaskClient) -> None:
    for path in ("/", "/areas", OWN_AREA, "/kpi/trygg-morker", "/dataset/awkward", "/investment/awkward.i"):
        text = page(client, path)
        assert "<script>alert" not in text, path
        assert "<b>Satsning" not in text, path


def test_an_own_area_with_any_code_has_its_page_identifier_and_files(client: FlaskClient) -> None:
    results = page(client, "/areas?q=citat")
    link = re.search(r'href="(/area/own/[^"]*)"', results)
    assert link
    assert words(NAME).replace("<", "&lt;").replace(">", "&gt;").split(" &")[0] in page(client, link[1])
    moved = client.get("/id" + OWN_AREA, headers=BROWSER)
    assert (moved.status_code, moved.headers["Location"]) == (303, OWN_AREA)
    turtle = client.get("/id" + OWN_AREA, headers={"Accept": "text/turtle"}, follow_redirects=True)
    assert len(Graph().parse(data=turtle.get_data(), format="turtle")) > 3
    assert client.get(OWN_AREA + ".csv").mimetype == "text/csv"
    observed = json.loads(client.get(OWN_AREA + ".json").data)[0]["iri"].removeprefix("http://localhost")
    assert client.get(observed, headers={"Accept": "text/turtle"}, follow_redirects=True).status_code == 200


def test_structured_data_in_the_page_can_be_read(client: FlaskClient) -> None:
    match = re.search(
        r'<script type="application/ld\+json">(.*?)</script>', page(client, "/dataset/awkward"), re.DOTALL
    )
    assert match
    described = json.loads(match[1])
    assert described["@type"] == "Dataset"
    assert described["name"].endswith("Å & B")


def test_formulas_in_a_submission_are_not_executable_in_downloads(client: FlaskClient) -> None:
    text = client.get("/kpi/trygg-morker.csv").get_data(as_text=True)
    notes = {row["note"] for row in csv.DictReader(io.StringIO(text))}
    assert "'@SUM(1)" in notes
    assert not any(note.startswith(("=", "@")) for note in notes)
    book = load_workbook(io.BytesIO(client.get("/kpi/trygg-morker.xlsx").data))
    assert {cell.data_type for row in book.active.iter_rows() for cell in row} <= {"s", "n", "inlineStr"}


# Languages, errors, negotiation.


@pytest.mark.parametrize(
    ("accept", "cookie", "query", "expected"),
    [
        ("", "", "", "sv"),
        ("en-US,en;q=0.9,sv;q=0.8", "", "", "en"),
        ("de,fr;q=0.5", "", "", "sv"),
        ("en", "lang=sv", "", "sv"),
        ("en", "lang=sv", "?lang=en", "en"),
        ("", "lang=xx", "?lang=../../etc", "sv"),
    ],
)
def test_the_language_is_the_visitor_s_choice(app: Flask, accept: str, cookie: str, query: str, expected: str) -> None:
    headers = BROWSER | {"Accept-Language": accept, "Cookie": cookie}
    response = app.test_client(use_cookies=False).get("/" + query, headers=headers)
    assert response.headers["Content-Language"] == expected
    assert {"Accept-Language", "Cookie"} <= response.vary.as_set(preserve_casing=True)


def test_the_language_switch_leads_to_the_same_page_and_query(client: FlaskClient) -> None:
    text = page(client, "/areas?q=%22%3E%3Cscript%3E&lang=en")
    assert re.search(r'class="language" href="/areas\?q=%22%3E%3Cscript%3E&amp;lang=sv"', text)


def test_one_area_is_singular(client: FlaskClient) -> None:
    assert "1 område med värden för ”holma”" in page(client, "/areas?q=holma")
    nothing = page(client, "/areas?q=" + "x" * 3000)
    assert "Inget område med värden matchar ”x" in nothing
    assert "Sök på områdets namn, på kommunen eller på koden" in nothing


def test_areas_without_values_can_be_searched_by_municipality(client: FlaskClient) -> None:
    assert "1281C1" in page(client, "/areas?q=lund")
    assert "0180C6070" in page(client, "/areas?q=stockholm+rinkeby")


@pytest.mark.parametrize(
    "path", ["/x", "/kpi/x", "/area/own/x", "/dataset/x", "/dataset/awkward/9", "/help/x", "/id/x"]
)
def test_a_missing_page_is_reported_in_the_requested_media_type(client: FlaskClient, path: str) -> None:
    assert "Sidan finns inte" in page(client, path, 404)
    problem = client.get(path, headers={"Accept": "application/json"})
    assert (problem.status_code, problem.mimetype) == (404, "application/problem+json")


@pytest.mark.parametrize("name", ["x%EF%BF%BE", "x%FF", "x%EE%80%80", "area", "a//b", "kpi/" + "x" * 5000, "%3E%20%7B"])
def test_no_identifier_causes_a_server_error(client: FlaskClient, name: str) -> None:
    for accept in ("text/html", "text/turtle", "text/html;q=nan, */*;q=0.1"):
        assert client.get("/id/" + name, headers={"Accept": accept}).status_code == 404


def test_areas_without_a_page_of_their_own_are_described(client: FlaskClient) -> None:
    for name in ("kommun/0180", "lan/01"):
        assert client.get(f"/id/area/{name}", headers=BROWSER).headers["Location"] == f"/doc/area/{name}"
        assert "skos:" in page(client, f"/doc/area/{name}")


def test_a_disallowed_method_is_a_client_error(client: FlaskClient) -> None:
    refused = client.post("/datasets", headers=BROWSER)
    assert refused.status_code == 405
    assert {"GET", "HEAD", "OPTIONS"} == set(refused.headers["Allow"].split(", "))
    assert client.post("/datasets", headers={"Accept": "application/json"}).mimetype == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/dataset/awkward", "/x", "/catalog.ttl", "/kpi/trygg-morker.csv"])
def test_every_response_has_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path, headers=BROWSER).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Referrer-Policy" in headers


def test_pages_have_no_inline_styles_and_scripts(client: FlaskClient) -> None:
    for path in ("/", OWN_AREA, "/kpi/trygg-morker", "/validate", "/sparql", "/dataset/awkward"):
        text = page(client, path)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=| type=\"application/(ld\+)?json)", text), path


# Downloads.


def test_a_release_file_has_an_entity_tag_a_cache_lifetime_and_ranges(client: FlaskClient) -> None:
    path = "/dataset/awkward/1/observations.parquet"
    full = client.get(path)
    assert "max-age=86400" in full.headers["Cache-Control"]
    assert client.head(path).headers["Content-Length"] == str(len(full.data))
    assert client.get(path, headers={"If-None-Match": full.headers["ETag"]}).status_code == 304
    part = client.get(path, headers={"Range": "bytes=-8"})
    assert (part.status_code, part.data) == (206, full.data[-8:])
    assert part.headers["Content-Range"] == f"bytes {len(full.data) - 8}-{len(full.data) - 1}/{len(full.data)}"
    assert client.get(path, headers={"Range": "bytes=99999999-"}).status_code == 416


@pytest.mark.parametrize("ending", ["ttl", "jsonld", "nt"])
def test_a_format_created_on_request_is_complete_and_created_only_when_needed(client: FlaskClient, ending: str) -> None:
    path = f"/dataset/awkward/1/observations.{ending}"
    response = client.get(path)
    assert response.content_length == len(response.data)
    graph = Graph().parse(data=response.data, format={"jsonld": "json-ld"}.get(ending, ending))
    assert len(set(graph.subjects(RDF.type, QB.Observation))) == len(observations())
    assert client.get(path, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
    assert client.head(path).headers["ETag"] == response.headers["ETag"]


@pytest.mark.parametrize("name", ["..%2f..%2frecords.sqlite", "%2e%2e", "x.csv", "observations.csv%00"])
def test_only_files_of_the_release_are_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/dataset/awkward/1/{name}").status_code == 404


# The validate page.


def upload(client: FlaskClient, name: str, content: bytes, query: str = "", accept: str = BROWSER["Accept"]) -> str:
    sent = {"file": (io.BytesIO(content), name)}
    response = client.post("/validate" + query, data=sent, headers={"Accept": accept}, follow_redirects=True)
    assert response.status_code == 200, name
    return response.get_data(as_text=True)


@pytest.mark.parametrize(
    "name", ["..", ".", "a/b", "C:\\x\\y.csv", "😀" * 130 + ".csv", "x\0.csv", "-rf", "<i>.csv", " "]
)
def test_a_file_with_any_name_is_checked(client: FlaskClient, name: str) -> None:
    assert "Inte godkänd" in upload(client, name, b"a;b\n1;2\n")


def test_a_deleted_upload_leaves_no_files(client: FlaskClient, app: Flask) -> None:
    validations = Path(app.instance_path) / "validations"
    before = set(validations.iterdir())
    response = client.post("/validate", data={"file": (io.BytesIO(b"a;b\n1;2\n"), "x.csv")}, headers=BROWSER)
    (validation,) = set(validations.iterdir()) - before
    assert response.location == f"/validate/{validation.name}"
    assert client.post(response.location + "/delete").location == "/validate"
    assert set(validations.iterdir()) == before
    assert client.get(response.location).status_code == 404


def test_cells_are_quoted_as_escaped_text(client: FlaskClient) -> None:
    cells = "Område;Nyckeltal;Period;Värde\n<script>alert(1)</script>;{field};{0};%s{}\n"
    text = upload(client, "x.csv", cells.encode())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert "{field}" in text


def test_the_report_is_available_as_json_and_text(client: FlaskClient) -> None:
    cells = "Område;Nyckeltal;Period;Värde\n180C6070;trygg-morker;2023;64,5\n".encode("cp1252")
    assert json.loads(upload(client, "x.csv", cells, "?format=json&lang=en"))["verdict"] == "invalid"
    findings = json.loads(upload(client, "x.csv", cells, accept="application/json"))["findings"]
    assert [finding["cell"] for finding in findings if finding["severity"] == "error"] == ["A2"]
    assert upload(client, "x.csv", cells, "?format=text&lang=en").startswith("INVALID")


def test_cell_references_in_a_package_name_their_table(client: FlaskClient, tmp_path: Path) -> None:
    folder = awkward_package(tmp_path)
    faulty = (folder / "observations.csv").read_text("utf-8").replace("0.310", "31")
    (folder / "observations.csv").write_text(faulty, "utf-8")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    text = upload(client, "paket.zip", buffer.getvalue())
    assert "<code>Observationer!F2:F3</code>" in text


def test_a_file_too_large_and_no_file_have_different_errors(client: FlaskClient) -> None:
    large = {"file": (io.BytesIO(b"a;b\n" + b"1;2\n" * 300_000), "x.csv")}
    response = client.post("/validate", data=large, headers=BROWSER)
    assert response.status_code == 413
    assert "Filen är för stor" in response.get_data(as_text=True)
    assert "Välj en fil först" in client.post("/validate", headers=BROWSER).get_data(as_text=True)
    nothing = client.post("/validate", headers={"Accept": "application/json"})
    assert (nothing.status_code, nothing.mimetype) == (400, "application/problem+json")


def test_the_template_comes_in_both_languages_with_the_municipalitys_areas(client: FlaskClient) -> None:
    for language in ("sv", "en"):
        response = client.get(f"/template.xlsx?kommun=0180&lang={language}")
        assert response.status_code == 200
        assert len(load_workbook(io.BytesIO(response.data)).sheetnames) >= 6
    assert client.get("/template.xlsx?kommun=9999").status_code == 404


@pytest.mark.parametrize("template", ["{{ name }}", "{{ area.nam }}", "{% if area.nam %}x{% endif %}"])
def test_a_misspelt_name_in_a_template_is_an_error(template: str) -> None:
    environment = Environment(undefined=CheckedUndefined)
    assert environment.from_string("{% if name %}x{% endif %}{{ area.name }}").render(area={"name": "a"}) == "a"
    with pytest.raises(UndefinedError):
        environment.from_string(template).render(area=object())
