"""SPARQL text -> tokens, tree, syntax errors with remedies, rewritten text; no data, no engine."""
