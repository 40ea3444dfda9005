"""What tests of planning and landing start from: one time, a lake, and a scripted vendor."""

from pathlib import Path

import pytest

from ingest.lake import Lake
from ingest.settings import DataDir
from tests.ingest.scripted import SECRET, Now, Vendor


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def lake(tmp_path: Path, now: Now) -> Lake:
    return Lake(DataDir(tmp_path / "data"), now, (SECRET,))


@pytest.fixture
def vendor(now: Now) -> Vendor:
    return Vendor(now)
