"""From a clean submission to the open world: release, metadata, RDF, graph store, CKAN.

Order inside the room (a module imports only modules to its left):
messages, settings, sparql_lexer, sparql_grammar, sparql_scopes, sparql_wording, sparql_slips, sparql_faults,
sparql_pieces, sparql_shape, rewriting, encodings, json_ld, spool, lanes, records, storage, places, release,
components, agents, distributions, quality, provenance, surroundings, cubelink, statistics, entries, describe, lineage,
series, listing, turtle, emit, census, constraints, cube_columns, emitted, conformance, integrity, tracing,
triple_files, reference, remote_server, remote_store, store, query_worker, answer, probing, remedies, emptiness,
remote_engine, query_pool, answer_cache, engine, collection, derived, ckan, publish, withdraw, publications.
"""
