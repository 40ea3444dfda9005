"""The warehouse that these tests judge: built once, changed in copies of its file."""

from pathlib import Path

import pytest

from ingest.settings import DataDir
from tests.soda.demo_warehouse import build, copy, land_demo


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database file that dbt built from good data and the simulator's mistakes."""
    data = DataDir(tmp_path_factory.mktemp("warehouse"))
    land_demo(data)
    return build(data)


@pytest.fixture
def candidate(warehouse: Path, tmp_path: Path) -> Path:
    """Return a copy of the warehouse that a test may change."""
    return copy(warehouse, tmp_path / "candidate.duckdb")
