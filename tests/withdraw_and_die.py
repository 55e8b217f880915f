"""Withdraw in a process that ends itself by SIGKILL when it comes to a step: home, dataset, step."""

import os
import signal
import sys
from pathlib import Path

from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw


def main(home: str, dataset: str, last: str) -> None:
    def die_at(step: str) -> None:
        if step == last:
            os.kill(os.getpid(), signal.SIGKILL)

    withdraw(Settings(home=Path(home)), dataset, 2, reason="Fel", progress=die_at)


if __name__ == "__main__":
    main(*sys.argv[1:4])
