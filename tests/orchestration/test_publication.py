"""Versions: what publishing, rolling back, holding and pruning do to the files, step by step."""

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingest.fault_points import KILL_AT
from ingest.settings import DataDir
from orchestration import publication
from orchestration.publication import PublicationError, Version
from tests.orchestration.database_files import TABLES, VIEW, candidate
from tests.orchestration.warehouses import query

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
KEEP = 3


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "data")


def noon() -> datetime:
    return NOON


def publish(data: DataDir, number: int, *, keep: int = KEEP, rows: int = 10) -> Version:
    """Publish a small file, as `orchestration.line` does with a candidate that passed."""
    path = candidate(data, number, rows=rows)
    version = publication.publish_file(data, path, f"v{number}", keep=keep, clock=noon)
    path.unlink()
    return version


def names(data: DataDir) -> list[str]:
    return [version.version for version in publication.versions(data)]


def read(data: DataDir, relation: str = TABLES[0]) -> list[tuple[object, ...]]:
    return query(data.market, f"select distinct version from {relation}")


# -- publish -------------------------------------------------------------------------------------


def test_before_the_first_publication_there_is_nothing(data: DataDir) -> None:
    assert publication.current_version(data) is None
    assert publication.current_path(data) is None
    assert publication.versions(data) == []
    assert publication.hold(data) is None


def test_the_first_publication_makes_a_version_that_readers_get(data: DataDir) -> None:
    version = publish(data, 1)
    path = publication.version_path(data, "v1")
    assert version == Version("v1", "2024-03-01T12:00:00.000000Z", path.stat().st_size, True)
    assert publication.versions(data) == [version]
    assert publication.current_version(data) == "v1"
    assert publication.current_path(data) == path.resolve() == data.market.resolve()
    assert read(data) == [(1,)]


def test_a_version_is_read_only_and_a_link_relative_to_it_is_the_market(data: DataDir) -> None:
    publish(data, 1)
    assert stat.S_IMODE(publication.version_path(data, "v1").stat().st_mode) == 0o444
    assert data.market.readlink() == Path("published/v1.duckdb")
    moved = data.root.rename(data.root.with_name("moved"))
    assert read(DataDir(moved)) == [(1,)]


def test_views_are_readable_under_the_name_the_file_is_published_by(data: DataDir) -> None:
    publish(data, 1)
    assert read(data, VIEW) == [(1,)]


def test_views_into_the_lake_are_not_published(data: DataDir) -> None:
    publish(data, 1)
    schemas = query(data.market, "select schema_name from duckdb_schemas() where not internal")
    assert {name for (name,) in schemas} == {"gold", "ops", "silver"}


def test_a_second_version_replaces_the_first_which_stays(data: DataDir) -> None:
    publish(data, 1)
    before = publication.version_path(data, "v1").read_bytes()
    publish(data, 2)
    assert names(data) == ["v2", "v1"]
    assert [version.is_current for version in publication.versions(data)] == [True, False]
    assert read(data) == [(2,)]
    assert publication.version_path(data, "v1").read_bytes() == before


def test_publishing_twice_is_publishing_once(data: DataDir) -> None:
    path = candidate(data, 1)
    for _ in range(2):
        publication.publish_file(data, path, "v1", keep=KEEP)
    assert names(data) == ["v1"]
    assert read(data) == [(1,)]


def test_a_candidate_that_cannot_be_read_back_is_not_published(data: DataDir) -> None:
    publish(data, 1)
    path = candidate(data, 2)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table staging.mine as select 1 as i")
        connection.execute("create view silver.lost as select * from staging.mine")
    with pytest.raises(PublicationError, match="cannot be read back"):
        publication.publish_file(data, path, "v2", keep=KEEP)
    assert names(data) == ["v1"]
    assert read(data) == [(1,)]


def test_nothing_temporary_is_left(data: DataDir) -> None:
    publish(data, 1)
    publish(data, 2)
    assert sorted(path.name for path in data.root.iterdir()) == [
        "build",
        "market.duckdb",
        "published",
    ]
    assert sorted(path.name for path in data.published.iterdir()) == [
        "v1.duckdb",
        "v1.json",
        "v2.duckdb",
        "v2.json",
    ]


# -- a file that is mostly free space ------------------------------------------------------------


ROWS_AT_THE_END = 200_000


@pytest.fixture
def loose(data: DataDir) -> Path:
    """Return a candidate that is mostly free space: only rows at its end are still in use."""
    path = candidate(data, 1)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table ops.big as select random() as r from range(2000000)")
        connection.execute("checkpoint")
        connection.execute(
            f"create table ops.small as select i, random() from range({ROWS_AT_THE_END}) as r(i)"
        )
        connection.execute("checkpoint")
        connection.execute("drop table ops.big")
        connection.execute("checkpoint")
    return path


def test_a_large_file_of_mostly_free_space_is_written_compactly(
    data: DataDir, loose: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = loose.stat().st_size
    monkeypatch.setattr(publication, "SMALL_FILE_BYTES", 1024)
    version = publication.publish_file(data, loose, "v1", keep=KEEP)
    assert version.size_bytes < before / 2
    assert query(data.market, "select max(i) from ops.small") == [(ROWS_AT_THE_END - 1,)]
    assert read(data, VIEW) == [(1,)]
    assert storage_version(data.market) == storage_version(candidate(data, 2)), "for older clients"
    assert stat.S_IMODE(data.market.resolve().stat().st_mode) == 0o444


def storage_version(path: Path) -> object:
    with duckdb.connect(str(path.resolve()), read_only=True) as connection:
        ((tags,),) = connection.execute(
            "select tags from duckdb_databases() where database_name = current_database()"
        ).fetchall()
    return tags


def test_a_small_file_is_published_as_it_is(data: DataDir, loose: Path) -> None:
    before = loose.stat().st_size
    assert publication.publish_file(data, loose, "v1", keep=KEEP).size_bytes == before


# -- prune ---------------------------------------------------------------------------------------


def test_only_the_newest_versions_are_kept(data: DataDir) -> None:
    for number in range(1, 6):
        publish(data, number)
    assert names(data) == ["v5", "v4", "v3"]
    assert {path.stem for path in data.published.iterdir()} == {"v5", "v4", "v3"}


def test_pruning_tells_what_it_removed(data: DataDir) -> None:
    for number in range(1, 5):
        publish(data, number, keep=9)
    assert publication.prune(data, 2) == ["v2", "v1"]
    assert publication.prune(data, 2) == []


def test_the_current_and_the_held_version_are_never_pruned(data: DataDir) -> None:
    for number in range(1, 5):
        publish(data, number, keep=9)
    publication.rollback(data, "v1")
    assert publication.prune(data, 1) == ["v3", "v2"]
    assert names(data) == ["v4", "v1"]
    assert read(data) == [(1,)]


# -- roll back, hold, resume ---------------------------------------------------------------------


def test_a_rollback_makes_an_earlier_version_current_and_holds_it(data: DataDir) -> None:
    publish(data, 1)
    publish(data, 2)
    publication.rollback(data, "v1", clock=noon)
    assert read(data) == [(1,)]
    assert names(data) == ["v2", "v1"]
    assert publication.hold(data) == {"version": "v1", "since": "2024-03-01T12:00:00.000000Z"}


def test_while_held_nothing_is_published(data: DataDir) -> None:
    publish(data, 1)
    publish(data, 2)
    publication.rollback(data, "v1", clock=noon)
    with pytest.raises(PublicationError, match=r"held at version v1 since 2024-03-01.*--resume"):
        publish(data, 3)
    assert names(data) == ["v2", "v1"]
    assert read(data) == [(1,)]


def test_after_resuming_publication_goes_on(data: DataDir) -> None:
    publish(data, 1)
    publish(data, 2)
    publication.rollback(data, "v1")
    publication.resume(data)
    assert publication.hold(data) is None
    publish(data, 3)
    assert read(data) == [(3,)]


def test_resuming_what_is_not_held_does_nothing(data: DataDir) -> None:
    publication.resume(data)
    publish(data, 1)
    publication.resume(data)
    assert read(data) == [(1,)]


def test_a_rollback_forward_again_is_a_rollback(data: DataDir) -> None:
    publish(data, 1)
    publish(data, 2)
    publication.rollback(data, "v1")
    publication.rollback(data, "v2")
    assert read(data) == [(2,)]
    assert (publication.hold(data) or {})["version"] == "v2"


@pytest.mark.parametrize("version", ["v9", "", "../market", "hold"])
def test_a_rollback_to_what_is_not_kept_names_what_is(data: DataDir, version: str) -> None:
    publish(data, 1)
    publish(data, 2)
    with pytest.raises(PublicationError, match="kept are: v2, v1"):
        publication.rollback(data, version)
    assert read(data) == [(2,)]
    assert publication.hold(data) is None


def test_a_rollback_with_nothing_kept_says_so(data: DataDir) -> None:
    with pytest.raises(PublicationError, match="kept are: none"):
        publication.rollback(data, "v1")


def test_a_rollback_takes_less_than_a_second(data: DataDir) -> None:
    publish(data, 1, rows=1_000_000)
    publish(data, 2)
    before = datetime.now(UTC)
    publication.rollback(data, "v1")
    assert datetime.now(UTC) - before < timedelta(seconds=1)


# -- recover -------------------------------------------------------------------------------------


class Killed(BaseException):
    """What a test raises in place of a kill."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes the next publication stop at a step, as if killed."""

    def arm(step: str) -> None:
        def stop(reached: str) -> None:
            if reached == step:
                raise Killed

        monkeypatch.setattr(publication, "reached", stop)

    return arm


@pytest.mark.parametrize(
    ("step", "is_version"),
    [("publish:finalised", False), ("publish:linked", False), ("publish:replaced", True)],
)
def test_what_readers_already_get_is_a_version_and_nothing_else_is(
    data: DataDir, kill_at: Callable[[str], None], step: str, *, is_version: bool
) -> None:
    publish(data, 1)
    kill_at(step)
    with pytest.raises(Killed):
        publish(data, 2)
    assert read(data) == [(2 if is_version else 1,)]
    publication.recover(data, noon)
    wanted = ["v2", "v1"] if is_version else ["v1"]
    assert names(data) == wanted
    assert sorted(path.stem for path in data.published.glob("*.duckdb")) == sorted(wanted)


def test_recovering_what_is_whole_changes_nothing(data: DataDir) -> None:
    publication.recover(data)
    publish(data, 1)
    publish(data, 2)
    publication.rollback(data, "v1")
    before = {path: path.stat().st_mtime_ns for path in data.published.iterdir()}
    publication.recover(data)
    assert {path: path.stat().st_mtime_ns for path in data.published.iterdir()} == before
    assert read(data) == [(1,)]


def test_no_step_kills_unless_asked(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KILL_AT, "some:other-step")
    publish(data, 1)
    assert read(data) == [(1,)]
