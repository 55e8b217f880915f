"""Where each release is published, since when, and with what result: our own pages, the SPARQL endpoint, CKAN.

Nobody is asked but our own records and graph store: what a CKAN holds is what the last push left there.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from vaven.publisher.ckan.run import is_pushing, target_of
from vaven.publisher.graph.store import GraphStore
from vaven.publisher.published.collection import visible_versions
from vaven.publisher.releases.records import FAILED, INTERRUPTED, Key, Push, Records, Withdrawal, now
from vaven.publisher.releases.versions import VersionHistory, version_histories
from vaven.publisher.settings import Settings
from vaven.vocab.errors import StoreUnavailable
from vaven.vocab.messages import messages

STATUS_VERSION = "1.0"
# What a version's place can be, and those that somebody has to do something about.
STATES = (
    "published", "replaced", "withdrawn", "not-sent", "under-way", "out-of-date", "missing", "interrupted", "failed",
    "remains", "unknown",
)  # fmt: skip
ATTENTION_STATES = ("missing", "interrupted", "failed", "remains", "unknown")


@dataclass(frozen=True)
class Target:
    """Where releases go: `id` and `kind` are site or sparql, or else the address of a CKAN and ckan.

    `snapshot` names the state of the graph that the endpoint answers from. A CKAN that is no longer configured is
    told of as it was left.
    """

    id: str
    kind: str
    address: str
    is_configured: bool = True
    snapshot: str = ""


@dataclass(frozen=True)
class Problem:
    """Why something is not as it should be. `code` makes its sentences (publisher/messages, publications.problem.…);
    `detail` is what was reported then, in English, "" where there is nothing more to say."""

    code: str
    detail: str = ""


@dataclass(frozen=True)
class PublicationState:
    """How a version stands at a target. Times are UTC.

    `since` is when it was last put or confirmed there; `attempted_at`, `action` and `result` are of the last push;
    `address` leads to it, `graph` is its name in the graph store; `held` is the version that the target holds.
    """

    target: Target
    state: str
    since: datetime | None = None
    address: str = ""
    graph: str = ""
    held_version: int | None = None
    action: str = ""
    result: str = ""
    attempted_at: datetime | None = None
    problem: Problem | None = None

    @property
    def needs_attention(self) -> bool:
        return self.state in ATTENTION_STATES and self.target.is_configured


@dataclass(frozen=True)
class PublishedVersion:
    """A version that was ever shown; `withdrawal` where it is shown no longer."""

    number: int
    iri: str
    released_at: datetime
    withdrawal: Withdrawal | None
    states: tuple[PublicationState, ...]


@dataclass(frozen=True)
class PublishedDataset:
    """A dataset with its versions, newest first; `current` is the one that readers get, None where all are gone."""

    slug: str
    titles: Mapping[str, str]
    iri: str
    current: int | None
    versions: tuple[PublishedVersion, ...]

    @property
    def states(self) -> tuple[PublicationState, ...]:
        """Those of the current version, or else of the last one."""
        return next((v.states for v in self.versions if v.number == self.current), self.versions[0].states)


@dataclass(frozen=True)
class Status:
    """Of one moment (`checked_at`, UTC); targets in the order site, SPARQL, configured CKAN, earlier ones."""

    checked_at: datetime
    targets: tuple[Target, ...]
    datasets: tuple[PublishedDataset, ...]

    @property
    def attention(self) -> list[tuple[PublishedDataset, PublishedVersion, PublicationState]]:
        """What somebody has to do something about."""
        return [(d, v, p) for d in self.datasets for v in d.versions for p in v.states if p.needs_attention]

    def counts(self, target: Target) -> Mapping[str, int]:
        """How many versions are in each state at a target."""
        found = Counter(p.state for d in self.datasets for v in d.versions for p in v.states if p.target == target)
        return {state: found[state] for state in STATES if found[state]}


class Publications:
    """The status of all releases, asked for at any time and from many threads.

    `listed` gives all that was ever shown, as Collection.lineages, which keeps what it has read; without it the records
    are read each time.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        store: GraphStore,
        listed: Callable[[], tuple[VersionHistory, ...]] | None = None,
    ) -> None:
        self._settings, self._records, self._store = settings, records, store
        self._listed = listed or self._read

    def status(self, dataset: str | None = None) -> Status:
        """Of all datasets by short name, or of one; none where there is no such."""
        chosen = [lineage for lineage in self._listed() if dataset in (None, lineage.slug)]
        pushes: dict[str, list[Push]] = {lineage.slug: [] for lineage in chosen}
        # A name that nobody has need not come as far as the database.
        for push in self._records.pushes(dataset) if chosen else ():
            pushes.setdefault(push.dataset, []).append(push)
        graph = _Graph(self._settings, self._store, self._records.times("in-graph", dataset) if chosen else {})
        targets = self._targets(graph, {push.target for found in pushes.values() for push in found})
        running = is_pushing(self._settings)
        found = [self._dataset(lineage, targets, graph, pushes[lineage.slug], running) for lineage in chosen]
        return Status(now(), targets, tuple(found))

    def _read(self) -> tuple[VersionHistory, ...]:
        visible = visible_versions(self._records, self._store)
        return version_histories(self._records.finished(), self._records.withdrawals(), visible)

    def _targets(self, graph: "_Graph", sent_to: set[str]) -> tuple[Target, ...]:
        own, configured = self._settings.base_iri, target_of(self._settings)
        site = Target("site", "site", own)
        first = [Target(configured, "ckan", configured)] if configured else []
        rest = [Target(url, "ckan", url, is_configured=False) for url in sorted(sent_to - {configured})]
        return (site, graph.target, *first, *rest)

    def _dataset(
        self, lineage: VersionHistory, targets: Sequence[Target], graph: "_Graph", pushes: Sequence[Push], running: bool
    ) -> PublishedDataset:
        iris = self._settings.iris

        def places(version: int, released_at: datetime) -> Iterator[PublicationState]:
            gone = lineage.withdrawn.get(version)
            yield PublicationState(
                targets[0],
                "withdrawn" if gone else "published",
                gone.withdrawn_at if gone else released_at,
                iris.page(lineage.slug, version),
                held_version=lineage.current,
            )
            yield graph.place(lineage, version, released_at)
            for target in targets[2:]:
                sent = {push.version: push for push in pushes if push.target == target.id}
                if place := _at_ckan(lineage, version, target, sent, running):
                    yield place

        versions = tuple(
            PublishedVersion(
                record.version,
                iris.dataset(lineage.slug, record.version),
                record.visible_at or record.reserved_at,
                lineage.withdrawn.get(record.version),
                tuple(places(record.version, record.visible_at or record.reserved_at)),
            )
            for record in reversed(lineage.versions)
        )
        titles = {language: text for language, text in lineage.newest.complete_manifest.about.titles.items() if text}
        return PublishedDataset(lineage.slug, titles, iris.dataset(lineage.slug), lineage.current, versions)


class _Graph:
    """What the graph store says of itself now, asked once for a status."""

    def __init__(self, settings: Settings, store: GraphStore, loaded: Mapping[Key, datetime]) -> None:
        self._iris, self._loaded = settings.iris, loaded
        self._contents: Mapping[str, int] = {}
        self._away: Problem | None = None
        snapshot = ""
        try:
            self._contents, snapshot = store.contents(), store.name()
        except StoreUnavailable as cause:
            self._away = Problem("endpoint-away", cause.message("en"))
        self.target = Target("sparql", "sparql", settings.iris.endpoint, snapshot=snapshot)

    def place(self, lineage: VersionHistory, version: int, released_at: datetime) -> PublicationState:
        """One version of a dataset is in the graph: the current one."""
        held = self._contents.get(lineage.slug)
        found = PublicationState(self.target, "not-sent", graph=self._iris.dataset(lineage.slug), held_version=held)
        gone = lineage.withdrawn.get(version)
        if gone:
            found = replace(found, state="withdrawn", since=gone.withdrawn_at)
        elif version != lineage.current:
            found = replace(found, state="replaced", since=self._loaded.get((lineage.slug, version)))
        elif self._away:
            return replace(found, state="unknown", problem=self._away)
        elif version == held:
            found = replace(found, state="published", since=self._loaded.get((lineage.slug, version), released_at))
        else:
            found = replace(found, state="missing", problem=Problem("endpoint-missing"))
        return found


def _at_ckan(
    lineage: VersionHistory, version: int, target: Target, sent: Mapping[int, Push], running: bool
) -> PublicationState | None:
    """How a version stands on a CKAN, which holds one version of a dataset; `sent` is by version.

    None where it was never sent and there is no reason to: to a CKAN that is configured no longer.
    """
    held = next((push.version for push in sent.values() if push.is_held), None)
    push = sent.get(version)
    if push is None and not target.is_configured:
        return None
    state, problem = _state(lineage, version, push, running)
    return PublicationState(
        target,
        state,
        since=push.held_at if push else None,
        address=f"{target.address}/dataset/{lineage.slug}" if push and push.is_held else "",
        held_version=held,
        action=push.action if push else "",
        result=(push.result or ("" if running else INTERRUPTED)) if push else "",
        attempted_at=(push.ended_at or push.begun_at) if push else None,
        problem=problem,
    )


def _state(lineage: VersionHistory, version: int, push: Push | None, running: bool) -> tuple[str, Problem | None]:
    is_current, is_gone = version == lineage.current, version in lineage.withdrawn
    if push is None:
        return ("missing", Problem("missing")) if is_current else ("not-sent", None)
    if push.result is None and running:
        return "under-way", None
    failure = _failure(push)
    if is_gone and push.is_held:
        return "remains", failure or Problem("remains")
    if push.is_held and not is_current:
        return "out-of-date", failure or Problem("out-of-date")
    if is_current and failure:
        return ("failed" if push.result == FAILED else INTERRUPTED), failure
    if push.is_held:
        return "published", None
    if is_gone or push.action == "withdraw":
        return "withdrawn", None
    if is_current:
        return "missing", Problem("missing")
    # A later version stands there, or never did: this one did if it was ever whole.
    return ("replaced", None) if push.held_at else ("not-sent", failure)


def _failure(push: Push) -> Problem | None:
    if push.result == FAILED:
        return Problem(push.problem, push.reason)
    return Problem(INTERRUPTED) if push.result in (None, INTERRUPTED) else None


def as_dict(status: Status, language: str) -> dict[str, Any]:
    """The status for programs, sentences in one language; keys are described in publications.schema.json."""
    targets = [_target(status, target) for target in status.targets]
    return {
        "version": STATUS_VERSION,
        "language": language,
        "checked_at": _moment(status.checked_at),
        "needs_attention": len(status.attention),
        "targets": targets,
        "datasets": [_listed(dataset, language) for dataset in status.datasets],
    }


def _target(status: Status, target: Target) -> dict[str, Any]:
    told = {"id": target.id, "kind": target.kind, "address": target.address, "is_configured": target.is_configured}
    return {**told, "snapshot": target.snapshot or None, "counts": dict(status.counts(target))}


def _listed(dataset: PublishedDataset, language: str) -> dict[str, Any]:
    versions = [
        {
            "version": version.number,
            "iri": version.iri,
            "released_at": _moment(version.released_at),
            "withdrawn": {"at": _moment(w.withdrawn_at), "reason": w.reason} if (w := version.withdrawal) else None,
            "places": [_place(dataset, version, place, language) for place in version.states],
        }
        for version in dataset.versions
    ]
    told = {"name": dataset.slug, "iri": dataset.iri, "title": dict(dataset.titles), "current": dataset.current}
    return {**told, "versions": versions}


def _place(
    dataset: PublishedDataset, version: PublishedVersion, place: PublicationState, language: str
) -> dict[str, Any]:
    problem = None
    if place.problem:
        message, remedy = problem_texts(dataset, version, place, language)
        problem = {"code": place.problem.code, "message": message, "remedy": remedy}
        problem["detail"] = place.problem.detail
    return {
        "target": place.target.id,
        "state": place.state,
        "needs_attention": place.needs_attention,
        "since": _moment(place.since),
        "address": place.address or None,
        "graph": place.graph or None,
        "held": place.held_version,
        "action": place.action or None,
        "result": place.result or None,
        "attempted_at": _moment(place.attempted_at),
        "problem": problem,
    }


def problem_texts(
    dataset: PublishedDataset, version: PublishedVersion, place: PublicationState, language: str
) -> tuple[str, str]:
    """What is wrong at a place that has a problem, and what can be done about it."""
    t, code = messages(language, "publisher"), place.problem.code if place.problem else ""
    known = {"target": place.target.address, "dataset": dataset.slug, "version": version.number}
    shown = {**known, "held": place.held_version, "current": dataset.current}
    return t(f"publications.problem.{code}", **shown), t(f"publications.remedy.{code}", **shown)


def _moment(time: datetime | None) -> str | None:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else None
