"""Counts of a submission judged together with all published data, before it is published (docs/disclosure.md)."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vaven.publisher.integrity.disclosure import (
    NEIGHBOURHOODS,
    PublishedTable,
    extent,
    revealing_violations,
)
from vaven.publisher.integrity.trace import Trace, report_with_violations
from vaven.publisher.releases.areas import ReleasedArea
from vaven.publisher.releases.records import Records
from vaven.publisher.releases.release import write_table
from vaven.publisher.settings import Settings
from vaven.schemas.standard.finding import Report
from vaven.schemas.tables.tables import Tables
from vaven.vocab.areas import level_of


@dataclass(frozen=True)
class PublishedDataCheck:
    """Check of a submission's counts together with all published data of these settings; can be pickled."""

    settings: Settings

    def __call__(self, tables: Tables, report: Report) -> Report:
        """Return the report with the counts that the submission would reveal; unchanged if it has errors already."""
        if not report.is_publishable:
            return report
        with (
            tempfile.TemporaryDirectory(prefix="vaven-judged-") as folder,
            Records(self.settings.database) as records,
        ):
            for resource in ("observations", "neighbourhoods"):
                if table := tables.tables.get(resource):
                    write_table(tables.workspace, table, Path(folder))
            own = PublishedTable.in_folder(tables.about.slug, 0, Path(folder))
            others = published_tables(records, self.settings, own)
            violations = list(revealing_violations(own, others, self.settings.thresholds))
        judged = replace(report, is_judged_with_published=True)
        if not violations:
            return judged
        return report_with_violations(judged, violations, Trace(tables, self.settings.iris.prefixes, {}, {}))


def published_tables(records: Records, settings: Settings, own: PublishedTable) -> list[PublishedTable]:
    """Return the tables that `own` may reveal counts with, of all versions that readers can download.

    They have a KPI, a year and a län of it, or are of the same dataset.
    """
    kpis, years, lans = extent(own)
    withdrawn = {(w.dataset, w.version) for w in records.withdrawals()}
    local = settings.release_storage.local
    tables = []
    for record in records.finished():
        key, manifest = (record.dataset, record.version), record.complete_manifest
        first, last = (day.year for day in manifest.period)
        is_near = record.dataset == own.dataset or not lans.isdisjoint(_lans(manifest.areas))
        is_related = is_near and not kpis.isdisjoint(manifest.kpis) and not years.isdisjoint(range(first, last + 1))
        if record.visible_at and key not in withdrawn and is_related:
            tables.append(PublishedTable(*key, partial(local, *key), manifest.file(NEIGHBOURHOODS) is not None))
    return tables


def _lans(published: Iterable[ReleasedArea]) -> set[str]:
    codes = (code for area in published for code in (area.code, area.kommun, *area.parts))
    return {code[:2] for code in codes if level_of(code)}
