"""Names: KPI register, areas, periods, IRIs, ontology, messages and errors. Depends on no other room."""

# Packages and modules of the room; each imports only those before it.
PACKAGES = (
    "messages",
    "errors",
    "periods",
    "media_types",
    "areas",
    "register",
    "iris",
    "example_queries",
    "rdf",
    "shapes",
)
