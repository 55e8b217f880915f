"""Publication of a submission as a visible release: the only module that defines the order of the steps.

received → validated → integrity → released → in-graph → (triples) → in-ckan. Each step is idempotent and recorded.
Readers see a release completely or not at all: it becomes visible by one switch (of the embedded store's snapshot
pointer, else of the record's `visible_at`).
"""

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
from rdflib import Graph

from vaven.publisher.ckan.run import push_release
from vaven.publisher.columns.build import PreparedColumns, ReleasedColumns
from vaven.publisher.cube.observation_counts import emit_sample, observation_counts
from vaven.publisher.cube.observations import GZIP_FILE, ZSTD_FILE, Emission, emit
from vaven.publisher.graph.store import GraphStore, open_store
from vaven.publisher.integrity.constraints import Violation, summary
from vaven.publisher.integrity.disclosure import OBSERVATIONS, UNDECIDED, PublishedTable, revealing_violations
from vaven.publisher.integrity.run import data_violations, invalid_iris, lost_lines, unknown_codes
from vaven.publisher.integrity.shacl import load_shapes, shape_violations
from vaven.publisher.integrity.submission import published_tables
from vaven.publisher.integrity.trace import trace_violations
from vaven.publisher.metadata.dataset import describe
from vaven.publisher.metadata.provenance import ProvenanceRecord
from vaven.publisher.metadata.quality import measure_quality
from vaven.publisher.metadata.rules import vocabulary_triples
from vaven.publisher.operations.loading import METADATA, catch_up, exclusive, load_graphs
from vaven.publisher.operations.rebuilding import rebuild_lost
from vaven.publisher.operations.release_files import restore
from vaven.publisher.published.collection import visible_versions
from vaven.publisher.rdf.turtle import as_turtle
from vaven.publisher.releases.answers import (
    ACCEPTED,
    unanswered,
    with_kept_answers,
    with_undecided_accepted,
    with_undecided_noted,
)
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.originals import Original, Originals
from vaven.publisher.releases.record_copies import RecordCopies
from vaven.publisher.releases.records import Records, ReleaseRecord, now
from vaven.publisher.releases.release import (
    Release,
    release,
    released_file,
    stamp,
    stored_release,
    write_datapackage,
    write_receipt,
    write_workbook,
)
from vaven.publisher.settings import Settings
from vaven.schemas.check import check
from vaven.schemas.formats.submission import submission_files
from vaven.schemas.isolation import COLLECTED_OBJECTS, beside, isolated
from vaven.schemas.rules.metadata import missing_answers
from vaven.schemas.rules.personal_numbers import certainty_of, is_refused_for_persons
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.personal_number_forms import Certainty
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.standard.read_options import Progress as StageProgress
from vaven.schemas.tables.read import read
from vaven.vocab.areas import areas
from vaven.vocab.errors import DamagedFile, NotPublishable, PublishingFailed, VavenError, WrongUse
from vaven.vocab.iris import Iris

Progress = Callable[[str], None]
# The triples of more observations are written when the release is visible: that takes longer than all else together.
TRIPLES_LATER_ROWS = 200_000
STAGING = ".release-"
# nice(2) of work that nobody waits for.
NICENESS = 10


@dataclass(frozen=True)
class Published:
    """The result of `publish`. `is_new` is False if the same content was already the current version."""

    dataset: str
    version: int
    is_new: bool
    report: Report
    ckan: str


class SubmissionRefused(NotPublishable):
    """A submission with errors or missing answers, or whose release violates an integrity rule.

    `report` lists them.
    """

    def __init__(self, report: Report) -> None:
        super().__init__("publisher.submission-refused")
        self.report = report


def publish(
    source: Path,
    settings: Settings,
    *,
    dataset: str | None = None,
    note: str = "",
    choices: ReadOptions = DETECT,
    accept_undecided: str | None = None,
    is_upload: bool = False,
    progress: Progress = lambda _: None,
) -> Published:
    """Publish a submission: store, check, release and load it. `progress` gets the name of each step before it begins.

    `choices` are the sender's options for reading the file; the release's receipt states them. Licence and publisher
    must be stated in the file, in `choices` or in the dataset's current version. `accept_undecided` is the operator's
    reason to publish although the time was too short to decide whether suppressed numbers can be derived; it answers no
    other error, and the receipt states it. An upload (`is_upload`) becomes the stored original itself, also when it is
    refused, and `source` is gone afterwards; any other source is copied once.

    A process of its own reads the file (schemas/isolation.py), so the caller must run no other thread of Python.

    Raises SubmissionRefused when the report has errors or these answers are missing, WrongUse for a note or a reason
    with a personal identity number and for an empty reason, NotReadable and PublishingFailed as their names say. Killed
    at any point and run again with the same file it ends in the same state.
    """
    require_no_person(note, is_answered=choices.not_personal is not None)
    if accept_undecided is not None:
        if not accept_undecided.strip():
            raise WrongUse("publisher.undecided-reason-missing")
        require_no_person(accept_undecided)
        accept_undecided = accept_undecided.strip()
    with exclusive(settings.home), Records(settings.database) as records:
        store = open_store(settings, progress)
        RecordCopies(settings.record_storage).reconcile(records)
        rebuild_lost(settings, records, store)
        catch_up(settings, records, store)
        options = (dataset, note, choices, accept_undecided, is_upload, progress)
        publishing = _Publishing(settings, records, store, *options)
        return publishing.run(source)


@dataclass(frozen=True)
class _StagedRelease:
    """A release before it is stored: its files, the emission report, its metadata and its triple counts.

    A release with many observations has no emission but a sample: its N-Triples are written later or on request.
    """

    release: Release
    emission: Emission | None
    sample: Emission
    files: Sequence[ReleasedFile]
    metadata: Graph
    statistics: Mapping[str, Any]


@dataclass(frozen=True)
class _Publishing:
    """A publication under way: the stores that it writes to, and the options of `publish`."""

    settings: Settings
    records: Records
    store: GraphStore
    dataset: str | None
    note: str
    choices: ReadOptions
    accept_undecided: str | None
    is_upload: bool
    progress: Progress

    @property
    def _copies(self) -> RecordCopies:
        return RecordCopies(self.settings.record_storage)

    def run(self, source: Path) -> Published:
        self.progress("received")
        began_at = now()
        # A file that ends its reader does so in the first process that opens it.
        isolated(source, lambda _: len(submission_files(source, self.choices.encoding).files))
        originals = Originals(self.settings.original_storage, self.settings.home / "originals", self.records)
        with (
            originals.receive(source, self.choices.encoding, is_upload=self.is_upload) as original,
            _staging(self.settings.home) as folder,
        ):
            try:
                (folder / "release").mkdir()
                report, unstamped = self._checked(original, folder / "release")
            except Exception as cause:
                is_refused = isinstance(cause, SubmissionRefused) and is_refused_for_persons(cause.report)
                if not is_refused and certainty_of(original.name) != Certainty.CERTAIN:
                    originals.keep(original)
                raise
            originals.keep(original)
            record = self.records.reserve(unstamped.dataset, unstamped.sha256, original.sha256, original.name)
            is_new = record.visible_at is None
            if is_new:
                self.records.note_step(record, "received", original.sha256)
                self.records.note_step(record, "validated", report.verdict.value)
            columns = None
            if record.manifest is None:
                record, report, columns = self._released(record, unstamped, report, original, began_at)
            elif damaged := restore(self.settings, record, unstamped.folder):
                names = tuple(file.name for file in damaged)
                raise DamagedFile(
                    "publisher.release-damaged", dataset=record.dataset, version=record.version, files=names
                )
            self._load(record, columns)
        record = self._with_triples(record)
        ckan = self._push(record)
        self.progress("done")
        return Published(record.dataset, record.version, is_new, report, ckan)

    def _checked(self, original: Original, folder: Path) -> tuple[Report, Release]:
        """Check the submission and write its canonical tables. Raises SubmissionRefused."""
        self.progress("validated")

        def work(progress: StageProgress) -> tuple[Report, Release]:
            # A connection of its own: a forked process must not use its parent's.
            with (
                Records(self.settings.database) as records,
                read(original.path, slug=self.dataset, choices=self.choices) as submission,
            ):
                current = records.current(submission.about.slug)
                tables = with_kept_answers(submission, current)
                report = check(tables, thresholds=self.settings.thresholds)
                report = with_undecided_accepted(report, self.accept_undecided)
                is_answered = not missing_answers(tables.about)
                # The content of a version that an older Väven published without answers is no new publication.
                if not report.is_publishable or not (is_answered or current):
                    raise SubmissionRefused(unanswered(report, tables))
                progress("content", 0)
                unstamped = release(tables, folder)
                if not is_answered and current and current.content_sha256 != unstamped.sha256:
                    raise SubmissionRefused(unanswered(report, tables))
                return report, unstamped

        with beside(original.path, work, progress=lambda step, _: self.progress(step)) as value:
            _load_rules(self.settings.iris)
            return value()

    def _released(
        self, record: ReleaseRecord, unstamped: Release, report: Report, original: Original, began_at: datetime
    ) -> tuple[ReleaseRecord, Report, PreparedColumns | None]:
        """Complete the release, check its integrity and store it; return its receipt and the columns for the store.

        Raises SubmissionRefused.
        """
        self.progress("released")
        if violations := list(unknown_codes(unstamped, self.settings.iris)):
            raise self._refusal(record, unstamped, report, original, violations)
        with self._columns(record, unstamped, original) as columns:
            violations, report = self._judged_with_published(record, unstamped, report)
            staged = self._staged(record, unstamped, report, began_at)
            self.progress("integrity")
            violations = [*_violations(self.settings, staged, original.path), *violations]
            if violations:
                raise self._refusal(record, unstamped, report, original, violations)
            self.records.note_step(record, "integrity", "holds")
            return self._stored(record, staged), report, columns()

    def _refusal(
        self,
        record: ReleaseRecord,
        unstamped: Release,
        report: Report,
        original: Original,
        violations: Sequence[Violation],
    ) -> SubmissionRefused:
        self.records.note_step(record, "integrity", summary(violations))
        arguments = (report, violations, original.path, self.dataset, self.choices, unstamped, self.settings.iris)
        return SubmissionRefused(isolated(original.path, lambda _: trace_violations(*arguments)))

    @contextmanager
    def _columns(
        self, record: ReleaseRecord, unstamped: Release, original: Original
    ) -> Iterator[Callable[[], PreparedColumns | None]]:
        """Write the columns of a release beside this process, if the store has columns; lend what waits for them."""
        release_ = ReleasedColumns(
            record.dataset,
            record.version,
            self.settings.iris.dataset(record.dataset),
            unstamped.about,
            tuple(unstamped.areas.values()),
            lambda: unstamped.table("observations"),
            lambda: unstamped.folder / METADATA,
            tuple,
        )
        columns = self.store.prepare(release_, unstamped.folder.with_name(release_.file_name))
        if columns is None:
            yield lambda: None
            return
        with beside(original.path, lambda _: columns.write(is_beside=True)) as value:

            def written() -> PreparedColumns | None:
                try:
                    value()
                except (VavenError, duckdb.Error):
                    # The load writes them again, and says what fails.
                    return None
                return columns

            yield written

    def _judged_with_published(
        self, record: ReleaseRecord, unstamped: Release, report: Report
    ) -> tuple[list[Violation], Report]:
        """Return what the release reveals together with all published data, and the report with the operator's answer.

        That is about the counts of which it was not decided in time.
        """
        own = PublishedTable.in_folder(record.dataset, record.version, unstamped.folder)
        others = published_tables(self.records, self.settings, own)
        violations = list(revealing_violations(own, others, self.settings.thresholds))
        undecided = sum(violation.constraint == UNDECIDED for violation in violations)
        if undecided and self.accept_undecided is not None:
            violations = [violation for violation in violations if violation.constraint != UNDECIDED]
            if ACCEPTED not in report.choices:
                report = with_undecided_noted(report, self.accept_undecided, undecided)
        return violations, report

    def _staged(self, record: ReleaseRecord, unstamped: Release, report: Report, began_at: datetime) -> _StagedRelease:
        """Write all files of the release but its descriptions, and build its metadata."""
        iris = self.settings.iris
        stamped = stamp(unstamped, record.version, record.reserved_at, self.note)
        # The release is stored only if its counts hold together with all published data.
        write_receipt(stamped, replace(report, is_judged_with_published=True))
        write_workbook(stamped)
        has_triples = stamped.rows["observations"] <= self.settings.triples_rows
        is_later = stamped.rows["observations"] > TRIPLES_LATER_ROWS and not self.settings.sparql_query_url
        emission = emit(stamped, iris) if has_triples and not is_later else None
        sample_folder = stamped.folder.with_name("sample")
        sample_folder.mkdir()
        sample = emit_sample(stamped, sample_folder, iris)
        counts = observation_counts(stamped, emission, iris, sample)
        files = [
            released_file(path)
            for path in sorted(stamped.folder.iterdir())
            if path.suffix in (".csv", ".parquet", ".xlsx", ".gz", ".zst")
        ]
        provenance = ProvenanceRecord(report, began_at, now())
        first = self.records.release(record.dataset, 1) or record
        metadata = describe(
            stamped,
            iris,
            files,
            provenance,
            measure_quality(stamped),
            counts,
            first_issued_at=first.reserved_at,
            later=(GZIP_FILE, ZSTD_FILE) if has_triples and not emission else (),
        )
        return _StagedRelease(stamped, emission, sample.emission, files, metadata, asdict(counts))

    def _stored(self, record: ReleaseRecord, staged: _StagedRelease) -> ReleaseRecord:
        """Put the release's folder into the storage, and record that it is complete."""
        staged_release = staged.release
        manifest = write_datapackage(staged_release, staged.files, staged.statistics)
        key = staged_release.dataset, staged_release.version
        self.settings.release_storage.put(staged_release.folder, *key, link=True)
        finished = self.records.finish(record, manifest)
        self.records.note_step(finished, "released")
        return finished

    def _load(self, record: ReleaseRecord, columns: PreparedColumns | None) -> None:
        """Load the release with the shared graphs, and make it visible."""
        self.progress("in-graph")
        is_loaded = self.store.contents().get(record.dataset) == record.version
        if not is_loaded or record.dataset in self.store.without_columns():
            contents = visible_versions(self.records, self.store) | {record.dataset: record.version}
            tombstones = self.records.withdrawals()
            load_graphs(self.settings, self.records, self.store, contents, record.dataset, tombstones, columns)
            self.records.note_step(record, "in-graph")
        self.progress("visible")
        self._copies.write(self.records.show(record))

    def _with_triples(self, record: ReleaseRecord) -> ReleaseRecord:
        """Add the N-Triples to a release that was published without them; until then they are generated on request."""
        manifest, key = record.complete_manifest, (record.dataset, record.version)
        rows = manifest.rows["observations"]
        if manifest.file(GZIP_FILE) or not TRIPLES_LATER_ROWS < rows <= self.settings.triples_rows:
            return record
        self.progress("triples")
        storage, iris = self.settings.release_storage, self.settings.iris
        visible = stored_release(manifest, *key, storage.local(*key, OBSERVATIONS).parent)
        with _staging(self.settings.home) as folder:
            emission = isolated(visible.folder, partial(_emitted_later, visible, iris, folder))
            if violations := lost_lines(visible, iris, emission):
                raise PublishingFailed("publisher.triples-lost", **violations[0].texts)
            paths = (emission.path, emission.zstd)
            for path in paths:
                storage.add(path, *key)
            files = sorted((*manifest.files, *map(released_file, paths)), key=lambda file: file.name)
        finished = self.records.finish(record, replace(manifest, files=tuple(files)))
        self._copies.write(finished)
        self.records.note_step(finished, "triples")
        return finished

    def _push(self, record: ReleaseRecord) -> str:
        """Push the release to CKAN; returns the result."""
        self.progress("in-ckan")
        if self.settings.ckan_url:
            return push_release(self.settings, self.records, record)
        result = "not configured"
        self.records.note_step(record, "in-ckan", result)
        return result


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    """Lend an empty folder for a release, on the disk of the stored ones; what a killed process left is deleted."""
    for left in home.glob(f"{STAGING}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=STAGING, dir=home) as folder:
        yield Path(folder)


def _emitted_later(release_: Release, iris: Iris, folder: Path, _: StageProgress) -> Emission:
    """Emit the triples of a release that is visible, after all that somebody waits for."""
    os.nice(NICENESS)
    return emit(release_, iris, folder=folder)


def _load_rules(iris: Iris) -> None:
    """Load what all publications need once in a process, which takes half a second, and collect less garbage."""
    vocabulary_triples(iris)
    _ = areas().outlines
    load_shapes(iris)
    # It looks for pandas at the first array.
    pyarrow.array(())
    # Graphs have few cycles. Frozen objects would be reported as leaks when the process exits.
    gc.set_threshold(COLLECTED_OBJECTS)


def _violations(settings: Settings, staged: _StagedRelease, path: Path) -> list[Violation]:
    """Write `metadata.ttl`, and return the release's violations of integrity rules. `path` is the submission."""
    release_, iris, metadata = staged.release, settings.iris, staged.metadata
    if violations := list(invalid_iris(metadata)):
        return violations

    def work(_: StageProgress) -> list[Violation]:
        (release_.folder / METADATA).write_text(as_turtle(metadata, iris), "utf-8")
        return data_violations(release_, iris, staged.emission, staged.sample)

    with beside(path, work) as others:
        shapes = list(shape_violations(metadata, iris))
        return others() + shapes


def require_no_person(text: str, *, is_answered: bool = False) -> None:
    """Raise WrongUse for a text for readers that contains a personal identity number, or may contain one.

    `is_answered`: the sender has said what numbers are that may be one.
    """
    if certainty_of(text) > (Certainty.PROBABLE if is_answered else Certainty.NONE):
        raise WrongUse("publisher.text-personal")
