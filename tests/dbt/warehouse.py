"""Run the real dbt, as a process of its own, on a lake and a database file."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ingest.settings import PROJECT_ROOT
from orchestration.table_hashes import table_hashes

PROJECT = PROJECT_ROOT / "dbt_project"
WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
SETTINGS = ("TAPEHOUSE_", "DBT_")


@dataclass(frozen=True)
class Warehouse:
    """One database file and dbt's own files, at paths that stay: other ones make dbt parse anew.

    `data` is the lake dbt sees; where the lake changes, it is a link that is set anew.
    """

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def database(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def see(self, lake: Path) -> None:
        """Let dbt see another lake."""
        self.data.unlink(missing_ok=True)
        self.data.symlink_to(lake, target_is_directory=True)

    def run_dbt(
        self, *args: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run dbt, whatever comes of it."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
        self.target.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [
                *(sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--no-use-colors"),
                *("--log-path", str(self.target), "--log-level-file", "none", *args),
                *("--target-path", str(self.target)),
            ],
            cwd=PROJECT,
            env={
                **inherited,
                "TAPEHOUSE_DATA_DIR": str(self.data),
                "TAPEHOUSE_DATABASE": str(self.database),
                "TAPEHOUSE_TEMP_DIRECTORY": str(self.folder / "spill"),
                **(env or {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def build(self, *args: str, env: Mapping[str, str] | None = None) -> None:
        """Run `dbt build`, which must succeed."""
        done = self.run_dbt("build", *args, env=env)
        assert done.returncode == 0, done.stdout + done.stderr

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
