"""From a clean submission to the open world: release, metadata, RDF, graph store, CKAN.

Order inside the room (a module imports only modules to its left):
settings, sparql_lexer, records, storage, places, release, agents, distributions, quality, provenance, surroundings,
describe, lineage, series, listing, emit, store, query_worker, answer, collection, ckan, publish,
withdraw.
"""
