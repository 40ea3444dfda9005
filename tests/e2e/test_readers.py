"""Readers see whole versions, and meet no error, while others are published."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.settings import DataDir
from orchestration import publication
from tests.orchestration.database_files import TABLES, VIEW, candidate, make_database

PUBLICATIONS = 20
READERS = 2

OPENING_READER = f"""
import os
import sys
import time
import duckdb

market, stop = sys.argv[1:]
while not os.path.exists(stop):
    with duckdb.connect(market, read_only=True) as connection:
        seen = set()
        for relation in {(*TABLES, VIEW)}:
            versions = connection.execute(f"select distinct version from {{relation}}").fetchall()
            seen.update(version for (version,) in versions)
    print(*seen, flush=True)
    time.sleep(0.01)
"""
"""Opens the file anew each time, as commands and notebooks do."""

STAYING_READER = f"""
import os
import sys
import time
import duckdb

market, stop = sys.argv[1:]
connection = duckdb.connect(os.path.realpath(market), read_only=True)
while not os.path.exists(stop):
    for relation in {(*TABLES, VIEW)}:
        versions = connection.execute(f"select distinct version from {{relation}}").fetchall()
        print(*(version for (version,) in versions), flush=True)
        time.sleep(0.002)
"""
"""Keeps its connection, as a server does."""


@dataclass(frozen=True)
class Reader:
    """A process that writes the version numbers of each of its reads on a line."""

    process: subprocess.Popen[str]
    output: Path

    def reads(self) -> list[set[int]]:
        """Return the version numbers of each read so far."""
        lines = self.output.read_text(encoding="utf-8").splitlines(keepends=True)
        return [set(map(int, line.split())) for line in lines if line.endswith("\n")]


@contextmanager
def reading(code: str, market: Path, stop: Path, output: Path) -> Iterator[Reader]:
    """Run a reader until the block ends; it must have met no error."""
    with output.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(market), str(stop)],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Reader(process, output)
        finally:
            stop.touch()
            _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error


def publish(data: DataDir, version: int) -> None:
    path = candidate(data, version)
    publication.publish_file(data, path, f"v{version:03}", keep=3)
    path.unlink()


def wait_for_reads(readers: list[Reader], count: int) -> None:
    """Wait until every reader has read so often."""
    deadline = time.monotonic() + 60
    while any(len(reader.reads()) < count for reader in readers):
        assert time.monotonic() < deadline, "a reader does not get on"
        time.sleep(0.02)


def test_readers_see_whole_versions_while_twenty_are_published(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "data")
    publish(data, 0)
    stop = tmp_path / "stop"
    with ExitStack() as stack:
        opening = [
            stack.enter_context(
                reading(OPENING_READER, data.market, stop, tmp_path / f"opening-{number}.txt")
            )
            for number in range(READERS)
        ]
        staying = stack.enter_context(
            reading(STAYING_READER, data.market, stop, tmp_path / "staying.txt")
        )
        wait_for_reads([*opening, staying], 1)
        for version in range(1, PUBLICATIONS + 1):
            before = min(len(reader.reads()) for reader in opening)
            publish(data, version)
            wait_for_reads(opening, before + 1)
        wait_for_reads(opening, max(len(reader.reads()) for reader in opening) + 2)

    for reader in opening:
        reads = reader.reads()
        assert all(len(versions) == 1 for versions in reads), "a mix of versions"
        seen = [version for versions in reads for version in versions]
        assert seen == sorted(seen), "an older version came back"
        assert seen[0] == 0
        assert seen[-1] == PUBLICATIONS
        assert len(set(seen)) > PUBLICATIONS / 2
    assert len(staying.reads()) > PUBLICATIONS
    assert {0} == set().union(*staying.reads()), "an open connection keeps its version"
    assert not publication.version_path(data, "v000").exists(), "although its file is pruned"


def test_a_file_that_is_being_read_can_be_replaced_by_one_of_other_size(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "data")
    publish(data, 0)
    stop = tmp_path / "stop"
    with reading(OPENING_READER, data.market, stop, tmp_path / "reads.txt") as reader:
        wait_for_reads([reader], 1)
        for version, rows in ((1, 1_000_000), (2, 1)):
            path = make_database(data.candidate, version, rows=rows)
            publication.publish_file(data, path, f"v{version:03}", keep=3)
            path.unlink()
            wait_for_reads([reader], len(reader.reads()) + 2)
    assert all(len(versions) == 1 for versions in reader.reads())
    assert reader.reads()[-1] == {2}
