"""Expressions of SPARQL as SQL over the columns of a relation (section 17); NULL is an error.

An operator whose arguments have a static type is SQL's own; any other is a function over terms (functions.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columnar.functions import BOOLEAN_FUNCTIONS, TERM_FUNCTIONS, VOLATILE
from vaven.publisher.columnar.operators import to_iri
from vaven.publisher.columnar.relations import DECIMAL, INTEGER, Column, Relation, Relations, as_term, number_text
from vaven.publisher.columns.build import UNDEFINED
from vaven.publisher.columns.terms import FALSE, TRUE, split_literal
from vaven.schemas.standard.sql import text

BOOLEAN, TEXT = Column("boolean"), Column("text")
COMPARISONS = {"=", "!=", "<", ">", "<=", ">="}
# Integers of 64 bits, whose sums SQL computes in 128.
LARGEST = 1 << 62
MAX_SCALE = 10
# Further arguments of a function (CONCAT) are passed as a list.
MAX_ARGUMENTS = 4
SWAPPED = {">": "<", ">=": "<="}


@dataclass(frozen=True)
class Value:
    """SQL of an expression with its static type; of a variable or a constant, also which."""

    sql: str
    column: Column
    variable: str = ""
    scope: "Scope | None" = None
    constant: str = ""


@dataclass
class Scope:
    """A relation under an alias, the lookups that expressions over it need, and the scope around its pattern."""

    relation: Relation
    alias: str
    relations: Relations
    outer: "Scope | None" = None
    lookups: list[tuple[str, str]] = field(default_factory=list)
    has_row: bool = False

    def row(self) -> str:
        """Return SQL of the number of a solution."""
        self.has_row = True
        return f"{self.alias}.row"

    def lookup(self, variable: str, what: str) -> str:
        self.lookups.append((variable, what))
        return f"{self.alias}.{self.relations.lookup_name(variable, what)}"

    def source(self) -> str:
        """Return SQL of the relation with its lookups, under its alias."""
        sql = self.relations.with_lookups(self.relation, self.lookups).sql
        if self.has_row:
            sql = f"SELECT *, row_number() OVER () AS row FROM ({sql})"
        return f"({sql}) AS {self.alias}"


def _of_list(function: Callable[..., object]) -> Callable[[Sequence[str | None]], object]:
    return lambda arguments: None if None in arguments else function(*arguments)


@dataclass
class Functions:
    """The functions over terms that the SQL of a query calls, by their names in SQL."""

    used: dict[str, tuple[Callable[..., object], int, str]] = field(default_factory=dict)

    def call(self, function: Callable[..., object], name: str, arguments: Sequence[str], returns: str) -> str:
        if len(arguments) > MAX_ARGUMENTS:
            return self.call(_of_list(function), f"list_of_{name}", [f"[{', '.join(arguments)}]"], returns)
        sql_name = f"fn_{name}_{len(arguments)}"
        self.used[sql_name] = function, len(arguments), returns
        return f"{sql_name}({', '.join(arguments)})"


NAMES = {name: f"t{i}" for i, name in enumerate(TERM_FUNCTIONS)} | {
    name: f"b{i}" for i, name in enumerate(BOOLEAN_FUNCTIONS)
}


@dataclass
class Expressions:
    """Translation of expressions over one scope. `pattern` translates the pattern of an EXISTS inside of it."""

    scope: Scope
    functions: Functions
    pattern: Callable[[a.Pattern, Scope], Relation]
    ids: Callable[[str], int]
    base: str
    now: str

    # --- results in a wanted form

    def condition(self, expression: a.Expression) -> str:
        """Return SQL of an effective boolean value."""
        return self._truth(self.value(expression))

    def _truth(self, value: Value) -> str:
        if value.column.kind == "boolean":
            return value.sql
        if value.column.kind == "number":
            number = self._number(value)
            return f"({number} <> 0)"
        if value.column.kind == "text":
            return f"({value.sql} <> '')"
        return self._boolean("EBV", [value]).sql

    def term(self, value: Value) -> str:
        """Return SQL of a value's term."""
        if value.constant:
            return text(value.constant)
        if value.column.kind == "id":
            assert value.scope is not None
            return value.scope.lookup(value.variable, "term")
        return as_term(value.sql, value.column)

    def _number(self, value: Value) -> str:
        """Return SQL of a scaled number; cube:Undefined is an error."""
        return f"nullif({value.sql}, {UNDEFINED})" if value.column.has_undefined else value.sql

    # --- translation

    def value(self, expression: a.Expression) -> Value:
        if isinstance(expression, a.Variable):
            return self._variable(expression.name)
        if isinstance(expression, str):
            return self._constant(expression)
        if isinstance(expression, a.Exists):
            return self._exists(expression)
        assert isinstance(expression, a.Call), expression
        special = getattr(self, f"_call_{SPECIAL.get(expression.name, '')}", None)
        if special is not None:
            result: Value = special(expression)
            return result
        arguments = [self.value(argument) for argument in expression.arguments]
        if expression.name in BOOLEAN_FUNCTIONS:
            return self._boolean(expression.name, arguments)
        return self._term(expression.name, arguments)

    def _variable(self, name: str) -> Value:
        scope: Scope | None = self.scope
        while scope is not None:
            if name in scope.relation.columns:
                sql = f"{scope.alias}.{scope.relations.names.of(name)}"
                return Value(sql, scope.relation.columns[name], name, scope)
            scope = scope.outer
        return Value("NULL::VARCHAR", Column("term", may_be_unbound=True))

    def _constant(self, term: str) -> Value:
        if term in (TRUE, FALSE):
            return Value("true" if term == TRUE else "false", BOOLEAN, constant=term)
        if term.startswith('""'):
            return Value(text(term[2:]), TEXT, constant=term)
        if term[0] == '"':
            tag, lexical = split_literal(term)
            if tag[1:] == INTEGER and _is_canonical(lexical) and abs(int(lexical)) < LARGEST:
                return Value(f"({lexical})", Column("number", INTEGER), constant=term)
            whole, _, decimals = lexical.partition(".")
            digits = decimals.rstrip("0")
            if (
                tag[1:] == DECIMAL
                and len(digits) <= MAX_SCALE
                and len(whole) < 9
                and (whole + digits).lstrip("+-").isdigit()
            ):
                scaled = int(f"{whole or '0'}{digits}") if whole not in ("-", "+") else int(f"{whole}0{digits}")
                return Value(f"({scaled})", Column("number", DECIMAL, len(digits)), constant=term)
        return Value(text(term), Column("term", is_resource=term[0] != '"'), constant=term)

    def _term(self, name: str, arguments: Sequence[Value]) -> Value:
        function = TERM_FUNCTIONS.get(name)
        if function is None:
            # An unknown function is an error for every solution (section 17.6).
            return Value("NULL::VARCHAR", Column("term", may_be_unbound=True))
        sql = self.functions.call(function, NAMES[name], [self.term(v) for v in arguments], "VARCHAR")
        return Value(sql, Column("term", may_be_unbound=True))

    def _boolean(self, name: str, arguments: Sequence[Value]) -> Value:
        sql = self.functions.call(BOOLEAN_FUNCTIONS[name], NAMES[name], [self.term(v) for v in arguments], "BOOLEAN")
        return Value(sql, BOOLEAN)

    # --- logic

    def _call_or(self, call: a.Call) -> Value:
        return Value(f"({' OR '.join(self.condition(e) for e in call.arguments)})", BOOLEAN)

    def _call_and(self, call: a.Call) -> Value:
        return Value(f"({' AND '.join(self.condition(e) for e in call.arguments)})", BOOLEAN)

    def _call_not(self, call: a.Call) -> Value:
        return Value(f"(NOT {self.condition(call.arguments[0])})", BOOLEAN)

    def _call_bound(self, call: a.Call) -> Value:
        return Value(f"({self.value(call.arguments[0]).sql} IS NOT NULL)", BOOLEAN)

    def _call_if(self, call: a.Call) -> Value:
        condition = self.condition(call.arguments[0])
        yes, no = self._alike([self.value(e) for e in call.arguments[1:]])
        sql = f"CASE WHEN {condition} THEN {yes.sql} WHEN NOT {condition} THEN {no.sql} END"
        return Value(sql, replace(yes.column.with_values_of(no.column), may_be_unbound=True))

    def _call_coalesce(self, call: a.Call) -> Value:
        if not call.arguments:
            return Value("NULL::VARCHAR", Column("term", may_be_unbound=True))
        values = self._alike([self.value(e) for e in call.arguments])
        column = values[0].column
        for value in values[1:]:
            column = column.with_values_of(value.column)
        return Value(f"coalesce({', '.join(v.sql for v in values)})", replace(column, may_be_unbound=True))

    def _alike(self, values: Sequence[Value]) -> list[Value]:
        """Give values one representation."""
        first = values[0].column
        if first.kind != "id" and all(first.is_alike(value.column) for value in values):
            return list(values)
        return [Value(self.term(value), Column("term", is_resource=value.column.is_resource)) for value in values]

    def _call_in(self, call: a.Call) -> Value:
        left, *items = (self.value(e) for e in call.arguments)
        sql = f"({' OR '.join(self._compared('=', left, item) for item in items) or 'false'})"
        return Value(f"(NOT {sql})" if call.name == "NOT IN" else sql, BOOLEAN)

    def _exists(self, exists: a.Exists) -> Value:
        names = self.scope.relations.names
        inner = self.pattern(exists.pattern, self.scope)
        alias, conditions = names.new("e"), []
        for variable in list(inner.columns):
            outer = self._variable(variable)
            if outer.scope is None:
                continue
            column = inner.columns[variable]
            if not column.is_alike(outer.column):
                inner = self.scope.relations.with_terms(inner, [variable])
                outer_sql = self.term(outer)
            else:
                outer_sql = outer.sql
            own = f"{alias}.{names.of(variable)}"
            alternatives = [f"{own} = {outer_sql}"]
            if column.may_be_unbound:
                alternatives.append(f"{own} IS NULL")
            if outer.column.may_be_unbound:
                alternatives.append(f"{outer_sql} IS NULL")
            conditions.append(f"({' OR '.join(alternatives)})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        sql = f"EXISTS (SELECT 1 FROM ({inner.sql}) AS {alias}{where})"
        return Value(f"(NOT {sql})" if exists.is_negated else f"({sql})", BOOLEAN)

    # --- comparisons and arithmetic

    def _call_compare(self, call: a.Call) -> Value:
        left, right = (self.value(e) for e in call.arguments)
        operator = call.name
        if operator in SWAPPED:
            left, right, operator = right, left, SWAPPED[operator]
        if operator == "!=":
            return Value(f"(NOT {self._compared('=', left, right)})", BOOLEAN)
        return Value(self._compared(operator, left, right), BOOLEAN)

    def _compared(self, operator: str, left: Value, right: Value) -> str:
        a_kind, b_kind = left.column.kind, right.column.kind
        if a_kind == b_kind == "number":
            x, y = self._scaled(left, right)
            return f"({x} {operator} {y})"
        if (a_kind == b_kind == "text") or (a_kind == b_kind == "boolean"):
            return f"({left.sql} {operator} {right.sql})"
        if operator == "=":
            for value, other in ((left, right), (right, left)):
                if value.column.kind == "id" and other.constant and other.constant[0] == "<":
                    return f"({value.sql} = {self.ids(other.constant)})"
            if left.column.is_resource or right.column.is_resource:
                if a_kind == b_kind == "id":
                    return f"({left.sql} = {right.sql})"
                return f"({self.term(left)} = {self.term(right)})"
        return self._boolean(operator, [left, right]).sql

    def _scaled(self, left: Value, right: Value) -> tuple[str, str]:
        """Return SQL of two numbers at one scale."""
        scale = max(left.column.scale, right.column.scale)
        return self._at_scale(left, scale), self._at_scale(right, scale)

    def _at_scale(self, value: Value, scale: int) -> str:
        number, factor = self._number(value), scale - value.column.scale
        if not factor:
            return number
        if value.constant:
            return f"({int(value.sql.strip('()')) * 10**factor})"
        return f"({number}::HUGEINT * {10**factor})"

    def _call_sum(self, call: a.Call) -> Value:
        left, right = (self.value(e) for e in call.arguments)
        is_static = left.column.kind == right.column.kind == "number" and not (left.constant and right.constant)
        if not is_static:
            return self._term(call.name, [left, right])
        scale = max(left.column.scale, right.column.scale)
        x, y = self._scaled(left, right)
        datatype = DECIMAL if DECIMAL in (left.column.datatype, right.column.datatype) else INTEGER
        column = Column("number", datatype, scale, may_be_unbound=True)
        return Value(f"({x}::HUGEINT {call.name} {y})", column)

    def _call_negative(self, call: a.Call) -> Value:
        (value,) = (self.value(e) for e in call.arguments)
        if value.column.kind != "number":
            return self._term("MINUS", [value])
        return Value(f"(-({self._number(value)})::HUGEINT)", replace(value.column, has_undefined=False))

    # --- terms and strings

    def _call_numeric(self, call: a.Call) -> Value:
        (value,) = (self.value(e) for e in call.arguments)
        if value.column.kind != "number":
            return self._boolean("ISNUMERIC", [value])
        return Value(
            f"({value.sql} <> {UNDEFINED})" if value.column.has_undefined else f"({value.sql} IS NOT NULL OR NULL)",
            BOOLEAN,
        )

    def _call_same(self, call: a.Call) -> Value:
        left, right = (self.value(e) for e in call.arguments)
        if left.column.kind == right.column.kind == "id":
            return Value(f"({left.sql} = {right.sql})", BOOLEAN)
        return Value(f"({self.term(left)} = {self.term(right)})", BOOLEAN)

    def _call_str(self, call: a.Call) -> Value:
        (value,) = (self.value(e) for e in call.arguments)
        if value.column.kind == "text":
            return value
        if value.column.kind == "id" and not value.constant:
            assert value.scope is not None
            return Value(value.scope.lookup(value.variable, "text"), TEXT)
        if value.column.kind == "number" and not value.column.has_undefined and not value.constant:
            return Value(number_text(value.sql, value.column), TEXT)
        return self._simple(self._term("STR", [value]))

    def _call_lang(self, call: a.Call) -> Value:
        (value,) = (self.value(e) for e in call.arguments)
        if value.column.kind == "id":
            assert value.scope is not None
            return Value(value.scope.lookup(value.variable, "language"), TEXT)
        return self._simple(self._term("LANG", [value]))

    @staticmethod
    def _simple(value: Value) -> Value:
        """Return a term that is a simple literal, as a text."""
        return Value(f"substr({value.sql}, 3)", TEXT)

    def _call_text_test(self, call: a.Call) -> Value:
        left, right = (self.value(e) for e in call.arguments)
        if left.column.kind == right.column.kind == "text":
            return Value(f"{TEXT_TESTS[call.name]}({left.sql}, {right.sql})", BOOLEAN)
        return self._boolean(call.name, [left, right])

    def _call_concat(self, call: a.Call) -> Value:
        values = [self.value(e) for e in call.arguments]
        if values and all(value.column.kind == "text" for value in values):
            return Value(f"({' || '.join(value.sql for value in values)})", TEXT)
        if not values:
            return Value("''", TEXT)
        return self._term("CONCAT", values)

    def _call_iri(self, call: a.Call) -> Value:
        (value,) = (self.value(e) for e in call.arguments)
        sql = self.functions.call(to_iri(self.base), "iri", [self.term(value)], "VARCHAR")
        return Value(sql, Column("term", may_be_unbound=True, is_resource=True))

    def _call_row(self, _: a.Call) -> Value:
        return Value(self.scope.row(), Column("number", INTEGER))

    def _call_now(self, _: a.Call) -> Value:
        return self._constant(self.now)

    def _call_volatile(self, call: a.Call) -> Value:
        if call.arguments:
            # BNODE(text): one blank node for each text in a solution (section 17.4.2.9).
            return self._labelled_node(self.value(call.arguments[0]))
        sql = self.functions.call(VOLATILE[call.name], f"volatile_{call.name.lower()}", [], "VARCHAR")
        return Value(sql, Column("term", is_resource=call.name in ("UUID", "BNODE")))

    def _labelled_node(self, value: Value) -> Value:
        term = self.term(value)
        row = self._variable(a.ROW)
        label = f"'_n' || md5({term} || '/' || {row.sql if row.scope else self.scope.row()})"
        sql = f"CASE WHEN starts_with({term}, '\"\"') THEN {label} END"
        return Value(sql, Column("term", may_be_unbound=True, is_resource=True))


def _is_canonical(lexical: str) -> bool:
    digits = lexical.removeprefix("-")
    return digits.isdigit() and digits.isascii() and (digits == "0" or digits[0] != "0") and lexical != "-0"


TEXT_TESTS = {"CONTAINS": "contains", "STRSTARTS": "starts_with", "STRENDS": "ends_with"}
# The methods of Expressions that translate calls, by the name of the call.
SPECIAL = {
    "||": "or", "&&": "and", "!": "not", "BOUND": "bound", "IF": "if", "COALESCE": "coalesce", "IN": "in",
    "NOT IN": "in", "+": "sum", "-": "sum", "MINUS": "negative", "ISNUMERIC": "numeric", "SAMETERM": "same",
    "STR": "str", "LANG": "lang", "CONCAT": "concat", "IRI": "iri",
    "ROW": "row", "NOW": "now",
    **dict.fromkeys(COMPARISONS, "compare"), **dict.fromkeys(TEXT_TESTS, "text_test"),
    **dict.fromkeys(VOLATILE, "volatile"),
}  # fmt: skip
