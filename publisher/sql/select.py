"""SELECT, set operations, joins and common table expressions of PostgreSQL -> one query of DuckDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from vaven.publisher.sql.errors import SqlError, SqlNotSupported
from vaven.publisher.sql.expressions import Expressions, direction, output_name
from vaven.publisher.sql.parse import name_of, only, parse_query
from vaven.publisher.sql.scope import Relation, Scope, Tables, UnknownTable, check_schema
from vaven.publisher.sql.values import TEXT, Kind, Type, Value, common_type, implicit, operands, quoted

SET_OPERATIONS: dict[type[exp.Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}
JOINS = {"": "JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}


@dataclass(frozen=True)
class Translated:
    """A query for DuckDB, whose columns are named o0, o1, …, and its columns with PostgreSQL's names and types."""

    sql: str
    columns: Sequence[tuple[str, Value]]


def translate(sql: str, tables: Tables) -> Translated:
    """Translate one query over tables, each a view of the same name in DuckDB. Raises SqlError."""
    try:
        translated = _Translator(tables).query(parse_query(sql), Scope(), {})
        return replace(translated, columns=_typed(translated.columns))
    except RecursionError as cause:
        raise SqlNotSupported("a query that is nested so deeply") from cause


class _Translator(Expressions):
    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self._tables = tables
        self._count = 0
        self._with: Mapping[str, Relation] = {}

    def subquery(self, node: exp.Expr, scope: Scope) -> tuple[str, Sequence[Value]]:
        query = node.this if isinstance(node, exp.Subquery) else node
        if isinstance(node, exp.Subquery):
            only(node, "this")
        translated = self.query(query, Scope(outer=scope), self._with)
        return translated.sql, [value.named(name) for name, value in _typed(translated.columns)]

    def query(self, node: exp.Expr, scope: Scope, known: Mapping[str, Relation]) -> Translated:
        """Translate a query whose common table expressions so far are `known`."""
        before = self._with
        self._with = known
        try:
            prefix = self._common_tables(node.args.get("with_"), scope)
            if isinstance(node, exp.Select):
                body = self._select(node, scope)
            elif type(node) in SET_OPERATIONS:
                body = self._set_operation(node, scope)
            elif isinstance(node, exp.Subquery):
                only(node, "this", "with_", "order", "limit", "offset")
                inner = self.query(node.this, scope, self._with)
                body = replace(inner, sql=f"SELECT * FROM ({inner.sql}){self._tail(node, inner)}")
            else:
                raise SqlError(f"Invalid query AST element: {type(node).__name__}")
        finally:
            self._with = before
        return replace(body, sql=prefix + body.sql)

    def _new_name(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def _common_tables(self, node: exp.Expr | None, scope: Scope) -> str:
        if node is None:
            return ""
        only(node, "expressions")
        parts = []
        for table in node.expressions:
            only(table, "this", "alias", "materialized")
            translated = self.query(table.this, Scope(outer=scope.outer), self._with)
            name, internal = name_of(table.args["alias"].this), self._new_name()
            self._with = {**self._with, name: Relation(internal, _renamed(table.args["alias"], translated))}
            parts.append(f"{internal} AS ({translated.sql})")
        return f"WITH {', '.join(parts)} "

    # --- one SELECT

    def _select(self, node: exp.Select, scope: Scope) -> Translated:
        only(
            node, "with_", "expressions", "from_", "joins", "where", "group", "having", "distinct", "order", "limit",
            "offset",
        )  # fmt: skip
        source = self._source(node, scope)
        outputs = self._outputs(node.expressions, scope)
        distinct = node.args.get("distinct")
        if distinct:
            only(distinct)
        items = ", ".join(f"{value.sql} AS o{i}" for i, (_, value) in enumerate(outputs))
        sql = f"SELECT {'DISTINCT ' if distinct else ''}{items}{source}"
        if where := node.args.get("where"):
            sql += f" WHERE {self.condition(where.this, scope, 'WHERE')}"
        if group := node.args.get("group"):
            sql += f" GROUP BY {self._grouping(group, node, outputs, scope)}"
        if having := node.args.get("having"):
            sql += f" HAVING {self.condition(having.this, scope, 'HAVING')}"
        translated = Translated(sql, outputs)
        return replace(translated, sql=sql + self._tail(node, translated, scope, is_distinct=bool(distinct)))

    def _outputs(self, nodes: Sequence[exp.Expr], scope: Scope) -> list[tuple[str, Value]]:
        outputs: list[tuple[str, Value]] = []
        for node in nodes:
            if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
                outputs += self._starred(node, scope)
                continue
            value = self.value(node.this if isinstance(node, exp.Alias) else node, scope)
            if value.kind is Kind.UNKNOWN:
                # A set operation may give it another type than text.
                value = replace(value, sql=implicit(value, TEXT).sql)
            outputs.append((output_name(node, value), value))
        if not outputs:
            raise SqlNotSupported("a SELECT without columns")
        return outputs

    def _starred(self, node: exp.Expr, scope: Scope) -> Sequence[tuple[str, Value]]:
        if isinstance(node, exp.Star):
            only(node)
            if not scope.relations:
                raise SqlError("SELECT * with no tables specified is not valid")
            return scope.visible
        only(node, "this", "table")
        only(node.this)
        name = name_of(node.args["table"])
        for relation in scope.relations:
            if relation.name == name:
                return relation.columns
        raise SqlError(f'missing FROM-clause entry for table "{name}"')

    def _grouping(self, node: exp.Expr, select: exp.Select, outputs: Sequence[tuple[str, Value]], scope: Scope) -> str:
        """Translate GROUP BY: positions, columns, then names of the result, then other expressions."""
        only(node, "expressions")
        keys = []
        for key in node.expressions:
            if isinstance(key, exp.Literal):
                keys.append(outputs[_position(key, len(outputs), "GROUP BY")][1].sql)
            elif isinstance(key, exp.Column) and not key.args.get("table") and not self._is_column(key, scope):
                keys.append(_by_name(name_of(key.this), outputs, select)[1].sql)
            else:
                keys.append(self.value(key, scope).sql)
        return ", ".join(keys)

    def _is_column(self, node: exp.Column, scope: Scope) -> bool:
        return not isinstance(node.this, exp.Star) and bool(scope.matches(name_of(node.this), ""))

    def _tail(
        self, node: exp.Expr, translated: Translated, scope: Scope | None = None, *, is_distinct: bool = False
    ) -> str:
        """Translate ORDER BY, LIMIT and OFFSET. Without a scope, only columns of the result can be sorted by."""
        sql = ""
        if order := node.args.get("order"):
            only(order, "expressions")
            keys = [
                self._sort_key(ordered, translated.columns, scope, is_distinct=is_distinct)
                for ordered in order.expressions
            ]
            sql += f" ORDER BY {', '.join(keys)}"
        for name in ("limit", "offset"):
            clause = node.args.get(name)
            if clause is None:
                continue
            if not isinstance(clause, exp.Limit | exp.Offset):
                raise SqlNotSupported("FETCH", "use LIMIT")
            only(clause, "expression")
            count = clause.args["expression"]
            if isinstance(count, exp.Null):
                continue
            if not isinstance(count, exp.Literal) or count.is_string or not str(count.this).isdigit():
                raise SqlNotSupported(f"{name.upper()} with other than a literal number")
            sql += f" {name.upper()} {min(int(str(count.this)), 2**62)}"
        return sql

    def _sort_key(
        self, ordered: exp.Expr, outputs: Sequence[tuple[str, Value]], scope: Scope | None, *, is_distinct: bool
    ) -> str:
        key, suffix = ordered.this, direction(ordered)
        if isinstance(key, exp.Literal):
            return f"{_position(key, len(outputs), 'ORDER BY') + 1}{suffix}"
        if isinstance(key, exp.Column) and not key.args.get("table") and not isinstance(key.this, exp.Star):
            name = name_of(key.this)
            matches = [i for i, (other, _) in enumerate(outputs) if other == name]
            if len({outputs[i][1].sql for i in matches}) > 1:
                raise SqlError(f'ORDER BY "{name}" is ambiguous')
            if matches:
                return f"{matches[0] + 1}{suffix}"
        if scope is None:
            raise SqlError("invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
        value = self.value(key, scope)
        for i, (_, other) in enumerate(outputs):
            if other.sql == value.sql:
                return f"{i + 1}{suffix}"
        if is_distinct:
            raise SqlError("for SELECT DISTINCT, ORDER BY expressions must appear in select list")
        return f"{implicit(value, TEXT).sql if value.kind is Kind.UNKNOWN else value.sql}{suffix}"

    # --- FROM

    def _source(self, node: exp.Select, scope: Scope) -> str:
        source = node.args.get("from_")
        if source is None:
            return ""
        only(source, "this")
        sql = f" FROM {self._relation(source.this, scope)}"
        for join in node.args.get("joins") or ():
            sql += self._join(join, scope)
        return sql

    def _relation(self, node: exp.Expr, scope: Scope) -> str:
        """Translate a table or subquery of FROM and add its columns to the scope."""
        alias = node.args.get("alias")
        if isinstance(node, exp.Subquery):
            only(node, "this", "alias")
            if alias is None or not alias.this:
                raise SqlError("subquery in FROM must have an alias")
            translated = self.query(node.this, Scope(outer=scope.outer), self._with)
            internal = self._new_name()
            scope.add(Relation(name_of(alias.this), _qualified(internal, _renamed(alias, translated))))
            return f"({translated.sql}) AS {internal}"
        if not isinstance(node, exp.Table):
            raise SqlError(f"Invalid query AST element: {type(node).__name__}")
        only(node, "this", "db", "alias")
        if not isinstance(node.this, exp.Identifier):
            raise SqlNotSupported("a function in FROM")
        name, schema = name_of(node.this), name_of(node.args["db"]) if node.args.get("db") else ""
        internal = self._new_name()
        if not schema and name in self._with:
            source, columns = self._with[name].name, self._with[name].columns
        else:
            check_schema(schema, name)
            if name not in self._tables:
                raise UnknownTable(f'relation "{name}" does not exist')
            source, columns = quoted(name), self._tables[name]
        if alias is not None:
            only(alias, "this", "columns")
            if alias.args.get("columns"):
                raise SqlNotSupported("names of columns after a table", "name them in the list of columns")
        alias_name = name_of(alias.this) if alias is not None and alias.this else name
        scope.add(Relation(alias_name, _qualified(internal, columns)))
        return f"{source} AS {internal}"

    def _join(self, node: exp.Join, scope: Scope) -> str:
        only(node, "this", "side", "kind", "on", "using")
        side, kind = str(node.args.get("side") or "").upper(), str(node.args.get("kind") or "").upper()
        condition, using = node.args.get("on"), node.args.get("using")
        if side not in JOINS or kind not in ("", "INNER", "OUTER", "CROSS"):
            raise SqlNotSupported(f"{side} {kind} JOIN".strip())
        before = list(scope.visible)
        relation = self._relation(node.this, scope)
        if not condition and not using:
            if side or kind in ("INNER", "OUTER"):
                raise SqlError("a JOIN needs ON or USING")
            return f" CROSS JOIN {relation}" if kind == "CROSS" else f", {relation}"
        if kind == "CROSS":
            raise SqlError("CROSS JOIN takes no condition")
        if condition:
            return f" {JOINS[side]} {relation} ON ({self.condition(condition, scope, 'JOIN/ON')})"
        tests = [self._using(name_of(column), before, scope, side) for column in using or ()]
        return f" {JOINS[side]} {relation} ON ({' AND '.join(tests)})"

    def _using(self, name: str, before: Sequence[tuple[str, Value]], scope: Scope, side: str) -> str:
        left = [value for other, value in before if other == name]
        right = [value for other, value in scope.relations[-1].columns if other == name]
        if len(left) != 1 or len(right) != 1:
            table = "left" if len(left) != 1 else "right"
            problem = "appears more than once in" if len(left) > 1 else "does not exist in"
            raise SqlError(f'common column name "{name}" {problem} {table} table')
        first, second = operands("=", left[0], right[0])
        merged = right[0] if side == "RIGHT" else left[0]
        if side == "FULL":
            merged = Value(f"coalesce({first.sql}, {second.sql})", first.type)
        scope.merge(name, (left[0], right[0]), merged)
        return f"({first.sql} = {second.sql})"

    # --- UNION, INTERSECT, EXCEPT

    def _set_operation(self, node: exp.Expr, scope: Scope) -> Translated:
        only(node, "with_", "this", "expression", "distinct", "order", "limit", "offset")
        operator = SET_OPERATIONS[type(node)] + ("" if node.args.get("distinct") else " ALL")
        if isinstance(node.args["expression"], exp.SetOperation) or (
            isinstance(node, exp.Intersect) and isinstance(node.this, exp.SetOperation)
        ):
            raise SqlNotSupported("several set operations without parentheses", "add parentheses")
        left = self.query(node.this, Scope(outer=scope.outer), self._with)
        right = self.query(node.args["expression"], Scope(outer=scope.outer), self._with)
        if len(left.columns) != len(right.columns):
            raise SqlError("each query of a set operation must have the same number of columns")
        pairs = zip(left.columns, right.columns, strict=True)
        types = [_common(a, b, operator.split()[0]) for (_, a), (_, b) in pairs]
        items = ", ".join(f"CAST(o{i} AS {kind.duckdb}) AS o{i}" for i, kind in enumerate(types))
        sql = f"SELECT {items} FROM ({left.sql}) {operator} SELECT {items} FROM ({right.sql})"
        columns = [(name, Value(f"o{i}", types[i])) for i, (name, _) in enumerate(left.columns)]
        translated = Translated(f"SELECT * FROM ({sql})", columns)
        return replace(translated, sql=translated.sql + self._tail(node, translated))


def _qualified(internal: str, columns: Sequence[tuple[str, Value]]) -> list[tuple[str, Value]]:
    """Return columns as those of an internal name; `{t}` in their SQL stands for it."""
    return [
        (name, replace(value, sql=value.sql.replace("{t}", internal), double=value.double.replace("{t}", internal)))
        for name, value in columns
    ]


def _renamed(alias: exp.Expr, translated: Translated) -> list[tuple[str, Value]]:
    """Return the columns of a subquery under the names of its alias."""
    only(alias, "this", "columns")
    names = [name_of(column) for column in alias.args.get("columns") or ()]
    if len(names) > len(translated.columns):
        raise SqlError(f"table has {len(translated.columns)} columns available but {len(names)} columns specified")
    names += [name for name, _ in translated.columns[len(names) :]]
    types = [value.type for _, value in _typed(translated.columns)]
    return [(name, Value(f"{{t}}.o{i}", types[i])) for i, name in enumerate(names)]


def _typed(columns: Sequence[tuple[str, Value]]) -> list[tuple[str, Value]]:
    """Return columns of which untyped literals are text."""
    return [(name, replace(v, type=TEXT) if v.kind is Kind.UNKNOWN else v) for name, v in columns]


def _common(left: Value, right: Value, operator: str) -> Type:
    """Return the type of a column of a set operation."""
    for value, other in ((left, right), (right, left)):
        if value.literal is not None and value.kind is Kind.UNKNOWN and other.kind not in (Kind.UNKNOWN, Kind.TEXT):
            raise SqlNotSupported(f"an untyped literal in {operator}", "cast it")
    return common_type((left, right), operator)


def _position(key: exp.Literal, count: int, clause: str) -> int:
    if key.is_string or not str(key.this).isdigit():
        raise SqlError(f"non-integer constant in {clause}")
    if not 1 <= int(str(key.this)) <= count:
        raise SqlError(f"{clause} position {key.this} is not in select list")
    return int(str(key.this)) - 1


def _by_name(name: str, outputs: Sequence[tuple[str, Value]], select: exp.Select) -> tuple[str, Value]:
    aliases = {name_of(node.args["alias"]) for node in select.expressions if isinstance(node, exp.Alias)}
    matches = [output for output in outputs if output[0] == name and name in aliases]
    if not matches:
        raise SqlError(f'column "{name}" does not exist')
    if len({value.sql for _, value in matches}) > 1:
        raise SqlError(f'GROUP BY "{name}" is ambiguous')
    return matches[0]
