"""`make bench`: every benchmark with its limits; `python -m benchmarks NAME …` one of them, with its own arguments."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks import AREAS
from benchmarks.measure import Measured

HELP = "python -m benchmarks [NAME] [--tiny | ARGUMENTS …]\n\nWithout a name, every one of these in turn:\n"


def main(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in ("-h", "--help"):
        print(HELP + "\n".join(f"  {name:12} {_title(name)}" for name in AREAS))
        return 0
    name, options = (arguments[0], arguments[1:]) if arguments and arguments[0] != "--tiny" else ("", arguments)
    if name and name not in AREAS:
        print(f"There is no benchmark called {name!r}; there are: {', '.join(AREAS)}.", file=sys.stderr)
        return 2
    results = [result for area in ([name] if name else AREAS) for result in _run(area, options)]
    missed = [result for result in results if result.met is False]
    if missed:
        print("\nMissed:\n" + "\n".join(map(str, missed)))
    elif any(result.met for result in results):
        print("\nAll limits are met.")
    return 1 if missed else 0


def _run(name: str, options: Sequence[str]) -> Iterator[Measured]:
    print(f"\n{name}: {_title(name)}", flush=True)
    module = importlib.import_module(AREAS[name])
    is_tiny = list(options) == ["--tiny"]
    for measured in module.run(module.TINY if is_tiny else options):
        result = replace(measured, limit=None) if is_tiny else measured
        print(result, flush=True)
        yield result


def _title(name: str) -> str:
    return (importlib.import_module(AREAS[name]).__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
