"""Read access to the published data: datasets, releases, areas, series. Values only, no writing.

Datasets and versions come from the records; values come from the Parquet files of the current releases (DESIGN section
6: the columns are the source of truth and the fast path).
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from vaven.publisher.graph.store import GraphStore, open_store
from vaven.publisher.published.values import (
    Dataset,
    Investment,
    Point,
    Preview,
    PublishedArea,
    PublishedRelease,
    Series,
)
from vaven.publisher.published.view import PublishedView
from vaven.publisher.releases.cache import CachedByState
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.records import Records, ReleaseRecord, Withdrawal
from vaven.publisher.releases.verification import Verification
from vaven.publisher.releases.versions import VersionHistory
from vaven.publisher.settings import Settings
from vaven.schemas.tables.tables import About
from vaven.vocab.errors import StoreUnavailable, UnknownDataset, Withdrawn
from vaven.vocab.iris import Iris

# The first columns of series.sql identify a series; the others are of a point.
SERIES_COLUMNS = 9
# Properties by which observations can be counted.
COUNTED = ("dataset", "kpi", "period", "age", "status", "method", "area_vintage", "key")


class Collection:
    """Reads what `publish` writes. Methods are safe to call from many threads; each sees complete releases only.

    Unknown slugs, versions and files raise UnknownDataset. Lists are sorted for people (name, then code).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._records = Records(settings.database)
        self._storage = settings.release_storage
        self._verification = Verification(self._storage)
        self._store = open_store(settings)
        self._views = CachedByState[str, PublishedView](1)

    def close(self) -> None:
        self._records.close()

    @property
    def records(self) -> Records:
        return self._records

    @property
    def store(self) -> GraphStore:
        return self._store

    def datasets(self) -> tuple[Dataset, ...]:
        return tuple(sorted(self._view().datasets.values(), key=lambda d: _title(d.current.about).casefold()))

    def dataset(self, slug: str) -> Dataset:
        view = self._view()
        dataset = view.datasets.get(slug)
        if dataset is None:
            self._raise_if_withdrawn(view.withdrawn.get(slug, ()), None)
            raise UnknownDataset("publisher.no-dataset", dataset=slug)
        return dataset

    def release(self, slug: str, version: int) -> PublishedRelease:
        self._raise_if_withdrawn(self._view().withdrawn.get(slug, ()), version)
        for release in self.dataset(slug).versions:
            if release.version == version:
                return release
        raise UnknownDataset("publisher.no-version", dataset=slug, version=version)

    @staticmethod
    def _raise_if_withdrawn(tombstones: Sequence[Withdrawal], version: int | None) -> None:
        """Raise Withdrawn for the version, or for the dataset by the last of its tombstones."""
        matching = [w for w in tombstones if version in (None, w.version)]
        if matching:
            last = max(matching, key=lambda w: w.withdrawn_at)
            raise Withdrawn(last.dataset, version, day=f"{last.withdrawn_at:%Y-%m-%d}", reason=last.reason)

    def open(self, slug: str, version: int, name: str) -> BinaryIO:
        """Open a file of a release, which is as it was published.

        For example observations.csv, observations.parquet, observations.xlsx, metadata.ttl, observations.nt.gz,
        datapackage.json or report.json. Raises DamagedFile.
        """
        self._verification.check(slug, version, self._file(slug, version, name))
        return self._storage.open(slug, version, name)

    def local(self, slug: str, version: int, name: str) -> Path:
        """Return a file of a release, which is as it was published, as a path on this machine's disk.

        Raises DamagedFile.
        """
        return self._verification.local(slug, version, self._file(slug, version, name))

    def damaged_tables(self, slug: str, version: int) -> list[str]:
        """Return the names of a version's tables that differ from what was published."""
        tables = [file for file in self.release(slug, version).files if file.name.endswith(".parquet")]
        return [file.name for file in self._verification.damaged(slug, version, tables)]

    def damaged_files(self) -> list[tuple[str, int, str]]:
        """Return dataset, version and name of the files that differ from what was published.

        They are those of the current tables, and others that were requested.
        """
        current = {r.dataset: r.version for r in self._view().current}
        tables = {(dataset, current[dataset], file) for dataset, file in self._view().damaged_now()}
        return sorted(tables | self._verification.known_damaged())

    def _file(self, slug: str, version: int, name: str) -> ReleasedFile:
        file = self.release(slug, version).file(name)
        if file is None:
            raise UnknownDataset("publisher.no-file", dataset=slug, version=version, file=name)
        return file

    def older_versions(self, slug: str) -> Sequence[int]:
        """Return all versions of a dataset but the current, also withdrawn ones, the newest first."""
        histories = (history for history in self.histories() if history.slug == slug)
        return [r.version for history in histories for r in history.versions[::-1] if r.version != history.current]

    def local_unlisted(self, slug: str, version: int, name: str) -> Path:
        """Return a file of any release, also one that is not shown, as a path on this machine's disk.

        Raises DamagedFile.
        """
        record = self._records.release(slug, version)
        file = record.complete_manifest.file(name) if record else None
        if file is None:
            raise UnknownDataset("publisher.no-file", dataset=slug, version=version, file=name)
        return self._verification.local(slug, version, file)

    def preview(self, slug: str, version: int, resource: str, limit: int = 20) -> Preview:
        release = self.release(slug, version)
        if resource not in release.rows:
            raise UnknownDataset("publisher.no-table", dataset=slug, version=version, table=resource)
        path = self.local(slug, version, f"{resource}.parquet")
        with self._view().database.cursor() as cursor:
            query = f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?) LIMIT {int(limit)}"
            result = cursor.execute(query, [str(path)])
            columns = tuple(column[0] for column in result.description or ())
            rows = [tuple(cell or "" for cell in row) for row in result.fetchall()]
        return Preview(columns, rows, release.rows[resource])

    def areas(self) -> tuple[PublishedArea, ...]:
        return tuple(self._view().areas.values())

    def area(self, area_vintage: str, code: str) -> PublishedArea | None:
        return self._view().areas.get((area_vintage, code))

    def series(
        self, *, kpi: str | None = None, area: PublishedArea | None = None, totals_only: bool = False
    ) -> tuple[Series, ...]:
        """Return all series of an area, of a KPI, or of both; totals (sex T, age T) first, then by KPI and area."""
        view = self._view()
        if not view.datasets:
            return ()
        area_vintage, code = (area.area_vintage, area.code) if area else (None, None)
        parameters = {"kpi": kpi, "area_vintage": area_vintage, "key": code, "totals": totals_only}
        with view.database.cursor() as cursor:
            rows = cursor.execute(_query("series"), parameters).fetchall()
        grouped = groupby(rows, key=lambda row: row[:SERIES_COLUMNS])
        return tuple(_series(view, self.settings.iris, [*points]) for _, points in grouped)

    def count(self, **properties: str) -> int:
        """Count the observations with these properties: any of COUNTED, an area by its vintage and key."""
        view = self._view()
        if not view.datasets:
            return 0
        with view.database.cursor() as cursor:
            row = cursor.execute(_query("count"), dict.fromkeys(COUNTED) | properties).fetchone()
        return int(row[0]) if row else 0

    def investments(self, area: PublishedArea | None = None) -> tuple[Investment, ...]:
        investments = self._view().investments
        return investments if area is None else tuple(i for i in investments if area in i.areas)

    def investment(self, id: str) -> Investment | None:
        return next((i for i in self._view().investments if i.id == id), None)

    def state(self) -> str:
        """Return a name of what is visible now, which changes with every release, withdrawal and damage."""
        visible, withdrawals = self.visible(), self._records.withdrawals()
        damaged = sorted(self._view_of(visible, withdrawals).damaged)
        state = (sorted(visible.items()), [(w.dataset, w.version) for w in withdrawals], damaged)
        return hashlib.sha256(repr(state).encode()).hexdigest()

    def histories(self) -> tuple[VersionHistory, ...]:
        """Return all datasets that were ever visible, with their versions and tombstones."""
        return self._view().histories

    def current(self) -> Sequence[tuple[ReleaseRecord, tuple[int, ...]]]:
        """Return the record of each dataset's current release, with all its visible versions."""
        view = self._view()
        return [(r, tuple(sorted(v.version for v in view.datasets[r.dataset].versions))) for r in view.current]

    def visible(self) -> Mapping[str, int]:
        """Return dataset to current version."""
        return visible_versions(self._records, self._store)

    def _view(self) -> PublishedView:
        """Return the view of what is visible at this moment, which is built again when something is published.

        So it is when a file that was damaged is sound again.
        """
        return self._view_of(self.visible(), self._records.withdrawals())

    def _view_of(self, visible: Mapping[str, int], withdrawals: Sequence[Withdrawal]) -> PublishedView:
        state = frozenset(visible.items()), tuple(withdrawals)

        def build() -> PublishedView:
            return PublishedView(visible, withdrawals, self._records, self._verification)

        view = self._views.get(state, "view", build)
        if view.damaged and view.damaged != view.damaged_now():
            self._views.clear()
            view = self._views.get(state, "view", build)
        return view


def visible_versions(records: Records, store: GraphStore) -> dict[str, int]:
    """Return dataset to the version that readers see: by the graph, or by the records if its server is unavailable."""
    try:
        if contents := store.contents():
            return dict(contents)
    except StoreUnavailable:
        # Pages need no graph server, only the endpoint does. Publishing has read the server's state before.
        pass
    return recorded_versions(records)


def recorded_versions(records: Records) -> dict[str, int]:
    """Return dataset to the version that readers see by the records."""
    withdrawn = {(w.dataset, w.version) for w in records.withdrawals()}
    return {
        r.dataset: r.version for r in records.finished() if r.visible_at and (r.dataset, r.version) not in withdrawn
    }


def _query(name: str) -> str:
    return (files(__package__) / "queries" / f"{name}.sql").read_text("utf-8")


def _series(view: PublishedView, iris: Iris, rows: Sequence[Sequence[Any]]) -> Series:
    """Build a series from its rows of series.sql."""
    dataset, code, kpi, sex, age, baseline_period, baseline, target_period, target = rows[0][:SERIES_COLUMNS]
    area = view.released_areas[dataset][code]
    names = iris.observations_over([row[SERIES_COLUMNS] for row in rows], dataset, code, kpi, sex, age)
    return Series(
        kpi=kpi,
        area=view.areas[area.area_vintage, area.key],
        dataset=dataset,
        sex=sex,
        age_group=age,
        points=tuple(Point._make((*row[SERIES_COLUMNS:], iri)) for row, iri in zip(rows, names, strict=True)),
        baseline=(baseline_period, baseline) if baseline_period is not None else None,
        target=(target_period, target) if target_period is not None else None,
    )


def _title(about: About) -> str:
    return about.titles.get("sv") or about.titles.get("en") or about.slug
