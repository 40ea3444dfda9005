"""Hashes of tables tell contents apart, and nothing else."""

from collections.abc import Sequence

import duckdb
import pytest

from orchestration.table_hashes import table_hashes

ROWS = ("(1, 'a', [1.5])", "(2, null, null)", "(2, 'b', [])")


def hash_of(rows: Sequence[str], columns: str = "a integer, b varchar, c double[]") -> str:
    with duckdb.connect() as connection:
        connection.execute(f"create table t ({columns})")
        names = "a, b, c"
        for row in rows:
            connection.execute(f"insert into t ({names}) values {row}")
        return table_hashes(connection)["main.t"]


@pytest.mark.parametrize("rows", [ROWS[::-1], (ROWS[1], ROWS[0], ROWS[2])])
def test_the_order_of_rows_does_not_count(rows: Sequence[str]) -> None:
    assert hash_of(rows) == hash_of(ROWS)


def test_the_order_of_columns_does_not_count() -> None:
    assert hash_of(ROWS, "c double[], b varchar, a integer") == hash_of(ROWS)


@pytest.mark.parametrize(
    "rows",
    [
        (),
        ROWS[:2],
        (*ROWS, ROWS[0]),
        (*ROWS, ROWS[0], ROWS[0]),
        ("(1, 'b', [1.5])", "(2, null, null)", "(2, 'a', [])"),
        ("(1, 'a', [1.5])", "(2, '', null)", "(2, 'b', [])"),
        ("(1, 'a', [1.5])", "(2, null, [])", "(2, 'b', null)"),
    ],
)
def test_other_rows_have_another_hash(rows: Sequence[str]) -> None:
    assert hash_of(rows) != hash_of(ROWS)


@pytest.mark.parametrize(
    "columns",
    ["a bigint, b varchar, c double[]", "a integer, b varchar, c double[], d integer"],
)
def test_other_columns_have_another_hash(columns: str) -> None:
    assert hash_of(ROWS, columns) != hash_of(ROWS)


def test_run_records_and_views_are_left_out() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema ops")
        connection.execute("create table ops.build_runs (a integer)")
        connection.execute("create table ops.soda_results (a integer)")
        connection.execute("create table ops.other (a integer)")
        connection.execute("create view v as from ops.other")
        assert list(table_hashes(connection)) == ["ops.other"]
