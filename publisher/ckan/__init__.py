"""Releases on a CKAN instance (DESIGN section 7): what they are there, how they get there, and what would be lost.

Order inside (a module imports only modules to its left):
fields, site, dataset, rows, push, run, check.
"""
