"""Cut the future off at any moment: no row before it changes, in any of the signal tables."""

from contextlib import closing

import numpy as np
import pytest

from tests.dbt.signals import (
    EPOCH,
    KEYS,
    SECONDS,
    Bars,
    Signals,
    assert_same_signals,
    random_walk,
)
from tests.dbt.warehouse import connect

CUTS = 100
MINUTES = 4 * 1440
TIMEFRAMES = ("1m", "15m", "1h", "1d")
SPLIT_DAYS = (300, 420)  # of the daily bars, most of them before the minutes begin


def coarser(minutes: Bars, timeframe: str) -> Bars:
    """Return the bars that a market's minutes make up."""
    count = SECONDS[timeframe] // 60
    whole = len(minutes) // count * count
    high, low, close, volume = (
        each[:whole].reshape(-1, count)
        for each in (minutes.high, minutes.low, minutes.close, minutes.volume)
    )
    return Bars(
        high.max(axis=1), low.min(axis=1), close[:, -1], volume.sum(axis=1), timeframe=timeframe,
        places=minutes.places[:whole:count] // count,
    )  # fmt: skip


def market(seed: int) -> dict[str, Bars]:
    """Return the bars of an instrument: years of days, and the minutes of the last few."""
    days = random_walk(500, seed)
    minutes = random_walk(MINUTES, seed, timeframe="1m", volatility=0.001)
    minutes.places = minutes.places + (500 - 4) * 1440
    bars = {"1m": minutes, "1d": days}
    bars |= {timeframe: coarser(minutes, timeframe) for timeframe in ("15m", "1h")}
    return bars


def until(bars: Bars, moment: np.datetime64) -> Bars:
    step = np.timedelta64(SECONDS[bars.timeframe], "s")
    return bars.at(np.flatnonzero(EPOCH + (bars.places + 1) * step <= moment))


@pytest.fixture(scope="module")
def computed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Signals, dict[str, tuple[str, str]]]:
    """Return the signals of whole and of cut markets, and each cut's market and moment."""
    rng = np.random.default_rng(17)
    markets = {f"crypto:{seed}": market(seed) for seed in range(4)}
    series = {name: list(bars.values()) for name, bars in markets.items()}
    splits = {
        name: [(str(EPOCH + np.timedelta64(day, "D"))[:10], 2.0) for day in SPLIT_DAYS]
        for name in markets
    }
    cuts = {}
    for number in range(CUTS):
        name = f"crypto:{number % len(markets)}"
        seconds = rng.integers(60 * 86400, 500 * 86400)
        if number % 2:
            seconds = rng.integers(496 * 86400, 500 * 86400)
        moment = EPOCH + np.timedelta64(int(seconds), "s")
        cut = f"{name} cut {number}"
        series[cut] = [until(bars, moment) for bars in markets[name].values()]
        series[cut] = [bars for bars in series[cut] if len(bars)]
        splits[cut] = [split for split in splits[name] if np.datetime64(split[0]) < moment]
        cuts[cut] = (name, str(moment))
    signals = Signals(tmp_path_factory.mktemp("future"))
    signals.set_bars(series, splits)
    signals.compute(regime_volatility_window=60)
    return signals, cuts


@pytest.mark.parametrize("table", KEYS)
def test_cutting_the_future_off_changes_nothing(
    computed: tuple[Signals, dict[str, tuple[str, str]]], table: str
) -> None:
    signals, cuts = computed
    # Of a spell all is known when it is over.
    known_at = "regime_ended_at" if table == "int_regimes__spells" else "bar_end_at"
    with closing(connect(signals.database)) as connection:
        for cut, (whole, moment) in cuts.items():
            found, expected = (
                connection.sql(
                    f"select * exclude (instrument_id) from silver.{table}"
                    f" where instrument_id = '{name}' and {known_at} <= timestamp '{moment}'"
                    f" order by {KEYS[table]}"
                ).to_arrow_table()
                for name in (cut, whole)
            )
            assert_same_signals(found, expected)


def test_every_timeframe_is_looked_at(
    computed: tuple[Signals, dict[str, tuple[str, str]]],
) -> None:
    """The comparison above would be of little worth if the columns were empty."""
    with closing(connect(computed[0].database)) as connection:
        counts = connection.execute(
            f"select {', '.join(f'count(direction_{t}), count(regime_{t})' for t in TIMEFRAMES)}"
            " from silver.multi_timeframe_analysis"
        ).fetchall()[0]
    assert min(counts) > 0
