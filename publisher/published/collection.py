"""What is published, as the catalogue reads it: datasets, releases, areas, series. Values only, no writing.

Datasets and versions come from the records; figures come from the Parquet of the current releases
(DESIGN section 6: the columns are the truth and the fast path).
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from vaven.publisher.graph.store import GraphStore, open_store
from vaven.publisher.metadata.referenced_things import split_list
from vaven.publisher.published.values import (
    Dataset,
    Investment,
    Point,
    Preview,
    PublishedArea,
    PublishedRelease,
    Series,
)
from vaven.publisher.rdf.triple_counts import counted_from
from vaven.publisher.releases.cache import CachedByState
from vaven.publisher.releases.records import Records, ReleaseRecord, Withdrawal
from vaven.publisher.releases.release import read_rows
from vaven.publisher.releases.storage import Storage
from vaven.publisher.releases.versions import VersionHistory, version_histories
from vaven.publisher.settings import Settings
from vaven.schemas.tables.tables import About
from vaven.vocab.errors import StoreUnavailable, UnknownDataset, Withdrawn
from vaven.vocab.iris import Iris

# How many columns of series.sql say what a series is; the others are of a point.
PER_SERIES = 9
# What observations can be counted by.
COUNTED = ("dataset", "kpi", "period", "age", "status", "method", "division", "key")


class Collection:
    """The reading side of `publish`. Methods are safe to call from many threads; each sees whole releases only.

    Unknown slugs, versions and files raise UnknownDataset. Lists are sorted for people (name, then code).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._records = Records(settings.database)
        self._storage = settings.release_storage
        self._store = open_store(settings)
        self._views = CachedByState[str, _View](1)

    def close(self) -> None:
        self._records.close()

    @property
    def records(self) -> Records:
        return self._records

    @property
    def store(self) -> GraphStore:
        return self._store

    def datasets(self) -> tuple[Dataset, ...]:
        return tuple(sorted(self._now().datasets.values(), key=lambda d: _title(d.current.about).casefold()))

    def dataset(self, slug: str) -> Dataset:
        found = self._now().datasets.get(slug)
        if found is None:
            self._raise_if_withdrawn(self._now().withdrawn.get(slug, ()), None)
            raise UnknownDataset("publisher.no-dataset", dataset=slug)
        return found

    def release(self, slug: str, version: int) -> PublishedRelease:
        self._raise_if_withdrawn(self._now().withdrawn.get(slug, ()), version)
        for entry in self.dataset(slug).versions:
            if entry.version == version:
                return entry
        raise UnknownDataset("publisher.no-version", dataset=slug, version=version)

    @staticmethod
    def _raise_if_withdrawn(tombstones: Sequence[Withdrawal], version: int | None) -> None:
        """Raise Withdrawn for the version, or for the dataset by the last of its tombstones."""
        fitting = [w for w in tombstones if version in (None, w.version)]
        if fitting:
            last = max(fitting, key=lambda w: w.withdrawn_at)
            raise Withdrawn(last.dataset, version, day=f"{last.withdrawn_at:%Y-%m-%d}", reason=last.reason)

    def open(self, slug: str, version: int, name: str) -> BinaryIO:
        """A file of a release, e.g. observations.csv, observations.parquet, observations.xlsx, metadata.ttl,
        observations.nt.gz, datapackage.json or report.json."""
        if self.release(slug, version).file(name) is None:
            raise UnknownDataset("publisher.no-file", dataset=slug, version=version, file=name)
        return self._storage.open(slug, version, name)

    def local(self, slug: str, version: int, name: str) -> Path:
        """A file of a release as a path on this machine's disk."""
        if self.release(slug, version).file(name) is None:
            raise UnknownDataset("publisher.no-file", dataset=slug, version=version, file=name)
        return self._storage.local(slug, version, name)

    def earlier(self, slug: str) -> Sequence[int]:
        """All versions of a dataset that were ever shown but the current one, withdrawn ones too, the newest first."""
        found = (lineage for lineage in self.lineages() if lineage.slug == slug)
        return [r.version for lineage in found for r in lineage.versions[::-1] if r.version != lineage.current]

    def kept(self, slug: str, version: int, name: str) -> Path:
        """A file of any release as a path on this machine's disk, to look something up that is not shown."""
        return self._storage.local(slug, version, name)

    def preview(self, slug: str, version: int, resource: str, limit: int = 20) -> Preview:
        entry = self.release(slug, version)
        if resource not in entry.rows:
            raise UnknownDataset("publisher.no-table", dataset=slug, version=version, table=resource)
        path = self._storage.local(slug, version, f"{resource}.parquet")
        with self._now().database.cursor() as work:
            found = work.execute(f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?) LIMIT {int(limit)}", [str(path)])
            columns = tuple(column[0] for column in found.description or ())
            rows = [tuple(cell or "" for cell in row) for row in found.fetchall()]
        return Preview(columns, rows, entry.rows[resource])

    def areas(self) -> tuple[PublishedArea, ...]:
        return tuple(self._now().areas.values())

    def area(self, division: str, code: str) -> PublishedArea | None:
        return self._now().areas.get((division, code))

    def series(
        self, *, kpi: str | None = None, area: PublishedArea | None = None, totals_only: bool = False
    ) -> tuple[Series, ...]:
        """All series of an area, of a KPI, or of both; totals (sex T, age T) first, then by KPI and area."""
        view = self._now()
        if not view.datasets:
            return ()
        query = (files(__package__) / "queries" / "series.sql").read_text("utf-8")
        division, code = (area.division, area.code) if area else (None, None)
        given = {"kpi": kpi, "division": division, "key": code, "totals": totals_only}
        with view.database.cursor() as work:
            found = work.execute(query, given).fetchall()
        grouped = groupby(found, key=lambda row: row[:PER_SERIES])
        return tuple(_series(view, self.settings.iris, [*rows]) for _, rows in grouped)

    def count(self, **wanted: str) -> int:
        """How many observations are about something: any of COUNTED, an area by its division and key."""
        view = self._now()
        if not view.datasets:
            return 0
        query = (files(__package__) / "queries" / "count.sql").read_text("utf-8")
        with view.database.cursor() as work:
            found = work.execute(query, dict.fromkeys(COUNTED) | wanted).fetchone()
        return int(found[0]) if found else 0

    def investments(self, area: PublishedArea | None = None) -> tuple[Investment, ...]:
        every = self._now().investments
        return every if area is None else tuple(i for i in every if area in i.areas)

    def investment(self, id: str) -> Investment | None:
        return next((i for i in self._now().investments if i.id == id), None)

    def state(self) -> str:
        """A name of what is visible now: it changes with every release and withdrawal."""
        seen = (sorted(self.visible().items()), [(w.dataset, w.version) for w in self._records.withdrawals()])
        return hashlib.sha256(repr(seen).encode()).hexdigest()

    def lineages(self) -> tuple[VersionHistory, ...]:
        """All datasets that were ever shown, with their versions and tombstones."""
        return self._now().lineages

    def current(self) -> Sequence[tuple[ReleaseRecord, tuple[int, ...]]]:
        """The record of each dataset's current release, with all its visible versions."""
        view = self._now()
        return [(r, tuple(sorted(e.version for e in view.datasets[r.dataset].versions))) for r in view.current]

    def visible(self) -> Mapping[str, int]:
        """Dataset to its current version."""
        return visible_versions(self._records, self._store)

    def _now(self) -> "_View":
        """The view of what is visible at this moment; built anew only when something was published."""
        visible, withdrawals = self.visible(), self._records.withdrawals()
        state = frozenset(visible.items()), tuple(withdrawals)
        return self._views.get(state, "view", lambda: _View(visible, withdrawals, self._records, self._storage))


def visible_versions(records: Records, store: GraphStore) -> dict[str, int]:
    """Dataset to the version that readers see, as the graph has it; as the records say where its server is away."""
    try:
        if shown := store.contents():
            return dict(shown)
    except StoreUnavailable:
        # Pages need no graph server: only the endpoint waits for it. Who publishes has asked for its state before.
        pass
    gone = {(w.dataset, w.version) for w in records.withdrawals()}
    return {r.dataset: r.version for r in records.finished() if r.visible_at and (r.dataset, r.version) not in gone}


class _View:
    """All that is visible at one moment: entries, areas, and a DuckDB catalogue of views over current Parquet."""

    def __init__(
        self, visible: Mapping[str, int], withdrawals: Sequence[Withdrawal], records: Records, storage: Storage
    ) -> None:
        self.visible, self.withdrawals = dict(visible), withdrawals
        self.withdrawn = {w.dataset: [t for t in withdrawals if t.dataset == w.dataset] for w in withdrawals}
        gone = {(w.dataset, w.version) for w in withdrawals}
        finished = records.finished()
        self.lineages = version_histories(finished, withdrawals, self.visible)
        found = [r for r in finished if r.version <= self.visible.get(r.dataset, 0)]
        # A withdrawal under way: what the graph still has is shown until it is switched.
        kept = [r for r in found if r.version == self.visible[r.dataset] or (r.dataset, r.version) not in gone]
        self.datasets = {slug: _dataset(slug, kept, self.withdrawn.get(slug, ())) for slug in self.visible}
        self.current = current = [r for r in kept if r.version == self.visible[r.dataset]]
        self.places = {r.dataset: {area.code: area for area in r.complete_manifest.areas} for r in current}
        self.database = duckdb.connect()
        self._create_views(current, storage)
        self.areas = self._area_entries()
        self.investments = self._investments(current, storage)

    def _create_views(self, current: Sequence[ReleaseRecord], storage: Storage) -> None:
        """`observations`, `targets` with a `dataset` column, and `places` (dataset, code, division, key)."""
        for resource in ("observations", "targets"):
            parts = []
            for r in current:
                if resource in r.complete_manifest.rows:
                    path = _sql(storage.local(r.dataset, r.version, f"{resource}.parquet"))
                    parts.append(f"SELECT '{r.dataset}' AS dataset, * FROM read_parquet('{path}')")
            if parts:
                self.database.execute(f"CREATE VIEW {resource} AS {' UNION ALL BY NAME '.join(parts)}")
            elif resource == "targets":
                self.database.execute(NO_TARGETS)
        self.database.execute("CREATE TABLE places (dataset VARCHAR, code VARCHAR, division VARCHAR, key VARCHAR)")
        rows = [(slug, p.code, p.division, p.key) for slug, known in self.places.items() for p in known.values()]
        if rows:
            self.database.executemany("INSERT INTO places VALUES (?, ?, ?, ?)", rows)

    def _area_entries(self) -> dict[tuple[str, str], PublishedArea]:
        if not self.datasets:
            return {}
        found = self.database.execute((files(__package__) / "queries" / "areas.sql").read_text("utf-8")).fetchall()
        entries = [
            PublishedArea(p.division, p.key, p.name, p.kommun, p.kommun_name, tuple(kpis), tuple(datasets))
            for dataset, code, kpis, datasets in found
            for p in [self.places[dataset][code]]
        ]
        return {(e.division, e.code): e for e in sorted(entries, key=lambda e: (e.name.casefold(), e.code))}

    def entry(self, dataset: str, code: str) -> PublishedArea | None:
        place = self.places[dataset].get(code)
        return self.areas.get((place.division, place.key)) if place else None

    def _investments(self, current: Sequence[ReleaseRecord], storage: Storage) -> tuple[Investment, ...]:
        found = []
        for r in current:
            if "investments" in r.complete_manifest.rows:
                actors = {
                    row["id"]: row["name"]
                    for row in read_rows(storage.local(r.dataset, r.version, "actors.parquet"))
                    if "actors" in r.complete_manifest.rows
                }
                rows = read_rows(storage.local(r.dataset, r.version, "investments.parquet"))
                found += [self._investment(r.dataset, row, actors) for row in rows]
        return tuple(sorted(found, key=lambda i: i.start, reverse=True))

    def _investment(self, dataset: str, row: Mapping[str, Any], actors: Mapping[str, str]) -> Investment:
        entries = (self.entry(dataset, code) for code in split_list(row["neighbourhoods"]))
        return Investment(
            id=f"{dataset}.{row['id']}",
            dataset=dataset,
            name=row["name"],
            description=row["description"] or "",
            start=row["start"],
            end=row["end"],
            amount=None if row["amount"] is None else float(row["amount"]),
            kind=row["kind"],
            target_group=row["target_group"] or "",
            actors=tuple(actors.get(actor, actor) for actor in split_list(row["actors"])),
            areas=tuple(entry for entry in entries if entry),
            kpis=tuple(split_list(row["kpis"])),
            comparison_areas=tuple(split_list(row["comparison_areas"])),
            note=row["note"] or "",
        )


NO_TARGETS = """CREATE TABLE targets (dataset VARCHAR, neighbourhood VARCHAR, kpi VARCHAR, period VARCHAR,
    baseline_period VARCHAR, baseline_value DOUBLE, target_value DOUBLE)"""


def _dataset(slug: str, kept: Sequence[ReleaseRecord], withdrawn: Sequence[Withdrawal]) -> Dataset:
    versions = sorted((r for r in kept if r.dataset == slug), key=lambda r: r.version, reverse=True)
    return Dataset(slug, tuple(_entry(r) for r in versions), tuple(withdrawn))


def _entry(record: ReleaseRecord) -> PublishedRelease:
    manifest = record.complete_manifest
    return PublishedRelease(
        dataset=record.dataset,
        version=record.version,
        released_at=record.reserved_at,
        note=manifest.about.version_note,
        about=manifest.about,
        files=manifest.files,
        rows=manifest.rows,
        kpis=manifest.kpis,
        kommuner=manifest.kommuner,
        period=manifest.period,
        counted=counted_from(manifest.statistics),
    )


def _series(view: _View, iris: Iris, rows: Sequence[Sequence[Any]]) -> Series:
    """A series of its rows of series.sql."""
    dataset, code, kpi, sex, age, baseline_period, baseline, target_period, target = rows[0][:PER_SERIES]
    place = view.places[dataset][code]
    names = iris.observations_over([row[PER_SERIES] for row in rows], dataset, code, kpi, sex, age)
    return Series(
        kpi=kpi,
        area=view.areas[place.division, place.key],
        dataset=dataset,
        sex=sex,
        age_group=age,
        points=tuple(Point._make((*row[PER_SERIES:], iri)) for row, iri in zip(rows, names, strict=True)),
        baseline=(baseline_period, baseline) if baseline_period is not None else None,
        target=(target_period, target) if target_period is not None else None,
    )


def _title(about: About) -> str:
    return about.titles.get("sv") or about.titles.get("en") or about.slug


def _sql(path: Path) -> str:
    return str(path).replace("'", "''")
