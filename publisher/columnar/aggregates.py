"""Groups and aggregates as SQL (section 18.5.1): an error of one member is an error of the aggregate."""

from collections.abc import Sequence
from dataclasses import replace

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columnar.expressions import SparqlExpressions, TypedSql
from vaven.publisher.columnar.functions import LIST_FUNCTIONS
from vaven.publisher.columnar.relations import DECIMAL, INTEGER, SolutionRelation, VariableColumn, as_term
from vaven.publisher.columns.observation_ids import UNDEFINED
from vaven.publisher.columns.terms import literal
from vaven.publisher.columns.values import SCALE
from vaven.schemas.standard.sql import text

TERM = VariableColumn("term", may_be_unbound=True)
COUNT = VariableColumn("number", INTEGER)
ZERO = literal("0", INTEGER)


def aggregated(expressions: SparqlExpressions, group: a.Group, carried: Sequence[str]) -> SolutionRelation:
    """Return the groups of a relation: their keys, the hidden variables `carried`, and the aggregates."""
    scope = expressions.scope
    names = scope.relations.names
    columns: dict[str, VariableColumn] = {}
    chosen, keys = [], []
    for key in (*group.keys, *carried):
        column = scope.relation.columns.get(key)
        if column is None:
            columns[key] = VariableColumn("term", may_be_unbound=True)
            chosen.append(f"NULL::VARCHAR AS {names.of(key)}")
            continue
        columns[key] = column
        keys.append(f"{scope.alias}.{names.of(key)}")
        chosen.append(f"{scope.alias}.{names.of(key)}")
    is_one = group.is_implicit and not carried
    for name, aggregate in group.aggregates:
        sql, column = _aggregate(expressions, aggregate, is_one=is_one)
        chosen.append(f"{sql} AS {names.of(name)}")
        columns[name] = column
    by = f" GROUP BY {', '.join(keys)}" if keys else ""
    having = "" if is_one or keys else " HAVING count(*) > 0"
    return SolutionRelation(f"SELECT {', '.join(chosen) or '1 AS unit'} FROM {scope.source()}{by}{having}", columns)


def _aggregate(expressions: SparqlExpressions, aggregate: a.Aggregate, *, is_one: bool) -> tuple[str, VariableColumn]:
    distinct = "DISTINCT " if aggregate.is_distinct else ""
    if aggregate.argument is None:
        if not distinct:
            return "count(*)", COUNT
        scope = expressions.scope
        # Blank nodes of the query are no variables of its solutions.
        visible = [v for v in scope.relation.columns if not a.Variable(v).is_hidden]
        names = [f"{scope.alias}.{scope.relations.names.of(v)}" for v in visible]
        return f"count(DISTINCT row({', '.join(names)}))" if names else "least(count(*), 1)", COUNT
    value = expressions.value(aggregate.argument)
    if aggregate.name == "COUNT":
        return f"count({distinct}{value.sql})", COUNT
    if aggregate.name == "SAMPLE":
        if value.column.kind == "id":
            value = TypedSql(expressions.term(value), TERM)
        return f"any_value({value.sql})", replace(value.column, may_be_unbound=True)
    if value.column.kind == "number" and aggregate.name != "GROUP_CONCAT":
        return _of_numbers(expressions, aggregate, value, distinct, is_one=is_one)
    arguments = [f"coalesce(list({distinct}{expressions.term(value)}), [])"]
    name = aggregate.name
    if name == "GROUP_CONCAT":
        arguments.append(text(aggregate.separator))
    function = LIST_FUNCTIONS[name]
    return expressions.functions.call(function, f"list_{name.lower()}", arguments, "VARCHAR"), TERM


def _of_numbers(
    expressions: SparqlExpressions, aggregate: a.Aggregate, value: TypedSql, distinct: str, *, is_one: bool
) -> tuple[str, VariableColumn]:
    sql, column = value.sql, replace(value.column, may_be_unbound=True)
    if aggregate.name in ("MIN", "MAX"):
        # cube:Undefined is the least number here, and precedes numbers in ORDER BY.
        result = f"{aggregate.name.lower()}({sql})"
        return f"CASE WHEN count(*) = count({sql}) AND count(*) > 0 THEN {result} END", column
    number = f"nullif({sql}, {UNDEFINED})" if column.has_undefined else sql
    column = replace(column, has_undefined=False)
    total, count = f"sum({distinct}{number})", f"count({distinct}{number})"
    if aggregate.name == "AVG":
        column = VariableColumn("number", DECIMAL, SCALE, may_be_unbound=True)
        scaled = f"({total})::HUGEINT * {10 ** (SCALE - value.column.scale)}"
        # Division truncates; `//` of negative numbers would not.
        total = f"(sign({total}) * (abs({scaled}) // {count}))::HUGEINT"
    result = f"CASE WHEN count(*) = count({number}) THEN {total} END"
    if not is_one:
        return result, column
    # The sum and the mean of nothing are the integer 0.
    return f"CASE WHEN count(*) = 0 THEN {text(ZERO)} ELSE {as_term(result, column)} END", TERM
