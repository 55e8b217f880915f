"""Thresholds of our rules that no standard sets, as one configurable value (docs/disclosure.md)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Thresholds:
    """Proposed thresholds, not law (DOMAIN section 4). Limits are exclusive: counts below `small_count` are small."""

    small_count: int = 5
    small_base_register: int = 10
    small_base_survey: int = 30
    jump_points: float = 25
    jump_factor: float = 3
    oldest_year: int = 1950
    parts_units: float = 5
    parts_share: float = 0.02
    disclosure_seconds: float = 60

    @property
    def changed(self) -> dict[str, float]:
        """Thresholds that differ from our proposal, by name."""
        return {name: value for name, value in asdict(self).items() if value != getattr(PROPOSED, name)}


PROPOSED = Thresholds()

# Names of the thresholds by the rule that depends on them; the rule's help page states that they are ours.
USED_BY: Mapping[str, tuple[str, ...]] = {
    "small-count": ("small_count", "small_base_register", "small_base_survey"),
    "suppression-reversible": ("small_count",),
    "suppression-undecided": ("disclosure_seconds",),
    "small-count-derived": ("small_count",),
    "small-count-outside": ("small_count",),
    "jump": ("jump_points", "jump_factor"),
    "period-too-old": ("oldest_year",),
    "parts-sum": ("parts_units", "parts_share"),
    "total-outside-parts": ("parts_units", "parts_share"),
}
