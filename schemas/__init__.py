"""The contract of a submission: descriptors, reading a partner's file, checking it, reporting.

Order inside the room (a module imports only modules to its left):
thresholds, quoting, distinct, standard, choices, labels, finding, grid, tables, compile, jsontable, pcaxis, encodings,
markup, content, delimited, sheetxml, workbook, sources, layout, foreign, vintage, tidy, about, package, resource_rows,
tabular, described, columnar, wide, load, read, rules, wording, check, report, html, sarif, frictionless_form, forms,
annotate, fix, template.

`from vaven.schemas import validate` is the Python API; it is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaven.schemas.check import validate as validate

__all__ = ["validate"]


def __getattr__(name: str) -> Any:
    if name == "validate":
        from vaven.schemas.check import validate

        return validate
    raise AttributeError(name)
