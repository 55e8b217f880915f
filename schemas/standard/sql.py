"""Identifiers, string literals, plain numbers and checksums in SQL."""

DECIMALS = 10
# The characters that Python's str.strip removes, for DuckDB's trim.
BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def plain(number: str) -> str:
    """Return SQL of a DOUBLE as decimal digits without exponent or trailing zeros (valid as xsd:decimal)."""
    return f"rtrim(rtrim(format('{{:.{DECIMALS}f}}', {number}), '0'), '.')"


def checksum(row: str, *cells: str) -> str:
    """Return SQL of a checksum of a row's number and the texts of its cells; NULL is no text."""
    return f"md5_number_lower(concat_ws(chr(3), {', '.join((row, *cells))}))"
