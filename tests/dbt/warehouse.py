"""Run the real dbt on a lake and a database file."""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest

from ingest.settings import PROJECT_ROOT, DataDir
from orchestration.dbt import unused_staging
from orchestration.parsed_dbt import PARSED
from orchestration.table_hashes import table_hashes
from tests.dbt.forked_dbt import Done, run
from tests.orchestration.warehouses import PARSED as PARSED_FOLDER

PROJECT = PROJECT_ROOT / "dbt_project"
WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
SETTINGS = ("TAPEHOUSE_", "DBT_")
DATABASE = "candidate.duckdb"
"""As the project was parsed for: a database's name is part of what dbt makes of it."""


@dataclass(frozen=True)
class Warehouse:
    """One database file and dbt's own files.

    `data` is the lake dbt sees; where the lake changes, it is a link that is set anew.
    """

    folder: Path
    parsed: ClassVar[Path | None] = None
    """The project as dbt parsed it, for the name of this database; without it dbt parses anew."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def database(self) -> Path:
        return self.folder / DATABASE

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def see(self, lake: Path) -> None:
        """Let dbt see another lake."""
        self.data.unlink(missing_ok=True)
        self.data.symlink_to(lake, target_is_directory=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point dbt here, and the caller's own that point it nowhere."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
        return {
            **inherited,
            "TAPEHOUSE_DATA_DIR": str(self.data),
            "TAPEHOUSE_DATABASE": str(self.database),
            "TAPEHOUSE_TEMP_DIRECTORY": str(self.folder / "spill"),
        }

    def arguments(self, command: str, *args: str) -> list[str]:
        """Return the arguments of a dbt command that leaves its files here."""
        return [
            *("--no-use-colors", "--log-path", str(self.target), "--log-level-file", "none"),
            *(command, *args, "--target-path", str(self.target)),
        ]

    def run_dbt(self, command: str, *args: str, env: Mapping[str, str] | None = None) -> Done:
        """Run a dbt command, whatever comes of it."""
        self.target.mkdir(parents=True, exist_ok=True)
        return run(
            self.arguments(command, *args),
            folder=PROJECT,
            env={**self.environment, **(env or {})},
            printed=self.target / "printed.txt",
            parsed=None if command == "parse" else self.parsed,
        )

    def build(
        self, *args: str, env: Mapping[str, str] | None = None, everything: bool = False
    ) -> None:
        """Run `dbt build`, which must succeed.

        As `tapehouse build` does, without staging of datasets that never landed, unless told to
        build `everything` or where nothing ever did. Then dbt writes what it did, too.
        """
        data = DataDir(self.data)
        if self.parsed and not everything:
            args = (*args, "--no-write-json")
        if self.parsed and data.raw.exists() and not everything:
            unused = unused_staging(_json(self.parsed.with_name("manifest.json")), data)
            args = (*args, "--exclude", *unused)
            env = {**(env or {}), "TAPEHOUSE_UNUSED_DATASETS": ",".join(unused.values())}
        done = self.run_dbt("build", *args, env=env)
        assert done.returncode == 0, done.output

    def manifest(self) -> Mapping[str, Any]:
        manifest: Mapping[str, Any] = _json(self.target / "manifest.json")
        return manifest

    def outcomes(self) -> dict[str, str]:
        """Return what came of each node of the last run, by its name."""
        results = _json(self.target / "run_results.json")["results"]
        return {result["unique_id"].split(".")[2]: result["status"] for result in results}

    def hashes(self) -> dict[str, str]:
        """Return the content hash of every table that is no run record."""
        with closing(connect(self.database)) as connection:
            return table_hashes(connection)

    def copy_database(self, target: Path) -> Path:
        return Path(shutil.copyfile(self.database, target))


def connect(database: Path, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open a database file in a session whose times are UTC."""
    connection = duckdb.connect(str(database), read_only=read_only)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on a database file."""
    with closing(connect(database)) as connection:
        return connection.execute(query).fetchall()


def _json(path: Path) -> Any:  # noqa: ANN401 - JSON is whatever it is
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session", autouse=True)
def parsed_once(project: Path) -> None:
    """Let all warehouses build the project as it was parsed once per test run."""
    Warehouse.parsed = project / PARSED_FOLDER / PARSED
