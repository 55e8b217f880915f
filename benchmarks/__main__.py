"""`make bench`: every benchmark with its limit; `python -m benchmarks NAME …` one of them, with its own arguments."""

import importlib
import sys
from collections.abc import Sequence

from benchmarks import AREAS
from benchmarks.measure import Measured

HELP = "python -m benchmarks [NAME [ARGUMENTS …]]\n\nWithout a name, every one of these in turn:\n"


def main(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in ("-h", "--help"):
        print(HELP + "\n".join(f"  {name:12} {_about(name)}" for name in AREAS))
        return 0
    if arguments and arguments[0] not in AREAS:
        print(f"There is no benchmark called {arguments[0]!r}; there are: {', '.join(AREAS)}.", file=sys.stderr)
        return 2
    names = [arguments[0]] if arguments else list(AREAS)
    missed = [seen for name in names for seen in _run(name, arguments[1:]) if seen.met is False]
    print("\nAll limits are met." if not missed else "\nMissed:\n" + "\n".join(map(str, missed)))
    return 1 if missed else 0


def _run(name: str, arguments: Sequence[str]) -> list[Measured]:
    print(f"\n{name}: {_about(name)}", flush=True)
    seen = []
    for measured in importlib.import_module(AREAS[name]).run(arguments):
        print(measured, flush=True)
        seen.append(measured)
    return seen


def _about(name: str) -> str:
    return (importlib.import_module(AREAS[name]).__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
