"""Messages of findings format numbers, codes and lists by the conventions of both languages."""

from collections.abc import Mapping

import pytest

from vaven.schemas.standard.finding import Finding, Severity, code_words, joined, uncapitalised


def sentences(code: str, field: str, text: str | None, **params: object) -> Mapping[str, str]:
    finding = Finding(code, Severity.ERROR, "observations", field=field, text=text, params=params)
    return {language: finding.message(language) for language in ("sv", "en")}


def test_a_value_has_the_separators_of_the_language() -> None:
    messages = sentences("ratio-disagrees", "value", "12345.5", expected="11.0")
    assert messages["sv"] == "Värdet är 12\u00a0345,5, men täljare och nämnare ger 11,0."
    assert messages["en"] == "The value is 12,345.5, but numerator and denominator give 11.0."


def test_a_negative_number_has_a_minus_and_not_a_hyphen_in_swedish() -> None:
    messages = sentences("below-minimum", "numerator", "-0.5", limit="0", label_sv="Täljare", label_en="Numerator")
    assert messages["sv"] == "Täljare är \u22120,5. Minsta möjliga värde är 0."
    assert messages["en"] == "Numerator is -0.5. The smallest possible value is 0."


def test_a_number_of_another_column_is_also_formatted() -> None:
    messages = sentences("numerator-over-denominator", "numerator", "1200", denominator="1000.5")
    assert messages["sv"].startswith("Täljaren 1\u00a0200 är större än nämnaren 1\u00a0000,5")
    assert messages["en"].startswith("The numerator 1,200 is larger than the denominator 1,000.5")


def test_a_year_has_no_thousands_separator() -> None:
    messages = sentences("period-too-old", "period", "1924", limit="1950")
    assert messages == {"sv": "1924 är före 1950.", "en": "1924 is before 1950."}


def test_a_label_that_is_a_year_has_no_thousands_separator() -> None:
    messages = sentences("not-the-standard", "", None, columns="2023")
    assert messages["sv"].endswith("Filens kolumner är 2023.")
    assert messages["en"].endswith("The file's columns are 2023.")


def test_a_number_of_columns_has_the_separator_of_the_language() -> None:
    messages = sentences("not-readable-columns", "", None, file="a.csv", column_count=2_000)
    assert messages["sv"] == "a.csv har fler än 2\u00a0000 kolumner."


def test_text_that_is_not_a_number_is_quoted_unchanged() -> None:
    finding = Finding(
        "type-error", Severity.ERROR, "observations", field="value", text="12,5 st",
        params={"type": "number", "label_sv": "Värde", "label_en": "Value"},
    )  # fmt: skip
    assert finding.message("sv") == "”12,5 st” i Värde är inte ett tal."


def test_a_status_is_shown_by_name_and_code() -> None:
    messages = sentences("status-contradicts", "status", "Q", status="Q", value="12.1")
    assert messages["sv"] == "Status är undertryckt (Q), men värdet 12,1 är ifyllt."
    assert messages["en"] == "Status is suppressed (Q), but the value 12.1 is filled in."


@pytest.mark.parametrize(
    ("code_list", "code", "swedish", "english"),
    [
        ("statuses", "M", "kan inte finnas (M)", "cannot exist (M)"),
        ("methods", "survey", "undersökning (survey)", "survey"),
        ("levels", "own", "eget område (own)", "own area (own)"),
        ("levels", "deso", "DeSO", "DeSO"),
        ("sexes", "F", "kvinnor (F)", "women (F)"),
        ("statuses", "?", "?", "?"),
    ],
)
def test_a_code_is_preceded_by_its_name(code_list: str, code: str, swedish: str, english: str) -> None:
    assert (code_words(code_list, code, "sv"), code_words(code_list, code, "en")) == (swedish, english)


def test_a_count_of_one_is_singular() -> None:
    def message(count: int, language: str) -> str:
        finding = Finding("assumed-footnotes", Severity.NOTE, params={"count": count})
        return finding.message(language)

    assert message(1, "sv").startswith("1 rad under tabellen")
    assert message(2, "sv").startswith("2 rader under tabellen")
    assert message(1200, "sv").startswith("1\u00a0200 rader")
    assert message(1, "en").startswith("1 row below")
    assert message(1200, "en").startswith("1,200 rows")


def test_words_are_joined_as_a_list_of_the_language() -> None:
    assert joined(["kön"], "sv") == "kön"
    assert joined(["period", "kön", "ålder"], "sv") == "period, kön och ålder"
    assert joined(["period", "sex"], "en") == "period and sex"
    assert [uncapitalised(label) for label in ("Kön", "KPI", "DeSO-koder")] == ["kön", "KPI", "DeSO-koder"]
