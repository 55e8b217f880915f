"""Output formats of a report, by the names used on the command line and in the web API."""

from collections.abc import Callable, Mapping

from vaven.schemas.reports.frictionless import as_frictionless
from vaven.schemas.reports.html import as_html
from vaven.schemas.reports.sarif import as_sarif
from vaven.schemas.reports.text_and_json import as_json, as_text
from vaven.schemas.standard.finding import Report
from vaven.vocab import media_types

FORMS: Mapping[str, tuple[str, Callable[[Report, str], str]]] = {
    "text": (media_types.TEXT, as_text),
    "json": (media_types.JSON, as_json),
    "html": (media_types.HTML, as_html),
    "sarif": ("application/sarif+json", as_sarif),
    "frictionless": (media_types.JSON, as_frictionless),
}


def render(form: str, report: Report, language: str) -> str:
    """Render a report in a format of `FORMS`, with its messages in one language."""
    _, write = FORMS[form]
    return write(report, language)


def media_type(form: str) -> str:
    return FORMS[form][0]
