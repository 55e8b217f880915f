"""Commands of operators: `vaven doctor | backup | restore`. A module of arguments and printing only."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vaven.vocab.messages import messages

if TYPE_CHECKING:
    from vaven.publisher.operations.defects import Defect


def add_commands(add: Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]) -> None:
    parser = add("doctor", doctor, "Compare all stores with each other, and repair them.")
    parser.add_argument(
        "--repair", action="store_true", help="build everything again that the releases determine, and never guess"
    )
    for name, command, text in (
        ("backup", backup, "Copy what cannot be built again to a folder; only what is new is copied."),
        ("restore", restore, "Restore a backup into an empty data folder."),
    ):
        add(name, command, text).add_argument("folder", type=Path, metavar="FOLDER", help="folder of the backup")


def backup(arguments: argparse.Namespace) -> int:
    from vaven.publisher.operations.backup import back_up
    from vaven.publisher.settings import load_settings

    count, copied = back_up(load_settings(), arguments.folder)
    print(messages(arguments.lang, "catalogue")("backup.done", count=count, copied=copied))
    return 0


def restore(arguments: argparse.Namespace) -> int:
    from vaven.publisher.operations.restore import restore_backup
    from vaven.publisher.settings import load_settings

    count = restore_backup(load_settings(), arguments.folder)
    print(messages(arguments.lang, "catalogue")("restore.done", count=count))
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Print each defect with its remedy; return 0 if there is none, or none is left."""
    from vaven.publisher.operations.doctor import examine, repair
    from vaven.publisher.settings import load_settings

    settings, t = load_settings(), messages(arguments.lang, "catalogue")

    def print_defect(defect: "Defect") -> None:
        print(f"{t(f'doctor.{defect.part}')}: {defect.error.message(arguments.lang)}")
        print(f"  → {defect.error.remedy(arguments.lang)}")

    if arguments.repair:
        before = list["Defect"]()
        defects = repair(settings, progress=before.append)
        if before:
            print(t("doctor.repaired", count=len(before) - len(defects)))
    else:
        defects = examine(settings)
    for defect in defects:
        print_defect(defect)
    if not defects:
        print(t("doctor.sound"))
    elif not arguments.repair and any(defect.is_repairable for defect in defects):
        print(t("doctor.repair-hint", command="vaven doctor --repair"), file=sys.stderr)
    return int(bool(defects))
