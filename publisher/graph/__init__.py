"""Files of triples -> snapshot: embedded Oxigraph, or any SPARQL 1.1 server."""
