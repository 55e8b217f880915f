"""The face: Flask site, validation, SPARQL endpoint, dereferencing, command line.

Order inside the room (a module imports only modules to its left):
settings, i18n, negotiate, chart, sparql, pages, validation, identifiers, feed, app, cli.
"""
