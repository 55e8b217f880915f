"""Names of tables and columns that an expression can refer to, by PostgreSQL's rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vaven.publisher.sql.errors import SqlError, SqlNotAuthorized, SqlNotSupported
from vaven.publisher.sql.values import Value

# CKAN's column of search words, a tsvector.
FULL_TEXT = "_full_text"


class UnknownTable(SqlError):
    """A table that is not published, or no table at all."""

    kind = "unknown-table"


@dataclass(frozen=True)
class Relation:
    """A table, subquery or common table expression in FROM, by the name that its columns are qualified with."""

    name: str
    columns: Sequence[tuple[str, Value]]


@dataclass
class Scope:
    """Columns of one SELECT. `visible` are those that can be named without their relation."""

    outer: "Scope | None" = None
    relations: list[Relation] = field(default_factory=list)
    visible: list[tuple[str, Value]] = field(default_factory=list)

    def add(self, relation: Relation) -> None:
        if any(other.name == relation.name for other in self.relations):
            raise SqlError(f'table name "{relation.name}" specified more than once')
        self.relations.append(relation)
        self.visible += relation.columns

    def merge(self, name: str, columns: Sequence[Value], merged: Value) -> None:
        """Show one column in place of two equal ones, as JOIN … USING does."""
        rest = [(other, value) for other, value in self.visible if not (other == name and value in columns)]
        self.visible = [(name, merged), *rest]

    def column(self, name: str, relation: str = "") -> Value:
        """Return a column of this SELECT or of one around it. Raises SqlError."""
        scope: Scope | None = self
        while scope:
            if matches := scope.matches(name, relation):
                if len(matches) > 1:
                    raise SqlError(f'column reference "{name}" is ambiguous')
                return matches[0].named(name)
            scope = scope.outer
        if name == FULL_TEXT:
            raise SqlNotSupported(FULL_TEXT, "use datastore_search with q, or ILIKE")
        full_name = f"{relation}.{name}" if relation else f'"{name}"'
        raise SqlError(f"column {full_name} does not exist")

    def matches(self, name: str, relation: str) -> list[Value]:
        if not relation:
            return [value for other, value in self.visible if other == name]
        scope: Scope | None = self
        while scope:
            for one in scope.relations:
                if one.name == relation:
                    return [value for other, value in one.columns if other == name]
            scope = scope.outer
        raise SqlError(f'missing FROM-clause entry for table "{relation}"')


Tables = Mapping[str, Sequence[tuple[str, Value]]]


def check_schema(schema: str, table: str) -> None:
    """Raise SqlNotAuthorized for a table that CKAN keeps from queries."""
    if schema not in ("", "public"):
        raise SqlNotAuthorized("Not authorized to access tables in other schemas")
    if table.startswith("pg_"):
        raise SqlNotAuthorized("Not authorized to access system tables")
