"""Identifiers and string literals in SQL."""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
