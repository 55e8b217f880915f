"""Checks: the findings of each rule, the released values, and protection from hostile tables."""

import csv
import itertools
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest

from tests.reading import validate
from tests.tables_by_hand import tables_of
from vaven.schemas import check as check_module
from vaven.schemas.check import check
from vaven.schemas.rules.references import duplicate_value
from vaven.schemas.rules.registry import Checking
from vaven.schemas.standard.finding import MAX_FINDINGS, Finding, Fix, Report, Verdict
from vaven.schemas.standard.personal_number_forms import MASK, masked, passes_luhn
from vaven.schemas.standard.table_schemas import RESOURCES, standard
from vaven.schemas.tables.compile import text_select, typed_select
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES

Row = Mapping[str, str | None]
OBSERVATION: Row = {
    "neighbourhood": "0180C1010",
    "kpi": "arbetsloshet",
    "period": "2023",
    "sex": "T",
    "age_group": "T",
    "value": "5.5",
    "status": "A",
}
AREA: Row = {"code": "0180C1010", "level": "deso", "vintage": "2018", "name": "Norrmalm", "municipality": "0180"}
# Made up for tests: dates of no one, with check digits that fit.
PERSON = "000229-0005"
NOBODY = "010229-0004"


def observations(*changes: Row) -> list[Row]:
    return [{**OBSERVATION, **change} for change in changes]


def checked(resources: Mapping[str, Sequence[Row]], today: date = date(2024, 6, 30)) -> Report:
    with tables_of(resources) as tables:
        return check(tables, today=today)


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def finding_codes(*changes: Row) -> list[str]:
    return codes(checked({"observations": observations(*changes)}))


def every_word(findings: Sequence[Finding]) -> str:
    parts = [f.text or "" for f in findings]
    parts += [f.message(lang) + f.remedy(lang) + f.title(lang) for f in findings for lang in LANGUAGES]
    return "\n".join([*parts, *(str(f.params) + str(f.fix) for f in findings)])


# --- verdict and counts -----------------------------------------------------------------------------------------


def test_a_clean_table_is_valid() -> None:
    report = checked({"observations": observations({})})
    assert (report.verdict, report.findings, report.rows) == (Verdict.VALID, (), {"observations": 1})
    assert report.engine.startswith("duckdb ")
    assert report.is_publishable


def test_warnings_do_not_prevent_publishing_and_notes_are_not_counted() -> None:
    warned = checked({"observations": observations({}, {"period": "1900"})})
    assert warned.verdict is Verdict.VALID_WITH_WARNINGS
    noted = checked({"observations": observations({"neighbourhood": "0180R001"})})
    assert (noted.verdict, codes(noted)) == (Verdict.VALID, ["area-list-unknown"])


def test_counts_are_complete_if_the_list_of_findings_is_truncated() -> None:
    rows = observations(*({"period": f"år {i}"} for i in range(MAX_FINDINGS + 500)))
    report = checked({"observations": rows})
    assert report.counts == {"pattern-mismatch": MAX_FINDINGS + 500}
    assert len(report.findings) == MAX_FINDINGS
    assert report.is_cut


def test_a_rule_truncated_in_one_table_is_listed_in_the_next() -> None:
    rows = observations(*({"neighbourhood": f"nowhere {i}"} for i in range(MAX_FINDINGS + 5)))
    target = {"neighbourhood": "x", "kpi": "tillit", "period": "2030", "baseline_period": "2020"}
    report = checked({"observations": rows, "targets": [{**target, "baseline_value": "1", "target_value": "2"}]})
    assert report.counts["area-unknown"] == MAX_FINDINGS + 6
    assert [f.row for f in report.findings if f.resource == "targets"] == [2]


@pytest.mark.parametrize("name", OBSERVATION)
def test_a_missing_column_breaks_no_rule(name: str) -> None:
    rows = [{key: cell for key, cell in row.items() if key != name} for row in observations({}, {"period": "2022"})]
    allowed = {"status-missing"} if name == "value" else {"duplicate-row"} if name == "period" else set()
    assert set(codes(checked({"observations": rows}))) <= allowed


def test_a_file_that_cannot_be_read_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    report = validate(tmp_path / "empty.csv")
    assert (report.verdict, codes(report)) == (Verdict.NOT_CHECKED, ["not-readable-empty"])
    assert report.verdict.exit_code == 2


# --- rules in detail --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN", "inf"])
def test_a_value_outside_the_range_of_numbers_is_a_type_error(value: str) -> None:
    assert finding_codes({"kpi": "deltagare", "value": value}) == ["type-error"]


def test_the_current_date_separates_past_and_future() -> None:
    rows = {"observations": observations({"period": "2024-Q3"}, {"period": "2024-06"}, {"period": "2024-07"})}
    assert [f.row for f in checked(rows, date(2024, 6, 30)).findings] == [2, 4]
    assert checked(rows, date(2024, 7, 1)).verdict is Verdict.VALID


def test_two_spellings_of_a_number_are_one_value() -> None:
    assert finding_codes({"value": "5.50"}, {"value": "5.5"}) == ["duplicate-row"]
    assert finding_codes({"value": "5.51"}, {"value": "5.5"}) == ["duplicate-key"]


def test_a_duplicate_names_the_other_row() -> None:
    (finding,) = checked({"observations": observations({}, {"period": "2022"}, {"value": "7"})}).findings
    assert (finding.row, finding.params["other"]) == (4, 2)
    assert "2" in finding.message("sv")


def test_a_unique_column_outside_the_key_is_checked(tmp_path: Path) -> None:
    schema = standard()["actors"]
    rows = [{"id": f"a-{i}", "name": name} for i, name in enumerate(("Ett", "Två", "Ett", None, None))]
    named = schema["name"]
    unique = type(named)("name", "string", {**named.descriptor, "constraints": {"unique": True}})
    altered = type(schema)("actors", (unique,), ("id",), (), schema.descriptor)
    with tables_of({"actors": rows}) as tables:
        on = Checking(tables, tables.tables["actors"], altered, standard(), "actors", date(2024, 1, 1))
        assert [(finding.row, finding.params["other"]) for finding in duplicate_value(on)] == [(4, 2)]


RATIO = {"numerator": "123", "denominator": "2235"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({**RATIO, "value": "5.5"}, []),
        ({**RATIO, "value": "6"}, []),
        ({**RATIO, "value": "5.503355704697986"}, []),
        ({**RATIO, "value": "5.6"}, ["ratio-disagrees"]),
        ({**RATIO, "value": "7"}, ["ratio-disagrees"]),
        ({**RATIO, "denominator": "0"}, ["numerator-over-denominator"]),
        ({**RATIO, "denominator": None}, []),
        ({"kpi": "anmalda-brott", "value": "5503", **RATIO}, []),
        ({"kpi": "anmalda-brott", "value": "5510", **RATIO}, ["ratio-disagrees"]),
        ({"kpi": "meritvarde", "value": "220", **RATIO}, []),
    ],
)
def test_a_ratio_is_compared_within_the_precision_of_the_value(change: Row, expected: list[str]) -> None:
    empty = {"numerator": None, "denominator": None}
    assert finding_codes({**empty, **change}) == expected


def test_shares_below_one_per_cent_are_accepted_with_their_numerators() -> None:
    small = [{"kpi": "ekonomiskt-bistand", "period": f"{y}", "value": v} for y, v in ((2020, "0.4"), (2021, "0.6"))]
    small.append({"kpi": "ekonomiskt-bistand", "period": "2022", "value": "0.5"})
    assert finding_codes(*small) == ["kpi-scale"]
    assert (
        finding_codes(
            *({**s, "numerator": str(int(float(str(s["value"])) * 20)), "denominator": "2000"} for s in small)
        )
        == []
    )
    assert finding_codes(*({**s, "value": v} for s, v in zip(small, "011", strict=True))) == []


@pytest.mark.parametrize("status", [code.id for code in register.codes("statuses").values()])
def test_a_status_matches_a_value_or_its_absence(status: str) -> None:
    with_value, without = finding_codes({"status": status}), finding_codes({"value": None, "status": status})
    is_missing = register.codes("statuses")[status].properties["value_missing"] == "true"
    assert with_value == (["status-contradicts"] if is_missing else [])
    assert without == ([] if is_missing or status in "JS" else ["status-missing"])


@pytest.mark.parametrize(("status", "expected"), [("A", ["jump"]), ("B", []), ("D", [])])
def test_an_explained_jump_is_not_reported(status: str, expected: list[str]) -> None:
    assert finding_codes({"period": "2022"}, {"value": "35.5", "status": status}) == expected


def test_a_jump_is_detected_within_one_series() -> None:
    assert finding_codes({"sex": "F", "value": "80"}, {"sex": "M", "period": "2022", "value": "20"}) == []
    assert finding_codes({"value": "80"}, {"neighbourhood": "0180C1020", "period": "2022", "value": "20"}) == []


def test_a_duplicate_year_is_not_a_jump() -> None:
    assert finding_codes({"value": "5"}, {"value": "50"}) == ["duplicate-key"]


def test_reversed_limits_are_reported_with_and_without_a_value() -> None:
    limits = {"ci_lower": "7", "ci_upper": "6"}
    # The limits of a suppressed value are a finding of their own.
    assert finding_codes({**limits, "value": None, "status": "Q"}) == ["confidence-interval", "suppression-reversible"]
    assert finding_codes({**limits, "value": "8"}) == ["confidence-interval"]


def test_an_area_in_no_list_is_unknown_and_not_of_another_vintage() -> None:
    rows = {
        "observations": observations({"neighbourhood": "1280C9990"}),
        "neighbourhoods": [{**AREA, "code": "1280C9990", "municipality": "1280"}],
    }
    assert codes(checked(rows)) == ["area-unknown"]


def test_own_areas_without_a_level_are_reported_once() -> None:
    rows = {"observations": observations({"neighbourhood": "gula-husen"}), "neighbourhoods": [{**AREA, "level": None}]}
    rows["neighbourhoods"] = [{**AREA, "code": "gula-husen", "level": None, "vintage": None}]
    assert codes(checked(rows)) == ["required-missing"]


def test_safe_fixes_are_offered() -> None:
    rows = {
        "observations": observations({}),
        "neighbourhoods": [{**AREA, "municipality": "180"}, {**AREA, "code": "x"}],
    }
    report = checked(rows)
    assert [(f.code, f.fix) for f in report.findings if f.fix] == [("area-leading-zero", Fix("0180"))]
    (lone,) = checked({"observations": observations({"neighbourhood": "180C1010"})}).findings
    assert lone.fix == Fix("0180C1010")


@pytest.mark.parametrize(
    ("kpi", "nearest"),
    [("arbetslöshet", "arbetsloshet"), ("trygg morker", "trygg-morker"), ("sysselsatt", "sysselsatta"), ("qqq", "")],
)
def test_the_nearest_kpi_is_suggested(kpi: str, nearest: str) -> None:
    (finding,) = checked({"observations": observations({"kpi": kpi})}).findings
    assert finding.code == "not-in-list"
    assert finding.params["nearest"] == nearest


# --- personal identity numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [PERSON, PERSON.replace("-", ""), "20" + PERSON, PERSON.replace("-", "+")])
def test_a_personal_number_is_detected_in_any_form(form: str) -> None:
    assert masked(f"Ring {form} i dag") == f"Ring {MASK} i dag"


@pytest.mark.parametrize("text", [NOBODY, "212000-0142", "5560360793", "7502310241", "0180C1010", "1234567890123"])
def test_other_numbers_are_not_masked(text: str) -> None:
    assert masked(text) == text


def test_a_coordination_number_is_personal() -> None:
    number = next(f"00026{i}{j:04}" for i in range(1, 10) for j in range(10_000) if passes_luhn(f"00026{i}{j:04}"))
    assert masked(number) == MASK


def test_no_report_repeats_a_personal_number(tmp_path: Path) -> None:
    """The number is in any column, a header, a surplus cell, a list, or a code that reading replaces."""
    path = tmp_path / "person.csv"
    header = [*OBSERVATION, "note", PERSON]
    rows = [
        {**OBSERVATION, name: PERSON, "period": PERSON if name == "period" else f"{2000 + i}", "note": PERSON}
        for i, name in enumerate(OBSERVATION)
    ]
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(header)
        writer.writerows([*row.values(), "x", PERSON] for row in rows)
    report = validate(path)
    assert {"unknown-column", "not-in-list", "type-error", "pattern-mismatch", "extra-cell"} <= set(report.counts)
    words = every_word((*report.findings, *report.assumptions))
    assert PERSON not in words
    assert PERSON.replace("-", "") not in words
    assert MASK in words


def test_a_personal_number_as_organisation_number_is_an_error() -> None:
    actor = {"id": "a", "organisation_number": PERSON, "name": "Firman", "sector": "private"}
    report = checked({"observations": observations({}), "actors": [actor, {**actor, "id": "b"}]})
    assert codes(report) == ["organisation-number", "organisation-number"]
    assert PERSON not in every_word(report.findings)


# --- what hostile tables can't do -------------------------------------------------------------------------------

HOSTILE = (
    "'",
    '"',
    "'; DROP TABLE observations; --",
    "{text}",
    "{0.__class__}",
    "%s",
    "\\",
    "å" * 5_000,
    "\x1b[2J",
    "?",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", OBSERVATION)
def test_a_hostile_cell_is_only_text(text: str, name: str) -> None:
    report = checked({"observations": observations({}, {"period": "2022", name: text})})
    assert report.rows == {"observations": 2}
    assert report.verdict is Verdict.INVALID
    assert len(every_word(report.findings)) < 20_000


@pytest.mark.parametrize("name", ["neighbourhood", "kpi", "period", "value", "status"])
def test_ten_thousand_different_faults_take_seconds(name: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.csv"
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, [*OBSERVATION])
        writer.writeheader()
        writer.writerows({**OBSERVATION, "period": "2000", name: f"9{i}x"} for i in range(10_000))
    began = time.monotonic()
    report = validate(path)
    assert time.monotonic() - began < 10
    assert max(report.counts.values()) >= 9_999


# --- what is released -------------------------------------------------------------------------------------------


def released(rows: Sequence[Row], resource: str = "observations") -> list[dict[str, object]]:
    with tables_of({resource: rows}) as tables:
        result = tables.workspace.sql(typed_select(tables.tables[resource], standard()[resource], unique=True))
        return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]


def as_csv(rows: Sequence[Row]) -> list[dict[str, str]]:
    with tables_of({"observations": rows}) as tables:
        schema = standard()["observations"]
        select = text_select(typed_select(tables.tables["observations"], schema), schema)
        path = tables.folder / "out.csv"
        tables.workspace.execute(f"COPY ({select}) TO '{path}' (HEADER)")
        return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_every_field_is_exported_in_the_order_of_the_standard() -> None:
    (row,) = released([{"neighbourhood": "0180C1010", "kpi": "tillit", "period": "2023", "value": "50"}])
    assert tuple(row) == standard()["observations"].names
    assert (row["sex"], row["age_group"], row["status"], row["value"], row["note"]) == ("T", "T", "A", 50.0, None)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("23.4", "23.4"),
        ("100", "100"),
        ("0", "0"),
        ("-0", "0"),
        ("1e2", "100"),
        (".5", "0.5"),
        ("+7.50", "7.5"),
        ("0.1", "0.1"),
        ("11000000", "11000000"),
        ("0.30000000000000004", "0.3"),
        ("123456789.25", "123456789.25"),
    ],
)
def test_a_number_is_written_as_one_plain_decimal(text: str, written: str) -> None:
    assert as_csv(observations({"value": text}))[0]["value"] == written


def test_rows_are_ordered_by_key() -> None:
    rows = observations({"period": "2023"}, {"period": "2021"}, {"neighbourhood": "0114A0010", "period": "2024"})
    assert released(rows) == released(rows[::-1])
    assert [row["period"] for row in released(rows)] == ["2024", "2021", "2023"]


def test_of_two_rows_with_one_key_the_one_with_a_value_is_released() -> None:
    rows = observations({"value": None, "status": "Q"}, {"sex": None, "value": "5.5"})
    assert [(row["value"], row["status"]) for row in released(rows)] == [(5.5, "A")]


def test_dates_and_whole_numbers_have_their_types() -> None:
    row = {"id": "ljus", "name": "Ljus", "start": "2022-01-01", "amount": "1200000.5"}
    (investment,) = released([row], "investments")
    assert (investment["start"], investment["end"], investment["amount"]) == (date(2022, 1, 1), None, 1200000.5)
    assert released(observations({"sample_size": "105"}))[0]["sample_size"] == 105


def test_the_report_names_the_engine_in_use() -> None:
    assert check_module.duckdb is duckdb
    assert checked({"observations": observations({})}).engine == f"duckdb {duckdb.__version__}"


def test_any_column_may_be_missing_beside_columns_that_are_not_read(tmp_path: Path) -> None:
    texts = {"neighbourhood": ("0180C1010", "0180C1020"), "period": ("2022", "2023"), "value": ("57,5", "-")}
    beside = {"Typ": ("Offentlig", "Privat"), "Huvudman": ("Kommun", "Region")}
    for resource in RESOURCES:
        fields = [f.name for f in standard()[resource].fields]
        for missing in [*((name,) for name in fields), *itertools.combinations(standard()[resource].primary_key, 2)]:
            labels = [name for name in fields if name not in missing] + [*beside]
            rows = [";".join({**texts, **beside}.get(name, ("1", "2"))[row % 2] for name in labels) for row in range(4)]
            path = tmp_path / f"{resource}.csv"
            path.write_text("\n".join([";".join(labels), *rows]))
            report = validate(path)
            assert {"missing-column", "not-the-standard"} & report.counts.keys() or not any(
                standard()[resource][name].required for name in missing
            )
