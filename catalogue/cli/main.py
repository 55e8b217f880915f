"""The command line, whose commands `vaven --help` lists.

Exit codes: 0 valid or done, 1 invalid, 2 not checked or wrong use. A file of arguments and printing only.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

from vaven.catalogue.cli import operations
from vaven.catalogue.cli.read_options import add_read_options, read_options
from vaven.schemas.standard.finding import Report, Verdict
from vaven.schemas.standard.read_options import ReadOptions
from vaven.vocab.errors import DiskFull, NotReadable, WrongUse, for_people
from vaven.vocab.messages import DEFAULT_LANGUAGE, LANGUAGES

SOURCES = "CSV, XLSX, XLS, ODS, PC-Axis, JSON, JSON-stat, Parquet, gzip or zip of them, or a data package"
FORMS = ("text", "json", "html", "sarif", "frictionless", "xlsx")
Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    command: Command = arguments.command
    try:
        with _temporary_files(command):
            return command(arguments)
    except BrokenPipeError:
        # The reader of the output has ended, as in `vaven kpis | head`.
        sys.stderr.close()
        return 0
    except Exception as cause:
        error = for_people(cause)
        if error is None:
            raise
        if isinstance(error, DiskFull):
            # Closing other files fails on the same full disk, and would print tracebacks.
            sys.unraisablehook = lambda _: None
        print(f"vaven: {error.text(arguments.lang)}", file=sys.stderr)
        return 2 if isinstance(error, WrongUse | NotReadable) else 1


def _temporary_files(command: Command) -> AbstractContextManager[None]:
    """Put the temporary files of commands that have a data folder below it: their disk is the one to watch."""
    if command in (_validate, _fix, _kpis, _template):
        return nullcontext()
    from vaven.publisher.settings import load_settings
    from vaven.schemas.isolation import temporary_files_in

    return temporary_files_in(load_settings().home / "tmp")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vaven", description="Väven: open data on social effects in neighbourhoods.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    language = argparse.ArgumentParser(add_help=False)
    language.add_argument("--lang", choices=LANGUAGES, default=DEFAULT_LANGUAGE, help="language of the output")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        command_parser = commands.add_parser(name, help=text, description=text, parents=[language])
        command_parser.set_defaults(command=command)
        return command_parser

    check = add("validate", _validate, "Check files, workbooks or data packages against the standard.")
    check.add_argument("files", type=Path, nargs="+", metavar="FILE", help=SOURCES)
    text = "form of the report; xlsx is your file with comments"
    check.add_argument("--format", choices=FORMS, default="text", help=text)
    check.add_argument("--output", type=Path, help="where to write it; default is standard output, or a new .xlsx")
    check.add_argument("--schema", type=Path, help="a Table Schema (JSON) to check a table against instead")
    check.add_argument("--watch", action="store_true", help="check again whenever the file changes, until Ctrl-C")
    add_read_options(check)

    fix = add("fix", _fix, "Write a corrected copy of a file, with every fix that is safe; the file stays as it is.")
    fix.add_argument("file", type=Path, help=SOURCES)
    fix.add_argument("--output", type=Path, help="where to write it; default is a new file beside the original")
    add_read_options(fix)

    publish = add("publish", _publish, "Check a submission and publish it as a new version of its dataset.")
    publish.add_argument("file", type=Path, help=SOURCES)
    publish.add_argument("--dataset", metavar="SLUG", help="short name of the dataset; default is the submission's own")
    publish.add_argument("--note", default="", help="what is new in this version")
    text = "why the file may be published although there was no time to rule out disclosure; the receipt repeats it"
    publish.add_argument("--accept-undecided", metavar="TEXT", help=text)
    add_read_options(publish)

    withdraw = add("withdraw", _withdraw, "Take a version, or a whole dataset, back; a tombstone says why.")
    withdraw.add_argument("dataset", metavar="DATASET", help="short name of the dataset")
    withdraw.add_argument("version", type=int, nargs="?", metavar="VERSION", help="default is all its versions")
    withdraw.add_argument("--reason", required=True, metavar="TEXT", help="why; readers will see it")

    operations.add_commands(add)

    serve = add("serve", _serve, "Serve the catalogue.")
    _add_address(serve)

    jobs = add("jobs", _jobs, "Do the work that web processes queue; serve does it beside itself.")
    jobs.add_argument("--with-parent", type=int, metavar="PID", help=argparse.SUPPRESS)

    demo = add("demo", _demo, "Publish the sample submission and serve the catalogue.")
    _add_address(demo)

    kpis = add("kpis", _kpis, "List the KPIs of the register.")
    kpis.add_argument("--theme", help="only those of one theme")

    template = add("template", _template, "Write an Excel template of a submission.")
    template.add_argument("file", type=Path, nargs="?", help="where to write it; default vaven-mall.xlsx")
    template.add_argument("--kommun", metavar="CODE", help="fill in the areas of a municipality, e.g. 0180")
    from vaven.catalogue.cli.ckan import add_commands

    text = "Work with a CKAN instance: check it, push to it, withdraw from it."
    add_commands(commands.add_parser("ckan", help=text, description=text), language)
    return parser


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")


def _validate(arguments: argparse.Namespace) -> int:
    options = read_options(arguments)
    if arguments.output and len(arguments.files) > 1:
        raise WrongUse("catalogue.one-output")
    if arguments.schema and (others := options.non_default.keys() - {"sheet"}):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(others))
        raise WrongUse("catalogue.options-with-schema", options=names)
    if arguments.watch:
        from vaven.catalogue.cli.watch import watch

        return watch(arguments.files, lambda path: _validate_one(arguments, path, options))
    return max(_validate_one(arguments, path, options) for path in arguments.files)


def _validate_one(arguments: argparse.Namespace, path: Path, options: ReadOptions) -> int:
    from vaven.publisher.settings import load_settings
    from vaven.schemas.early_fork import take
    from vaven.schemas.isolation import isolated, validate_isolated

    thresholds = load_settings().thresholds

    def load_report(_stage: str, _share: float) -> None:
        """Load what prints the report while the fork checks the file."""
        from vaven.schemas.reports import text_and_json
        from vaven.vocab.messages import messages

        _ = text_and_json, messages(arguments.lang, "schemas")

    report = validate_isolated(
        path,
        run=partial(isolated, early=take()),
        schema=arguments.schema,
        choices=options,
        thresholds=thresholds,
        progress=load_report,
    )
    # Only a file checked against the standard gets comments; a report by another schema is text.
    if arguments.format == "xlsx" and report.standard_version and report.verdict != Verdict.NOT_CHECKED:
        _write_annotated(arguments, path, report)
    else:
        form = "text" if arguments.format == "xlsx" else arguments.format
        _print_report(report, arguments.lang, form, arguments.output, path)
    return report.verdict.exit_code


def _write_annotated(arguments: argparse.Namespace, path: Path, report: Report) -> None:
    """Write the partner's file with comments to a new file, never over the original."""
    from vaven.schemas.isolation import isolated
    from vaven.schemas.reports.annotated_workbook import annotate

    ending = {"sv": "kontrollerad", "en": "checked"}[arguments.lang]
    target = arguments.output or path.with_name(f"{path.stem}-{ending}.xlsx")
    if target.exists() and target.samefile(path):
        raise WrongUse("catalogue.output-is-input")
    choices = read_options(arguments)
    print(isolated(path, lambda _: annotate(path, report, target, language=arguments.lang, choices=choices)))


def _fix(arguments: argparse.Namespace) -> int:
    """Apply the safe fixes, print them, and return the verdict on the copy."""
    from vaven.publisher.settings import load_settings
    from vaven.schemas.isolation import isolated, validate_isolated
    from vaven.schemas.reports.fix import ALL, fix, target_name
    from vaven.vocab.messages import messages

    options, t, thresholds = read_options(arguments), messages(arguments.lang, "schemas"), load_settings().thresholds
    file = arguments.file
    report = validate_isolated(file, choices=options, thresholds=thresholds, max_findings=ALL)
    if report.verdict == Verdict.NOT_CHECKED:
        _print_report(report, arguments.lang)
        return report.verdict.exit_code
    target = arguments.output or file.with_name(isolated(file, lambda _: target_name(file, t("fix.ending"))))
    fixed = isolated(file, lambda _: fix(file, report, target, choices=options))
    for finding in fixed:
        new = finding.fix.text if finding.fix else ""
        print("  " + t("fix.cell", cell=finding.address, old=finding.text or "", new=new))
    if not fixed:
        print(t("fix.nothing"))
        return report.verdict.exit_code
    print(t("fix.written", count=len(fixed), file=target))
    copy_report = validate_isolated(target, choices=options, thresholds=thresholds)
    _print_report(copy_report, arguments.lang)
    return copy_report.verdict.exit_code


def _print_report(
    report: Report, language: str, form: str = "text", output: Path | None = None, path: Path | None = None
) -> None:
    # Each format is imported when needed: most checks print plain text.
    if form == "text":
        from vaven.catalogue.cli.next_commands import next_commands
        from vaven.schemas.reports.text_and_json import as_text

        text = as_text(report, language, colour=not output and _has_colours()) + next_commands(report, language)
    elif form == "sarif":
        from vaven.schemas.reports.sarif import as_sarif

        # Code hosts identify a file by its path in the repository, where the command runs.
        is_below = path is not None and not path.is_absolute() and ".." not in path.parts
        text = as_sarif(report, language, path=path.as_posix() if path and is_below else "")
    else:
        from vaven.schemas.reports.formats import render

        text = render(form, report, language)
    if output:
        output.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)


def _has_colours() -> bool:
    """Follow the conventions of many programs: no-color.org, force-color.org."""
    variable = os.environ.get
    return not variable("NO_COLOR") and (sys.stdout.isatty() or bool(variable("FORCE_COLOR")))


def _publish(arguments: argparse.Namespace) -> int:
    from vaven.publisher.publish import SubmissionRefused, publish
    from vaven.publisher.settings import load_settings
    from vaven.schemas.check import not_checked
    from vaven.vocab.messages import messages

    t = messages(arguments.lang, "catalogue")
    try:
        publication = publish(
            arguments.file,
            load_settings(),
            dataset=arguments.dataset,
            note=arguments.note,
            choices=read_options(arguments),
            accept_undecided=arguments.accept_undecided,
            progress=lambda step: print(f"… {t(f'cli.step.{step}')}", file=sys.stderr, flush=True),
        )
    except SubmissionRefused as refused:
        _print_report(refused.report, arguments.lang)
        return refused.report.verdict.exit_code
    except NotReadable as reason:
        _print_report(not_checked(arguments.file, reason), arguments.lang)
        return Verdict.NOT_CHECKED.exit_code
    _print_report(publication.report, arguments.lang)
    key = "cli.published" if publication.is_new else "cli.unchanged"
    print(t(key, dataset=publication.dataset, version=publication.version))
    return 0


def _withdraw(arguments: argparse.Namespace) -> int:
    from vaven.publisher.settings import load_settings
    from vaven.publisher.withdraw import withdraw
    from vaven.vocab.messages import messages

    t = messages(arguments.lang, "catalogue")
    withdrawal = withdraw(load_settings(), arguments.dataset, arguments.version, reason=arguments.reason)
    if not withdrawal.versions:
        print(t("cli.withdrawn-already"))
        return 0
    numbers = ", ".join(map(str, withdrawal.versions))
    print(t("cli.withdrawn", dataset=withdrawal.dataset, versions=numbers))
    if withdrawal.current:
        print(t("cli.current", version=withdrawal.current))
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from vaven.catalogue.cli.server import serve
    from vaven.publisher.settings import load_settings

    return serve(load_settings(), arguments.host, arguments.port, arguments.lang)


def _jobs(arguments: argparse.Namespace) -> int:
    from vaven.catalogue.validation.jobs import consume
    from vaven.publisher.settings import load_settings

    consume(load_settings(), with_parent=arguments.with_parent)
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    with as_file(files("vaven.catalogue") / "sample") as sample:
        publish = ["publish", str(sample / "exempel.xlsx"), "--lang", arguments.lang]
        code = _publish(build_parser().parse_args(publish))
    return code or _serve(arguments)


def _kpis(arguments: argparse.Namespace) -> int:
    from vaven.vocab.register import kpis, themes

    if arguments.theme and arguments.theme not in themes():
        raise WrongUse("catalogue.no-theme", theme=arguments.theme, themes=tuple(themes()))
    for kpi in kpis().values():
        if arguments.theme in (None, kpi.theme):
            print(f"{kpi.id:32} {kpi.text(arguments.lang)} ({kpi.unit(arguments.lang)})")
    return 0


def _template(arguments: argparse.Namespace) -> int:
    from vaven.schemas.reports.template import write_template

    path = arguments.file or Path("vaven-mall.xlsx" if arguments.lang == "sv" else "vaven-template.xlsx")
    write_template(path, language=arguments.lang, kommun=arguments.kommun)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
