"""Text -> syntax tree of one query, by sqlglot in the PostgreSQL dialect.

sqlglot accepts more than PostgreSQL and gives some operators another precedence. So the translation accepts only nodes
and arguments that it knows, and `check_precedence` refuses a tree that PostgreSQL would have parsed otherwise.
"""

from typing import Any, ClassVar

from sqlglot import exp, parse
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.parsers.postgres import PostgresParser

from vaven.publisher.sql.errors import SqlError, SqlNotSupported

MAX_CHARS = 100_000
# Functions with a syntax of their own; all others stay calls by their PostgreSQL name.
SPECIAL_FUNCTIONS = ("CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")


class PostgresNames(Postgres):
    """PostgreSQL with every function call as exp.Anonymous, so that functions are allowed by their own names."""

    class Parser(PostgresParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: PostgresParser.FUNCTION_PARSERS[name] for name in SPECIAL_FUNCTIONS
        }


# PostgreSQL's precedence of operators (its manual, section 4.1.6), weakest first; None where operators do not chain.
LEVELS: dict[type[exp.Expr], int] = {
    exp.Or: 1,
    exp.And: 2,
    exp.Not: 3,
    exp.Is: 4,
    exp.NullSafeEQ: 4,
    exp.NullSafeNEQ: 4,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), 5),
    **dict.fromkeys((exp.Between, exp.In, exp.Like, exp.ILike, exp.Escape), 6),
    **dict.fromkeys((exp.DPipe, exp.RegexpLike, exp.RegexpILike), 7),
    **dict.fromkeys((exp.Add, exp.Sub), 8),
    **dict.fromkeys((exp.Mul, exp.Div, exp.Mod), 9),
    exp.Pow: 10,
    exp.Neg: 11,
}
NOT_ASSOCIATIVE = (4, 5, 6)
NEGATED = (exp.In, exp.Like, exp.ILike, exp.Between, exp.Escape, exp.RegexpLike, exp.RegexpILike)


def parse_query(sql: str) -> exp.Query:
    """Parse one query. Raises SqlError."""
    if len(sql) > MAX_CHARS:
        raise SqlNotSupported(f"a query of more than {MAX_CHARS} characters")
    try:
        statements = [statement for statement in parse(sql, dialect=PostgresNames) if statement]
    except SqlglotError as cause:
        raise SqlError(f"Invalid SQL: {_first_line(cause)}") from cause
    except RecursionError as cause:
        raise SqlNotSupported("a query that is nested so deeply") from cause
    if len(statements) != 1:
        raise SqlError("Query is not a single statement")
    query = statements[0]
    if not isinstance(query, exp.Query):
        raise SqlError(f"Invalid query AST element: {type(query).__name__}")
    return query


def _first_line(error: Exception) -> str:
    # sqlglot underlines the error with codes of a terminal.
    return str(error).split("\n")[0].replace("\x1b[4m", "").replace("\x1b[0m", "")


def check_precedence(node: exp.Expr) -> None:
    """Refuse an operator whose operands PostgreSQL would have grouped otherwise. Raises SqlNotSupported."""
    level = LEVELS.get(type(node))
    if level is None:
        return
    left, right = node.args.get("this"), node.args.get("expression")
    if isinstance(node, exp.Not) and isinstance(left, NEGATED):
        # NOT IN, NOT LIKE and their kin are one operator.
        return
    if isinstance(node, exp.Not | exp.Neg):
        _check_operand(left, level, may_equal=True)
        return
    _check_operand(left, level, may_equal=level not in NOT_ASSOCIATIVE or isinstance(node, exp.Escape))
    _check_operand(right, level, may_equal=False)


def _check_operand(operand: object, level: int, *, may_equal: bool) -> None:
    inner = LEVELS.get(type(operand))  # type: ignore[arg-type]
    if inner is None or (isinstance(operand, exp.Not | exp.Neg) and inner >= level):
        return
    if inner < level or (inner == level and not may_equal):
        raise SqlNotSupported("operators in a row without parentheses", "add parentheses")


def name_of(identifier: exp.Expr) -> str:
    """Return a name as PostgreSQL reads it: in lower case unless it is quoted."""
    if not isinstance(identifier, exp.Identifier):
        raise SqlError(f"Invalid query AST element: {type(identifier).__name__}")
    name = str(identifier.this)
    return name if identifier.args.get("quoted") else name.lower()


def only(node: exp.Expr, *names: str) -> None:
    """Refuse a node with any other argument than these. Raises SqlError."""
    for name, value in node.args.items():
        if name not in names and value not in (None, False, [], ""):
            raise SqlNotSupported(f"{type(node).__name__} with {name.strip('_')}".upper())
