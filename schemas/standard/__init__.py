"""Definition of a submission: descriptors -> TableSchema; and the values that all steps pass on."""
