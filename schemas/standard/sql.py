"""Identifiers, string literals and plain numbers in SQL."""

DECIMALS = 10


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def plain(number: str) -> str:
    """Return SQL of a DOUBLE as decimal digits without exponent or trailing zeros (valid as xsd:decimal)."""
    return f"rtrim(rtrim(format('{{:.{DECIMALS}f}}', {number}), '0'), '.')"
