"""A user's trading records, good and bad, as the inbox lands them."""

import json

from tests.dbt.landing import Landing

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


def land_trading(lake: Landing) -> None:
    """Land each record, one told again, and one of each kind that is not good enough."""
    first, again = "2024-01-11T00:00Z", "2024-01-12T00:00Z"
    lake.land(
        "inbox",
        "decisions",
        [DECISION, {**DECISION, "decision_id": "d-2"}, {**DECISION, "timeframe": "2h"}],
        fetched=first,
    )
    lake.land("inbox", "decisions", [{**DECISION, "action": "sell"}], fetched=again)
    lake.land(
        "inbox",
        "executions",
        [
            EXECUTION,
            {**EXECUTION, "account_id": "other"},
            {**EXECUTION, "execution_id": "e-2", "side": "sell", "quantity": "0"},
        ],
        fetched=first,
    )
    lake.land("inbox", "executions", [{**EXECUTION, "fee": "0.05"}], fetched=again)
    lake.land(
        "inbox",
        "cash_movements",
        [MOVEMENT, {**MOVEMENT, "movement_id": "m-2", "kind": "deposit", "amount": "1e"}],
        fetched=first,
    )
