"""Work for forked processes of tests, in a module that they import quickly."""

import os
import tempfile
import time

from vaven.schemas.standard.read_options import Progress
from vaven.vocab.errors import NotReadable


def echo(progress: Progress) -> str:
    progress("reading", 0.5)
    return tempfile.mkdtemp()


def abort(_: Progress) -> None:
    os.abort()


def refuse(_: Progress) -> None:
    raise NotReadable("not-readable-empty", file="a.csv")


def wait(_: Progress) -> None:
    time.sleep(600)


def work_forever(_: Progress) -> None:
    while True:
        pass
