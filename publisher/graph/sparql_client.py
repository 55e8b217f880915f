"""Client of a SPARQL 1.1 server: Query, Update and Graph Store HTTP Protocol, with a login.

SPARQLWrapper has no Graph Store Protocol, and for Digest it changes how the whole process opens URLs, so the writing
side uses HTTP directly. No error that is raised here contains the password.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from vaven.publisher.settings import Settings
from vaven.vocab import media_types
from vaven.vocab.errors import StoreUnavailable

CONNECT_SECONDS = 10.0
# The response to an update that moves a large graph comes when it is done.
WORK_SECONDS = 3600.0
QUERY_SECONDS = 10.0
# Errors by the status that a graph server refuses with; their remedies differ.
REFUSALS = {
    401: "publisher.graph-server-login",
    403: "publisher.graph-server-login",
    404: "publisher.graph-server-address",
    405: "publisher.graph-server-address",
}


@dataclass(frozen=True)
class Login:
    """A user, empty if none is needed, and a password, which is not part of this value's text."""

    user: str = ""
    password: str = field(default="", repr=False)


NO_LOGIN = Login()


@dataclass(frozen=True)
class Addresses:
    """The URLs of a server for queries, updates and graphs, with the login for all three. Created by `addresses`."""

    query: str
    update: str
    graph: str
    login: Login = NO_LOGIN


def addresses(settings: Settings) -> Addresses:
    """Return the configured URLs; a login that is part of a URL is removed from it."""
    urls = (settings.sparql_query_url, settings.sparql_update_url, settings.sparql_graph_url)
    (in_query, query), (in_update, update), (in_graph, graph) = map(without_login, urls)
    configured = Login(settings.sparql_user, settings.sparql_password)
    logins = (configured, in_query, in_update, in_graph)
    return Addresses(query, update, graph, next((login for login in logins if login.user), configured))


def without_login(url: str) -> tuple[Login, str]:
    """Return the user and password in a URL, and the URL without them."""
    split = urlsplit(url)
    if split.username is None:
        return Login(), url
    host = split.netloc.rpartition("@")[2]
    return Login(unquote(split.username), unquote(split.password or "")), urlunsplit(split._replace(netloc=host))


class RemoteServer:
    """A server. Every method raises StoreUnavailable, which states the request's URL and the response."""

    def __init__(
        self, urls: Addresses, *, query_seconds: float = QUERY_SECONDS, work_seconds: float = WORK_SECONDS
    ) -> None:
        self._urls = urls
        self._query_seconds, self._work_seconds = query_seconds, work_seconds
        self._logins: dict[str, AuthBase] = {}

    def select(self, query: str) -> list[Mapping[str, str]]:
        """Return the solutions of a SELECT query, each term as its lexical form or IRI."""
        response = self._send(
            "POST",
            self._urls.query,
            self._query_seconds,
            data={"query": query},
            headers={"Accept": media_types.SPARQL_JSON},
        )
        try:
            rows = response.json()["results"]["bindings"]
            return [{name: term["value"] for name, term in row.items()} for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise StoreUnavailable("publisher.no-sparql-results", url=self._urls.query) from cause

    def update(self, text: str) -> None:
        """Execute all operations of a SPARQL update in one request."""
        headers = {"Content-Type": media_types.SPARQL_UPDATE, "Accept": "*/*"}
        self._send("POST", self._urls.update, self._work_seconds, data=text.encode(), headers=headers)

    def put(self, graph: str, file: Path, media_type: str, *, adding: bool = False) -> None:
        """Replace a graph by a file's triples, or add them to it (Graph Store HTTP Protocol, sections 5.3 and 5.5)."""
        with file.open("rb") as body:
            # A file has a length. Of a chunked body Virtuoso loads no triple, and still responds with 201.
            self._send(
                "POST" if adding else "PUT",
                self._urls.graph,
                self._work_seconds,
                params={"graph": graph},
                data=body,
                headers={"Content-Type": media_type, "Accept": "*/*"},
            )

    def _send(
        self,
        method: str,
        url: str,
        seconds: float,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        data: "Mapping[str, str] | bytes | IO[bytes] | None" = None,
    ) -> requests.Response:
        try:
            # Not in a session: an open connection occupies one of the server's threads, of which Virtuoso has ten.
            response = requests.request(
                method,
                url,
                params=params,
                data=data,
                headers=headers,
                auth=self._auth(url, params),
                timeout=(CONNECT_SECONDS, seconds),
                allow_redirects=False,
            )
        except requests.Timeout as cause:
            raise StoreUnavailable("publisher.graph-server-late", url=url, seconds=f"{seconds:g}") from cause
        except (requests.RequestException, OSError) as cause:
            raise StoreUnavailable("publisher.graph-server-unreachable", url=url, cause=_reason(cause)) from cause
        if not response.ok or response.is_redirect:
            raise _refusal(url, response)
        return response

    def _auth(self, url: str, params: Mapping[str, str] | None) -> AuthBase | None:
        """Return the authentication that a URL requires, found by a request without a body, since bodies are large."""
        login = self._urls.login
        if not login.user:
            return None
        if url not in self._logins:
            challenge = self._head(url, params, None).headers.get("WWW-Authenticate", "")
            if challenge.lower().startswith("digest"):
                self._logins[url] = HTTPDigestAuth(login.user, login.password)
                # The response has the nonce by which the next requests are signed.
                self._head(url, params, self._logins[url])
            else:
                self._logins[url] = HTTPBasicAuth(login.user.encode(), login.password.encode())
        return self._logins[url]

    def _head(self, url: str, params: Mapping[str, str] | None, auth: AuthBase | None) -> requests.Response:
        """Return the head of the response to a GET; its body, which may be a whole graph, is not read."""
        timeout = (CONNECT_SECONDS, self._query_seconds)
        with requests.get(url, params=params, auth=auth, timeout=timeout, stream=True) as response:
            return response


def _reason(cause: BaseException) -> str:
    """Return the message of the innermost cause, such as "Connection refused"."""
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    return re.sub(r"^\[Errno -?\d+\] ", "", str(cause)) or type(cause).__name__


def _refusal(url: str, response: requests.Response) -> StoreUnavailable:
    body = " ".join(re.sub(r"<[^<>]*>", " ", response.text[:4000]).split())[:300]
    response_text = f"{response.status_code} {response.reason}" + (f": {body}" if body else ".")
    key = REFUSALS.get(response.status_code, "publisher.graph-server-refused")
    return StoreUnavailable(key, url=url, response=response_text)
