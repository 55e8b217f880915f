"""Scalar expressions of PostgreSQL -> DuckDB. A node or argument that is not handled here is refused."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from sqlglot import exp

from vaven.publisher.sql import functions, regex
from vaven.publisher.sql.errors import SqlError, SqlNotAuthorized, SqlNotSupported
from vaven.publisher.sql.parse import check_precedence, name_of, only
from vaven.publisher.sql.scope import Scope
from vaven.publisher.sql.values import (
    BOOL,
    DATE_TYPE,
    FLOAT8,
    INT4,
    INT8,
    MAX_SCALE,
    NUMBERS,
    TEXT,
    UNKNOWN,
    VARCHAR,
    Kind,
    Type,
    Value,
    as_text,
    decimal,
    implicit,
    integer,
    operands,
    text_literal,
    unify,
)
from vaven.publisher.sql.values import cast as cast_to

Operators = dict[type[exp.Expr], str]
COMPARISONS: Operators = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
ARITHMETIC: Operators = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
DISTINCT_FROM: Operators = {exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM"}
# sqlglot's names of types that both have.
TYPES = {
    "TEXT": TEXT, "VARCHAR": VARCHAR, "INT": INT4, "BIGINT": INT8, "SMALLINT": None, "DOUBLE": FLOAT8, "BOOLEAN": BOOL,
    "DATE": DATE_TYPE, "DECIMAL": Type(Kind.NUMERIC),
}  # fmt: skip
# A longer translation is refused: PostgreSQL evaluates an operand once, a CASE names it several times.
MAX_CHARS = 1_000_000
MAX_NAME_BYTES = 63
EXTRACTED = ("year", "month", "day", "quarter", "week", "isoyear", "isodow", "dow", "doy")


class Expressions(ABC):
    """Translator of the expressions of one query."""

    def __init__(self) -> None:
        self._rules: dict[type[exp.Expr], Callable[[Any, Scope], Value]] = {
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Null: lambda node, _: Value("NULL", UNKNOWN),
            exp.Boolean: lambda node, _: Value("true" if node.this else "false", BOOL),
            exp.RawString: lambda node, _: _text(str(node.this)),
            exp.Paren: self._paren,
            exp.Cast: self._cast,
            exp.Case: self._case,
            exp.Not: self._not,
            exp.And: lambda node, scope: self._logic(node, scope, "AND"),
            exp.Or: lambda node, scope: self._logic(node, scope, "OR"),
            exp.Is: self._is,
            exp.Between: self._between,
            exp.In: self._in,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Escape: self._escape,
            exp.RegexpLike: self._matches,
            exp.RegexpILike: self._matches,
            exp.DPipe: self._concatenate,
            exp.Div: self._divide,
            exp.Mod: self._divide,
            exp.Pow: self._power,
            exp.Neg: self._negate,
            exp.Extract: self._extract,
            exp.StrPosition: self._position,
            exp.Substring: self._substring,
            exp.Trim: self._trim,
            exp.CurrentDate: lambda node, _: Value("current_date", DATE_TYPE).named("current_date"),
            exp.Anonymous: self._call,
            exp.Filter: self._call,
            exp.Window: self._call,
            exp.WithinGroup: self._call,
            exp.Subquery: self._scalar_subquery,
            exp.Exists: self._exists,
        }
        self._rules |= dict.fromkeys(COMPARISONS, self._compare)
        self._rules |= dict.fromkeys(ARITHMETIC, self._calculate)
        self._rules |= dict.fromkeys(DISTINCT_FROM, self._compare)

    @abstractmethod
    def subquery(self, node: exp.Expr, scope: Scope) -> tuple[str, Sequence[Value]]:
        """Translate a query in an expression: its SQL and its columns."""

    def value(self, node: exp.Expr, scope: Scope) -> Value:
        """Translate an expression. Raises SqlError."""
        rule = self._rules.get(type(node))
        if rule is None:
            raise SqlError(f"Invalid query AST element: {type(node).__name__}")
        check_precedence(node)
        value = rule(node, scope)
        if len(value.sql) > MAX_CHARS:
            raise SqlNotSupported("an expression of this length", "compute parts of it in a subquery")
        return value

    def condition(self, node: exp.Expr, scope: Scope, context: str) -> str:
        value = self.value(node, scope)
        if value.kind not in (Kind.BOOL, Kind.UNKNOWN):
            raise SqlError(f"argument of {context} must be type boolean, not type {value.type.name}")
        return implicit(value, BOOL).sql

    def values(self, nodes: Sequence[exp.Expr], scope: Scope) -> list[Value]:
        return [self.value(node, scope) for node in nodes]

    # --- names, literals, casts

    def _column(self, node: exp.Column, scope: Scope) -> Value:
        only(node, "this", "table")
        if isinstance(node.this, exp.Star):
            raise SqlError("* can only be in the list of columns")
        table = node.args.get("table")
        return scope.column(name_of(node.this), name_of(table) if table else "")

    def _literal(self, node: exp.Literal, _: Scope) -> Value:
        text = str(node.this)
        if node.is_string:
            return _text(text)
        if not text.isascii() or text.strip("0123456789.eE+-"):
            raise SqlNotSupported(f"the number {text[:60]}")
        return integer(int(text)) if text.isdigit() else decimal(text)

    def _paren(self, node: exp.Paren, scope: Scope) -> Value:
        only(node, "this")
        value = self.value(node.this, scope)
        return replace(value, sql=f"({value.sql})")

    def _cast(self, node: exp.Cast, scope: Scope) -> Value:
        only(node, "this", "to", "_type")
        target, length, digits = self._type(node.args["to"])
        value = cast_to(self.value(node.this, scope), target, digits)
        return replace(value, sql=f"left({value.sql}, {length})") if length else value

    def _type(self, node: exp.Expr) -> tuple[Type, int, int | None]:
        """Return a type, the length of varchar(n), and the precision of numeric(p, s)."""
        if not isinstance(node, exp.DataType):
            raise SqlError(f"Invalid query AST element: {type(node).__name__}")
        only(node, "this", "expressions", "nested")
        target = TYPES.get(getattr(node.this, "value", str(node.this)))
        if target is None or node.args.get("nested"):
            raise SqlNotSupported(f"the type {node.sql(dialect='postgres')}")
        numbers = [int(str(p.this)) for p in node.expressions if str(getattr(p.this, "this", p.this)).isdigit()]
        numbers = numbers or [int(p.name) for p in node.expressions if p.name.isdigit()]
        if len(numbers) != len(node.expressions):
            raise SqlNotSupported(f"the type {node.sql(dialect='postgres')}")
        if target.kind is Kind.NUMERIC and numbers:
            digits, scale = numbers[0], numbers[1] if len(numbers) > 1 else 0
            if not 0 < digits <= 38 or scale > min(digits, MAX_SCALE):
                raise SqlNotSupported(f"numeric({digits}, {scale})", "use at most 38 digits and 26 decimals")
            return Type(Kind.NUMERIC, scale), 0, digits
        return target, numbers[0] if numbers and target.kind is Kind.TEXT else 0, None

    # --- conditions

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        only(node, "this", "ifs", "default")
        tests = []
        for branch in node.args["ifs"]:
            if node.this:
                left, right = operands("=", self.value(node.this, scope), self.value(branch.this, scope))
                tests.append(f"{left.sql} = {right.sql}")
            else:
                tests.append(self.condition(branch.this, scope, "CASE/WHEN"))
        default = node.args.get("default")
        branches = [self.value(branch.args["true"], scope) for branch in node.args["ifs"]]
        otherwise = self.value(default, scope) if default else Value("NULL", UNKNOWN)
        *results, last = unify([*branches, otherwise], "CASE")
        arms = " ".join(f"WHEN {test} THEN {result.sql}" for test, result in zip(tests, results, strict=True))
        sql = f"CASE {arms} ELSE {last.sql} END"
        return Value(sql, last.type, otherwise.name if otherwise.is_named else "case", is_named=otherwise.is_named)

    def _not(self, node: exp.Not, scope: Scope) -> Value:
        only(node, "this")
        return Value(f"(NOT ({self.condition(node.this, scope, 'NOT')}))", BOOL)

    def _logic(self, node: exp.Expr, scope: Scope, operator: str) -> Value:
        """Translate a chain of one operator without recursion along it: it may be thousands long."""
        only(node, "this", "expression")
        parts: list[exp.Expr] = []
        while True:
            check_precedence(node)
            parts.append(node.args["expression"])
            left = node.this
            if type(left) is not type(node):
                parts.append(left)
                break
            node = left
        conditions = [self.condition(part, scope, operator) for part in reversed(parts)]
        return Value("(" + f" {operator} ".join(conditions) + ")", BOOL)

    def _is(self, node: exp.Is, scope: Scope) -> Value:
        only(node, "this", "expression", "negate")
        value, test = self.value(node.this, scope), node.args["expression"]
        negation = "NOT " if node.args.get("negate") else ""
        if isinstance(test, exp.Null):
            return Value(f"({value.sql} IS {negation}NULL)", BOOL)
        if isinstance(test, exp.Boolean):
            expected = "true" if test.this else "false"
            operator = "IS DISTINCT FROM" if negation else "IS NOT DISTINCT FROM"
            return Value(f"({self.condition(node.this, scope, 'IS')} {operator} {expected})", BOOL)
        raise SqlNotSupported("IS with other than NULL, TRUE and FALSE")

    def _compare(self, node: exp.Expr, scope: Scope) -> Value:
        only(node, "this", "expression")
        operator = COMPARISONS.get(type(node)) or DISTINCT_FROM[type(node)]
        right_node = node.args["expression"]
        if isinstance(right_node, exp.Any):
            return self._any(node, right_node, scope, operator)
        left, right = operands(operator, self.value(node.this, scope), self.value(right_node, scope))
        return Value(f"({left.sql} {operator} {right.sql})", BOOL)

    def _any(self, node: exp.Expr, choices: exp.Any, scope: Scope, operator: str) -> Value:
        """Translate `= ANY (ARRAY[…])` as IN."""
        inner = choices.this.unnest() if choices.this else None
        if operator != "=" or not isinstance(inner, exp.Array):
            raise SqlNotSupported("ANY with other than = and ARRAY[…]", "use IN")
        only(inner, "expressions", "value_constructor", "bracket_notation")
        return self._among(self.value(node.this, scope), self.values(inner.expressions, scope))

    def _between(self, node: exp.Between, scope: Scope) -> Value:
        only(node, "this", "low", "high")
        value = self.value(node.this, scope)
        low = operands(">=", value, self.value(node.args["low"], scope))
        high = operands("<=", value, self.value(node.args["high"], scope))
        return Value(f"({low[0].sql} >= {low[1].sql} AND {high[0].sql} <= {high[1].sql})", BOOL)

    def _in(self, node: exp.In, scope: Scope) -> Value:
        only(node, "this", "expressions", "query")
        value = self.value(node.this, scope)
        if not node.args.get("query"):
            return self._among(value, self.values(node.expressions, scope))
        sql, columns = self.subquery(node.args["query"], scope)
        if len(columns) != 1:
            raise SqlError("subquery has too many columns")
        left, right = operands("=", value, columns[0])
        if right.type != columns[0].type:
            sql = f"SELECT CAST(o0 AS {right.type.duckdb}) FROM ({sql})"
        return Value(f"({left.sql} IN ({sql}))", BOOL)

    def _among(self, value: Value, choices: Sequence[Value]) -> Value:
        if not choices:
            raise SqlError("IN without a value")
        for choice in choices:
            operands("=", value, choice)
        left, *others = unify([value, *choices], "IN")
        return Value(f"({left.sql} IN ({', '.join(other.sql for other in others)}))", BOOL)

    def _texts(self, operator: str, *nodes: exp.Expr, scope: Scope) -> list[Value]:
        values = self.values(nodes, scope)
        if any(value.kind not in (Kind.TEXT, Kind.UNKNOWN) for value in values):
            names = f" {operator} ".join(value.type.name for value in values)
            raise SqlError(f"operator does not exist: {names}; add a cast, for example value::text")
        return [implicit(value, TEXT) for value in values]

    def _like(self, node: exp.Expr, scope: Scope, escape: str = "'\\'") -> Value:
        only(node, "this", "expression", "negate")
        operator = "~~*" if isinstance(node, exp.ILike) else "~~"
        text, pattern = self._texts(operator, node.this, node.args["expression"], scope=scope)
        duckdb = "NOT LIKE" if node.args.get("negate") else "LIKE"
        if isinstance(node, exp.ILike):
            return Value(f"(lower({text.sql}) {duckdb} lower({pattern.sql}) ESCAPE {escape})", BOOL)
        return Value(f"({text.sql} {duckdb} {pattern.sql} ESCAPE {escape})", BOOL)

    def _escape(self, node: exp.Escape, scope: Scope) -> Value:
        only(node, "this", "expression")
        escape = node.args["expression"]
        if not isinstance(node.this, exp.Like | exp.ILike) or not isinstance(escape, exp.Literal):
            raise SqlNotSupported("ESCAPE with other than a literal")
        if len(str(escape.this)) != 1 or (isinstance(node.this, exp.ILike) and str(escape.this).isalpha()):
            raise SqlNotSupported("ESCAPE with other than one character that is no letter")
        return self._like(node.this, scope, text_literal(str(escape.this)))

    def _matches(self, node: exp.Expr, scope: Scope) -> Value:
        only(node, "this", "expression", "flag")
        pattern = node.args["expression"]
        if not isinstance(pattern, exp.Literal) or not pattern.is_string:
            raise SqlNotSupported("~ with other than a literal", "use LIKE")
        operator = "~*" if isinstance(node, exp.RegexpILike) else "~"
        (text,) = self._texts(operator, node.this, scope=scope)
        options = "is" if isinstance(node, exp.RegexpILike) else "s"
        sql = text_literal(regex.translate(str(pattern.this)))
        return Value(f"regexp_matches({text.sql}, {sql}, '{options}')", BOOL)

    # --- operators

    def _concatenate(self, node: exp.DPipe, scope: Scope) -> Value:
        only(node, "this", "expression", "safe")
        left, right = self.value(node.this, scope), self.value(node.args["expression"], scope)
        if not {left.kind, right.kind} & {Kind.TEXT, Kind.UNKNOWN}:
            raise SqlError(f"operator does not exist: {left.type.name} || {right.type.name}")
        return Value(f"({as_text(left).sql} || {as_text(right).sql})", TEXT)

    def _calculate(self, node: exp.Expr, scope: Scope) -> Value:
        only(node, "this", "expression")
        operator = ARITHMETIC[type(node)]
        left, right = self.value(node.this, scope), self.value(node.args["expression"], scope)
        if Kind.DATE in (left.kind, right.kind):
            return self._shift_date(operator, left, right)
        left, right = self._numbers(operator, left, right)
        if left.kind is Kind.NUMERIC and operator == "*":
            return self._multiply(left, right)
        return Value(f"CAST({left.sql} {operator} {right.sql} AS {left.type.duckdb})", left.type)

    def _multiply(self, left: Value, right: Value) -> Value:
        scale = left.type.scale + right.type.scale
        if scale > MAX_SCALE:
            sql = f"numeric_multiply(CAST({left.sql} AS VARCHAR), CAST({right.sql} AS VARCHAR))"
            return Value(sql, functions.NUMERIC)
        return Value(f"CAST({left.sql} * {right.sql} AS DECIMAL(38, {scale}))", Type(Kind.NUMERIC, scale))

    def _numbers(self, operator: str, left: Value, right: Value) -> list[Value]:
        values = operands(operator, left, right)
        if operator in ("*", "/") and values[0].kind is Kind.NUMERIC:
            # Each operand has its own scale here.
            values = [v if v.kind is Kind.NUMERIC else implicit(v, Type(Kind.NUMERIC)) for v in (left, right)]
        if any(value.kind not in NUMBERS for value in values):
            names = f"{values[0].type.name} {operator} {values[1].type.name}"
            raise SqlError(f"operator does not exist: {names}; add a cast, for example period::int")
        return values

    def _shift_date(self, operator: str, left: Value, right: Value) -> Value:
        if left.kind is Kind.DATE and right.kind is Kind.INT4 and operator in "+-":
            return Value(f"CAST({left.sql} {operator} {right.sql} AS DATE)", DATE_TYPE)
        if left.kind is right.kind and operator == "-":
            return Value(f"CAST({left.sql} - {right.sql} AS INTEGER)", INT4)
        raise SqlNotSupported(f"{left.type.name} {operator} {right.type.name}")

    def _divide(self, node: exp.Expr, scope: Scope) -> Value:
        only(node, "this", "expression", "typed", "safe")
        operator = "/" if isinstance(node, exp.Div) else "%"
        left, right = self._numbers(operator, self.value(node.this, scope), self.value(node.args["expression"], scope))
        return functions.divide(left, right) if operator == "/" else functions.mod(left, right)

    def _power(self, node: exp.Pow, scope: Scope) -> Value:
        only(node, "this", "expression")
        return replace(functions.POWER(self.values((node.this, node.args["expression"]), scope)), name="?column?")

    def _negate(self, node: exp.Neg, scope: Scope) -> Value:
        only(node, "this")
        if isinstance(node.this, exp.Literal) and not node.this.is_string and str(node.this.this).isdigit():
            return integer(-int(str(node.this.this)))
        value = self.value(node.this, scope)
        if value.kind not in NUMBERS:
            problem = "is not unique" if value.kind is Kind.UNKNOWN else "does not exist"
            raise SqlError(f"operator {problem}: - {value.type.name}")
        return Value(f"CAST(-({value.sql}) AS {value.type.duckdb})", value.type)

    # --- functions with a syntax of their own

    def _extract(self, node: exp.Extract, scope: Scope) -> Value:
        only(node, "this", "expression")
        part, value = node.this.name.lower(), self.value(node.args["expression"], scope)
        if part not in EXTRACTED or value.kind is not Kind.DATE:
            raise SqlNotSupported(f"extract({part[:30]} from {value.type.name})", "use left(period, 4)")
        return Value(f"CAST(extract({part} FROM {value.sql}) AS DECIMAL(38, 0))", Type(Kind.NUMERIC)).named("extract")

    def _position(self, node: exp.StrPosition, scope: Scope) -> Value:
        only(node, "this", "substr")
        return functions.call("strpos", self.values((node.this, node.args["substr"]), scope)).named("position")

    def _substring(self, node: exp.Substring, scope: Scope) -> Value:
        only(node, "this", "start", "length")
        parts = [node.this, node.args.get("start") or exp.Literal.number(1), node.args.get("length")]
        values = self.values([part for part in parts if part], scope)
        if values[1].kind in (Kind.UNKNOWN, Kind.TEXT):
            raise SqlNotSupported("substring with a regular expression")
        return functions.call("substring", values)

    def _trim(self, node: exp.Trim, scope: Scope) -> Value:
        only(node, "this", "position", "expression")
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "btrim")
        return functions.call(name, self.values([v for v in (node.this, node.args.get("expression")) if v], scope))

    # --- calls

    def _call(self, node: exp.Expr, scope: Scope) -> Value:
        """Translate a call with its FILTER, WITHIN GROUP and OVER."""
        window = node if isinstance(node, exp.Window) else None
        inner = node.this if window else node
        condition = inner.args["expression"] if isinstance(inner, exp.Filter) else None
        inner = inner.this if condition else inner
        group = inner.args["expression"] if isinstance(inner, exp.WithinGroup) else None
        inner = inner.this if group else inner
        if not isinstance(inner, exp.Anonymous):
            raise SqlError(f"Invalid query AST element: {type(inner).__name__}")
        only(inner, "this", "expressions")
        name = str(inner.this).lower()
        if name not in functions.ALLOWED:
            raise SqlNotAuthorized(f"Not authorized to call function {name}")
        suffix = f" FILTER (WHERE {self.condition(condition.this, scope, 'FILTER')})" if condition else ""
        suffix += f" OVER ({self._window(window, scope)})" if window else ""
        return self._named_call(name, inner.expressions, scope, group, suffix, is_window=bool(window)).named(name)

    def _named_call(
        self, name: str, nodes: Sequence[exp.Expr], scope: Scope, group: Any, suffix: str, *, is_window: bool
    ) -> Value:
        if (name == "percentile_cont") != bool(group):
            raise SqlError(f"WITHIN GROUP is required for percentile_cont and not allowed for {name}")
        if name in functions.AGGREGATES:
            return self._aggregate(name, nodes, scope, suffix)
        if name == "percentile_cont":
            return self._percentile(nodes, group, scope, suffix)
        if name == "string_agg":
            return self._string_agg(nodes, scope, suffix)
        if name in functions.SCALAR:
            if suffix:
                raise SqlError(f"{name} is not an aggregate function")
            return functions.call(name, self.values(nodes, scope))
        if not is_window:
            raise SqlError(f"window function {name} requires an OVER clause")
        return self._window_function(name, nodes, scope, suffix)

    def _window_function(self, name: str, nodes: Sequence[exp.Expr], scope: Scope, suffix: str) -> Value:
        arguments = self.values(nodes, scope)
        if name in functions.RANKS and not arguments:
            return Value(f"{name}(){suffix}", functions.RANKS[name])
        if name == "ntile" and len(arguments) == 1:
            return Value(f"CAST(ntile({implicit(arguments[0], INT4).sql}){suffix} AS INTEGER)", INT4)
        if name not in functions.OFFSETS:
            raise functions.refuse_call(name, arguments)
        sql, kind = functions.offset_call(name, arguments)
        return Value(sql + suffix, kind)

    def _aggregate(self, name: str, nodes: Sequence[exp.Expr], scope: Scope, suffix: str) -> Value:
        if name == "count" and len(nodes) == 1 and isinstance(nodes[0], exp.Star):
            only(nodes[0])
            return Value(f"count(*){suffix}", INT8)
        if len(nodes) != 1:
            raise functions.refuse_call(name, self.values(nodes, scope))
        node, distinct = nodes[0], ""
        if isinstance(node, exp.Distinct):
            only(node, "expressions")
            if len(node.expressions) != 1:
                raise SqlNotSupported("DISTINCT of several expressions in a function")
            node, distinct = node.expressions[0], "DISTINCT "
        value = self.value(node, scope)
        value = implicit(value, TEXT) if value.kind is Kind.UNKNOWN else value
        template, kind = functions.AGGREGATES[name](value)
        sql = template.replace("{distinct}", distinct).replace("{over}", suffix)
        return Value(sql.replace("{x}", value.sql), kind)

    def _string_agg(self, nodes: Sequence[exp.Expr], scope: Scope, suffix: str) -> Value:
        *first, last = nodes or [exp.Null()]
        order = last if isinstance(last, exp.Order) else None
        nodes, distinct = [*first, order.this] if order else nodes, ""
        if len(nodes) == 1 and isinstance(nodes[0], exp.Distinct):
            only(nodes[0], "expressions")
            nodes, distinct = nodes[0].expressions, "DISTINCT "
        if len(nodes) != 2:
            raise functions.refuse_call("string_agg", self.values(nodes, scope))
        text, delimiter = self._texts(",", *nodes, scope=scope)
        if delimiter.literal is None:
            raise SqlNotSupported("string_agg with other than a literal delimiter")
        # PostgreSQL sorts the values for DISTINCT.
        ordering = self._order(order, scope) if order else f" ORDER BY {text.sql}" if distinct else ""
        return Value(f"string_agg({distinct}{text.sql}, {delimiter.sql}{ordering}){suffix}", TEXT)

    def _percentile(self, nodes: Sequence[exp.Expr], group: exp.Order, scope: Scope, suffix: str) -> Value:
        only(group, "expressions")
        ordered = group.expressions[0]
        share = nodes[0] if len(nodes) == 1 and isinstance(nodes[0], exp.Literal) else None
        if len(group.expressions) != 1 or ordered.args.get("desc") or not share or share.is_string:
            raise SqlNotSupported("percentile_cont with other than a literal number and one ascending expression")
        if not 0 <= float(share.this) <= 1:
            raise SqlError(f"percentile value {share.this} is not between 0 and 1")
        value = functions.with_double(self.value(ordered.this, scope))
        return Value(f"quantile_cont({value.sql}, {float(share.this)!r}){suffix}", FLOAT8)

    def _window(self, node: exp.Window, scope: Scope) -> str:
        only(node, "this", "partition_by", "order", "spec", "over")
        partition = ", ".join(value.sql for value in self.values(node.args.get("partition_by") or (), scope))
        parts = [f"PARTITION BY {partition}"] if partition else []
        if order := node.args.get("order"):
            parts.append(self._order(order, scope).strip())
        if spec := node.args.get("spec"):
            parts.append(self._frame(spec))
        return " ".join(parts)

    def _frame(self, node: exp.WindowSpec) -> str:
        only(node, "kind", "start", "start_side", "end", "end_side")
        kind = str(node.args["kind"]).upper()
        if kind not in ("ROWS", "RANGE", "GROUPS"):
            raise SqlNotSupported(f"the frame {kind[:30]}")
        start = self._bound(node.args.get("start"), node.args.get("start_side"), kind)
        end = self._bound(node.args.get("end") or "CURRENT ROW", node.args.get("end_side"), kind)
        return f"{kind} BETWEEN {start} AND {end}"

    def _bound(self, bound: object, side: object, kind: str) -> str:
        direction = str(side or "").upper()
        if isinstance(bound, exp.Literal) and str(bound.this).isdigit() and kind != "RANGE":
            text = str(int(bound.this))
        elif isinstance(bound, str) and bound.upper() in ("UNBOUNDED", "CURRENT ROW"):
            text = bound.upper()
        else:
            raise SqlNotSupported("a frame with other than a literal number of rows")
        if direction not in ("", "PRECEDING", "FOLLOWING"):
            raise SqlNotSupported("this frame")
        return f"{text} {direction}".strip()

    def _order(self, node: exp.Expr, scope: Scope) -> str:
        """Translate ORDER BY in a call or a window, where a number is no position."""
        keys = []
        for ordered in node.expressions:
            value = self.value(ordered.this, scope)
            keys.append(f"{implicit(value, TEXT).sql if value.kind is Kind.UNKNOWN else value.sql}{direction(ordered)}")
        return f" ORDER BY {', '.join(keys)}"

    # --- subqueries

    def _scalar_subquery(self, node: exp.Subquery, scope: Scope) -> Value:
        sql, columns = self.subquery(node, scope)
        if len(columns) != 1:
            raise SqlError("subquery must return only one column")
        return Value(f"({sql})", columns[0].type).named(columns[0].name)

    def _exists(self, node: exp.Exists, scope: Scope) -> Value:
        only(node, "this")
        sql, _ = self.subquery(node.this, scope)
        return Value(f"EXISTS ({sql})", BOOL).named("exists")


def _text(text: str) -> Value:
    if "\0" in text:
        raise SqlError("a literal contains a null character")
    return Value(text_literal(text), UNKNOWN, literal=text)


def direction(ordered: exp.Expr) -> str:
    """Return the direction of a key of ORDER BY, with the position of NULL, which is PostgreSQL's by default."""
    only(ordered, "this", "desc", "nulls_first")
    is_descending, nulls_first = ordered.args.get("desc"), ordered.args.get("nulls_first")
    return f" {'DESC' if is_descending else 'ASC'} NULLS {'FIRST' if nulls_first else 'LAST'}"


def output_name(node: exp.Expr, value: Value) -> str:
    """Return the name of a column of the result: its alias, or PostgreSQL's own choice (FigureColname)."""
    if isinstance(node, exp.Alias):
        name = name_of(cast(exp.Expr, node.args["alias"]))
        return name.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")
    return value.name
