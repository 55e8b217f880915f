"""Every number in our rules that is ours and not a standard's, as one configurable value (docs/disclosure.md)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Thresholds:
    """Proposals, not law (DOMAIN section 4). A limit is exclusive: counts below `small_count` are small."""

    small_count: int = 5
    small_base_register: int = 10
    small_base_survey: int = 30
    jump_points: float = 25
    jump_factor: float = 3
    oldest_year: int = 1950
    parts_units: float = 5
    parts_share: float = 0.02

    @property
    def changed(self) -> dict[str, float]:
        """Those that differ from what we propose, by name."""
        return {name: value for name, value in asdict(self).items() if value != getattr(PROPOSED, name)}


PROPOSED = Thresholds()

# The rules whose outcome hangs on them, by the names of their limits; their help pages say that these are ours.
USED_BY: Mapping[str, tuple[str, ...]] = {
    "small-count": ("small_count", "small_base_register", "small_base_survey"),
    "suppression-reversible": ("small_count",),
    "jump": ("jump_points", "jump_factor"),
    "period-too-old": ("oldest_year",),
    "parts-sum": ("parts_units", "parts_share"),
    "total-outside-parts": ("parts_units", "parts_share"),
}
