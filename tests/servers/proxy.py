"""A proxy on loopback that records requests and may fail at one of them, as a network between servers does."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Proxy:
    """`paths` are those of the requests so far.

    `before` and `after` are called with the number of each request (from 1) and its path. If `before` returns a status
    and headers, they are sent and the server gets no request.
    """

    url: str
    before: Callable[[int, str], tuple[int, dict[str, str]] | None] = lambda _n, _path: None
    after: Callable[[int, str], None] = lambda _n, _path: None
    paths: list[str] = field(default_factory=list)


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    """Forward requests to the server at `port` of this machine."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                state.paths.append(self.path)
                number = len(state.paths)
            if response := state.before(number, self.path):
                self._send(*response, b"<html>proxy</html>")
                return
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            server.request(self.command, self.path, body, dict(self.headers))
            answered = server.getresponse()
            content = answered.read()
            server.close()
            state.after(number, self.path)
            headers = {name: value for name, value in answered.getheaders() if name.lower() not in HOP_BY_HOP}
            self._send(answered.status, headers, content)

        do_GET = do_POST

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client was killed meanwhile

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield state
        finally:
            server.shutdown()
