"""Commands and options for the remedies of a report, whose texts name the choices of the web form."""

import shlex
from collections.abc import Mapping

from vaven.schemas.reports.text_and_json import grouped, harmless
from vaven.schemas.standard.finding import Finding, Report, Verdict
from vaven.vocab.messages import messages

# Options by the code of the findings whose remedies offer them; their texts are cli.option.NAME.
OPTIONS = {
    "not-the-standard": ("column-field", "column-kpi", "set-kpi", "header-row"),
    "header-missing": ("column-letter", "set-kpi"),
    "missing-column": ("set", "column-field"),
    "qualifying-column": ("column-out",),
    "column-left-out": ("other-columns", "column-out", "column-kpi", "column-field"),
    "hidden-columns": ("column-out",),
    "error-value": ("column-out",),
    "rows-left-out": ("header-row",),
    "number-ambiguous": ("decimal",),
    "required-missing": ("fill-down",),
    "not-in-list": ("set-kpi",),
    "columns-differ": ("sheet",),
    "values-hidden": ("sheet",),
    "table-unread-sheet": ("checked-sheet",),
    "table-hidden-sheet": ("checked-sheet",),
    "kpi-scale": ("shares",),
    "kpi-scale-mixed": ("no-shares",),
    "area-vintages-mixed": ("vintage",),
    "licence-publisher-missing": ("licence", "publisher"),
    "personal-number-possible": ("not-personal",),
    "possible-number-in-text": ("not-personal",),
}
FLAGS = {
    "column-letter": "--column A=neighbourhood",
    "other-columns": "--column '*='",
    "set": "--set {field}={example}",
    "set-kpi": "--set kpi=trygg-morker",
    "header-row": "--header-row 5",
    "decimal": "--decimal ,",
    "fill-down": "--fill-down",
    "sheet": "--sheet {sheet}",
    "checked-sheet": "--sheet {sheet}",
    "shares": "--shares",
    "no-shares": "--no-shares",
    "vintage": "--vintage 2018",
    "licence": "--licence cc-by",
    "publisher": "--publisher {publisher}",
    "not-personal": "--not-personal {numbers}",
}
# Findings with the label of a column that the standard does not have.
OF_LABELS = ("unknown-column", "column-left-out")
# Contents of a column, by the option that states them.
CONTENTS = {"column-field": "{field}", "column-kpi": "trygg-morker", "column-out": ""}
EXAMPLES = {"period": "2024", "neighbourhood": "0180"}
# Remedies by the descriptor of a package, which chooses its sheets, or by the file itself.
WITHOUT_OPTION = ("sheet-of-package", "file-of-archive", "list-of-file", "hidden-in-table")
# Lines with the same option: one for each of the first columns.
MAX_SAME = 2


def next_commands(report: Report, language: str) -> str:
    """Return the lines below a report on the command line; "" if no remedy is a fix or a choice."""
    t = messages(language, "catalogue")
    fixable = sum(finding.fix is not None for finding in report.findings)
    lines = {f"vaven fix {shlex.quote(harmless(report.source))}": t("cli.option.fix", count=fixable)} if fixable else {}
    if report.verdict != Verdict.NOT_CHECKED:
        lines |= {flag: t(f"cli.option.{name}") for flag, name in _flags(report, language).items()}
    width = max(map(len, lines), default=0)
    rows = [f"  {line:<{width}}  {text}" for line, text in lines.items()]
    return "\n".join(["", t("cli.options"), *rows, ""]) if rows else ""


def _flags(report: Report, language: str) -> Mapping[str, str]:
    """Return the options as they are typed, with their names; those of errors first."""
    labels = {(f.sheet, f.column): f.text for f in report.findings if f.code in OF_LABELS and f.text}
    flags: dict[str, str] = {}
    for _, _, findings in grouped(report):
        for finding in findings:
            is_choice = finding.params.get("advice") not in WITHOUT_OPTION
            for name in OPTIONS.get(finding.code, ()) if is_choice else ():
                if [*flags.values()].count(name) < MAX_SAME:
                    flags.setdefault(_flag(name, finding, labels, language), name)
    return flags


def _flag(name: str, finding: Finding, labels: Mapping[tuple[str | None, str | None], str], language: str) -> str:
    t = messages(language, "catalogue")
    label = labels.get((finding.sheet, finding.column)) or finding.params.get("column") or t("cli.option.label")
    field = finding.field or "neighbourhood"
    if name in CONTENTS:
        return f"--column {_argument(f'{label}={CONTENTS[name].format(field=field)}')}"
    return FLAGS[name].format(
        field=field,
        example=EXAMPLES.get(field, t("cli.option.text")),
        sheet=_argument(finding.params.get("sheet") or finding.sheet or ""),
        publisher=_argument(t("cli.option.name")),
        numbers=_argument(t("cli.option.numbers")),
    )


def _argument(text: object) -> str:
    """Return a text as an argument in quotation marks: a label of the file must not be a command of the shell."""
    argument = harmless(str(text))
    return shlex.quote(argument) if "'" in argument else f"'{argument}'"
