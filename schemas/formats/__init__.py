"""Bytes of a partner's file -> Grid; one module per format."""
