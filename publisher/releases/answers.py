"""Answers that a submission needs: licence and publisher of the sender, and the operator's about undecided disclosure.

Licence and publisher are stated, or kept from the dataset's current version; never filled in.
"""

from dataclasses import replace

from vaven.publisher.releases.manifest import Manifest
from vaven.publisher.releases.records import ReleaseRecord
from vaven.schemas.rules.metadata import missing_answers, place_of
from vaven.schemas.standard.finding import Finding, Report, Severity, Verdict, joined
from vaven.schemas.tables.tables import Tables
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES, messages

# The rule of a submission that is refused for its missing answers.
UNANSWERED = "metadata-unanswered"
# The rule that only the operator can answer, and the choice that the receipt has.
UNDECIDED, ACCEPTED = "suppression-undecided", "accept_undecided"
OPTIONS = {"licence": "--licence cc-by", "publisher_name": '--publisher "{name}"'}


def with_kept_answers(tables: Tables, current: ReleaseRecord | None) -> Tables:
    """Return a submission with the answers of the dataset's current version that it does not state, and a note."""
    if current is None or "licence" in tables.about_source.unread:
        return tables
    manifest = current.complete_manifest
    still_missing = missing_answers(manifest.about)
    inherited = [key for key in missing_answers(tables.about) if key not in still_missing]
    if not inherited:
        return tables
    about = tables.about
    if "licence" in inherited:
        about = replace(about, licence=manifest.about.licence)
    if "publisher_name" in inherited:
        about = replace(
            about,
            publisher_name=manifest.about.publisher_name,
            publisher_number=about.publisher_number or manifest.about.publisher_number,
            publisher_sector=about.publisher_sector or manifest.about.publisher_sector,
        )
    note = _kept_note(inherited, current.version, manifest)
    return replace(tables, about=about, assumptions=(*tables.assumptions, note))


def unanswered(report: Report, tables: Tables) -> Report:
    """Return the report of a submission that is not published, with an error that lists its missing answers."""
    missing = missing_answers(tables.about)
    if not missing:
        return report
    params: dict[str, object] = {}
    for language in LANGUAGES:
        say = messages(language, "publisher")
        options = [OPTIONS[key].format(name=say("answers.name")) for key in missing]
        params[f"items_{language}"] = _items(missing, language)
        params[f"options_{language}"] = joined(options, language)
        is_described = tables.about_source.kind != "file"
        params[f"where_{language}"] = place_of(tables, missing, language) if is_described else say("answers.or-sheet")
    sheet = tables.about_source.sheet
    finding = Finding(UNANSWERED, Severity.ERROR, sheet=sheet, params=params, room="publisher")
    others = [f for f in report.findings if f.code != "licence-publisher-missing"]
    counts = {code: count for code, count in report.counts.items() if code != "licence-publisher-missing"}
    return replace(
        report,
        verdict=Verdict.INVALID,
        findings=(finding, *others),
        counts={finding.code: 1, **counts},
    )


def with_undecided_accepted(report: Report, reason: str | None) -> Report:
    """Return the report without the errors about undecided disclosure if the operator accepts them, with a note.

    All other findings remain. `reason` is why, None if the operator has not answered.
    """
    if reason is None or UNDECIDED not in report.counts:
        return report
    findings = tuple(finding for finding in report.findings if finding.code != UNDECIDED)
    severities = {finding.severity for finding in findings}
    verdict = Verdict.VALID_WITH_WARNINGS if Severity.WARNING in severities else Verdict.VALID
    return replace(
        with_undecided_noted(report, reason, report.counts[UNDECIDED]),
        verdict=Verdict.INVALID if Severity.ERROR in severities else verdict,
        findings=findings,
        counts={code: count for code, count in report.counts.items() if code != UNDECIDED},
    )


def with_undecided_noted(report: Report, reason: str, count: int) -> Report:
    """Return the report with the operator's reason to accept that the disclosure of `count` numbers is undecided."""
    params: dict[str, object] = {"count": count, "text": reason}
    note = Finding("assumed-undecided", Severity.NOTE, params=params, room="publisher")
    return replace(report, assumptions=(*report.assumptions, note), choices={**report.choices, ACCEPTED: reason})


def _kept_note(inherited: list[str], version: int, manifest: Manifest) -> Finding:
    params: dict[str, object] = {"version": version}
    for language in LANGUAGES:
        licence = register.codes("licences")[manifest.about.licence].text(language)
        texts = {"licence": licence, "publisher_name": manifest.about.publisher_name}
        params[f"items_{language}"] = _items(inherited, language)
        params[f"answers_{language}"] = "; ".join(texts[key] for key in inherited)
    return Finding("assumed-answers", Severity.NOTE, params=params, room="publisher")


def _items(keys: list[str], language: str) -> str:
    return joined([messages(language, "schemas")(f"metadata.item.{key}") for key in keys], language)
