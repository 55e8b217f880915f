"""From a clean submission to publication: release, metadata, RDF, graph store, query engines, CKAN."""

# Packages and modules of the room; each imports only those before it.
PACKAGES = (
    "releases",
    "settings",
    "rdf",
    "columns",
    "graph",
    "cube",
    "metadata",
    "ckan",
    "published",
    "integrity",
    "operations",
    "publish",
    "withdraw",
    "sparql",
    "columnar",
    "engine",
    "sql",
    "explain",
)
