"""What an action may fail with, in CKAN's own words (ckan/views/api.py): a status and an error of a type."""

from collections.abc import Mapping
from typing import Any


class ActionError(Exception):
    """`error` is the object that stands under "error" in the answer."""

    def __init__(self, status: int, kind: str, **error: Any) -> None:
        super().__init__(kind)
        self.status = status
        self.error: dict[str, Any] = {**error, "__type": kind}


def not_found(message: str = "Not found") -> ActionError:
    return ActionError(404, "Not Found Error", message=message)


def invalid(field: str, message: str) -> ActionError:
    return ActionError(409, "Validation Error", **{field: [message]})


def required(given: Mapping[str, Any], field: str = "id", named: str = "") -> str:
    """A parameter that must be there; `named` is what CKAN calls it in its error."""
    value = given.get(field)
    if not value or not isinstance(value, str):
        raise invalid(named or field, "Missing value")
    return value


def whole_number(given: Mapping[str, Any], field: str, default: int, *, most: int) -> int:
    try:
        number = int(given.get(field, default))
    except (TypeError, ValueError) as cause:
        raise invalid(field, "Invalid integer") from cause
    if number < 0:
        raise invalid(field, "Must be a natural number")
    return min(number, most)


def is_true(given: Mapping[str, Any], field: str, default: bool = False) -> bool:
    """CKAN's asbool: the words that it takes for yes."""
    value = given.get(field, default)
    return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "on", "y", "t", "1")
