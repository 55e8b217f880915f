"""The contract of a submission: a partner's file -> Tables -> Report.

`from vaven.schemas import validate` is the Python API; it is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaven.schemas.check import validate as validate

# Packages and modules of the room; each imports only those before it.
PACKAGES = (
    "standard",
    "spreadsheets",
    "formats",
    "forking",
    "tables",
    "tableschema",
    "kpi_view",
    "disclosure",
    "rules",
    "check",
    "reports",
    "isolation",
    "early_fork",
)

__all__ = ["validate"]


def __getattr__(name: str) -> Any:
    if name == "validate":
        from vaven.schemas.check import validate

        return validate
    raise AttributeError(name)
