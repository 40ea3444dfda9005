"""What the indicators remember: both renderings give what a plain loop gives."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.dbt.signals import Array
from tests.dbt.warehouse import Warehouse, connect

STATES = """
{%- set states = [
    ema('ema_12', 'x', 12), ema('late_12', 'x', 12, seed_from=14), ema('ema_200', 'x', 200),
    wilder_average('wilder_14', 'y', 14), wilder_sum('sum_14', 'y', 14), running_sum('total', 'z'),
    running_sum('session_total', 'z', since='session'), running_max('highest', 'z'),
] -%}
{%- set dependent = [ema('of_both', 'late_12 - ema_12', 9, seed_from=25)] -%}
"""
NAMES = (
    *("ema_12", "late_12", "ema_200", "wilder_14", "sum_14"),
    *("total", "session_total", "highest", "of_both"),
)
SESSION = 700
LENGTHS = (1, 12, 200, 511, 2048, 2049, 9000)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Mapping[str, str]]:
    """Return the SQL of both renderings, from bar 0 and resumed."""
    warehouse = Warehouse(tmp_path_factory.mktemp("states"))
    warehouse.data.mkdir()
    queries = {}
    for rendering in ("duckdb", "default"):
        for resumed in ("none", "'stored'"):
            inline = (
                STATES
                + "with recursive {{ tapehouse."
                + f"{rendering}__running_states('bars', states, dependent, {resumed}) }}}}"
                + " select * from states order by series_no, place"
            )
            done = warehouse.run_dbt("compile", "--quiet", "--inline", inline)
            assert done.returncode == 0, done.output
            queries[rendering + resumed] = done.output[done.output.index("with recursive") :]
    return warehouse, queries


def series(length: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(length)
    x = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, length)))
    return x, np.abs(rng.normal(0, 1, length)), np.floor(rng.normal(0, 1000, length))


def average(values: Array, rate: float, seed_from: int, seed_length: int) -> Array:
    found, value = np.zeros(len(values)), 0.0
    for bar, x in enumerate(values):
        if seed_from <= bar < seed_from + seed_length:
            value += x / seed_length
        elif bar >= seed_from + seed_length:
            value += rate * (x - value)
        found[bar] = value
    return found


def by_loop(length: int) -> dict[str, Array]:
    x, y, z = series(length)
    smoothed, value = np.zeros(length), 0.0
    for bar in range(length):
        if 1 <= bar < 14:
            value += y[bar]
        elif bar >= 14:
            value += y[bar] - value / 14
        smoothed[bar] = value
    fast, late = average(x, 2 / 13, 0, 12), average(x, 2 / 13, 14, 12)
    return {
        "ema_12": fast,
        "late_12": late,
        "ema_200": average(x, 2 / 201, 0, 200),
        "wilder_14": average(y, 1 / 14, 1, 14),
        "sum_14": smoothed,
        "total": np.cumsum(z),
        "session_total": np.concatenate(
            [np.cumsum(z[start : start + SESSION]) for start in range(0, length, SESSION)]
        ),
        "highest": np.maximum.accumulate(z),
        "of_both": average(late - fast, 0.2, 25, 9),
    }


@pytest.mark.parametrize("rendering", ["duckdb", "default"])
@pytest.mark.parametrize("resumed_from", [0, 700, 900])
def test_both_renderings_equal_a_loop(
    compiled: tuple[Warehouse, Mapping[str, str]], rendering: str, resumed_from: int
) -> None:
    _, queries = compiled
    resumed = "'stored'" if resumed_from else "none"
    with closing(connect(Path(":memory:"), read_only=False)) as connection:
        connection.execute(
            "create table bars (series_no bigint, bar_no bigint, place bigint, session bigint,"
            " x double, y double, z double)"
        )
        connection.execute(
            "create table stored (series_no bigint, session bigint, "
            + ", ".join(f"{name} double" for name in NAMES)
            + ")"
        )
        for length in LENGTHS:
            first = resumed_from if length > resumed_from else 0
            bar_no = np.arange(length)
            connection.register(
                "given", dict(zip("xyz", series(length), strict=True)) | {"bar_no": bar_no}
            )
            connection.execute(
                f"insert into bars select {length}, bar_no, bar_no - {first},"
                f" bar_no // {SESSION}, x, y, z from given"
            )
            if first:
                state = [values[first - 1] for values in by_loop(length).values()]
                connection.execute(
                    f"insert into stored values ({length}, {(first - 1) // SESSION},"
                    f" {', '.join(map(repr, map(float, state)))})"
                )
        found = connection.execute(queries[rendering + resumed]).fetchnumpy()
    for length in LENGTHS:
        first = resumed_from if length > resumed_from else 0
        here = found["series_no"] == length
        assert here.sum() == length - first
        for name, expected in by_loop(length).items():
            np.testing.assert_allclose(
                found[name][here],
                expected[first:],
                rtol=1e-11,
                atol=1e-9,
                err_msg=f"{name} of {length}",
            )
