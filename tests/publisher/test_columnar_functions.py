"""Functions over terms have the results that SPARQL and XPath define (publisher/columnar/functions.py)."""

import pytest

from vaven.publisher.columnar.functions import BOOLEAN_FUNCTIONS, LIST_FUNCTIONS, TERM_FUNCTIONS
from vaven.publisher.columns.terms import literal
from vaven.publisher.columns.values import DECIMAL, DOUBLE, FLOAT

NAN, MINUS_ZERO = literal("NaN", DOUBLE), literal("-0.0E0", DOUBLE)
LONG = "1234567890123456789012345678901.5"


@pytest.mark.parametrize("other", [literal("1", DECIMAL), literal("INF", DOUBLE), NAN, literal("NaN", FLOAT)])
@pytest.mark.parametrize("operator", ["=", "<", "<="])
def test_a_comparison_with_nan_is_false_and_no_error(operator: str, other: str) -> None:
    compared = BOOLEAN_FUNCTIONS[operator]
    assert (compared(NAN, other), compared(other, NAN)) == (False, False)


def test_zero_and_negative_zero_are_equal() -> None:
    zero = literal("0", DECIMAL)
    assert BOOLEAN_FUNCTIONS["="](MINUS_ZERO, zero)
    assert BOOLEAN_FUNCTIONS["<"](MINUS_ZERO, zero) is False


def test_the_absolute_value_of_negative_zero_is_positive() -> None:
    assert TERM_FUNCTIONS["ABS"](MINUS_ZERO) == literal("0.0E0", DOUBLE)


def test_the_sign_of_a_long_decimal_changes_without_rounding() -> None:
    assert TERM_FUNCTIONS["MINUS"](literal(LONG, DECIMAL)) == literal(f"-{LONG}", DECIMAL)
    assert TERM_FUNCTIONS["ABS"](literal(f"-{LONG}", DECIMAL)) == literal(LONG, DECIMAL)


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        ([], '""'),
        (['""b', '"@sv"c', "<urn:d", literal("1.50", DECIMAL)], '""b;c;urn:d;1.50'),
        (['""b', None], None),
        (['""b', "_n"], None),
    ],
)
def test_an_error_of_a_member_is_an_error_of_group_concat(terms: list[str | None], result: str | None) -> None:
    assert LIST_FUNCTIONS["GROUP_CONCAT"](terms, ";") == result


@pytest.mark.parametrize(
    ("text", "pattern", "flags", "expected"),
    [
        ("ÅÄÖ", r"^\p{Lu}+$", "", True),
        ("år2", r"^\P{N}+$", "", False),
        ("b1", r"^[\p{Ll}\d]+$", "", True),
        ("e", "[a-z-[aeiou]]", "", False),
        ("n", "[a-z-[aeiou]]", "", True),
        ("k-2", r"^\i\c*$", "", True),
        ("2k", r"^\i\c*$", "", False),
        (r"\i", r"^\\i$", "", True),
        ("a_b", r"^\w+$", "", False),
        ("a€b", r"^\w+$", "", True),
        ("a\u00a0b", r"a\sb", "", False),
        ("a#b", "a # b", "x", True),
        ("a b", "a[ ]b", "x", True),
        ("slut\n", "slut$", "", False),
        ("slut\nmer", "slut$", "m", True),
        ("5$", "[$]$", "", True),
        ("a&b", "[a&&b]{3}", "", True),
        ("a", r"\p{Xx}", "", None),
        ("a", "[a", "", None),
        ("a", "[]", "", None),
        ("a", "a", "g", None),
    ],
)
def test_a_regular_expression_is_that_of_xpath(text: str, pattern: str, flags: str, expected: bool | None) -> None:
    assert BOOLEAN_FUNCTIONS["REGEX"](literal(text), literal(pattern), literal(flags)) is expected


@pytest.mark.parametrize(
    ("pattern", "replacement", "expected"),
    [
        ("(n)(o)(p)(q)(r)(s)(t)(u)(v)(w)(x)", "$11$10", "xwyz"),
        ("(n)opqrstuvwx", "$12$0", "n2nopqrstuvwxyz"),
        ("nopq(0)?", "<$1$2>", "<>rstuvwxyz"),
    ],
)
def test_a_replacement_names_groups_by_as_many_digits_as_there_are_groups(
    pattern: str, replacement: str, expected: str
) -> None:
    replaced = TERM_FUNCTIONS["REPLACE"]('"@sv"nopqrstuvwxyz', literal(pattern), literal(replacement))
    assert replaced == f'"@sv"{expected}'
