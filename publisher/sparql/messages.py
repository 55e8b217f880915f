"""Messages about queries, `query.{sv,en}.toml`: errors and remedies.

Most messages quote a query, so each one is a `str.format` template, even without fields: a literal brace is doubled.
"""

from vaven.vocab.messages import Message


def query_message(key: str, /, **params: object) -> Message:
    """Return the message `query.{key}`, with unprintable characters replaced in quoted parameters."""
    printable = {name: _printable(value) if isinstance(value, str) else value for name, value in params.items()}
    return Message("publisher", f"query.{key}", printable)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "�" for letter in text)
