"""The recipes of docs/sparql.md: code blocks, each followed by its expected output.

`python -m tests.recipes URL` runs all of them against a site and writes their outputs into the document.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent / "docs" / "sparql.md"
PRINTED_BASE = "http://127.0.0.1:8000/"
BLOCK = re.compile(r"^```(python|r|bash)\n(.*?)^```\n\n```text\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
COMMANDS = {"python": [sys.executable, "-"], "r": ["R", "--vanilla", "--no-echo"], "bash": ["bash", "-s"]}


@dataclass(frozen=True)
class Recipe:
    """A code block with its printed output; `title` is the heading above it."""

    title: str
    language: str
    code: str
    output: str

    @property
    def number(self) -> str:
        return self.title.partition(".")[0]

    def run(self, base: str) -> str:
        """Run it against the site at `base`; returns its output, with the URL of the document instead."""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                COMMANDS[self.language],
                input=self.code.replace(PRINTED_BASE, base),
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
                cwd=folder,
                env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"},
            )
        assert done.returncode == 0, (self.title, self.language, done.stdout, done.stderr)
        return trimmed(done.stdout.replace("\r\n", "\n").replace(base, PRINTED_BASE))


def trimmed(text: str) -> str:
    """Remove blanks at line ends, as editors do."""
    return "\n".join(line.rstrip() for line in text.rstrip("\n").split("\n")) + "\n"


def recipes() -> Iterator[Recipe]:
    parts = re.split(r"^### (.*)\n", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        for language, code, output in BLOCK.findall(text):
            yield Recipe(title, language, code, output)


def main(base: str) -> None:
    text = DOCUMENT.read_text("utf-8")
    for recipe in recipes():
        print(recipe.title, recipe.language, flush=True)
        before = f"```{recipe.language}\n{recipe.code}```\n\n```text\n"
        text = text.replace(f"{before}{recipe.output}```", f"{before}{recipe.run(base)}```")
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
