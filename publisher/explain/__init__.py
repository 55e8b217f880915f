"""Query with an empty result -> the graph pattern at fault and a suggestion."""
