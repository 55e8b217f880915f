"""Client for the Action API of a CKAN instance, with precise errors and the instance's capabilities."""

import ast
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, TypeVar

import requests
from ckanapi import RemoteCKAN
from ckanapi.errors import (
    CKANAPIError,
    NotAuthorized,
    NotFound,
    SearchError,
    SearchIndexError,
    ServerIncompatibleError,
    ValidationError,
)

from vaven.publisher.graph.sparql_client import without_login
from vaven.vocab.errors import (
    CkanAnswerLost,
    CkanIncompatible,
    CkanNotAllowed,
    CkanRefused,
    CkanTooLarge,
    CkanUnreachable,
    CkanWithoutSearch,
)

T = TypeVar("T")
# For the connection, and for each block of a response.
TIMEOUT_SECONDS = (10.0, 120.0)
MAX_ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 30.0
# Proxy statuses for an unavailable or overloaded server; the same request may succeed later.
RETRYABLE_STATUSES = frozenset((429, 502, 503, 504))


class _Remote(RemoteCKAN):  # type: ignore[misc]
    """RemoteCKAN that logs its requests in `actions` and distinguishes a proxy's errors from CKAN's."""

    actions: list[str]

    def _request_fn(
        self, url: str, data: Any, headers: Any, files: Any, requests_kwargs: Mapping[str, Any]
    ) -> tuple[int, str]:
        self.actions.append(url.rsplit("/", 1)[-1])
        response = self.session.post(
            url, data=data, headers=headers, files=files, allow_redirects=False, **requests_kwargs
        )
        if response.status_code in RETRYABLE_STATUSES:
            raise CkanAnswerLost(
                "publisher.ckan-passing",
                status=response.status_code,
                url=url,
                wait_seconds=_seconds(response.headers.get("Retry-After", "")),
            )
        if response.status_code == 413:
            raise CkanTooLarge("publisher.ckan-too-large", url=url)
        if response.is_redirect:
            raise CkanIncompatible("publisher.ckan-redirects", url=url, target=response.headers.get("Location", ""))
        return response.status_code, response.text


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() else None


@dataclass(frozen=True)
class Capabilities:
    """Version, plugins and dataset schema of an instance.

    `schema` has the fields of the dataset schema (ckanext-scheming) for "dataset" and "resource"; None without such a
    schema, when every field unknown to CKAN goes into extras.
    """

    version: tuple[int, ...]
    plugins: frozenset[str]
    schema: Mapping[str, frozenset[str]] | None

    @property
    def has_datastore(self) -> bool:
        return "datastore" in self.plugins


class Site:
    """An instance, whose `wait` sleeps between attempts.

    Not thread-safe: each thread needs a clone of its own.
    """

    def __init__(self, url: str, token: str, *, wait: Callable[[float], None] = time.sleep) -> None:
        # The URL in errors and records has no login; the session sends the login.
        login, public_url = without_login(url)
        self.url = public_url.rstrip("/")
        self._url_with_login = url
        self._wait = wait
        self._token = token
        session = requests.Session()
        session.auth = (login.user, login.password) if login.user else None
        self._remote = _Remote(self.url, apikey=token, user_agent="vaven", session=session)
        # Names of the actions requested so far by this site and its clones.
        self.actions: list[str] = []
        self._remote.actions = self.actions

    def clone(self) -> "Site":
        """Return a client of the same instance for another thread, with the capabilities already cached."""
        other = Site(self._url_with_login, self._token, wait=self._wait)
        other.__dict__["capabilities"] = self.capabilities
        other.actions = other._remote.actions = self.actions
        return other

    def close(self) -> None:
        self._remote.close()

    def retry(self, step: Callable[[], T]) -> T:
        """Repeat a step while only the connection to CKAN fails.

        The step must find out by itself what an earlier attempt has already done.
        """
        for attempt in range(MAX_ATTEMPTS - 1):
            try:
                return step()
            except (CkanAnswerLost, CkanUnreachable) as cause:
                retry_after = cause.wait_seconds if isinstance(cause, CkanAnswerLost) else None
                seconds = FIRST_WAIT_SECONDS * 2**attempt if retry_after is None else retry_after
                self._wait(min(seconds, MAX_WAIT_SECONDS))
        return step()

    def read(self, action: str, **params: Any) -> Any:
        """Call an action that changes nothing.

        Raises NotFound, and a CkanError for every other failure.
        """
        return self._call(action, params)

    def find(self, action: str, **params: Any) -> Any:
        """Call `read`, and return None if CKAN has no such object."""
        try:
            return self.read(action, **params)
        except NotFound:
            return None

    def write(self, action: str, *, upload: tuple[str, BinaryIO] | None = None, **params: Any) -> Any:
        """Call an action that changes something, with a named file if there is an upload.

        If the response is lost, only another request can tell if the action succeeded.
        """
        return self._call(action, params, {"upload": upload} if upload else None)

    def _call(
        self, action: str, params: Mapping[str, Any], uploads: Mapping[str, tuple[str, BinaryIO]] | None = None
    ) -> Any:
        try:
            return self._remote.call_action(
                action, dict(params), files=uploads, requests_kwargs={"timeout": TIMEOUT_SECONDS}
            )
        except NotAuthorized as cause:
            raise _not_allowed(self.url, action, cause) from cause
        except (SearchIndexError, SearchError) as cause:
            raise _without_search(self.url, action) from cause
        except ValidationError as cause:
            errors = {key: value for key, value in cause.error_dict.items() if key != "__type"}
            raise CkanRefused("publisher.ckan-refused", action=action, reason=errors) from cause
        except NotFound:
            raise
        except ServerIncompatibleError as cause:
            raise _no_ckan(self.url) from cause
        except CKANAPIError as cause:
            raise self._unexpected(action, str(cause)) from cause
        except requests.Timeout as cause:
            seconds = f"{TIMEOUT_SECONDS[1]:g}"
            raise CkanAnswerLost("publisher.ckan-late", url=self.url, action=action, seconds=seconds) from cause
        except requests.RequestException as cause:
            name = type(cause).__name__
            raise CkanUnreachable("publisher.ckan-unreachable", url=self.url, cause=name) from cause

    def _unexpected(self, action: str, text: str) -> Exception:
        """Return the error for a response that ckanapi does not recognise; its text is URL, status and body."""
        _, status, body = ast.literal_eval(text)
        if "Search Connection Error" in body:
            return _without_search(self.url, action)
        if status < 500 and not body.startswith(("{", '"')):
            return _no_ckan(self.url)
        if status == 400 and "not known" in body:
            unknown: Exception = NotFound(f"Action {action} is not known")
            return unknown
        return CkanRefused("publisher.ckan-failed", action=action, status=status, body=body[:300])

    @cached_property
    def capabilities(self) -> Capabilities:
        """The capabilities, requested once: version, plugins, and the dataset schema of ckanext-scheming."""
        try:
            status = self.read("status_show")
        except NotFound as cause:
            raise _no_ckan(self.url) from cause
        version = tuple(int(part) for part in status["ckan_version"].split(".")[:2] if part.isdecimal())
        return Capabilities(version, frozenset(status["extensions"]), self._schema(status["extensions"]))

    def _schema(self, plugins: list[str]) -> dict[str, frozenset[str]] | None:
        if "scheming_datasets" not in plugins:
            return None
        schema = self.find("scheming_dataset_schema_show", type="dataset")
        if not schema:
            return None
        return {
            entity: frozenset(field["field_name"] for field in schema[f"{entity}_fields"])
            for entity in ("dataset", "resource")
        }


def _without_search(url: str, action: str) -> CkanWithoutSearch:
    return CkanWithoutSearch("publisher.ckan-without-search", url=url, action=action)


def _no_ckan(url: str) -> CkanIncompatible:
    return CkanIncompatible("publisher.no-ckan", url=url)


def _not_allowed(url: str, action: str, cause: NotAuthorized) -> CkanNotAllowed:
    details = getattr(cause, "extra_msg", None)
    text = details.get("message", "") if isinstance(details, dict) else str(details or "")
    reason = text.removeprefix("Access denied: ")
    return CkanNotAllowed("publisher.ckan-not-allowed", url=url, action=action, reason=reason)
