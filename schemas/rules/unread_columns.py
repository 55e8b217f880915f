"""Rules about columns that are not read although they may tell what a value is about."""

from collections.abc import Iterator

from vaven.schemas.rules.area_names import NAME_LABELS
from vaven.schemas.rules.registry import Checking, RuleMatch, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.labels import fold, known_labels
from vaven.schemas.standard.sql import quoted
from vaven.schemas.tables.tables import STRIDE, Column

# Labels, folded, of columns that divide a value by a property that the standard lacks.
QUALIFIERS = frozenset(
    ("huvudman", "driftsform", "regi", "boendeform", "upplatelseform", "delgrupp", "undergrupp", "malgrupp",
     "fodelseland", "fodelseregion", "bakgrund", "utlandsk bakgrund", "svensk/utlandsk bakgrund", "harkomst",
     "utbildningsniva", "utbildning", "inkomst", "inkomstklass", "inkomstgrupp", "arskurs", "skolform", "skolenhet",
     "hushallstyp", "hustyp", "bostadstyp", "familjetyp", "civilstand", "sysselsattning", "yrke", "naringsgren",
     "brottstyp", "delmatt", "svar", "svarsalternativ", "delfraga", "vecka", "dag", "termin", "halvar", "lasar",
     "scenario", "boende", "agarkategori", "diagnos", "parti", "valtyp", "week", "day", "term", "subgroup", "education",
     "background", "tenure", "answer", "household type", "grade", "provider")
)  # fmt: skip
# Labels of columns that may also describe the area, the KPI or the source.
POSSIBLE_QUALIFIERS = frozenset(
    ("typ", "kategori", "grupp", "skola", "bransch", "fraga", "alternativ", "serie", "variant", "del", "agare",
     "verksamhet", "orsak", "type", "category", "group", "question", "school", "sektor", "sector", "series")
)  # fmt: skip
# Labels of columns about the row itself, or with the unit, which rules/units.py compares.
REMARKS = frozenset(
    ("kommentar", "kommentarer", "notering", "noteringar", "anteckning", "fotnot", "fotnoter", "kalla", "uppdaterad",
     "senast uppdaterad", "id", "rad", "nr", "lopnr", "lopnummer", "ansvarig", "handlaggare", "url", "lank",
     "beskrivning", "definition", "rubrik", "titel", "tema", "comment", "comments", "footnote", "source", "updated",
     "link", "kpi name", "nyckeltalsnamn", "description", "title", "theme", "notes", "remark", "remarks", "enhet",
     "mattenhet", "unit")
)  # fmt: skip
# Texts for all groups together.
ALL_GROUPS = frozenset(
    ("totalt", "total", "samtliga", "alla", "all", "summa", "samtliga huvudman", "alla huvudman", "totalen", "t", "_t",
     "alla grupper", "both", "bada")
)  # fmt: skip
# A column of groups has few of them, with short names, each for several rows.
MAX_GROUPS = 50
LONGEST_GROUP = 60
NAMED_GROUPS = 3
# Fields of which a column may be a property: the name of an area, the theme of a KPI, the survey of a year.
DETERMINING = (("neighbourhood",), ("kpi", "period"), ("sex",), ("age_group",), ("status",), ("method",))


@wide_rule("qualifying-column", Severity.ERROR, "observations", "extra-label")
def qualifying_column(on: Checking) -> Iterator[RuleMatch]:
    """A column that is not read and divides the values into groups: Huvudman, Boendeform, Vecka.

    Without it, the value of a group is published as that of all. A column is one by its label, or if it has a few texts
    that no other column determines. The user may exclude the column.
    """
    header = on.table.header_row * (STRIDE if on.table.wide else 1)
    for column in _candidates(on):
        groups = _groups(on, column)
        if groups and _divides(on, column, groups):
            params: dict[str, object] = {"column": column.label or column.letter, "examples": _examples(groups)}
            yield RuleMatch(header, column.name, None, params)


def _divides(on: Checking, column: Column, groups: list[str]) -> bool:
    """Return True if a column with these texts divides the values: by its label, else by its texts."""
    label = fold(column.label or "")
    if label in QUALIFIERS:
        is_all = len(groups) == 1 and fold(groups[0]) in ALL_GROUPS
        return not is_all and (len(groups) == 1 or not _determines(on, ("kpi",), column.name))
    if label not in POSSIBLE_QUALIFIERS and not _are_groups(on, column):
        return False
    return len(groups) > 1 and not any(_determines(on, names, column.name) for names in DETERMINING)


def _candidates(on: Checking) -> list[Column]:
    """Return the unread columns that are no remarks, and that no other error is about."""
    areas = {label for label, name in known_labels("observations").items() if name == "neighbourhood"}
    reported = {(p.sheet, p.column) for p in on.tables.problems if p.code == "column-left-out"}
    return [
        column
        for column in on.table.beside
        if fold(column.label or "") not in NAME_LABELS | areas | REMARKS
        and (on.table.sheet, column.letter) not in reported
    ]


def _groups(on: Checking, column: Column) -> list[str]:
    query = f"""SELECT DISTINCT {column.name} AS cell FROM {on.table.relation}
        WHERE cell IS NOT NULL ORDER BY 1 LIMIT {MAX_GROUPS + 1}"""
    return [cell for (cell,) in on.work.execute(query).fetchall()]


def _examples(groups: list[str]) -> str:
    return ", ".join(groups[:NAMED_GROUPS]) + (" …" if len(groups) > NAMED_GROUPS else "")


def _are_groups(on: Checking, column: Column) -> bool:
    """Return True if every row has one of a few words."""
    name = quoted(column.name)
    query = f"""SELECT count(*), count({name}), count(DISTINCT {name}), coalesce(max(length({name})), 0),
        count(*) FILTER (NOT regexp_matches({name}, '\\pL')) FROM {on.table.relation}"""
    rows, filled, groups, longest, numbers = on.work.execute(query).fetchone() or (0,) * 5
    return filled == rows and not numbers and 2 <= groups <= min(MAX_GROUPS, rows // 2) and longest <= LONGEST_GROUP


def _determines(on: Checking, fields: tuple[str, ...], name: str) -> bool:
    """Return True if rows with the same texts of `fields` have the same text of the column; False without a field."""
    if not on.has(*fields):
        return False
    keys = ", ".join(map(quoted, fields))
    query = f"SELECT 1 FROM {on.table.relation} GROUP BY {keys} HAVING count(DISTINCT {name}) > 1 LIMIT 1"
    return on.work.execute(query).fetchone() is None


def telling_apart(on: Checking) -> str:
    """Return the labels of unread columns that differ between rows of the same key, those of groups first."""
    return on.once("telling apart", _columns_telling_apart)


def _columns_telling_apart(on: Checking) -> str:
    columns = [column for column in on.table.beside if fold(column.label or "") not in REMARKS and _differs(on, column)]
    columns.sort(key=lambda column: (fold(column.label or "") not in QUALIFIERS, len(_groups(on, column))))
    return ", ".join(f"”{column.label or column.letter}”" for column in columns[:NAMED_GROUPS])


def _differs(on: Checking, column: Column) -> bool:
    if not on.repeated:
        return False
    query = f"""SELECT 1 FROM {on.table.relation} WHERE {on.has_key} AND hash({on.key}) IN (SELECT h FROM {on.repeated})
        GROUP BY {on.key} HAVING count(DISTINCT {column.name}) > 1 LIMIT 1"""
    return on.work.execute(query).fetchone() is not None
