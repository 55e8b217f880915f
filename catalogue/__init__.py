"""The face: Flask site, validation, SPARQL endpoint, dereferencing, command line.

Order inside the room (a module imports only modules to its left):
negotiate, i18n, problem, chart, figures, tables, sending, structured, croissant, overview, service, wellknown,
sitemap, throttle, shortcut, protocol, delivery, kept_pages, completions, reasons, editor, sparql, resource, documents,
earlier, downloads, statements, things, identifiers, ontology, documentation, feed, action, validations, jobs, intake,
validation, publications, api, pages, app, watch, ckan_commands, cli.
"""
