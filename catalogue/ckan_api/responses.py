"""Errors of actions in the terms of CKAN's own views, and the parameters that raise them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO


class ActionError(Exception):
    """An error with its HTTP status; `error` is the object under "error" in the response.

    `retry_seconds` is when it may be tried again (Retry-After), 0 if that is unknown.
    """

    def __init__(self, status: int, kind: str, retry_seconds: int = 0, /, **error: Any) -> None:
        super().__init__(kind)
        self.status, self.retry_seconds = status, retry_seconds
        self.error: dict[str, Any] = {**error, "__type": kind}


@dataclass(frozen=True)
class JsonFile:
    """A result that is JSON already, too large to be read into memory."""

    file: BinaryIO


def not_found(message: str = "Not found") -> ActionError:
    return ActionError(404, "Not Found Error", message=message)


def invalid(field: str, message: str) -> ActionError:
    return ActionError(409, "Validation Error", **{field: [message]})


def required(parameters: Mapping[str, Any], field: str = "id", named: str = "") -> str:
    """Return a required parameter; `named` is its name in CKAN's error."""
    value = parameters.get(field)
    if not value or not isinstance(value, str):
        raise invalid(named or field, "Missing value")
    return value


def whole_number(parameters: Mapping[str, Any], field: str, default: int, *, most: int) -> int:
    try:
        number = int(parameters.get(field, default))
    except (TypeError, ValueError) as cause:
        raise invalid(field, "Invalid integer") from cause
    if number < 0:
        raise invalid(field, "Must be a natural number")
    return min(number, most)


def is_true(parameters: Mapping[str, Any], field: str, default: bool = False) -> bool:
    """Convert a parameter to a boolean like CKAN's asbool."""
    value = parameters.get(field, default)
    return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "on", "y", "t", "1")
