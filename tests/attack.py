"""`make fuzz`: an attack on suppressed counts with what the catalogue publishes, and nothing else.

Generated submissions are suppressed as their reports ask until they are published. The attacker reads pages, downloads,
the SPARQL endpoint and the Action API, and computes the least and the greatest possible number of each suppressed count
by linear programming. No count may be derived, nor narrowed to fewer than POSSIBLE numbers; that counts are small is
not used. With `--unprotected`, disclosure control is turned off, and the attack must succeed.
"""

import argparse
import csv
import io
import math
import random
import re
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.reading import LICENCE_AND_PUBLISHER
from vaven.catalogue.app import create_app
from vaven.publisher.publish import SubmissionRefused, publish
from vaven.publisher.settings import Settings
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.standard.thresholds import Thresholds
from vaven.vocab.areas import areas

POSSIBLE = 4
SMALL = 5
ROUNDS = 12
PER_CATALOGUE = 20
KPIS = ("arbetsloshet", "ekonomiskt-bistand", "lag-ekonomisk-standard")
LABELS = ("neighbourhood", "kpi", "period", "sex", "value", "numerator", "denominator", "status")
Key = tuple[str, str, str, str]
QUERY = """PREFIX qb: <http://purl.org/linked-data/cube#>
SELECT ?o ?p ?v WHERE { ?o a qb:Observation ; qb:dataSet ?d ; ?p ?v . FILTER (CONTAINS(STR(?d), "SLUG")) }"""


@dataclass
class Outcome:
    """Numbers of submissions, of suppressed counts, and of those that were found or narrowed too far."""

    submissions: int = 0
    suppressed: int = 0
    exact: list[Key] = field(default_factory=list)
    narrow: list[Key] = field(default_factory=list)
    wrong: list[Key] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.submissions} submissions, {self.suppressed} suppressed counts, {len(self.exact)} found exactly, "
            f"{len(self.narrow)} with fewer than {POSSIBLE} possible numbers, {len(self.wrong)} outside their interval"
        )


def attack(submissions: int, seed: int, *, protected: bool = True) -> Outcome:
    """Publish generated submissions, PER_CATALOGUE in a catalogue, and attack each."""
    dice, outcome = random.Random(seed), Outcome()
    for first in range(0, submissions, PER_CATALOGUE):
        _attack_catalogue(min(PER_CATALOGUE, submissions - first), dice, outcome, protected=protected)
    return outcome


def _attack_catalogue(submissions: int, dice: random.Random, outcome: Outcome, *, protected: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="vaven-attack-") as folder:
        thresholds = Thresholds() if protected else Thresholds(small_count=1, small_base_register=0)
        settings = Settings(home=Path(folder) / "home", thresholds=thresholds)
        app = create_app(settings)
        client = app.test_client()
        # One source for the people of an area, KPI and year: two with other numbers say nothing about each other.
        tables = {_table(dice): None for _ in range(2 * submissions)}
        for number, table in zip(range(submissions), tables, strict=False):
            truth, hidden = _published(Path(folder), settings, f"anfall-{number}", dice, table)
            known = _read_publicly(client, f"anfall-{number}")
            if set(known) & hidden:
                outcome.exact += sorted(set(known) & hidden)
            outcome.submissions += 1
            outcome.suppressed += len(hidden)
            for key, (low, high) in _intervals(known, hidden).items():
                if not low - 1e-6 <= truth[key] <= high + 1e-6:
                    outcome.wrong.append(key)
                numbers = math.floor(high + 1e-6) - math.ceil(low - 1e-6) + 1 if math.isfinite(high) else math.inf
                if numbers == 1:
                    outcome.exact.append(key)
                if numbers < POSSIBLE:
                    outcome.narrow.append(key)
        app.extensions["vaven"].close()


# --- the sender


def _published(
    folder: Path, settings: Settings, dataset: str, dice: random.Random, table: tuple[str, str, str]
) -> tuple[dict[Key, int], set[Key]]:
    """Publish a submission, suppressed as its reports ask. Returns all counts, and the keys of the suppressed ones."""
    truth, bases = _counts(dice, *table)
    hidden = {key for key, count in truth.items() if 0 < count < SMALL or 0 < bases[key] - count < SMALL}
    keys = sorted(truth)
    counts: object = None
    for _ in range(ROUNDS):
        path = folder / f"{dataset}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(LABELS)
            for key in keys:
                is_hidden = key in hidden
                values = ("", "", "", "Q") if is_hidden else (
                    f"{100 * truth[key] / bases[key]:.4f}", truth[key], bases[key], "A"
                )  # fmt: skip
                writer.writerow((*key, *values))
        try:
            publish(path, settings, dataset=dataset, choices=LICENCE_AND_PUBLISHER)
        except SubmissionRefused as refused:
            rows = {int(cell[1:]) for f in refused.report.findings for cell in _named(f.params.get("cells"))}
            rows |= {f.row for f in refused.report.findings if f.row and f.code.startswith("integrity-disclosure")}
            if not rows:
                raise
            hidden |= {keys[row - 2] for row in rows}
            counts = refused.report.counts
        else:
            return truth, hidden
    raise RuntimeError(f"{dataset} was refused {ROUNDS} times, last for {counts}")


def _named(cells: object) -> list[str]:
    return [cell for cell in str(cells or "").replace(" + ", ", +").split(", ") if cell and cell[0] != "+"]


@cache
def _parts() -> dict[str, list[str]]:
    """Return the DeSO of each municipality."""
    by_kommun: dict[str, list[str]] = defaultdict(list)
    for code, area in areas().deso2018.items():
        by_kommun[area.kommun].append(code)
    return by_kommun


def _table(dice: random.Random) -> tuple[str, str, str]:
    """Return a municipality, a KPI and a year."""
    kommun = dice.choice([code for code, parts in _parts().items() if 3 <= len(parts) <= 9])
    return kommun, dice.choice(KPIS), str(dice.randint(2012, 2023))


def _counts(dice: random.Random, kommun: str, kpi: str, year: str) -> tuple[dict[Key, int], dict[Key, int]]:
    """Return counts and denominators of a municipality, its DeSO and both sexes."""
    truth: dict[Key, int] = defaultdict(int)
    bases: dict[Key, int] = defaultdict(int)
    for code in _parts()[kommun]:
        for sex in "FM":
            count = dice.choice((0, dice.randint(1, 4), dice.randint(5, 60), dice.randint(5, 60)))
            base = count + dice.randint(10, 500)
            for key in ((area, kpi, year, s) for area in (kommun, code) for s in ("T", sex)):
                truth[key] += count
                bases[key] += base
    return dict(truth), dict(bases)


# --- the attacker, who knows the equations and what is public


def _read_publicly(client: Any, dataset: str) -> dict[Key, float]:
    """Return the published counts of a dataset from its download, its pages, the endpoint and the Action API."""
    known: dict[Key, float] = {}
    path = f"/dataset/{dataset}/1/observations.csv"
    rows = list(csv.DictReader(io.StringIO(client.get(path).get_data(as_text=True))))
    package = client.get("/api/3/action/package_show", query_string={"id": dataset}).get_json()["result"]
    table = next(r["id"] for r in package["resources"] if r["url"].endswith("observations.csv"))
    search = {"resource_id": table, "limit": 1000}
    rows += client.get("/api/3/action/datastore_search", query_string=search).get_json()["result"]["records"]
    query = {"query": QUERY.replace("SLUG", f"/{dataset}"), "format": "json"}
    response = client.get("/sparql", query_string=query, headers={"Accept": "application/sparql-results+json"})
    described: dict[str, dict[str, str]] = defaultdict(dict)
    for binding in response.get_json(force=True)["results"]["bindings"]:
        name = binding["p"]["value"].replace("#", "/").rpartition("/")[2]
        described[binding["o"]["value"]][name] = binding["v"]["value"]
    rows += _rows_of_page(client.get(f"/dataset/{dataset}", headers={"Accept-Language": "en"}).get_data(as_text=True))
    for row in rows:
        _learn(known, row)
    numerators = [d for d in described.values() if "numerator" in d]
    assert bool(numerators) == any(row.get("numerator") for row in rows), "the endpoint has other counts than the file"
    return known


class _TableReader(HTMLParser):
    """The texts of the cells of all tables of a page, by table and row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.is_in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.is_in_cell = False

    def handle_data(self, data: str) -> None:
        if self.is_in_cell:
            self.tables[-1][-1][-1] += data


def _rows_of_page(page: str) -> list[dict[str, str]]:
    """Return the rows of observations that a page of a dataset shows."""
    labels = {field.label("en"): field.name for field in standard()["observations"].fields}
    rows = []
    for label, *lines in (table for table in _TableReader(page).tables if table):
        if {"Area", "KPI", "Value"} <= set(label):
            names = [labels.get(text, text) for text in label]
            rows += [dict(zip(names, (re.sub(r"[\s,]", "", text) for text in line), strict=True)) for line in lines]
    assert rows, "the page shows no observations"
    return rows


def _learn(known: dict[Key, float], row: dict[str, Any]) -> None:
    key = (row["neighbourhood"], row["kpi"], str(row["period"]), row.get("sex") or "T")
    if row.get("numerator") not in (None, ""):
        known[key] = float(row["numerator"])
    elif row.get("value") not in (None, "") and row.get("denominator") not in (None, ""):
        known[key] = round(float(row["value"]) * float(row["denominator"]) / 100)


def _intervals(known: dict[Key, float], hidden: set[Key]) -> dict[Key, tuple[float, float]]:
    """Return the least and greatest number of each suppressed count that the published ones allow."""
    import highspy

    keys = sorted(set(known) | hidden)
    columns = {key: i for i, key in enumerate(keys)}
    solver: Any = highspy.Highs()
    solver.silent()
    for key in keys:
        number = known.get(key)
        solver.addVar(0.0 if number is None else number, highspy.kHighsInf if number is None else number)

    def equal(total: Key, parts: list[Key]) -> None:
        if total in columns and all(part in columns for part in parts):
            indices = [columns[total], *(columns[part] for part in parts)]
            solver.addRow(0, 0, len(indices), indices, [1.0, *[-1.0] * len(parts)])

    for area, kpi, period, sex in keys:
        if sex == "T":
            equal((area, kpi, period, sex), [(area, kpi, period, part) for part in "FM"])
        if len(area) == 4:
            equal((area, kpi, period, sex), [(code, kpi, period, sex) for code in _parts()[area]])
    result = {}
    for key in sorted(hidden):
        bounds = []
        for sense in (highspy.ObjSense.kMinimize, highspy.ObjSense.kMaximize):
            solver.changeColCost(columns[key], 1.0)
            solver.changeObjectiveSense(sense)
            solver.run()
            is_optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
            bounds.append(solver.getSolution().col_value[columns[key]] if is_optimal else math.inf)
            solver.changeColCost(columns[key], 0.0)
        result[key] = (bounds[0], bounds[1])
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unprotected", action="store_true", help="turn disclosure control off")
    options = parser.parse_args()
    outcome = attack(options.submissions, options.seed, protected=not options.unprotected)
    print(outcome)
    has_succeeded = bool(outcome.exact or outcome.narrow)
    return int(bool(outcome.wrong) or has_succeeded != options.unprotected)


if __name__ == "__main__":
    sys.exit(main())
