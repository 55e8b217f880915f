"""Readiness of a running site: the releases that it serves, and what is degraded, for `/readyz`."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vaven.publisher.operations.defects import Defect
from vaven.publisher.published.collection import Collection
from vaven.vocab.errors import DamagedFile, StoreUnavailable, VavenError, for_people

UNAVAILABLE, DEGRADED, READY = "unavailable", "degraded", "ready"


@dataclass(frozen=True)
class Readiness:
    """The visible version of each dataset, and what is wrong; `releases` is None if the records cannot be read."""

    releases: Mapping[str, int] | None
    defects: tuple[Defect, ...]

    @property
    def status(self) -> str:
        if self.releases is None:
            return UNAVAILABLE
        return DEGRADED if self.defects else READY


def readiness(collection: Collection, known: Sequence[Defect] = ()) -> Readiness:
    """Return what a site serves, and its defects, beginning with those that are `known`.

    Cost: files that have not changed since they were last compared are not read again.
    """
    defects = [*known, *_disk_defects(collection)]
    try:
        releases = dict(collection.visible())
        damaged = collection.damaged_files()
    except VavenError as error:
        return Readiness(None, (Defect("records", error), *defects))
    for dataset, version, file in damaged:
        parameters: dict[str, str | int] = {"dataset": dataset, "version": version, "file": file}
        defects.append(Defect("files", DamagedFile("publisher.file-damaged", **parameters)))
    defects += _graph_defects(collection, releases)
    return Readiness(releases, tuple(defects))


def _disk_defects(collection: Collection) -> Iterator[Defect]:
    try:
        with tempfile.TemporaryFile(dir=collection.settings.home) as file:
            file.write(bytes(4096))
    except OSError as cause:
        if error := for_people(cause):
            yield Defect("disk", error)


def _graph_defects(collection: Collection, releases: Mapping[str, int]) -> Iterator[Defect]:
    store = collection.store
    try:
        contents = store.contents()
        if releases and not store.is_sound():
            yield Defect("graph", StoreUnavailable("publisher.snapshot-damaged"))
        missing = sorted(store.without_columns() | (releases.keys() - contents.keys()))
    except VavenError as error:
        yield Defect("graph", error)
        return
    if missing:
        yield Defect("graph", StoreUnavailable("publisher.graph-lacks", datasets=tuple(missing)))
