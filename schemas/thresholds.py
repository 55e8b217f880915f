"""Every number in our rules that is ours and not a standard's, as one configurable value (docs/disclosure.md)."""

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
