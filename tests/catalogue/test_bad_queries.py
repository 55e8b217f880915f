"""Two thousand invalid queries over HTTP: no 500, no hang, no truncated result under 200, no connection from us."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Site
from tests.fuzz_queries import CALLS, attack, seeds, serving
from tests.servers.listener import Listener

QUERIES = 2_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("bad")) as running_site:
        yield running_site


@pytest.mark.timeout(1200)
def test_two_thousand_queries_break_no_guarantee(site: Site, listener: Listener) -> None:
    outcome = attack(site, listener, seeds(), range(QUERIES))
    assert outcome.broken == []
    assert sum(outcome.statuses.values()) == QUERIES
    # If all were refused, nothing would have been tested.
    assert outcome.statuses[200] > QUERIES / 10
    assert outcome.statuses[400] > QUERIES / 10
    assert outcome.statuses[403] > QUERIES / 100
    assert listener.connections == 0


def test_the_listener_notices_connections(listener: Listener) -> None:
    import urllib.error
    import urllib.request

    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(listener.address, timeout=5)
    assert listener.connections == 1
    assert len(CALLS) > 20


def test_the_log_has_no_traceback(site: Site) -> None:
    log = (Path(site.home) / "serve.log").read_text("utf-8")
    assert "Traceback" not in log, log[-3000:]
