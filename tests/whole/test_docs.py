"""The documentation is correct: recipes print their documented output, links resolve, pages show it all."""

import re
import shlex
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT, Site
from tests.recipes import DOCUMENT, PRINTED_BASE, Recipe, recipes, trimmed
from vaven.catalogue.cli.main import build_parser
from vaven.publisher.ckan.run import code_of
from vaven.publisher.operations.publication_status import STATES
from vaven.vocab.errors import CkanError

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def get(url: str) -> tuple[int, str, str]:
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.status, response.headers.get_content_type(), response.read().decode("utf-8")


@pytest.mark.parametrize("recipe", list(recipes()), ids=lambda recipe: f"{recipe.number}-{recipe.language}")
def test_a_recipe_prints_its_documented_output(whole_way: Site, recipe: Recipe) -> None:
    assert recipe.run(whole_way.url) == trimmed(recipe.output)


def test_there_are_ten_short_recipes_in_each_language() -> None:
    every_recipe = list(recipes())
    assert all(count >= 10 for count in Counter(recipe.language for recipe in every_recipe).values())
    assert {recipe.language for recipe in every_recipe} == {"python", "r", "bash"}
    for recipe in every_recipe:
        assert recipe.code.count("\n") <= 15, recipe.title
        assert recipe.output.strip(), recipe.title
    # No block is left out of the tests because its output is missing.
    text = DOCUMENT.read_text("utf-8")
    assert len(re.findall(r"^```(?:python|r|bash)$", text, re.MULTILINE)) == len(every_recipe)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_links_of_the_documentation_resolve(path: Path) -> None:
    text = CODE.sub("", path.read_text("utf-8"))
    for target in LINK.findall(text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), f"{path.name} links to {target}"
        if anchor and file.suffix == ".md":
            headings = {anchor_of(heading) for heading in HEADING.findall(CODE.sub("", file.read_text("utf-8")))}
            assert anchor in headings, f"{path.name} links to {target}"


def anchor_of(heading: str) -> str:
    """Return the anchor that GitHub generates for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_site_s_documentation_page_uses_the_site_s_own_url(whole_way: Site) -> None:
    status, kind, page = get(whole_way.url + "docs/sparql")
    assert (status, kind) == (200, "text/html")
    assert PRINTED_BASE not in page
    assert page.count("<pre>") == 2 * len(list(recipes())) + 1
    assert '<h3 id="1-first-query">' in page
    anchors = re.findall(r'<h\d id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors)) > 20
    article = page[page.index("<article") : page.index("</article>")]
    for address in re.findall(r'(?:href|src)="([^"#]+)"', article):
        assert get(urllib.parse.urljoin(whole_way.url + "docs/sparql", address))[0] == 200, address


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_commands_in_the_documentation_exist(path: Path) -> None:
    """Only names and options are parsed; other tests run the commands."""
    for block in CODE.findall(path.read_text("utf-8")):
        for line in block.splitlines():
            if line.startswith("vaven "):
                arguments = build_parser().parse_args(shlex.split(line, comments=True)[1:])
                assert callable(arguments.command), line


def test_urls_on_the_page_about_ckan_respond(whole_way: Site) -> None:
    status, kind, page = get(whole_way.url + "docs/ckan")
    assert (status, kind) == (200, "text/html")
    assert PRINTED_BASE not in page
    article = page[page.index("<article") : page.index("</article>")]
    named = re.findall(r"<code>/((?:publications|api/v1|catalog)[^<\s…]*)</code>", article)
    assert {"publications.json", "api/v1/publications", "catalog.ttl?page=1"} <= set(named)
    for address in (*re.findall(r'href="([^"#]+)"', article), *(f"/{name}" for name in named)):
        assert get(urllib.parse.urljoin(whole_way.url, address))[0] == 200, address


def test_the_page_about_ckan_names_every_state_and_failure() -> None:
    text = (ROOT / "docs" / "ckan.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
    kinds = {code_of(kind("")) for kind in CkanError.__subclasses__()}
    assert documented == {*STATES, *kinds}


def test_the_diagram_of_the_model_is_served_as_svg(whole_way: Site) -> None:
    status, kind, text = get(whole_way.url + "docs/model.svg")
    assert (status, kind) == (200, "image/svg+xml")
    assert text == (ROOT / "docs" / "model.svg").read_text("utf-8")
    for word in ("qb:Observation", "vaven:kpi", "dcat:Distribution"):
        assert word in text


def test_urls_that_the_document_names_respond(whole_way: Site) -> None:
    text = CODE.sub("", DOCUMENT.read_text("utf-8"))
    named = set(re.findall(r"`/([a-z][^`\s…]*)`", text))
    assert named >= {"sparql", "dump.nq.zst", "dump.nt.gz", "catalog.rdf"}
    for path in named:
        filled = path.replace("SLUG", "exempel-tre-kommuner").replace("VERSION", "1")
        request = urllib.request.Request(whole_way.url + filled, method="HEAD")
        with urllib.request.urlopen(request, timeout=60) as response:
            assert response.status == 200, path
