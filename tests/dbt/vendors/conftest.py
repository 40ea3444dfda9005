"""One warehouse of every vendor's records, which `tests/dbt/vendors/test_<vendor>.py` ask.

Beside each of these, `<vendor>.py` has a function `land(lake)` that lands what the vendor sends, in
symbols of its own where it is not to meet what other vendors say.
"""

import importlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.backfill import backfill
from ingest.lake import Lake
from ingest.providers.exchange_calendars import ExchangeCalendars
from ingest.settings import DataDir
from tests.dbt.landing import Landing
from tests.dbt.warehouse import Warehouse
from tests.orchestration.warehouses import shared

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LEFT_OUT = "path:models/silver/signals+"
"""Models that no vendor's records mean anything new to, and what is made of them."""


def land_all(data: DataDir) -> None:
    """Land what every vendor sent, and the calendars."""
    calendars = ExchangeCalendars(lambda: NOW)
    sessions = calendars.default_request("sessions")
    assert backfill(calendars, sessions, Lake(data, lambda: NOW), clock=lambda: NOW).is_complete
    lake = Landing(data)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem == "conftest" or path.stem.startswith(("test_", "__")):
            continue
        importlib.import_module(f"tests.dbt.vendors.{path.stem}").land(lake)


@pytest.fixture(scope="session")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of what all vendors sent, built and tested by dbt. Not to be changed."""

    def make(folder: Path) -> None:
        warehouse = Warehouse(folder)
        land_all(DataDir(warehouse.data))
        warehouse.build("--exclude-resource-type", "unit_test", "--exclude", LEFT_OUT)

    return Warehouse(shared(tmp_path_factory, "dbt_vendors", make))
