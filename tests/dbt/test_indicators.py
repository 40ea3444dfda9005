"""Indicators equal TA-Lib's, bar by bar, with its warm-up, on ordinary and on nasty series."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.dbt.oracles import PERCENT, by_definition, by_talib, worst_error
from tests.dbt.signals import INDICATORS, Bars, Signals, around, random_walk

TOLERANCE = 1e-9
LONGEST_PERIOD = 200
DAYS = 365.0


def nasty_series() -> dict[str, Bars]:
    """Return series that break naive formulas, by name."""
    rng = np.random.default_rng(7)
    walk = random_walk(3000, 1)
    flat_between = np.concatenate(
        [walk.close[:300], np.full(900, walk.close[299]), walk.close[300:900]]
    )
    ticks = np.maximum(np.round(10 + np.cumsum(rng.integers(-1, 2, 2000)) * 0.01, 2), 0.01)
    quiet = random_walk(1500, 3)
    return {
        "random walk": walk,
        "long random walk": random_walk(9000, 2),
        "constant": Bars(*(np.full(700, 12.34),) * 3, np.full(700, 100.0)),
        "flat for 900 bars": around(flat_between, rng),
        "flat to the tick": Bars(*(flat_between,) * 3, np.ones(len(flat_between))),
        "ticks": Bars(ticks + 0.01, ticks - 0.005, ticks, rng.integers(0, 3, 2000) * 100.0),
        "without volume": Bars(quiet.high, quiet.low, quiet.close, np.zeros(1500)),
        "one way up": around(np.linspace(1, 500, 800), rng),
        "one way down": around(np.linspace(500, 1, 800), rng),
        **{
            f"scale 1e{power}": walk.at(slice(0, 800)).scaled(10.0**power)
            for power in (-20, -8, 6, 15)
        },
    }


def prices_that_jump() -> dict[str, Bars]:
    """Return series on which TA-Lib's own running sums lose digits, by name."""
    rng = np.random.default_rng(11)
    collapse = np.concatenate([np.full(300, 1e6), np.full(300, 1e-6), np.full(300, 1e6)])
    jumps = 100 * np.cumprod(
        np.where(rng.random(1500) < 0.02, 10.0 ** rng.choice([-1, 1], 1500), 1.0)
    )
    return {
        "collapse": around(collapse * np.exp(rng.normal(0, 0.01, 900)), rng),
        "jumps": around(jumps * np.exp(rng.normal(0, 0.01, 1500)), rng),
    }


def lengths() -> dict[str, Bars]:
    """Return the beginnings of a series: each length that warms something up, to three periods."""
    walk = random_walk(3 * LONGEST_PERIOD, 5)
    shortest = range(1, 60)
    return {
        f"{length} bars": walk.at(slice(0, length))
        for length in (*shortest, 198, 199, 200, 201, 399, 3 * LONGEST_PERIOD)
    }


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signals, dict[str, Bars]]:
    """Return the signals of all series, each an instrument, computed in small batches."""
    series = {**nasty_series(), **prices_that_jump(), **lengths()}
    signals = Signals(tmp_path_factory.mktemp("indicators"))
    signals.set_bars({_id(name): bars for name, bars in series.items()})
    signals.compute(*INDICATORS, bars_per_batch=20_000)
    return signals, series


@pytest.mark.parametrize("name", [*nasty_series(), *lengths()])
def test_indicators_equal_talib(computed: tuple[Signals, dict[str, Bars]], name: str) -> None:
    signals, series = computed
    expected = by_talib(series[name])
    _assert_equal(signals.columns("indicators", _id(name)), expected, series[name])


@pytest.mark.parametrize("name", [*nasty_series(), *prices_that_jump(), "600 bars"])
def test_indicators_equal_their_definition(
    computed: tuple[Signals, dict[str, Bars]], name: str
) -> None:
    signals, series = computed
    expected = by_definition(series[name], DAYS)
    if (
        "constant" in name or "flat" in name
    ):  # without width, where in the bands it is is not defined
        del expected["bollinger_percent_b_20_2"]
    _assert_equal(signals.columns("indicators", _id(name)), expected, series[name])


def test_a_constant_series_has_no_width_and_no_place_in_it(
    computed: tuple[Signals, dict[str, Bars]],
) -> None:
    found = computed[0].columns("indicators", _id("constant"))
    assert np.isnan(found["bollinger_percent_b_20_2"]).all()
    assert (found["bollinger_bandwidth_20_2"][19:] == 0).all()


def test_minutes_equal_talib_and_restart_vwap_each_session(tmp_path: Path) -> None:
    """Long enough for several chains; with gaps, which number no bar."""
    rng = np.random.default_rng(3)
    walk = random_walk(12_000, 9, timeframe="1m", volatility=0.001)
    bars = walk.at(np.flatnonzero(rng.random(12_000) > 0.2))
    signals = Signals(tmp_path)
    signals.set_bars({"crypto:A": bars})
    signals.compute(*INDICATORS)
    found = signals.columns("indicators", "crypto:A", "1m")
    _assert_equal(found, by_talib(bars), bars)
    _assert_equal(found, by_definition(bars, 365 * 1440), bars)


def test_a_year_is_the_markets_own(tmp_path: Path) -> None:
    """252 sessions for shares, 365 days for crypto, times the bars of a session."""
    signals = Signals(tmp_path)
    daily, minutes = random_walk(60, 1), random_walk(60, 1, timeframe="1m")
    signals.set_bars(
        {"equity:A": [daily, minutes], "crypto:A": [daily, minutes], "fx:A/B": [daily]}
    )
    signals.compute(*INDICATORS)
    plain = by_definition(daily, 1.0)["realized_volatility_20"]
    for instrument, timeframe, bars in (
        ("equity:A", "1d", 252), ("equity:A", "1m", 252 * 390), ("crypto:A", "1d", 365),
        ("crypto:A", "1m", 365 * 1440), ("fx:A/B", "1d", 260),
    ):  # fmt: skip
        found = signals.columns("indicators", instrument, timeframe)["realized_volatility_20"]
        np.testing.assert_allclose(found, plain * np.sqrt(bars), rtol=1e-9)


def test_bars_without_a_volume_are_left_out_of_volume_indicators_only(tmp_path: Path) -> None:
    walk = random_walk(400, 4)
    missing = np.random.default_rng(5).random(400) < 0.3
    missing[:3] = True
    volume = np.where(missing, np.nan, walk.volume)
    partly = Bars(walk.high, walk.low, walk.close, volume)
    never = Bars(walk.high, walk.low, walk.close)
    signals = Signals(tmp_path)
    signals.set_bars({"crypto:partly": partly, "fx:N/O": never})
    signals.compute(*INDICATORS)
    found = signals.columns("indicators", "crypto:partly")
    _assert_equal(found, by_talib(partly), partly)
    traded = partly.at(np.flatnonzero(~missing))
    of_volume = ("mfi_14", "obv", "vwap_20")
    there = {name: found[name][~missing] for name in of_volume}
    expected = by_talib(traded) | by_definition(traded, DAYS)
    _assert_equal(there, {name: expected[name] for name in of_volume}, traded)
    never_found = signals.columns("indicators", "fx:N/O")
    for name in of_volume:
        assert np.isnan(found[name][missing]).all()
        assert np.isnan(never_found[name]).all()
    _assert_equal(never_found, by_talib(never), never)


def test_a_split_changes_no_indicator_but_its_unit(tmp_path: Path) -> None:
    """Traded prices halve at a 2:1 split; the indicators are those of the unsplit series."""
    walk = random_walk(500, 6)
    factor = np.where(np.arange(500) >= 320, 2.0, 1.0) * np.where(np.arange(500) >= 400, 1.5, 1.0)
    traded = walk.scaled(1 / factor)
    days = ["2020-11-16", "2021-02-04"]
    signals = Signals(tmp_path)
    signals.set_bars({"crypto:split": traded}, {"crypto:split": [(days[0], 2.0), (days[1], 1.5)]})
    signals.compute(*INDICATORS)
    found = signals.columns("indicators", "crypto:split")
    expected = by_talib(walk)
    for name in expected:
        if name not in PERCENT:
            unit = 1 / factor if name == "obv" else factor
            expected[name] = expected[name] / unit
    _assert_equal(
        found, expected, Bars(traded.high, traded.low, traded.close, walk.volume * factor)
    )


@pytest.mark.slow
def test_four_hundred_thousand_bars_equal_talib(tmp_path: Path) -> None:
    bars = random_walk(400_000, 13, timeframe="1m", volatility=0.0005)
    signals = Signals(tmp_path)
    signals.set_bars({"crypto:long": bars})
    signals.compute(*INDICATORS)
    _assert_equal(signals.columns("indicators", "crypto:long", "1m"), by_talib(bars), bars)


def _id(name: str) -> str:
    return f"crypto:{name}"


def _assert_equal(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], bars: Bars
) -> None:
    wrong = {}
    for name, values in expected.items():
        warming_up = np.isnan(values) != np.isnan(found[name])
        error = worst_error(name, found[name], values, bars)
        if warming_up.any() or error > TOLERANCE:
            wrong[name] = (error, int(warming_up.sum()))
    assert not wrong, f"(largest error, bars that differ in being NULL): {wrong}"
