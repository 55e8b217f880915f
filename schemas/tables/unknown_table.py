"""Description of a table that does not follow the standard: its columns, and those of area codes or years."""

from collections.abc import Iterator, Mapping, Sequence

from vaven.schemas.formats.grid import GridRow, column_letter
from vaven.schemas.standard.data_like import DELIMITERS, is_area, is_record
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import fold, known_labels
from vaven.schemas.tables.header import Header
from vaven.vocab.areas import areas, level_of, split_suffix

# Findings about a table that could not be read as observations.
UNKNOWN_TABLE_CODES = frozenset(("not-the-standard", "header-missing", "lines-in-cells"))
# Ours: minimum share of codes among the filled cells of a column of codes.
SHARE = 0.6
KIND_NAMES = {
    "deso2018": {"sv": "DeSO 2018", "en": "DeSO 2018"},
    "deso2025": {"sv": "DeSO 2025", "en": "DeSO 2025"},
    "regso": {"sv": "RegSO", "en": "RegSO"},
    "kommun": {"sv": "kommuner", "en": "municipalities"},
}
YEARS = range(1950, 2051)
# Ours: the number of labels that a person would go through to map them.
MAX_LABELS = 60


def not_the_standard(header: Header, rows: Sequence[GridRow], location: Mapping[str, str | None]) -> Finding:
    """Return the finding about a table that does not follow the standard; `rows` are its first data rows."""
    columns = ", ".join(label for label in header.labels if label)
    hints_by_language = {"sv": list(_hints(header, rows, "sv")), "en": list(_hints(header, rows, "en"))}
    params: dict[str, object] = {"labels": [label for label in header.labels if label][:MAX_LABELS]}
    params |= {"columns": columns[:400]} | {
        f"areas_{lang}": "; ".join(hints) for lang, hints in hints_by_language.items()
    }
    is_data = is_record(header.labels) and any(map(is_area, header.labels))
    is_joined = any(map(_has_labels, header.labels))
    code = "lines-in-cells" if is_joined else "header-missing" if is_data else "not-the-standard"
    if code == "not-the-standard" and not params["areas_sv"]:
        params["advice"] = "columns-unknown"
    return Finding(code, Severity.ERROR, location["resource"], location["sheet"], header.row or None, params=params)


def _has_labels(cell: str) -> bool:
    """Return True for a cell with labels of the standard between delimiters: whole lines were quoted, or pasted."""
    known = known_labels("observations").keys()
    return any(len({fold(text.strip('" ')) for text in cell.split(delimiter)} & known) > 1 for delimiter in DELIMITERS)


def _hints(header: Header, rows: Sequence[GridRow], language: str) -> Iterator[str]:
    is_swedish = language == "sv"
    of, column, year = ("av", "kolumn", "årtal") if is_swedish else ("of", "column", "years")
    for i, label in enumerate(header.labels):
        texts = [cells[i] for _, cells in rows if i < len(cells) and cells[i]]
        name = f"{column} {column_letter(i)}" + (f" ({label})" if label else "")
        if _are_years(label, texts):
            yield f"{name}: {year}"
        elif kind := _code_kind(texts):
            words, count = kind
            yield f"{name}: {count} {of} {len(texts)} {'är' if is_swedish else 'are'} {words[language]}"
    years = [label for label in header.labels if label.isdecimal() and len(label) == 4 and int(label) in YEARS]
    if len(years) > 1:
        where = "årtal i rubrikerna" if is_swedish else "years in the headers"
        yield f"{where}: {years[0]}–{years[-1]}"


def _are_years(label: str, texts: Sequence[str]) -> bool:
    """Return True for years, but not for codes of municipalities in Västmanland and Dalarna (19xx, 20xx)."""
    are = bool(texts) and all(text.isdecimal() and len(text) == 4 and int(text) in YEARS for text in texts)
    return are and not any(word in fold(label) for word in ("kod", "code", "kommun", "municip", "region"))


def _code_kind(texts: Sequence[str]) -> tuple[Mapping[str, str], int] | None:
    """Return names of the kind of area that most cells are codes of, and their count; a code may precede a name."""
    known = areas()
    counts = dict.fromkeys(KIND_NAMES, 0)
    for text in texts:
        code, _ = split_suffix(text.split(" ", 1)[0])
        counts["deso2018"] += code in known.deso2018
        counts["deso2025"] += code in known.deso2025
        counts["regso"] += level_of(code) == "regso" and code[:4] in known.kommuner
        counts["kommun"] += code in known.kommuner
    kind = max(counts, key=lambda name: counts[name])
    return (KIND_NAMES[kind], counts[kind]) if texts and counts[kind] > len(texts) * SHARE else None
