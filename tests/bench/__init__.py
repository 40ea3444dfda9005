"""Benchmarks: `make bench`. Not tests: nothing here passes or fails by a time."""
