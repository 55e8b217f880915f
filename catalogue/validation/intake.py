"""Where uploads come in, from pages and from the API: choices read, small files checked at once, large ones queued."""

from collections.abc import Mapping
from threading import BoundedSemaphore

from flask import request
from werkzeug.datastructures import FileStorage, MultiDict

from vaven.catalogue.http.rate_limit import RateLimit
from vaven.catalogue.validation.jobs import queue, tasks
from vaven.catalogue.validation.uploads import StoredValidations
from vaven.publisher.settings import Settings
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import ReadOptions, pairs
from vaven.vocab.errors import WrongUse

# A file so small is checked before a person has looked up.
INLINE_BYTES = 2_000_000
# The site has sixteen threads, and most of them shall be free for those who read.
INLINE_AT_A_TIME = 4
YES_OR_NO: Mapping[str, bool | None] = {"": None, "true": True, "false": False}
# A form has one field for each constant, as `set-kpi`.
CONSTANT = "set-"


class Uploads:
    """`validations` holds what came in; `start` has it checked."""

    def __init__(self, settings: Settings) -> None:
        self.validations = StoredValidations(settings)
        self._throttle = RateLimit(settings)
        self._per_minute = settings.uploads_a_minute
        self._enqueue = tasks(queue(settings), self.validations)
        self._slots = BoundedSemaphore(INLINE_AT_A_TIME)

    def admits(self) -> bool:
        """Whether the client of this request may have another file checked within this minute."""
        return self._throttle.admits("upload", request.remote_addr or "", self._per_minute)

    def take(self, uploaded: FileStorage, choices: ReadOptions) -> str:
        self.validations.sweep()
        return self.validations.take(uploaded.filename or "", uploaded.save, choices)

    def start(self, key: str, *, at_once: bool = True) -> None:
        """Check it before returning where that is quick; else it waits for the consumer of jobs."""
        is_small = self.validations.upload(key).stat().st_size <= INLINE_BYTES
        if not (at_once and is_small and self._slots.acquire(blocking=False)):
            self._enqueue(key)
            return
        try:
            self.validations.run(key)
        finally:
            self._slots.release()

    def report(self, uploaded: FileStorage, choices: ReadOptions) -> Report:
        """The report on an upload of which nothing is kept."""
        key = self.take(uploaded, choices)
        try:
            with self._slots:
                found = self.validations.run(key)
            assert found, "only its id deletes a validation, and nobody has been told this one"
            return found
        finally:
            self.validations.drop(key)


def uploaded_file() -> FileStorage | None:
    found = request.files.get("file")
    return found if found and found.filename else None


def read_options_of(form: MultiDict[str, str]) -> ReadOptions:
    """What a form's fields decide; empty ones decide nothing. Raises WrongUse that says what may be chosen."""
    given = {name: form.get(name, "") for name in ("encoding", "delimiter", "decimal", "sheet")}
    # werkzeug calls a part without a name None.
    constants = [
        f"{name.removeprefix(CONSTANT)}={text}" for name, text in form.items() if (name or "").startswith(CONSTANT)
    ]
    constants = [pair for pair in constants if not pair.endswith("=")] + [p for p in form.getlist("set") if p]
    return ReadOptions(
        encoding=given["encoding"] or None,
        delimiter={"tab": "\t"}.get(given["delimiter"], given["delimiter"]) or None,
        decimal=given["decimal"] or None,
        sheet=given["sheet"] or None,
        columns=pairs([pair for pair in form.getlist("column") if pair], is_label=True),
        constants=pairs(constants, is_label=False),
        header_row=_row(form.get("header_row", "")),
        last_row=_row(form.get("last_row", "")),
        wide=_yes_or_no(form.get("wide", "")),
        fill_down=_yes_or_no(form.get("fill_down", "")),
        shares=_yes_or_no(form.get("shares", "")),
        vintage=form.get("vintage") or None,
    )


def _row(given: str) -> int | None:
    if given and not (given.isdecimal() and len(given) < 8):
        raise WrongUse(f"{given!r} is no row.", remedy="Give the number of the row, such as 3.")
    return int(given) if given else None


def _yes_or_no(given: str) -> bool | None:
    if given not in YES_OR_NO:
        raise WrongUse(f"{given!r} is neither true nor false.", remedy="Leave it empty to have it found out.")
    return YES_OR_NO[given]
