"""Withdraw a dataset and end this process by SIGKILL at a named step: HOME DATASET STEP."""

import os
import signal
import sys
from pathlib import Path

from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw


def main(home: str, dataset: str, fatal: str) -> None:
    def at(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    withdraw(Settings(home=Path(home)), dataset, 2, reason="Fel", progress=at)


main(*sys.argv[1:])
