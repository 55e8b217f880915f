"""Grid -> Tables: header found, wide layouts unpivoted, cells normalised, loaded into DuckDB."""
