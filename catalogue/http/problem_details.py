"""Errors over HTTP as problem details (RFC 9457), with the remedy that the pages print too."""

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
    status: int, what: str, detail: str = "", *, kind: str = "about:blank", title: str = "", **more: Any
) -> Response:
    """A problem+json answer: `what` in short, and more in `detail`; both are the problem's `detail`.

    `kind` is its type IRI, with its own `title`. Without one the title is the status's name (RFC 9457, section
    4.2.1). `more` are extension members.
    """
    phrase = HTTP_STATUS_CODES[status]
    if what.lower() not in (phrase.lower(), detail.lower()):
        detail = f"{what.rstrip('.')}. {detail}".strip()
    body = {"type": kind, "title": title or phrase, "status": status, "detail": detail, **more}
    text = json.dumps({key: value for key, value in body.items() if value not in ("", None)}, ensure_ascii=False)
    return Response(text + "\n", status=status, mimetype=media_types.PROBLEM_JSON)


def query_problem(error: QueryError, base: str, language: str) -> Response:
    """The problem that a query's error is, in a language (RFC 9457, section 3.1.3); of crowding with when to come back.

    A fault in the text has `line` and `column`, and `repair` where a line at its beginning mends it.
    """
    more = {"line": error.line, "column": error.column, "repair": getattr(error, "repair", "")}
    message, remedy = error.message(language), error.remedy(language)
    title, kind = messages(language, "catalogue")(f"sparql.error.{error.kind}"), f"{base}help/sparql-{error.kind}"
    answer = problem(error.status, message, message, kind=kind, title=title, remedy=remedy, **more)
    answer.content_language.add(language)
    if isinstance(error, QueryBusy):
        answer.headers["Retry-After"] = str(error.retry_seconds)
    return answer


def problem_of(status: int, error: VavenError, **more: Any) -> Response:
    """The problem that an error is, in the client's language. `more` are extension members."""
    language = language_of_programs()
    message = error.message(language)
    response = problem(status, message, message, remedy=error.remedy(language), **more)
    response.content_language.add(language)
    return response


def not_acceptable(forms: Mapping[str, str]) -> Response:
    """406 with what there is: media type to address (RFC 9110, section 15.5.7)."""
    available = [{"type": kind, "href": address} for kind, address in forms.items()]
    endings = ", ".join(address.rsplit(".", 1)[-1] for address in forms.values())
    remedy = f"Ask for one of these in Accept, or write ?format= with one of {endings}."
    answer = problem(406, "Not acceptable", f"This comes as {', '.join(forms)}.", remedy=remedy, available=available)
    answer.headers["Link"] = links([(address, "alternate", kind) for kind, address in forms.items()])
    return answer
