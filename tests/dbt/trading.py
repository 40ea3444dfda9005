"""A user's trading records, good and bad, as the inbox lands them."""

import json

from tests.dbt.landing import Landing, listing

VOTES = [
    {"provider": "momentum", "action": "buy", "confidence": 0.9, "weight": 1},
    {"provider": "contrarian", "action": "hold", "confidence": 0.5, "weight": 0.5},
]
DECISION = {
    "decision_id": "d-1",
    "decided_at": "2024-01-10T10:00:00+01:00",
    "symbol": "BTC/USD",
    "asset_class": "crypto",
    "timeframe": "1h",
    "action": "buy",
    "confidence": "0.70",
    "position_size": "1.5",
    "method": "voting",
    "provider_votes": json.dumps(VOTES),
    "strategy": "trend",
}
EXECUTION = {
    "execution_id": "e-1",
    "order_id": "o-1",
    "decision_id": "d-1",
    "account_id": "main",
    "executed_at": "2024-01-10T09:00:01.25Z",
    "symbol": "BTC/USD",
    "asset_class": "crypto",
    "side": "buy",
    "quantity": "0.123456789012345678",
    "price": "46000.10",
    "quote_currency": "USD",
    "fee": "-0.05",
    "fee_currency": "USD",
    "venue": "coinbase",
}
MOVEMENT = {
    "movement_id": "m-1",
    "account_id": "main",
    "moved_at": "2024-01-02",
    "currency": "USD",
    "amount": "10000.00",
    "kind": "opening",
}
HELD = {**EXECUTION, "account_id": "saver", "fee": "1.5"} | {
    "asset_class": "equity",
    "symbol": "PAY",
    "price": "100",
    "quantity": "30",
}
IN_EUROS = {**HELD, "asset_class": "crypto", "symbol": "BTC/EUR", "price": "42000"} | {
    "executed_at": "2024-01-10T10:00Z",
    "quantity": "0.1",
    "quote_currency": "EUR",
}
OWNED = {**DECISION, "decision_id": "d-3", "reasoning": "It rises."}
"""A decision whose id two accounts use."""
RENAMED = {**EXECUTION, "execution_id": "n-1", "account_id": "third", "decision_id": "d-3"} | {
    "executed_at": "2024-01-12T15:00Z",
    "asset_class": "equity",
    "symbol": "NEW",
}
"""A stock under the name that it has by then, in an account that decided nothing."""
HOLDINGS = [
    {**HELD, "execution_id": "h-1", "executed_at": "2024-01-05T15:00Z"},
    {**HELD, "execution_id": "h-2", "executed_at": "2024-01-12T15:00Z"}
    | {"side": "sell", "quantity": "20", "price": "60"},
    {**IN_EUROS, "execution_id": "h-3"},
]
"""Shares that pay a dividend and are split while they are held, and a pair quoted in euros."""

ACCOUNTS = (
    {"account_id": "main"},
    {"account_id": "other"},
    {"account_id": "saver", "amount": "1000000"},
)
PAYS = {"asset_class": "equity", "symbol": "PAY", "currency": "USD"}
ACTIONS = [
    {**PAYS, "action_type": "dividend", "ex_date": "2024-01-10", "amount": "0.5"},
    {**PAYS, "action_type": "split", "ex_date": "2024-01-11", "ratio": "2"},
]

IN_GOLD = {**PAYS, "action_type": "dividend", "ex_date": "2024-01-09"} | {
    "amount": "0.125",
    "currency": "XAU",
}
"""A dividend that nothing converts."""

LISTED = listing("BTC/USD", "BTC/USD", "2020-01-01", asset_class="crypto", name="Bitcoin")
"""What is traded, for a lake in which nothing else speaks of it."""

TRADING_FAMILY = ("--select", "+tag:trading_family", "+mart_daily_portfolio_summary")
"""Tables that go on from the last build, which they do together or not at all."""


def land_trading(lake: Landing, *, bad: bool = True) -> None:
    """Land each record, one told again, and with `bad` one of each kind that is not good enough."""
    first, again = "2024-01-11T00:00Z", "2024-01-12T00:00Z"
    decisions = [DECISION, {**DECISION, "decision_id": "d-2"}]
    executions = [EXECUTION, {**EXECUTION, "account_id": "other"}]
    movements = [{**MOVEMENT, **account} for account in ACCOUNTS]
    if bad:
        decisions.append({**DECISION, "timeframe": "2h"})
        decisions += [{**OWNED, "account_id": "main"}, {**OWNED, "account_id": "other"}]
        executions += [
            RENAMED,
            {**EXECUTION, "execution_id": "e-2", "side": "sell", "quantity": "0"},
            {**IN_EUROS, "execution_id": "h-4", "quote_currency": "XAU"},
        ]
        movements.append({**MOVEMENT, "movement_id": "m-2", "kind": "deposit", "amount": "1e"})
    else:
        lake.land("inbox", "instruments", [LISTED], fetched=first)
    lake.land("inbox", "decisions", decisions, fetched=first)
    lake.land("inbox", "decisions", [{**DECISION, "action": "sell"}], fetched=again)
    lake.land("inbox", "executions", executions, fetched=first)
    lake.land("inbox", "executions", [{**EXECUTION, "fee": "0.05"}, *HOLDINGS], fetched=again)
    lake.land("inbox", "cash_movements", movements, fetched=first)
    lake.land("inbox", "corporate_actions", [*ACTIONS, IN_GOLD] if bad else ACTIONS, fetched=first)
