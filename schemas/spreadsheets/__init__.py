"""Properties of cells beside their values: error values, formulas without a value, number formats, hidden parts."""
