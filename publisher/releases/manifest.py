"""The manifest of a finished release: its description, files, row counts and extent, as the records store them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from functools import cached_property
from typing import Any, Self, TypeVar

from vaven.publisher.releases.areas import ReleasedArea
from vaven.schemas.tables.tables import About

Value = TypeVar("Value")


@dataclass(frozen=True)
class ReleasedFile:
    """A file of a release: `name` inside its folder, `size` in bytes, `sha256` in hex."""

    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of a release. `about` is the submission's own description, `rows` counts by resource.

    `kpis` are slugs in the register's order; `period` is the first and last day of the observations; `statistics` is
    an rdf.triple_counts.ObservationCounts as JSON, empty in manifests older than these counts; `defaults` are the
    properties of the description that the sender left out, empty in manifests older than this list.
    """

    about: About
    files: tuple[ReleasedFile, ...]
    rows: Mapping[str, int]
    kpis: tuple[str, ...]
    areas: tuple[ReleasedArea, ...]
    period: tuple[date, date]
    statistics: Mapping[str, Any] = field(default_factory=dict)
    defaults: tuple[str, ...] = ()

    @cached_property
    def kommuner(self) -> tuple[str, ...]:
        """The codes of the municipalities that the areas lie in, sorted."""
        return tuple(sorted({area.kommun for area in self.areas if area.kommun}))

    def file(self, name: str) -> ReleasedFile | None:
        return next((f for f in self.files if f.name == name), None)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read a manifest that this, an older or a newer version has stored.

        Absent properties get their defaults and unknown ones are ignored; a manifest without the required properties
        of version 0.1 (about, files, rows, kpis, places, period) raises KeyError or TypeError.
        """
        keywords = {language: tuple(words) for language, words in stored["about"].get("keywords", {}).items()}
        first, last = (date.fromisoformat(day) for day in stored["period"])
        return cls(
            about=_known(About, {**stored["about"], "keywords": keywords}),
            files=tuple(_known(ReleasedFile, file) for file in stored["files"]),
            rows=dict(stored["rows"]),
            kpis=tuple(stored["kpis"]),
            areas=tuple(_area(area) for area in stored["places"]),
            period=(first, last),
            statistics=stored.get("statistics", {}),
            defaults=tuple(stored.get("defaults", ())),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the manifest in plain JSON values, with the property names of version 0.1."""
        return {
            "about": asdict(self.about),
            "files": [asdict(file) for file in self.files],
            "rows": dict(self.rows),
            "kpis": list(self.kpis),
            "places": [_stored_area(area) for area in self.areas],
            "period": [day.isoformat() for day in self.period],
            "statistics": dict(self.statistics),
        } | ({"defaults": list(self.defaults)} if self.defaults else {})


def _area(stored: Mapping[str, Any]) -> ReleasedArea:
    parts, area_vintage = tuple(stored.get("parts", ())), stored["division"]
    return _known(ReleasedArea, {**stored, "parts": parts, "area_vintage": area_vintage})


def _stored_area(area: ReleasedArea) -> dict[str, Any]:
    return {"division" if name == "area_vintage" else name: value for name, value in asdict(area).items()}


def _known(kind: type[Value], properties: Mapping[str, Any]) -> Value:
    """Create a dataclass of the properties that are its fields."""
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in properties.items() if name in names})
