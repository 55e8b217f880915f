"""Release -> violations of Data Cube, SKOS and SHACL constraints, traced to row and cell."""
