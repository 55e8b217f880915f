"""The published data at one moment: datasets, areas, investments, and a DuckDB catalogue over the current Parquet."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from vaven.publisher.metadata.referenced_things import split_list
from vaven.publisher.published.values import Dataset, Investment, PublishedArea, PublishedRelease
from vaven.publisher.rdf.triple_counts import counted_from
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.records import Records, ReleaseRecord, Withdrawal
from vaven.publisher.releases.release import read_rows
from vaven.publisher.releases.verification import Verification
from vaven.publisher.releases.versions import version_histories
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.compile import SQL_TYPES


class PublishedView:
    """An immutable view of the versions in `visible` (dataset to version), with the tombstones of withdrawn versions.

    `database` has the views `observations` and `targets`, with a column `dataset`, and the table `areas` (dataset,
    code, area_vintage, key). `damaged` are the tables, by dataset and file, that are missing there since their files
    differ from what was published: all others are shown.
    """

    def __init__(
        self,
        visible: Mapping[str, int],
        withdrawals: Sequence[Withdrawal],
        records: Records,
        verification: Verification,
    ) -> None:
        self.withdrawn = {w.dataset: [t for t in withdrawals if t.dataset == w.dataset] for w in withdrawals}
        finished = records.finished()
        self.histories = version_histories(finished, withdrawals, visible)
        withdrawn = {(w.dataset, w.version) for w in withdrawals}
        visible_records = [
            r
            for r in finished
            # During a withdrawal the current version is shown until the graph has switched.
            if r.version == visible.get(r.dataset)
            or (r.version < visible.get(r.dataset, 0) and (r.dataset, r.version) not in withdrawn)
        ]
        self.datasets = {slug: _dataset(slug, visible_records, self.withdrawn.get(slug, ())) for slug in visible}
        self.current = [r for r in visible_records if r.version == visible[r.dataset]]
        self.released_areas = {r.dataset: {a.code: a for a in r.complete_manifest.areas} for r in self.current}
        self._verification = verification
        self.damaged = self.damaged_now()
        self.database = duckdb.connect()
        self._create_tables()
        self.areas = self._areas()
        investments = (i for r in self.current for i in self._investments(r))
        self.investments = tuple(sorted(investments, key=lambda i: i.start, reverse=True))

    def area(self, dataset: str, code: str) -> PublishedArea | None:
        """Return the area that a dataset's code stands for; None if it has no observations."""
        area = self.released_areas[dataset].get(code)
        return self.areas.get((area.area_vintage, area.key)) if area else None

    def damaged_now(self) -> frozenset[tuple[str, str]]:
        """Return the tables of current releases that cannot be read, by dataset and file."""
        return frozenset(
            (r.dataset, file.name)
            for r in self.current
            for file in self._verification.damaged(r.dataset, r.version, _tables(r))
        )

    def _has(self, record: ReleaseRecord, resource: str) -> bool:
        return resource in record.complete_manifest.rows and (record.dataset, f"{resource}.parquet") not in self.damaged

    def _path(self, record: ReleaseRecord, resource: str) -> Path:
        file = record.complete_manifest.file(f"{resource}.parquet")
        assert file, resource
        return self._verification.local(record.dataset, record.version, file)

    def _create_tables(self) -> None:
        for resource in ("observations", "targets"):
            parts = []
            for r in self.current:
                if self._has(r, resource):
                    path = _quoted(self._path(r, resource))
                    parts.append(f"SELECT '{r.dataset}' AS dataset, * FROM read_parquet('{path}')")
            if parts:
                self.database.execute(f"CREATE VIEW {resource} AS {' UNION ALL BY NAME '.join(parts)}")
            else:
                columns = ", ".join(f"{field.name} {SQL_TYPES[field.type]}" for field in standard()[resource].fields)
                self.database.execute(f"CREATE TABLE {resource} (dataset VARCHAR, {columns})")
        self.database.execute("CREATE TABLE areas (dataset VARCHAR, code VARCHAR, area_vintage VARCHAR, key VARCHAR)")
        rows = [
            (slug, a.code, a.area_vintage, a.key) for slug, areas in self.released_areas.items() for a in areas.values()
        ]
        if rows:
            self.database.executemany("INSERT INTO areas VALUES (?, ?, ?, ?)", rows)

    def _areas(self) -> dict[tuple[str, str], PublishedArea]:
        """The areas with observations by vintage and key, sorted by name."""
        if not self.datasets:
            return {}
        rows = self.database.execute((files(__package__) / "queries" / "areas.sql").read_text("utf-8")).fetchall()
        areas = [
            PublishedArea(a.area_vintage, a.key, a.name, a.kommun, a.kommun_name, tuple(kpis), tuple(datasets))
            for dataset, code, kpis, datasets in rows
            for a in [self.released_areas[dataset][code]]
        ]
        return {(a.area_vintage, a.code): a for a in sorted(areas, key=lambda a: (a.name.casefold(), a.code))}

    def _investments(self, record: ReleaseRecord) -> Iterator[Investment]:
        if not self._has(record, "investments"):
            return
        names: dict[str, str] = {}
        if self._has(record, "actors"):
            actors = read_rows(self._path(record, "actors"))
            names = {row["id"]: row["name"] for row in actors}
        for row in read_rows(self._path(record, "investments")):
            yield self._investment(record.dataset, row, names)

    def _investment(self, dataset: str, row: Mapping[str, Any], actors: Mapping[str, str]) -> Investment:
        areas = (self.area(dataset, code) for code in split_list(row["neighbourhoods"]))
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
            areas=tuple(area for area in areas if area),
            kpis=tuple(split_list(row["kpis"])),
            comparison_areas=tuple(split_list(row["comparison_areas"])),
            note=row["note"] or "",
        )


def _tables(record: ReleaseRecord) -> list[ReleasedFile]:
    return [file for file in record.complete_manifest.files if file.name.endswith(".parquet")]


def _dataset(slug: str, records: Sequence[ReleaseRecord], withdrawn: Sequence[Withdrawal]) -> Dataset:
    versions = sorted((r for r in records if r.dataset == slug), key=lambda r: r.version, reverse=True)
    return Dataset(slug, tuple(_release(r) for r in versions), tuple(withdrawn))


def _release(record: ReleaseRecord) -> PublishedRelease:
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
        defaults=manifest.defaults,
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
