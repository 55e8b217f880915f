"""A fault of an installation, as the doctor and a running site report it."""

from dataclasses import dataclass

from vaven.vocab.errors import VavenError


@dataclass(frozen=True)
class Defect:
    """A fault in a part: records, files, graph, leftovers, disk or ckan; `error` has text and remedy.

    `is_repairable` if `doctor.repair` may correct it.
    """

    part: str
    error: VavenError
    is_repairable: bool = True
