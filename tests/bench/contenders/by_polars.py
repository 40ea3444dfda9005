"""polars, by expressions over all series at once."""

from pathlib import Path

import polars as pl
from polars import Expr

from tests.bench.series import BARS_PER_YEAR

KEY = ("instrument_id", "timeframe", "bar_start_at")
BAR_NO = pl.int_range(pl.len())
HIGH, LOW, CLOSE, VOLUME = (pl.col(name) for name in ("high", "low", "close", "volume"))
TYPICAL, TURNOVER, RANGE = (pl.col(name) for name in ("typical", "turnover", "true_range"))


def run(folder: Path, timeframe: str) -> None:
    """Read `bars.parquet` and write `polars.parquet`."""
    bars = pl.scan_parquet(folder / "bars.parquet").with_columns(
        typical=(HIGH + LOW + CLOSE) / 3, turnover=(HIGH + LOW + CLOSE) / 3 * VOLUME
    )
    for step in (changes(), averages(), averages_of_averages()):
        bars = bars.with_columns(
            **{name: value.over("instrument_id") for name, value in step.items()}
        )
    bars = bars.with_columns(
        pl.col("turnover", "volume")
        .cum_sum()
        .over("instrument_id", "session_date")
        .name.suffix("_so_far")
    )
    found = bars.select(*KEY, **indicators(BARS_PER_YEAR[timeframe])).collect()
    found.write_parquet(folder / "polars.parquet")


def changes() -> dict[str, Expr]:
    """Return what compares a bar with the one before it."""
    rise, fall = HIGH.diff(), -LOW.diff()
    return {
        "change": CLOSE.diff(),
        "typical_change": TYPICAL.diff(),
        "log_return": (CLOSE / CLOSE.shift()).log(),
        "true_range": pl.max_horizontal(HIGH, CLOSE.shift())
        - pl.min_horizontal(LOW, CLOSE.shift()),
        "plus_movement": pl.when((rise > fall) & (rise > 0)).then(rise).otherwise(0.0),
        "minus_movement": pl.when((fall > rise) & (fall > 0)).then(fall).otherwise(0.0),
    }


def averages() -> dict[str, Expr]:
    """Return the windows and averages of a series."""
    change, typical_change = pl.col("change"), pl.col("typical_change")
    direction = change.sign().fill_null(1.0)
    money_moved = pl.when(typical_change != 0).then(TURNOVER).otherwise(0.0)
    money_up = pl.when(typical_change > 0).then(TURNOVER).otherwise(0.0)
    return {
        **{f"sma_{period}": CLOSE.rolling_mean(period) for period in (20, 50, 200)},
        **{f"ema_{period}": ema(CLOSE, period) for period in (12, 20, 26, 200)},
        "macd_fast": ema(CLOSE, 12, seed_from=14),
        "deviation": CLOSE.rolling_std(20, ddof=0),
        "gain": wilder(change.clip(lower_bound=0), 14),
        "loss": wilder(-change.clip(upper_bound=0), 14),
        "atr_14": wilder(RANGE, 14),
        "atr_20": wilder(RANGE, 20),
        "range_sum": wilder_sum(RANGE, 14),
        "plus_sum": wilder_sum(pl.col("plus_movement"), 14),
        "minus_sum": wilder_sum(pl.col("minus_movement"), 14),
        **{f"highest_{period}": HIGH.rolling_max(period) for period in (14, 20, 26)},
        **{f"lowest_{period}": LOW.rolling_min(period) for period in (14, 20, 26)},
        "typical_mean": TYPICAL.rolling_mean(20),
        "money_up": money_up.rolling_sum(14),
        "money_moved": pl.when(BAR_NO >= 14).then(money_moved.rolling_sum(14)),
        "obv": (VOLUME * direction).cum_sum(),
        "turnover_20": TURNOVER.rolling_sum(20),
        "volume_20": VOLUME.rolling_sum(20),
        "momentum_10": CLOSE.diff(10),
        "roc_10": 100 * (CLOSE / CLOSE.shift(10) - 1),
        "volatility": pl.col("log_return").rolling_std(20),
    }


def averages_of_averages() -> dict[str, Expr]:
    """Return the windows and averages of those."""
    plus, minus = pl.col("plus_sum"), pl.col("minus_sum")
    typical_mean = pl.col("typical_mean")
    fast_k = 100 * (CLOSE - pl.col("lowest_14")) / (pl.col("highest_14") - pl.col("lowest_14"))
    slow_k = fast_k.rolling_mean(3)
    return {
        "signal": ema(pl.col("macd_fast") - pl.col("ema_26"), 9, seed_from=25),
        "adx_14": wilder(100 * (plus - minus).abs() / (plus + minus), 14, seed_from=14),
        "slow_k": slow_k,
        "slow_d": slow_k.rolling_mean(3),
        "typical_deviation": pl.sum_horizontal(
            (TYPICAL.shift(bars) - typical_mean).abs() for bars in range(20)
        )
        / 20,
        "aroon_up_25": aroon(HIGH, pl.col("highest_26")),
        "aroon_down_25": aroon(LOW, pl.col("lowest_26")),
    }


def indicators(bars_per_year: float) -> dict[str, Expr]:
    """Return the indicators, of what has been computed before."""
    middle, width = pl.col("sma_20"), 2 * pl.col("deviation")
    signal = pl.col("signal")
    macd = pl.when(signal.is_not_null()).then(pl.col("macd_fast") - pl.col("ema_26"))
    highest, lowest = pl.col("highest_14"), pl.col("lowest_14")
    return {
        **{name: pl.col(name) for name in ("sma_20", "sma_50", "sma_200")},
        **{name: pl.col(name) for name in ("ema_12", "ema_26", "ema_200")},
        "macd_12_26_9": macd,
        "macd_signal_12_26_9": signal,
        "macd_histogram_12_26_9": macd - signal,
        "rsi_14": 100 * pl.col("gain") / (pl.col("gain") + pl.col("loss")),
        "bollinger_upper_20_2": middle + width,
        "bollinger_middle_20_2": middle,
        "bollinger_lower_20_2": middle - width,
        "bollinger_percent_b_20_2": (CLOSE - middle + width) / (2 * width),
        "bollinger_bandwidth_20_2": 2 * width / middle,
        **{name: pl.col(name) for name in ("atr_14", "adx_14")},
        "plus_di_14": 100 * pl.col("plus_sum") / pl.col("range_sum"),
        "minus_di_14": 100 * pl.col("minus_sum") / pl.col("range_sum"),
        "stochastic_k_14_3_3": pl.when(pl.col("slow_d").is_not_null()).then(pl.col("slow_k")),
        "stochastic_d_14_3_3": pl.col("slow_d"),
        "williams_r_14": -100 * (highest - CLOSE) / (highest - lowest),
        "cci_20": (TYPICAL - pl.col("typical_mean")) / (0.015 * pl.col("typical_deviation")),
        "mfi_14": 100 * pl.col("money_up") / pl.col("money_moved"),
        "obv": pl.col("obv"),
        "vwap_20": pl.col("turnover_20") / pl.col("volume_20"),
        "vwap_session": pl.col("turnover_so_far") / pl.col("volume_so_far"),
        **{name: pl.col(name) for name in ("momentum_10", "roc_10")},
        "keltner_upper_20_2": pl.col("ema_20") + 2 * pl.col("atr_20"),
        "keltner_lower_20_2": pl.col("ema_20") - 2 * pl.col("atr_20"),
        "donchian_upper_20": pl.col("highest_20"),
        "donchian_lower_20": pl.col("lowest_20"),
        **{name: pl.col(name) for name in ("aroon_up_25", "aroon_down_25")},
        "realized_volatility_20": pl.col("volatility") * bars_per_year**0.5,
    }


def seeded(values: Expr, seed: Expr, at: int, rate: float) -> Expr:
    """Return the exponential average that is `seed` at bar `at`."""
    seeded_values = pl.when(at < BAR_NO).then(values).when(at == BAR_NO).then(seed)
    return seeded_values.ewm_mean(alpha=rate, adjust=False, ignore_nulls=True)


def ema(values: Expr, period: int, seed_from: int = 0) -> Expr:
    """Return TA-Lib's EMA, whose seed is the mean of `period` values."""
    seed = values.slice(seed_from, period).mean()
    return seeded(values, seed, seed_from + period - 1, 2 / (period + 1))


def wilder(values: Expr, period: int, seed_from: int = 1) -> Expr:
    """Return Wilder's average, whose seed is the mean of `period` values."""
    seed = values.slice(seed_from, period).mean()
    return seeded(values, seed, seed_from + period - 1, 1 / period)


def wilder_sum(values: Expr, period: int) -> Expr:
    """Return Wilder's sum, seeded with bars 1 to `period` - 1, from bar `period` on."""
    seed = values.slice(1, period - 1).sum() / period
    average = seeded(values, seed, period - 1, 1 / period)
    return pl.when(period <= BAR_NO).then(period * average)


def aroon(price: Expr, extreme: Expr) -> Expr:
    """Return how recent the extreme of 26 bars is: 100 this bar, 0 the first of them."""
    ages = (
        pl.when(price.shift(bars) == extreme).then(pl.lit(4.0 * (25 - bars))) for bars in range(26)
    )
    return pl.coalesce(ages)
