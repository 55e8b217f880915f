"""Errors over HTTP as problem details (RFC 9457), with the remedy that the pages print too."""

from typing import Any

from flask import Response, json

from vaven.vocab.errors import QueryError, QuerySyntaxError, VavenError


def problem(status: int, title: str, detail: str = "", *, kind: str = "about:blank", **more: Any) -> Response:
    """A problem+json answer. `kind` is the problem's type IRI; `more` are extension members."""
    body = {"type": kind, "title": title, "status": status, "detail": detail, **more}
    text = json.dumps({key: value for key, value in body.items() if value not in ("", None)}, ensure_ascii=False)
    return Response(text + "\n", status=status, mimetype="application/problem+json")


def query_problem(error: QueryError, base: str) -> Response:
    """The problem that a query's error is; a 503 says when to come back."""
    place = {"line": error.line, "column": error.column} if isinstance(error, QuerySyntaxError) else {}
    answer = problem(
        error.status,
        error.message,
        error.message,
        kind=f"{base}help/sparql-{error.kind}",
        remedy=error.remedy,
        **place,
    )
    if error.status == 503:
        answer.headers["Retry-After"] = "2"
    return answer


def problem_of(status: int, error: VavenError) -> Response:
    return problem(status, error.message, error.message, remedy=error.remedy)
