"""The command line: `vaven validate | publish | serve | demo | kpis | template`.

Exit codes: 0 valid or done, 1 invalid, 2 not checked or wrong use. A file of arguments and printing only.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from pathlib import Path

from vaven.schemas.finding import Report, Verdict
from vaven.vocab.errors import NotReadable, VavenError, WrongUse
from vaven.vocab.messages import DEFAULT_LANGUAGE, LANGUAGES

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    given = parser.parse_args(arguments)
    command: Command = given.command
    try:
        return command(given)
    except WrongUse as error:
        print(f"vaven: {error}", file=sys.stderr)
        return 2
    except VavenError as error:
        print(f"vaven: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output went away, e.g. `vaven kpis | head`; that is its right.
        sys.stderr.close()
        return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vaven", description="Väven: open data on social effects in neighbourhoods.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    language = argparse.ArgumentParser(add_help=False)
    language.add_argument("--lang", choices=LANGUAGES, default=DEFAULT_LANGUAGE, help="language of the output")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, parents=[language])
        made.set_defaults(command=command)
        return made

    check = add("validate", _validate, "Check a file, workbook or data package against the standard.")
    check.add_argument("file", type=Path, help="CSV, XLSX, datapackage.json, its folder or its zip")
    forms = ("text", "json", "sarif", "xlsx")
    check.add_argument(
        "--format", choices=forms, default="text", help="form of the report; xlsx is your file with comments"
    )
    check.add_argument("--output", type=Path, help="where to write it; default is standard output, or a new .xlsx")

    send = add("publish", _publish, "Check a submission and publish it as a new version of its dataset.")
    send.add_argument("file", type=Path, help="CSV, XLSX, datapackage.json, its folder or its zip")
    send.add_argument("--dataset", metavar="SLUG", help="short name of the dataset; default is the submission's own")
    send.add_argument("--note", default="", help="what is new in this version")

    serve = add("serve", _serve, "Serve the catalogue.")
    _add_address(serve)

    demo = add("demo", _demo, "Publish the sample submission and serve the catalogue.")
    _add_address(demo)

    listing = add("kpis", _kpis, "List the KPIs of the register.")
    listing.add_argument("--theme", help="only those of one theme")

    template = add("template", _template, "Write an Excel template of a submission.")
    template.add_argument("file", type=Path, nargs="?", help="where to write it; default vaven-mall.xlsx")
    template.add_argument("--kommun", metavar="CODE", help="fill in the areas of a municipality, e.g. 0180")
    return parser


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")


def _validate(given: argparse.Namespace) -> int:
    from vaven.schemas.check import validate

    report = validate(given.file)
    if given.format == "xlsx" and report.verdict != Verdict.NOT_CHECKED:
        _hand_back(given, report)
    else:
        _print_report(report, given.lang, given.format, given.output)
    return report.verdict.exit_code


def _hand_back(given: argparse.Namespace, report: Report) -> None:
    """Write the partner's file with comments beside the original, never over it."""
    from vaven.schemas.annotate import annotate

    ending = {"sv": "kontrollerad", "en": "checked"}[given.lang]
    target = given.output or given.file.with_name(f"{given.file.stem}-{ending}.xlsx")
    if target.exists() and target.samefile(given.file):
        raise WrongUse("That would overwrite the file itself.", remedy="Name another file with --output.")
    print(annotate(given.file, report, target, language=given.lang))


def _print_report(report: Report, language: str, form: str = "text", output: Path | None = None) -> None:
    from vaven.schemas.report import as_json, as_text
    from vaven.schemas.sarif import as_sarif

    if form == "json":
        text = as_json(report, language)
    elif form == "sarif":
        text = as_sarif(report, language)
    else:
        text = as_text(report, language, colour=output is None and sys.stdout.isatty())
    if output:
        output.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)


def _publish(given: argparse.Namespace) -> int:
    from vaven.publisher.publish import Refused, publish
    from vaven.publisher.settings import load_settings
    from vaven.schemas.check import not_checked

    try:
        done = publish(
            given.file,
            load_settings(),
            dataset=given.dataset,
            note=given.note,
            progress=lambda step: print(f"… {step}", file=sys.stderr, flush=True),
        )
    except Refused as refused:
        _print_report(refused.report, given.lang)
        return refused.report.verdict.exit_code
    except NotReadable as reason:
        _print_report(not_checked(given.file, reason), given.lang)
        return Verdict.NOT_CHECKED.exit_code
    _print_report(done.report, given.lang)
    words = {
        ("sv", True): f"Publicerad: {done.dataset}, version {done.version}.",
        ("sv", False): f"Oförändrad: {done.dataset}, version {done.version}, har redan detta innehåll.",
        ("en", True): f"Published: {done.dataset}, version {done.version}.",
        ("en", False): f"Unchanged: {done.dataset}, version {done.version}, has this content already.",
    }
    print(words[given.lang, done.is_new])
    return 0


def _serve(given: argparse.Namespace) -> int:
    from waitress import create_server

    from vaven.catalogue.app import create_app
    from vaven.publisher.settings import load_settings

    app = create_app(load_settings())
    try:
        # One query may hold a thread until its deadline, so pages need threads of their own.
        server = create_server(app, host=given.host, port=given.port, threads=16, ident="vaven")
    except OSError as cause:
        raise WrongUse(f"Port {given.port} is taken: {cause}.", remedy="Choose another with --port.") from cause
    print(f"Väven: http://{given.host}:{server.effective_port}/", flush=True)
    try:
        server.run()
    except KeyboardInterrupt:
        return 0
    finally:
        app.extensions["vaven"].close()
    return 0


def _demo(given: argparse.Namespace) -> int:
    with as_file(files("vaven.catalogue") / "sample") as sample:
        given.file, given.dataset, given.note = sample / "exempel.xlsx", None, ""
        code = _publish(given)
    return code or _serve(given)


def _kpis(given: argparse.Namespace) -> int:
    from vaven.vocab.register import kpis, themes

    if given.theme and given.theme not in themes():
        raise WrongUse(f"There is no theme {given.theme!r}.", remedy=f"Choose one of {', '.join(themes())}.")
    for kpi in kpis().values():
        if given.theme in (None, kpi.theme):
            print(f"{kpi.id:32} {kpi.text(given.lang)} ({kpi.unit(given.lang)})")
    return 0


def _template(given: argparse.Namespace) -> int:
    from vaven.schemas.template import write_template

    path = given.file or Path("vaven-mall.xlsx" if given.lang == "sv" else "vaven-template.xlsx")
    write_template(path, language=given.lang, kommun=given.kommun)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
