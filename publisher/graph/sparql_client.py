"""Speaking with a SPARQL 1.1 server that is not ours: Query, Update and Graph Store HTTP Protocol, with a login.

SPARQLWrapper has no Graph Store Protocol, and for Digest it changes how the whole process opens addresses, so the
writing side speaks HTTP by itself. Nothing that is raised here has the password in it.
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
# An update that moves a large graph answers when it is done.
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
    """`user` is empty where none is needed. The password is in no text that this value is turned into."""

    user: str = ""
    password: str = field(default="", repr=False)


NOBODY = Login()


@dataclass(frozen=True)
class Addresses:
    """Where a server takes queries, updates and graphs; `login` is for all three. Use `addresses` to make one."""

    query: str
    update: str
    graph: str
    login: Login = NOBODY


def addresses(settings: Settings) -> Addresses:
    """As the configuration says. A login that stands in an address is taken out of it."""
    urls = (settings.sparql_query_url, settings.sparql_update_url, settings.sparql_graph_url)
    (in_query, query), (in_update, update), (in_graph, graph) = map(without_login, urls)
    login = Login(settings.sparql_user, settings.sparql_password)
    return Addresses(
        query, update, graph, next((given for given in (login, in_query, in_update, in_graph) if given.user), login)
    )


def without_login(url: str) -> tuple[Login, str]:
    """The user and password that stand in an address, and the address without them."""
    split = urlsplit(url)
    if split.username is None:
        return Login(), url
    host = split.netloc.rpartition("@")[2]
    return Login(unquote(split.username), unquote(split.password or "")), urlunsplit(split._replace(netloc=host))


class RemoteServer:
    """One server. Every method raises StoreUnavailable, which says what was asked and what it answered."""

    def __init__(
        self, found: Addresses, *, query_seconds: float = QUERY_SECONDS, work_seconds: float = WORK_SECONDS
    ) -> None:
        self._at = found
        self._query_seconds, self._work_seconds = query_seconds, work_seconds
        self._logins: dict[str, AuthBase] = {}

    def select(self, query: str) -> list[Mapping[str, str]]:
        """The rows of a SELECT, each value by its text."""
        response = self._send(
            "POST",
            self._at.query,
            self._query_seconds,
            data={"query": query},
            headers={"Accept": media_types.SPARQL_JSON},
        )
        try:
            rows = response.json()["results"]["bindings"]
            return [{name: term["value"] for name, term in row.items()} for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise StoreUnavailable("publisher.no-sparql-results", url=self._at.query) from cause

    def update(self, text: str) -> None:
        """All the operations of a SPARQL update in one request."""
        headers = {"Content-Type": media_types.SPARQL_UPDATE, "Accept": "*/*"}
        self._send("POST", self._at.update, self._work_seconds, data=text.encode(), headers=headers)

    def put(self, graph: str, file: Path, media_type: str, *, adding: bool = False) -> None:
        """Make a graph hold a file's triples, or add them (Graph Store HTTP Protocol, sections 5.3 and 5.5)."""
        with file.open("rb") as body:
            # A file has a length. In chunks Virtuoso takes no triple of it, and still answers 201.
            self._send(
                "POST" if adding else "PUT",
                self._at.graph,
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
            # Not in a session: a connection kept open holds one of the server's threads, of which Virtuoso has ten.
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
        """How this address wants to know who we are, asked once and without a body: a large one is sent only once."""
        login = self._at.login
        if not login.user:
            return None
        if url not in self._logins:
            challenge = self._asked(url, params, None).headers.get("WWW-Authenticate", "")
            if challenge.lower().startswith("digest"):
                self._logins[url] = HTTPDigestAuth(login.user, login.password)
                # The answer holds the number that the next requests are signed with.
                self._asked(url, params, self._logins[url])
            else:
                self._logins[url] = HTTPBasicAuth(login.user.encode(), login.password.encode())
        return self._logins[url]

    def _asked(self, url: str, params: Mapping[str, str] | None, auth: AuthBase | None) -> requests.Response:
        """The head of an answer to a GET; its body, which may be a whole graph, stays unread."""
        waiting = (CONNECT_SECONDS, self._query_seconds)
        with requests.get(url, params=params, auth=auth, timeout=waiting, stream=True) as response:
            return response


def _reason(cause: BaseException) -> str:
    """The innermost reason, which is the one that people know: Connection refused."""
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    return re.sub(r"^\[Errno -?\d+\] ", "", str(cause)) or type(cause).__name__


def _refusal(url: str, response: requests.Response) -> StoreUnavailable:
    said = " ".join(re.sub(r"<[^<>]*>", " ", response.text[:4000]).split())[:300]
    response_text = f"{response.status_code} {response.reason}" + (f": {said}" if said else ".")
    key = REFUSALS.get(response.status_code, "publisher.graph-server-refused")
    return StoreUnavailable(key, url=url, response=response_text)
