"""Validations in hand: an upload, what the user decided about it, and its report, kept for an hour under a secret id.

Each has a folder of its own below VAVEN_HOME, which web processes and the consumer of jobs share. A file is written
beside its place and moved there, so that no reader finds half of it.
"""

import json
import os
import pickle
import re
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from vaven.publisher.settings import Settings
from vaven.schemas.check import LISTED, validate
from vaven.schemas.reports.annotated_workbook import annotate, can_annotate
from vaven.schemas.reports.fix import ALL, fix, target_name
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import Progress, ReadOptions, no_progress

State = Literal["waiting", "checking", "done", "failed"]
KEEP_SECONDS = 3600
# A check that has said nothing for so long was killed; a million rows take a second, opening a huge workbook minutes.
SILENT_SECONDS = 600
# For a package with schemas of its own, and so with patterns of its own.
DESCRIBED_SECONDS = 60
ID = re.compile(r"[A-Za-z0-9_-]{22}")
NAME_CHARS = 60
PROGRESS_SECONDS = 0.2


@dataclass(frozen=True)
class Validation:
    """`share` is what is done of the stage ("opening", "reading", "checking"), from 0 to 1."""

    id: str
    name: str
    state: State
    stage: str
    share: float
    expires: datetime
    options: ReadOptions
    report: Report | None


class StoredValidations:
    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / "validations"
        self._thresholds = settings.thresholds

    def add(self, name: str, save: Callable[[Path], None], options: ReadOptions) -> str:
        """Store an upload, which `save` writes to a path, and return its id, which only its owner knows."""
        key = secrets.token_urlsafe(16)
        folder = self._folder / key
        folder.mkdir(parents=True, mode=0o700)
        (folder / "upload").mkdir()
        try:
            save(folder / "upload" / file_name(name))
            self.decide(key, options)
        except OSError:
            self.drop(key)
            raise
        return key

    def decide(self, key: str, options: ReadOptions) -> None:
        """What the user decided, for the next run."""
        self._write(key, "choices.pickle", pickle.dumps(options))
        self._say(key, "waiting")

    def get(self, key: str) -> Validation | None:
        """None for what never was, is past its hour, or was deleted."""
        folder = self._folder / key
        if not ID.fullmatch(key) or self._is_over(folder):
            return None
        try:
            said = json.loads((folder / "state.json").read_text())
            options = pickle.loads((folder / "choices.pickle").read_bytes())
            report = pickle.loads((folder / "report.pickle").read_bytes()) if said["state"] == "done" else None
            name = self.upload(key).name
        except FileNotFoundError:
            # Deleted while we looked.
            return None
        is_silent = said["state"] in ("waiting", "checking") and time.time() - said["at"] > SILENT_SECONDS
        state: State = "failed" if is_silent else said["state"]
        expires = datetime.fromtimestamp(said["at"] + KEEP_SECONDS, UTC).replace(microsecond=0)
        return Validation(key, name, state, said["stage"], said["share"], expires, options, report)

    def upload(self, key: str) -> Path:
        """The file as it came. Raises FileNotFoundError."""
        return next((self._folder / key / "upload").iterdir())

    def run(self, key: str) -> Report | None:
        """Check the upload and keep its report. What was deleted meanwhile is passed over, and gives None."""
        said = 0.0

        def progress(stage: str, share: float) -> None:
            nonlocal said
            if time.monotonic() - said > PROGRESS_SECONDS:
                said = time.monotonic()
                self._say(key, "checking", stage, share)

        kept = self.get(key)
        if kept is None:
            return None
        try:
            report = self._report(kept, progress=progress)
            self._write(key, "report.pickle", pickle.dumps(report))
            self._say(key, "done")
        except BaseException:
            if self.get(key) is None:
                return None
            self._say(key, "failed")
            raise
        return report

    def corrected(self, kept: Validation, folder: Path) -> Path | None:
        """The upload with every safe fix, as a file in `folder`; None where there is nothing that we may mend."""
        source = self.upload(kept.id)
        # The kept report lists a part of what may have to be mended.
        whole = self._report(kept, listed=ALL)
        target = folder / target_name(source, "rättad")
        return target if fix(source, whole, target, choices=kept.options) else None

    def can_annotate(self, kept: Validation) -> bool:
        """Whether `annotated` has a workbook to give."""
        return kept.report is not None and can_annotate(self.upload(kept.id), kept.report, kept.options)

    def annotated(self, kept: Validation, folder: Path, language: str) -> Path:
        """The upload as a workbook with its findings in it. Raises WrongUse for a file that can't be one."""
        assert kept.report
        source = self.upload(kept.id)
        target = folder / f"{source.stem}-kommenterad.xlsx"
        return annotate(source, kept.report, target, language=language, choices=kept.options)

    def _report(self, kept: Validation, *, progress: Progress = no_progress, listed: int = LISTED) -> Report:
        return validate(
            self.upload(kept.id),
            choices=kept.options,
            thresholds=self._thresholds,
            progress=progress,
            listed=listed,
            seconds=DESCRIBED_SECONDS,
        )

    def drop(self, key: str) -> None:
        """Delete upload and report; doing it twice is harmless."""
        if ID.fullmatch(key):
            shutil.rmtree(self._folder / key, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what is past its hour."""
        for folder in self._folder.glob("*"):
            if self._is_over(folder):
                self.drop(folder.name)

    def _is_over(self, folder: Path) -> bool:
        """Past its hour, counted from the last word of its check; also what a crash left without a word."""
        said = folder / "state.json"
        try:
            last = (said if said.exists() else folder).stat().st_mtime
        except FileNotFoundError:
            return True
        return time.time() - last > KEEP_SECONDS

    def _say(self, key: str, state: State, stage: str = "", share: float = 0) -> None:
        said = {"state": state, "stage": stage, "share": share, "at": time.time()}
        self._write(key, "state.json", json.dumps(said).encode())

    def _write(self, key: str, name: str, content: bytes) -> None:
        beside = self._folder / key / f"{name}.{os.getpid()}"
        beside.write_bytes(content)
        beside.replace(self._folder / key / name)


def file_name(given: str) -> str:
    """The last part of an upload's name, as a name that any file system takes; its ending stays."""
    name = given.replace("\\", "/").rpartition("/")[2].replace("\0", "").lstrip(".")
    # File systems allow 255 bytes, and a character may take four.
    return name[-NAME_CHARS:] or "file"
