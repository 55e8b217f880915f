"""Start a server of each kind as fixtures do, write the file READY, and wait to be killed: test_servers.py runs it.

Its name keeps this module out of an ordinary run.
"""

import os
import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.conftest import Serving, environment
from tests.servers.ckan.stack import running
from tests.servers.graph import KINDS
from tests.servers.process import free_port, program


def test_hold(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for kind, start in KINDS.items():
            (tmp_path / kind).mkdir()
            start(tmp_path / kind)
        port = free_port()
        stack.enter_context(Serving(tmp_path, port, environment(tmp_path, port)))
        playwright = stack.enter_context(sync_playwright())
        playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"]).new_page()
        stack.enter_context(stack.enter_context(running()).serving())
        Path(os.environ["READY"]).touch()
        time.sleep(600)
