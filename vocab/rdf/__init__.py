"""Vocabulary as RDF: register -> graph of SKOS concepts, mappings, CIDS indicators and example queries."""
