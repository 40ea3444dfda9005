"""The simulated accounts' trading, landed through the inbox as the demo does it.

`some_pairs` and `some_stocks` are slices that are small enough for any test. What they trade must
be landed besides: bars of the simulator and the sample over the same ranges.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from ingest.lake import Lake
from ingest.providers.inbox import land_inbox
from ingest.providers.simulator import START
from ingest.settings import DataDir
from ingest.simulated_trading import (
    EQUITY_START,
    Market,
    Trading,
    drop,
    sample_markets,
    simulate,
    simulator_markets,
)

FETCHED = datetime(2024, 2, 1, tzinfo=UTC)


def some_pairs(days: int = 4, symbols: Iterable[str] = ("SIM-BTC/USD",)) -> list[Market]:
    """Return pairs over the first days of what the simulator has: a decision per hour and pair."""
    return list(simulator_markets(symbols, START, START + timedelta(days=days)))


def some_stocks(days: int = 365, symbols: Iterable[str] = ("AAPL", "MSFT")) -> list[Market]:
    """Return stocks from January 2005 on: a decision per three sessions, and AAPL's split."""
    return list(sample_markets(symbols, EQUITY_START, EQUITY_START + timedelta(days=days)))


def land_simulated_trading(
    data: DataDir,
    markets: Iterable[Market] | None = None,
    *,
    fetched: datetime = FETCHED,
    faults: bool = True,
) -> Trading:
    """Land what simulated accounts did in some markets (four days of one pair), and return it."""
    trading = simulate(some_pairs() if markets is None else markets, faults=faults)
    ticks = count()
    # Each file is fetched later than the one before: what is told again comes last.
    lake = Lake(data, lambda: fetched + next(ticks) * timedelta(seconds=1))
    drop(lake, trading)
    dead_letters = 0
    for dataset in ("decisions", "executions", "cash_movements"):
        report = land_inbox(lake, dataset=dataset, settle_seconds=0)
        assert all(file.status == "landed" for file in report.files), report
        dead_letters += report.dead_letters
    assert dead_letters == sum(fault.outcome == "dead_lettered" for fault in trading.injected)
    return trading
