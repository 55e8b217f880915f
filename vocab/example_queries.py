"""Example queries: common questions to a cube of neighbourhood KPIs, as files in `queries/`.

A file begins with comment lines: `# sv:` and `# en:` are the question, `# keywords:` its topics, `# order:` its
position from simple to advanced; the others state rows and cost. `{base}` stands for the base IRI.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from vaven.vocab.messages import DEFAULT_LANGUAGE, LANGUAGES


@dataclass(frozen=True)
class Example:
    """A SELECT query with its question by language. `text` is a template that `query` fills with the base IRI."""

    id: str
    order: int
    titles: Mapping[str, str]
    keywords: tuple[str, ...]
    text: str

    def query(self, base: str, language: str = DEFAULT_LANGUAGE) -> str:
        """Return the query for a base IRI, with labels in a language."""
        return self.text.replace("{base}", base).replace(f'= "{DEFAULT_LANGUAGE}"', f'= "{language}"')


Examples = Mapping[str, Example]


@cache
def examples() -> Examples:
    """Return all examples by file name, from simple to advanced."""
    paths = (files(__package__) / "queries").iterdir()
    queries = [_read(entry.name.removesuffix(".rq"), entry.read_text("utf-8")) for entry in paths]
    return {example.id: example for example in sorted(queries, key=lambda e: e.order)}


def _read(name: str, text: str) -> Example:
    lines = text.split("\n")
    comments = [line for line in lines if line.startswith("#")]
    header = dict(line[1:].strip().split(": ", 1) for line in comments if ": " in line)
    return Example(
        name,
        int(header["order"]),
        {language: header[language] for language in LANGUAGES},
        tuple(word.strip() for word in header["keywords"].split(",")),
        "\n".join(lines[len(comments) :]).strip() + "\n",
    )
