"""Uploads of pages and of the API: rate limit, read options, checking at once of small files, and queueing."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial

from flask import abort, request
from werkzeug.datastructures import FileStorage, MultiDict

from vaven.catalogue.http.rate_limit import RateLimit, client_of
from vaven.catalogue.validation.fork_server import ForkServer
from vaven.catalogue.validation.jobs import queue, queue_errors, tasks
from vaven.catalogue.validation.store import SMALL_BYTES, StoredValidations
from vaven.publisher.engine.fair_queue import FairQueue
from vaven.publisher.settings import Settings
from vaven.schemas.isolation import Runner
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import ReadOptions, pairs
from vaven.vocab.errors import PublishingFailed, QueryBusy, WrongUse

# Readers at a time, of which some may be younger than a second; as many uploads may wait for one.
READERS = 12
YOUNG_READERS = 3
UPLOAD_THREADS = 2 * READERS
# A client's uploads at a time leave room for those of others.
UPLOADS_PER_CLIENT = 20
# A reader that has run for so long may have to make room where others wait and all readers are busy.
SHARE_SECONDS = 3.0
WAIT_SECONDS = 20.0
YES_OR_NO: Mapping[str, bool | None] = {"": None, "true": True, "false": False}
# A form has one field for each constant, such as `set-kpi`.
CONSTANT = "set-"


class Uploads:
    """Entry of uploads: `validations` stores them, `start` checks them now or queues them."""

    def __init__(self, settings: Settings) -> None:
        self.validations = StoredValidations(settings)
        self._rate_limit = RateLimit(settings)
        self._per_minute = settings.uploads_a_minute
        self._settings = settings
        self._readers = ForkServer()
        self._slots = FairQueue(
            concurrency=YOUNG_READERS, slots=READERS, per_client=UPLOADS_PER_CLIENT, share_seconds=SHARE_SECONDS
        )

    def admits(self) -> bool:
        """Count an upload of this request's client; False if it exceeds the rate limit."""
        return self._rate_limit.admits("upload", request.remote_addr or "", self._per_minute)

    def add(self, file: FileStorage, options: ReadOptions) -> str:
        """Store an uploaded file and return the key of its validation."""
        self.validations.sweep()
        return self.validations.add(file.filename or "", file.save, options)

    def start(self, key: str, *, at_once: bool = True) -> None:
        """Check a small file before returning where `at_once` allows it; queue any other."""
        if at_once and self.validations.size(key) <= SMALL_BYTES:
            try:
                with self._lend() as run:
                    self.validations.run(key, run)
                return
            except (QueryBusy, TimeoutError):
                # No turn, or not enough time for a heavy file; the client can follow its progress in the queue.
                pass
        try:
            self._enqueue(key)
        except PublishingFailed:
            self.validations.drop(key)
            raise

    @cached_property
    def _queued(self) -> Callable[[str], object]:
        """The queue, opened for the first job: a site starts also on a disk that cannot be written."""
        return tasks(queue(self._settings), self.validations)

    def _enqueue(self, key: str) -> None:
        with queue_errors():
            self._queued(key)

    def report(self, file: FileStorage, options: ReadOptions) -> Report:
        """Check an uploaded file, and store nothing beyond the check."""
        key = self.add(file, options)
        try:
            with self.reader() as run:
                report = self.validations.run(key, run)
            assert report, "a validation is deleted by its key only, and no client knows this one"
            return report
        finally:
            self.validations.drop(key)

    @contextmanager
    def reader(self) -> Iterator[Runner]:
        """Lend a process that reads an upload of this request's client; respond with 503 if none becomes free."""
        try:
            with self._lend() as run:
                yield run
        except (QueryBusy, TimeoutError):
            abort(503)

    def close(self) -> None:
        """End all readers."""
        self._slots.close()
        self._readers.close()

    @contextmanager
    def _lend(self) -> Iterator[Runner]:
        """Wait for a turn, in fair order among clients. Raises QueryBusy."""
        with self._slots.slot(client_of(request.remote_addr), time.monotonic() + WAIT_SECONDS) as slot:
            yield partial(self._readers, is_crowded=lambda: self._slots.must_yield(slot))


def uploaded_file() -> FileStorage | None:
    file = request.files.get("file")
    return file if file and file.filename else None


def read_options_of(form: MultiDict[str, str]) -> ReadOptions:
    """Read the options that a form's fields decide; an empty field decides nothing. Raises WrongUse with a remedy."""
    texts = {name: form.get(name, "") for name in ("encoding", "delimiter", "decimal", "sheet")}
    # Werkzeug names a part without a name None.
    constants = [
        f"{name.removeprefix(CONSTANT)}={text}" for name, text in form.items() if (name or "").startswith(CONSTANT)
    ]
    constants = [pair for pair in constants if not pair.endswith("=")] + [p for p in form.getlist("set") if p]
    return ReadOptions(
        encoding=texts["encoding"] or None,
        delimiter={"tab": "\t"}.get(texts["delimiter"], texts["delimiter"]) or None,
        decimal=texts["decimal"] or None,
        sheet=texts["sheet"] or None,
        columns=pairs([pair for pair in form.getlist("column") if pair], is_label=True),
        constants=pairs(constants, is_label=False),
        header_row=_row(form.get("header_row", "")),
        last_row=_row(form.get("last_row", "")),
        wide=_yes_or_no(form.get("wide", "")),
        fill_down=_yes_or_no(form.get("fill_down", "")),
        shares=_yes_or_no(form.get("shares", "")),
        vintage=form.get("vintage") or None,
        licence=form.get("licence") or None,
        publisher=form.get("publisher", "").strip() or None,
        not_personal=form.get("not_personal", "").strip() or None,
    )


def _row(text: str) -> int | None:
    if text and not (text.isdecimal() and len(text) < 8):
        raise WrongUse("catalogue.row-not-a-number", text=text)
    return int(text) if text else None


def _yes_or_no(text: str) -> bool | None:
    if text not in YES_OR_NO:
        raise WrongUse("catalogue.not-yes-or-no", text=text)
    return YES_OR_NO[text]
