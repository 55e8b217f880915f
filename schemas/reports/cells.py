"""The account of a submission's cells (schemas/standard/cells.py) as a sentence and as JSON."""

from typing import Any

from vaven.schemas.standard.cells import Cells, OmittedCells
from vaven.schemas.standard.finding import as_written
from vaven.vocab.messages import messages

# Ranges in the sentence before the number of remaining ones.
MAX_PARTS = 6


def cells_sentence(cells: Cells, language: str) -> str:
    """Return the number of non-empty cells, of those that tables contain, and of the others with their ranges."""
    t = messages(language, "schemas")
    numbers = {"total": as_written(cells.total, language), "used": as_written(cells.used, language)}
    if not cells.omitted:
        return t("cells.all-used", **numbers)
    parts = ", ".join(_range(part, language) for part in cells.omitted[:MAX_PARTS])
    if rest := len(cells.omitted) - MAX_PARTS:
        parts += " " + t("report.more", count=rest) if rest > 0 else ""
    omitted = as_written(cells.omitted_count, language)
    return t("cells.some-left-out", **numbers, omitted=omitted, parts=parts)


def _range(part: OmittedCells, language: str) -> str:
    """Return range and reason: "Blad1, rad 3–5 (text ovanför tabellen)"."""
    t = messages(language, "schemas")
    words = [part.sheet or ""]
    if part.rows:
        first, last = part.rows
        words.append(t("cells.row", row=first) if first == last else t("cells.rows", first=first, last=last))
    if part.column:
        words.append(t("cells.column", column=part.column))
    where = ", ".join(filter(None, words)) or t("cells.file")
    return f"{where} ({t(f'cells.reason.{part.reason}')})"


def cells_as_dict(cells: Cells) -> dict[str, Any]:
    return {
        "total": cells.total,
        "used": cells.used,
        "left_out": [
            {
                "sheet": part.sheet,
                "rows": list(part.rows) if part.rows else None,
                "column": part.column,
                "count": part.count,
                "reason": part.reason,
                "checksum": f"{part.checksum:016x}" if part.checksum else None,
            }
            for part in cells.omitted
        ],
    }
