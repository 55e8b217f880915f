"""Publication status of every release: on the catalogue's pages, at the SPARQL endpoint, and on CKAN.

Only the records and the graph store are queried: the state of a CKAN is the state that the last push left.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
from vaven.vocab.iris import Iris
from vaven.vocab.messages import messages

STATUS_VERSION = "1.0"
# The states of a version at a target, and the states that need somebody's attention.
STATES = (
    "published", "replaced", "withdrawn", "not-sent", "under-way", "out-of-date", "missing", "interrupted", "failed",
    "remains", "unknown",
)  # fmt: skip
ATTENTION_STATES = ("missing", "interrupted", "failed", "remains", "unknown")


@dataclass(frozen=True)
class Target:
    """A target of publication: `id` and `kind` are both site or sparql, or the URL of a CKAN and ckan.

    `snapshot` is the name of the endpoint's current graph snapshot. A CKAN that is no longer configured is reported in
    the state of its last push.
    """

    id: str
    kind: str
    address: str
    is_configured: bool = True
    snapshot: str = ""


@dataclass(frozen=True)
class Problem:
    """A problem at a target.

    `code` selects its messages (publisher/messages, publications.problem.…); `detail` is the error reported at the
    time, in English, "" if there is none.
    """

    code: str
    detail: str = ""


@dataclass(frozen=True)
class PublicationState:
    """The state of a version at a target; times are UTC.

    `since` is the time when it was last put or confirmed there; `attempted_at`, `action` and `result` are of the last
    push; `address` is its URL, `graph` its name in the graph store; `held_version` is the version that the target has.
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
    """A version that was ever visible, with its states by target; `withdrawal` if it is withdrawn."""

    number: int
    iri: str
    released_at: datetime
    withdrawal: Withdrawal | None
    states: tuple[PublicationState, ...]


@dataclass(frozen=True)
class PublishedDataset:
    """A dataset with its versions, newest first; `current` is the one that readers get, None if all are withdrawn."""

    slug: str
    titles: Mapping[str, str]
    iri: str
    current: int | None
    versions: tuple[PublishedVersion, ...]

    @property
    def states(self) -> tuple[PublicationState, ...]:
        """The states of the current version, or of the last version if none is current."""
        return next((v.states for v in self.versions if v.number == self.current), self.versions[0].states)


@dataclass(frozen=True)
class Status:
    """The status at one time (`checked_at`, UTC); targets in the order site, SPARQL, configured CKAN, earlier CKANs."""

    checked_at: datetime
    targets: tuple[Target, ...]
    datasets: tuple[PublishedDataset, ...]

    @property
    def attention(self) -> list[tuple[PublishedDataset, PublishedVersion, PublicationState]]:
        """The states that need somebody's attention."""
        return [(d, v, s) for d in self.datasets for v in d.versions for s in v.states if s.needs_attention]

    def counts(self, target: Target) -> Mapping[str, int]:
        """Count the versions in each state at a target."""
        counts = Counter(s.state for d in self.datasets for v in d.versions for s in v.states if s.target == target)
        return {state: counts[state] for state in STATES if counts[state]}


class Publications:
    """The status of all releases, computed on request; thread-safe.

    `histories` returns all version histories, like Collection.histories, which caches them; without it the records are
    read each time.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        store: GraphStore,
        histories: Callable[[], tuple[VersionHistory, ...]] | None = None,
    ) -> None:
        self._settings, self._records, self._store = settings, records, store
        self._histories = histories or self._read

    def status(self, dataset: str | None = None) -> Status:
        """Return the status of all datasets by short name, or of one; no datasets if the name is unknown."""
        histories = [history for history in self._histories() if dataset in (None, history.slug)]
        pushes: dict[str, list[Push]] = {history.slug: [] for history in histories}
        # An unknown name need not reach the database.
        for push in self._records.pushes(dataset) if histories else ():
            pushes.setdefault(push.dataset, []).append(push)
        graph = _GraphState(self._settings, self._store, self._records.times("in-graph", dataset) if histories else {})
        targets = self._targets(graph, {push.target for group in pushes.values() for push in group})
        running = is_pushing(self._settings)
        datasets = [self._dataset(history, targets, graph, pushes[history.slug], running) for history in histories]
        return Status(now(), targets, tuple(datasets))

    def _read(self) -> tuple[VersionHistory, ...]:
        visible = visible_versions(self._records, self._store)
        return version_histories(self._records.finished(), self._records.withdrawals(), visible)

    def _targets(self, graph: "_GraphState", pushed_to: set[str]) -> tuple[Target, ...]:
        own, configured = self._settings.base_iri, target_of(self._settings)
        site = Target("site", "site", own)
        current = [Target(configured, "ckan", configured)] if configured else []
        former = [Target(url, "ckan", url, is_configured=False) for url in sorted(pushed_to - {configured})]
        return (site, graph.target, *current, *former)

    def _dataset(
        self,
        history: VersionHistory,
        targets: Sequence[Target],
        graph: "_GraphState",
        pushes: Sequence[Push],
        running: bool,
    ) -> PublishedDataset:
        iris = self._settings.iris
        versions = []
        for record in reversed(history.versions):
            released_at = record.visible_at or record.reserved_at
            states = [_site_state(history, record.version, targets[0], released_at, iris)]
            states.append(graph.state(history, record.version, released_at))
            for target in targets[2:]:
                by_version = {push.version: push for push in pushes if push.target == target.id}
                if state := _ckan_state(history, record.version, target, by_version, running):
                    states.append(state)
            iri, withdrawal = iris.dataset(history.slug, record.version), history.withdrawn.get(record.version)
            versions.append(PublishedVersion(record.version, iri, released_at, withdrawal, tuple(states)))
        titles = {language: text for language, text in history.newest.complete_manifest.about.titles.items() if text}
        return PublishedDataset(history.slug, titles, iris.dataset(history.slug), history.current, tuple(versions))


class _GraphState:
    """The current contents of the graph store, queried once per status."""

    def __init__(self, settings: Settings, store: GraphStore, loaded: Mapping[Key, datetime]) -> None:
        self._iris, self._loaded = settings.iris, loaded
        self._contents: Mapping[str, int] = {}
        self._unavailable: Problem | None = None
        snapshot = ""
        try:
            self._contents, snapshot = store.contents(), store.name()
        except StoreUnavailable as cause:
            self._unavailable = Problem("endpoint-away", cause.message("en"))
        self.target = Target("sparql", "sparql", settings.iris.endpoint, snapshot=snapshot)

    def state(self, history: VersionHistory, version: int, released_at: datetime) -> PublicationState:
        """Return the state of a version; the graph has only one version of a dataset, the current one."""
        held = self._contents.get(history.slug)
        state = PublicationState(self.target, "not-sent", graph=self._iris.dataset(history.slug), held_version=held)
        if withdrawal := history.withdrawn.get(version):
            return replace(state, state="withdrawn", since=withdrawal.withdrawn_at)
        if version != history.current:
            return replace(state, state="replaced", since=self._loaded.get((history.slug, version)))
        if self._unavailable:
            return replace(state, state="unknown", problem=self._unavailable)
        if version == held:
            return replace(state, state="published", since=self._loaded.get((history.slug, version), released_at))
        return replace(state, state="missing", problem=Problem("endpoint-missing"))


def _site_state(
    history: VersionHistory, version: int, target: Target, released_at: datetime, iris: Iris
) -> PublicationState:
    """Return the state of a version on the catalogue's own pages."""
    withdrawal = history.withdrawn.get(version)
    return PublicationState(
        target,
        "withdrawn" if withdrawal else "published",
        withdrawal.withdrawn_at if withdrawal else released_at,
        iris.page(history.slug, version),
        held_version=history.current,
    )


def _ckan_state(
    history: VersionHistory, version: int, target: Target, pushes: Mapping[int, Push], running: bool
) -> PublicationState | None:
    """Return the state of a version on a CKAN, which has one version of a dataset; `pushes` are by version.

    None for a version that was never pushed to a CKAN that is no longer configured.
    """
    held = next((push.version for push in pushes.values() if push.is_held), None)
    push = pushes.get(version)
    if push is None and not target.is_configured:
        return None
    state, problem = _push_state(history, version, push, running)
    return PublicationState(
        target,
        state,
        since=push.held_at if push else None,
        address=f"{target.address}/dataset/{history.slug}" if push and push.is_held else "",
        held_version=held,
        action=push.action if push else "",
        result=(push.result or ("" if running else INTERRUPTED)) if push else "",
        attempted_at=(push.ended_at or push.begun_at) if push else None,
        problem=problem,
    )


def _push_state(history: VersionHistory, version: int, push: Push | None, running: bool) -> tuple[str, Problem | None]:
    """Return state and problem of a version after its last push to a CKAN."""
    is_current, is_withdrawn = version == history.current, version in history.withdrawn
    if push is None:
        return ("missing", Problem("missing")) if is_current else ("not-sent", None)
    if push.result is None and running:
        return "under-way", None
    failure = _failure(push)
    if is_withdrawn and push.is_held:
        return "remains", failure or Problem("remains")
    if push.is_held and not is_current:
        return "out-of-date", failure or Problem("out-of-date")
    if is_current and failure:
        return ("failed" if push.result == FAILED else INTERRUPTED), failure
    if push.is_held:
        return "published", None
    if is_withdrawn or push.action == "withdraw":
        return "withdrawn", None
    if is_current:
        return "missing", Problem("missing")
    # This version was on CKAN if it was ever complete there; otherwise it never arrived.
    return ("replaced", None) if push.held_at else ("not-sent", failure)


def _failure(push: Push) -> Problem | None:
    if push.result == FAILED:
        return Problem(push.problem, push.reason)
    return Problem(INTERRUPTED) if push.result in (None, INTERRUPTED) else None


def as_dict(status: Status, language: str) -> dict[str, Any]:
    """Return the status for programs, with messages in one language (keys as in publications.schema.json)."""
    targets = [_target_dict(status, target) for target in status.targets]
    return {
        "version": STATUS_VERSION,
        "language": language,
        "checked_at": _moment(status.checked_at),
        "needs_attention": len(status.attention),
        "targets": targets,
        "datasets": [_dataset_dict(dataset, language) for dataset in status.datasets],
    }


def _target_dict(status: Status, target: Target) -> dict[str, Any]:
    return {
        "id": target.id,
        "kind": target.kind,
        "address": target.address,
        "is_configured": target.is_configured,
        "snapshot": target.snapshot or None,
        "counts": dict(status.counts(target)),
    }


def _dataset_dict(dataset: PublishedDataset, language: str) -> dict[str, Any]:
    versions = [
        {
            "version": version.number,
            "iri": version.iri,
            "released_at": _moment(version.released_at),
            "withdrawn": {"at": _moment(w.withdrawn_at), "reason": w.reason} if (w := version.withdrawal) else None,
            "places": [_state_dict(dataset, version, state, language) for state in version.states],
        }
        for version in dataset.versions
    ]
    return {
        "name": dataset.slug,
        "iri": dataset.iri,
        "title": dict(dataset.titles),
        "current": dataset.current,
        "versions": versions,
    }


def _state_dict(
    dataset: PublishedDataset, version: PublishedVersion, state: PublicationState, language: str
) -> dict[str, Any]:
    problem = None
    if state.problem:
        message, remedy = problem_texts(dataset, version, state, language)
        problem = {"code": state.problem.code, "message": message, "remedy": remedy}
        problem["detail"] = state.problem.detail
    return {
        "target": state.target.id,
        "state": state.state,
        "needs_attention": state.needs_attention,
        "since": _moment(state.since),
        "address": state.address or None,
        "graph": state.graph or None,
        "held": state.held_version,
        "action": state.action or None,
        "result": state.result or None,
        "attempted_at": _moment(state.attempted_at),
        "problem": problem,
    }


def problem_texts(
    dataset: PublishedDataset, version: PublishedVersion, state: PublicationState, language: str
) -> tuple[str, str]:
    """Return the message and the remedy of a state's problem."""
    t, code = messages(language, "publisher"), state.problem.code if state.problem else ""
    params = {
        "target": state.target.address,
        "dataset": dataset.slug,
        "version": version.number,
        "held": state.held_version,
        "current": dataset.current,
    }
    return t(f"publications.problem.{code}", **params), t(f"publications.remedy.{code}", **params)


def _moment(time: datetime | None) -> str | None:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else None
