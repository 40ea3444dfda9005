"""A user's trading records: the last word counts, exactly, and bad rows are kept with reasons."""

import json
from decimal import Decimal

from tests.dbt.landing import DATASETS
from tests.dbt.warehouse import Warehouse, rows


def test_the_last_word_on_a_decision_counts(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select decision_id, action, instrument_id, decided_at::varchar, confidence, position_size"
        " from silver.decision_history where decision_id in ('d-1', 'd-2') order by decision_id",
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
        " from silver.executions where account_id in ('main', 'other') order by account_id",
    )
    quantity, price = Decimal("0.123456789012345678"), Decimal("46000.10")
    filled = "2024-01-10 09:00:01.25"
    assert found == [
        ("main", quantity, price, Decimal("0.05"), filled),
        ("other", quantity, price, Decimal("-0.05"), filled),
    ]


def test_cash_movements_are_exact(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select movement_id, amount, amount_base, moved_at::varchar from silver.cash_movements"
        " where account_id = 'main'",
    )
    assert found == [("m-1", Decimal("10000.00"), Decimal(10000), "2024-01-02 00:00:00")]


def test_what_is_not_good_enough_is_kept_with_its_reason(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select dataset, record_id, reasons from silver.trading_quarantined"
        " where record_id not like 'SIM-%' order by dataset, record_id",
    )
    assert found == [
        ("cash_movements", "m-2", ["not_a_number"]),
        ("decisions", "d-1", ["unknown_timeframe"]),
        ("decisions", "d-3", ["id_of_another_account"]),
        ("executions", "e-2", ["not_positive"]),
        ("executions", "h-4", ["no_currency_rate"]),
    ]


def test_an_id_stays_with_the_account_that_used_it_first(demo: Warehouse) -> None:
    """The other account's decision is kept, with all that was told of it, but follows no id."""
    held = "select account_id from silver.decision_history where decision_id = 'd-3'"
    assert rows(demo.database, held) == [("main",)]
    (original,) = rows(
        demo.database,
        "select original from silver.trading_quarantined where record_id = 'd-3'",
    )
    told = json.loads(original[0])
    assert {name: told[name] for name in ("account_id", "strategy", "reasoning", "symbol")} == {
        "account_id": "other",
        "strategy": "trend",
        "reasoning": "It rises.",
        "symbol": "BTC/USD",
    }
    followed = "select decision_id from silver.executions where execution_id = '{}'"
    assert rows(demo.database, followed.format("n-1")) == [(None,)]
    assert {name for (name,) in rows(demo.database, followed.format("e-1"))} == {"d-1"}


def test_quarantine_holds_all_that_was_told(demo: Warehouse) -> None:
    for dataset in ("decisions", "executions", "cash_movements"):
        ((original,),) = rows(
            demo.database,
            "select any_value(original) from silver.trading_quarantined"
            f" where dataset = '{dataset}'",
        )
        declared = {field.column for field in DATASETS["inbox", dataset].fields}
        assert json.loads(original).keys() - {"extra"} == declared, dataset


def test_symbols_mean_what_listings_say_they_meant_then(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select symbol, instrument_id from silver.executions where execution_id = 'n-1'",
    )
    assert found == [("NEW", "equity:OLD")]


def test_symbols_that_nobody_knows_are_listed(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select instrument_id, symbol, execution_count, decision_count"
        " from silver.unknown_symbols order by instrument_id",
    )
    assert found == [("crypto:BTC/EUR", "BTC/EUR", 1, 0), ("equity:PAY", "PAY", 2, 0)]


def test_every_trading_record_is_accounted_for(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        """
        with balance as (
            select dataset, sum(landed_count) as landed, sum(accepted_count) as accepted,
                sum(quarantined_count) as quarantined, bool_and(is_balanced) as is_balanced
            from ops.record_balance group by dataset
        ),
        put_aside as (
            select dataset, count(*) as quarantined from silver.trading_quarantined group by dataset
        )
        select dataset, is_balanced, landed = accepted + balance.quarantined,
            balance.quarantined = put_aside.quarantined
        from balance join put_aside using (dataset) order by dataset
        """,
    )
    assert found == [
        (dataset, True, True, True) for dataset in ("cash_movements", "decisions", "executions")
    ]


def test_shares_are_held_over_their_dividend_and_their_split(demo: Warehouse) -> None:
    """Of 30 shares at 100, 60 at 50 after the split, 20 are sold at 60."""
    found = rows(
        demo.database,
        "select status, quantity, entry_price, exit_price, entry_amount_base, exit_amount_base,"
        " fees_base, dividends_base, net_pnl_base from silver.trade_lifecycle"
        " where account_id = 'saver' and instrument_id = 'equity:PAY' order by status",
    )
    assert found == [
        ("closed", *map(Decimal, (10, 100, 120, 1000, 1200, 2, 5, 203))),
        ("open", 20, 100, None, *map(Decimal, (2000, 2400, 1, 10, 409))),
    ]


def test_a_dividend_that_cannot_be_converted_is_put_aside_with_its_reason(demo: Warehouse) -> None:
    """Of the 30 shares, which later are two lots: it is in neither's amounts, but not forgotten."""
    found = rows(
        demo.database,
        "select account_id, instrument_id, ex_date::varchar, reasons, quantity, dividend_amount,"
        " currency, lot_count from silver.dividends_quarantined",
    )
    assert found == [
        ("saver", "equity:PAY", "2024-01-09", ["no_currency_rate"], 30, 0.125, "XAU", 2)
    ]


def test_positions_are_in_the_shares_of_the_day(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select strftime(date, '%d'), position_quantity, market_value_base, dividends_base,"
        " realized_pnl_base from silver.int_trading__daily_pnl"
        " where account_id = 'saver' and instrument_id = 'equity:PAY' order by date",
    )
    assert found[0] == ("05", 30, 3000, 0, 0)
    assert ("10", 30, 3000, 15, 0) in found
    assert ("11", 60, 3000, 0, 0) in found
    assert found[-1] == ("12", 40, 2400, 0, 200)


def test_trades_have_the_dimensions_of_their_time(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select trades.status, instruments.instrument_id, opened.session_date::varchar,"
        " closed.session_date::varchar, trades.is_simulated"
        " from gold.fct_trades as trades"
        " left join gold.dim_instruments as instruments using (instrument_key)"
        " left join gold.dim_sessions as opened on opening_session_key = opened.session_key"
        " left join gold.dim_sessions as closed on closing_session_key = closed.session_key"
        " where account_id = 'saver' and trades.asset_class = 'equity' order by status",
    )
    assert found == [
        ("closed", "equity:PAY", "2024-01-05", "2024-01-12", False),
        ("open", "equity:PAY", "2024-01-05", None, False),
    ]
    simulated = "select distinct account_id, is_simulated from gold.fct_trades where {}"
    assert rows(demo.database, simulated.format("account_id like 'SIM-%'")) == [
        ("SIM-CRYPTO", True)
    ]
