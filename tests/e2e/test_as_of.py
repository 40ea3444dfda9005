"""What was known at an earlier time, rebuilt beside what readers get."""

import asyncio
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ingest.clock import iso
from ingest.provider import Request
from ingest.providers import simulator
from ingest.providers.simulator import Simulator
from ingest.settings import DataDir, Settings
from orchestration.run_records import read_record
from tests.orchestration.warehouses import (
    BTC,
    SIMULATED_END,
    candidate_of,
    copied,
    hashes,
    last_fetched_at,
    query,
    tapehouse,
)


def closes(revision: int) -> dict[str, float]:
    """Return what the simulated vendor says, by the start of the bar."""
    wanted = Request("bars", BTC, "1m", simulator.START, SIMULATED_END)
    answer = asyncio.run(Simulator(revision=revision).fetch(wanted))
    assert isinstance(answer.records, pa.Table)
    return {row["start"]: float(row["close"]) for row in answer.records.to_pylist()}


def published_closes(path: Path) -> dict[object, object]:
    rows = query(
        path,
        "select strftime(bar_start_at, '%Y-%m-%dT%H:%M:%SZ'), close from silver.bars"
        " where provider = 'simulator' and timeframe = '1m'",
    )
    return dict(rows)


def untouchable(data: DataDir) -> dict[Path, bytes]:
    """Return what an as-of build must leave alone."""
    paths = [data.candidate, data.candidate.with_suffix(".json"), *data.published.iterdir()]
    return {path: path.read_bytes() for path in paths}


@pytest.mark.slow  # that dbt builds what was known then is tested with its other rebuilds
def test_a_build_as_of_a_time_between_two_landings(
    small: Path, ready: Path, tmp_path: Path
) -> None:
    settings = copied(ready, tmp_path / "data")
    data = settings.data
    moment = last_fetched_at(Settings(data_dir=small))
    before, link = untouchable(data), data.market.readlink()

    done = tapehouse(data.root, "build", "--as-of", iso(moment))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (untouchable(data), data.market.readlink()) == (before, link)
    assert published_closes(data.candidate) == closes(revision=1) != closes(revision=0)

    path = as_of_file(data, moment)
    assert published_closes(path) == closes(revision=0)
    assert hashes(path) == hashes(Settings(data_dir=small).data.market), "as it was built then"

    pending = candidate_of(settings)
    (build_id,) = {p.stem for p in data.runs.iterdir()} - {
        pending.build_id,
        str(pending.base_version),
    }
    record = read_record(data, build_id)
    assert record
    assert (record.status, record.as_of) == ("passed", iso(moment))
    assert record.is_full_refresh
    assert record.rules_fingerprint
    assert dict(query(path, "select model, fingerprint from ops.rule_fingerprints")) == dict(
        pending.fingerprints
    )
    assert f"As of {iso(moment)}" in done.stdout


def as_of_file(data: DataDir, moment: datetime) -> Path:
    (path,) = data.as_of.glob("*.duckdb")
    assert path.stem == f"{moment:%Y%m%dT%H%M%SZ}"
    return path


@pytest.mark.parametrize("text", ["yesterday", "2024-13-01", "2024-01-31T25:00Z"])
def test_a_time_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    done = tapehouse(tmp_path, "build", "--as-of", text)
    assert done.returncode == 2
    assert "neither a day" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "build").exists()
