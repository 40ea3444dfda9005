"""The lake is the truth: a database that is lost comes back the same."""

import shutil
from pathlib import Path

import pytest

from ingest.settings import DataDir
from orchestration import publication
from orchestration.run_records import latest_record
from tests.dbt.signals import KEYS, assert_same_signals, stored
from tests.orchestration.warehouses import copied, hashes, tapehouse


def lose_databases(data: DataDir) -> None:
    """Remove every database file; lake and run records stay."""
    data.market.unlink()
    shutil.rmtree(data.published)
    shutil.rmtree(data.build)


@pytest.fixture
def lake(request: pytest.FixtureRequest, size: str) -> Path:
    """Return a warehouse by its name. Not to be changed."""
    folder: Path = request.getfixturevalue(size)
    return folder / "data" if size == "demo" else folder


@pytest.mark.slow  # that dbt makes the same of a lake anew is tested with its other rebuilds
@pytest.mark.parametrize(
    ("size", "zone"),
    [
        ("small", "Asia/Tokyo"),
        # The warehouse itself was built in the caller's zone.
        *(("demo", zone) for zone in ("Asia/Tokyo", "UTC", "America/St_Johns")),
    ],
)
def test_a_lost_database_is_rebuilt_the_same(zone: str, lake: Path, tmp_path: Path) -> None:
    data = copied(lake, tmp_path / "data").data
    before = hashes(data.market)
    signals = {table: stored(data.market, table) for table in KEYS}
    lose_databases(data)
    assert not list(data.root.rglob("*.duckdb"))
    for command in ("build", "publish"):
        done = tapehouse(data.root, command, TZ=zone)
        assert done.returncode == 0, done.stdout + done.stderr
    assert hashes(data.market) == before
    for table, expected in signals.items():
        assert_same_signals(stored(data.market, table), expected)
    record = latest_record(data)
    assert record
    assert record.is_full_refresh
    assert record.base_version is None
    assert publication.current_version(data) == record.build_id
