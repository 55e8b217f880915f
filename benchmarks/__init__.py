"""Speed and memory of whole commands, as ratios against a peer or a limit measured in the same run.

`python -m benchmarks` (which `make bench` runs) runs every module that `AREAS` names, in that order;
`python -m benchmarks validate` only that one, and what follows the name are the module's own arguments
(`python -m benchmarks validate --rows 1000`, `python -m benchmarks validate --help`).

A benchmark of another area is one module beside the others, with a docstring whose first line says what it measures
and

    def run(arguments: Sequence[str]) -> Iterator[Measured]: ...

which reads its own arguments (an empty list means: what a default run shall show), yields a `Measured` as soon as it
is known (see `benchmarks.measure`), and is added to `AREAS` by one line. The dispatcher prints a line for each and,
last, which limits were missed; the exit code is 1 where one was.
"""

# name on the command line: module. The order is that of a run of all.
AREAS: dict[str, str] = {
    "validate": "benchmarks.validate",
    "integrity": "benchmarks.integrity",
    "emission": "benchmarks.emission",
    "ckan": "benchmarks.ckan",
    "publishing": "benchmarks.publishing",
    "endpoint": "benchmarks.endpoint",
}
