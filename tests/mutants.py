"""`make mutants`: changes of each rule of the translator, of which the corpus must notice one.

A rule is a function of publisher/columnar. One place of it is changed: a comparison, a condition, a constant, or a word
of its SQL; if that is not noticed, another one, up to four times. The changed module runs the corpus until a query has
another result. Unchanged, the results are those of Apache Jena but for listed differences
(tests/sparql/test_differential.py), so that such a query would fail there.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

PACKAGE = "vaven.publisher.columnar"
# Words of SQL, and what stands there instead.
SQL = {
    "LEFT JOIN": "JOIN", "UNION ALL": "UNION", "IS NOT NULL": "IS NULL", "IS NULL": "IS NOT NULL",
    "NOT EXISTS": "EXISTS", "IS NOT DISTINCT FROM": "=", "IS DISTINCT FROM": "=", "DISTINCT ": "", " AND ": " OR ",
    " OR ": " AND ", " DESC": " ASC", "NULLS FIRST": "NULLS LAST", "coalesce(": "nullif(", "min(": "max(",
    "max(": "min(", "sum(": "max(", "count(*)": "max(1)", "true": "false", "false": "true", "NULL": "0",
    " = ": " <> ", " <> ": " = ", " < ": " <= ", " + ": " - ", "NOT ": "", "LIMIT 1": "LIMIT 0",
}  # fmt: skip
OPERATORS: dict[type[ast.AST], str] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.In: "not in",
    ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
CAUGHT_SHARE = 0.95


@dataclass(frozen=True)
class Mutant:
    """A change of a module's source: `before` at an offset is replaced by `after`."""

    module: str
    function: str
    line: int
    offset: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.function}: {self.before!r} -> {self.after!r}"

    def apply(self, source: str) -> str:
        end = self.offset + len(self.before)
        assert source[self.offset : end] == self.before
        return source[: self.offset] + self.after + source[end:]


def mutants_of(module: str, source: str, each: int, seed: int) -> Iterator[Mutant]:
    """Yield up to `each` mutants of every function and method, at places that follow from the seed."""
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line.encode()))
    raw = source.encode()

    def position(line: int | None, column: int | None) -> int:
        """Return an offset in characters: ast counts bytes."""
        return len(raw[: lines[(line or 1) - 1] + (column or 0)].decode())

    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("__"):
            candidates = []
            for node in (inner for part in function.body for inner in ast.walk(part)):
                begin, end = (
                    position(getattr(node, line, None), getattr(node, column, None))
                    for line, column in (("lineno", "col_offset"), ("end_lineno", "end_col_offset"))
                )
                for offset, before, after in _changes(node, begin, source[begin:end]):
                    changed = Mutant(module, function.name, source.count("\n", 0, offset) + 1, offset, before, after)
                    if _compiles(changed.apply(source)):
                        candidates.append(changed)
            random.Random(f"{seed}{module}{function.name}").shuffle(candidates)
            yield from candidates[:each]


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _changes(node: ast.AST, begin: int, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the changes of a node: offset, text there, and what replaces it."""
    match node:
        case ast.If() | ast.IfExp():
            # The condition, negated.
            test = ast.unparse(node.test)
            if (at := text.find(test)) >= 0:
                yield begin + at, test, f"(not ({test}))"
        case ast.Compare(ops=[operator], left=left) if type(operator) in OPERATORS:
            right = ast.unparse(node.comparators[0])
            written = f"{ast.unparse(left)} {_sign(operator)} {right}"
            if text == written:
                yield begin, text, f"{ast.unparse(left)} {OPERATORS[type(operator)]} {right}"
        case ast.BoolOp():
            word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            if (at := text.find(f" {word} ")) >= 0:
                yield begin + at, f" {word} ", f" {other} "
        case ast.Constant(value=bool()):
            yield begin, text, str(not node.value)
        case ast.Constant(value=int()):
            yield begin, text, f"({text} + 1)"
        case ast.Constant(value=str()) if '"""' not in text:
            for word, other in SQL.items():
                yield from ((begin + m.start(), word, other) for m in re.finditer(re.escape(word), text))


def _sign(operator: ast.cmpop) -> str:
    comparison = ast.Compare(ast.Name("a"), [operator], [ast.Name("b")])
    return ast.unparse(comparison)[2:-2]


# --- the process that runs the corpus


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module with a mutant's source."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant, self._is_searching = mutant, False

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if name != f"{PACKAGE}.{self._mutant.module}" or self._is_searching:
            return None
        self._is_searching = True
        original = importlib.util.find_spec(name)
        self._is_searching = False
        assert original
        return importlib.util.spec_from_file_location(name, original.origin, loader=self)

    def exec_module(self, module: Any) -> None:
        source = Path(module.__file__).read_text("utf-8")
        exec(compile(self._mutant.apply(source), module.__file__, "exec"), module.__dict__)


def run_corpus(folder: str, mutant: Mutant | None, expected: dict[str, str]) -> dict[str, str]:
    """Return a digest of each query's result; with `expected`, end at the first other one, and return only that."""
    if mutant:
        sys.meta_path.insert(0, _Changed(mutant))
    from tests.sparql.corpus import corpus
    from tests.sparql.digests import digest
    from vaven.publisher.columns.open import Columns
    from vaven.publisher.sparql.query_facts import read_facts

    queries = [q for q in corpus() if read_facts(q.text).is_deterministic]
    random.Random(1).shuffle(queries)
    columns, results = Columns(Path(folder), 1024), dict[str, str]()
    for query in queries:
        if not expected or query.name in expected:
            result = digest(columns, query)
            if expected and result != expected[query.name]:
                return {query.name: result}
            results[query.name] = result
    return {} if expected else results


# --- the command


def run(modules: Sequence[str], each: int, seed: int, limit: int, report: Callable[[str], None]) -> float:
    """Run mutants of each rule until one is noticed; return the share of rules with one.

    Each mutant that was not noticed is reported.
    """
    from tests.sparql.release import publish_release
    from vaven.publisher.graph.snapshot import current_snapshot

    rules = dict[tuple[str, str], list[Mutant]]()
    for name in modules:
        source = (files(PACKAGE) / f"{name}.py").read_text("utf-8")
        for mutant in mutants_of(name, source, each, seed):
            rules.setdefault((name, mutant.function), []).append(mutant)
    drawn = list(rules.values())
    if limit:
        drawn = random.Random(seed).sample(drawn, min(limit, len(drawn)))
    with tempfile.TemporaryDirectory(prefix="vaven-mutants-") as folder:
        home = Path(folder) / "home"
        publish_release(home, 0)
        snapshot = current_snapshot(home / "graph")
        assert snapshot
        one, other = (_in_a_process(str(snapshot.folder), None, {}) for _ in range(2))
        expected = {name: result for name, result in one.items() if other.get(name) == result}
        report(f"{len(drawn)} rules, {len(expected)} of {len(one)} queries with one result")

        def is_noticed(mutants: Sequence[Mutant]) -> tuple[bool, int]:
            """Return whether a mutant of a rule is noticed, and how many were not."""
            for count, mutant in enumerate(mutants):
                if _in_a_process(str(snapshot.folder), mutant, expected):
                    return True, count
                report(f"not noticed: {mutant}")
            report(f"no mutant is noticed: {mutants[0].module} {mutants[0].function}")
            return False, len(mutants)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = list(pool.map(is_noticed, drawn))
    noticed = sum(outcome for outcome, _ in outcomes)
    survivors = sum(count for _, count in outcomes)
    share = f"{100 * noticed / len(drawn):.1f} %"
    report(f"{noticed} of {len(drawn)} rules noticed ({share}), {survivors} of {noticed + survivors} mutants not")
    return noticed / len(drawn)


def _in_a_process(folder: str, mutant: Mutant | None, expected: dict[str, str]) -> dict[str, str]:
    job = json.dumps({"folder": folder, "mutant": mutant and asdict(mutant), "expected": expected})
    command = [sys.executable, "-m", "tests.mutants", "--worker"]
    done = subprocess.run(command, input=job, capture_output=True, text=True, check=False)
    if done.returncode:
        # A change that ends its process is noticed.
        assert mutant, done.stderr
        return {"process": str(done.returncode)}
    outcome: dict[str, str] = json.loads(done.stdout)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--modules", nargs="*", help="modules of publisher/columnar instead of all")
    parser.add_argument("--each", type=int, default=4, help="most mutants of a rule, until one is noticed")
    parser.add_argument("--limit", type=int, default=0, help="at most so many rules, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.worker:
        job = json.load(sys.stdin)
        mutant = Mutant(**job["mutant"]) if job["mutant"] else None
        print(json.dumps(run_corpus(job["folder"], mutant, job["expected"])))
        return 0
    every = sorted(path.name[:-3] for path in files(PACKAGE).iterdir() if path.name.endswith(".py"))
    modules = options.modules or [name for name in every if name != "__init__"]
    share = run(modules, options.each, options.seed, options.limit, lambda line: print(line, flush=True))
    return int(share < CAUGHT_SHARE)


if __name__ == "__main__":
    sys.exit(main())
