"""User-facing texts follow the rules of their language: terms, word order and number formats.

The texts are every message, the labels and definitions of the vocabulary, the standard's labels and help, the titles
of example queries, the descriptions of the HTTP API, the sample, and the words that stand in templates themselves.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import ROOT
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.register import codes

ROOMS = ("vocab", "schemas", "publisher", "catalogue")
# Columns of vocab/*.csv whose English has no ending.
ENGLISH_COLUMNS = {"unit": "unit_sv", "numerator": "numerator_sv", "denominator": "denominator_sv"}
ENGLISH_COLUMNS |= {"source_body": "source_body_sv"}
LONGEST_SENTENCE = 20


@dataclass(frozen=True)
class Text:
    """A text in one language, with its file and key."""

    file: str
    key: str
    language: str
    text: str

    @property
    def sentences(self) -> list[str]:
        return re.split(r"(?<=[.!?:])\s+(?=[A-ZÅÄÖ”“])", self.text)

    @property
    def is_remedy(self) -> bool:
        return "remedy" in self.key.split(".")

    @property
    def is_sentence_of_a_rule(self) -> bool:
        return self.key.startswith("rule.") and self.key.split(".")[2:3] in (["message"], ["remedy"])

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.text}"


@dataclass(frozen=True)
class Rule:
    """A rule of language; `bad` is a text that breaks it, `allowed` maps the keys exempt from it to the reason."""

    name: str
    language: str
    pattern: str
    bad: str
    allowed: Mapping[str, str]
    remedies_only: bool = False
    each_sentence: bool = False

    def breaks(self, text: Text) -> bool:
        if text.language != self.language or (self.remedies_only and not text.is_remedy):
            return False
        if any(re.fullmatch(key, text.key) for key in self.allowed):
            return False
        parts = text.sentences if self.each_sentence else [text.text]
        # The names of fields are no words of a sentence.
        return any(re.search(self.pattern, re.sub(r"{\w+}", "{}", part)) for part in parts)


def swedish(name: str, pattern: str, bad: str, allowed: Mapping[str, str] | None = None, **more: bool) -> Rule:
    return Rule(name, "sv", pattern, bad, allowed or {}, **more)


def english(name: str, pattern: str, bad: str, allowed: Mapping[str, str] | None = None, **more: bool) -> Rule:
    return Rule(name, "en", pattern, bad, allowed or {}, **more)


SPARQL = {r"query\..*": "SPARQL itself, as a query has it"}
DATA_CUBE = {
    r"rule\.integrity-ic-.*": "a measure of the Data Cube",
    r"ontology\.measure|vocab/queries/cube-structure": "a measure of the Data Cube",
}
COMMAND_LINE = {
    r"error\.(file-exists|output-is-input|port-taken|reason-missing)\.remedy": "an error of the command line alone",
    r"error\.(one-output|options-with-schema|undecided-reason-missing\.remedy)": "an error of the command line alone",
}
CHART = {r"editor\.chart\..*": "a series of a chart"}
EXCEL_MENU = {r"rule\.not-readable-password\.remedy": "the menu of Excel"}
HIDDEN_SHEET = {
    r"rule\.((sheet|values)-hidden|table-hidden-sheet)\..*": "Excel's own word for a hidden sheet",
    r"cells\.reason\.sheet-hidden": "Excel's own word for a hidden sheet",
    r"rule\.(hidden-(rows|columns)|assumed-hidden)\..*": "Excel's own word for a hidden row or column",
}
THEIR_INDICATORS = {
    r"outside_registers\.(sdg|segregationsbarometern)\..*": "the register's own word",
    r"vocab/queries/kpis-and-sdg": "the United Nations' own word",
}

RULES = (
    # Marks of translated English.
    swedish("så som", r"\bså som\b", "Skriv om uppgiften så som mallen visar."),
    swedish("stå about a text", r"(?i)\bstå(r|tt)?\b", "Samma värde står på rad 3."),
    swedish("är av", r"(?i)\bär av\b", "Koderna är av flera indelningar."),
    swedish("gå in i", r"(?i)\bgår? (\w+ )?in i\b", "Perioden går delvis in i en annan."),
    swedish(
        "det som first", r"^(Det|Den) som\b", "Det som saknas skrivs till.", remedies_only=True, each_sentence=True
    ),
    swedish("på annat sätt", r"(?i)\bpå annat sätt\b", "Är värdet beräknat på annat sätt?"),
    swedish("ta reda på", r"(?i)\btar? reda på\b", "Du måste ta reda på det."),
    swedish("säga about a thing", r"(?i)\bsäg(er|s|a)?\b", "Status säger inte varför."),
    # Word order.
    swedish(
        "condition without om",
        r"^(Är|Betyder|Finns|Går|Gäller|Har|Hör|Innehåller|Passar|Pågår|Saknas|Ser|Ska|Skiljer|Stämmer|Står|Vet|Visar)"
        r"\b[^?]*[:.]([^?]*[^?])?$",
        "Är det fel: ange rätt rubrikrad.",
        each_sentence=True,
    ),
    # Terms: one word for one thing.
    swedish("områden", r"(?i)\b(grannskap|stadsdel)", "Ett grannskap per rad."),
    swedish("indelning", r"(?i)\bårgång", "Rätta årgången."),
    swedish("invånare", r"\bboende\b(?!, mötesplats)", "Andel boende 16–24 år."),
    swedish("nyckeltal", r"(?i)\bindikator", "Välj en indikator.", THEIR_INDICATORS),
    swedish("nyckeltal, not mått", r"(?i)\bmått(et|en)?\b", "Välj ett mått.", DATA_CUBE),
    swedish("täljare, nämnare", r"\b[Bb]as(en)?\b", "Basen är för liten."),
    swedish("utgångsvärde", r"(?i)\b(baslinje|basår|basvärde|basperiod)", "Baslinjen är 52."),
    swedish("skattat", r"(?i)\buppskatta", "Värdet är uppskattat."),
    swedish("undertryckt", r"(?i)\b(dolt|dölj|dold)", "Ett dolt tal.", HIDDEN_SHEET),
    swedish("röjande", r"(?i)\bpekas? ut\b", "Någon kan pekas ut."),
    swedish("publiceringsställe", r"(?i)\balla mål\b", "Alla mål och tider."),
    swedish("jämförelseområde", r"(?i)\bkontrollområde", "Ett kontrollområde."),
    swedish("uppgiftslämnare, aktör", r"(?i)\bpartner", "Partnerns område."),
    swedish("förvaltare", r"(?i)\bden som (sköter|driver)\b", "Den som driver tjänsten."),
    swedish("fil", r"(?i)\bunderlag", "Underlaget kontrolleras."),
    swedish("datamängdsserie", r"(?i)\bserie(n|r|rna)?\b", "En serie per år.", CHART),
    swedish("IRI, webbadress", r"(?i)(?<![-\w])adress", "Adressen leder ingenstans."),
    swedish("datatjänst", r"(?i)\btjänst(en)?\b", "Den här tjänsten läser bara."),
    swedish("version", r"(?i)\b(utgåva|utgåvan|utgåvans|utgivning)\b", "Den förra utgåvan ligger kvar."),
    swedish("tillbakadragen", r"(?i)\båterta", "Versionen är återtagen."),
    swedish("kontrollera", r"(?i)\b(pröva|validera)", "Filen prövas."),
    swedish("inte godkänd", r"(?i)\bunderkän", "Underkänd"),
    swedish("fel, varning, upplysning", r"\banmärkning(ar)?\b|\bbrist(er)?\b", "Rader med anmärkningar."),
    swedish("nytt i versionen", r"(?i)\bversionsanmärkning", "Versionsanmärkning"),
    swedish("rätta", r"(?i)\blaga(s|d|t|r|de)?\b", "När felet är lagat."),
    swedish("kodlista, ontologi", r"(?i)\bordlist", "Vävens ordlista."),
    swedish("Excelfil", r"(?i)\b(excel-)?arbetsbok", "En arbetsbok.", EXCEL_MENU),
    swedish("lista", r"(?i)\brullgardin", "En rullgardin."),
    swedish("mellanslag", r"(?i)\bblanksteg", "Ett blanksteg."),
    swedish("ladda ner", r"(?i)\bladda ned|\bhämta", "Hämta mallen."),
    swedish("typ", r"(?i)\bslag(et|en)?\b", "Uppgiften är av annat slag."),
    swedish("komprimerad", r"(?i)\bpackad", "N-Triples, packad med gzip"),
    swedish("du", r"(?i)\b(ni|er|ert|era)\b", "Innan ni klistrar in."),
    swedish("Väven is not vi", r"(?i)\b(vi|oss|vår|våra|vårt)\b", "Resten känner vi igen."),
    # Codes with their names; numbers, quotes.
    swedish("a code alone", r"(?<![(\w/])[QLMO](?! \()(?![\w)])", "Skriv Q i Status."),
    swedish(
        "an English code outside parentheses",
        r"(?<!\()\b(illustrative|survey|estimate|civil-society|academia|own|residents|owners|employment)\b",
        "Nivån är own.",
    ),
    swedish(
        "a decimal point",
        r"(?<!SPARQL )(?<!CC0 )(?<!CC BY )(?<!Mark )(?<!IRIS\+ )(?<!kl\. )\b\d+\.\d",
        "Värdet är 12.1.",
        {r"ckan\.point\.version-untried": "the versions of CKAN"},
    ),
    swedish("no thousands separator", r"(?<![\w-])\d{5,}(?![\w-])", "Beloppet är 120000."),
    swedish("a hyphen in a range", r"(?<![\d-])\d{1,3}-\d{1,3}(?![\d-])", "Unga 16-24 år."),
    swedish("blanks in a range", r"\d – \d", "Värden 0 – 100."),
    swedish("straight quotes", r'"', 'Svaret "vet inte".', SPARQL),
    swedish("an option of the command line", r"(?<![\w-])--[a-z]", "Ange --no-wide.", COMMAND_LINE),
    # English.
    english("fix", r"(?i)\bmend(s|ed|ing)?\b", "How to mend it"),
    english("fix, not correct", r"(?i)\bcorrect(s|ed)?\b", "Correct the cell."),
    english("is, not stands", r"(?i)\bstand(s|ing)?\b", "The value stands in the file."),
    english("value, not figure", r"(?i)\bfigures?\b", "You who report figures"),
    english("division", r"(?i)\bvintages?\b", "Correct the vintage."),
    english("KPI", r"(?i)\bindicators?\b", "Template for neighbourhood indicators", THEIR_INDICATORS),
    english("again, not anew", r"(?i)\banew\b|\brightly\b|\byourselves\b", "Save the file anew."),
    english("ongoing", r"(?i)\bgoes on\b", "The investment goes on."),
    english("detect", r"(?i)\bfind(s|ing)? (it )?out\b", "Find out"),
    english("administrator", r"(?i)\bwhoever\b|\bwho who\b", "Hand it to whoever runs Väven."),
    english("compressed", r"(?i)\bpacked\b", "RDF, packed, for loading"),
    english("spaces", r"(?i)\bblanks\b", "Read as blanks."),
    english(
        "per, not a", r"\bone (value|row|area|organisation|KPI value) a (row|value|year)\b", "Put one value a row."
    ),
    english("a hyphen in a range", r"(?<![\d-])\d{1,3}-\d{1,3}(?![\d-])", "Residents 16-24."),
    english("straight quotes", r'"', 'The answer "don\'t know".', SPARQL),
    english("an option of the command line", r"(?<![\w-])--[a-z]", "Use --no-wide.", COMMAND_LINE),
)


def texts() -> list[Text]:
    return [*_messages(), *_vocabulary(), *_standard(), *_queries(), *_interface(), *_sample(), *_templates()]


def _messages() -> Iterator[Text]:
    for room in ROOMS:
        for language in LANGUAGES:
            for key, text in messages(language, room).texts.items():
                yield Text(f"{room}/messages/*.{language}.toml", key, language, text)


def _vocabulary() -> Iterator[Text]:
    for path in sorted((ROOT / "vocab").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                key = f"{path.stem}.{row.get('code') or row['id']}"
                for column, cell in row.items():
                    if column.endswith(("_sv", "_en")):
                        yield Text(f"vocab/{path.name}", f"{key}.{column}", column[-2:], cell)
                    elif ENGLISH_COLUMNS.get(column) in row:
                        yield Text(f"vocab/{path.name}", f"{key}.{column}", "en", cell)


def _standard() -> Iterator[Text]:
    for path in sorted((ROOT / "schemas" / "standard" / "descriptors").glob("*.json")):
        descriptor = json.loads(path.read_text("utf-8"))
        file = path.relative_to(ROOT).as_posix()
        for key, text in _strings(descriptor, ""):
            *_, holder, name = ("", *key.split("/"))
            if holder in ("labels", "descriptions"):
                yield Text(file, key, name, text)
            elif name in ("title", "description"):
                yield Text(file, key, "en", text)


def _queries() -> Iterator[Text]:
    for path in sorted((ROOT / "vocab" / "queries").glob("*.rq")):
        for language, title in re.findall(r"^# (sv|en): (.*)$", path.read_text("utf-8"), re.MULTILINE):
            yield Text(path.relative_to(ROOT).as_posix(), f"vocab/queries/{path.stem}", language, title)


def _interface() -> Iterator[Text]:
    (path,) = (ROOT / "catalogue").rglob("openapi.json")
    document = json.loads(path.read_text("utf-8"))
    for key, text in _strings(document, ""):
        if key.rpartition("/")[2] in ("title", "summary", "description"):
            yield Text(path.relative_to(ROOT).as_posix(), key, "en", text)


def _sample() -> Iterator[Text]:
    folder = ROOT / "catalogue" / "sample" / "package"
    ours = json.loads((folder / "datapackage.json").read_text("utf-8"))["vaven"]
    for key in ("title", "description"):
        yield from (Text("datapackage.json", f"sample.{key}", language, text) for language, text in ours[key].items())
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            notes = {row["note"] for row in csv.DictReader(lines)}
        yield from (Text(f"catalogue/sample/package/{path.name}", "note", "sv", note) for note in sorted(notes))


def _templates() -> Iterator[Text]:
    """Yield the literal texts of templates, which are shown in both languages."""
    for path in sorted((ROOT / "catalogue" / "templates").rglob("*.html")):
        markup = re.sub(
            r"{#.*?#}|{%.*?%}|{{.*?}}|<(script|style).*?</\1>", " ", path.read_text("utf-8"), flags=re.DOTALL
        )
        words = " ".join(re.sub(r"<[^>]*>", " ", markup).split())
        for language in LANGUAGES:
            yield Text(path.relative_to(ROOT).as_posix(), "template", language, words)


def _strings(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{key}/{name}" if key else name)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _strings(inner, f"{key}/{i}" if key else str(i))


TEXTS = texts()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.language}-{rule.name}")
def test_every_text_follows_the_rules_of_its_language(rule: Rule) -> None:
    assert [str(text) for text in TEXTS if rule.breaks(text)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.language}-{rule.name}")
def test_a_rule_detects_its_own_example(rule: Rule) -> None:
    assert rule.breaks(Text("file", "rule.any.remedy", rule.language, rule.bad))


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.allowed], ids=lambda rule: rule.name)
def test_every_exception_is_necessary(rule: Rule) -> None:
    """An exception is obsolete once its text has been reworded."""
    for key, reason in rule.allowed.items():
        strict = Rule(rule.name, rule.language, rule.pattern, rule.bad, {}, rule.remedies_only, rule.each_sentence)
        assert any(strict.breaks(text) for text in TEXTS if re.fullmatch(key, text.key)), (rule.name, key, reason)


def test_all_texts_are_checked() -> None:
    counts = dict.fromkeys(("messages", "vocab/kpis.csv", "descriptors", ".rq", "openapi", "sample", ".html"), 0)
    for text in TEXTS:
        for source in counts:
            counts[source] += source in text.file
    assert all(counts.values()), counts
    assert counts["messages"] > 2_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_of_a_remedy_is_short(language: str) -> None:
    long = [str(text) for text in TEXTS if text.is_remedy and text.language == language and _is_long(text)]
    assert long == []


def _is_long(text: Text) -> bool:
    # What a query writes is code, not words.
    sentences = (re.sub(r"{{.*}}|{\w+}", "x", sentence) for sentence in text.sentences)
    return any(len([word for word in s.split() if re.search(r"\w", word)]) > LONGEST_SENTENCE for s in sentences)


def test_english_says_neighbourhood_only_where_swedish_says_bostadsomrade() -> None:
    by_key = {(text.file.replace(".en.", ".sv."), text.key): text.text for text in TEXTS if text.language == "sv"}
    for text in TEXTS:
        if text.language == "en" and re.search(r"(?i)neighbourhood", text.text):
            other = by_key.get((text.file.replace(".en.", ".sv."), text.key))
            assert other is None or "bostadsområd" in other.casefold(), str(text)


def test_a_help_page_names_each_field_of_a_rule() -> None:
    names = messages("sv", "catalogue").texts
    templates = [text.text for text in TEXTS if text.is_sentence_of_a_rule]
    fields = {field for template in templates for field in re.findall(r"{(\w+)}", template)}
    assert {field for field in fields if f"rule.field.{field}" not in names} == set()
    assert {
        key for key in names if key.startswith("rule.field.") and key.removeprefix("rule.field.") not in fields
    } == set()


# A code with its name: "Q (undertryckt)".
CODE_WITH_NAME = re.compile(r"\b([A-Z]) \(([^(){}]+)\)")


def test_a_status_has_the_same_name_in_every_text_as_in_the_code_list() -> None:
    statuses, used = codes("statuses"), set()
    for text in TEXTS:
        for code, name in CODE_WITH_NAME.findall(text.text):
            if code in statuses:
                used.add((code, text.language))
                assert name.casefold() == statuses[code].text(text.language).casefold(), str(text)
    assert {("Q", "sv"), ("O", "en"), ("P", "sv"), ("M", "en")} <= used
