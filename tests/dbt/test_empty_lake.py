"""A lake with nothing in it builds: whoever has just cloned the project sees every test pass."""

from pathlib import Path

from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse


def test_an_empty_lake_builds_twice(tmp_path: Path) -> None:
    """First with every test, unit tests included, which must do without a database."""
    warehouse = Warehouse(tmp_path)
    warehouse.data.mkdir()
    warehouse.build()
    once = warehouse.hashes()
    warehouse.build(*WITHOUT_TESTS, "--exclude", "config.materialized:view")
    assert warehouse.hashes() == once
