"""Report -> text, JSON, HTML, SARIF, annotated workbook, corrected copy; standard -> empty template."""
