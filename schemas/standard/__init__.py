"""Definition of a submission: descriptors -> TableSchema; values that all steps share: Finding, Report, options."""
