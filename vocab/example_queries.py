"""The example queries: what people ask a cube of neighbourhood KPIs, as files in `queries/`.

A file begins with comment lines: `# sv:` and `# en:` are the question in words, `# keywords:` what it shows, `# order:`
its place in a list from simple to special; the rest say rows and cost. `{base}` stands for the base IRI.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from vaven.vocab.messages import DEFAULT_LANGUAGE, LANGUAGES


@dataclass(frozen=True)
class Example:
    """A SELECT query with its question by language. `text` has `{base}` in it until `query` fills it in."""

    id: str
    order: int
    titles: Mapping[str, str]
    keywords: tuple[str, ...]
    text: str

    def query(self, base: str, language: str = DEFAULT_LANGUAGE) -> str:
        """The query for a base IRI. Labels are asked for in Swedish, or else in the language given."""
        return self.text.replace("{base}", base).replace(f'= "{DEFAULT_LANGUAGE}"', f'= "{language}"')


Examples = Mapping[str, Example]


@cache
def examples() -> Examples:
    """All examples by file name, in their order."""
    entries = (files(__package__) / "queries").iterdir()
    found = [_read(entry.name.removesuffix(".rq"), entry.read_text("utf-8")) for entry in entries]
    return {example.id: example for example in sorted(found, key=lambda e: e.order)}


def _read(name: str, text: str) -> Example:
    lines = text.split("\n")
    comments = [line for line in lines if line.startswith("#")]
    said = dict(line[1:].strip().split(": ", 1) for line in comments if ": " in line)
    return Example(
        name,
        int(said["order"]),
        {language: said[language] for language in LANGUAGES},
        tuple(word.strip() for word in said["keywords"].split(",")),
        "\n".join(lines[len(comments) :]).strip() + "\n",
    )
