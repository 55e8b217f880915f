"""Files of triples -> snapshot: embedded columns, or any SPARQL 1.1 server."""
