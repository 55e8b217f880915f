"""Rate limits in memory."""

import pytest

from vaven.catalogue.http import rate_limit
from vaven.catalogue.http.rate_limit import MemoryWindows

pytestmark = pytest.mark.quick


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which a test sets."""
    now = [1000.0]
    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: now[0])
    return now


def test_a_client_has_its_number_in_any_minute(clock: list[float]) -> None:
    windows = MemoryWindows()
    for seconds in (0, 10, 20):
        clock[0] = 1000 + seconds
        assert windows.wait_seconds("query", "a", 3) == 0
    assert windows.wait_seconds("query", "a", 3) == pytest.approx(40)
    clock[0] = 1059.9
    assert windows.wait_seconds("query", "a", 3) == pytest.approx(0.1)
    clock[0] = 1060
    assert windows.wait_seconds("query", "a", 3) == 0
    # The request of second 10 is the oldest now; refused ones did not count.
    assert windows.wait_seconds("query", "a", 3) == pytest.approx(10)


def test_clients_and_actions_are_apart(clock: list[float]) -> None:
    windows = MemoryWindows()
    assert windows.wait_seconds("query", "a", 1) == 0
    assert windows.wait_seconds("query", "b", 1) == 0
    assert windows.wait_seconds("upload", "a", 1) == 0
    assert windows.wait_seconds("query", "a", 1) == 60


def test_nothing_is_kept_of_clients_that_are_gone(clock: list[float]) -> None:
    windows = MemoryWindows()
    for i in range(1000):
        clock[0] = 1000 + i * 0.05
        windows.wait_seconds("query", f"client-{i}", 5)
    windows.wait_seconds("query", "client-0", 5)
    assert len(windows) == 1000
    clock[0] = 1075
    windows.wait_seconds("query", "another", 5)
    # Those after second 15, the first once more, and the last.
    assert len(windows) == 699 + 1 + 1
    clock[0] = 2000
    windows.wait_seconds("query", "another", 5)
    assert len(windows) == 1


def test_a_number_of_zero_admits_nothing(clock: list[float]) -> None:
    windows = MemoryWindows()
    assert windows.wait_seconds("query", "a", 0) == 60
    assert len(windows) == 0
