"""How often one client may do what costs us much: a moving window, in memory or in the Redis that processes share."""

from limits import parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from vaven.publisher.settings import Settings

SECONDS = 60


class Throttle:
    def __init__(self, settings: Settings) -> None:
        self._limiter = MovingWindowRateLimiter(storage_from_string(settings.redis_url or "memory://"))

    def admits(self, what: str, client: str, per_minute: int) -> bool:
        """Count one more, unless `client` has had its number of this minute."""
        return self._limiter.hit(parse(f"{per_minute}/{SECONDS} seconds"), what, client)
