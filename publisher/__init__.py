"""From a clean submission to the open world: release, metadata, RDF, graph store, CKAN.

Order inside the room (a module imports only modules to its left):
config, records, storage, release, describe, emit, store, answer, ckan, collection, publish.
"""
