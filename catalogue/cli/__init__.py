"""`vaven` commands: arguments -> call -> printed text and exit code."""
