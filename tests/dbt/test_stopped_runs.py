"""A run that does not complete every model that remembers takes nothing in for good."""

from pathlib import Path

import pytest

from ingest.settings import DataDir
from tests.dbt.demo_lake import land_demo
from tests.dbt.landing import Landing
from tests.dbt.trading import EXECUTION
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


@pytest.mark.slow
def test_tables_that_compare_go_on_only_from_a_whole_build(tmp_path: Path) -> None:
    """Stopped after the executions, the next run builds anew what follows them, and the same."""
    stopped, whole = Warehouse(tmp_path / "stopped"), Warehouse(tmp_path / "whole")
    land_demo(DataDir(stopped.data))
    stopped.build(*WITHOUT_TESTS)
    later = {**EXECUTION, "execution_id": "e-later", "executed_at": "2024-01-11T09:00Z"}
    Landing(DataDir(stopped.data)).land("inbox", "executions", [later], fetched="2024-03-01T00:00Z")
    stopped.build("--select", "+executions", *WITHOUT_TESTS)
    is_complete = "select is_complete from ops.family_runs where family = 'trading'"
    assert rows(stopped.database, is_complete) == [(False,)]
    whole.folder.mkdir()
    whole.see(stopped.data)
    for warehouse in (stopped, whole):
        warehouse.build(*WITHOUT_TESTS)
        assert rows(warehouse.database, is_complete) == [(True,)]
    hashes = stopped.hashes(), whole.hashes()
    trading = [table for table in hashes[1] if table.startswith(("silver.int_lots", "gold.fct_"))]
    assert len(trading) > 5
    for table in ("silver.executions", "silver.trade_lifecycle", *trading):
        assert hashes[0][table] == hashes[1][table], table
