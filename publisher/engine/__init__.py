"""QueryRequest -> complete result or error: worker pool, remote server, cache."""
