"""Request to /sparql -> result, editor page, completions or explanation."""
