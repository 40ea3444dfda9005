"""pandas, series by series, with rolling and exponentially weighted windows."""

from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.series import BARS_PER_YEAR

COLUMNS = ["instrument_id", "bar_start_at", "session_date", "high", "low", "close", "volume"]


def run(folder: Path, timeframe: str) -> None:
    """Read `bars.parquet` and write `pandas.parquet`, a row group per series."""
    bars = pd.read_parquet(folder / "bars.parquet", columns=COLUMNS)
    writer = None
    for instrument_id, series in bars.groupby("instrument_id", sort=False):
        found = indicators(series.reset_index(drop=True), BARS_PER_YEAR[timeframe])
        found.insert(0, "instrument_id", instrument_id)
        found.insert(1, "timeframe", timeframe)
        table = pa.Table.from_pandas(found, preserve_index=False)
        writer = writer or pq.ParquetWriter(folder / "pandas.parquet", table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def indicators(bars: pd.DataFrame, bars_per_year: float) -> pd.DataFrame:
    """Return the indicators of one series, in order of time."""
    high, low, close, volume = bars["high"], bars["low"], bars["close"], bars["volume"]
    typical = (high + low + close) / 3
    turnover = typical * volume
    change = close.diff()
    typical_change = typical.diff()
    rise, fall = high.diff(), -low.diff()
    true_range = np.maximum(high, close.shift()) - np.minimum(low, close.shift())

    sma_20, deviation = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    upper, lower = sma_20 + 2 * deviation, sma_20 - 2 * deviation
    ema_26 = ema(close, 26)
    macd = ema(close, 12, seed_from=14) - ema_26
    signal = ema(macd, 9, seed_from=25)
    macd = macd.where(signal.notna())
    gain, loss = wilder(change.clip(lower=0), 14), wilder(-change.clip(upper=0), 14)
    range_sum = wilder_sum(true_range, 14)
    plus_di = 100 * wilder_sum(rise.where((rise > fall) & (rise > 0), 0.0), 14) / range_sum
    minus_di = 100 * wilder_sum(fall.where((fall > rise) & (fall > 0), 0.0), 14) / range_sum
    directional_index = 100 * (plus_di - minus_di).abs() / (plus_di + minus_di)
    highest_14, lowest_14 = high.rolling(14).max(), low.rolling(14).min()
    fast_k = 100 * (close - lowest_14) / (highest_14 - lowest_14)
    slow_k = fast_k.rolling(3).mean()
    slow_d = slow_k.rolling(3).mean()
    typical_mean = typical.rolling(20).mean()
    typical_deviation = sum((typical.shift(bar) - typical_mean).abs() for bar in range(20)) / 20
    money_up = turnover.where(typical_change > 0, 0.0).rolling(14).sum()
    money_moved = turnover.where(typical_change != 0, 0.0)
    money_moved[0] = np.nan
    keltner_middle, keltner_range = ema(close, 20), wilder(true_range, 20)
    so_far = pd.DataFrame({"turnover": turnover, "volume": volume})
    so_far = so_far.groupby(bars["session_date"], sort=False).cumsum()
    direction = np.sign(change)
    direction[0] = 1.0
    return pd.DataFrame(
        {
            "bar_start_at": bars["bar_start_at"],
            "sma_20": sma_20,
            "sma_50": close.rolling(50).mean(),
            "sma_200": close.rolling(200).mean(),
            "ema_12": ema(close, 12),
            "ema_26": ema_26,
            "ema_200": ema(close, 200),
            "macd_12_26_9": macd,
            "macd_signal_12_26_9": signal,
            "macd_histogram_12_26_9": macd - signal,
            "rsi_14": 100 * gain / (gain + loss),
            "bollinger_upper_20_2": upper,
            "bollinger_middle_20_2": sma_20,
            "bollinger_lower_20_2": lower,
            "bollinger_percent_b_20_2": (close - lower) / (upper - lower),
            "bollinger_bandwidth_20_2": (upper - lower) / sma_20,
            "atr_14": wilder(true_range, 14),
            "adx_14": wilder(directional_index, 14, seed_from=14),
            "plus_di_14": plus_di,
            "minus_di_14": minus_di,
            "stochastic_k_14_3_3": slow_k.where(slow_d.notna()),
            "stochastic_d_14_3_3": slow_d,
            "williams_r_14": -100 * (highest_14 - close) / (highest_14 - lowest_14),
            "cci_20": (typical - typical_mean) / (0.015 * typical_deviation),
            "mfi_14": 100 * money_up / money_moved.rolling(14).sum(),
            "obv": (volume * direction).cumsum(),
            "vwap_20": turnover.rolling(20).sum() / volume.rolling(20).sum(),
            "vwap_session": so_far["turnover"] / so_far["volume"],
            "momentum_10": close.diff(10),
            "roc_10": 100 * (close / close.shift(10) - 1),
            "keltner_upper_20_2": keltner_middle + 2 * keltner_range,
            "keltner_lower_20_2": keltner_middle - 2 * keltner_range,
            "donchian_upper_20": high.rolling(20).max(),
            "donchian_lower_20": low.rolling(20).min(),
            "aroon_up_25": aroon(high, high.rolling(26).max()),
            "aroon_down_25": aroon(low, low.rolling(26).min()),
            "realized_volatility_20": np.log(close).diff().rolling(20).std()
            * np.sqrt(bars_per_year),
        }
    )


def seeded(values: pd.Series, seed: float, at: int, rate: float) -> pd.Series:
    """Return the exponential average that is `seed` at bar `at`."""
    values = values.copy()
    values[:at] = np.nan
    if at < len(values):
        values[at] = seed
    return values.ewm(alpha=rate, adjust=False).mean()


def ema(values: pd.Series, period: int, seed_from: int = 0) -> pd.Series:
    """Return TA-Lib's EMA, whose seed is the mean of `period` values."""
    seed = values[seed_from : seed_from + period].mean()
    return seeded(values, seed, seed_from + period - 1, 2 / (period + 1))


def wilder(values: pd.Series, period: int, seed_from: int = 1) -> pd.Series:
    """Return Wilder's average, whose seed is the mean of `period` values."""
    seed = values[seed_from : seed_from + period].mean()
    return seeded(values, seed, seed_from + period - 1, 1 / period)


def wilder_sum(values: pd.Series, period: int) -> pd.Series:
    """Return Wilder's sum, seeded with bars 1 to `period` - 1, from bar `period` on."""
    seed = values[1:period].sum() / period
    average = seeded(values, seed, period - 1, 1 / period)
    average[period - 1 : period] = np.nan
    return period * average


def aroon(price: pd.Series, extreme: pd.Series) -> pd.Series:
    """Return how recent the extreme of 26 bars is: 100 this bar, 0 the first of them."""
    found = extreme.where(extreme.isna(), 0.0)
    for bars in range(24, -1, -1):
        found = found.mask(price.shift(bars) == extreme, 4.0 * (25 - bars))
    return found
