"""A CKAN instance behind its Action API: calls that say clearly what went wrong, and what the instance can do."""

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
# The seconds to wait for a connection and for each block of an answer.
TIMEOUT_SECONDS = (10.0, 120.0)
MAX_ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 30.0
# A proxy's words for a server that is away or has too much to do; the same request may go through later.
RETRYABLE_STATUSES = frozenset((429, 502, 503, 504))


class _Remote(RemoteCKAN):  # type: ignore[misc]
    """RemoteCKAN that notes its requests in `sent` and tells a proxy's refusal from CKAN's."""

    actions: list[str]

    def _request_fn(
        self, url: str, data: Any, headers: Any, files: Any, requests_kwargs: Mapping[str, Any]
    ) -> tuple[int, str]:
        self.actions.append(url.rsplit("/", 1)[-1])
        answer = self.session.post(
            url, data=data, headers=headers, files=files, allow_redirects=False, **requests_kwargs
        )
        if answer.status_code in RETRYABLE_STATUSES:
            raise CkanAnswerLost(
                "publisher.ckan-passing",
                status=answer.status_code,
                url=url,
                wait_seconds=_seconds(answer.headers.get("Retry-After", "")),
            )
        if answer.status_code == 413:
            raise CkanTooLarge("publisher.ckan-too-large", url=url)
        if answer.is_redirect:
            raise CkanIncompatible("publisher.ckan-redirects", url=url, target=answer.headers.get("Location", ""))
        return answer.status_code, answer.text


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() else None


@dataclass(frozen=True)
class Capabilities:
    """What an instance can do: its `version`, its plugins, and the fields of its dataset schema (ckanext-scheming),
    by place; None where it has no such schema and everything unknown to CKAN goes into extras."""

    version: tuple[int, ...]
    plugins: frozenset[str]
    schema: Mapping[str, frozenset[str]] | None

    @property
    def has_datastore(self) -> bool:
        return "datastore" in self.plugins


class Site:
    """One instance. `wait` sleeps between tries. Not for several threads at a time: each has one of its own."""

    def __init__(self, url: str, token: str, *, wait: Callable[[float], None] = time.sleep) -> None:
        # An address that is told (errors, records) has no login in it; the session sends it.
        login, bare = without_login(url)
        self.url = bare.rstrip("/")
        self._given = url
        self._wait = wait
        self._token = token
        session = requests.Session()
        session.auth = (login.user, login.password) if login.user else None
        self._remote = _Remote(self.url, apikey=token, user_agent="vaven", session=session)
        # Names of the actions asked for so far, by this site and those made of it.
        self.actions: list[str] = []
        self._remote.actions = self.actions

    def clone(self) -> "Site":
        """Another one of the same instance, for another thread, that knows already what it can do."""
        other = Site(self._given, self._token, wait=self._wait)
        other.__dict__["capabilities"] = self.capabilities
        other.actions = other._remote.actions = self.actions
        return other

    def close(self) -> None:
        self._remote.close()

    def retry(self, step: Callable[[], T]) -> T:
        """Do a step again while only the way to CKAN is at fault. The step must find out by itself what is done."""
        for trial in range(MAX_ATTEMPTS - 1):
            try:
                return step()
            except (CkanAnswerLost, CkanUnreachable) as cause:
                asked = cause.wait_seconds if isinstance(cause, CkanAnswerLost) else None
                self._wait(min(asked if asked is not None else FIRST_WAIT_SECONDS * 2**trial, MAX_WAIT_SECONDS))
        return step()

    def read(self, action: str, **given: Any) -> Any:
        """Call an action that changes nothing. Raises NotFound, and CkanError's family for all else."""
        return self._call(action, given)

    def find(self, action: str, **given: Any) -> Any:
        """What `read` gives, or None where CKAN has no such thing."""
        try:
            return self.read(action, **given)
        except NotFound:
            return None

    def write(self, action: str, *, upload: tuple[str, BinaryIO] | None = None, **given: Any) -> Any:
        """Call an action that changes something, with a named file where one is sent. Whether a lost answer did its
        work, only a look can tell."""
        return self._call(action, given, {"upload": upload} if upload else None)

    def _call(
        self, action: str, given: Mapping[str, Any], uploads: Mapping[str, tuple[str, BinaryIO]] | None = None
    ) -> Any:
        try:
            return self._remote.call_action(
                action, dict(given), files=uploads, requests_kwargs={"timeout": TIMEOUT_SECONDS}
            )
        except NotAuthorized as cause:
            raise _not_allowed(self.url, action, cause) from cause
        except (SearchIndexError, SearchError) as cause:
            raise _without_search(self.url, action) from cause
        except ValidationError as cause:
            told = {key: value for key, value in cause.error_dict.items() if key != "__type"}
            raise CkanRefused("publisher.ckan-refused", action=action, reason=told) from cause
        except NotFound:
            raise
        except ServerIncompatibleError as cause:
            raise _no_ckan(self.url) from cause
        except CKANAPIError as cause:
            raise self._odd(action, str(cause)) from cause
        except requests.Timeout as cause:
            seconds = f"{TIMEOUT_SECONDS[1]:g}"
            raise CkanAnswerLost("publisher.ckan-late", url=self.url, action=action, seconds=seconds) from cause
        except requests.RequestException as cause:
            name = type(cause).__name__
            raise CkanUnreachable("publisher.ckan-unreachable", url=self.url, cause=name) from cause

    def _odd(self, action: str, text: str) -> Exception:
        """What stands behind an answer that ckanapi has no error for; it gives address, status and body as text."""
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
        """Asked once: version and plugins, and the dataset schema where ckanext-scheming shows one."""
        try:
            status = self.read("status_show")
        except NotFound as cause:
            raise _no_ckan(self.url) from cause
        version = tuple(int(part) for part in status["ckan_version"].split(".")[:2] if part.isdecimal())
        return Capabilities(version, frozenset(status["extensions"]), self._schema(status["extensions"]))

    def _schema(self, plugins: list[str]) -> dict[str, frozenset[str]] | None:
        if "scheming_datasets" not in plugins:
            return None
        found = self.find("scheming_dataset_schema_show", type="dataset")
        if not found:
            return None
        return {
            place: frozenset(field["field_name"] for field in found[f"{place}_fields"])
            for place in ("dataset", "resource")
        }


def _without_search(url: str, action: str) -> CkanWithoutSearch:
    return CkanWithoutSearch("publisher.ckan-without-search", url=url, action=action)


def _no_ckan(url: str) -> CkanIncompatible:
    return CkanIncompatible("publisher.no-ckan", url=url)


def _not_allowed(url: str, action: str, cause: NotAuthorized) -> CkanNotAllowed:
    told = getattr(cause, "extra_msg", None)
    text = told.get("message", "") if isinstance(told, dict) else str(told or "")
    reason = text.removeprefix("Access denied: ")
    return CkanNotAllowed("publisher.ckan-not-allowed", url=url, action=action, reason=reason)
