"""Trading that never happened, over the sample's real prices and the simulator's own pairs.

Three toy signal providers vote, an ensemble decides, and orders follow: decisions, executions and
cash movements in the formats of the inbox, where `drop` puts them beside the user's own files. All
of it is a pure function of the prices: the same prices give the same text, and prices of later give
nothing else for earlier. Every id, account, strategy and venue says that it is simulated. As in the
simulator a few records are wrong, and `Trading.injected` lists them.

- `markets`: what is traded, by which account, and its bars.
- `ensemble`: how providers vote, and how debate, voting and fallback make one decision of it.
- `records`: from decisions to orders, fills and cash.
- `faults`: what is wrong on purpose.
- `files`: the texts, and how they get into the inbox.

Not for trading advice: the rules are toys. Not for reading files into the lake: that is
`ingest.providers.inbox`.
"""

from collections.abc import Iterable

from ingest.simulated_trading.ensemble import STRATEGIES
from ingest.simulated_trading.faults import with_faults
from ingest.simulated_trading.files import drop, texts
from ingest.simulated_trading.markets import (
    CRYPTO_ACCOUNT,
    EQUITY_ACCOUNT,
    EQUITY_END,
    EQUITY_START,
    Market,
    sample_markets,
    simulator_markets,
)
from ingest.simulated_trading.records import Fault, Trading, trade

__all__ = [
    "CRYPTO_ACCOUNT",
    "EQUITY_ACCOUNT",
    "EQUITY_END",
    "EQUITY_START",
    "STRATEGIES",
    "Fault",
    "Market",
    "Trading",
    "default_trading",
    "drop",
    "sample_markets",
    "simulate",
    "simulator_markets",
    "texts",
]


def default_trading() -> Trading:
    """Return what the demo shows: eight years of stocks, two weeks of pairs, with faults."""
    return simulate([*sample_markets(), *simulator_markets()])


def simulate(markets: Iterable[Market], *, faults: bool = True) -> Trading:
    """Return what the accounts of some markets decide and trade over the bars there are."""
    trading = trade(list(markets))
    return with_faults(trading) if faults else trading
