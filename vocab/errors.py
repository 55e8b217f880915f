"""All of Väven's errors, as one family.

VavenError                  has a message and a remedy in each language; command line and pages print both
├── WrongUse                the caller asked for something that does not exist (exit code 2)
│   ├── UnknownDataset
│   │   └── Withdrawn       it existed and was taken back: the answer is 410, not 404
│   └── BadSettings
├── NotReadable             a partner's file could not be read at all: the verdict is "not checked"
├── NotPublishable          the submission was checked and may not become a release
├── PublishingFailed        a step of publishing could not be done; the same command may be run again
│   ├── DiskFull            a disk is full, a quota of it used up, or it can't be written
│   ├── SystemRefused       the system refused a file or folder
│   ├── RecordsUnavailable  the database of records cannot be reached or read
│   ├── StoreUnavailable
│   ├── DamagedFile         a file of a release is missing, or differs from what was published
│   └── CkanError
│       ├── CkanUnreachable     nobody answers at the address
│       ├── CkanIncompatible    somebody answers who is no CKAN, or leads elsewhere
│       ├── CkanAnswerLost      the answer was lost on its way, by a time limit or a proxy; `wait_seconds` if told
│       ├── CkanNotAllowed      the token is wrong, has expired or may not do that; or the instance only reads
│       ├── CkanTooLarge        a proxy takes no request as large as that
│       ├── CkanWithoutSearch   the instance's Solr is away
│       └── CkanRefused         the instance says no to what was sent
└── QueryError              a SPARQL query gets no answer; told in either language
    ├── QuerySyntaxError    line and column where known (400)
    ├── QueryRefused        SERVICE, updates, foreign graphs (403)
    ├── QueryTimeout        ended at the deadline (504)
    ├── AnswerTooLarge      ended at the size limit (413)
    ├── QueryMemoryExceeded the worker reached its memory limit (507)
    ├── QueryCrashed        the engine itself failed on the query: a fault of ours, not of the query (500)
    ├── QueryBusy           no worker became free in time (503)
    └── QueryTooMany        the client asks more than its share (429)
"""

import errno
import os

from vaven.vocab.messages import Message, in_language, messages

# How a full disk, or a quota, is told: by the system, by SQLite, and by libxml2.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
NO_ROOM = (
    *map(os.strerror, FULL),
    "database or disk is full",
    "attempt to write a readonly database",
    "disk I/O error",
    *(f"IO_{errno.errorcode[number]}" for number in FULL),
)


class VavenError(Exception):
    """An error for people, in the reader's language: a message that says what is wrong, and a remedy.

    `key` is "room.name". The sentences are `error.{name}` and `error.{name}.remedy` of that room's messages, and
    `params` fill their fields.
    """

    def __init__(self, key: str, **params: object) -> None:
        super().__init__(key)
        room, _, name = key.partition(".")
        self._sentences = Message(room, f"error.{name}", params), Message(room, f"error.{name}.remedy", params)

    def message(self, language: str) -> str:
        return self._sentences[0].text(language)

    def remedy(self, language: str) -> str:
        return self._sentences[1].text(language)

    def text(self, language: str) -> str:
        """Message and remedy."""
        return f"{self.message(language)} {self.remedy(language)}".strip()

    def for_public(self) -> "VavenError":
        """Return the error without what only operators may know."""
        return self

    def __str__(self) -> str:
        return self.text("en")


class WrongUse(VavenError):
    pass


class UnknownDataset(WrongUse):
    pass


class Withdrawn(UnknownDataset):
    """`version` is None where the whole dataset was withdrawn; `day` is an ISO date, `reason` the publisher's words."""

    def __init__(self, dataset: str, version: int | None, *, day: str, reason: str) -> None:
        key = "vocab.withdrawn" if version is None else "vocab.withdrawn-version"
        super().__init__(key, dataset=dataset, version=version, day=day, reason=reason)
        self.dataset = dataset
        self.version = version
        self.day = day
        self.reason = reason


class NoLongerIncluded(UnknownDataset):
    """A resource that version `version` of a dataset had and the current one has not; that version is still served."""

    def __init__(self, dataset: str, version: int) -> None:
        super().__init__("vocab.no-longer-included", dataset=dataset, version=version)
        self.dataset = dataset
        self.version = version


class BadSettings(WrongUse):
    pass


class NotReadable(VavenError):
    """`code` is the message code of the reason, e.g. "not-readable-empty"; `params` fill its sentences.

    They are those of a finding (`rule.{code}.message` of schemas), so that the report can give the reason too.
    """

    def __init__(self, code: str, **params: str | int) -> None:
        super().__init__(f"schemas.{code}")
        self.code = code
        self.params = params

    def message(self, language: str) -> str:
        return messages(language, "schemas")(f"rule.{self.code}.message", **in_language(self.params, language))

    def remedy(self, language: str) -> str:
        return messages(language, "schemas")(f"rule.{self.code}.remedy", **in_language(self.params, language))

    def __str__(self) -> str:
        return self.code


class NotPublishable(VavenError):
    pass


class PublishingFailed(VavenError):
    pass


class DiskFull(PublishingFailed):
    def __init__(self) -> None:
        super().__init__("vocab.disk-full")


class SystemRefused(PublishingFailed):
    def __init__(self, cause: OSError) -> None:
        if isinstance(cause.filename, str | os.PathLike):
            super().__init__("vocab.system-refused", file=os.fspath(cause.filename), cause=cause.strerror)
        else:
            super().__init__("vocab.system-failed", cause=cause.strerror or cause)


class RecordsUnavailable(PublishingFailed):
    """The cause may name the database's host and user."""

    def for_public(self) -> VavenError:
        return RecordsUnavailable("vocab.records-away")


class DamagedFile(PublishingFailed):
    pass


class StoreUnavailable(PublishingFailed):
    pass


class CkanError(PublishingFailed):
    pass


class CkanUnreachable(CkanError):
    pass


class CkanIncompatible(CkanError):
    pass


class CkanAnswerLost(CkanError):
    """A request was sent and its response never came: a step may be done or not."""

    def __init__(self, key: str, *, wait_seconds: float | None = None, **params: object) -> None:
        super().__init__(key, **params)
        self.wait_seconds = wait_seconds


class CkanNotAllowed(CkanError):
    pass


class CkanTooLarge(CkanError):
    pass


class CkanWithoutSearch(CkanError):
    pass


class CkanRefused(CkanError):
    pass


class QueryError(VavenError):
    """`status` is the HTTP status of RFC 9110 that the endpoint answers with; `kind` ends the problem type IRI.

    `line` and `column` count from 1, where the query's text has the fault.
    """

    status = 400
    kind = "query"

    def __init__(
        self, message: Message, *, remedy: Message, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(f"{message.room}.{message.key}")
        self._sentences = message, remedy
        self.line = line
        self.column = column


class QuerySyntaxError(QueryError):
    """`repair` is a line that mends the query when put before it, or ""."""

    kind = "syntax"

    def __init__(
        self, message: Message, *, remedy: Message, line: int | None = None, column: int | None = None, repair: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy, line=line, column=column)
        self.repair = repair


class QueryRefused(QueryError):
    status = 403
    kind = "refused"


class QueryTimeout(QueryError):
    status = 504
    kind = "timeout"


class AnswerTooLarge(QueryError):
    status = 413
    kind = "too-large"


class QueryMemoryExceeded(QueryError):
    status = 507
    kind = "memory"


class QueryCrashed(QueryError):
    status = 500
    kind = "crash"


class QueryBusy(QueryError):
    """`retry_seconds` is when it may be tried again (Retry-After, RFC 9110, section 10.2.3)."""

    status = 503
    kind = "busy"

    def __init__(self, message: Message, *, remedy: Message, retry_seconds: int = 2) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_seconds = retry_seconds


class QueryTooMany(QueryBusy):
    """The server has room, but not for more of this client's."""

    status = 429
    kind = "too-many"


def mentions_full_disk(text: str) -> bool:
    """Return whether an error message is that of a full disk, for which no library has an exception type."""
    return any(words in text for words in NO_ROOM)


def is_full_disk(cause: BaseException | None) -> bool:
    """Return whether a full disk is the cause of an exception, directly or through its chain."""
    while cause and not mentions_full_disk(str(cause)):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def for_people(cause: Exception) -> VavenError | None:
    """Return the error to show for an exception: itself, or that of a full disk or a refused file; None for a fault."""
    if isinstance(cause, VavenError):
        return cause
    if is_full_disk(cause):
        return DiskFull()
    return SystemRefused(cause) if isinstance(cause, OSError) else None
