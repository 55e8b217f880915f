"""Our rules beyond Table Schema, one module a subject. A rule is found everywhere by its code."""
