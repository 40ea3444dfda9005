"""A process killed at any step loses and doubles nothing and leaves readers a whole version."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ingest.fault_points import KILL_AT
from ingest.lake import Lake
from ingest.locks import LockedError
from ingest.settings import PROJECT_ROOT, Settings
from orchestration import candidate as building
from orchestration import line, publication
from orchestration.run_records import RunRecord, read_record
from tests.orchestration.warehouses import (
    INBOX_FILE,
    candidate_of,
    copied,
    drop,
    exact,
    executable,
    hashes,
    query,
    tapehouse,
)

LANDING = ("land:written", "land:synced", "land:renamed", "land:committed")
DROPPING = ("inbox:landed", "inbox:moved")
REJECTING = ("inbox:explained", "inbox:moved")
BUILDING = ("build:copied", "build:built", "build:judged")
PUBLISHING = ("publish:finalised", "publish:linked", "publish:replaced")
ROLLING_BACK = ("rollback:held", "rollback:replaced")
EXPORTING = ("features:written",)
"""Tried in `tests/orchestration/test_features.py`."""
COMMITTED = {"land:renamed", "land:committed"}

BACKFILL = ("ingest", "backfill", "--provider", "sample", "--symbols", "MSFT")
BACKFILL_DATASETS = 3
UNREADABLE = "asset_class,symbol\nequity,AAPL,1d\n"


def killed(data: Path, *arguments: str, at: str) -> None:
    """Run a command that is killed at a step."""
    done = tapehouse(data, *arguments, **{KILL_AT: at})
    assert done.returncode == -signal.SIGKILL, f"{at} was not reached: {done.stdout}{done.stderr}"


def finished(data: Path, *arguments: str) -> str:
    """Run a command that must succeed."""
    done = tapehouse(data, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def records(data: Path) -> Counter[tuple[object, ...]]:
    """Return what the lake holds, without when and in which batch it came, and how often."""
    rows: Counter[tuple[object, ...]] = Counter()
    for path in Settings(data_dir=data).data.raw.rglob("*.parquet"):
        table = pq.read_table(path).drop(["_fetched_at", "_batch_id", "_row"])
        names = tuple(table.column_names)
        rows.update((names, *row.values()) for row in table.to_pylist())
    return rows


def whole_batches(data: Path) -> int:
    """Return the number of batches, after checking that each is as its ledger says."""
    batches = {batch.batch_id: batch for batch in Lake(Settings(data_dir=data).data).batches()}
    files = list(Settings(data_dir=data).data.raw.rglob("*.parquet"))
    assert {path.stem for path in files} == batches.keys()
    for path in files:
        assert pq.read_metadata(path).num_rows == batches[path.stem].rows
    return len(files)


def test_every_step_is_tried() -> None:
    sources = [
        path for name in ("ingest", "orchestration") for path in (PROJECT_ROOT / name).rglob("*.py")
    ]
    steps = {
        step
        for path in sources
        for step in re.findall(r"\breached\(([^)]*)\)", path.read_text(encoding="utf-8"))
        if step != "step: str"
    }
    tried = {*LANDING, *DROPPING, *REJECTING, *BUILDING, *PUBLISHING, *ROLLING_BACK, *EXPORTING}
    assert steps == {f'"{step}"' for step in tried}


# -- landing -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[object, ...]]:
    """Return the records of a landing that nobody interrupted."""
    data = tmp_path_factory.mktemp("landed")
    finished(data, *BACKFILL)
    return records(data)


@pytest.mark.parametrize("step", LANDING)
def test_a_killed_landing_has_a_batch_whole_or_not_at_all(
    step: str, landed: Counter[tuple[object, ...]], tmp_path: Path
) -> None:
    killed(tmp_path, *BACKFILL, at=step)
    assert whole_batches(tmp_path) == (step in COMMITTED)
    finished(tmp_path, *BACKFILL)
    assert records(tmp_path) == landed
    # What was committed is only confirmed when it is asked for again, or not asked for at all.
    assert whole_batches(tmp_path) == BACKFILL_DATASETS + (step in COMMITTED)
    assert not list((Settings(data_dir=tmp_path).data.lake / ".tmp").rglob("*.parquet"))


@pytest.mark.parametrize("step", [*LANDING, *DROPPING])
def test_a_dropped_file_lands_once(step: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    drop(settings, "bars.csv", INBOX_FILE)
    killed(tmp_path, "ingest", "inbox", at=step)
    is_landed = step in {*COMMITTED, *DROPPING}
    assert whole_batches(tmp_path) == is_landed
    finished(tmp_path, "ingest", "inbox")
    assert whole_batches(tmp_path) == 1
    assert sum(records(tmp_path).values()) == len(INBOX_FILE.splitlines()) - 1
    inbox = settings.data.inbox
    assert not [path for path in (inbox / "bars").iterdir() if path.is_file()]
    assert [path.name for path in (inbox / ".landed" / "bars").iterdir()] == ["bars.csv"]


@pytest.mark.parametrize("step", REJECTING)
def test_an_unreadable_file_is_set_aside_with_its_message(step: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    drop(settings, "bars.csv", UNREADABLE)
    killed(tmp_path, "ingest", "inbox", at=step)
    tapehouse(tmp_path, "ingest", "inbox")
    assert whole_batches(tmp_path) == 0
    rejected = settings.data.inbox / ".rejected" / "bars"
    assert sorted(path.name for path in rejected.iterdir() if not path.name.startswith(".")) == [
        "bars.csv",
        "bars.csv.error.txt",
    ]


# -- building ------------------------------------------------------------------------------------


def record_of_candidate(settings: Settings) -> RunRecord:
    """Return the run record of the candidate, which must be there."""
    record = read_record(settings.data, candidate_of(settings).build_id)
    assert record
    return record


def without_candidate(ready: Path, target: Path) -> tuple[Settings, Mapping[str, str]]:
    """Copy `ready` as it was before its build; return the table hashes that build came to, too."""
    settings = copied(ready, target)
    record = record_of_candidate(settings)
    (settings.data.runs / f"{record.build_id}.json").unlink()
    building.discard(settings.data)
    return settings, exact(record.table_hashes)


@pytest.mark.parametrize(
    # Later steps are each another whole build.
    "steps",
    [("build:copied",), pytest.param(BUILDING, marks=pytest.mark.slow)],
)
def test_a_build_killed_at_steps_in_turn_ends_as_if_it_never_was(
    steps: Sequence[str], ready: Path, tmp_path: Path
) -> None:
    settings, wanted = without_candidate(ready, tmp_path / "data")
    data = settings.data
    before, old = publication.current_version(data), hashes(data.market)
    left: list[str] = []
    for step in steps:
        killed(data.root, "build", at=step)
        assert publication.current_version(data) == before
        if candidate := building.load(data):
            left.append(candidate.build_id)
    assert hashes(data.market) == old

    finished(data.root, "build")
    record = record_of_candidate(settings)
    assert record.status == "passed"
    assert exact(record.table_hashes) == wanted
    # Built but not judged; judged but not noted.
    ends = {"build:built": "killed", "build:judged": "passed"}
    assert [r.status for r in map(read_record, [data] * len(left), left) if r] == [
        ends[step] for step in steps if step in ends
    ]
    finished(data.root, "publish")
    assert publication.current_version(data) == record.build_id
    assert hashes(data.market) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1, 3, 5, 7, 9])
def test_a_build_killed_with_dbt_at_work_leaves_the_next_one_alone(
    seconds: int, ready: Path, tmp_path: Path
) -> None:
    settings, wanted = without_candidate(ready, tmp_path / "data")
    data = settings.data
    before = publication.current_version(data)
    process = subprocess.Popen(
        [executable("tapehouse"), "build"],
        env={**os.environ, "TAPEHOUSE_DATA_DIR": str(data.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    for _ in range(600):
        try:
            record = line.build(settings).record
            break
        except LockedError:  # by the dbt of the killed build
            assert publication.current_version(data) == before
            time.sleep(0.1)
    assert exact(record.table_hashes) == wanted


# -- publishing ----------------------------------------------------------------------------------


@pytest.fixture
def passed(ready: Path, tmp_path: Path) -> Settings:
    """Return a warehouse with a version and a candidate that passed."""
    return copied(ready, tmp_path / "data")


def two_versions(settings: Settings) -> tuple[str, str]:
    """Return the published version and the candidate's."""
    current = publication.current_version(settings.data)
    assert current
    return current, candidate_of(settings).build_id


@pytest.mark.parametrize("step", PUBLISHING)
def test_a_killed_publication_is_finished_by_the_next(step: str, passed: Settings) -> None:
    data = passed.data
    old, new = two_versions(passed)
    wanted = exact(record_of_candidate(passed).table_hashes)
    killed(data.root, "publish", at=step)
    assert publication.current_version(data) == (new if step == "publish:replaced" else old)
    assert query(data.market, "select count(*) > 0 from silver.bars") == [(True,)]
    finished(data.root, "publish")
    assert [v.version for v in publication.versions(data)] == [new, old]
    assert publication.current_version(data) == new
    assert hashes(data.market) == wanted
    assert not list(leftovers(data.root))


@pytest.mark.parametrize("step", PUBLISHING)
def test_a_build_after_a_killed_publication_starts_from_what_readers_get(
    step: str, passed: Settings
) -> None:
    data = passed.data
    old, new = two_versions(passed)
    killed(data.root, "publish", at=step)
    begun = building.begin(data)
    current = new if step == "publish:replaced" else old
    assert begun.base_version == publication.current_version(data) == current
    versions = publication.versions(data)
    assert [v.version for v in versions] == ([new, old] if current == new else [old])
    assert [path.stem for path in sorted(data.published.glob("*.duckdb"))] == sorted(
        v.version for v in versions
    )


@pytest.mark.parametrize("step", ROLLING_BACK)
def test_a_killed_rollback_is_finished_by_the_next(step: str, passed: Settings) -> None:
    data = passed.data
    old, new = two_versions(passed)
    assert line.publish(passed)
    killed(data.root, "rollback", old, at=step)
    assert publication.current_version(data) == (old if step == "rollback:replaced" else new)
    assert query(data.market, "select count(*) > 0 from silver.bars") == [(True,)]
    assert tapehouse(data.root, "publish").returncode == 1
    finished(data.root, "rollback", old)
    assert publication.current_version(data) == old
    assert [v.version for v in publication.versions(data)] == [new, old]
    assert publication.hold(data)
    assert not list(leftovers(data.root))


def leftovers(root: Path) -> Iterator[Path]:
    """Yield temporary files beside what readers open."""
    yield from root.glob(".*")
    yield from (root / "published").glob(".*")
