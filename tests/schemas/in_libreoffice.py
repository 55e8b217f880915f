"""Open a workbook in LibreOffice, read its cell rules, fill it, save it: in_libreoffice.py PLAN.json.

The plan names the workbook, the cells whose rules are printed as JSON, the cells to fill and the copies to save. Only
Debian's own Python has the bridge to LibreOffice.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException

START_SECONDS = 60
FILTERS = {".xlsx": "Calc MS Excel 2007 XML", ".ods": "calc8", ".xls": "MS Excel 97"}


def option(name, value):
    pair = PropertyValue()
    pair.Name, pair.Value = name, value
    return pair


def connect(pipe):
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except NoConnectException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def rule_of(document, sheet, cell):
    """Return the rule of a cell as LibreOffice reads it; a drop-down with its options."""
    rule = document.Sheets.getByName(sheet).getCellRangeByName(cell).Validation
    formula, options = rule.getFormula1(), None
    if rule.Type.value == "LIST":
        of, _, cells = formula.replace("$", "").lstrip("=").rpartition(".")
        rows = document.Sheets.getByName(of.strip("'")).getCellRangeByName(cells).getDataArray()
        options = [row[0] for row in rows if row[0] != ""]
    return {
        "type": rule.Type.value,
        "operator": rule.getOperator().value,
        "limits": [formula, rule.getFormula2()],
        "entries": options,
        "warns": rule.ShowErrorMessage,
        "prompt": rule.InputMessage,
    }


def work(plan, context):
    desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
    address = uno.systemPathToFileUrl(plan["workbook"])
    document = desktop.loadComponentFromURL(address, "_blank", 0, (option("Hidden", True),))
    seen = [rule_of(document, sheet, cell) for sheet, cell in plan["look"]]
    for sheet, cell, value in plan["fill"]:
        target = document.Sheets.getByName(sheet).getCellRangeByName(cell)
        if isinstance(value, str):
            target.setString(value)
        else:
            target.setValue(value)
    for copy in plan["save"]:
        kind = FILTERS[Path(copy).suffix]
        document.storeToURL(uno.systemPathToFileUrl(copy), (option("FilterName", kind),))
    document.close(True)
    desktop.terminate()
    return seen


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory() as profile:
        pipe = Path(profile).name
        options = ["--headless", "--norestore", "--nologo", f"--accept=pipe,name={pipe};urp"]
        command = ["soffice", f"-env:UserInstallation={Path(profile).as_uri()}", *options]
        office = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            print(json.dumps(work(plan, connect(pipe))))
            office.wait(30)
        finally:
            office.kill()
            office.wait()


main()
