"""Rate limits of expensive requests per client: a moving window, in memory or in a Redis shared by processes."""

import ipaddress
import math
import threading
import time
from collections import OrderedDict, deque
from typing import Protocol

from vaven.publisher.settings import Settings
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryTooMany

# The IPv6 network of one household or office (RFC 6177).
IPV6_NETWORK = 64
WINDOW_SECONDS = 60.0


class _Windows(Protocol):
    def wait_seconds(self, action: str, client: str, per_minute: int) -> float:
        """Count a request and return 0, or return the seconds until the client may send the next."""


class RateLimit:
    def __init__(self, settings: Settings) -> None:
        self._windows: _Windows = RedisWindows(settings.redis_url) if settings.redis_url else MemoryWindows()

    def admits(self, action: str, client: str, per_minute: int) -> bool:
        """Count a request of `client`; False if it exceeds its number per minute."""
        return not self._windows.wait_seconds(action, client, per_minute)

    def admit_query(self, client: str, per_minute: int) -> None:
        """Count a query of `client`. Raises QueryTooMany with the time to retry after."""
        if seconds := self._windows.wait_seconds("query", client, per_minute):
            raise QueryTooMany(
                query_message("minute", count=per_minute),
                remedy=query_message("minute.remedy"),
                retry_seconds=max(1, math.ceil(seconds)),
            )


class MemoryWindows:
    """The times of the requests of the last minute, by action and client.

    The storage of the package limits starts a thread for each request, which takes longer than a small query.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Those whose last request is oldest come first.
        self._requests = OrderedDict[tuple[str, str], deque[float]]()

    def __len__(self) -> int:
        return len(self._requests)

    def wait_seconds(self, action: str, client: str, per_minute: int) -> float:
        now, key = time.monotonic(), (action, client)
        begin = now - WINDOW_SECONDS
        with self._lock:
            while self._requests and next(iter(self._requests.values()))[-1] <= begin:
                self._requests.popitem(last=False)
            times = self._requests.get(key) or deque()
            while times and times[0] <= begin:
                times.popleft()
            if len(times) >= per_minute:
                return times[0] - begin if times else WINDOW_SECONDS
            times.append(now)
            self._requests[key] = times
            self._requests.move_to_end(key)
        return 0


class RedisWindows:
    """The same in a Redis, for servers of several processes."""

    def __init__(self, url: str) -> None:
        # Slow to load.
        from limits.storage import storage_from_string
        from limits.strategies import MovingWindowRateLimiter

        self._limiter = MovingWindowRateLimiter(storage_from_string(url))

    def wait_seconds(self, action: str, client: str, per_minute: int) -> float:
        from limits import RateLimitItemPerMinute

        item = RateLimitItemPerMinute(per_minute)
        if self._limiter.hit(item, action, client):
            return 0
        return max(self._limiter.get_window_stats(item, action, client).reset_time - time.time(), 1)


def client_of(address: str | None) -> str:
    """Identify a client by its IP address, or by its network where one client has many addresses."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if ip.version == 6 and not ip.ipv4_mapped:
        return str(ipaddress.ip_network((ip, IPV6_NETWORK), strict=False))
    return str(ip)
