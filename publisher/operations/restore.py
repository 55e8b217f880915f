"""Restoration of a backup into an empty data folder (`vaven restore`)."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from vaven.publisher.graph.store import open_store
from vaven.publisher.operations.backup import ORIGINALS, RELEASES, damaged_files, read_backup
from vaven.publisher.operations.loading import exclusive
from vaven.publisher.operations.rebuilding import rebuild_lost
from vaven.publisher.releases.record_copies import RecordCopies
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.vocab.errors import DamagedFile, WrongUse


def restore_backup(settings: Settings, folder: Path, progress: Callable[[str], None] = lambda _: None) -> int:
    """Restore a backup, and build the graph of it; return the number of releases.

    `progress` gets the folder of each release. The backup is verified first. Killed at any point and run again it ends
    in the same state, since the records are written after the files. Raises WrongUse for a folder without backup, or
    where the records know a release already, and DamagedFile.
    """
    backup = read_backup(folder)
    with exclusive(settings.home), Records(settings.database) as records:
        if records.finished():
            raise WrongUse("publisher.restore-not-empty")
        if damaged := damaged_files(folder, backup):
            raise DamagedFile("publisher.backup-damaged", file=damaged[0])
        for kind, storage in ((RELEASES, settings.release_storage), (ORIGINALS, settings.original_storage)):
            depth = 2 if kind == RELEASES else 1
            groups: dict[tuple[str, ...], list[str]] = {}
            for path in backup.files:
                first, *parts = path.split("/")
                if first == kind:
                    groups.setdefault(tuple(parts[:depth]), []).append("/".join(parts[depth:]))
            for key, names in groups.items():
                progress("/".join(key))
                with tempfile.TemporaryDirectory(prefix="vaven-restore-") as staged:
                    for name in names:
                        target = Path(staged, name)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(folder.joinpath(kind, *key, name), target)
                    storage.put(Path(staged), *key)
        records.load(backup.rows)
        RecordCopies(settings.record_storage).complete(records)
        rebuild_lost(settings, records, open_store(settings))
        return len(records.finished())
