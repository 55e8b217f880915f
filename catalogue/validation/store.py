"""Validations: an upload, the options that the user decided, and its report, stored for an hour under a secret id.

Each has a folder of its own in the storage of uploads, which web processes and the consumer of jobs share. Content that
another version has written and this one can't read counts as expired.
"""

import json
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from vaven.catalogue.validation.report_json import (
    UnreadableJson,
    dump_options,
    dump_report,
    load_options,
    load_report,
)
from vaven.publisher.integrity.submission import PublishedDataCheck
from vaven.publisher.releases.storage import Storage
from vaven.publisher.settings import Settings
from vaven.schemas.check import Further, not_checked, validate
from vaven.schemas.isolation import Limits, Runner, isolated
from vaven.schemas.reports.annotated_workbook import annotate, can_annotate
from vaven.schemas.reports.fix import ALL, fix, target_name
from vaven.schemas.rules.personal_numbers import is_refused_for_persons
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.personal_number_forms import masked
from vaven.schemas.standard.read_options import DETECT, Progress, ReadOptions
from vaven.schemas.standard.thresholds import Thresholds
from vaven.vocab.errors import NotReadable

State = Literal["waiting", "checking", "done", "failed"]
LIFETIME_SECONDS = 3600
# A check without progress for so long was killed; a million rows take a second, opening a huge workbook minutes.
SILENT_SECONDS = 600
# A file of this size is checked in less time than a page takes to load, and one that is not gets less of everything.
SMALL_BYTES = 2_000_000
SMALL = Limits(memory_bytes=1_000_000_000, file_bytes=1_000_000_000, seconds=50, cpu_seconds=25, yields=True)
# A file of 5 MB gets a minute, one of 100 MB nine.
LARGE = Limits(memory_bytes=4_000_000_000, file_bytes=20_000_000_000, seconds=30, cpu_seconds=60, yields=True)
SECONDS_A_MEGABYTE = 5
# A package with a schema of its own ends before its process does, with a message about its patterns.
DESCRIBED_SHARE = 0.8
ID = re.compile(r"[A-Za-z0-9_-]{22}")
NAME_CHARS = 60
PROGRESS_SECONDS = 0.2
STATE, OPTIONS, REPORT, UPLOAD = "state.json", "options.json", "report.json", "upload"


@dataclass(frozen=True)
class Validation:
    """`share` is the finished part of the stage ("opening", "reading", "checking"), from 0 to 1."""

    id: str
    name: str
    state: State
    stage: str
    share: float
    expires: datetime
    options: ReadOptions
    report: Report | None
    can_annotate: bool

    @property
    def is_kept(self) -> bool:
        """Return False for an upload that was deleted after its check, since it contains personal identity numbers."""
        return self.report is None or not is_refused_for_persons(self.report)


@dataclass(frozen=True)
class _Progress:
    """The content of state.json. `at` is a time in seconds since 1970."""

    state: State
    at: float
    stage: str = ""
    share: float = 0
    can_annotate: bool = False


@dataclass(frozen=True)
class _Check:
    """Work in a process of its own: check an upload, and say whether it can be annotated."""

    source: Path
    options: ReadOptions
    thresholds: Thresholds
    seconds: float
    further: Further

    def __call__(self, progress: Progress) -> tuple[Report, bool]:
        report = validate(
            self.source,
            choices=self.options,
            thresholds=self.thresholds,
            progress=progress,
            seconds=self.seconds * DESCRIBED_SHARE,
            further=self.further,
        )
        return report, can_annotate(self.source, report, self.options)


@dataclass(frozen=True)
class _Correction:
    """Work in a process of its own: write the upload with every safe fix to a file in `folder`."""

    source: Path
    options: ReadOptions
    thresholds: Thresholds
    folder: Path

    def __call__(self, _: Progress) -> Path | None:
        # The stored report lists a part of the fixes only.
        report = validate(self.source, choices=self.options, thresholds=self.thresholds, max_findings=ALL)
        target = self.folder / target_name(self.source, "rättad")
        return target if fix(self.source, report, target, choices=self.options) else None


@dataclass(frozen=True)
class _Annotation:
    """Work in a process of its own: write the upload and its findings as a workbook."""

    source: Path
    options: ReadOptions
    report: Report
    target: Path
    language: str

    def __call__(self, _: Progress) -> Path:
        return annotate(self.source, self.report, self.target, language=self.language, choices=self.options)


class StoredValidations:
    def __init__(self, settings: Settings) -> None:
        self._storage = Storage(settings.uploads, settings.home / "cache", is_private=True)
        self._thresholds = settings.thresholds
        self._judge_with_published = PublishedDataCheck(settings)

    def add(self, name: str, save: Callable[[BinaryIO], None], options: ReadOptions) -> str:
        """Store an upload, which `save` writes to a file, and return its id, which only its owner knows."""
        key = secrets.token_urlsafe(16)
        try:
            self._storage.make_folder(key, UPLOAD)
            self.decide(key, options)
            with self._storage.create(key, UPLOAD, file_name(name)) as file:
                save(file)
            # The upload may have taken long.
            self._write_state(key, "waiting")
        except OSError:
            self.drop(key)
            raise
        return key

    def decide(self, key: str, options: ReadOptions) -> None:
        """Store the user's options for the next run."""
        self._storage.write(dump_options(options), key, OPTIONS)
        self._write_state(key, "waiting")

    def get(self, key: str) -> Validation | None:
        """Return a validation; None if it does not exist, is expired or unreadable, or was deleted."""
        if not ID.fullmatch(key) or self._is_expired(key):
            return None
        try:
            progress = _read_progress(self._read(key, STATE))
            options = load_options(self._read(key, OPTIONS))
            report = load_report(self._read(key, REPORT)) if progress.state == "done" else None
            name = self._upload_name(key)
        except (FileNotFoundError, UnreadableJson):
            # Deleted since, or written by another version.
            return None
        is_silent = progress.state in ("waiting", "checking") and time.time() - progress.at > SILENT_SECONDS
        return Validation(
            id=key,
            name=name,
            state="failed" if is_silent else progress.state,
            stage=progress.stage,
            share=progress.share,
            expires=datetime.fromtimestamp(progress.at + LIFETIME_SECONDS, UTC).replace(microsecond=0),
            options=options,
            report=report,
            can_annotate=progress.can_annotate,
        )

    def size(self, key: str) -> int:
        """Return the size of an upload in bytes. Raises FileNotFoundError."""
        return self._storage.size(key, UPLOAD, self._upload_name(key))

    def run(self, key: str, run: Runner = isolated) -> Report | None:
        """Check the upload and store its report; None if the validation does not exist, or is deleted meanwhile.

        `run` runs the work apart from this process, which by default must have no other thread of Python.
        """
        last = 0.0

        def progress(stage: str, share: float) -> None:
            nonlocal last
            if time.monotonic() - last > PROGRESS_SECONDS:
                last = time.monotonic()
                self._write_state(key, "checking", stage, share)

        validation = self.get(key)
        if validation is None:
            return None
        try:
            with self._storage.local_copy(key, UPLOAD, validation.name) as source:
                report, is_workbook = self._checked(source, validation.options, progress, run)
            if is_refused_for_persons(report):
                self._forget_upload(key, validation.name)
                is_workbook = False
            if self.get(key) is None:
                # An object store would take the report of a deleted upload.
                return None
            self._storage.write(dump_report(report), key, REPORT)
            self._write_state(key, "done", can_annotate=is_workbook)
        except BaseException:
            if self.get(key) is None:
                return None
            self._write_state(key, "failed")
            raise
        return report

    def corrected(self, validation: Validation, folder: Path, run: Runner = isolated) -> Path | None:
        """Write the upload with every safe fix to a file in `folder`; return None where there is nothing to fix."""
        with self._storage.local_copy(validation.id, UPLOAD, validation.name) as source:
            work = _Correction(source, validation.options, self._thresholds, folder)
            return run(source, work, limits=limits_of(source))

    def annotated(self, validation: Validation, folder: Path, language: str, run: Runner = isolated) -> Path:
        """Write the upload and its findings as a workbook in `folder`. Raises WrongUse for a file that can't be one."""
        assert validation.report
        with self._storage.local_copy(validation.id, UPLOAD, validation.name) as source:
            target = folder / f"{source.stem}-kommenterad.xlsx"
            work = _Annotation(source, validation.options, validation.report, target, language)
            return run(source, work, limits=limits_of(source))

    def drop(self, key: str) -> None:
        """Delete upload and report; doing it twice is harmless."""
        if ID.fullmatch(key):
            self._storage.remove(key)

    def sweep(self) -> None:
        """Delete expired validations."""
        for key in self._storage.names():
            if self._is_expired(key):
                self.drop(key)

    def _checked(self, source: Path, options: ReadOptions, progress: Progress, run: Runner) -> tuple[Report, bool]:
        """Return the report of a check, and whether the upload can be annotated."""
        limits = limits_of(source)
        try:
            work = _Check(source, options, self._thresholds, limits.seconds, self._judge_with_published)
            return run(source, work, limits=limits, progress=progress)
        except NotReadable as reason:
            return not_checked(source, reason), False

    def _forget_upload(self, key: str, name: str) -> None:
        """Delete an upload with personal identity numbers and its options; an empty file with a masked name remains."""
        self._storage.write(dump_options(DETECT), key, OPTIONS)
        self._storage.remove(key, UPLOAD)
        self._storage.make_folder(key, UPLOAD)
        self._storage.create(key, UPLOAD, masked(name)).close()

    def _upload_name(self, key: str) -> str:
        """Return the name of the uploaded file. Raises FileNotFoundError."""
        names = self._storage.names(key, UPLOAD)
        if not names:
            raise FileNotFoundError(key)
        return names[0]

    def _read(self, key: str, name: str) -> bytes:
        with self._storage.open(key, name) as file:
            return file.read()

    def _is_expired(self, key: str) -> bool:
        """Check the age of the last state, or of the folder where its process has not written one."""
        for parts in ((key, STATE), (key,)):
            # An object store has no folders.
            with suppress(FileNotFoundError, IsADirectoryError):
                return time.time() - self._storage.modified(*parts).timestamp() > LIFETIME_SECONDS
        return True

    def _write_state(
        self, key: str, state: State, stage: str = "", share: float = 0, *, can_annotate: bool = False
    ) -> None:
        content = _Progress(state, time.time(), stage, share, can_annotate)
        self._storage.write(json.dumps(asdict(content)).encode(), key, STATE)


def limits_of(source: Path) -> Limits:
    """Return the limits of work on an upload."""
    size = source.stat().st_size
    if size <= SMALL_BYTES:
        return SMALL
    seconds = SECONDS_A_MEGABYTE * size / 1_000_000
    return replace(LARGE, seconds=LARGE.seconds + seconds, cpu_seconds=LARGE.cpu_seconds + 2 * seconds)


def _read_progress(content: bytes) -> _Progress:
    """Raises UnreadableJson."""
    try:
        progress = _Progress(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise UnreadableJson(str(error)) from error
    if progress.state not in get_args(State):
        raise UnreadableJson(progress.state)
    return progress


def file_name(text: str) -> str:
    """Return the last part of an upload's name as one that any file system takes, with its extension."""
    name = text.replace("\\", "/").rpartition("/")[2].replace("\0", "").lstrip(".")
    # File systems allow 255 bytes, and a character may take four.
    return name[-NAME_CHARS:] or "file"
