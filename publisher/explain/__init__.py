"""Query with an empty result -> the graph pattern that matches nothing, and a suggestion."""
