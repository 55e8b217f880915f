"""Uploads of pages and of the API: rate limit, read options, checking at once of small files, and queueing."""

from collections.abc import Mapping
from threading import BoundedSemaphore

from flask import request
from werkzeug.datastructures import FileStorage, MultiDict

from vaven.catalogue.http.rate_limit import RateLimit
from vaven.catalogue.validation.jobs import queue, tasks
from vaven.catalogue.validation.store import StoredValidations
from vaven.publisher.settings import Settings
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import ReadOptions, pairs
from vaven.vocab.errors import WrongUse

# A file of this size is checked in less time than a page takes to load.
INLINE_BYTES = 2_000_000
# The site has sixteen threads, most of which must stay free for readers.
INLINE_AT_A_TIME = 4
YES_OR_NO: Mapping[str, bool | None] = {"": None, "true": True, "false": False}
# A form has one field for each constant, such as `set-kpi`.
CONSTANT = "set-"


class Uploads:
    """Entry of uploads: `validations` stores them, `start` checks them now or queues them."""

    def __init__(self, settings: Settings) -> None:
        self.validations = StoredValidations(settings)
        self._rate_limit = RateLimit(settings)
        self._per_minute = settings.uploads_a_minute
        self._enqueue = tasks(queue(settings), self.validations)
        self._slots = BoundedSemaphore(INLINE_AT_A_TIME)

    def admits(self) -> bool:
        """Count an upload of this request's client; False if it exceeds the rate limit."""
        return self._rate_limit.admits("upload", request.remote_addr or "", self._per_minute)

    def add(self, file: FileStorage, options: ReadOptions) -> str:
        """Store an uploaded file and return the key of its validation."""
        self.validations.sweep()
        return self.validations.add(file.filename or "", file.save, options)

    def start(self, key: str, *, at_once: bool = True) -> None:
        """Check a small file before returning where `at_once` allows it; queue any other."""
        is_small = self.validations.size(key) <= INLINE_BYTES
        if not (at_once and is_small and self._slots.acquire(blocking=False)):
            self._enqueue(key)
            return
        try:
            self.validations.run(key)
        finally:
            self._slots.release()

    def report(self, file: FileStorage, options: ReadOptions) -> Report:
        """Check an uploaded file, and store nothing beyond the check."""
        key = self.add(file, options)
        try:
            with self._slots:
                report = self.validations.run(key)
            assert report, "a validation is deleted by its key only, and no client knows this one"
            return report
        finally:
            self.validations.drop(key)


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
    )


def _row(text: str) -> int | None:
    if text and not (text.isdecimal() and len(text) < 8):
        raise WrongUse("catalogue.row-not-a-number", text=text)
    return int(text) if text else None


def _yes_or_no(text: str) -> bool | None:
    if text not in YES_OR_NO:
        raise WrongUse("catalogue.not-yes-or-no", text=text)
    return YES_OR_NO[text]
