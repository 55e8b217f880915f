"""The documentation for developers as pages of the site: the Markdown of docs/, with this site's address in it.

What is shown lies in `guide/` as links to docs/, so that the package has it too.
"""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, abort, render_template
from marko import Markdown, MarkoExtension
from marko.block import Heading
from marko.ext.gfm import GFM
from marko.inline import Link
from markupsafe import Markup

from vaven.vocab.iris import Iris

# The address that the documents print, so that their recipes run as they are on one's own computer.
PRINTED_BASE = "http://127.0.0.1:8000/"
NO_ANCHOR = re.compile(r"[^a-z0-9]+")
TAGS = re.compile(r"<[^>]+>")


def blueprint(iris: Iris) -> Blueprint:
    pages = Blueprint("documentation", __name__)

    @pages.get("/docs/<any(sparql, ckan):name>")
    def document(name: str) -> str:
        title, text = _page(name, iris.base)
        return render_template("document.html", title=title, text=Markup(text))

    @pages.get("/docs/<any(model):name>.svg")
    def picture(name: str) -> Response:
        return Response(_text(f"{name}.svg"), mimetype="image/svg+xml")

    return pages


class _Renderer:
    """Renderer mixin for our pages: heading anchors, scrollable tables, and links that resolve on the site."""

    def render_heading(self: Any, element: Heading) -> str:
        text = self.render_children(element)
        anchor = NO_ANCHOR.sub("-", TAGS.sub("", text).lower()).strip("-")
        return f'<h{element.level} id="{anchor}">{text}</h{element.level}>\n'

    def render_link(self: Any, element: Link) -> str:
        text = self.render_children(element)
        # Other documents of the project are not pages of the site.
        return text if element.dest.endswith(".md") else f'<a href="{self.escape_url(element.dest)}">{text}</a>'

    def render_table(self: Any, element: Any) -> str:
        return f'<div class="table-box" tabindex="0">{super().render_table(element)}</div>'  # type: ignore[misc]

    def render_quote(self: Any, element: Any) -> str:
        # The documents are in English, except for the block quote at the beginning.
        return f'<div class="notice" lang="sv">\n{self.render_children(element)}</div>\n'


@lru_cache(maxsize=4)
def _page(name: str, base: str) -> tuple[str, str]:
    """Title and HTML of a document."""
    text = _text(f"{name}.md").replace(PRINTED_BASE, base)
    reader = Markdown(extensions=[GFM, MarkoExtension(renderer_mixins=[_Renderer])])
    title, _, _ = text.partition("\n")
    return title.lstrip("# "), reader.convert(text)


def _text(name: str) -> str:
    path = files(__package__) / "guide" / name
    return path.read_text("utf-8") if path.is_file() else abort(404)
