"""Counts of a submission judged together with all published data, before it is published (docs/disclosure.md)."""

import tempfile
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from vaven.publisher.integrity.disclosure import PublishedTable, revealing_violations
from vaven.publisher.integrity.trace import Trace, report_with_violations
from vaven.publisher.releases.records import Records
from vaven.publisher.releases.release import write_table
from vaven.publisher.settings import Settings
from vaven.schemas.standard.finding import Report
from vaven.schemas.tables.tables import Tables

OBSERVATIONS, NEIGHBOURHOODS = "observations.parquet", "neighbourhoods.parquet"


@dataclass(frozen=True)
class PublishedDataCheck:
    """Check of a submission's counts together with all published data of these settings; can be pickled."""

    settings: Settings

    def __call__(self, tables: Tables, report: Report) -> Report:
        """Return the report with the counts that the submission would reveal; unchanged if it has errors already."""
        if not report.is_publishable:
            return report
        observations = tables.tables["observations"]
        with (
            tempfile.TemporaryDirectory(prefix="vaven-judged-") as folder,
            Records(self.settings.database) as records,
        ):
            for resource in ("observations", "neighbourhoods"):
                if table := tables.tables.get(resource):
                    write_table(tables.workspace, table, Path(folder))
            query = f"SELECT DISTINCT kpi FROM {observations.relation} WHERE kpi IS NOT NULL"
            kpis = {kpi for (kpi,) in tables.workspace.execute(query).fetchall()}
            own = PublishedTable.in_folder(tables.about.slug, 0, Path(folder))
            others = published_tables(records, self.settings, kpis)
            violations = list(revealing_violations(own, others, self.settings.thresholds))
        judged = replace(report, is_judged_with_published=True)
        if not violations:
            return judged
        return report_with_violations(judged, violations, Trace(tables, self.settings.iris.prefixes, {}, {}))


def published_tables(records: Records, settings: Settings, kpis: Collection[str]) -> list[PublishedTable]:
    """Return the tables of all versions that readers can download, of those with one of the KPIs."""
    withdrawn = {(w.dataset, w.version) for w in records.withdrawals()}
    local = settings.release_storage.local
    tables = []
    for record in records.finished():
        key = record.dataset, record.version
        has_kpis = not set(kpis).isdisjoint(record.complete_manifest.kpis)
        if record.visible_at and key not in withdrawn and has_kpis:
            names = {file.name for file in record.complete_manifest.files}
            neighbourhoods = local(*key, NEIGHBOURHOODS) if NEIGHBOURHOODS in names else None
            tables.append(PublishedTable(*key, local(*key, OBSERVATIONS), neighbourhoods))
    return tables
