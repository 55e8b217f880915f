"""Options of the commands that read a file, and what a file does not state."""

import argparse

from vaven.schemas.standard.read_options import ReadOptions, pairs
from vaven.vocab.areas import AREA_VINTAGES


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that replace our guesses (vaven.schemas.standard.read_options.ReadOptions)."""
    about = "Found out where not given; the report says what was found."
    group = parser.add_argument_group("how the file is read", about)
    group.add_argument("--encoding", help="such as utf-8, cp1252 or utf-16")
    group.add_argument("--delimiter", help="what is between columns of a text file: one character, or tab")
    group.add_argument("--decimal", choices=(",", "."), help="decimal sign; the other one groups thousands")
    group.add_argument("--sheet", help="name of the sheet with the observations")
    group.add_argument("--header-row", type=int, metavar="N", help="number of the row with the column labels")
    group.add_argument(
        "--last-row", type=int, metavar="N", help="number of the last row with data; what is below is not"
    )
    text = "what a column is: a field, a KPI, or nothing; *= leaves out all others"
    group.add_argument("--column", action="append", default=[], metavar="LABEL=FIELD", help=text)
    group.add_argument(
        "--set", action="append", default=[], metavar="FIELD=TEXT", help="one text for all rows, as kpi=trygg-morker"
    )
    group.add_argument("--wide", action=argparse.BooleanOptionalAction, help="whether columns are years, KPIs or sexes")
    text = "an empty area, KPI or period is that of the row above"
    group.add_argument("--fill-down", action="store_true", default=None, help=text)
    text = "division that codes of DeSO and RegSO without a vintage are of"
    group.add_argument("--vintage", choices=tuple(AREA_VINTAGES), help=text)
    text = "values of KPIs in per cent are given as shares from 0 to 1"
    group.add_argument("--shares", action=argparse.BooleanOptionalAction, help=text)
    group = parser.add_argument_group("what the file does not state", "Both are needed to publish a file.")
    group.add_argument("--licence", help="licence of the dataset: cc0, cc-by or pdm, or its full name or URL")
    group.add_argument("--publisher", metavar="NAME", help="organisation that is responsible for the dataset")
    text = "what numbers are that look like personal identity numbers; the receipt repeats it"
    group.add_argument("--not-personal", metavar="TEXT", help=text)


def read_options(arguments: argparse.Namespace) -> ReadOptions:
    delimiter = "\t" if arguments.delimiter in ("tab", "\\t") else arguments.delimiter
    return ReadOptions(
        encoding=arguments.encoding,
        delimiter=delimiter,
        decimal=arguments.decimal,
        sheet=arguments.sheet,
        header_row=arguments.header_row,
        columns=pairs(arguments.column, is_label=True),
        constants=pairs(arguments.set, is_label=False),
        wide=arguments.wide,
        last_row=arguments.last_row,
        fill_down=arguments.fill_down,
        shares=arguments.shares,
        vintage=arguments.vintage,
        licence=arguments.licence,
        publisher=arguments.publisher,
        not_personal=arguments.not_personal,
    )
