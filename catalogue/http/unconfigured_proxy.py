"""Refusals behind a proxy that is not configured: all its clients are one there, and share one client's limits."""

import time

from flask import Flask, Response, request

from vaven.publisher.operations.defects import Defect
from vaven.publisher.settings import Settings
from vaven.vocab.errors import BadSettings

FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-Ip")
REFUSALS = (429, 503)
LOG_SECONDS = 3600.0


class UnconfiguredProxy:
    """Watch over refusals of clients that come through a proxy which VAVEN_TRUSTED_PROXY does not name."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app, self._address = app, ""
        self._logged_at = -LOG_SECONDS
        if not settings.trusted_proxy:
            app.after_request(self._note)

    def defects(self) -> list[Defect]:
        return [Defect("proxy", self._error(), is_repairable=False)] if self._address else []

    def _error(self) -> BadSettings:
        return BadSettings("catalogue.proxy-unconfigured", address=self._address)

    def _note(self, response: Response) -> Response:
        if response.status_code in REFUSALS and any(name in request.headers for name in FORWARDED):
            self._address = request.remote_addr or ""
            if time.monotonic() > self._logged_at + LOG_SECONDS:
                self._logged_at = time.monotonic()
                self._app.logger.warning("%s", self._error())
        return response
