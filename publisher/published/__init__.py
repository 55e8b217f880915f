"""Visible releases -> values, collections and derived files for readers."""
