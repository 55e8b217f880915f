"""Commands of `vaven ckan`: check, push, status, withdraw and schema. A module of arguments and printing only."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vaven.publisher.settings import Settings, load_settings
from vaven.vocab.errors import UnknownDataset
from vaven.vocab.messages import Messages, messages

if TYPE_CHECKING:
    from vaven.publisher.operations.publication_status import Status
    from vaven.publisher.releases.records import Records

MAX_TEXT = 60


def add_commands(parser: argparse.ArgumentParser, language: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command_parser = commands.add_parser(name, help=text, description=text, parents=[language])
        command_parser.set_defaults(command=command)
        return command_parser

    for name, command, text in (
        ("check", _check, "Tell what the configured CKAN supports and what would be lost there; changes nothing."),
        ("push", _push, "Bring CKAN to hold what is published; what is there already is not written again."),
    ):
        command_parser = add(name, command, text)
        command_parser.add_argument(
            "datasets", nargs="*", metavar="DATASET", help="short names; default is all datasets"
        )
    command_parser.add_argument(
        "--dry-run", action="store_true", help="show field by field what would be changed, and stop"
    )
    command_parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="how many datasets at a time; default 2"
    )
    status = add(
        "status", _status, "Tell where releases stand on CKAN, by our records; asks no CKAN. Exit 1 for faults."
    )
    status.add_argument("datasets", nargs="*", metavar="DATASET", help="short names; default is all datasets")
    status.add_argument("--format", choices=("text", "json"), default="text", help="json is that of /publications.json")
    withdraw = add("withdraw", _withdraw, "Take a dataset from CKAN's readers; publishing it again brings it back.")
    withdraw.add_argument("dataset", metavar="DATASET", help="short name of the dataset")
    schema = add(
        "schema", _schema, "Write a dataset schema for ckanext-scheming that has a field for all our metadata."
    )
    schema.add_argument("--output", type=Path, help="where to write it (JSON); default is standard output")


def _check(arguments: argparse.Namespace) -> int:
    from vaven.publisher.ckan.check import check_site
    from vaven.publisher.ckan.run import current_datasets, open_site, plan_of

    t, settings = messages(arguments.lang, "publisher"), load_settings()
    with _records(settings) as records, open_site(settings) as site:
        pairs = current_datasets(settings, records, arguments.datasets)
        points = check_site(site, [dataset for _, dataset in pairs], plan_of(settings))
    for point in points:
        print(f"{t(f'ckan.level.{point.level}'):8} {t(f'ckan.point.{point.code}', **point.params)}")
    return int(any(point.level == "stops" for point in points))


def _push(arguments: argparse.Namespace) -> int:
    from vaven.publisher.ckan.push import PushResult
    from vaven.publisher.ckan.run import push_datasets

    t, settings = messages(arguments.lang, "publisher"), load_settings()
    if arguments.dry_run:
        return _compare(arguments, t, settings)

    def print_result(outcome: PushResult) -> None:
        result = t(f"ckan.result.{outcome.result}")
        print(t("ckan.outcome", name=outcome.name, version=outcome.version, result=result), flush=True)
        if outcome.error:
            print(f"  {outcome.error.text(arguments.lang)}", file=sys.stderr, flush=True)

    with _records(settings) as records:
        outcomes = push_datasets(
            settings, records, arguments.datasets, workers=arguments.workers, on_result=print_result
        )
    return int(any(outcome.error for outcome in outcomes))


def _compare(arguments: argparse.Namespace, t: Messages, settings: Settings) -> int:
    from vaven.publisher.ckan.push import compare
    from vaven.publisher.ckan.run import current_datasets, open_site, plan_of

    with _records(settings) as records, open_site(settings) as site:
        for _, dataset in current_datasets(settings, records, arguments.datasets):
            differences = compare(site, dataset, plan_of(settings))
            print(t(f"ckan.difference.{'count' if differences else 'none'}", name=dataset.name, count=len(differences)))
            for difference in differences:
                remote, local = _shortened(t, difference.remote), _shortened(t, difference.local)
                print(t("ckan.difference.line", field=difference.field, there=remote, here=local))
    return 0


def _shortened(t: Messages, value: object) -> str:
    text = t("ckan.difference.nothing") if value in (None, "", []) else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _status(arguments: argparse.Namespace) -> int:
    from vaven.publisher.graph.store import open_store
    from vaven.publisher.operations.publication_status import Publications, as_dict

    settings = load_settings()
    with _records(settings) as records:
        status = Publications(settings, records, open_store(settings)).status()
    if unknown := set(arguments.datasets) - {dataset.slug for dataset in status.datasets}:
        raise UnknownDataset("publisher.no-dataset", dataset=min(unknown))
    if arguments.datasets:
        status = replace(status, datasets=tuple(d for d in status.datasets if d.slug in arguments.datasets))
    if arguments.format == "json":
        sys.stdout.write(json.dumps(as_dict(status, arguments.lang), ensure_ascii=False, indent=2) + "\n")
    else:
        _print_status(status, arguments.lang)
    return int(any(state.target.kind == "ckan" for _, _, state in status.attention))


def _print_status(status: "Status", language: str) -> None:
    """Print a line for each version that a CKAN has or should have, with its problem and remedy below."""
    from vaven.publisher.operations.publication_status import problem_texts

    t, targets = messages(language, "publisher"), [target for target in status.targets if target.kind == "ckan"]
    if not targets:
        print(t("publications.no_ckan"))
    for target in targets:
        print(target.address if target.is_configured else t("publications.former", target=target.address))
        rows = [(d, v, p) for d in status.datasets for v in d.versions for p in v.states if p.target == target]
        for dataset, version, publication in rows:
            if publication.state in ("not-sent", "replaced"):
                continue
            state, since = (
                t(f"publications.state.{publication.state}"),
                f" ({publication.since} UTC)" if publication.since else "",
            )
            print("  " + t("ckan.outcome", name=dataset.slug, version=version.number, result=state + since))
            if publication.problem:
                texts = (*problem_texts(dataset, version, publication, language), publication.problem.detail)
                print("\n".join(f"    {text}" for text in texts if text))


def _withdraw(arguments: argparse.Namespace) -> int:
    from vaven.publisher.ckan.run import current_datasets, withdraw_dataset

    t, settings = messages(arguments.lang, "publisher"), load_settings()
    with _records(settings) as records:
        ((record, _),) = current_datasets(settings, records, [arguments.dataset])
        outcome = withdraw_dataset(settings, records, record)
    result = t(f"ckan.result.{outcome.result}")
    print(t("ckan.outcome", name=outcome.name, version=outcome.version, result=result))
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from vaven.publisher.ckan.fields import scheming_schema

    text = json.dumps(scheming_schema(), ensure_ascii=False, indent=2) + "\n"
    if arguments.output:
        arguments.output.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
    return 0


def _records(settings: Settings) -> "Records":
    from vaven.publisher.releases.records import Records

    return Records(settings.database)
