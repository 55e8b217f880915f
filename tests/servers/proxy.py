"""A proxy on loopback that counts what goes through and may fail at a given request: how the way to a server breaks."""

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
    """`before` and `after` are called with the number of each request (from 1) and its path; what `before` returns is
    answered in the server's stead (status, headers). `paths` are those seen so far."""

    url: str
    before: Callable[[int, str], tuple[int, dict[str, str]] | None] = lambda _n, _path: None
    after: Callable[[int, str], None] = lambda _n, _path: None
    paths: list[str] = field(default_factory=list)


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    """Forward what comes to the server at `port` of this machine."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                made.paths.append(self.path)
                number = len(made.paths)
            if answer := made.before(number, self.path):
                self._send(answer[0], answer[1], b"<html>proxy</html>")
                return
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            server.request(self.command, self.path, body, dict(self.headers))
            got = server.getresponse()
            content = got.read()
            server.close()
            made.after(number, self.path)
            self._send(got.status, {k: v for k, v in got.getheaders() if k.lower() not in HOP_BY_HOP}, content)

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
                self.close_connection = True  # whoever asked was killed meanwhile

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield made
        finally:
            server.shutdown()
