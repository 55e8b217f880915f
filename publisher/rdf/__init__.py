"""RDF serialisations, compression, agents and triple counts: shared by cube, metadata and graph."""
