"""From decisions to orders, fills and cash: the records of the simulated accounts.

Not for what is wrong with some of them: that is `faults`.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ingest.providers.simulator import EXCHANGE as VENUE
from ingest.simulated_trading.draws import draws
from ingest.simulated_trading.ensemble import (
    SIGN,
    STRATEGY_OF,
    UNIX_EPOCH,
    Verdict,
    Vote,
    decide,
    votes_on,
)
from ingest.simulated_trading.markets import (
    CRYPTO,
    CRYPTO_ACCOUNT,
    EQUITY_ACCOUNT,
    MINUTE,
    Account,
    Market,
)

CURRENCY = "USD"

FLIPS_FROM, CLOSES_FROM = 0.62, 0.52
"""The confidence from which a position is turned round, or closed; below it is halved."""

LEAST_CHANGE = 0.1
"""The share of a whole position that is worth an order."""

SECOND_FILL_SHARE, THIRD_FILL_SHARE = 0.35, 0.12
MAKER_SHARE = 0.1
"""How often a crypto order rested in the book, and was paid a rebate."""

NOTICE_OF_SPLIT = timedelta(days=5)
"""No order is placed so shortly before a split: it would be filled in other units."""

Value = str | float | list[dict[str, str | float]]
Record = Mapping[str, Value]
Outcome = Literal["superseded", "quarantined", "dead_lettered"]

CASH: Mapping[str, Sequence[tuple[str, str, str]]] = {
    EQUITY_ACCOUNT: (
        ("2005-01-03T13:00:00Z", "opening", "100000.00"),
        ("2005-12-30T21:00:00Z", "fee", "-120.00"),
        ("2006-06-15T15:30:00Z", "deposit", "25000.00"),
        ("2007-12-31T21:00:00Z", "interest", "612.48"),
        ("2008-10-10T18:45:00Z", "withdrawal", "-20000.00"),
        ("2009-03-09T14:05:00Z", "deposit", "40000.00"),
        ("2010-12-31T21:00:00Z", "fee", "-120.00"),
        ("2012-05-21T13:15:00Z", "deposit", "15000.50"),
        ("2012-11-15T19:20:00Z", "withdrawal", "-12500.25"),
    ),
    CRYPTO_ACCOUNT: (
        ("2024-01-08T00:00:00Z", "opening", "100000.00"),
        ("2024-01-10T09:12:00Z", "deposit", "15000.00"),
        ("2024-01-11T00:00:00Z", "interest", "8.21"),
        ("2024-01-15T16:40:30Z", "withdrawal", "-12000.00"),
        ("2024-01-19T00:00:00Z", "fee", "-25.00"),
    ),
}
"""What comes into each account and leaves it: when, why, how much."""


@dataclass(frozen=True)
class Fault:
    """A record that is wrong, and what must become of it.

    `superseded`: told again, by which of the two nothing is lost. `quarantined`: lands, and is kept
    out of Silver for `reason`. `dead_lettered`: breaks the contract, and does not land.
    """

    kind: str
    dataset: str
    record_id: str
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True)
class Trading:
    """Records in the formats of the inbox, oldest first, and which of them are wrong.

    `corrections` are decisions told again, in a later file.
    """

    decisions: Sequence[Record]
    corrections: Sequence[Record]
    executions: Sequence[Record]
    cash_movements: Sequence[Record]
    injected: Sequence[Fault] = ()


def trade(markets: Sequence[Market]) -> Trading:
    """Return what the accounts of some markets decide and trade, without a fault.

    Deposits and the like stop with the last bar of the account's markets.
    """
    decisions: list[Record] = []
    executions: list[Record] = []
    for market in markets:
        for decision, fills in _trade(market):
            decisions.append(decision)
            executions += fills
    ends: dict[str, datetime] = {}
    for market in markets:
        account_id = market.account.account_id
        ends[account_id] = max([ends.get(account_id, UNIX_EPOCH), *market.fills.ended[-1:]])
    return Trading(
        sorted(decisions, key=lambda each: (str(each["decided_at"]), str(each["decision_id"]))),
        [],
        sorted(executions, key=lambda each: (str(each["executed_at"]), str(each["execution_id"]))),
        [record for account_id, end in sorted(ends.items()) for record in _cash(account_id, end)],
    )


@dataclass(frozen=True)
class _Order:
    """What is to be bought (or, below zero, sold), in units of the account's last decimal."""

    decision_id: str
    strategy: str
    units: int
    placed_at: datetime


def _trade(market: Market) -> Iterator[tuple[Record, list[Record]]]:
    """Yield each decision on an instrument, with the executions it leads to."""
    account, bars = market.account, market.bars
    adjusted, ratios = market.adjusted()
    strategy = STRATEGY_OF[market.symbol]
    position = since = 0
    phase = sum(map(ord, market.symbol)) % account.bars_between
    for at in range(phase, len(bars.close), account.bars_between):
        decided_at = bars.ended[at] + account.reaction
        if any(day - NOTICE_OF_SPLIT < decided_at < day for day in market.splits):
            continue
        position *= math.prod(ratios[since + 1 : at + 1])
        since = at
        votes = list(votes_on(market.symbol, adjusted[: at + 1], decided_at))
        verdict = decide(strategy, votes)
        whole = round(account.notional / bars.close[at] * 10**account.unit_decimals)
        units = _order(verdict, position, whole)
        decision_id = f"SIM-D-{_name(market.symbol)}-{decided_at:%Y%m%dT%H%M}"
        order = _Order(decision_id, strategy.name, units, decided_at)
        fills = list(_fills(market, order)) if units else []
        position += units
        yield _decision(market, order, verdict, votes), fills


def _order(verdict: Verdict, position: int, whole: int) -> int:
    """Return the units to trade: a whole position or half of one, less, none or the opposite."""
    side = SIGN[verdict.action]
    is_sure = verdict.confidence >= FLIPS_FROM
    if not side:
        return 0
    if position * side < 0:
        if is_sure:
            wanted = side * whole
        else:
            wanted = 0 if verdict.confidence >= CLOSES_FROM else position // 2
    else:
        wanted = side * max(whole if is_sure else whole // 2, abs(position))
    return wanted - position if abs(wanted - position) >= LEAST_CHANGE * whole else 0


def _decision(market: Market, order: _Order, verdict: Verdict, votes: Sequence[Vote]) -> Record:
    account = market.account
    heard = ", ".join(f"{vote.provider} {vote.action} {vote.conviction:+.2f}" for vote in votes)
    return {
        "decision_id": order.decision_id,
        "decided_at": f"{order.placed_at:%Y-%m-%dT%H:%M:%SZ}",
        "symbol": market.symbol,
        "asset_class": account.asset_class,
        "timeframe": account.timeframe,
        "action": verdict.action,
        "confidence": verdict.confidence,
        "position_size": _text(abs(order.units), account.unit_decimals),
        "method": verdict.method,
        "provider_votes": [
            {
                "provider": vote.provider,
                "action": vote.action,
                "confidence": vote.confidence,
                "weight": vote.weight,
            }
            for vote in votes
        ],
        "account_id": account.account_id,
        "strategy": order.strategy,
        "reasoning": f"Simulated {verdict.method}: {heard or 'nobody is there'}",
    }


# -- executions and cash ---------------------------------------------------------------------------


def _fills(market: Market, order: _Order) -> Iterator[Record]:
    """Yield the fills of an order, of which each next one is in a later minute and worse.

    A fill is never outside the range of its bar.
    """
    account, bars = market.account, market.fills
    side = "buy" if order.units > 0 else "sell"
    order_id = order.decision_id.replace("SIM-D-", "SIM-O-")
    random = draws(f"fills of {order_id}")
    first = bisect_left(bars.begins, order.placed_at + account.latency)
    is_maker = account is CRYPTO and random.random_sample() < MAKER_SHARE
    for number, units in enumerate(_parts(abs(order.units), random.random_sample(3))):
        better, size, moment = random.random_sample(3)
        at = first + (0 if account.is_filled_in_one_bar else number)
        if at >= len(bars.open):
            return
        slip = account.slippage * float(size) * (1 + number / 2)
        slip = -slip / 4 if better < MAKER_SHARE or is_maker else slip
        price = bars.open[at] * (1 + slip * (1 if side == "buy" else -1))
        price = min(max(price, bars.low[at]), bars.high[at])
        filled_at = bars.begins[at] + timedelta(milliseconds=int(59_000 * moment))
        if account.is_filled_in_one_bar:
            filled_at += number * MINUTE
        yield {
            "execution_id": f"{order_id.replace('SIM-O-', 'SIM-E-')}-{number + 1}",
            "order_id": order_id,
            "decision_id": order.decision_id,
            "account_id": account.account_id,
            "strategy": order.strategy,
            "executed_at": f"{filled_at:%Y-%m-%dT%H:%M:%S}.{filled_at.microsecond // 1000:03}Z",
            "symbol": market.symbol,
            "asset_class": account.asset_class,
            "side": side,
            "quantity": _text(units, account.unit_decimals),
            "price": f"{price:.{account.price_decimals}f}",
            "quote_currency": CURRENCY,
            "fee": _fee(account, units, price, is_maker=is_maker),
            "fee_currency": CURRENCY,
            "venue": VENUE,
        }


def _parts(units: int, chances: Iterable[float]) -> list[int]:
    """Cut an order into the one to three parts in which it is filled."""
    chance, first_share, second_share = chances
    first = round(units * (0.3 + 0.4 * first_share))
    if chance >= SECOND_FILL_SHARE or not 0 < first < units:
        return [units]
    rest = units - first
    second = round(rest * (0.3 + 0.4 * second_share))
    if chance >= THIRD_FILL_SHARE or not 0 < second < rest:
        return [first, rest]
    return [first, second, rest - second]


def _fee(account: Account, units: int, price: float, *, is_maker: bool) -> str:
    """Return half a cent per share, at least 35 cents; of pairs 0.1 %, or a rebate of 0.01 %."""
    if account is CRYPTO:
        return f"{units / 10**account.unit_decimals * price * (-0.0001 if is_maker else 0.001):.6f}"
    return f"{max(0.35, units * 0.005):.4f}"


def _cash(account_id: str, end: datetime) -> Iterator[Record]:
    for number, (moved_at, kind, amount) in enumerate(CASH[account_id], 1):
        if datetime.fromisoformat(moved_at) < end:
            yield {
                "movement_id": f"{account_id}-M-{number}",
                "account_id": account_id,
                "moved_at": moved_at,
                "currency": CURRENCY,
                "amount": amount,
                "kind": kind,
            }


def _text(units: int, decimals: int) -> str:
    whole, rest = divmod(units, 10**decimals)
    return f"{whole}.{rest:0{decimals}}" if decimals else str(whole)


def _name(symbol: str) -> str:
    """Return a symbol as it is in ids: without what those say anyway."""
    return symbol.removeprefix("SIM-").partition("/")[0]
