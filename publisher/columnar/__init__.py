"""SPARQL answered from columns: a syntax tree and a snapshot's columns in, solutions out."""
