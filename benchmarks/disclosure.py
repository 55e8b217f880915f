"""Disclosure control: a register of all DeSO by sex with 5,000 suppressed counts, and its share of a long check."""

import argparse
import csv
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measure import Cost, Measured, measure
from vaven.publisher.integrity.disclosure import PublishedTable, revealing_violations
from vaven.publisher.releases.release import write_table
from vaven.schemas.standard.thresholds import PROPOSED
from vaven.schemas.tables.read import read
from vaven.vocab.areas import areas

TINY = ("--areas", "30", "--suppressed", "10", "--years", "1", "--repeat", "1")
HEADER = ("neighbourhood", "kpi", "period", "sex", "age_group", "value", "numerator", "denominator", "status")
KPIS = ("arbetsloshet", "ekonomiskt-bistand", "lag-ekonomisk-standard", "sysselsatta")
# The limits of the register: seconds and megabytes of the whole command.
SECONDS, MEGABYTES = 20, 1_000
# The limits of a long check: its time with the rules about counts, compared to that without, and the seconds in which a
# release of that length is judged together with a published version of the same length.
OVERHEAD, JUDGED_SECONDS = 1.25, 2
# Validates a file, without the rules that the other arguments name.
VALIDATE = """
import sys
from vaven.schemas.check import validate
from vaven.schemas.rules.registry import RULES
for name in sys.argv[2:]:
    del RULES[name]
validate(sys.argv[1])
"""
RULES_ABOUT_COUNTS = ("small-count", "small-count-derived", "small-count-outside", "suppression-reversible",
                      "suppression-undecided")  # fmt: skip


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks disclosure", description=__doc__)
    parser.add_argument("--areas", type=int, default=6_000, help="DeSO of the register")
    parser.add_argument("--suppressed", type=int, default=5_000, help="suppressed counts of the register")
    parser.add_argument("--years", type=int, default=14, help="years of four KPIs in the long file")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command, of which the fastest counts")
    options = parser.parse_args(arguments)
    codes = list(areas().deso2018)[: options.areas]
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as folder:
        register = Path(folder) / "register.csv"
        rows = _write(register, codes, KPIS[:1], 1, options.suppressed, with_municipalities=True)
        cost = _validate(register, 1)
        what = f"{options.suppressed:,} of {rows:,} counts suppressed"
        yield Measured(f"{what}: time", cost.seconds, "s", SECONDS)
        yield Measured(f"{what}: memory", cost.megabytes, "MB", MEGABYTES)
        long = Path(folder) / "long.csv"
        rows = _write(long, codes, KPIS, options.years, 0)
        with_rules, without = _validate(long, options.repeat), _validate(long, options.repeat, RULES_ABOUT_COUNTS)
        note = f"{with_rules} with the rules about counts, {without} without"
        yield Measured(f"check of {rows:,} rows", with_rules.seconds / without.seconds, "x", OVERHEAD, note=note)
        seconds = min(_judge_with_published(long, Path(folder)) for _ in range(options.repeat))
        yield Measured(f"{rows:,} rows judged with as many published", seconds, "s", JUDGED_SECONDS)


def _judge_with_published(path: Path, folder: Path) -> float:
    """Return the seconds in which the counts of a file are judged together with a published version of it."""
    with read(path) as tables:
        write_table(tables.workspace, tables.tables["observations"], folder)
    own, published = (PublishedTable.in_folder("long", version, folder) for version in (2, 1))
    began = time.perf_counter()
    if list(revealing_violations(own, [published], PROPOSED)):
        raise SystemExit("The long file reveals counts.")
    return time.perf_counter() - began


def _validate(path: Path, repeat: int, without: Sequence[str] = ()) -> Cost:
    return measure([sys.executable, "-P", "-c", VALIDATE, str(path), *without], repeat=repeat)


def _write(
    path: Path,
    codes: Sequence[str],
    kpis: Sequence[str],
    years: int,
    suppressed: int,
    *,
    with_municipalities: bool = False,
) -> int:
    """Write women, men and both in each area, and in each municipality if asked. Returns the number of rows."""
    dice = random.Random(1)
    count = 0
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for kpi in kpis:
            for year in range(2020, 2020 - years, -1):
                counts: dict[tuple[str, str], int] = {}
                for code in codes:
                    for sex in "FM":
                        number = dice.randint(0, 40) if suppressed else dice.randint(20, 400)
                        for area in (code, *[code[:4]] * with_municipalities):
                            for key in ((area, sex), (area, "T")):
                                counts[key] = counts.get(key, 0) + number
                small = {key for key, number in counts.items() if 0 < number < 5}
                others = [key for key in counts if len(key[0]) > 4 and key not in small]
                hidden = small | set(dice.sample(others, max(0, suppressed - len(small)))) if suppressed else set()
                for (area, sex), number in counts.items():
                    base = 1_000_000 if suppressed else 2_000
                    cells = ("", "", "", "Q") if (area, sex) in hidden else (100 * number / base, number, base, "A")
                    writer.writerow((area, kpi, year, sex, "T", *cells))
                    count += 1
    return count
