"""From a clean submission to the open world: release, metadata, RDF, graph store, CKAN.

Order inside the room (a module imports only modules to its left):
settings, sparql_lexer, records, storage, places, release, describe, emit, store, query_worker, answer, collection,
ckan, publish.
"""
