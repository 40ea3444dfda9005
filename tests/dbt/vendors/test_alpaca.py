"""What Silver makes of Alpaca: dates of sessions, feeds kept apart, corrections, actions."""

from tests.dbt.warehouse import Warehouse, rows


def test_a_day_is_labelled_by_its_session_and_ends_at_its_close(vendors: Warehouse) -> None:
    """Clocks go forward on 2026-03-08 and back on 2026-11-01: 16:00 is 21:00Z or 20:00Z.

    The day after Thanksgiving ends at 13:00.
    """
    found = rows(
        vendors.database,
        """
        select
            cast(bar_start_at as varchar), cast(session_date as varchar),
            cast(bar_end_at as varchar), is_final
        from silver.bar_versions
        where provider = 'alpaca_sip' and provider_symbol = 'ZALP' and timeframe = '1d'
        order by bar_start_at
        """,
    )
    assert found == [
        ("2024-02-29 00:00:00", "2024-02-29", "2024-02-29 21:00:00", True),
        ("2025-11-28 00:00:00", "2025-11-28", "2025-11-28 18:00:00", True),
        ("2026-03-06 00:00:00", "2026-03-06", "2026-03-06 21:00:00", True),
        ("2026-03-09 00:00:00", "2026-03-09", "2026-03-09 20:00:00", True),
        ("2026-10-30 00:00:00", "2026-10-30", "2026-10-30 20:00:00", True),
        ("2026-11-02 00:00:00", "2026-11-02", "2026-11-02 21:00:00", True),
    ]


def test_minutes_outside_the_session_belong_to_the_day_in_new_york(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select cast(bar_start_at as varchar), cast(session_date as varchar)
        from silver.bar_versions
        where provider = 'alpaca_sip' and provider_symbol = 'ZALP.B' and timeframe = '1m'
        order by bar_start_at
        """,
    )
    assert found == [
        ("2026-03-07 00:59:00", "2026-03-06"),
        ("2026-03-09 08:00:00", "2026-03-09"),
        ("2026-03-09 13:30:00", "2026-03-09"),
    ]


def test_the_consolidated_feed_is_preferred(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select provider, close, is_current from silver.bar_versions
        where
            provider_symbol = 'ZALP.B' and timeframe = '1m'
            and bar_start_at = timestamp '2026-03-09 13:30:00'
        order by provider
        """,
    )
    assert found == [("alpaca_iex", 99.9, False), ("alpaca_sip", 101.5, True)]


def test_an_updated_minute_replaces_the_first_and_is_final_when_settled(
    vendors: Warehouse,
) -> None:
    found = rows(
        vendors.database,
        """
        select close, is_final, is_current from silver.bar_versions
        where
            provider = 'alpaca_iex' and provider_symbol = 'ZALP.B'
            and bar_start_at = timestamp '2026-03-09 14:00:00'
        order by _fetched_at
        """,
    )
    assert found == [(100.1, False, False), (100.2, False, False), (100.2, True, True)]


def test_symbols_are_those_of_the_assets_also_after_a_rename(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select distinct provider, provider_symbol, instrument_id from silver.bar_versions
        where provider like 'alpaca%' and provider_symbol like 'Z%'
        order by all
        """,
    )
    assert found == [
        ("alpaca", "ZLP/USD", "crypto:ZLP/USD"),
        ("alpaca_iex", "ZALP.B", "equity:ZALP.B"),
        ("alpaca_sip", "ZALP", "equity:ZALP"),
        ("alpaca_sip", "ZALP.B", "equity:ZALP.B"),
        ("alpaca_sip", "ZNEW", "equity:ZOLD"),
        ("alpaca_sip", "ZOLD", "equity:ZOLD"),
    ]


def test_a_symbol_means_its_company_also_before_the_rename(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select provider_symbol, cast(session_date as varchar) from silver.bars
        inner join silver.bar_versions using (_batch_id, _row, session_date)
        where bars.instrument_id = 'equity:ZOLD' and bars.provider = 'alpaca_sip'
        order by session_date
        """,
    )
    assert found == [("ZNEW", "2026-02-26"), ("ZOLD", "2026-02-27"), ("ZNEW", "2026-03-03")]


def test_what_is_neither_stock_nor_pair_is_quarantined(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select distinct provider_symbol, asset_class, reasons
        from silver.int_instruments__records
        where provider = 'alpaca' and len(reasons) > 0
        """,
    )
    assert found == [("ZALP260320C00100000", "us_option", ["unknown_asset_class"])]


def test_assets_are_listings(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select distinct provider_symbol, asset_class, symbol, exchange, currency, status
        from staging.stg_alpaca__assets
        where provider_symbol in ('ZALP.B', 'ZGONE', 'ZLP/USD')
        order by all
        """,
    )
    assert found == [
        ("ZALP.B", "equity", "ZALP.B", "NASDAQ", "USD", "active"),
        ("ZGONE", "equity", "ZGONE", "NASDAQ", "USD", "inactive"),
        ("ZLP/USD", "crypto", "ZLP/USD", "CRYPTO", "USD", "active"),
    ]


def test_actions_mean_the_same_as_those_of_other_vendors(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select
            provider_symbol, action_type, cast(ex_date as varchar), ratio, amount, currency,
            new_symbol, new_share_ratio
        from staging.stg_alpaca__corporate_actions
        where provider_symbol like 'Z%'
        order by provider_symbol, action_type, ex_date
        """,
    )
    assert found == [
        ("ZALP", "dividend", "2026-03-16", None, 0.25, "USD", None, None),
        ("ZALP", "split", "2026-03-16", 4, None, None, None, None),
        ("ZALP.B", "partial_calls", "2026-03-16", None, None, None, None, None),
        ("ZALP.B", "spin_off", "2026-03-16", None, None, None, "ZSPUN", 0.25),
        ("ZALP.B", "split", "2026-02-17", 1.05, None, None, None, None),
        ("ZALP.B", "split", "2026-03-16", 0.1, None, None, None, None),
        ("ZGONE", "merger", "2026-03-19", None, 12.5, "USD", None, None),
        ("ZOLD", "name_change", "2026-03-01", None, None, None, "ZNEW", None),
    ]


def test_actions_without_a_meaning_are_quarantined_and_the_others_accepted(
    vendors: Warehouse,
) -> None:
    found = rows(
        vendors.database,
        """
        select action_type, reasons, count(*)
        from silver.int_corporate_actions__records
        where provider = 'alpaca' and provider_symbol like 'Z%'
        group by all
        order by all
        """,
    )
    assert found == [
        ("dividend", [], 1),
        ("merger", [], 1),
        ("name_change", [], 1),
        ("partial_calls", ["unknown_action"], 1),
        ("spin_off", [], 1),
        ("split", [], 3),
    ]


def test_crypto_days_are_those_of_utc_and_have_prices_only(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select
            cast(bar_start_at as varchar), cast(bar_end_at as varchar), close, volume, vwap,
            trade_count, is_final
        from silver.bar_versions
        where provider = 'alpaca' and timeframe = '1d'
        order by bar_start_at
        """,
    )
    assert found == [
        ("2026-03-08 00:00:00", "2026-03-09 00:00:00", 101.5, None, None, None, True),
        ("2026-03-09 00:00:00", "2026-03-10 00:00:00", 101.5, None, None, None, True),
    ]


def test_trades_are_told_apart_by_exchange_and_corrected(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select trade_id, kind, original_trade_id, price, size
        from staging.stg_alpaca_iex__trades
        where provider_symbol = 'ZALP.B'
        order by _row
        """,
    )
    assert found == [
        ("2026-03-09:V:1", "trade", None, 100.1, 100),
        ("2026-03-09:V:2", "trade", None, 999, 100),
        ("2026-03-09:N:1", "trade", None, 100.3, 5),
        ("2026-03-09:V:3", "correction", "2026-03-09:V:2", 100.2, 100),
        ("2026-03-09:N:1", "cancel", None, 100.3, 5),
    ]
    crypto = rows(
        vendors.database,
        """
        select trade_id, side, price, size from staging.stg_alpaca__trades
        where provider_symbol = 'ZLP/USD'
        """,
    )
    assert crypto == [("7", "sell", 2.5, 0.125)]


def test_quotes_are_read(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select provider_symbol, cast(quoted_at as varchar), bid_price, bid_size, ask_price, ask_size
        from staging.stg_alpaca_iex__quotes
        where provider_symbol = 'ZALP.B'
        """,
    )
    assert found == [("ZALP.B", "2026-03-09 14:00:01.5", 100.1, 2, 100.3, 1)]


def test_an_article_has_a_record_for_each_update(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select
            article_id, headline, cast(published_at as varchar), cast(updated_at as varchar),
            provider_symbols
        from staging.stg_alpaca__news
        order by updated_at
        """,
    )
    symbols = ["ZALP", "ZLPUSD"]
    published = "2026-03-09 12:00:00"
    assert found == [
        ("40001", "First headline", published, "2026-03-09 12:00:00", symbols),
        ("40001", "Corrected headline", published, "2026-03-09 13:00:00", symbols),
    ]
