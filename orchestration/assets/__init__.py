"""Dagster assets, one module per stretch of the line: raw, warehouse, checks, published."""
