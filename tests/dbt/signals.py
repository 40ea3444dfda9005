"""The signal models alone, on bars made by hand: no lake, no staging, only what they read."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.dbt.warehouse import PROJECT, WITHOUT_TESTS, Warehouse, connect

Array = npt.NDArray[np.float64]
MODELS = (
    "int_bars__split_factors",
    "int_signals__restarts",
    "indicators",
    "market_regimes",
    "market_data_enriched",
    "int_regimes__spells",
    "multi_timeframe_analysis",
    "signal_events",
)
INDICATORS = MODELS[:3]
KEYS = {
    "indicators": "instrument_id, timeframe, bar_start_at",
    "market_regimes": "instrument_id, timeframe, bar_start_at",
    "market_data_enriched": "instrument_id, timeframe, bar_start_at",
    "int_regimes__spells": "instrument_id, timeframe, regime_started_at",
    "multi_timeframe_analysis": "instrument_id, bar_end_at",
    "signal_events": "instrument_id, timeframe, bar_start_at, event",
}
OTHER_KEYS = {
    "int_signals__observed": "instrument_id, timeframe, observed_at",
    "decision_history": "decision_id",
}
"""Of tables that repeat signals and that these models alone do not build."""
SECONDS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400}
EPOCH = np.datetime64("2020-01-01", "us")


class Bars:
    """Final bars of one series; `places` are their positions on the timeframe's grid of times."""

    def __init__(
        self,
        high: Array,
        low: Array,
        close: Array,
        volume: Array | None = None,
        *,
        timeframe: str = "1d",
        places: npt.NDArray[np.int64] | None = None,
        opened: Array | None = None,
    ) -> None:
        self.opened = close if opened is None else opened
        self.high, self.low, self.close = high, low, close
        self.volume = np.full(len(close), np.nan) if volume is None else volume
        self.timeframe = timeframe
        self.places = np.arange(len(close)) if places is None else places

    def __len__(self) -> int:
        return len(self.close)

    def at(self, which: npt.NDArray[np.int64] | slice) -> "Bars":
        """Return the bars at some positions."""
        return Bars(
            self.high[which],
            self.low[which],
            self.close[which],
            self.volume[which],
            timeframe=self.timeframe,
            places=self.places[which],
            opened=self.opened[which],
        )

    def scaled(self, factor: Array | float) -> "Bars":
        """Return the bars with prices times `factor` and volumes divided by it."""
        return Bars(
            self.high * factor,
            self.low * factor,
            self.close * factor,
            self.volume / factor,
            timeframe=self.timeframe,
            places=self.places,
            opened=self.opened * factor,
        )

    def table(self, instrument_id: str) -> pa.Table:
        step = np.timedelta64(SECONDS[self.timeframe], "s").astype("timedelta64[us]")
        start = EPOCH + self.places * step
        count = len(self)
        return pa.table(
            {
                "instrument_id": pa.array([instrument_id] * count, pa.string()),
                "asset_class": pa.array(
                    [instrument_id.split(":", maxsplit=1)[0]] * count, pa.string()
                ),
                "timeframe": pa.array([self.timeframe] * count, pa.string()),
                "bar_start_at": pa.array(start, pa.timestamp("us")),
                "bar_end_at": pa.array(start + step, pa.timestamp("us")),
                "session_date": pa.array(start.astype("datetime64[D]"), pa.date32()),
                "open": self.opened,
                "high": self.high,
                "low": self.low,
                "close": self.close,
                "volume": pa.array(self.volume, pa.float64(), from_pandas=True),
                "adj_close": pa.nulls(count, pa.float64()),
                "vwap": pa.nulls(count, pa.float64()),
                "trade_count": pa.nulls(count, pa.int64()),
                "provider": pa.array(["simulator"] * count, pa.string()),
                "is_final": pa.array([True] * count, pa.bool_()),
                "is_derived": pa.array([False] * count, pa.bool_()),
                "available_at": pa.array(start + step, pa.timestamp("us")),
            }
        )


def random_walk(count: int, seed: int, *, timeframe: str = "1d", volatility: float = 0.01) -> Bars:
    """Return bars of a random walk with ranges and volumes."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, count)))
    return around(close, rng, timeframe=timeframe)


def around(close: Array, rng: np.random.Generator, *, timeframe: str = "1d") -> Bars:
    """Return bars with the given closes, and highs and lows around them."""
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opened, close) * (1 + rng.exponential(0.003, len(close)))
    low = np.minimum(opened, close) * (1 - np.minimum(rng.exponential(0.003, len(close)), 0.5))
    volume = np.floor(rng.exponential(1e5, len(close)))
    return Bars(high, low, close, volume, timeframe=timeframe)


Series = Mapping[str, Bars | list[Bars]]
Splits = Mapping[str, list[tuple[str, float]]]


class Signals:
    """A database with bars, and dbt to compute the signals from them."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(folder)
        self.warehouse.data.mkdir(parents=True)

    @property
    def database(self) -> Path:
        return self.warehouse.database

    def set_bars(self, series: Series, splits: Splits | None = None) -> None:
        """Replace all bars and split factors, and say which sessions that touches."""
        tables = [
            one.table(instrument_id)
            for instrument_id, bars in series.items()
            for one in (bars if isinstance(bars, list) else [bars])
        ]
        with closing(connect(self.database, read_only=False)) as connection:
            for schema in ("silver", "staging", "ops", "rules"):
                connection.execute(f"create schema if not exists {schema}")
            for seed in ("asset_classes", "timeframes"):
                path = PROJECT / "seeds" / f"{seed}.csv"
                connection.execute(f"create or replace table rules.{seed} as from '{path}'")
            connection.execute(
                "create table if not exists ops.applied_split_factors"
                " (instrument_id varchar, valid_from date, split_factor double)"
            )
            had = connection.execute(
                "select count(*) from duckdb_tables() where schema_name = 'silver'"
                " and table_name = 'bars'"
            ).fetchall()[0][0]
            if had:
                connection.execute("create or replace table silver.old_bars as from silver.bars")
            connection.register("bars", pa.concat_tables(tables))
            connection.execute("create or replace table silver.bars as from bars")
            connection.execute(
                "create or replace table staging.int_bars__touched_sessions as"
                + (
                    " select distinct instrument_id, session_date from ("
                    "(from silver.bars except from silver.old_bars) union all"
                    " (from silver.old_bars except from silver.bars))"
                    if had
                    else " select '*' as instrument_id, date '1970-01-01' as session_date"
                )
            )
            connection.execute("drop table if exists silver.old_bars")
            connection.execute(
                "create or replace table silver.int_calendar__sessions as"
                " select calendar, cast(day as date) as session_date"
                " from range(timestamp '2019-01-01', timestamp '2060-01-01', interval 1 day)"
                " as d(day),"
                " (from (values ('24/7'), ('XNYS'), ('FX')) as c(calendar))"
            )
            self._set_factors(connection, splits or {})

    def compute(self, *models: str, full_refresh: bool = False, **variables: float) -> None:
        """Run the models, and remember the split factors as a whole build does."""
        arguments = ["--vars", str(variables)] if variables else []
        if full_refresh:
            arguments.append("--full-refresh")
        self.warehouse.build("--select", *(models or MODELS), *WITHOUT_TESTS, *arguments)
        with closing(connect(self.database, read_only=False)) as connection:
            connection.execute("delete from ops.applied_split_factors")
            connection.execute(
                "insert into ops.applied_split_factors"
                " select instrument_id, valid_from, split_factor"
                " from staging.int_bars__split_factors"
            )

    def columns(self, table: str, instrument_id: str, timeframe: str = "1d") -> dict[str, Array]:
        """Return the numeric columns of a series in order of time, NULL as NaN."""
        with closing(connect(self.database)) as connection:
            found = connection.execute(
                f"select * from silver.{table} where instrument_id = ? and timeframe = ?"
                " order by bar_start_at",
                [instrument_id, timeframe],
            ).fetchnumpy()
        return {
            name: np.ma.filled(np.ma.asarray(values, np.float64), np.nan)
            for name, values in found.items()
            if np.issubdtype(np.asarray(values).dtype, np.number)
        }

    @staticmethod
    def _set_factors(connection: duckdb.DuckDBPyConnection, splits: Splits) -> None:
        connection.execute(
            "create or replace table silver.adjustment_factors as"
            " select instrument_id, min(session_date) as valid_from, 1.0::double as split_step,"
            " 1.0::double as split_factor from silver.bars group by all"
        )
        for instrument_id, steps in splits.items():
            factor = 1.0
            for day, step in steps:
                factor *= step
                connection.execute(
                    "insert into silver.adjustment_factors values (?, ?, ?, ?)",
                    [instrument_id, day, step, factor],
                )


def stored(database: Path, table: str) -> pa.Table:
    """Return a table of signals in the order of its key."""
    with closing(connect(database)) as connection:
        query = f"select * from silver.{table} order by {(KEYS | OTHER_KEYS)[table]}"
        return connection.sql(query).to_arrow_table()


def assert_same_signals(found: pa.Table, expected: pa.Table) -> None:
    """Numbers must be the same but for rounding on the way, everything else exactly."""
    assert found.num_rows == expected.num_rows
    for name in expected.column_names:
        here, there = found[name], expected[name]
        if not pa.types.is_floating(expected.schema.field(name).type):
            assert here.equals(there), name
            continue
        assert here.is_null().equals(there.is_null()), name
        values, others = (each.to_numpy(zero_copy_only=False) for each in (here, there))
        np.testing.assert_allclose(values, others, rtol=1e-9, atol=1e-7, err_msg=name)
