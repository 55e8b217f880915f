"""Bytes of a partner's file -> Grid; one module for each format."""
