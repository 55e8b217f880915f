"""Counts that a submission does not publish, and that its other counts give away."""

import itertools
import math
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.reading import validate
from vaven.schemas.disclosure.intervals import intervals
from vaven.schemas.disclosure.proposals import further_counts, revealed, unpublished
from vaven.schemas.disclosure.system import Cell, Count, LinearSystem, linear_system
from vaven.schemas.standard.thresholds import Thresholds
from vaven.vocab.areas import areas

HEADER = "neighbourhood,kpi,period,sex,age_group,value,numerator,denominator,ci_lower,ci_upper,status,method,note"
KPI = "sysselsatta"
ENOUGH = 4


def row(
    area: str = "0180C1010", period: str = "2022", sex: str = "T", age: str = "T", numerator: int | None = 100,
    denominator: int | None = 1_000, *, kpi: str = KPI, status: str | None = None, **other: str,
) -> str:  # fmt: skip
    """Return a row of a file with a numerator, or a suppressed one without."""
    value = "" if numerator is None or denominator is None else f"{100 * numerator / denominator:.4f}"
    cells = {
        "neighbourhood": area, "kpi": kpi, "period": period, "sex": sex, "age_group": age, "value": value,
        "numerator": "" if numerator is None else str(numerator),
        "denominator": "" if denominator is None else str(denominator),
        "status": status or ("Q" if numerator is None and "value" not in other else "A"), **other,
    }  # fmt: skip
    return ",".join(cells.get(name, "") for name in HEADER.split(","))


def codes(tmp_path: Path, *rows: str) -> dict[str, int]:
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *rows]))
    counts = validate(tmp_path / "a.csv").counts
    names = ("suppression-reversible", "small-count", "small-count-derived", "small-count-outside")
    return {name: counts[name] for name in names if name in counts}


DESOS = [code for code, area in areas().deso2018.items() if area.kommun == "0114"]
KOMMUNER = [code for code in areas().kommuner if code.startswith("09")]
PEOPLE = {"kpi": "deltagare", "numerator": None, "denominator": None}
HIDDEN = {"numerator": None, "denominator": None}
REVEALED = {
    "one sex": [row(), row(sex="F", numerator=97), row(sex="M", **HIDDEN)],
    "an age group of a KPI of some ages": [
        row(numerator=503), row(age="20-39", numerator=250, denominator=500),
        row(age="40-59", numerator=250, denominator=300), row(age="60-64", numerator=None, denominator=200),
    ],
    "an age group within another": [
        row(age="20-64", numerator=503), row(age="20-39", numerator=250), row(age="40-64", numerator=253),
        row(age="40-59", numerator=250), row(age="60-64", **HIDDEN),
    ],
    "a DeSO of a municipality": [
        row("0114", numerator=100 * len(DESOS) - 97, denominator=90_000), *(row(code) for code in DESOS[1:]),
        row(DESOS[0], **HIDDEN),
    ],
    "a municipality whose DeSO are all published": [row("0114", **HIDDEN), *map(row, DESOS)],
    "a municipality of a län": [
        row("09", numerator=100 * len(KOMMUNER) - 98, denominator=90_000), *(row(code) for code in KOMMUNER[1:]),
        row(KOMMUNER[0], **HIDDEN),
    ],
    "a quarter of a year": [
        row(value="103", **PEOPLE), *(row(period=f"2022-Q{n}", value="25", **PEOPLE) for n in (1, 2, 3)),
        row(period="2022-Q4", **PEOPLE),
    ],
    "a month of a quarter": [
        row(period="2022-Q1", value="103", **PEOPLE), row(period="2022-01", value="50", **PEOPLE),
        row(period="2022-02", value="50", **PEOPLE), row(period="2022-03", **PEOPLE),
    ],
    "the part of a municipality that is in no row": [
        row("0114", numerator=100 * len(DESOS) - 97, denominator=90_000), *(row(code) for code in DESOS[1:]),
    ],
    "several equations together": [
        row("0114", numerator=200 + 100 * (len(DESOS) - 2), denominator=90_000), row("0114", sex="F", **HIDDEN),
        *(row(code, sex=sex, numerator=n) for code in DESOS[2:] for sex, n in (("T", 100), ("F", 50), ("M", 50))),
        row("0114", sex="M", numerator=50 * (len(DESOS) - 2) + 60, denominator=90_000),
        row(DESOS[0], sex="T", numerator=100), row(DESOS[0], sex="F", **HIDDEN), row(DESOS[0], sex="M", numerator=57),
        row(DESOS[1], sex="T", numerator=100), row(DESOS[1], sex="F", **HIDDEN), row(DESOS[1], sex="M", **HIDDEN),
    ],
    "a status that only says missing": [
        row(), row(sex="F", numerator=97), row(sex="M", status="M", **HIDDEN),
    ],
    "other values called illustrative": [
        row(), row(sex="F", numerator=97, method="illustrative"), row(sex="M", method="illustrative", **HIDDEN),
    ],
    "an end of the confidence interval": [row(numerator=None, ci_lower="0.2")],
    "a note": [row(numerator=None, note="Bara 3 personer")],
}  # fmt: skip


@pytest.mark.parametrize("way", REVEALED)
def test_a_count_that_others_give_away_is_an_error(tmp_path: Path, way: str) -> None:
    assert codes(tmp_path, *REVEALED[way]).get("suppression-reversible")


SAFE = {
    "both sexes": [row(), row(sex="F", **HIDDEN), row(sex="M", **HIDDEN)],
    "no total": [row(sex="F", numerator=97), row(sex="M", **HIDDEN)],
    "all of them": [row(**HIDDEN), row(sex="F", **HIDDEN), row(sex="M", **HIDDEN)],
    "another KPI": [row(), row(sex="F", numerator=97, kpi="ekonomiskt-bistand"), row(sex="M", **HIDDEN)],
    "another year": [row(), row(sex="F", numerator=97, period="2021"), row(sex="M", **HIDDEN)],
    "two DeSO of a municipality": [
        row("0114", numerator=100 * len(DESOS) - 97, denominator=90_000), *(row(code) for code in DESOS[2:]),
        *(row(code, **HIDDEN) for code in DESOS[:2]),
    ],
    "a large part in no row": [
        row("0114", numerator=100 * len(DESOS), denominator=90_000), *(row(code) for code in DESOS[1:]),
    ],
    "parts that do not add up": [row(), row(sex="F", numerator=60), row(sex="M", numerator=38)],
    "all values illustrative": [
        row(method="illustrative"), row(sex="F", numerator=97, method="illustrative"),
        row(sex="M", method="illustrative", **HIDDEN),
    ],
    "a note with a year": [row(numerator=None, note="Källa: SCB 2023, 3 kap.")],
}  # fmt: skip


@pytest.mark.parametrize("way", SAFE)
def test_counts_that_nothing_gives_away_are_accepted(tmp_path: Path, way: str) -> None:
    assert codes(tmp_path, *SAFE[way]) == {}


@pytest.mark.parametrize("age", ["99-1", "16-", "1000+", "-", "0-1000", "sextio"])
def test_a_text_that_is_no_age_group_is_in_no_equation(tmp_path: Path, age: str) -> None:
    """The search for its parts would never end."""
    counts = [Count(Cell("0114", "T", text, "2022"), is_suppressed=True, row=i) for i, text in enumerate((age, "T"))]
    assert linear_system(counts, []).equations == []
    assert codes(tmp_path, row(age=age, **HIDDEN), row(age="16-24"), row(age="25-64")) == {}


def test_counts_of_which_none_is_published_are_decided_at_once() -> None:
    """One linear program a count took half a minute for 90,000 of them."""
    rows = [Cell("0114", sex, age, "2022") for sex in "TFM" for age in ("T", *map(str, range(100)))]
    system = linear_system([Count(cell, is_suppressed=True, row=i) for i, cell in enumerate(rows)], [])
    result = intervals(system, unpublished(system), enough=ENOUGH)
    assert not result.undecided
    assert min(map(result.possible, unpublished(system))) >= ENOUGH


def test_a_small_count_needs_no_numerator_to_be_one(tmp_path: Path) -> None:
    value = row().replace(",100,1000,", ",,1000,")
    assert codes(tmp_path, value.replace("10.0000", "0.3")) == {"small-count-derived": 1}
    assert codes(tmp_path, row(numerator=997)) == {"small-count-outside": 1}
    assert codes(tmp_path, value.replace("10.0000", "99.7")) == {"small-count-outside": 1}
    for text in ("0", "0.0", "0.5", "99.5", "100"):
        assert codes(tmp_path, value.replace("10.0000", text)) == {}


@pytest.mark.parametrize(
    ("kpi", "respondents", "expected"),
    [("tillit", "3", 0), ("tillit", "5", 0), ("tillit", "", 0), ("deltagare", "", 0), ("deltagare", "3", 1),
     ("deltagare", "250", 1)],
)  # fmt: skip
def test_respondents_repeat_a_suppressed_number_of_people(
    tmp_path: Path, kpi: str, respondents: str, expected: int
) -> None:
    """Few respondents are why a share is suppressed, and are published."""
    path = tmp_path / "a.csv"
    path.write_text(f"neighbourhood,kpi,period,value,sample_size,status\n0180C1010,{kpi},2022,,{respondents},Q\n")
    assert validate(path).counts.get("suppression-reversible", 0) == expected


def test_the_further_cells_that_a_report_names_are_enough(tmp_path: Path) -> None:
    rows = [row(), row(sex="F", numerator=97), row(sex="M", **HIDDEN)]
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *rows]))
    (finding,) = (f for f in validate(tmp_path / "a.csv").findings if f.code == "suppression-reversible")
    assert (finding.address, finding.params["cells"]) == ("F4", "F3")
    for language in ("sv", "en"):
        assert "F3" in finding.remedy(language)
    assert codes(tmp_path, rows[0], row(sex="F", **HIDDEN), rows[2]) == {}


def test_what_is_not_decided_in_time_is_an_error(tmp_path: Path) -> None:
    others = [row(code, sex=sex, numerator=50) for code in DESOS[2:] for sex in "FM"]
    total = [row("0114", sex=sex, numerator=50 * len(DESOS), denominator=90_000) for sex in "FM"]
    hidden = [row(code, sex=sex, **HIDDEN) for code in DESOS[:2] for sex in "FM"]
    rows = [*total, *others, *hidden, *(row(code) for code in DESOS)]
    assert codes(tmp_path, *rows) == {}
    for seconds, expected in ((60, {}), (0, {"suppression-undecided": 4})):
        counts = validate(tmp_path / "a.csv", thresholds=Thresholds(disclosure_seconds=seconds)).counts
        assert {code: n for code, n in counts.items() if code.startswith("suppression")} == expected


def test_a_plain_check_loads_no_solver(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *REVEALED["one sex"]]))
    script = "import sys; from vaven.schemas import validate; validate(sys.argv[1]); print(*sys.modules)"
    command = [sys.executable, "-P", "-c", script, tmp_path / "a.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"numpy", "highspy"} & set(done.stdout.split()) == set()


# Against all whole numbers that are possible.


def table(dice: random.Random) -> tuple[LinearSystem, int]:
    """Return a table of areas, sexes and ages with a few suppressed counts, and its largest count."""
    parts = ("0114A0010", "0114C1010", "0114C1020")[: dice.choice((2, 3))]
    ages = ("0-19", "20+") if dice.random() < 0.3 else ()
    counts: dict[Cell, int] = {}
    for area, sex, age in itertools.product(parts, "FM", ages or ("T",)):
        number = dice.choice((0, 1, 2, 3, 4, 5, 7, 9))
        for cell in itertools.product(("0114", area), ("T", sex), {"T", age}):
            key = Cell(*cell, "2022")
            counts[key] = counts.get(key, 0) + number
    hidden = dice.sample(sorted(counts), dice.randint(1, 6))
    known = [
        Count(cell, 0, math.inf, True, i) if cell in hidden else Count(cell, number, number, False, i)
        for i, (cell, number) in enumerate(counts.items())
    ]
    return linear_system(known, [("0114", parts)]), max(counts.values())


def possible(system: LinearSystem, highest: int) -> dict[int, set[int]]:
    """Return the numbers that each unknown count may be, by trying all up to the highest."""
    unknown = sorted(unpublished(system))
    values = [count.low for count in system.counts]
    results: dict[int, set[int]] = {number: set() for number in unknown}

    def search(left: Sequence[int]) -> None:
        open_numbers = set(left)
        for equation in system.equations:
            terms = (equation.total, *equation.parts)
            if open_numbers.isdisjoint(terms) and values[equation.total] != sum(values[n] for n in equation.parts):
                return
        if not left:
            for number in unknown:
                results[number].add(int(values[number]))
            return
        for value in range(highest + 1):
            values[left[0]] = value
            search(left[1:])

    search(unknown)
    return results


@pytest.mark.parametrize("seed", range(60))
def test_intervals_are_those_of_all_possible_numbers(seed: int) -> None:
    dice = random.Random(seed)
    system, largest = table(dice)
    while len(unpublished(system)) > 4:
        system, largest = table(dice)
    result = intervals(system, unpublished(system), enough=10_000)
    highest = largest + 1
    for number, numbers in possible(system, highest).items():
        assert result.low[number] == pytest.approx(min(numbers))
        assert min(result.high[number], highest) == pytest.approx(max(numbers))


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_revealed_once_the_further_counts_are_suppressed_as_well(seed: int) -> None:
    system, _ = table(random.Random(1_000 + seed))
    result = intervals(system, unpublished(system), enough=ENOUGH)
    further = further_counts(system, result, enough=ENOUGH)
    assert further is not None
    assert bool(further) == bool(revealed(system, result, enough=ENOUGH))
    for number in further:
        system.counts[number] = system.counts[number]._replace(low=0.0, high=math.inf, is_suppressed=True)
    results = intervals(system, unpublished(system), enough=ENOUGH)
    assert revealed(system, results, enough=ENOUGH) == set()
