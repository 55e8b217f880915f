"""Expressions of SPARQL as SQL over the columns of a relation (section 17); NULL is an error.

An operator whose arguments have a static type is SQL's own; any other is a function over terms (functions.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columnar.functions import BOOLEAN_FUNCTIONS, TERM_FUNCTIONS, VOLATILE
from vaven.publisher.columnar.operators import to_iri
from vaven.publisher.columnar.relations import (
    DECIMAL,
    INTEGER,
    Relations,
    SolutionRelation,
    VariableColumn,
    as_term,
    number_text,
)
from vaven.publisher.columns.observation_ids import UNDEFINED
from vaven.publisher.columns.terms import FALSE, TRUE, split_literal
from vaven.schemas.standard.sql import text

BOOLEAN, TEXT = VariableColumn("boolean"), VariableColumn("text")
COMPARISONS = {"=", "!=", "<", ">", "<=", ">="}
# Integers of 64 bits, whose sums SQL computes in 128.
LARGEST, LONGEST = 1 << 62, 21
MAX_SCALE = 10
# Further arguments of a function (CONCAT) are passed as a list.
MAX_ARGUMENTS = 4
SWAPPED = {">": "<", ">=": "<="}


@dataclass(frozen=True)
class TypedSql:
    """SQL of an expression with its static type; of a variable or a constant, also which."""

    sql: str
    column: VariableColumn
    variable: str = ""
    scope: "SolutionScope | None" = None
    constant: str = ""


@dataclass
class SolutionScope:
    """A relation under an alias, the lookups that expressions over it need, and the scope around its pattern."""

    relation: SolutionRelation
    alias: str
    relations: Relations
    outer: "SolutionScope | None" = None
    lookups: list[tuple[str, str]] = field(default_factory=list)
    has_row: bool = False

    def variables(self) -> set[str]:
        """Return the variables of this scope and of those around it."""
        return {*self.relation.columns} | (self.outer.variables() if self.outer else set())

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
class SparqlExpressions:
    """Translation of expressions over one scope. `pattern` translates the pattern of an EXISTS inside of it."""

    scope: SolutionScope
    functions: Functions
    pattern: Callable[[a.Pattern, SolutionScope], SolutionRelation]
    ids: Callable[[str], int]
    base: str
    now: str

    # --- results in a wanted form

    def condition(self, expression: a.Expression) -> str:
        """Return SQL of an effective boolean value."""
        return self._truth(self.value(expression))

    def _truth(self, value: TypedSql) -> str:
        if value.column.kind == "boolean":
            return value.sql
        if value.column.kind == "number":
            number = self._number(value)
            return f"({number} <> 0)"
        if value.column.kind == "text":
            return f"({value.sql} <> '')"
        return self._boolean("EBV", [value]).sql

    def term(self, value: TypedSql) -> str:
        """Return SQL of a value's term."""
        if value.constant:
            return text(value.constant)
        if value.column.kind == "id":
            assert value.scope is not None
            return value.scope.lookup(value.variable, "term")
        return as_term(value.sql, value.column)

    def _number(self, value: TypedSql) -> str:
        """Return SQL of a scaled number; cube:Undefined is an error."""
        return f"nullif({value.sql}, {UNDEFINED})" if value.column.has_undefined else value.sql

    # --- translation

    def value(self, expression: a.Expression) -> TypedSql:
        if isinstance(expression, a.Variable):
            return self._variable(expression.name)
        if isinstance(expression, str):
            return self._constant(expression)
        if isinstance(expression, a.Exists):
            return self._exists(expression)
        assert isinstance(expression, a.Call), expression
        special = getattr(self, f"_call_{SPECIAL.get(expression.name, '')}", None)
        if special is not None:
            result: TypedSql = special(expression)
            return result
        arguments = [self.value(argument) for argument in expression.arguments]
        if expression.name in BOOLEAN_FUNCTIONS:
            return self._boolean(expression.name, arguments)
        return self._term(expression.name, arguments)

    def _variable(self, name: str) -> TypedSql:
        scope: SolutionScope | None = self.scope
        while scope is not None:
            if name in scope.relation.columns:
                sql = f"{scope.alias}.{scope.relations.names.of(name)}"
                return TypedSql(sql, scope.relation.columns[name], name, scope)
            scope = scope.outer
        return TypedSql("NULL::VARCHAR", VariableColumn("term", may_be_unbound=True))

    def _constant(self, term: str) -> TypedSql:
        if term in (TRUE, FALSE):
            return TypedSql("true" if term == TRUE else "false", BOOLEAN, constant=term)
        if term.startswith('""'):
            return TypedSql(text(term[2:]), TEXT, constant=term)
        if term[0] == '"':
            tag, lexical = split_literal(term)
            if tag[1:] == INTEGER and len(lexical) < LONGEST and _is_canonical(lexical) and abs(int(lexical)) < LARGEST:
                return TypedSql(f"({lexical})", VariableColumn("number", INTEGER), constant=term)
            integral, _, decimals = lexical.partition(".")
            digits = decimals.rstrip("0")
            if (
                tag[1:] == DECIMAL
                and len(digits) <= MAX_SCALE
                and len(integral) < 9
                and (integral + digits).lstrip("+-").isdigit()
            ):
                scaled = (
                    int(f"{integral or '0'}{digits}") if integral not in ("-", "+") else int(f"{integral}0{digits}")
                )
                return TypedSql(f"({scaled})", VariableColumn("number", DECIMAL, len(digits)), constant=term)
        return TypedSql(text(term), VariableColumn("term", is_resource=term[0] != '"'), constant=term)

    def _term(self, name: str, arguments: Sequence[TypedSql]) -> TypedSql:
        function = TERM_FUNCTIONS.get(name)
        if function is None:
            # An unknown function is an error for every solution (section 17.6).
            return TypedSql("NULL::VARCHAR", VariableColumn("term", may_be_unbound=True))
        sql = self.functions.call(function, NAMES[name], [self.term(v) for v in arguments], "VARCHAR")
        return TypedSql(sql, VariableColumn("term", may_be_unbound=True))

    def _boolean(self, name: str, arguments: Sequence[TypedSql]) -> TypedSql:
        sql = self.functions.call(BOOLEAN_FUNCTIONS[name], NAMES[name], [self.term(v) for v in arguments], "BOOLEAN")
        return TypedSql(sql, BOOLEAN)

    # --- logic

    def _call_or(self, call: a.Call) -> TypedSql:
        return TypedSql(f"({' OR '.join(self.condition(e) for e in call.arguments)})", BOOLEAN)

    def _call_and(self, call: a.Call) -> TypedSql:
        return TypedSql(f"({' AND '.join(self.condition(e) for e in call.arguments)})", BOOLEAN)

    def _call_not(self, call: a.Call) -> TypedSql:
        return TypedSql(f"(NOT {self.condition(call.arguments[0])})", BOOLEAN)

    def _call_bound(self, call: a.Call) -> TypedSql:
        return TypedSql(f"({self.value(call.arguments[0]).sql} IS NOT NULL)", BOOLEAN)

    def _call_if(self, call: a.Call) -> TypedSql:
        condition = self.condition(call.arguments[0])
        yes, no = self._alike([self.value(e) for e in call.arguments[1:]])
        sql = f"CASE WHEN {condition} THEN {yes.sql} WHEN NOT {condition} THEN {no.sql} END"
        if "fn_volatile_" in condition:
            # It has another result each time that it is called.
            sql = f"([{no.sql}, {yes.sql}])[({condition})::INTEGER + 1]"
        return TypedSql(sql, replace(yes.column.with_values_of(no.column), may_be_unbound=True))

    def _call_coalesce(self, call: a.Call) -> TypedSql:
        if not call.arguments:
            return TypedSql("NULL::VARCHAR", VariableColumn("term", may_be_unbound=True))
        values = self._alike([self.value(e) for e in call.arguments])
        column = values[0].column
        for value in values[1:]:
            column = column.with_values_of(value.column)
        return TypedSql(f"coalesce({', '.join(v.sql for v in values)})", replace(column, may_be_unbound=True))

    def _alike(self, values: Sequence[TypedSql]) -> list[TypedSql]:
        """Give values one representation."""
        first = values[0].column
        if first.kind != "id" and all(first.is_alike(value.column) for value in values):
            return list(values)
        return [
            TypedSql(self.term(value), VariableColumn("term", is_resource=value.column.is_resource)) for value in values
        ]

    def _call_in(self, call: a.Call) -> TypedSql:
        left, *items = (self.value(e) for e in call.arguments)
        sql = f"({' OR '.join(self._compared('=', left, item) for item in items) or 'false'})"
        return TypedSql(f"(NOT {sql})" if call.name == "NOT IN" else sql, BOOLEAN)

    def _exists(self, exists: a.Exists) -> TypedSql:
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
        return TypedSql(f"(NOT {sql})" if exists.is_negated else f"({sql})", BOOLEAN)

    # --- comparisons and arithmetic

    def _call_compare(self, call: a.Call) -> TypedSql:
        left, right = (self.value(e) for e in call.arguments)
        operator = call.name
        if operator in SWAPPED:
            left, right, operator = right, left, SWAPPED[operator]
        if operator == "!=":
            return TypedSql(f"(NOT {self._compared('=', left, right)})", BOOLEAN)
        return TypedSql(self._compared(operator, left, right), BOOLEAN)

    def _compared(self, operator: str, left: TypedSql, right: TypedSql) -> str:
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

    def _scaled(self, left: TypedSql, right: TypedSql) -> tuple[str, str]:
        """Return SQL of two numbers at one scale."""
        scale = max(left.column.scale, right.column.scale)
        return self._at_scale(left, scale), self._at_scale(right, scale)

    def _at_scale(self, value: TypedSql, scale: int) -> str:
        number, factor = self._number(value), scale - value.column.scale
        if not factor:
            return number
        if value.constant:
            return f"({int(value.sql.strip('()')) * 10**factor})"
        return f"({number}::HUGEINT * {10**factor})"

    def _call_sum(self, call: a.Call) -> TypedSql:
        left, right = (self.value(e) for e in call.arguments)
        is_static = left.column.kind == right.column.kind == "number" and not (left.constant and right.constant)
        if not is_static:
            return self._term(call.name, [left, right])
        scale = max(left.column.scale, right.column.scale)
        x, y = self._scaled(left, right)
        datatype = DECIMAL if DECIMAL in (left.column.datatype, right.column.datatype) else INTEGER
        column = VariableColumn("number", datatype, scale, may_be_unbound=True)
        return TypedSql(f"({x}::HUGEINT {call.name} {y})", column)

    def _call_negative(self, call: a.Call) -> TypedSql:
        (value,) = (self.value(e) for e in call.arguments)
        if value.column.kind != "number":
            return self._term("MINUS", [value])
        return TypedSql(f"(-({self._number(value)})::HUGEINT)", replace(value.column, has_undefined=False))

    # --- terms and strings

    def _call_numeric(self, call: a.Call) -> TypedSql:
        (value,) = (self.value(e) for e in call.arguments)
        if value.column.kind != "number":
            return self._boolean("ISNUMERIC", [value])
        return TypedSql(
            f"({value.sql} <> {UNDEFINED})" if value.column.has_undefined else f"({value.sql} IS NOT NULL OR NULL)",
            BOOLEAN,
        )

    def _call_same(self, call: a.Call) -> TypedSql:
        left, right = (self.value(e) for e in call.arguments)
        if left.column.kind == right.column.kind == "id":
            return TypedSql(f"({left.sql} = {right.sql})", BOOLEAN)
        return TypedSql(f"({self.term(left)} = {self.term(right)})", BOOLEAN)

    def _call_str(self, call: a.Call) -> TypedSql:
        (value,) = (self.value(e) for e in call.arguments)
        if value.column.kind == "text":
            return value
        if value.column.kind == "id" and not value.constant:
            assert value.scope is not None
            return TypedSql(value.scope.lookup(value.variable, "text"), TEXT)
        if value.column.kind == "number" and not value.column.has_undefined and not value.constant:
            return TypedSql(number_text(value.sql, value.column), TEXT)
        return self._simple(self._term("STR", [value]))

    def _call_lang(self, call: a.Call) -> TypedSql:
        (value,) = (self.value(e) for e in call.arguments)
        if value.column.kind == "id":
            assert value.scope is not None
            return TypedSql(value.scope.lookup(value.variable, "language"), TEXT)
        return self._simple(self._term("LANG", [value]))

    @staticmethod
    def _simple(value: TypedSql) -> TypedSql:
        """Return a term that is a simple literal, as a text."""
        return TypedSql(f"substr({value.sql}, 3)", TEXT)

    def _call_text_test(self, call: a.Call) -> TypedSql:
        left, right = (self.value(e) for e in call.arguments)
        if left.column.kind == right.column.kind == "text":
            return TypedSql(f"{TEXT_TESTS[call.name]}({left.sql}, {right.sql})", BOOLEAN)
        return self._boolean(call.name, [left, right])

    def _call_concat(self, call: a.Call) -> TypedSql:
        values = [self.value(e) for e in call.arguments]
        if values and all(value.column.kind == "text" for value in values):
            return TypedSql(f"({' || '.join(value.sql for value in values)})", TEXT)
        if not values:
            return TypedSql("''", TEXT)
        return self._term("CONCAT", values)

    def _call_iri(self, call: a.Call) -> TypedSql:
        (value,) = (self.value(e) for e in call.arguments)
        sql = self.functions.call(to_iri, "iri", [self.term(value), text(self.base)], "VARCHAR")
        return TypedSql(sql, VariableColumn("term", may_be_unbound=True, is_resource=True))

    def _call_row(self, _: a.Call) -> TypedSql:
        return TypedSql(self.scope.row(), VariableColumn("number", INTEGER))

    def _call_now(self, _: a.Call) -> TypedSql:
        return self._constant(self.now)

    def _call_volatile(self, call: a.Call) -> TypedSql:
        if call.arguments:
            # BNODE(text): one blank node for each text in a solution (section 17.4.2.9).
            return self._labelled_node(self.value(call.arguments[0]))
        sql = self.functions.call(VOLATILE[call.name], f"volatile_{call.name.lower()}", [], "VARCHAR")
        return TypedSql(sql, VariableColumn("term", is_resource=call.name in ("UUID", "BNODE")))

    def _labelled_node(self, value: TypedSql) -> TypedSql:
        term = self.term(value)
        row = self._variable(a.ROW)
        label = f"'_n' || md5({term} || '/' || {row.sql if row.scope else self.scope.row()})"
        sql = f"CASE WHEN starts_with({term}, '\"\"') THEN {label} END"
        return TypedSql(sql, VariableColumn("term", may_be_unbound=True, is_resource=True))


def _is_canonical(lexical: str) -> bool:
    digits = lexical.removeprefix("-")
    return digits.isdigit() and digits.isascii() and (digits == "0" or digits[0] != "0") and lexical != "-0"


TEXT_TESTS = {"CONTAINS": "contains", "STRSTARTS": "starts_with", "STRENDS": "ends_with"}
# The methods of SparqlExpressions that translate calls, by the name of the call.
SPECIAL = {
    "||": "or", "&&": "and", "!": "not", "BOUND": "bound", "IF": "if", "COALESCE": "coalesce", "IN": "in",
    "NOT IN": "in", "+": "sum", "-": "sum", "MINUS": "negative", "ISNUMERIC": "numeric", "SAMETERM": "same",
    "STR": "str", "LANG": "lang", "CONCAT": "concat", "IRI": "iri",
    "ROW": "row", "NOW": "now",
    **dict.fromkeys(COMPARISONS, "compare"), **dict.fromkeys(TEXT_TESTS, "text_test"),
    **dict.fromkeys(VOLATILE, "volatile"),
}  # fmt: skip
