"""Any table and any Table Schema -> the errors that frictionless-py reports."""
