"""Values with their status in one cell, "57,1 (P)" or "undertryckt (Q)", in tables without a column Status."""

import re
from collections.abc import Iterable, Mapping, Sequence

import duckdb

from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import code_of
from vaven.vocab import register

# SQL of the texts that may end with a status.
LIKE_STATUS = "length(cell) BETWEEN 3 AND 80 AND cell LIKE '%)'"
WITH_STATUS = re.compile(r"([-+−]?\d[\d\s.,]*?)?\s*([^\d(]*\([^()]+\))")
MAX_EXAMPLES = 5


def split_status(text: str) -> tuple[str | None, str] | None:
    """Return the number of a cell, None if it is missing, and its status; None if the cell is nothing else.

    The status is a code in parentheses, also after its label, or a label in parentheses.
    """
    match = WITH_STATUS.fullmatch(text)
    if not match:
        return None
    number, mark = match[1], match[2].strip()
    status = code_of("statuses", mark[1:-1] if mark.startswith("(") else mark)
    codes = register.codes("statuses")
    if status is None or (number is None) != (codes[status].properties["value_missing"] == "true"):
        return None
    return number, status


def split_statuses(
    work: duckdb.DuckDBPyConnection, raw: str, texts: Iterable[Sequence[str]], location: Mapping[str, str | None]
) -> tuple[str, list[Finding]]:
    """Create a table like `raw` with the status of its values in a column of its own, if a value has one.

    `texts` are the distinct texts of the values. Returns the relation to read, and the note.
    """
    rows = [(text, *parts) for batch in texts for text in batch if (parts := split_status(text))]
    if not rows:
        return raw, []
    unnested = ", ".join(f"unnest(${n}::VARCHAR[]) AS {name}" for n, name in enumerate(("cell", "number", "code"), 1))
    work.execute(f"CREATE TEMP TABLE {raw}_marks AS SELECT {unnested}", [[row[i] for row in rows] for i in range(3)])
    number = 'CASE WHEN m.cell IS NULL THEN r."value" ELSE m.number END AS "value"'
    work.execute(
        f'CREATE TABLE {raw}_statuses AS SELECT r.* REPLACE ({number}), m.code AS "status" '
        f'FROM {raw} r LEFT JOIN {raw}_marks m ON m.cell = r."value" ORDER BY _row'
    )
    (count,) = work.execute(f'SELECT count("status") FROM {raw}_statuses').fetchone() or (0,)
    examples = "; ".join(sorted(text for text, *_ in rows)[:MAX_EXAMPLES]) + (" …" if len(rows) > MAX_EXAMPLES else "")
    params = {"count": count, "examples": examples}
    return f"{raw}_statuses", [Finding("assumed-status", Severity.NOTE, **location, field="value", params=params)]  # type: ignore[arg-type]
