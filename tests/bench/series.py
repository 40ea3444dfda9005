"""Random walks under random names, the same on every run."""

import string

import numpy as np

from tests.dbt.signals import Bars, random_walk

VOLATILITY = {"1d": 0.01, "1m": 0.0005}
BARS_PER_YEAR = {"1d": 252.0, "1m": 365 * 1440.0}


def instrument_ids(count: int, timeframe: str) -> list[str]:
    """Return names in no order: daily bars are of equities, minute bars of crypto pairs."""
    pattern = {"1d": "equity:{}", "1m": "crypto:{}/USD"}[timeframe]
    letters = np.random.default_rng(count).choice(list(string.ascii_uppercase), (2 * count, 5))
    names = list(dict.fromkeys("".join(row) for row in letters))
    return [pattern.format(name) for name in names[:count]]


def walks(series: int, bars: int, timeframe: str) -> dict[str, Bars]:
    """Return `series` random walks of `bars` bars each, by instrument."""
    return {
        instrument_id: random_walk(
            bars, seed, timeframe=timeframe, volatility=VOLATILITY[timeframe]
        )
        for seed, instrument_id in enumerate(instrument_ids(series, timeframe))
    }
