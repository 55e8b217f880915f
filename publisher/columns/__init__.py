"""Columns of the published data: releases and small graphs in, columns.duckdb of a snapshot out."""
