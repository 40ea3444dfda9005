"""Models on tables that a test plants: the SQL that dbt compiled for the demo, run on them.

For what no lake brings about in a few rows. How dbt itself builds is tested with the demo.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.dbt.warehouse import DATABASE, Warehouse, connect


def plant(folder: Path, schema: str, tables: Mapping[str, Sequence[tuple[Any, ...]]]) -> Path:
    """Return a new database file with the tables that `schema` creates, filled."""
    database = folder / DATABASE
    with closing(connect(database, read_only=False)) as connection:
        connection.execute(schema)
        for name, rows in tables.items():
            columns = [pa.array(column) for column in zip(*rows, strict=True)]
            planted = pa.table(
                columns, names=[f"column_{number}" for number in range(len(columns))]
            )
            connection.register("planted", planted)
            connection.execute(f"insert into {name} select * from planted")
            connection.unregister("planted")
    return database


def build(database: Path, demo: Warehouse, models: Iterable[str]) -> None:
    """Build models, in the order given; the tests of their rows must hold."""
    nodes = demo.manifest()["nodes"]
    built = [nodes[f"model.tapehouse.{name}"] for name in models]
    with closing(connect(database, read_only=False)) as connection:
        for model in built:
            name = f"{model['schema']}.{model['alias']}"
            connection.execute(f"create table {name} as {model['compiled_code']}")
        for node in nodes.values():
            if node["resource_type"] == "test" and node.get("attached_node") in {
                model["unique_id"] for model in built
            }:
                found = connection.execute(node["compiled_code"]).fetchall()
                assert not found, (node["name"], found[:3])


def table(database: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table by column."""
    with closing(connect(database)) as connection:
        found = connection.execute(f"select * from {name}")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
