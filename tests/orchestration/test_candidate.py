"""The private file a build works on: one builder, clean starts, a record for every end."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from ingest.clock import parse_iso, utc_now
from ingest.locks import LockedError, exclusive
from ingest.settings import PROJECT_ROOT, DataDir, Settings
from orchestration import candidate as building
from orchestration import line, publication
from orchestration.candidate import BuildError
from orchestration.dbt import DbtError, DbtResult
from orchestration.publication import PublicationError
from orchestration.run_records import RunRecord, latest_record, read_record
from tests.orchestration.warehouses import (
    PROJECT_VARIABLE,
    build,
    candidate_of,
    copied,
    tapehouse,
)

TEST_THAT_FAILS = "no_bar_is_dear"


def record_of(data: DataDir, build_id: str) -> RunRecord:
    record = read_record(data, build_id)
    assert record
    return record


# -- one builder ---------------------------------------------------------------------------------


def test_the_lock_names_who_holds_it_and_since_when(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    before = utc_now()
    with (
        building.builder_lock(settings.data, "a build of mine"),
        pytest.raises(LockedError, match="a build of mine") as refused,
    ):
        line.build(settings)
    assert f"(process {os.getpid()})" in str(refused.value)
    since = str(refused.value).split(" since ")[1].split(";")[0]
    assert before <= parse_iso(since) <= utc_now()


@pytest.mark.parametrize("arguments", [("build",), ("publish",), ("rollback", "v1")])
def test_other_processes_are_refused_with_the_holder_s_name(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with building.builder_lock(DataDir(tmp_path), "a build of mine"):
        done = tapehouse(tmp_path, *arguments)
    assert done.returncode == 1
    assert "is locked by a build of mine" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lock_is_free_after_its_holder_failed(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with pytest.raises(ValueError, match="mine"), building.builder_lock(data, "first"):
        raise ValueError("mine")
    with building.builder_lock(data, "second"):
        pass


HOLDER = """
import os, signal, subprocess, sys
from pathlib import Path
from ingest.settings import DataDir
from orchestration.candidate import builder_lock

with builder_lock(DataDir(Path(sys.argv[1])), "a build"):
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_of_a_killed_build_lasts_as_long_as_its_dbt(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    child = int(killed.stdout)
    lock = tmp_path / "build" / "lock"
    with (
        pytest.raises(LockedError, match="is locked by a build"),
        exclusive(lock, "the next build"),
    ):
        pass
    end(child)
    with exclusive(lock, "the next build"):
        pass


def end(process: int) -> None:
    """Kill a process that is not our child, and wait until it has ended."""
    descriptor = os.pidfd_open(process)
    os.kill(process, signal.SIGKILL)
    select.select([descriptor], [], [], 30)
    os.close(descriptor)


# -- beginnings ----------------------------------------------------------------------------------


def test_a_first_build_begins_with_nothing(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "data")
    begun = building.begin(data)
    assert begun.base_version is None
    assert begun.is_full_refresh
    assert begun.refreshed_models == ()
    assert not data.candidate.exists()
    assert "--full-refresh" in begun.dbt_args


def test_a_build_begins_with_a_private_copy_of_the_current_version(
    small: Path, tmp_path: Path
) -> None:
    data = copied(small, tmp_path / "data").data
    begun = building.begin(data)
    assert begun.base_version == publication.current_version(data)
    assert not begun.is_full_refresh
    assert data.candidate.read_bytes() == data.market.read_bytes()
    with duckdb.connect(str(data.candidate)) as connection:
        connection.execute("drop table silver.bars")
    assert building.load(data) == begun


def test_an_unfinished_build_leaves_a_record_when_the_next_begins(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "data")
    left = building.begin(data)
    data.candidate.write_text("half a database")
    Path(f"{data.candidate}.wal").write_text("and its log")
    begun = building.begin(data)
    record = record_of(data, left.build_id)
    assert (record.status, record.finished_at) == ("killed", None)
    assert "found unfinished" in str(record.error)
    assert begun.build_id > left.build_id
    assert not data.candidate.exists()
    assert not Path(f"{data.candidate}.wal").exists()


def test_a_full_refresh_begins_with_nothing_although_there_is_a_version(
    small: Path, tmp_path: Path
) -> None:
    data = copied(small, tmp_path / "data").data
    begun = building.begin(data, full_refresh=True)
    assert (begun.base_version, begun.is_full_refresh) == (None, True)
    assert not data.candidate.exists()


def test_a_build_of_other_rules_knows_what_to_refresh(small: Path, tmp_path: Path) -> None:
    data = copied(small, tmp_path / "data").data
    version = publication.version_path(data, str(publication.current_version(data)))
    version.chmod(0o644)
    with duckdb.connect(str(version)) as connection:
        connection.execute(
            "update ops.rule_fingerprints set fingerprint = 'other' where model = 'bars'"
        )
    begun = building.begin(data)
    assert begun.refreshed_models == ("bars",)
    assert '{"refresh_models": ["bars"]}' in begun.dbt_args


# -- ends ----------------------------------------------------------------------------------------


def of_one_model(project: Path, folder: Path) -> Path:
    """Return a project that has nothing but bars, and a test that they fail."""
    for name, text in (
        ("dbt_project.yml", "name: tapehouse\nprofile: tapehouse\n"),
        ("models/bars.sql", "select 1001 as close"),
        (f"tests/{TEST_THAT_FAILS}.sql", "select * from {{ ref('bars') }} where close > 1000"),
        ("profiles.yml", (project / "profiles.yml").read_text(encoding="utf-8")),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_failing_dbt_test_fails_the_build_by_name(
    small: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copied(small, tmp_path / "data")
    data = settings.data
    before = data.market.readlink(), data.market.read_bytes()
    monkeypatch.setenv(PROJECT_VARIABLE, str(of_one_model(project, tmp_path / "project")))

    with pytest.raises(DbtError, match=f"test {TEST_THAT_FAILS}: Got 1 result"):
        line.build(settings)
    candidate = candidate_of(settings)
    record = record_of(data, candidate.build_id)
    assert (record.status, candidate.stage) == ("failed", "failed")
    assert TEST_THAT_FAILS in str(record.error)
    assert record.base_version == before[0].stem
    assert (data.market.readlink(), data.market.read_bytes()) == before

    with pytest.raises(PublicationError, match=f"build {record.build_id} did not pass"):
        line.publish(settings)
    status = tapehouse(data.root, "status").stdout
    assert f"Build {record.build_id}: failed" in status
    assert TEST_THAT_FAILS in status


def judged_at_once(settings: Settings) -> RunRecord:
    """Judge what a build begins with, as if dbt had changed nothing of it."""
    begun = building.begin(settings.data)
    built = building.record_dbt(settings.data, begun, DbtResult({}, 0, 0), seconds=0)
    record, _ = building.judge(settings.data, built)
    return record


@pytest.mark.parametrize("built_by", [judged_at_once, pytest.param(build, marks=pytest.mark.slow)])
def test_a_build_that_changes_nothing_publishes_nothing(
    built_by: Callable[[Settings], RunRecord], small: Path, tmp_path: Path
) -> None:
    settings = copied(small, tmp_path / "data")
    before = publication.versions(settings.data)
    record = built_by(settings)
    assert record.base_version == before[0].version
    assert record.table_hashes == record_of(settings.data, before[0].version).table_hashes
    assert record.status == "unchanged"
    assert candidate_of(settings).stage == "unchanged"
    assert line.publish(settings) is None
    assert publication.versions(settings.data) == before
    assert building.load(settings.data) is None, "the candidate is of no use any more"


def test_a_passed_build_tells_what_it_did(ready: Path) -> None:
    settings = Settings(data_dir=ready)
    record = latest_record(settings.data)
    assert record
    assert record.build_id == candidate_of(settings).build_id
    assert (record.status, record.error) == ("passed", None)
    assert record.finished_at
    assert record.finished_at > record.started_at
    assert record.base_version == publication.current_version(settings.data)
    assert record.dbt_tests_passed > 0
    assert record.checks_passed > 0
    assert (record.dbt_tests_failed, record.checks_failed) == (0, 0)
    assert len(record.soda) == record.checks_passed + record.checks_warned
    assert {"dbt", "checks"} <= record.steps.keys()
    assert "bar_versions" in record.models
    assert "silver.bars" in record.table_hashes
    report = settings.data.quality / record.build_id / "index.html"
    assert record.build_id in report.read_text(encoding="utf-8")


def test_a_failing_check_fails_the_build_and_is_recorded(ready: Path, tmp_path: Path) -> None:
    settings = copied(ready, tmp_path / "data")
    data = settings.data
    built = replace(candidate_of(settings), build_id="20991231T000000000000Z-0", stage="built")
    with duckdb.connect(str(data.candidate)) as connection:
        connection.execute("delete from gold.fct_daily_bars")
    record, report = building.judge(data, built)
    assert not report.passed
    assert record.status == "failed"
    assert record.checks_failed == report.count("fail") + report.count("error") > 0
    assert "gold.fct_daily_bars" in str(record.error)
    with pytest.raises(PublicationError, match="did not pass its checks"):
        line.publish(settings)
    kept = latest_record(data)
    assert kept
    assert (kept.build_id, kept.error) == (record.build_id, record.error)


# -- who may publish -----------------------------------------------------------------------------


def test_publishing_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PublicationError, match="run `tapehouse build` first"):
        line.publish(Settings(data_dir=tmp_path))


def test_an_unjudged_build_is_not_published(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    begun = building.begin(settings.data)
    with pytest.raises(PublicationError, match=begun.build_id):
        line.publish(settings)
    with pytest.raises(BuildError, match="only a whole build can be judged"):
        building.judge(settings.data, begun)


def test_a_candidate_that_took_another_s_place_is_not_published_for_it(
    ready: Path, tmp_path: Path
) -> None:
    settings = copied(ready, tmp_path / "data")
    with pytest.raises(BuildError, match="candidate of build mine is gone"):
        line.publish(settings, build_id="mine")
    assert line.publish(settings, build_id=candidate_of(settings).build_id)
    with pytest.raises(BuildError, match="is gone"):
        line.publish(settings, build_id="mine")


def test_a_held_candidate_is_published_on_resuming(ready: Path, tmp_path: Path) -> None:
    settings = copied(ready, tmp_path / "data")
    data = settings.data
    current, build_id = publication.current_version(data), candidate_of(settings).build_id
    assert current
    line.rollback(settings, current)
    with pytest.raises(PublicationError, match="publication is held"):
        line.publish(settings)
    assert candidate_of(settings).build_id == build_id, "it stays"
    version = line.publish(settings, resume=True)
    assert version
    assert version.version == build_id == publication.current_version(data)
    assert publication.hold(data) is None


def test_resuming_without_a_candidate_only_lifts_the_hold(small: Path, tmp_path: Path) -> None:
    settings = copied(small, tmp_path / "data")
    line.rollback(settings, str(publication.current_version(settings.data)))
    assert line.publish(settings, resume=True) is None
    assert publication.hold(settings.data) is None


def test_copies_share_nothing_with_the_original(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(1 << 20))
    building.copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    with target.open("r+b") as file:
        file.write(b"other")
    assert source.read_bytes()[:5] != b"other"


def test_an_as_of_build_has_a_file_of_its_own(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "data")
    pending = building.begin(data)
    moment = utc_now() - timedelta(days=1)
    begun = building.begin(data, as_of=moment)
    assert building.load(data) == pending
    assert begun.is_full_refresh
    assert building.database_path(data, begun).parent == data.as_of
    assert json_argument(begun.dbt_args) == {"as_of": begun.as_of}


def json_argument(arguments: list[str]) -> object:
    return json.loads(arguments[arguments.index("--vars") + 1])
