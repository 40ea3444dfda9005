"""What simulated accounts trade: the sample's stocks, the simulator's pairs, and their bars.

Not for what they make of them: that is `ensemble` and `records`.
"""

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate
from operator import mul
from zoneinfo import ZoneInfo

import pyarrow as pa

from ingest.provider import Provider, Request
from ingest.providers.sample import SYMBOLS as STOCKS
from ingest.providers.sample import Sample
from ingest.providers.simulator import END as CRYPTO_END
from ingest.providers.simulator import START as CRYPTO_START
from ingest.providers.simulator import SYMBOLS as PAIRS
from ingest.providers.simulator import TIMEFRAME as MINUTES
from ingest.providers.simulator import Simulator

EQUITY_ACCOUNT, CRYPTO_ACCOUNT = "SIM-EQUITY", "SIM-CRYPTO"
EQUITY_START, EQUITY_END = datetime(2005, 1, 3, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
"""With a split of a stock that is held, and a stock that only begins to trade."""

NEW_YORK = ZoneInfo("America/New_York")
OPEN, CLOSE = time(9, 30), time(16)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Account:
    """How an account trades: what it decides on, how much it holds of each, what fills cost."""

    account_id: str
    asset_class: str
    timeframe: str
    bars_between: int
    """How many bars each decision on an instrument is after the one before."""

    reaction: timedelta
    """From the end of a bar to the decision on it."""

    latency: timedelta
    """From a decision to the earliest fill of its order."""

    notional: float
    """In the account's currency, of a whole position."""

    unit_decimals: int
    price_decimals: int
    slippage: float
    """The most by which a first fill is worse than the bar's price, as a share of it."""

    is_filled_in_one_bar: bool
    """Whether all fills of an order are at one open, or each at the open of a bar of its own."""


EQUITY = Account(
    EQUITY_ACCOUNT, "equity", "1d", 3, 15 * MINUTE, 15 * MINUTE, 20_000, 0, 4, 0.0008, True
)
CRYPTO = Account(
    CRYPTO_ACCOUNT, "crypto", "1h", 1, MINUTE / 2, MINUTE / 3, 25_000, 6, 4, 0.0012, False
)


@dataclass(frozen=True)
class Bars:
    """Bars in order of time: when each begins and has ended, and its prices as traded."""

    begins: Sequence[datetime]
    ended: Sequence[datetime]
    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]


@dataclass(frozen=True)
class Market:
    """An instrument that an account trades.

    Providers look at `bars`; orders are filled at the opens of `fills`. `splits` are the ex-dates
    (00:00Z) and ratios that were announced, also of days yet to come.
    """

    account: Account
    symbol: str
    bars: Bars
    fills: Bars
    splits: Mapping[datetime, int] = field(default_factory=dict)

    def adjusted(self) -> tuple[Sequence[float], Sequence[int]]:
        """Return closes in units of the first bar, and the split ratio that each bar begins with.

        What is to come changes nothing of what was: factors grow from the first bar on.
        """
        due = dict(self.splits)
        ratios = []
        for begin in self.bars.begins:
            effective = [day for day in due if day <= begin]
            ratios.append(math.prod(due.pop(day) for day in effective))
        # Splits from before the first bar are in its price.
        ratios[:1] = [1] if ratios else []
        factors = accumulate(ratios, mul)
        return [close * by for close, by in zip(self.bars.close, factors, strict=True)], ratios


def sample_markets(
    symbols: Iterable[str] = STOCKS, start: datetime = EQUITY_START, end: datetime = EQUITY_END
) -> Iterator[Market]:
    """Yield stocks of the sample over a range of days: daily bars, filled at the next open."""
    sample = Sample()
    splits = _splits(sample)
    for symbol in symbols:
        table = _fetch(sample, Request("bars", symbol, "1d", start, end))
        days = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in table["Date"]]
        bars = Bars(
            [_new_york(day, OPEN) for day in days],
            # On half days the bar ended earlier.
            [_new_york(day, CLOSE) for day in days],
            *(list(map(float, table[name])) for name in ("Open", "High", "Low", "Close")),
        )
        yield Market(EQUITY, symbol, bars, bars, splits.get(symbol, {}))


def simulator_markets(
    symbols: Iterable[str] = PAIRS, start: datetime = CRYPTO_START, end: datetime = CRYPTO_END
) -> Iterator[Market]:
    """Yield pairs of the simulator over a range: bars of an hour, filled at opens of a minute."""
    simulator = Simulator(lambda: end)
    for symbol in symbols:
        table = _fetch(simulator, Request("bars", symbol, MINUTES, start, end))
        begins = [datetime.fromisoformat(text) for text in table["start"]]
        minutes = Bars(
            begins,
            [begin + MINUTE for begin in begins],
            *(list(map(float, table[name])) for name in ("open", "high", "low", "close")),
        )
        yield Market(CRYPTO, symbol, _hours(minutes, end), minutes)


def _fetch(provider: Provider, request: Request) -> dict[str, list[str]]:
    records = asyncio.run(provider.fetch(request)).records
    if not isinstance(records, pa.Table):
        raise TypeError(f"{provider.name} gives no table")
    columns: dict[str, list[str]] = records.to_pydict()
    return columns


def _splits(sample: Sample) -> Mapping[str, Mapping[datetime, int]]:
    table = _fetch(sample, Request("corporate_actions"))
    splits: dict[str, dict[datetime, int]] = {}
    for symbol, ex_date, ratio in zip(
        table["symbol"], table["ex_date"], table["ratio"], strict=True
    ):
        day = datetime.fromisoformat(ex_date).replace(tzinfo=UTC)
        splits.setdefault(symbol, {})[day] = int(ratio)
    return splits


def _hours(minutes: Bars, end: datetime) -> Bars:
    """Return the bars of those hours that are over."""
    hours = [begin.replace(minute=0) for begin in minutes.begins]
    firsts = [at for at, hour in enumerate(hours) if at == 0 or hours[at - 1] != hour]
    groups = [
        slice(first, last)
        for first, last in zip(firsts, [*firsts[1:], len(hours)], strict=True)
        if hours[first] + HOUR <= end
    ]
    return Bars(
        [hours[group.start] for group in groups],
        [hours[group.start] + HOUR for group in groups],
        [minutes.open[group.start] for group in groups],
        [max(minutes.high[group]) for group in groups],
        [min(minutes.low[group]) for group in groups],
        [minutes.close[group.stop - 1] for group in groups],
    )


def _new_york(day: datetime, at: time) -> datetime:
    return datetime.combine(day.date(), at, NEW_YORK).astimezone(UTC)
