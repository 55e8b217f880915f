"""Message catalogues: sentences for users in Swedish and English, in TOML files of flat keys.

Each room has its own catalogues, `messages/*.{lang}.toml`; code names a key and parameters and contains no sentence.
The house test finds missing keys.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from threading import Lock

LANGUAGES = ("sv", "en")
DEFAULT_LANGUAGE = "sv"
_READING = Lock()


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


class _Texts(Mapping[str, str]):
    """The texts of a room's catalogues in one language, each catalogue read when a key may be in it.

    The first is the catalogue with the name of the key's first part: reading all takes as long as checking some rows.
    Raises ValueError for a key that occurs twice.
    """

    def __init__(self, language: str, room: str) -> None:
        self._language, self._room = language, room
        self._texts: dict[str, str] = {}
        folder, ending = files(f"vaven.{room}") / "messages", f".{language}.toml"
        self._unread = {
            entry.name.removesuffix(ending): entry
            for entry in sorted(folder.iterdir(), key=lambda e: e.name)
            if entry.name.endswith(ending)
        }

    def __getitem__(self, key: str) -> str:
        if key not in self._texts:
            self._read(key.partition(".")[0])
        if key not in self._texts:
            self._read_all()
        return self._texts[key]

    def __iter__(self) -> Iterator[str]:
        self._read_all()
        return iter(self._texts)

    def __len__(self) -> int:
        self._read_all()
        return len(self._texts)

    def _read_all(self) -> None:
        # A copy: another thread may be reading as well.
        for name in list(self._unread):
            self._read(name)

    def _read(self, name: str) -> None:
        # Another thread may read the same catalogue; it is removed only after its texts can be found.
        if (entry := self._unread.get(name)) is None:
            return
        texts = tomllib.loads(entry.read_text("utf-8"))
        with _READING:
            if name in self._unread:
                if repeated := texts.keys() & self._texts.keys():
                    catalogues = f"the {self._language} catalogues of {self._room}"
                    raise ValueError(f"message key {min(repeated)!r} occurs twice in {catalogues}")
                self._texts |= texts
                del self._unread[name]


@cache
def messages(language: str, room: str) -> Messages:
    """Return all catalogues of a room (vocab, schemas, publisher or catalogue) in `language` ("sv" or "en") as one."""
    return Messages(language, _Texts(language, room))


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
