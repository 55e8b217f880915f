"""Message catalogues: sentences for users in Swedish and English, in TOML files of flat keys.

Each room has its own catalogues, `messages/*.{lang}.toml`; code names a key and parameters and contains no sentence.
The house test finds missing keys.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

LANGUAGES = ("sv", "en")
DEFAULT_LANGUAGE = "sv"


@dataclass(frozen=True)
class Messages:
    """The catalogue of one room in one language. `texts` maps a flat key to a `str.format` template.

    A key may have a form `{key}.one`, which is used where the parameter `count` is one.
    """

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, /, **params: object) -> str:
        """The sentence for `key`. Raises KeyError for an unknown key: our defect, never the user's."""
        return self.template(key, params).format(**params) if params else self.texts[key]

    def template(self, key: str, params: Mapping[str, object]) -> str:
        """Return the template for `key`, or that of its form for one."""
        is_one = str(params.get("count")) == "1" and f"{key}.one" in self.texts
        return self.texts[f"{key}.one" if is_one else key]

    def get(self, key: str, default: str = "") -> str:
        return self.texts.get(key, default)


@cache
def messages(language: str, room: str) -> Messages:
    """Read all catalogues of a room (vocab, schemas, publisher or catalogue) in `language` ("sv" or "en") as one.

    Raises ValueError for a key that occurs twice.
    """
    texts: dict[str, str] = {}
    folder = files(f"vaven.{room}") / "messages"
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(f".{language}.toml"):
            for key, text in tomllib.loads(entry.read_text("utf-8")).items():
                if key in texts:
                    raise ValueError(f"message key {key!r} occurs twice in the {language} catalogues of {room}")
                texts[key] = text
    return Messages(language, texts)


def in_language(params: Mapping[str, object], language: str) -> dict[str, object]:
    """The fields of a sentence: a parameter `label_sv` is `label` in Swedish."""
    ending = f"_{language}"
    own = {name.removesuffix(ending): value for name, value in params.items() if name.endswith(ending)}
    return {**params, **own}


@dataclass(frozen=True)
class Message:
    """A sentence in any language: a key of a room's catalogues with the parameters of its template.

    A parameter may be a Message itself, or a tuple, which is joined with commas.
    """

    room: str
    key: str
    params: Mapping[str, object] = field(default_factory=dict)

    def text(self, language: str) -> str:
        params = in_language({name: _formatted(value, language) for name, value in self.params.items()}, language)
        return messages(language, self.room).template(self.key, params).format(**params)


def _formatted(value: object, language: str) -> object:
    if isinstance(value, tuple):
        return ", ".join(str(_formatted(part, language)) for part in value)
    return value.text(language) if isinstance(value, Message) else value
