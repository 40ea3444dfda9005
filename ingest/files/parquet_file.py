"""Read Parquet, typed values as exact text."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingest.files.common import (
    UnreadableError,
    check_count,
    check_required,
    found_columns,
    literal,
    path_literal,
    select_list,
    stream,
)
from ingest.provider import Dataset


def parquet_tables(
    path: Path, dataset: Dataset, connection: duckdb.DuckDBPyConnection
) -> Iterator[pa.Table]:
    """Yield the rows of a Parquet file, in order, as text tables.

    Raises:
        UnreadableError: at any point; rows yielded before must then be dropped.
    """
    source = f"read_parquet({path_literal(path)}, hive_partitioning = false)"
    try:
        metadata = pq.read_metadata(path)
        names = metadata.schema.to_arrow_schema().names
        described = connection.sql(f"select * from {source} limit 0")
    except (pa.ArrowException, duckdb.Error, OSError) as error:
        raise UnreadableError(
            f"Not a Parquet file that can be read ({str(error).splitlines()[0]})."
            " Export or copy it again."
        ) from None
    found = found_columns(names, dataset)
    check_required(found, names, dataset)
    columns = [
        ('"' + column.replace('"', '""') + '"', str(kind))
        for column, kind in zip(described.columns, described.types, strict=True)
    ]
    pairs = ", ".join(
        f"{literal(name.strip())}, {_as_json(*columns[position])}"
        for position, name in enumerate(names)
        if position not in found.values()
    )
    select = select_list(
        dataset,
        {name: _as_text(*columns[position]) for name, position in found.items()},
        f"cast(json_object({pairs}) as varchar)" if pairs else None,
    )
    rows = 0
    for table in stream(connection, f"select {select} from {source}"):
        rows += table.num_rows
        yield table
    check_count(rows, metadata.num_rows)


def _as_text(column: str, kind: str) -> str:
    """Return SQL for a typed value as text: times in ISO 8601, numbers as short as is exact."""
    if kind.startswith("TIMESTAMP"):
        # The session is in UTC, so the only offset there can be is +00.
        return f"replace(replace(cast({column} as varchar), ' ', 'T'), '+00', 'Z')"
    if kind == "BLOB":
        return f"coalesce(try(decode({column})), cast({column} as varchar))"
    if _is_nested(kind):
        return f"cast(to_json({column}) as varchar)"
    return f"cast({column} as varchar)"


def _as_json(column: str, kind: str) -> str:
    """Return SQL for a typed value in JSON; what JSON cannot hold exactly is text."""
    if _is_nested(kind) or kind in {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"}:
        return f"to_json({column})"
    if kind == "DOUBLE":
        text = f"to_json(cast({column} as varchar))"
        return f"case when isfinite({column}) then to_json({column}) else {text} end"
    return _as_text(column, kind)


def _is_nested(kind: str) -> bool:
    return kind.startswith(("STRUCT", "MAP", "UNION")) or kind.endswith("]")
