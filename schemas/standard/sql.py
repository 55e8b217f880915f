"""Identifiers, string literals, plain numbers and checksums in SQL."""

import re

DECIMALS = 10
# A DOUBLE has all digits of a number with so many significant ones, and a spreadsheet shows no more.
DIGITS = 15
# Below the first, DECIMALS are fewer digits than a DOUBLE has; from the second, DIGITS might end before the point, and
# `{:.15g}` then writes an exponent.
FEW_DIGITS, MANY_DIGITS = 10 ** (DIGITS - DECIMALS), 10**DIGITS - 1
# The characters that Python's str.strip removes, for DuckDB's trim.
BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
# A column, or a macro's parameter.
COLUMN = re.compile(r'[A-Za-z_.]+|"[^"]+"')


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def plain(number: str) -> str:
    """Return SQL of a DOUBLE as decimal digits without exponent or trailing zeros (valid as xsd:decimal).

    It is rounded to DECIMALS and, below MANY_DIGITS, to DIGITS: further digits are not of the number but of its DOUBLE.
    """
    fixed = f"rtrim(rtrim(format('{{:.{DECIMALS}f}}', {number}), '0'), '.')"
    long = f"CASE WHEN abs({number}) < {MANY_DIGITS} THEN format('{{:.{DIGITS}g}}', {number}) ELSE {fixed} END"
    if not COLUMN.fullmatch(number):
        # The number occurs twenty times in what follows, and an expression may contain another one's result.
        return f"CASE WHEN abs({number}) < {FEW_DIGITS} THEN {fixed} ELSE {long} END"
    # Formatting and trimming take eight times as long as casts, and few numbers have more decimals.
    scaled = f"CAST(round({number} * 1e{DECIMALS}) AS BIGINT)"
    by_decimals = {i: f"CAST(CAST({number} AS DECIMAL(18, {i})) AS VARCHAR)" for i in (*range(5), DECIMALS)}
    trimmed = f"rtrim({by_decimals.pop(DECIMALS)}, '0')"
    short = " ".join(f"WHEN {scaled} % {10 ** (DECIMALS - i)} = 0 THEN {digits}" for i, digits in by_decimals.items())
    return f"CASE WHEN abs({number}) < {FEW_DIGITS} THEN CASE {short} ELSE {trimmed} END ELSE {long} END"


def rounded(number: str) -> str:
    """Return SQL of a DOUBLE as the one that has the digits of `plain`; zero has no sign."""
    # DuckDB's round multiplies: of 351394.53 it would return 351394.5300000001.
    long = f"CASE WHEN abs({number}) < {MANY_DIGITS} THEN format('{{:.{DIGITS}g}}', {number})::DOUBLE ELSE {number} END"
    return f"CASE WHEN abs({number}) < {FEW_DIGITS} THEN round({number}, {DECIMALS}) + 0 ELSE {long} END"


def checksum(row: str, *cells: str) -> str:
    """Return SQL of a checksum of a row's number and the texts of its cells; NULL is no text."""
    return f"md5_number_lower(concat_ws(chr(3), {', '.join((row, *cells))}))"
