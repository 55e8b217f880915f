"""Connections of the web server: bodies that nobody wants are not received, and no client takes all connections."""

import socket
import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.utilities import RequestEntityTooLarge
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from vaven.catalogue.api.routes import ROOT
from vaven.catalogue.http.i18n import LANGUAGES_OF_PROGRAMS, accepted_language
from vaven.catalogue.http.problem_details import problem_in
from vaven.catalogue.http.rate_limit import client_of
from vaven.catalogue.sparql.cached_responses import PATH
from vaven.catalogue.sparql.protocol import MAX_QUERY_BYTES
from vaven.publisher.settings import Settings
from vaven.vocab import media_types
from vaven.vocab.messages import LANGUAGES, messages

UPLOAD_PATHS = ("/validate", f"{ROOT}/validations")
# The SPARQL endpoint, and calls of the Action API.
QUERY_PATHS = (PATH, "/api/")
# Fields and boundaries of a form beside its file.
FORM_BYTES = 1 << 20
# A form writes a byte as three characters at most.
QUERY_BODY_BYTES = 3 * MAX_QUERY_BYTES + FORM_BYTES
# A client that sends more than it may gets the response only if its bytes are read meanwhile (RFC 9112, section 9.6).
LINGER_SECONDS, LINGER_BYTES = 5.0, 64 << 20
# A client's share of the connections; behind a proxy nginx's limit_conn takes that over.
CLIENT_SHARE = 4


class BodyTooLarge(RequestEntityTooLarge):  # type: ignore[misc]
    """A body that is larger than its route takes, refused by its header: a text for people, else a problem."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("")
        self._is_read_by_people = media_types.HTML in headers.get("ACCEPT", "")
        offered = LANGUAGES if self._is_read_by_people else LANGUAGES_OF_PROGRAMS
        accepted = parse_accept_header(headers.get("ACCEPT_LANGUAGE"), LanguageAccept)
        self._language = accepted_language(accepted, offered)

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        t = messages(self._language, "catalogue")
        detail, remedy = t("error.request-too-large"), t("error.request-too-large.remedy")
        response = problem_in(self._language, self.code, detail, remedy=remedy)
        if self._is_read_by_people:
            response.set_data(f"{detail} {remedy}\n")
            response.mimetype = media_types.TEXT
        headers = [(name, value) for name, value in response.headers if name != "Content-Length"]
        return f"{self.code} {self.reason}", headers, response.get_data()


class LimitedParser(HTTPRequestParser):  # type: ignore[misc]
    """A parser of requests that ends at the header of one whose body its route does not take.

    `refused` is called for a request that is refused, in the thread that reads.
    """

    adj: Any
    error: Any = None

    def __init__(self, adj: Any, upload_bytes: int, refused: Callable[[], None]) -> None:
        super().__init__(adj)
        self._upload_bytes, self._refused = upload_bytes, refused

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.content_length > 0 or self.chunked:
            self.adj = copy(self.adj)
            # Waitress refuses what is as large.
            self.adj.max_request_body_size = self._limit() + 1

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.error:
            # Otherwise the client would be invited to send.
            self.expect_continue = False
            self._refused()
        if isinstance(self.error, RequestEntityTooLarge):
            self.error = BodyTooLarge(self.headers)
        return consumed

    def _limit(self) -> int:
        """Return the size of the body that a route takes."""
        if self.path.startswith(UPLOAD_PATHS):
            return self._upload_bytes + FORM_BYTES
        return QUERY_BODY_BYTES if self.path.startswith(QUERY_PATHS) else 0


class LimitedChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that reads and drops, for a moment, what a client still sends after its refusal."""

    upload_bytes = 0
    _is_refused, _lingers_until, _dropped = False, 0.0, 0

    def parser_class(self, adj: Any) -> LimitedParser:
        return LimitedParser(adj, self.upload_bytes, self._note_refusal)

    def _note_refusal(self) -> None:
        self._is_refused = True

    def readable(self) -> bool:
        return bool(self._lingers_until) or super().readable()

    def writable(self) -> bool:
        return not self._lingers_until and super().writable()

    def handle_read(self) -> None:
        if not self._lingers_until:
            super().handle_read()
            return
        try:
            data = self.recv(self.adj.recv_bytes)
        except OSError:
            data = b""
        self._dropped += len(data)
        if not data or self._dropped > LINGER_BYTES:
            super().handle_close()
        else:
            self.end_lingering(time.monotonic())

    def handle_close(self) -> None:
        if self._is_refused and not self._lingers_until and self.connected:
            self._lingers_until = time.monotonic() + LINGER_SECONDS
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                super().handle_close()
            return
        super().handle_close()

    def end_lingering(self, now: float) -> None:
        """Close a connection whose client sends nothing, or sends on, after its moment."""
        if self._lingers_until and now > self._lingers_until:
            super().handle_close()


def end_lingering(channels: Mapping[int, Any], now: float) -> None:
    """Close the connections whose moment after a refusal has passed."""
    for channel in list(channels.values()):
        if isinstance(channel, LimitedChannel):
            channel.end_lingering(now)


def channel_factory(settings: Settings) -> Callable[..., HTTPChannel | None]:
    """Return what makes the connections of a waitress server: its `channel_class`."""

    class Channel(LimitedChannel):
        upload_bytes = settings.upload_mb << 20

    def connect(server: Any, connection: socket.socket, address: Any, adj: Any, **more: Any) -> HTTPChannel | None:
        client = client_of(address[0])
        if address[0] != settings.trusted_proxy:
            own = sum(client_of(channel.addr[0]) == client for channel in server.active_channels.values())
            if own >= adj.connection_limit // CLIENT_SHARE:
                connection.close()
                return None
        return Channel(server, connection, address, adj, **more)

    return connect
