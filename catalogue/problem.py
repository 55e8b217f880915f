"""Errors over HTTP as problem details (RFC 9457), with the remedy that the pages print too."""

from collections.abc import Mapping
from typing import Any

from flask import Response, json

from vaven.catalogue.negotiate import links
from vaven.vocab.errors import QueryBusy, QueryError, QuerySyntaxError, VavenError


def problem(status: int, title: str, detail: str = "", *, kind: str = "about:blank", **more: Any) -> Response:
    """A problem+json answer. `kind` is the problem's type IRI; `more` are extension members."""
    body = {"type": kind, "title": title, "status": status, "detail": detail, **more}
    text = json.dumps({key: value for key, value in body.items() if value not in ("", None)}, ensure_ascii=False)
    return Response(text + "\n", status=status, mimetype="application/problem+json")


def query_problem(error: QueryError, base: str) -> Response:
    """The problem that a query's error is; one of crowding says when to come back."""
    place = {"line": error.line, "column": error.column} if isinstance(error, QuerySyntaxError) else {}
    answer = problem(
        error.status,
        error.message,
        error.message,
        kind=f"{base}help/sparql-{error.kind}",
        remedy=error.remedy,
        **place,
    )
    if isinstance(error, QueryBusy):
        answer.headers["Retry-After"] = str(error.retry_seconds)
    return answer


def problem_of(status: int, error: VavenError) -> Response:
    return problem(status, error.message, error.message, remedy=error.remedy)


def not_acceptable(forms: Mapping[str, str]) -> Response:
    """406 with what there is: media type to address (RFC 9110, section 15.5.7)."""
    available = [{"type": kind, "href": address} for kind, address in forms.items()]
    endings = ", ".join(address.rsplit(".", 1)[-1] for address in forms.values())
    remedy = f"Ask for one of these in Accept, or write ?format= with one of {endings}."
    answer = problem(406, "Not acceptable", f"This comes as {', '.join(forms)}.", remedy=remedy, available=available)
    answer.headers["Link"] = links([(address, "alternate", kind) for kind, address in forms.items()])
    return answer
