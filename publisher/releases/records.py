"""Records of releases, of their steps, withdrawals and pushes (SQLite, or any database of SQLAlchemy).

A release is reserved before anything is written and becomes visible with one update at the end. A process killed in
between leaves a reservation that the next run of the same command continues.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from vaven.publisher.releases.manifest import Manifest
from vaven.vocab.errors import BadSettings, DiskFull, RecordsUnavailable, is_full_disk

# The last of migrations/versions.
NEWEST = "0003"
METADATA = sa.MetaData()
RELEASES = sa.Table(
    "releases",
    METADATA,
    sa.Column("dataset", sa.String(80), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("source_sha256", sa.String(64), nullable=False),
    sa.Column("source_name", sa.String(255), nullable=False),
    sa.Column("reserved_at", sa.DateTime, nullable=False),
    sa.Column("visible_at", sa.DateTime),
    sa.Column("manifest", sa.JSON),
)
STEPS = sa.Table(
    "steps",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("dataset", sa.String(80), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("step", sa.String(20), nullable=False),
    sa.Column("done_at", sa.DateTime, nullable=False),
    sa.Column("result", sa.String(400), nullable=False),
)


WITHDRAWALS = sa.Table(
    "withdrawals",
    METADATA,
    sa.Column("dataset", sa.String(80), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("withdrawn_at", sa.DateTime, nullable=False),
)
PUSHES = sa.Table(
    "pushes",
    METADATA,
    sa.Column("dataset", sa.String(80), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("target", sa.String(300), primary_key=True),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("begun_at", sa.DateTime, nullable=False),
    sa.Column("ended_at", sa.DateTime),
    sa.Column("result", sa.String(20)),
    sa.Column("is_held", sa.Boolean, nullable=False),
    sa.Column("held_at", sa.DateTime),
    sa.Column("problem", sa.String(40), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
INTERRUPTED, FAILED = "interrupted", "failed"
Key = tuple[str, int]


@dataclass(frozen=True)
class ReleaseRecord:
    """A row of `releases`. Times are UTC. `manifest` is None until the release's folder is complete."""

    dataset: str
    version: int
    content_sha256: str
    source_sha256: str
    source_name: str
    reserved_at: datetime
    visible_at: datetime | None
    manifest: Manifest | None

    @property
    def complete_manifest(self) -> Manifest:
        """The manifest of a finished release. Raises ValueError for one that is only reserved."""
        if self.manifest is None:
            raise ValueError(f"{self.dataset} version {self.version} is not finished")
        return self.manifest


@dataclass(frozen=True)
class StepRecord:
    dataset: str
    version: int
    step: str
    done_at: datetime
    result: str


@dataclass(frozen=True)
class Withdrawal:
    """The tombstone of a version that is no longer shown: the reason, and the time of the withdrawal (UTC)."""

    dataset: str
    version: int
    reason: str
    withdrawn_at: datetime


@dataclass(frozen=True)
class Push:
    """The last attempt to push a version to a target (the URL of a CKAN), and the version's state there.

    `action` is push or withdraw. `result` is None until the attempt has ended; then created, changed, unchanged or
    withdrawn, "failed" with `problem` and `reason`, or "interrupted". A failed attempt does not change `is_held` and
    `held_at`, which describe the target's content after the last complete attempt.
    """

    dataset: str
    version: int
    target: str
    action: str
    begun_at: datetime
    ended_at: datetime | None = None
    result: str | None = None
    is_held: bool = False
    held_at: datetime | None = None
    problem: str = ""
    reason: str = ""


@dataclass(frozen=True)
class PushEnd:
    """The end of an attempt; fields as those of Push."""

    dataset: str
    version: int
    result: str
    problem: str = ""
    reason: str = ""


def now() -> datetime:
    """Return the present in UTC without microseconds or zone, as the records store it."""
    return datetime.now(UTC).replace(microsecond=0, tzinfo=None)


def _raise_unavailable(context: sa.engine.ExceptionContext) -> None:
    """Raise the error for people instead of the driver's, unless that is about a statement."""
    error, cause = context.sqlalchemy_exception, context.original_exception
    # SQLite reports a damaged file by the class of all its errors.
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) or type(error) is sa.exc.DatabaseError:
        if is_full_disk(cause):
            raise DiskFull from cause
        raise RecordsUnavailable("publisher.records-unavailable", cause=str(cause).strip().split("\n")[0]) from cause


def _revision(connection: sa.Connection) -> str | None:
    """Return the revision of a database's tables; None for an empty database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(engine: sa.Engine) -> None:
    # Loading it takes longer than all that a database at the newest migration is asked by most commands.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(files("vaven.publisher") / "migrations"))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # Else each table is created in a transaction of its own, and a process killed in between leaves a
            # database that cannot be opened.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as cause:
            raise RecordsUnavailable("publisher.records-newer") from cause


class Records:
    """The database at an SQLAlchemy URL, migrated to the newest revision at its first use.

    Every method raises RecordsUnavailable for a database that is unavailable or damaged, and DiskFull.
    """

    def __init__(self, url: str) -> None:
        try:
            self._connections = sa.create_engine(url)
        except (sa.exc.ArgumentError, ImportError) as cause:
            raise BadSettings("publisher.database-url", cause=cause) from cause
        sa.event.listen(self._connections, "handle_error", _raise_unavailable)
        self._lock, self._is_migrated = threading.Lock(), False

    @property
    def _engine(self) -> sa.Engine:
        """The database with the newest tables; a site starts also while it is unavailable."""
        with self._lock:
            if not self._is_migrated:
                address = self._connections.url
                if address.get_backend_name() == "sqlite" and address.database:
                    Path(address.database).parent.mkdir(parents=True, exist_ok=True)
                with self._connections.connect() as connection:
                    revision = _revision(connection)
                if revision != NEWEST:
                    _migrate(self._connections)
                self._is_migrated = True
        return self._connections

    def close(self) -> None:
        self._connections.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reserve(self, dataset: str, content_sha256: str, source_sha256: str, source_name: str) -> ReleaseRecord:
        """Return the record for this content: the current version's if it has the same, else that of a new version.

        A reservation that was never finished is reused, so that versions are numbered 1, 2, 3 without gaps.
        """
        with self._engine.begin() as connection:
            releases = self._select(connection, RELEASES.c.dataset == dataset)
            visible = [r for r in releases if r.visible_at]
            current = _current(connection, dataset, visible)
            if current and current.content_sha256 == content_sha256:
                return current
            unseen = next((r for r in releases if not r.visible_at), None)
            if unseen and unseen.content_sha256 == content_sha256:
                if unseen.manifest:
                    return unseen
                # The receipt, which states the source, is not written yet.
                source = {"source_sha256": source_sha256, "source_name": source_name}
                connection.execute(sa.update(RELEASES).where(*_key(unseen)).values(source))
                return replace(unseen, source_sha256=source_sha256, source_name=source_name)
            if unseen:
                connection.execute(sa.delete(RELEASES).where(*_key(unseen)))
            row: dict[str, Any] = {
                "dataset": dataset,
                # A number is never used again, not even that of a withdrawn version.
                "version": max((r.version for r in visible), default=0) + 1,
                "content_sha256": content_sha256,
                "source_sha256": source_sha256,
                "source_name": source_name,
                "reserved_at": now(),
                "visible_at": None,
                "manifest": None,
            }
            connection.execute(sa.insert(RELEASES).values(**row))
            return ReleaseRecord(**row)

    def finish(self, record: ReleaseRecord, manifest: Manifest) -> ReleaseRecord:
        """Record that the folder of a reserved release is complete."""
        with self._engine.begin() as connection:
            connection.execute(sa.update(RELEASES).where(*_key(record)).values(manifest=manifest.as_json()))
            return self._select(connection, *_key(record))[0]

    def replace_source_hash(self, old: str, new: str) -> None:
        """Correct the hash of a submission in all records of its releases."""
        with self._engine.begin() as connection:
            rows = sa.update(RELEASES).where(RELEASES.c.source_sha256 == old)
            connection.execute(rows.values(source_sha256=new))

    def show(self, record: ReleaseRecord) -> ReleaseRecord:
        """Make a finished release visible. A repeated call changes nothing."""
        with self._engine.begin() as connection:
            hidden = (*_key(record), RELEASES.c.visible_at.is_(None))
            connection.execute(sa.update(RELEASES).where(*hidden).values(visible_at=now()))
            return self._select(connection, *_key(record))[0]

    def release(self, dataset: str, version: int) -> ReleaseRecord | None:
        with self._engine.connect() as connection:
            releases = self._select(connection, RELEASES.c.dataset == dataset, RELEASES.c.version == version)
            return releases[0] if releases else None

    def current(self, dataset: str) -> ReleaseRecord | None:
        """Return the newest visible version of a dataset that is not withdrawn."""
        with self._engine.connect() as connection:
            releases = self._select(connection, RELEASES.c.dataset == dataset)
            return _current(connection, dataset, [r for r in releases if r.visible_at])

    def finished(self) -> Sequence[ReleaseRecord]:
        """Return all releases whose folder is complete, visible or not yet, by dataset and version."""
        with self._engine.connect() as connection:
            return [r for r in self._select(connection) if r.manifest is not None]

    def withdraw(self, tombstone: Withdrawal) -> None:
        """Record that a version is no longer shown. A repeated call changes nothing, not even the reason."""
        with self._engine.begin() as connection:
            known = {(w.dataset, w.version) for w in _withdrawals(connection)}
            if (tombstone.dataset, tombstone.version) not in known:
                connection.execute(sa.insert(WITHDRAWALS).values(**asdict(tombstone)))
                values = {"dataset": tombstone.dataset, "version": tombstone.version, "step": "withdrawn"}
                note = sa.insert(STEPS).values(**values, done_at=tombstone.withdrawn_at, result=tombstone.reason[:400])
                connection.execute(note)

    def withdrawals(self) -> Sequence[Withdrawal]:
        """Return all tombstones, by dataset and version."""
        with self._engine.connect() as connection:
            return _withdrawals(connection)

    def note_step(self, record: ReleaseRecord, step: str, result: str = "") -> None:
        self.note_steps(step, [((record.dataset, record.version), result)])

    def note_steps(self, step: str, results: Sequence[tuple[Key, str]]) -> None:
        """Record the same step of many releases, with the result for each."""
        rows = [
            {"dataset": dataset, "version": version, "step": step, "done_at": now(), "result": result[:400]}
            for (dataset, version), result in results
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(STEPS), rows)

    def times(self, step: str, dataset: str | None = None) -> Mapping[Key, datetime]:
        """Return the time at which a step was last done, by dataset and version; of one dataset or of all."""
        last = sa.func.max(STEPS.c.done_at)
        query = sa.select(STEPS.c.dataset, STEPS.c.version, last.label("at")).where(STEPS.c.step == step)
        if dataset is not None:
            query = query.where(STEPS.c.dataset == dataset)
        with self._engine.connect() as connection:
            rows = connection.execute(query.group_by(STEPS.c.dataset, STEPS.c.version))
            return {(row.dataset, row.version): row.at for row in rows}

    def steps(self, dataset: str, version: int) -> Sequence[StepRecord]:
        """Return the steps of a release in the order in which they were done; a repeated step is listed again."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(STEPS).where(STEPS.c.dataset == dataset, STEPS.c.version == version).order_by(STEPS.c.id)
            )
            return [StepRecord(r.dataset, r.version, r.step, r.done_at, r.result) for r in rows]

    def begin_pushes(self, target: str, action: str, keys: Sequence[Key]) -> None:
        """Record the start of an attempt, before anything is sent; the state at the target is left as it is."""
        fresh = {"action": action, "begun_at": now(), "ended_at": None, "result": None, "problem": "", "reason": ""}
        with self._engine.begin() as connection:
            known = {(p.dataset, p.version) for p in _pushes(connection, PUSHES.c.target == target)}
            if old := [_bound(key, target) for key in keys if key in known]:
                connection.execute(sa.update(PUSHES).where(*_BY_KEY).values(**fresh), old)
            new = [{"dataset": d, "version": v, "target": target} for d, v in keys if (d, v) not in known]
            if new:
                connection.execute(sa.insert(PUSHES), [{**key, **fresh, "is_held": False} for key in new])

    def end_pushes(self, target: str, ends: Sequence[PushEnd]) -> None:
        """Record the ends of attempts. After a success the target has that version of the dataset, or none."""
        if not ends:
            return
        with self._engine.begin() as connection:
            begun = {(p.dataset, p.version): p for p in _pushes(connection, PUSHES.c.target == target)}
            done = [_bound((end.dataset, end.version), target) for end in ends if end.result != FAILED]
            if done:
                connection.execute(sa.update(PUSHES).where(*_BY_KEY[::2], PUSHES.c.is_held).values(is_held=False), done)
            rows = [_bound((e.dataset, e.version), target) | _ended(begun[e.dataset, e.version], e) for e in ends]
            ends_of_rows: dict[str, Any] = {name: sa.bindparam(name) for name in _ENDED}
            connection.execute(sa.update(PUSHES).where(*_BY_KEY).values(**ends_of_rows), rows)

    def interrupt_pushes(self) -> None:
        """Record that attempts without an end were interrupted. The caller must know that no push is running."""
        with self._engine.begin() as connection:
            connection.execute(sa.update(PUSHES).where(PUSHES.c.result.is_(None)).values(result=INTERRUPTED))

    def pushes(self, dataset: str | None = None) -> Sequence[Push]:
        """Return the state of all versions at all targets, or of one dataset's; by dataset, version and target."""
        with self._engine.connect() as connection:
            return _pushes(connection, *([] if dataset is None else [PUSHES.c.dataset == dataset]))

    def restore(self, releases: Iterable[ReleaseRecord], withdrawals: Iterable[Withdrawal]) -> None:
        """Insert the records of finished releases and the tombstones that are missing; no other is changed."""
        with self._engine.begin() as connection:
            known = {(r.dataset, r.version) for r in self._select(connection)}
            rows = [
                {**vars(r), "manifest": r.complete_manifest.as_json()}
                for r in releases
                if (r.dataset, r.version) not in known
            ]
            if rows:
                connection.execute(sa.insert(RELEASES), rows)
            known = {(w.dataset, w.version) for w in _withdrawals(connection)}
            tombstones = [asdict(w) for w in withdrawals if (w.dataset, w.version) not in known]
            if tombstones:
                connection.execute(sa.insert(WITHDRAWALS), tombstones)

    def overwrite(self, record: ReleaseRecord) -> None:
        """Replace a damaged record."""
        values = {**vars(record), "manifest": record.complete_manifest.as_json()}
        with self._engine.begin() as connection:
            connection.execute(sa.update(RELEASES).where(*_key(record)).values(values))

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return all rows of one moment by table, as plain JSON values."""
        with self._engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
            if connection.dialect.name == "sqlite":
                # The driver begins a transaction only before it writes.
                connection.exec_driver_sql("BEGIN")
            return {
                table.name: [
                    {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
                    for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()
                ]
                for table in METADATA.sorted_tables
            }

    def load(self, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Replace all rows by those of a dump; steps are numbered again."""
        with self._engine.begin() as connection:
            for table in METADATA.sorted_tables:
                times = {column.name for column in table.columns if isinstance(column.type, sa.DateTime)}
                new = [
                    {
                        name: datetime.fromisoformat(value) if name in times and value else value
                        for name, value in row.items()
                        if (table.name, name) != ("steps", "id")
                    }
                    for row in rows.get(table.name, ())
                ]
                connection.execute(sa.delete(table))
                if new:
                    connection.execute(sa.insert(table), new)

    @staticmethod
    def _select(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[ReleaseRecord]:
        query = sa.select(RELEASES).where(*where).order_by(RELEASES.c.dataset, RELEASES.c.version)
        return [_record(row._asdict()) for row in connection.execute(query)]


def _record(row: Mapping[str, Any]) -> ReleaseRecord:
    stored = row["manifest"]
    return ReleaseRecord(**{**row, "manifest": None if stored is None else Manifest.from_json(stored)})


def _current(connection: sa.Connection, dataset: str, visible: Sequence[ReleaseRecord]) -> ReleaseRecord | None:
    withdrawn = {w.version for w in _withdrawals(connection) if w.dataset == dataset}
    return max((r for r in visible if r.version not in withdrawn), key=lambda r: r.version, default=None)


def _withdrawals(connection: sa.Connection) -> list[Withdrawal]:
    query = sa.select(WITHDRAWALS).order_by(WITHDRAWALS.c.dataset, WITHDRAWALS.c.version)
    return [Withdrawal(**row._mapping) for row in connection.execute(query)]


def _pushes(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Push]:
    query = sa.select(PUSHES).where(*where).order_by(PUSHES.c.dataset, PUSHES.c.version, PUSHES.c.target)
    return [Push(**row._mapping) for row in connection.execute(query)]


# A row of `pushes` by its key, for many rows at a time, and the columns that the end of an attempt changes.
_BY_KEY = tuple(PUSHES.c[name] == sa.bindparam(f"of_{name}") for name in ("dataset", "version", "target"))
_ENDED = ("ended_at", "result", "is_held", "held_at", "problem", "reason")


def _bound(key: Key, target: str) -> dict[str, Any]:
    return {"of_dataset": key[0], "of_version": key[1], "of_target": target}


def _ended(begun: Push, end: PushEnd) -> dict[str, Any]:
    values: dict[str, Any] = {"ended_at": now(), "problem": end.problem, "reason": end.reason}
    if end.result == FAILED:
        return {**values, "result": FAILED, "is_held": begun.is_held, "held_at": begun.held_at}
    is_held = begun.action == "push"
    return {**values, "result": end.result, "is_held": is_held, "held_at": now() if is_held else begun.held_at}


def _key(record: ReleaseRecord) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return RELEASES.c.dataset == record.dataset, RELEASES.c.version == record.version
