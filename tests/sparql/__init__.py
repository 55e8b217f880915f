"""Proof of the query engine: the W3C's evaluation tests, a corpus of queries, and the same queries on other engines."""
