"""A user's trading records: the last word counts, exactly, and bad rows are kept with reasons."""

from decimal import Decimal

from tests.dbt.warehouse import Warehouse, rows


def test_the_last_word_on_a_decision_counts(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select decision_id, action, instrument_id, decided_at::varchar, confidence, position_size"
        " from silver.decision_history order by decision_id",
    )
    # 10:00 at an offset of one hour is 09:00 UTC.
    taken = "2024-01-10 09:00:00"
    assert found == [
        ("d-1", "sell", "crypto:BTC/USD", taken, 0.7, Decimal("1.5")),
        ("d-2", "buy", "crypto:BTC/USD", taken, 0.7, Decimal("1.5")),
    ]


def test_votes_are_rows(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select vote_number, signal_provider, action, confidence, weight"
        " from silver.decision_votes where decision_id = 'd-2' order by vote_number",
    )
    assert found == [(1, "momentum", "buy", 0.9, 1.0), (2, "contrarian", "hold", 0.5, 0.5)]


def test_executions_are_exact_and_one_per_account(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select account_id, quantity, price, fee, executed_at::varchar"
        " from silver.executions order by account_id",
    )
    quantity, price = Decimal("0.123456789012345678"), Decimal("46000.10")
    filled = "2024-01-10 09:00:01.25"
    assert found == [
        ("main", quantity, price, Decimal("0.05"), filled),
        ("other", quantity, price, Decimal("-0.05"), filled),
    ]


def test_cash_movements_are_exact(demo: Warehouse) -> None:
    found = rows(
        demo.database, "select movement_id, amount, moved_at::varchar from silver.cash_movements"
    )
    assert found == [("m-1", Decimal("10000.00"), "2024-01-02 00:00:00")]


def test_what_is_not_good_enough_is_kept_with_its_reason(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select dataset, record_id, reasons from silver.trading_quarantined order by dataset",
    )
    assert found == [
        ("cash_movements", "m-2", ["not_a_number"]),
        ("decisions", "d-1", ["unknown_timeframe"]),
        ("executions", "e-2", ["not_positive"]),
    ]


def test_every_trading_record_is_accounted_for(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select dataset, sum(landed_count)::int, sum(accepted_count)::int,"
        " sum(quarantined_count)::int, bool_and(is_balanced) from ops.record_balance"
        " where dataset in ('decisions', 'executions', 'cash_movements')"
        " group by dataset order by dataset",
    )
    assert found == [
        ("cash_movements", 2, 1, 1, True),
        ("decisions", 4, 3, 1, True),
        ("executions", 4, 3, 1, True),
    ]
