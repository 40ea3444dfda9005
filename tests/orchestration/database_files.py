"""Small database files to publish: every table says which version it is."""

from pathlib import Path

import duckdb

from ingest.settings import DataDir

TABLES = ("silver.bars", "gold.facts", "ops.batches")
VIEW = "gold.latest"


def make_database(path: Path, version: int, *, rows: int = 1000) -> Path:
    """Write a database whose tables hold `version` in every row.

    As built, it also has views into a lake that readers do not have.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    csv = path.with_name("lake.csv")
    csv.write_text("bar\n1\n", encoding="utf-8")
    with duckdb.connect(
        str(path), config={"storage_compatibility_version": "v1.2.0"}
    ) as connection:
        for schema in ("silver", "gold", "ops", "staging"):
            connection.execute(f"create schema {schema}")
        for table in TABLES:
            connection.execute(
                f"create table {table} as select {version} as version, i from range({rows}) as r(i)"
            )
        connection.execute(f"create view {VIEW} as select max(version) as version from silver.bars")
        connection.execute(f"create view staging.stg as select * from read_csv('{csv}')")
    csv.unlink()
    return path


def candidate(data: DataDir, version: int, *, rows: int = 1000) -> Path:
    """Write the database as the candidate of a warehouse."""
    data.candidate.unlink(missing_ok=True)
    return make_database(data.candidate, version, rows=rows)
