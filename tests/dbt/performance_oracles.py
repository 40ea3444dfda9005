"""What others make of returns, trades and votes: quantstats, empyrical, scipy and plain Python.

Nothing here knows the warehouse's SQL. Ratios take daily returns as a series by date, oldest first.
"""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from types import ModuleType
from typing import Any

import empyrical
import pandas as pd
import pytest

# quantstats imports the downloader it offers; nothing is downloaded here, and it is not installed.
sys.modules.setdefault("yfinance", ModuleType("yfinance"))
import quantstats  # noqa: E402 - only now can it be imported

RATIOS_OF_QUANTSTATS = (
    "total_return", "annualized_return", "volatility_annualized", "sharpe_annualized",
    "sortino_annualized", "calmar", "max_drawdown", "cvar_95_historical", "var_95_parametric",
)  # fmt: skip
RATIOS_OF_EMPYRICAL = (
    "total_return", "annualized_return", "volatility_annualized", "sharpe_annualized",
    "sortino_annualized", "calmar", "max_drawdown", "var_95_historical",
)  # fmt: skip

TRADES_OF_QUANTSTATS = ("win_rate", "profit_factor", "average_win", "average_loss", "expectancy")


def ratios_of_quantstats(returns: pd.Series, periods_per_year: int) -> Mapping[str, float]:
    """Return each ratio as quantstats has it; not a number where it has none."""
    stats = quantstats.stats
    has_fallen = stats.max_drawdown(returns) < 0
    return {
        "total_return": stats.comp(returns),
        "annualized_return": stats.cagr(returns, periods=periods_per_year),
        "volatility_annualized": stats.volatility(returns, periods=periods_per_year),
        "sharpe_annualized": stats.sharpe(returns, periods=periods_per_year),
        "sortino_annualized": stats.sortino(returns, periods=periods_per_year),
        "calmar": stats.calmar(returns, periods=periods_per_year) if has_fallen else math.nan,
        "max_drawdown": stats.max_drawdown(returns),
        "cvar_95_historical": stats.cvar(returns, method="historical"),
        "var_95_parametric": stats.value_at_risk(returns),
    }


def ratios_of_empyrical(returns: pd.Series, periods_per_year: int) -> Mapping[str, float]:
    """Return each ratio as empyrical has it; not a number where it has none."""
    return {
        "total_return": empyrical.cum_returns_final(returns),
        "annualized_return": empyrical.annual_return(returns, annualization=periods_per_year),
        "volatility_annualized": empyrical.annual_volatility(
            returns, annualization=periods_per_year
        ),
        "sharpe_annualized": empyrical.sharpe_ratio(returns, annualization=periods_per_year),
        "sortino_annualized": empyrical.sortino_ratio(returns, annualization=periods_per_year),
        "calmar": empyrical.calmar_ratio(returns, annualization=periods_per_year),
        "max_drawdown": empyrical.max_drawdown(returns),
        "var_95_historical": empyrical.value_at_risk(returns),
    }


def trades_of_quantstats(pnls: pd.Series) -> Mapping[str, float]:
    """Return each measure of trades as quantstats has it of their profits; not finite if none.

    It leaves trades that gained and lost nothing out of the whole, so its win rate is given by all
    trades here; and it has no expectancy but what its averages and win rate come to.
    """
    stats = quantstats.stats
    won, decided = stats.win_rate(pnls, prepare_returns=False), (pnls != 0).mean()
    win = stats.avg_win(pnls, prepare_returns=False)
    loss = stats.avg_loss(pnls, prepare_returns=False)
    means = [won * win if won > 0 else 0.0, (1 - won) * loss if won < 1 and decided > 0 else 0.0]
    return {
        "win_rate": won * decided,
        "profit_factor": stats.profit_factor(pnls, prepare_returns=False)
        if (pnls < 0).any()
        else math.nan,
        "average_win": win,
        "average_loss": loss,
        "expectancy": decided * sum(means),
    }


def compare_ratios(row: Mapping[str, Any], returns: pd.Series) -> Counter[str]:
    """Compare a row of the mart with what others make of its returns; return what was compared.

    Nothing is where returns do not vary: there others divide by nothing, or by what rounding
    leaves; nor where one is below -1: they go on with a negative fortune.
    """
    compared: Counter[str] = Counter()
    if returns.nunique() < 2 or returns.min() < -1:
        return compared
    for oracle in (ratios_of_quantstats, ratios_of_empyrical):
        _compare(row, oracle(returns, row["periods_per_year"]), compared)
    return compared


def compare_trades(row: Mapping[str, Any], pnls: Sequence[float]) -> Counter[str]:
    """Compare a row of the mart with what quantstats makes of its trades' profits."""
    compared: Counter[str] = Counter()
    if pnls:
        _compare(row, trades_of_quantstats(pd.Series(pnls, dtype=float)), compared)
    return compared


def _compare(row: Mapping[str, Any], theirs: Mapping[str, float], compared: Counter[str]) -> None:
    for name, expected in theirs.items():
        if not math.isfinite(expected):
            assert row[name] is None, (row, name)
            continue
        assert row[name] == pytest.approx(float(expected), rel=1e-9, abs=1e-9), (row, name)
        compared[name] += 1


def largest_drawdown(returns: pd.Series) -> tuple[date, date, date] | None:
    """Return the first day, the lowest and the last day of quantstats' deepest drawdown."""
    details = quantstats.stats.drawdown_details(quantstats.stats.to_drawdown_series(returns))
    if details.empty:
        return None
    deepest = details.sort_values(["max drawdown", "start"]).iloc[0]
    return (
        date.fromisoformat(deepest["start"]),
        date.fromisoformat(deepest["valley"]),
        date.fromisoformat(deepest["end"]),
    )


def first_of_deepest_drawdown(
    returns: Sequence[tuple[pd.Timestamp, float]],
) -> tuple[date, date, date] | None:
    """Return the first day, the lowest and the last day below the peak, in plain Python.

    Of equally deep ones the first; nothing is left after a return of -1 or less.
    """
    spells: list[list[tuple[date, float]]] = [[]]
    wealth = peak = 1.0
    for day, value in returns:
        wealth *= max(1 + value, 0.0)
        if wealth >= peak:
            peak = wealth
            spells.append([])
        else:
            spells[-1].append((day.date(), wealth / peak - 1))
    deepest = min(
        (spell for spell in spells if spell),
        key=lambda spell: min(depth for _, depth in spell),
        default=None,
    )
    if deepest is None:
        return None
    trough = min(deepest, key=lambda each: each[1])
    return deepest[0][0], trough[0], deepest[-1][0]
