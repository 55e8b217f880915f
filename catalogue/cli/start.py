"""Entry point of `vaven`: starts the fork that checks a file before it loads what reads the command line."""

import sys


def main() -> int:
    if sys.argv[1:2] != ["validate"]:
        from vaven.catalogue.cli.main import main as run

        return run()
    from vaven.schemas import early_fork

    early_fork.start()
    try:
        from vaven.catalogue.cli.main import main as run

        return run()
    finally:
        # Wrong arguments leave it without work.
        if early := early_fork.take():
            early.end()
