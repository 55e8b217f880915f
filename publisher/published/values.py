"""Values of the published data: datasets, releases, areas, series, investments. `collection` reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import NamedTuple

from vaven.publisher.cube.observations import GZIP_FILE
from vaven.publisher.rdf.triple_counts import Statistics
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.records import Withdrawal
from vaven.schemas.tables.tables import About


@dataclass(frozen=True)
class PublishedRelease:
    """One version of a dataset. `rows` counts by resource; `period` spans first to last day of the observations.

    `defaults` are the properties of the description that the sender left out (schemas/rules/metadata.py).
    """

    dataset: str
    version: int
    released_at: datetime
    note: str
    about: About
    files: tuple[ReleasedFile, ...]
    rows: Mapping[str, int]
    kpis: tuple[str, ...]
    kommuner: tuple[str, ...]
    period: tuple[date, date] | None
    counted: Statistics = field(default_factory=Statistics)
    defaults: tuple[str, ...] = ()

    def file(self, name: str) -> ReleasedFile | None:
        return next((f for f in self.files if f.name == name), None)

    @property
    def has_triples(self) -> bool:
        """True if N-Triples are among the files; those of a release with many observations are generated on request."""
        return self.file(GZIP_FILE) is not None


@dataclass(frozen=True)
class Dataset:
    """A dataset with all its visible versions, newest first, and the tombstones of those withdrawn."""

    slug: str
    versions: tuple[PublishedRelease, ...]
    withdrawn: tuple[Withdrawal, ...] = ()

    @property
    def current(self) -> PublishedRelease:
        return self.versions[0]


@dataclass(frozen=True)
class PublishedArea:
    """An area with observations in a current release. `area_vintage` as in Iris.area; `kommun` is a code."""

    area_vintage: str
    code: str
    name: str
    kommun: str
    kommun_name: str
    kpis: tuple[str, ...]
    datasets: tuple[str, ...]


class Point(NamedTuple):
    """One observation of a series. `value` is None if the status states that it is missing."""

    period: str
    value: float | None
    status: str
    ci_lower: float | None
    ci_upper: float | None
    method: str
    note: str
    iri: str


@dataclass(frozen=True)
class Series:
    """A KPI in an area over time, points by period. `target` and `baseline` are (period, value), or None."""

    kpi: str
    area: PublishedArea
    dataset: str
    sex: str
    age_group: str
    points: tuple[Point, ...]
    baseline: tuple[str, float] | None = None
    target: tuple[str, float] | None = None

    @cached_property
    def by_period(self) -> Mapping[str, Point]:
        return {point.period: point for point in self.points}


@dataclass(frozen=True)
class Investment:
    """An investment of a current release; lists are codes and ids as in the standard, `actors` are names."""

    id: str
    dataset: str
    name: str
    description: str
    start: date
    end: date | None
    amount: float | None
    kind: str
    target_group: str
    actors: tuple[str, ...]
    areas: tuple[PublishedArea, ...]
    kpis: tuple[str, ...]
    comparison_areas: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Preview:
    """The first rows of a resource as text, and the total number of rows."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    total: int
