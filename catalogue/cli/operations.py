"""Command `vaven doctor`: arguments and printing only."""

import argparse
import sys
from typing import TYPE_CHECKING

from vaven.vocab.messages import messages

if TYPE_CHECKING:
    from vaven.publisher.operations.defects import Defect


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repair", action="store_true", help="build everything again that the releases determine, and never guess"
    )


def run(arguments: argparse.Namespace) -> int:
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
