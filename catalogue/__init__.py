"""The user interface: Flask site, validation, SPARQL endpoint, dereferencing, CKAN-compatible API, command line."""

# Packages and modules of the room; each imports only those before it.
PACKAGES = (
    "http",
    "validation",
    "pages",
    "api",
    "linked_data",
    "harvest",
    "sparql",
    "ckan_api",
    "app",
    "cli",
)
