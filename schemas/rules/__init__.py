"""Our rules beyond Table Schema, one module per subject; each rule is identified by its code."""
