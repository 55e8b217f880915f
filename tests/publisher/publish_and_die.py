"""Publish a package and end this process by SIGKILL at a named step: HOME PACKAGE STEP."""

import os
import signal
import sys
from pathlib import Path

from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings


def main(home: str, package: str, fatal: str) -> None:
    def at(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    publish(Path(package), Settings(home=Path(home)), progress=at)


main(*sys.argv[1:])
