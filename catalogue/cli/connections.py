"""Connections of the web server: bodies that nobody wants are not received, and no client takes all connections."""

import json
import socket
import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.utilities import RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from vaven.catalogue.http.rate_limit import client_of
from vaven.publisher.settings import Settings
from vaven.vocab import media_types
from vaven.vocab.messages import DEFAULT_LANGUAGE, LANGUAGES, messages

# The bodies of queries and of calls with parameters only: MAX_QUERY_BYTES of catalogue/sparql/protocol.py as a form.
QUERY_BODY_BYTES = 4 << 20
# Fields and boundaries of a form beside its file.
FORM_BYTES = 1 << 20
# A client that sends more than it may gets the response only if its bytes are read meanwhile (RFC 9112, section 9.6).
LINGER_SECONDS, LINGER_BYTES = 5.0, 64 << 20
# A client's share of the connections; behind a proxy nginx's limit_conn takes that over.
CLIENT_SHARE = 4


class BodyTooLarge(RequestEntityTooLarge):  # type: ignore[misc]
    """A body that is larger than its route takes, refused by its header: a text, or a problem (RFC 9457)."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("")
        self._is_read_by_people = media_types.HTML in headers.get("ACCEPT", "")
        first = headers.get("ACCEPT_LANGUAGE", "")[:2].lower()
        default = DEFAULT_LANGUAGE if self._is_read_by_people else "en"
        self._language = first if first in LANGUAGES else default

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        t = messages(self._language, "catalogue")
        detail, remedy = t("error.request-too-large"), t("error.request-too-large.remedy")
        problem = {"type": "about:blank", "title": HTTP_STATUS_CODES[self.code], "status": self.code}
        text, media_type = f"{detail} {remedy}", f"{media_types.TEXT}; charset=utf-8"
        if not self._is_read_by_people:
            text = json.dumps({**problem, "detail": detail, "remedy": remedy}, ensure_ascii=False)
            media_type = media_types.PROBLEM_JSON
        headers = [("Content-Type", media_type), ("Content-Language", self._language)]
        return f"{self.code} {self.reason}", headers, f"{text}\n".encode()


class LimitedParser(HTTPRequestParser):  # type: ignore[misc]
    """A parser of requests that ends at the header of one whose body its route does not take."""

    upload_bytes = 0
    adj: Any
    error: Any = None

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.content_length > 0 or self.chunked:
            self.adj = copy(self.adj)
            # Waitress refuses what is as large.
            self.adj.max_request_body_size = self._limit() + 1

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if isinstance(self.error, RequestEntityTooLarge) and not isinstance(self.error, BodyTooLarge):
            self.error = BodyTooLarge(self.headers)
            # Otherwise it would be invited to send.
            self.expect_continue = False
        return consumed

    def _limit(self) -> int:
        """Return the size of the body that a route takes."""
        if self.path.startswith(("/validate", "/api/v1/validations")):
            return self.upload_bytes + FORM_BYTES
        return QUERY_BODY_BYTES if self.path.startswith(("/sparql", "/api/")) else 0


class LimitedChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that reads and drops, for a moment, what a client still sends after its refusal."""

    parser_class = LimitedParser
    # Set for a channel with a refused request.
    _refusal: object = None
    _lingers_until, _dropped = 0.0, 0

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
        if not data or time.monotonic() > self._lingers_until or self._dropped > LINGER_BYTES:
            super().handle_close()

    def handle_close(self) -> None:
        if self._refusal and not self._lingers_until and self.connected:
            self._lingers_until = time.monotonic() + LINGER_SECONDS
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                super().handle_close()
            return
        super().handle_close()

    def received(self, data: bytes) -> bool:
        done: bool = super().received(data)
        for request in self.requests:
            if request.error:
                self._refusal = request.error
        return done


def channel_factory(settings: Settings) -> Callable[..., HTTPChannel | None]:
    """Return what makes the connections of a waitress server: its `channel_class`."""

    class Parser(LimitedParser):
        upload_bytes = settings.upload_mb << 20

    class Channel(LimitedChannel):
        parser_class = Parser

    def connect(server: Any, connection: socket.socket, address: Any, adj: Any, **more: Any) -> HTTPChannel | None:
        client = client_of(address[0])
        if address[0] != settings.trusted_proxy:
            own = sum(client_of(channel.addr[0]) == client for channel in server.active_channels.values())
            if own >= adj.connection_limit // CLIENT_SHARE:
                connection.close()
                return None
        return Channel(server, connection, address, adj, **more)

    return connect
