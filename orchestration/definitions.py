"""Entry point for `dagster dev`."""

from orchestration.defs import build_defs

defs = build_defs()
