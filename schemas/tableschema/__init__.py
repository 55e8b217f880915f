"""Any table and any Table Schema -> the errors of frictionless-py."""
