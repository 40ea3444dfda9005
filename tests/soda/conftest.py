"""The warehouse that these tests judge: built once per test run, changed in copies of its file."""

from pathlib import Path

import pytest

from ingest.settings import DataDir
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, parsed_once
from tests.orchestration.warehouses import project, shared
from tests.soda.demo_warehouse import copy, land_demo

__all__ = ["parsed_once", "project"]


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database file that dbt built from good data and the simulator's mistakes."""

    def make(folder: Path) -> None:
        made = Warehouse(folder)
        land_demo(DataDir(made.data))
        made.build(*WITHOUT_TESTS)  # that dbt's own tests hold is tested with them

    return Warehouse(shared(tmp_path_factory, "soda_demo", make)).database


@pytest.fixture
def candidate(warehouse: Path, tmp_path: Path) -> Path:
    """Return a copy of the warehouse that a test may change."""
    return copy(warehouse, tmp_path / "candidate.duckdb")
