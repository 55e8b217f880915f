"""How often one client may do what costs us much: a moving window, in memory or in the Redis that processes share."""

import ipaddress
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from vaven.publisher.settings import Settings
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryTooMany

# What one household or office has of IPv6 addresses (RFC 6177).
IPV6_NETWORK = 64


class RateLimit:
    def __init__(self, settings: Settings) -> None:
        self._limiter = MovingWindowRateLimiter(storage_from_string(settings.redis_url or "memory://"))

    def admits(self, what: str, client: str, per_minute: int) -> bool:
        """Count one more, unless `client` has had its number of this minute."""
        return self._limiter.hit(RateLimitItemPerMinute(per_minute), what, client)

    def admit_query(self, client: str, per_minute: int) -> None:
        """Raises QueryTooMany, which says when the client may ask again."""
        if self.admits("query", client, per_minute):
            return
        window = self._limiter.get_window_stats(RateLimitItemPerMinute(per_minute), "query", client)
        raise QueryTooMany(
            query_message("minute", count=per_minute),
            remedy=query_message("minute.remedy"),
            retry_seconds=max(1, math.ceil(window.reset_time - time.time())),
        )


def client_of(address: str | None) -> str:
    """The client behind an address: itself, or its network where one client has many addresses."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if found.version == 6 and not found.ipv4_mapped:
        return str(ipaddress.ip_network((found, IPV6_NETWORK), strict=False))
    return str(found)
