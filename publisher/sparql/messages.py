"""The sentences about queries, `query.{sv,en}.toml`: what is wrong with one, and what helps.

Most of them quote a query, so each sentence here is a `str.format` template, also one without fields: a brace of its
own is written twice.
"""

from vaven.vocab.messages import Message


def query_message(key: str, /, **params: object) -> Message:
    """The sentence `query.{key}`. What no answer may have in it is taken out of what it quotes."""
    shown = {name: _printable(value) if isinstance(value, str) else value for name, value in params.items()}
    return Message("publisher", f"query.{key}", shown)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "�" for letter in text)
