"""Operators, functions and aggregates of SPARQL 1.1 by their names (section 17), over the texts of terms.

Each takes texts of terms (columns/terms.py) and returns one, or True or False; None is an error. They are the
definition: translated SQL returns the same where it is used instead.
"""

import random
import uuid
from collections.abc import Callable, Sequence

from vaven.publisher.columnar import casts, operators, strings
from vaven.publisher.columns.terms import (
    iri,
    literal,
)
from vaven.publisher.columns.values import (
    DECIMAL,
    DOUBLE,
    INTEGER,
    Number,
    compute,
    number_of,
    number_term,
    order_text,
)


def total(terms: Sequence[str | None]) -> str | None:
    """SUM: of an empty group 0 (section 18.5.1.3)."""
    result: Number | None = Number(0, INTEGER)
    for term in terms:
        number = number_of(term) if term else None
        result = compute("+", result, number) if result and number else None
        if result is None:
            return None
    return number_term(result) if result else None


def mean(terms: Sequence[str | None]) -> str | None:
    if not terms:
        return literal("0", INTEGER)
    summed = total(terms)
    count = Number(len(terms), INTEGER)
    number = number_of(summed) if summed else None
    result = compute("/", number, count) if number else None
    return number_term(result) if result else None


def joined(terms: Sequence[str | None], separator: str) -> str | None:
    """GROUP_CONCAT (section 18.5.1.7) as a simple literal, of the texts of IRIs and literals; "" of an empty group."""
    texts = [operators.text_of(term) if term is not None else None for term in terms]
    return None if None in texts else literal(separator.join(text[2:] for text in texts if text is not None))


def lowest(terms: Sequence[str | None]) -> str | None:
    return None if not terms or None in terms else min((t for t in terms if t), key=order_text)


def highest(terms: Sequence[str | None]) -> str | None:
    return None if not terms or None in terms else max((t for t in terms if t), key=order_text)


TERM_FUNCTIONS: dict[str, Callable[..., str | None]] = {
    "+": operators.arithmetic("+"),
    "-": operators.arithmetic("-"),
    "*": operators.arithmetic("*"),
    "/": operators.arithmetic("/"),
    "PLUS": operators.plus,
    "MINUS": operators.minus,
    "ABS": operators.absolute,
    "CEIL": operators.rounded(operators.ceiling),
    "FLOOR": operators.rounded(operators.floor),
    "ROUND": operators.rounded(operators.nearest),
    "STR": operators.text_of,
    "LANG": operators.language,
    "DATATYPE": operators.datatype,
    "STRDT": operators.typed,
    "STRLANG": operators.tagged,
    "UCASE": strings.of_string(str.upper),
    "LCASE": strings.of_string(str.lower),
    "STRLEN": strings.length,
    "STRBEFORE": strings.before,
    "STRAFTER": strings.after,
    "SUBSTR": strings.part,
    "CONCAT": strings.concatenated,
    "ENCODE_FOR_URI": strings.encoded,
    "REPLACE": strings.replaced,
    "MD5": strings.digest("md5"),
    "SHA1": strings.digest("sha1"),
    "SHA256": strings.digest("sha256"),
    "SHA384": strings.digest("sha384"),
    "SHA512": strings.digest("sha512"),
    "YEAR": casts.component("year"),
    "MONTH": casts.component("month"),
    "DAY": casts.component("day"),
    "HOURS": casts.component("hour"),
    "MINUTES": casts.component("minute"),
    "SECONDS": casts.component("second", DECIMAL),
    "TZ": casts.zone,
    "TIMEZONE": casts.zone_duration,
    **casts.CASTS,
}
BOOLEAN_FUNCTIONS: dict[str, Callable[..., bool | None]] = {
    "=": operators.equal,
    "<": operators.less,
    "<=": operators.at_most,
    "EBV": operators.effective,
    "ISIRI": operators.is_iri,
    "ISBLANK": operators.is_blank,
    "ISLITERAL": operators.is_literal,
    "ISNUMERIC": operators.is_numeric,
    "CONTAINS": strings.contains,
    "STRSTARTS": strings.starts,
    "STRENDS": strings.ends,
    "LANGMATCHES": strings.language_matches,
    "REGEX": strings.matches,
}
LIST_FUNCTIONS: dict[str, Callable[..., str | None]] = {
    "SUM": total,
    "AVG": mean,
    "MIN": lowest,
    "MAX": highest,
    "GROUP_CONCAT": joined,
}
VOLATILE: dict[str, Callable[[], str]] = {
    "RAND": lambda: number_term(Number(random.random(), DOUBLE)),
    "UUID": lambda: iri(f"urn:uuid:{uuid.uuid4()}"),
    "STRUUID": lambda: literal(str(uuid.uuid4())),
    "BNODE": lambda: f"_{uuid.uuid4().hex}",
}
