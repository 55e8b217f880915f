"""Validation of a table by Frictionless's own loop over its rows, with the properties of v2 that it ignores."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from frictionless import Checklist
from frictionless.resources import TableResource

from vaven.schemas.tableschema.row_account import RowAccount, accounted
from vaven.schemas.tableschema.table_schema_v2 import KeyCheck, has_keys

FRICTIONLESS = "frictionless"


@dataclass(frozen=True)
class TableResult:
    """The result of one table: Frictionless's `errors` up to the limit, and complete `counts` by error type.

    `engine` names the software that validated; `rows` is None if the rows could not be read. `account` is that of the
    cells, which is not complete if the table could not be read to its end.
    """

    name: str
    errors: tuple[Any, ...]
    counts: Mapping[str, int]
    engine: str
    rows: int | None = None
    labels: tuple[str, ...] = ()
    account: RowAccount | None = None

    @property
    def is_valid(self) -> bool:
        return not self.counts


class _RowCheck(KeyCheck):
    """Check of keys, which counts the cells of each row."""

    def connect(self, resource: Any) -> None:
        super().connect(resource)
        self._account, self._has_keys = resource.row_account, has_keys(resource.schema)

    def validate_row(self, row: Any) -> Iterator[Any]:
        self._account.enter(row)
        if self._has_keys:
            yield from super().validate_row(row)


class _ErrorCounter(Checklist):
    """Checklist that counts all errors of its checks, of which the first are listed."""

    def count_up_to(self, limit: int) -> Counter[str]:
        """Set the number of errors that are listed, and return the counts by type."""
        self._counts, self._limit, self._row = Counter[str](), limit, 0
        return self._counts

    def match(self, error: Any) -> bool:
        if not super().match(error):
            return False
        row = getattr(error, "row_number", 0)
        if error.type == "primary-key-null" and row == self._row:
            # One error for a key: a row with nulls in it is not also a repeated key.
            self._counts["primary-key"] -= 1
        self._row = row if error.type == "primary-key" else 0
        self._counts[error.type] += 1
        return self._counts.total() <= self._limit


def judge_by_rows(resource: TableResource, limit: int, account: RowAccount) -> TableResult:
    """Validate a resource as `judge` does, row by row."""
    checklist = _ErrorCounter(checks=[_RowCheck()])
    counts = checklist.count_up_to(limit)
    report = accounted(resource.to_copy(), account).validate(checklist, limit_errors=sys.maxsize)
    all_errors = [error for task in report.tasks for error in task.errors] + list(report.errors)
    # Those of metadata and of the source, which no check yields, are not among the counts.
    by_type = Counter(error.type for error in all_errors)
    nulls = {error.row_number for error in all_errors if error.type == "primary-key-null"}
    all_errors = [e for e in all_errors if e.type != "primary-key" or e.row_number not in nulls]
    others = {kind: count for kind, count in by_type.items() if kind not in counts}
    rows = report.tasks[0].stats.get("rows") if report.tasks else None
    return TableResult(
        resource.name or "", tuple(all_errors), +counts + Counter(others), FRICTIONLESS, rows, account=account
    )
