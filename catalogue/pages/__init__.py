"""GET of a page -> HTML for people, and the table behind it."""
