"""The versions of each dataset as readers see them, with the tombstones among them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vaven.publisher.releases.records import ReleaseRecord, Withdrawal


@dataclass(frozen=True)
class VersionHistory:
    """A dataset's versions that were ever visible, oldest first, and the tombstones among them by version.

    `current` is the version that readers get; None if all versions are withdrawn.
    """

    slug: str
    versions: tuple[ReleaseRecord, ...]
    withdrawn: Mapping[int, Withdrawal]
    current: int | None

    @property
    def newest(self) -> ReleaseRecord:
        """The current version, or the last version if none is current."""
        return next((r for r in self.versions if r.version == self.current), self.versions[-1])


def version_histories(
    finished: Iterable[ReleaseRecord], withdrawals: Sequence[Withdrawal], contents: Mapping[str, int]
) -> tuple[VersionHistory, ...]:
    """Return all datasets by slug, given the versions that readers see (`contents`: dataset to version)."""
    visible: dict[str, list[ReleaseRecord]] = {}
    for record in finished:
        if record.visible_at or record.version <= contents.get(record.dataset, 0):
            visible.setdefault(record.dataset, []).append(record)
    tombstones = {slug: {w.version: w for w in withdrawals if w.dataset == slug} for slug in visible}
    return tuple(
        VersionHistory(
            slug, tuple(sorted(visible[slug], key=lambda r: r.version)), tombstones[slug], contents.get(slug)
        )
        for slug in sorted(visible)
    )


def areas_of_older_versions(histories: Iterable[VersionHistory]) -> dict[tuple[str, str], tuple[str, int]]:
    """Return the areas that no current version has, by vintage and key, with the newest version that has it.

    Withdrawn versions are not shown, so they do not count. Cost: linear in the areas of all versions.
    """
    older: dict[tuple[str, str], tuple[str, int]] = {}
    current = set[tuple[str, str]]()
    for history in histories:
        for record in history.versions:
            areas = {(area.area_vintage, area.key) for area in record.complete_manifest.areas}
            if record.version == history.current:
                current |= areas
            elif record.version not in history.withdrawn:
                older |= dict.fromkeys(areas, (history.slug, record.version))
    return {area: version for area, version in older.items() if area not in current}
