"""A run that does not complete every model that remembers takes nothing in for good."""

from pathlib import Path

import pytest

from ingest.settings import DataDir
from tests.dbt.demo_lake import land_demo
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, rows

TAKEN_IN = "select count(*) from ops.processed_batches"


@pytest.mark.slow
def test_batches_are_taken_in_when_the_last_table_is_built(tmp_path: Path) -> None:
    """Stopped after the bars, the next run computes their signals, and the same as in one run."""
    stopped, whole = Warehouse(tmp_path / "stopped"), Warehouse(tmp_path / "whole")
    for warehouse in (stopped, whole):
        land_demo(DataDir(warehouse.data))
    stopped.build("--select", "+bars", *WITHOUT_TESTS)
    assert rows(stopped.database, TAKEN_IN) == [(0,)]
    for warehouse in (stopped, whole):
        warehouse.build(*WITHOUT_TESTS)
        assert rows(warehouse.database, TAKEN_IN) > [(0,)]
    signals = "select count(*), count(regime) from silver.market_data_enriched"
    assert rows(stopped.database, signals) == rows(whole.database, signals) > [(0, 0)]
