"""Rate limits of expensive requests per client: a moving window, in memory or in a Redis shared by processes."""

import ipaddress
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from vaven.publisher.settings import Settings
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryTooMany

# The IPv6 network of one household or office (RFC 6177).
IPV6_NETWORK = 64


class RateLimit:
    def __init__(self, settings: Settings) -> None:
        self._limiter = MovingWindowRateLimiter(storage_from_string(settings.redis_url or "memory://"))

    def admits(self, action: str, client: str, per_minute: int) -> bool:
        """Count a request of `client`; False if it exceeds its number per minute."""
        return self._limiter.hit(RateLimitItemPerMinute(per_minute), action, client)

    def admit_query(self, client: str, per_minute: int) -> None:
        """Count a query of `client`. Raises QueryTooMany with the time to retry after."""
        if self.admits("query", client, per_minute):
            return
        window = self._limiter.get_window_stats(RateLimitItemPerMinute(per_minute), "query", client)
        raise QueryTooMany(
            query_message("minute", count=per_minute),
            remedy=query_message("minute.remedy"),
            retry_seconds=max(1, math.ceil(window.reset_time - time.time())),
        )


def client_of(address: str | None) -> str:
    """Identify a client by its IP address, or by its network where one client has many addresses."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if ip.version == 6 and not ip.ipv4_mapped:
        return str(ipaddress.ip_network((ip, IPV6_NETWORK), strict=False))
    return str(ip)
