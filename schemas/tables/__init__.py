"""Grid -> Tables: header detected, wide layouts unpivoted, cells normalised, loaded into DuckDB."""
