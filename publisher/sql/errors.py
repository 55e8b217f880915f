"""Errors of a SELECT, with PostgreSQL's messages where it has one.

SqlError
├── SqlNotAuthorized    a table or function that is not open to queries
└── SqlNotSupported     PostgreSQL has it, and we cannot compute the same
"""


class SqlError(ValueError):
    """An invalid query. Its text is for the client."""

    kind = "invalid"


class SqlNotAuthorized(SqlError):
    """A table or function that is not open to queries."""

    kind = "not-authorized"


class SqlNotSupported(SqlError):
    """Valid PostgreSQL that is refused, since its result here would not equal PostgreSQL's."""

    def __init__(self, feature: str, remedy: str = "") -> None:
        super().__init__(f"not supported here: {feature}{f'; {remedy}' if remedy else ''}")
