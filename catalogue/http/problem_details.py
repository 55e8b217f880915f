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


def problem(status: int, key: str, /, **params: object) -> Response:
    """Return the error of a message key, such as "catalogue.no-file", as problem details in the client's language.

    `params` fill the fields of its message and remedy.
    """
    return problem_of(status, VavenError(key, **params))


def problem_of(status: int, error: VavenError, **more: Any) -> Response:
    """Return an error as problem details in the client's language; `more` are extension members."""
    language = language_of_programs()
    return problem_in(language, status, error.message(language), remedy=error.remedy(language), **more)


def problem_in(
    language: str, status: int, detail: str, *, kind: str = "about:blank", title: str = "", **more: Any
) -> Response:
    """Return a problem+json response whose texts are in `language` (RFC 9457, section 3.1).

    `kind` is its type IRI, with its own `title`. Without one the title is the name of the status (RFC 9457, section
    4.2.1), which is English in every language. `more` are extension members.
    """
    body = {"type": kind, "title": title or HTTP_STATUS_CODES[status], "status": status, "detail": detail, **more}
    text = json.dumps({key: value for key, value in body.items() if value not in ("", None)}, ensure_ascii=False)
    response = Response(text + "\n", status=status, mimetype=media_types.PROBLEM_JSON)
    response.content_language.add(language)
    return response


def query_problem(error: QueryError, base: str, language: str) -> Response:
    """Return the problem of a query error in a language (RFC 9457, section 3.1.3); QueryBusy has Retry-After.

    A syntax error has `line` and `column`, and `repair` if a line at the beginning of the query fixes it.
    """
    more = {"line": error.line, "column": error.column, "repair": getattr(error, "repair", "")}
    message, remedy = error.message(language), error.remedy(language)
    title, kind = messages(language, "catalogue")(f"sparql.error.{error.kind}"), f"{base}help/sparql-{error.kind}"
    response = problem_in(language, error.status, message, kind=kind, title=title, remedy=remedy, **more)
    if isinstance(error, QueryBusy):
        response.headers["Retry-After"] = str(error.retry_seconds)
    return response


def not_acceptable(formats: Mapping[str, str]) -> Response:
    """Return 406 with the available formats: media type to IRI (RFC 9110, section 15.5.7)."""
    available = [{"type": media_type, "href": iri} for media_type, iri in formats.items()]
    extensions = ", ".join(iri.rsplit(".", 1)[-1] for iri in formats.values())
    error = VavenError("catalogue.not-acceptable", types=", ".join(formats), formats=extensions)
    response = problem_of(406, error, available=available)
    response.headers["Link"] = links([(iri, "alternate", media_type) for media_type, iri in formats.items()])
    return response
