"""Swedish areas: län, kommuner, DeSO and RegSO, each with its vintage (sources: vocab/SOURCES.md).

A list of codes is complete for all of Sweden, for some län only, or absent; `is_list_known` distinguishes a code that
does not exist from one that cannot be checked.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from operator import itemgetter
from typing import NamedTuple

PATTERNS = {
    "lan": re.compile(r"\d{2}"),
    "kommun": re.compile(r"\d{4}"),
    "deso": re.compile(r"\d{4}[ABC]\d{4}"),
    "regso": re.compile(r"\d{4}R\d{3}"),
}
# Vintages of Sweden's statistical areas by the year in their common name, with the vintages of their codes (a RegSO's
# is two years younger than the DeSO's).
AREA_VINTAGES = {"2018": ("2018", "2020"), "2025": ("2025",)}
VINTAGES = {"deso": ("2018", "2025"), "regso": ("2020", "2025"), "kommun": ("",), "lan": ("",)}
# One pattern for all levels: columns hold millions of texts that are no codes.
LEVEL = re.compile("|".join(f"(?P<{level}>{pattern.pattern})" for level, pattern in PATTERNS.items()))
# SCB's API appends the vintage to a region's code, e.g. 0114A0010_DeSO2025 (DOMAIN section 2).
SUFFIX = re.compile(r"_(DeSO|RegSO)(20\d\d)$")


class Area(NamedTuple):
    """An official area. `area_vintage` joins level and vintage (deso2018, regso2020, kommun, lan), as in its IRI.

    `name` is the official name; a DeSO has none, so it has its RegSO's name if that is known.
    """

    code: str
    level: str
    vintage: str
    name: str
    kommun: str

    @property
    def area_vintage(self) -> str:
        return self.level + self.vintage


def level_of(code: str) -> str | None:
    """Return the level whose code pattern matches, or None."""
    match = LEVEL.fullmatch(code)
    return match.lastgroup if match else None


class Areas:
    """The lists of official areas. Reading them costs about 20 ms; use `areas()`."""

    @cached_property
    def lan(self) -> Mapping[str, Area]:
        return {code: Area(code, "lan", "", name, "") for code, name in _columns("lan", "code", "name")}

    @cached_property
    def kommuner(self) -> Mapping[str, Area]:
        return {code: Area(code, "kommun", "", name, code) for code, name in _columns("kommuner", "code", "name")}

    @cached_property
    def outlines(self) -> Mapping[str, str]:
        """GeoJSON geometries by kommun code, in WGS 84 with three decimals (110 m): for maps, not for measurement."""
        features = json.loads((files(__package__) / "kommuner.geojson").read_text("utf-8"))["features"]
        return {f["properties"]["code"]: json.dumps(f["geometry"], separators=(",", ":")) for f in features}

    @cached_property
    def deso2018(self) -> Mapping[str, Area]:
        return {
            code: Area(code, "deso", "2018", regso.removeprefix("RegSO-"), kommun)
            for code, kommun, regso in _columns("deso2018", "code", "kommun", "regso")
        }

    @cached_property
    def deso2025(self) -> Mapping[str, Area]:
        """DeSO 2025 by code, named after the 2018 area of that code: SCB names RegSO only, whose list is missing."""
        return {
            code: Area(code, "deso", "2025", self._name_in_2018(code), kommun)
            for code, kommun in _columns("deso2025", "code", "kommun")
        }

    @cached_property
    def regso_names(self) -> frozenset[tuple[str, str]]:
        """Pairs (kommun, name) of RegSO 2020; a name alone is not unique."""
        return frozenset((area.kommun, area.name) for area in self.deso2018.values())

    @cached_property
    def successors(self) -> Mapping[str, tuple[str, ...]]:
        """DeSO 2025 codes by the discontinued DeSO 2018 code that they replace, as far as known."""
        successors: dict[str, list[str]] = {}
        for from_code, to_code in _columns("deso_changes", "from_code", "to_code"):
            successors.setdefault(from_code, []).append(to_code)
        return {code: tuple(after) for code, after in successors.items()}

    def by_code(self, level: str, vintage: str) -> Mapping[str, Area]:
        """Return the areas of a level and vintage by code; none for RegSO, whose codes SCB does not publish."""
        match (level, vintage):
            case ("lan", _):
                return self.lan
            case ("kommun", _):
                return self.kommuner
            case ("deso", "2018"):
                return self.deso2018
            case ("deso", "2025"):
                return self.deso2025
        return {}

    def is_list_known(self, level: str, vintage: str, lan: str) -> bool:
        """Return True if a code of a län (two digits) that is missing from `by_code` does not exist."""
        known = _complete_lists().get(level + vintage, [])
        return known == "all" or lan in known

    def find(self, code: str, vintage: str | None = None) -> Area | None:
        """Return the area of `code`; without a vintage the oldest with that code. A RegSO follows from its pattern."""
        level = level_of(code)
        if level is None:
            return None
        for candidate in VINTAGES[level] if vintage is None else (vintage,):
            if area := self.by_code(level, candidate).get(code):
                return area
        return self._unlisted(code, level, vintage)

    def find_in(self, code: str, area_vintage: str) -> Area | None:
        """Return the area of `code` in one of AREA_VINTAGES; "" is the oldest with that code.

        A municipality is in all of them.
        """
        vintages = VINTAGES.get(level_of(code) or "", ())
        vintage = next((v for v in vintages if v in AREA_VINTAGES.get(area_vintage, ())), None)
        return self.find(code, vintage)

    def _unlisted(self, code: str, level: str, vintage: str | None) -> Area | None:
        """Return an area by the form and municipality of its code, if no complete list contradicts it."""
        if level not in ("deso", "regso") or code[:4] not in self.kommuner:
            return None
        for candidate in VINTAGES[level] if vintage is None else (vintage,):
            if not self.is_list_known(level, candidate, code[:2]):
                return Area(code, level, candidate, "", code[:4])
        return None

    def nearest(self, code: str, vintage: str | None = None) -> str | None:
        """Return the known code most similar to an unknown one, preferably in the same municipality."""
        level = level_of(code) or ("kommun" if len(code) <= 4 else "deso")
        vintages = VINTAGES[level] if vintage is None else (vintage,)
        pool = [c for v in vintages for c in self.by_code(level, v)]
        near = [c for c in pool if c[:4] == code[:4]] or pool
        best = min(near, key=lambda c: (-_matching_positions(c, code), c), default=None)
        return best if best and _matching_positions(best, code) >= len(code) - 2 else None

    def _name_in_2018(self, code: str) -> str:
        before = self.deso2018.get(code) or self.deso2018.get(code[:8] + "0")
        return before.name if before else ""


def _matching_positions(one: str, other: str) -> int:
    """Count the positions in which two codes agree; typing errors replace characters, they seldom shift them."""
    return sum(a == b for a, b in zip(one, other, strict=False)) - abs(len(one) - len(other))


@cache
def areas() -> Areas:
    """Return the lists of official areas, read once."""
    return Areas()


def split_suffix(code: str) -> tuple[str, str | None]:
    """Split a region of SCB's API into code and vintage: "0114A0010_DeSO2025" gives ("0114A0010", "2025")."""
    match = SUFFIX.search(code)
    return (code[: match.start()], match[2]) if match else (code, None)


def _columns(name: str, *labels: str) -> Iterator[tuple[str, ...]]:
    """Return the rows of a list, each with the cells of the columns `labels`, of which there are several."""
    header, *rows = csv.reader((files(__package__) / f"{name}.csv").read_text("utf-8").splitlines())
    positions = [header.index(label) for label in labels]
    return map(itemgetter(*positions), rows)


@cache
def _complete_lists() -> Mapping[str, str | list[str]]:
    """Return "all", or the län with a complete list of codes, by area vintage."""
    lists: dict[str, str | list[str]] = json.loads((files(__package__) / "known.json").read_text("utf-8"))
    return lists
