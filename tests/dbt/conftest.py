"""Databases that dbt built, once per test run; tests that change one do so in a copy."""

from pathlib import Path

import pytest

from ingest.settings import DataDir
from tests.dbt.demo_lake import land_demo
from tests.dbt.warehouse import Warehouse, parsed_once
from tests.orchestration.warehouses import project, shared

__all__ = ["parsed_once", "project"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of the demo lake, built and tested by `dbt build`. Not to be changed."""

    def make(folder: Path) -> None:
        warehouse = Warehouse(folder)
        land_demo(DataDir(warehouse.data))
        warehouse.build("--exclude-resource-type", "unit_test", everything=True)

    return Warehouse(shared(tmp_path_factory, "dbt_demo", make))


@pytest.fixture
def demo_copy(demo: Warehouse, tmp_path: Path) -> Path:
    """Return a copy of the demo's database file that a test may change."""
    return demo.copy_database(tmp_path / "copy.duckdb")
