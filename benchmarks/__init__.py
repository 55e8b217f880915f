"""Speed and memory of whole commands, as ratios against a peer or a limit measured in the same run.

`python -m benchmarks` (which `make bench` runs) runs every module that `AREAS` names, in that order;
`python -m benchmarks validate` only that one, and the arguments after the name are the module's own
(`python -m benchmarks validate --rows 1000`, `python -m benchmarks validate --help`). With `--tiny`, alone or after a
name, each runs once at its smallest size, which shows that it runs and nothing else.

A benchmark of another area is one module beside the others, added to `AREAS` by one line, with a docstring whose first
line names its subject and

    TINY = ("--rows", "1000")

    def run(arguments: Sequence[str]) -> Iterator[Measured]: ...

`run` reads its own arguments (an empty list means a full run) and yields a `Measured` as soon as it is known (see
`benchmarks.measure`); `TINY` are the arguments of a tiny run. The dispatcher prints a line for each and, last, the
limits that were missed; the exit code is 1 if there are any. A tiny run has no limits.
"""

# name on the command line: module. The order is that of a run of all.
AREAS: dict[str, str] = {
    "validate": "benchmarks.validate",
    "disclosure": "benchmarks.disclosure",
    "integrity": "benchmarks.integrity",
    "emission": "benchmarks.emission",
    "ckan": "benchmarks.ckan",
    "publishing": "benchmarks.publishing",
    "endpoint": "benchmarks.endpoint",
    "scale": "benchmarks.scale",
}
