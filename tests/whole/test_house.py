"""The code follows our conventions: imports, names, messages, help, packaging, documentation."""

import ast
import configparser
import re
import shlex
import shutil
import string
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT, SAMPLE, Serving, environment, free_port, vaven
from vaven.catalogue.cli.main import build_parser
from vaven.publisher.integrity.run import CODES as INTEGRITY
from vaven.publisher.metadata.rules import rule_texts
from vaven.publisher.releases.answers import UNANSWERED
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.sparql.error_text import AFTER, GROUPS, INSTEAD
from vaven.publisher.sparql.grammar import FUNCTIONS
from vaven.schemas.check import RULE_MODULES
from vaven.schemas.rules.registry import READING_RULES, RULES, SCHEMA_RULES
from vaven.schemas.tableschema.check import OTHER, SENTENCES, code_of
from vaven.vocab.messages import messages

ROOMS = ("vocab", "schemas", "publisher", "catalogue")
FORBIDDEN_NAMES = ("utils", "util", "helpers", "helper", "common", "misc")
BANNED_NAMES = ROOT / "tests" / "banned_names.txt"
# Each line but the last three assigns banned names, each in another way.
BANNED_SOURCE = """\
found = 1
async def told(*, given=None, **_kept): pass
class Answer: listed: int
self.asked, [*faults] = 1, 2
import json as whole
match 1:
    case [said, *places] | {"a": 1, **entries}: pass
try: hits = [lambda turn: made for made in ()]
except ValueError as late: pass
print(stem, key.piece, f(thing=1), packed[0])
del shown
rows = response = 1
"""
BAD_OPENING = re.compile(r"(What|Who|Whom|Whose|Whether|Those|That|Such|How|Why|Where|When|Which)\b")


def modules() -> list[tuple[str, str, Path]]:
    """Return room, module name inside it and path of every Python file but migrations, which Alembic loads."""
    return [
        (room, ".".join(path.relative_to(ROOT / room).with_suffix("").parts), path)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def documented_code() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path and the syntax tree of every Python file of the rooms, the benchmarks and the tests."""
    for folder in (*ROOMS, "benchmarks", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def assigned_names(node: ast.AST) -> tuple[str | None, ...]:
    """Return the names that a node itself assigns, not the nodes in it."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return (name,)
        case ast.arg(arg=name) | ast.alias(asname=name) | ast.MatchMapping(rest=name):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.MatchAs(name=name) | ast.MatchStar(name=name) | ast.ExceptHandler(name=name):
            return (name,)
    return ()


def banned_assignments(tree: ast.Module) -> list[tuple[int, str]]:
    """Return line and name of each assignment of a name that the list bans, in the order of the lines."""
    banned = {line for line in BANNED_NAMES.read_text("utf-8").splitlines() if line and not line.startswith("#")}
    assignments = ((node, name) for node in ast.walk(tree) for name in assigned_names(node) if name)
    return sorted((getattr(node, "lineno", 0), name) for node, name in assignments if name.strip("_").lower() in banned)


def bad_docstrings(tree: ast.Module) -> list[tuple[int, str]]:
    """Return line and first line of each docstring that begins with a relative or interrogative word."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = ((node, ast.get_docstring(node) or "") for node in ast.walk(tree) if isinstance(node, kinds))
    return [(getattr(node, "lineno", 1), text.split("\n")[0]) for node, text in documented if BAD_OPENING.match(text)]


def packages(room: str) -> tuple[str, ...]:
    """Return the packages and modules of a room in the order of its `__init__`."""
    names: tuple[str, ...] = import_module(f"vaven.{room}").PACKAGES
    return names


def top_level(room: str) -> set[str]:
    return {name.split(".")[0] for own, name, _ in modules() if own == room} - {"__init__"}


def classes() -> dict[str, list[str]]:
    """Return the modules that define each public class name."""
    defined: dict[str, list[str]] = {}
    for room, name, path in modules():
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                defined.setdefault(node.name, []).append(f"{room}.{name}")
    return defined


@pytest.mark.parametrize(("room", "name", "path"), modules(), ids=lambda value: str(value).rsplit("/", 1)[-1])
def test_rooms_import_only_from_lower_rooms(room: str, name: str, path: Path) -> None:
    allowed = ROOMS[: ROOMS.index(room) + 1]
    for target in imports(path):
        if target.startswith("vaven."):
            assert target.split(".")[1] in allowed, f"{path.name} imports {target}"
        assert target.split(".")[0] not in ROOMS, f"{path.name} imports the bare name {target}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_its_packages_and_imports_follow_that_order(room: str) -> None:
    names = packages(room)
    assert set(names) == top_level(room)
    assert len(names) == len(set(names)) <= 18
    for own, name, path in modules():
        top = name.split(".")[0]
        if own != room or top == "__init__":
            continue
        for target in imports(path):
            parts = target.split(".")
            if parts[:2] == ["vaven", room] and len(parts) > 2 and parts[2] in names and parts[2] != top:
                assert names.index(parts[2]) < names.index(top), f"{room}/{name} imports {target}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_one_level_of_packages_of_at_most_fifteen_modules(room: str) -> None:
    folders = [path.parent.relative_to(ROOT / room).parts for own, _, path in modules() if own == room]
    assert all(len(folder) <= 1 for folder in folders)
    for folder in set(folders):
        names = [path.stem for path in ROOT.joinpath(room, *folder).glob("*.py") if path.stem != "__init__"]
        assert len(names) <= 15, f"{room}/{'/'.join(folder)} has {len(names)} modules"


def test_a_package_of_code_has_at_least_two_modules_and_a_docstring() -> None:
    for room, name, path in modules():
        if path.stem != "__init__" or name == "__init__":
            continue
        is_data = any(entry.suffix not in (".py", ".typed", "") for entry in path.parent.iterdir())
        assert is_data or len(list(path.parent.glob("*.py"))) > 2, f"{room}/{name}"
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), f"{room}/{name}"


def test_no_imports_inside_a_package_form_a_cycle() -> None:
    imported: dict[str, set[str]] = {}
    known = {f"vaven.{room}.{name.removesuffix('.__init__')}" for room, name, _ in modules()}
    for room, name, path in modules():
        own = f"vaven.{room}.{name.removesuffix('.__init__')}"
        imported[own] = {target for target in imports(path) if target in known and target != own}
    # A room's `__init__` re-exports lazily, and is no part of the order.
    for room in ROOMS:
        imported.pop(f"vaven.{room}.__init__", None)
    list(TopologicalSorter(imported).static_order())


def test_each_public_class_name_occurs_once() -> None:
    assert {name: owners for name, owners in classes().items() if len(owners) > 1} == {}


def test_no_private_name_is_used_in_another_package() -> None:
    for room, name, path in modules():
        own = f"vaven.{room}.{name.rsplit('.', 1)[0]}" if "." in name else f"vaven.{room}"
        for target in imports(path):
            if target.startswith("vaven.") and any(part.startswith("_") for part in target.split(".")):
                assert target.startswith(f"{own}."), f"{room}/{name} imports {target}"


def test_no_module_has_a_meaningless_name() -> None:
    assert [path for _, name, path in modules() if name.split(".")[-1] in FORBIDDEN_NAMES] == []


def test_no_assigned_name_is_on_the_list_of_banned_names() -> None:
    assert banned_assignments(ast.parse(BANNED_SOURCE)) == [
        (1, "found"), (2, "_kept"), (2, "given"), (2, "told"), (3, "Answer"), (3, "listed"), (4, "asked"),
        (4, "faults"), (5, "whole"), (7, "entries"), (7, "places"), (7, "said"), (8, "hits"), (8, "made"), (8, "turn"),
        (9, "late"),
    ]  # fmt: skip
    banned = [f"{path}:{line}: {name}" for path, tree in documented_code() for line, name in banned_assignments(tree)]
    assert not banned, "\n".join(banned)


def test_no_docstring_begins_with_a_relative_or_interrogative_word() -> None:
    openings = ("What it is.", "Whether it is.", "Whatever.", "Thatch.", "\n    Who is it?\n    ", "Return what is.")
    source = "".join(f'class C{i}:\n    """{text}"""\n' for i, text in enumerate(openings))
    nested = '"""Those.\n\nThey are."""\ndef f():\n    async def g():\n        """Such as it is."""\n'
    assert [text for _, text in bad_docstrings(ast.parse(source))] == ["What it is.", "Whether it is.", "Who is it?"]
    assert bad_docstrings(ast.parse(nested)) == [(1, "Those."), (5, "Such as it is.")]
    bad = [f"{path}:{line}: {text}" for path, tree in documented_code() for line, text in bad_docstrings(tree)]
    assert not bad, "\n".join(bad)


def test_validating_does_not_load_flask() -> None:
    script = "import sys; from vaven.schemas import validate; validate; print('flask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr


def test_reading_a_command_line_loads_no_engine() -> None:
    """A small file is checked in the time that Python takes to start, so commands import their libraries late."""
    script = "import sys; from vaven.catalogue.cli.main import build_parser; build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    engines = {"alembic", "sqlalchemy", "flask", "rdflib", "pyoxigraph", "ckanapi", "requests", "duckdb"}
    assert engines & set(done.stdout.split()) == set()


def test_the_served_app_loads_slow_libraries_only_when_needed(tmp_path: Path) -> None:
    """The log has all imports of `vaven serve`, its query workers and its consumer until the first request."""
    Records(Settings(home=tmp_path).database).close()
    port = free_port()
    with Serving(tmp_path, port, environment(tmp_path, port, PYTHONPROFILEIMPORTTIME="1")):
        pass
    log = (tmp_path / "serve.log").read_text()
    modules = {line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")}
    assert {"flask", "vaven.catalogue.app"} <= modules
    assert {"frictionless"} & modules == set()


@pytest.mark.parametrize("room", ROOMS)
def test_every_message_exists_in_both_languages_with_the_same_fields(room: str) -> None:
    swedish, english = messages("sv", room).texts, messages("en", room).texts
    assert swedish.keys() == english.keys()
    for key, text in swedish.items():
        assert text.strip(), key
        assert _fields(text) == _fields(english[key]), key


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_rule_has_messages_and_every_message_a_rule() -> None:
    assert RULE_MODULES
    codes = {*RULES, *SCHEMA_RULES, *READING_RULES, *INTEGRITY, UNANSWERED}
    texts = rule_texts("sv").texts
    rule_codes = {key.split(".")[1] for key in texts}
    reading = {code for code in rule_codes if code.startswith(("assumed-", "not-readable-", "sheet-"))}
    described = {code_of(kind) for kind in (*SENTENCES, OTHER)}
    assert codes | described == rule_codes - reading
    used = "\n".join(path.read_text("utf-8") for _, _, path in modules())
    assert {code for code in reading if f'"{code}"' not in used} == set()
    for code in rule_codes:
        assert {f"rule.{code}.{part}" for part in ("title", "message", "remedy")} <= texts.keys(), code


def test_every_text_that_a_page_uses_exists() -> None:
    known = messages("sv", "catalogue").texts
    for path in (ROOT / "catalogue" / "templates").rglob("*.html"):
        for key in re.findall(r"""\bt\(["']([a-z0-9_.-]+)["'](?=[,)])""", path.read_text("utf-8")):
            assert key in known, f"{path.name} asks for {key}"


def test_every_message_about_queries_exists_and_is_used() -> None:
    known = {key.removeprefix("query.") for key in messages("en", "publisher").texts if key.startswith("query.")}
    code = "\n".join(path.read_text("utf-8") for _, _, path in modules())
    assert set(re.findall(r'\bquery_message\(\s*"([^"]+)"', code)) <= known
    # By what a query has at the place: a keyword, a function, a thing of the grammar.
    computed = {f"after.{word}" for word in AFTER} | {f"arguments.{terminal}" for terminal in FUNCTIONS.values()}
    computed |= {f"thing.{name}" for *_, name in GROUPS if name.islower()}
    computed |= {f"instead.{word}" for word, instead in INSTEAD.items() if not instead}
    assert computed <= known
    assert {key for key in known - computed if f'"{key}"' not in code} == set()


def test_every_command_has_help() -> None:
    subcommands = next(
        a for a in build_parser()._actions if a.dest == "==SUPPRESS==" or (hasattr(a, "choices") and a.choices)
    )
    names = list(subcommands.choices or ())
    assert set(names) >= {"validate", "publish", "serve", "demo", "kpis", "template"}
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in names:
        done = vaven(name, "--help")
        assert done.returncode == 0
        assert len(done.stdout) > 100
        assert f"vaven {name}" in readme, f"README does not name `vaven {name}`"


def test_every_command_line_of_the_readme_runs(tmp_path: Path) -> None:
    """Run each command line of the README that ends by itself and needs no CKAN.

    Serving and watching run in test_whole_way, in `make demo` and in test_watch, and those of CKAN in test_ckan.
    """
    readme = (ROOT / "README.md").read_text("utf-8")
    lines = [shlex.split(line, comments=True) for line in readme.splitlines() if line.startswith("vaven ")]
    shutil.copy(SAMPLE / "exempel.xlsx", tmp_path / "FILE")
    (tmp_path / "TABLE").write_text("id,name\n1,a\n")
    (tmp_path / "SCHEMA").write_text('{"fields": [{"name": "id", "type": "integer"}, {"name": "name"}]}')
    run = [line for line in lines if line[1] not in ("serve", "jobs", "demo", "ckan") and "--watch" not in line]
    assert len(run) >= 6
    for line in run:
        done = vaven(*line[1:], environment=environment(tmp_path / "home", 8000), folder=tmp_path)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_readme_names_existing_targets_and_files() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "make demo" in readme
    assert "make test" in readme
    for target in re.findall(r"\]\(((?!http)[^)#]+)", readme):
        assert (ROOT / target).exists(), f"README links to {target}"


def test_packaging_names_every_package_and_every_dependency_is_used() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = set(setup["options"]["packages"].split())
    folders = {path.parent for _, _, path in modules() if path.name == "__init__.py"}
    assert packages == {"vaven." + ".".join(f.relative_to(ROOT).parts) for f in folders}
    names = {"fsspec": "fsspec", "python-calamine": "python_calamine", "sqlarchemy": "sqlalchemy"}
    needed = {re.split(r"[\[>=<]", line)[0] for line in setup["options"]["install_requires"].split("\n") if line}
    used = {target.split(".")[0].lower() for _, _, path in modules() for target in imports(path)}
    for name in needed:
        assert names.get(name, name.replace("-", "_")).lower() in used, f"{name} is required but never imported"


def test_settings_documented_in_the_readme() -> None:
    from dataclasses import fields

    configuration = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for field in fields(Settings):
        assert f"VAVEN_{field.name.upper()}" in configuration, field.name


def test_every_requirement_is_pinned() -> None:
    pinned = {
        line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].split() + setup["options.extras_require"]["test"].split()
    assert {re.split(r"[\[>=<]", line)[0].lower().replace("_", "-") for line in lines} <= {
        p.replace("_", "-") for p in pinned
    }


def test_every_requirement_has_a_lowest_version_and_an_upper_limit() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    lines = [setup["options"]["install_requires"], *(extras[name] for name in extras)]
    for requirement in map(Requirement, filter(None, "\n".join(lines).splitlines())):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">=", "<"}, requirement


def forbidden(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """Yield each requirement, direct or indirect, of a package that the installed versions do not fulfil."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    for requirement in map(Requirement, requires(name) or ()):
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            continue
        if not requirement.specifier.contains(version(requirement.name), prereleases=True):
            yield f"{name}: {requirement}, installed is {version(requirement.name)}"
        yield from forbidden(requirement.name, frozenset(requirement.extras), seen)


def test_pins_are_the_installed_versions_and_are_compatible() -> None:
    """A pin that another package forbids breaks only a new installation; an existing one continues to work."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    assert not {name: version(name) for name, pin in pinned.items() if version(name) != pin}
    assert not list(forbidden("vaven", frozenset({"test"}), set()))


def test_toml_files_parse() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["strict"] is True
