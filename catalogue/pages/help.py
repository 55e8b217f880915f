"""Help pages: the standard, each rule with a faulty example, the endpoint's problem types, and the empty template."""

import io
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, abort, g, render_template, request, send_file

from vaven.catalogue.http import i18n
from vaven.catalogue.http.page_cache import PageCache
from vaven.publisher.integrity.run import CODES as INTEGRITY
from vaven.publisher.metadata.rules import rule_texts
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.answers import UNANSWERED
from vaven.schemas.rules.registry import READING_RULES, RULES, SCHEMA_RULES
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.standard.thresholds import USED_BY, Thresholds
from vaven.vocab.areas import areas
from vaven.vocab.messages import messages

# Problem types of the endpoint have this prefix in their path, so that no rule's code can be the same.
QUERY_ERROR_PREFIX = "sparql-"
FIELD = re.compile(r"{(\w+)}")


def blueprint(collection: Collection, page_cache: PageCache) -> Blueprint:
    pages = Blueprint("help", __name__)
    page_cache.cover(pages, collection.state)

    @pages.get("/help")
    def index() -> str:
        return _index_page()

    @pages.get("/help/<code>")
    def topic(code: str) -> str:
        if code.startswith(QUERY_ERROR_PREFIX):
            return _query_error_page(code.removeprefix(QUERY_ERROR_PREFIX))
        return _rule_page(code, collection.settings.thresholds)

    @pages.get("/template.xlsx")
    def template() -> Response:
        return _template(request.args.get("kommun") or None)

    return pages


def _index_page() -> str:
    rule_text = rule_texts(g.lang)

    def by_title(codes: Iterable[str]) -> list[str]:
        return sorted(codes, key=lambda code: rule_text(f"rule.{code}.title").casefold())

    rules, integrity = by_title({*RULES, *SCHEMA_RULES, *READING_RULES, UNANSWERED}), by_title(INTEGRITY)
    schemas = standard().schemas
    return render_template("help/index.html", rules=rules, integrity=integrity, schemas=schemas, rule_text=rule_text)


def _rule_page(code: str, thresholds: Thresholds) -> str:
    rule_text = rule_texts(g.lang)
    if not rule_text.get(f"rule.{code}.title"):
        abort(404)
    limits = {name: getattr(thresholds, name) for name in USED_BY.get(code, ())}
    return render_template(
        "help/rule.html",
        code=code,
        rule_text=rule_text,
        message=_with_field_names(rule_text.texts[f"rule.{code}.message"]),
        remedy=_with_field_names(rule_text.texts[f"rule.{code}.remedy"]),
        report_text=messages(g.lang, "schemas"),
        example=_examples().get(code),
        limits=limits,
    )


def _with_field_names(template: str) -> str:
    """Return a rule's sentence with the names of what fills it, in the visitor's language: ‹kolumn› är tom."""
    return FIELD.sub(lambda match: f"‹{i18n.t(f'rule.field.{match[1]}')}›", template)


@cache
def _examples() -> Mapping[str, Any]:
    """Read the faulty example of each rule, generated from the cases that the tests run."""
    examples: dict[str, Any] = json.loads((files(__package__) / "examples.json").read_text("utf-8"))
    return examples


def _query_error_page(kind: str) -> str:
    """Render the page that a problem type of the endpoint identifies (RFC 9457, section 3.1.1)."""
    if not messages(g.lang, "catalogue").get(f"sparql.error.{kind}"):
        abort(404)
    return render_template("help/query_error.html", kind=kind)


def _template(kommun: str | None) -> Response:
    from vaven.schemas.reports.template import write_template

    if kommun and kommun not in areas().kommuner:
        abort(404)
    content = io.BytesIO()
    write_template(content, language=g.lang, kommun=kommun)
    content.seek(0)
    name = f"vaven-{'mall' if g.lang == 'sv' else 'template'}{'-' + kommun if kommun else ''}.xlsx"
    return send_file(content, download_name=name, as_attachment=True)
