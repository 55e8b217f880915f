"""Release -> observations as RDF Data Cube, cube.link and CIDS, in N-Triples."""
