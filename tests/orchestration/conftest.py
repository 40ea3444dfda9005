"""Warehouses that several tests share, and an environment of its own for each test."""

from tests.orchestration.warehouses import isolated, project, ready, small

__all__ = ["isolated", "project", "ready", "small"]
