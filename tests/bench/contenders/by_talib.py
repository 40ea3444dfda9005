"""TA-Lib, called per series from Python, with numpy for what it lacks; NULL is left as NaN."""

from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import talib

from tests.bench.series import BARS_PER_YEAR
from tests.dbt.signals import Array
from tests.dbt.warehouse import connect

Columns = dict[str, Array]


def run(folder: Path, timeframe: str) -> None:
    """Read the bars from the database file and write `talib.parquet`, a row group per series."""
    with closing(connect(folder / "prepared.duckdb")) as connection:
        counts = connection.execute(
            "select instrument_id, count(*) from silver.bars where is_final"
            " group by all order by all"
        ).fetchall()
        columns = connection.execute(
            "select bar_start_at, session_date, high, low, close, volume from silver.bars"
            " where is_final order by instrument_id, bar_start_at"
        ).fetchnumpy()
    writer, first = None, 0
    for instrument_id, count in counts:
        series = {name: values[first : first + count] for name, values in columns.items()}
        found = pa.table(
            {
                "instrument_id": pa.repeat(instrument_id, count),
                "timeframe": pa.repeat(timeframe, count),
                "bar_start_at": series["bar_start_at"],
                **indicators(series, BARS_PER_YEAR[timeframe]),
            }
        )
        writer = writer or pq.ParquetWriter(folder / "talib.parquet", found.schema)
        writer.write_table(found)
        first += count
    if writer:
        writer.close()


def indicators(series: Columns, bars_per_year: float) -> Columns:
    """Return the indicators of one series, in order of time."""
    high, low, close, volume = (series[name] for name in ("high", "low", "close", "volume"))
    turnover = (high + low + close) / 3 * volume
    macd, signal, histogram = talib.MACD(close, 12, 26, 9)
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    slow_k, slow_d = talib.STOCH(high, low, close, fastk_period=14, slowk_period=3, slowd_period=3)
    aroon_down, aroon_up = talib.AROON(high, low, 25)
    keltner_middle, keltner_range = talib.EMA(close, 20), talib.ATR(high, low, close, 20)
    returns = np.diff(np.log(close), prepend=np.nan)
    sessions = np.flatnonzero(series["session_date"][1:] != series["session_date"][:-1]) + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "sma_20": talib.SMA(close, 20),
            "sma_50": talib.SMA(close, 50),
            "sma_200": talib.SMA(close, 200),
            "ema_12": talib.EMA(close, 12),
            "ema_26": talib.EMA(close, 26),
            "ema_200": talib.EMA(close, 200),
            "macd_12_26_9": macd,
            "macd_signal_12_26_9": signal,
            "macd_histogram_12_26_9": histogram,
            "rsi_14": talib.RSI(close, 14),
            "bollinger_upper_20_2": upper,
            "bollinger_middle_20_2": middle,
            "bollinger_lower_20_2": lower,
            "bollinger_percent_b_20_2": (close - lower) / (upper - lower),
            "bollinger_bandwidth_20_2": (upper - lower) / middle,
            "atr_14": talib.ATR(high, low, close, 14),
            "adx_14": talib.ADX(high, low, close, 14),
            "plus_di_14": talib.PLUS_DI(high, low, close, 14),
            "minus_di_14": talib.MINUS_DI(high, low, close, 14),
            "stochastic_k_14_3_3": slow_k,
            "stochastic_d_14_3_3": slow_d,
            "williams_r_14": talib.WILLR(high, low, close, 14),
            "cci_20": talib.CCI(high, low, close, 20),
            "mfi_14": talib.MFI(high, low, close, volume, 14),
            "obv": talib.OBV(close, volume),
            "vwap_20": talib.SUM(turnover, 20) / talib.SUM(volume, 20),
            "vwap_session": since_session(turnover, sessions) / since_session(volume, sessions),
            "momentum_10": talib.MOM(close, 10),
            "roc_10": talib.ROC(close, 10),
            "keltner_upper_20_2": keltner_middle + 2 * keltner_range,
            "keltner_lower_20_2": keltner_middle - 2 * keltner_range,
            "donchian_upper_20": talib.MAX(high, 20),
            "donchian_lower_20": talib.MIN(low, 20),
            "aroon_up_25": aroon_up,
            "aroon_down_25": aroon_down,
            "realized_volatility_20": talib.STDDEV(returns, 20) * np.sqrt(20 / 19 * bars_per_year),
        }


def since_session(values: Array, sessions: npt.NDArray[np.intp]) -> Array:
    """Return running sums that start anew where a session does."""
    if len(sessions) == len(values) - 1:
        return values
    return np.concatenate([np.cumsum(part) for part in np.split(values, sessions)])
