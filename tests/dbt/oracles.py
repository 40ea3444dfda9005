"""Indicators by others: TA-Lib, and numpy in 80-bit arithmetic where TA-Lib itself drifts."""

import numpy as np
import talib

from tests.dbt.signals import Array, Bars

PERCENT = (
    "rsi_14", "adx_14", "plus_di_14", "minus_di_14", "stochastic_k_14_3_3", "stochastic_d_14_3_3",
    "williams_r_14", "cci_20", "mfi_14", "aroon_up_25", "aroon_down_25", "roc_10",
)  # fmt: skip


def by_talib(bars: Bars) -> dict[str, Array]:
    """Return what TA-Lib makes of a series without NULLs."""
    high, low, close, volume = (
        np.asarray(each, np.float64) for each in (bars.high, bars.low, bars.close, bars.volume)
    )
    found = {f"sma_{period}": talib.SMA(close, period) for period in (20, 50, 200)}
    found |= {f"ema_{period}": talib.EMA(close, period) for period in (12, 26, 200)}
    macd = talib.MACD(close, 12, 26, 9)
    found["macd_12_26_9"], found["macd_signal_12_26_9"], found["macd_histogram_12_26_9"] = macd
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    found |= {
        "bollinger_upper_20_2": upper,
        "bollinger_middle_20_2": middle,
        "bollinger_lower_20_2": lower,
        "rsi_14": talib.RSI(close, 14),
        "atr_14": talib.ATR(high, low, close, 14),
        "adx_14": talib.ADX(high, low, close, 14),
        "plus_di_14": talib.PLUS_DI(high, low, close, 14),
        "minus_di_14": talib.MINUS_DI(high, low, close, 14),
        "williams_r_14": talib.WILLR(high, low, close, 14),
        "cci_20": talib.CCI(high, low, close, 20),
        "momentum_10": talib.MOM(close, 10),
        "roc_10": talib.ROC(close, 10),
    }
    stochastic = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    found["stochastic_k_14_3_3"], found["stochastic_d_14_3_3"] = stochastic
    if not np.isnan(volume).any():
        found["mfi_14"] = talib.MFI(high, low, close, volume, 14)
        found["obv"] = talib.OBV(close, volume)
    return found


def by_definition(bars: Bars, bars_per_year: float) -> dict[str, Array]:
    """Return the indicators that are sums, extremes or averages, from their definitions.

    In 80-bit floats and without running sums, so that jumps and collapses leave no trace.
    """
    high, low, close, volume = (
        np.asarray(each, np.longdouble) for each in (bars.high, bars.low, bars.close, bars.volume)
    )
    typical = (high + low + close) / 3
    mean, deviation = rolling(np.mean, close, 20), rolling(np.std, close, 20)
    centre = ema(close, 20)
    true_range = np.maximum(high, lagged(close, 1)) - np.minimum(low, lagged(close, 1))
    keltner = wilder(true_range, 20)
    days = bars.places * (86400 if bars.timeframe == "1d" else 60) // 86400
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            **{f"sma_{n}": rolling(np.mean, close, n) for n in (20, 50, 200)},
            "bollinger_upper_20_2": mean + 2 * deviation,
            "bollinger_lower_20_2": mean - 2 * deviation,
            "bollinger_percent_b_20_2": (close - mean + 2 * deviation) / (4 * deviation),
            "bollinger_bandwidth_20_2": 4 * deviation / mean,
            "vwap_20": rolling(np.sum, typical * volume, 20) / rolling(np.sum, volume, 20),
            "vwap_session": since_session(typical * volume, days) / since_session(volume, days),
            "keltner_upper_20_2": centre + 2 * keltner,
            "keltner_lower_20_2": centre - 2 * keltner,
            "donchian_upper_20": rolling(np.max, high, 20),
            "donchian_lower_20": rolling(np.min, low, 20),
            "aroon_up_25": aroon(high, np.argmax),
            "aroon_down_25": aroon(low, np.argmin),
            "realized_volatility_20": volatility(close) * np.sqrt(np.longdouble(bars_per_year)),
        }
    return {name: values.astype(np.float64) for name, values in found.items()}


def rolling(function: object, values: Array, period: int) -> Array:
    found = np.full(len(values), np.nan, np.longdouble)
    if len(values) >= period:
        windows = np.lib.stride_tricks.sliding_window_view(values, period)
        found[period - 1 :] = function(windows, axis=1)  # type: ignore[operator]
    return found


def lagged(values: Array, bars: int) -> Array:
    return np.concatenate([np.full(min(bars, len(values)), np.nan), values[:-bars]])


def ema(values: Array, period: int) -> Array:
    found = np.full(len(values), np.nan, np.longdouble)
    if len(values) >= period:
        found[period - 1] = values[:period].mean()
        for bar in range(period, len(values)):
            found[bar] = found[bar - 1] + (values[bar] - found[bar - 1]) * 2 / (
                np.longdouble(period) + 1
            )
    return found


def wilder(values: Array, period: int) -> Array:
    found = np.full(len(values), np.nan, np.longdouble)
    if len(values) > period:
        found[period] = values[1 : period + 1].mean()
        for bar in range(period + 1, len(values)):
            found[bar] = (found[bar - 1] * (period - 1) + values[bar]) / period
    return found


def since_session(values: Array, days: Array) -> Array:
    found = np.zeros(len(values), np.longdouble)
    for bar, value in enumerate(values):
        continues = bar and days[bar] == days[bar - 1]
        found[bar] = value + (found[bar - 1] if continues else 0)
    return found


def aroon(values: Array, position: object) -> Array:
    found = np.full(len(values), np.nan, np.longdouble)
    if len(values) > 25:
        windows = np.lib.stride_tricks.sliding_window_view(values, 26)[:, ::-1]
        bars_ago = position(windows, axis=1)  # type: ignore[operator]
        found[25:] = 100 * (25 - bars_ago.astype(np.longdouble)) / 25
    return found


def volatility(close: Array) -> Array:
    found = np.full(len(close), np.nan, np.longdouble)
    if len(close) > 20:
        returns = np.diff(np.log(close))
        found[20:] = rolling(np.std, returns, 20)[19:] * np.sqrt(np.longdouble(20) / 19)
    return found


def worst_error(name: str, found: Array, expected: Array, bars: Bars) -> float:
    """Return the largest error, relative to the value or the scale it lives on.

    That is 100 for what is in percent, the volume traded so far for on-balance volume, 1 for
    fractions, and the price for the rest: beside its price, MACD may well be zero.
    """
    if name in PERCENT:
        scale: Array | float = 100.0
    elif name == "obv":
        scale = np.maximum(np.cumsum(bars.volume), 1.0)
    elif "percent_b" in name or "bandwidth" in name or "volatility" in name:
        scale = 1.0
    else:
        scale = np.abs(bars.close)
    both = ~np.isnan(expected) & ~np.isnan(found)
    floor = np.maximum(np.abs(expected), scale)
    return float(np.max(np.abs(found - expected)[both] / floor[both], initial=0.0))
