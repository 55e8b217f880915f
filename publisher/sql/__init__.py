"""One SELECT in PostgreSQL's terms over released tables -> complete result or error, computed by DuckDB in a worker."""
