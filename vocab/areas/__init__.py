"""Swedish areas: län, kommuner, DeSO and RegSO, each with its vintage (sources: vocab/SOURCES.md).

A list may be known for all Sweden, for some län only, or not at all; `Knowledge` says which, so that a
check can tell "this code does not exist" from "nobody here can know".
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

PATTERNS = {
    "lan": re.compile(r"\d{2}"),
    "kommun": re.compile(r"\d{4}"),
    "deso": re.compile(r"\d{4}[ABC]\d{4}"),
    "regso": re.compile(r"\d{4}R\d{3}"),
}
# The divisions of Sweden into small areas, by the year that people call them by, with the vintages of their codes.
AREA_VINTAGES = {"2018": ("2018", "2020"), "2025": ("2025",)}
VINTAGES = {"deso": ("2018", "2025"), "regso": ("2020", "2025"), "kommun": ("",), "lan": ("",)}
# One look tells the level: texts that are no codes at all come by the million.
LEVEL = re.compile("|".join(f"(?P<{level}>{pattern.pattern})" for level, pattern in PATTERNS.items()))
# SCB's API appends the vintage to a region's code, e.g. 0114A0010_DeSO2025 (DOMAIN section 2).
SUFFIX = re.compile(r"_(DeSO|RegSO)(20\d\d)$")


@dataclass(frozen=True)
class Area:
    """`area_vintage` is level and vintage as one word (deso2018, regso2020, kommun, lan): the segment in its IRI.

    `name` is the official name; a DeSO has none, so it carries its RegSO's name where that is known.
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
    """The level whose code pattern `code` has, or None."""
    found = LEVEL.fullmatch(code)
    return found.lastgroup if found else None


class Areas:
    """The lists of this room. Reading them costs about 20 ms; use `areas()`."""

    @cached_property
    def lan(self) -> Mapping[str, Area]:
        return {r["code"]: Area(r["code"], "lan", "", r["name"], "") for r in _rows("lan")}

    @cached_property
    def kommuner(self) -> Mapping[str, Area]:
        return {r["code"]: Area(r["code"], "kommun", "", r["name"], r["code"]) for r in _rows("kommuner")}

    @cached_property
    def outlines(self) -> Mapping[str, str]:
        """GeoJSON geometries by kommun code, in WGS 84 with three decimals (110 m): to draw, not to measure by."""
        found = json.loads((files(__package__) / "kommuner.geojson").read_text("utf-8"))["features"]
        return {f["properties"]["code"]: json.dumps(f["geometry"], separators=(",", ":")) for f in found}

    @cached_property
    def deso2018(self) -> Mapping[str, Area]:
        return {
            r["code"]: Area(r["code"], "deso", "2018", r["regso"].removeprefix("RegSO-"), r["kommun"])
            for r in _rows("deso2018")
        }

    @cached_property
    def deso2025(self) -> Mapping[str, Area]:
        """Names come from the 2018 area of the same code, since SCB names RegSO only and these are not listed."""
        return {
            r["code"]: Area(r["code"], "deso", "2025", self._name_before(r["code"]), r["kommun"])
            for r in _rows("deso2025")
        }

    @cached_property
    def regso_names(self) -> frozenset[tuple[str, str]]:
        """(kommun, name) pairs of RegSO 2020; a name alone is not unique."""
        return frozenset((area.kommun, area.name) for area in self.deso2018.values())

    @cached_property
    def successors(self) -> Mapping[str, tuple[str, ...]]:
        """DeSO 2018 codes that ceased, with the 2025 codes that took their place, as far as known."""
        found: dict[str, list[str]] = {}
        for row in _rows("deso_changes"):
            found.setdefault(row["from_code"], []).append(row["to_code"])
        return {code: tuple(after) for code, after in found.items()}

    def listed(self, level: str, vintage: str) -> Mapping[str, Area]:
        """The codes we have for a level and vintage; empty for RegSO, whose codes are not published as a list."""
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
        """Whether a code missing from `listed` is therefore wrong, in that län (two digits)."""
        known = _known().get(level + vintage, [])
        return known == "all" or lan in known

    def find(self, code: str, vintage: str | None = None) -> Area | None:
        """The area of `code`; without a vintage the oldest that lists it. A RegSO is built from its pattern alone."""
        level = level_of(code)
        if level is None:
            return None
        for candidate in VINTAGES[level] if vintage is None else (vintage,):
            if area := self.listed(level, candidate).get(code):
                return area
        return self._unlisted(code, level, vintage)

    def find_of(self, code: str, area_vintage: str) -> Area | None:
        """Return the area of `code` in one of AREA_VINTAGES; "" is the oldest that lists it.

        A municipality is in all of them.
        """
        vintages = VINTAGES.get(level_of(code) or "", ())
        wanted = next((v for v in vintages if v in AREA_VINTAGES.get(area_vintage, ())), None)
        return self.find(code, wanted)

    def _unlisted(self, code: str, level: str, vintage: str | None) -> Area | None:
        """An area that has the right form and municipality where we hold no list that could deny it."""
        if level not in ("deso", "regso") or code[:4] not in self.kommuner:
            return None
        for candidate in VINTAGES[level] if vintage is None else (vintage,):
            if not self.is_list_known(level, candidate, code[:2]):
                return Area(code, level, candidate, "", code[:4])
        return None

    def nearest(self, code: str, vintage: str | None = None) -> str | None:
        """The listed code most like an unknown one, of the same municipality where there is one."""
        level = level_of(code) or ("kommun" if len(code) <= 4 else "deso")
        wanted = VINTAGES[level] if vintage is None else (vintage,)
        pool = [c for v in wanted for c in self.listed(level, v)]
        near = [c for c in pool if c[:4] == code[:4]] or pool
        best = min(near, key=lambda c: (-_same_places(c, code), c), default=None)
        return best if best and _same_places(best, code) >= len(code) - 2 else None

    def _name_before(self, code: str) -> str:
        before = self.deso2018.get(code) or self.deso2018.get(code[:8] + "0")
        return before.name if before else ""


def _same_places(one: str, other: str) -> int:
    """In how many positions two codes agree; typing errors change places, they seldom shift them."""
    return sum(a == b for a, b in zip(one, other, strict=False)) - abs(len(one) - len(other))


@cache
def areas() -> Areas:
    return Areas()


def without_suffix(code: str) -> tuple[str, str | None]:
    """Code and vintage of a region as SCB's API writes it: "0114A0010_DeSO2025" gives ("0114A0010", "2025")."""
    found = SUFFIX.search(code)
    return (code[: found.start()], found[2]) if found else (code, None)


def _rows(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader((files(__package__) / f"{name}.csv").read_text("utf-8").splitlines())


@cache
def _known() -> Mapping[str, str | list[str]]:
    """Division to "all" or the list of län for which its codes are complete."""
    known: dict[str, str | list[str]] = json.loads((files(__package__) / "known.json").read_text("utf-8"))
    return known
