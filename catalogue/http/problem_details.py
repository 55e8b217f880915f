"""Errors over HTTP as problem details (RFC 9457), with the remedy that pages show too."""

from collections.abc import Mapping
from typing import Any

from flask import Response, json
from werkzeug.http import HTTP_STATUS_CODES

from vaven.catalogue.http.content_negotiation import links
from vaven.catalogue.http.i18n import language_of_programs
from vaven.vocab import media_types
from vaven.vocab.errors import QueryBusy, QueryError, VavenError
from vaven.vocab.messages import messages


def problem(
    status: int, summary: str, detail: str = "", *, kind: str = "about:blank", title: str = "", **more: Any
) -> Response:
    """Return a problem+json response, whose `detail` is the summary followed by `detail`.

    `kind` is its type IRI, with its own `title`. Without one the title is the name of the status (RFC 9457, section
    4.2.1). `more` are extension members.
    """
    phrase = HTTP_STATUS_CODES[status]
    if summary.lower() not in (phrase.lower(), detail.lower()):
        detail = f"{summary.rstrip('.')}. {detail}".strip()
    body = {"type": kind, "title": title or phrase, "status": status, "detail": detail, **more}
    text = json.dumps({key: value for key, value in body.items() if value not in ("", None)}, ensure_ascii=False)
    return Response(text + "\n", status=status, mimetype=media_types.PROBLEM_JSON)


def query_problem(error: QueryError, base: str, language: str) -> Response:
    """Return the problem of a query error in a language (RFC 9457, section 3.1.3); QueryBusy has Retry-After.

    A syntax error has `line` and `column`, and `repair` if a line at the beginning of the query fixes it.
    """
    more = {"line": error.line, "column": error.column, "repair": getattr(error, "repair", "")}
    message, remedy = error.message(language), error.remedy(language)
    title, kind = messages(language, "catalogue")(f"sparql.error.{error.kind}"), f"{base}help/sparql-{error.kind}"
    response = problem(error.status, message, message, kind=kind, title=title, remedy=remedy, **more)
    response.content_language.add(language)
    if isinstance(error, QueryBusy):
        response.headers["Retry-After"] = str(error.retry_seconds)
    return response


def problem_of(status: int, error: VavenError, **more: Any) -> Response:
    """Return an error as problem details in the client's language; `more` are extension members."""
    language = language_of_programs()
    message = error.message(language)
    response = problem(status, message, message, remedy=error.remedy(language), **more)
    response.content_language.add(language)
    return response


def not_acceptable(formats: Mapping[str, str]) -> Response:
    """Return 406 with the available formats: media type to IRI (RFC 9110, section 15.5.7)."""
    available = [{"type": media_type, "href": iri} for media_type, iri in formats.items()]
    extensions = ", ".join(iri.rsplit(".", 1)[-1] for iri in formats.values())
    remedy = f"Ask for one of these in Accept, or write ?format= with one of {extensions}."
    response = problem(
        406, "Not acceptable", f"This comes as {', '.join(formats)}.", remedy=remedy, available=available
    )
    response.headers["Link"] = links([(iri, "alternate", media_type) for media_type, iri in formats.items()])
    return response
