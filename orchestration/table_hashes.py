"""Content hashes of tables, to tell whether two database files hold the same data.

Independent of row order, column order and storage. Views are not hashed: they follow from tables.
"""

import duckdb

RUN_RECORDS = ("ops.build_runs", "ops.soda_results")
"""Tables that tell of earlier builds: they differ between builds of the same data by nature."""

OF_ROUNDED_SUMS = (
    "silver.indicators",
    "silver.market_data_enriched",
    "silver.int_signals__observed",
    "silver.decision_history",
    "gold.ml_features",
)
"""Tables of floating-point sums, which another build may add up in another order: computed anew,
they are the same to nine digits, not to the bit."""


def stored_tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return (schema, table) of every table readers get from the open database, in order."""
    return connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name ="
        " current_database() and not internal and schema_name <> 'staging' order by all"
    ).fetchall()


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the number of rows of every stored table, by its name without the schema."""
    return {
        table: connection.execute(f'select count(*) from "{schema}"."{table}"').fetchall()[0][0]
        for schema, table in stored_tables(connection)
    }


def table_hashes(
    connection: duckdb.DuckDBPyConnection, exclude: tuple[str, ...] = RUN_RECORDS
) -> dict[str, str]:
    """Return a hash per stored table, by `schema.table`, without those in `exclude`.

    Row hashes are summed, not xor-ed, so that a row that is there twice does not cancel itself out.
    """
    hashes = {}
    for schema, table in stored_tables(connection):
        name = f"{schema}.{table}"
        if name in exclude:
            continue
        columns = connection.execute(
            "select column_name, data_type from duckdb_columns() where database_name ="
            " current_database() and schema_name = ? and table_name = ? order by column_name",
            [schema, table],
        ).fetchall()
        values = ", ".join(_hashable(column, kind) for column, kind in columns)
        ((rows, total),) = connection.execute(
            f"select count(*), coalesce(sum(cast(hash({values}) as hugeint)), 0)"
            f' from "{schema}"."{table}"'
        ).fetchall()
        shape = ",".join(f"{column} {kind}" for column, kind in columns)
        hashes[name] = f"{rows}:{total:x}:{shape}"
    return hashes


def _hashable(column: str, kind: str) -> str:
    """Return an expression whose hash tells apart all values of a column.

    DuckDB gives a list, or a struct, that is NULL, empty or holds one NULL the same hash.
    """
    is_nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    return f'cast("{column}" as varchar)' if is_nested else f'"{column}"'
