"""The vocabulary as RDF: register -> SKOS concepts, mappings, CIDS indicators and example queries in a graph."""
