"""The web server: a worker of gunicorn's arbiter that serves by waitress.

The arbiter holds the port and restarts the worker, which runs the site and all that it starts. waitress reads requests
and sends responses in one loop, so that a slow client costs a connection and no thread.
"""

import gc
import math
import os
import resource
import socket
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from gunicorn import systemd
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from vaven.publisher.settings import Settings
from vaven.schemas.formats.child_process import Backoff, end_with_parent
from vaven.vocab.errors import WrongUse, for_people

if TYPE_CHECKING:
    from flask import Flask

PAGE_THREADS = 16
# Open connections and files of the server; the system may allow fewer.
MAX_FILES = 8_192
# The line and headers of a request, as large as nginx's by default.
HEADER_BYTES = 32 << 10
# A worker whose loop stands still for so long is killed.
WATCHDOG_SECONDS = 60
NOTIFY_SECONDS = 1.0
# Time for responses that have begun when a signal ends the server, and for the arbiter's wait.
FINISH_SECONDS, STOP_SECONDS = 20, 30


def serve(settings: Settings, host: str, port: int, language: str) -> int:
    """Serve the site until SIGTERM, which completes the responses that have begun, or SIGINT. Returns the exit code.

    Raises WrongUse for a port that is taken.
    """
    try:
        listener = socket.create_server((host, port), family=_family(host), backlog=1024)
    except OSError as cause:
        raise WrongUse("catalogue.port-taken", port=port, cause=cause) from cause
    arbiter = os.getpid()
    try:
        # The arbiter takes the descriptor over.
        Arbiter(_Site(settings, listener.detach(), language)).run()
    except SystemExit as end:
        if os.getpid() != arbiter:
            raise
        # 3: the worker could not start, and has said why.
        return 1 if end.code else 0
    return 0


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class _Site(BaseApplication):  # type: ignore[misc]
    """The site as gunicorn's application; `load` runs in the worker."""

    def __init__(self, settings: Settings, descriptor: int, language: str) -> None:
        self.settings, self.language = settings, language
        self._descriptor = descriptor
        self._backoff, self._started = Backoff(), time.monotonic()
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            # Held by this process: clients that connect while no worker runs wait.
            "bind": [f"fd://{self._descriptor}"],
            "worker_class": _WaitressWorker,
            "workers": 1,
            "timeout": WATCHDOG_SECONDS,
            "graceful_timeout": STOP_SECONDS,
            "loglevel": "warning",
            "control_socket_disable": True,
            "pre_fork": self._delay,
            "proc_name": "vaven",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> "Flask":
        from vaven.catalogue.app import create_app

        return create_app(self.settings)

    def _delay(self, _: Arbiter, worker: "_WaitressWorker") -> None:
        """Let a worker wait that takes the place of one which ended soon."""
        now = time.monotonic()
        if worker.age > 1:
            worker.delay_seconds = self._backoff.after(now - self._started)
        self._started = now


class _WaitressWorker(Worker):  # type: ignore[misc]
    """A worker that serves by waitress, and ends with the arbiter."""

    delay_seconds = 0.0

    def load_wsgi(self) -> None:
        end_with_parent(self.ppid)
        deadline = time.monotonic() + self.delay_seconds
        while self.alive and (left := deadline - time.monotonic()) > 0:
            self.notify()
            time.sleep(min(left, NOTIFY_SECONDS))
        try:
            super().load_wsgi()
        except Exception as cause:
            error = for_people(cause)
            if error is None:
                raise
            print(f"vaven: {error.text(self.app.language)}", file=sys.stderr, flush=True)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def run(self) -> None:
        from waitress import create_server, wasyncore

        from vaven.catalogue.app import warm
        from vaven.catalogue.cli.connections import channel_factory, end_lingering
        from vaven.catalogue.validation.jobs import consumer
        from vaven.catalogue.validation.uploads import UPLOAD_THREADS
        from vaven.publisher.engine.open import max_open_requests

        settings: Settings = self.app.settings
        # A query or an upload may hold a thread until its deadline, so pages have threads of their own.
        threads = PAGE_THREADS + UPLOAD_THREADS + max_open_requests(settings)
        channels: dict[int, Any] = {}
        server = create_server(
            self.wsgi,
            map=channels,
            sockets=[listener.sock for listener in self.sockets],
            threads=threads,
            ident="vaven",
            **_connections(settings),
        )
        server.channel_class = channel_factory(settings)
        run_once = partial(wasyncore.loop, use_poll=True, map=channels, count=1)
        try:
            # Clients that connect already wait at the open port.
            warm(self.wsgi)
            # All objects so far are permanent: no garbage collection during a request traverses them.
            gc.collect()
            gc.freeze()
            host, port = server.getsockname()[:2]
            print(f"Väven: http://{f'[{host}]' if ':' in host else host}:{port}/", flush=True)
            with consumer():
                notified = 0.0
                while self.alive:
                    if time.monotonic() > notified + NOTIFY_SECONDS:
                        notified = time.monotonic()
                        self._notify_all()
                        end_lingering(channels, notified)
                    run_once(timeout=NOTIFY_SECONDS)
                # Nobody connects any more.
                server.del_channel()
                server.socket.close()
                deadline = time.monotonic() + FINISH_SECONDS
                while _close_idle(channels) and time.monotonic() < deadline:
                    self.notify()
                    run_once(timeout=0.1)
        finally:
            server.task_dispatcher.shutdown(timeout=1)
            self.wsgi.extensions["vaven"].close()
            # What is frozen would be reported as leaks.
            gc.unfreeze()

    def _notify_all(self) -> None:
        """Tell the arbiter and systemd's watchdog that the loop runs."""
        self.notify()
        systemd.sd_notify("WATCHDOG=1", self.log)


def _close_idle(channels: dict[int, Any]) -> bool:
    """Close the connections that have neither a request to answer nor bytes to send; return whether others are left."""
    from waitress.channel import HTTPChannel

    from vaven.catalogue.cli.connections import end_lingering

    left = [channel for channel in channels.values() if isinstance(channel, HTTPChannel)]
    for channel in left:
        if not channel.requests and not channel.total_outbufs_len:
            channel.will_close = True
    end_lingering(channels, math.inf)
    return bool(left)


def _connections(settings: Settings) -> dict[str, Any]:
    """Return waitress options: the limit of open connections, most of them idle, and the trusted proxy."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(hard, MAX_FILES) if hard != resource.RLIM_INFINITY else MAX_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    options: dict[str, Any] = {
        "connection_limit": files // 2,
        "asyncore_use_poll": True,
        "max_request_header_size": HEADER_BYTES,
    }
    if settings.trusted_proxy:
        options |= {
            "trusted_proxy": settings.trusted_proxy,
            "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto",
        }
        options |= {"clear_untrusted_proxy_headers": True}
    return options
