"""What Silver makes of Kraken: its names of currencies, and which bars count."""

from tests.dbt.warehouse import Warehouse, rows


def test_pairs_have_the_names_everybody_else_has_for_them(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select listing_id, provider_symbol, asset_class, symbol, currency, status
        from staging.stg_kraken__asset_pairs
        order by listing_id
        """,
    )
    assert found == [
        ("USDTZUSD", "USDTUSD", "crypto", "USDT/USD", "USD", "active"),
        ("XDGEUR", "XDGEUR", "crypto", "DOGE/EUR", "EUR", "cancel_only"),
        ("XETHXXBT", "ETHXBT", "crypto", "ETH/BTC", "BTC", "active"),
        ("XXBTZEUR", "XBTEUR", "crypto", "BTC/EUR", "EUR", "active"),
        ("ZEURZUSD", "EURUSD", "fx", "EUR/USD", "USD", "active"),
    ]


def test_bars_are_of_the_instruments_their_symbols_are_listed_as(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select
            provider_symbol, instrument_id, cast(bar_start_at as varchar), close, vwap,
            trade_count
        from silver.bar_versions
        where provider = 'kraken' and timeframe = '1d'
        order by bar_start_at
        """,
    )
    assert found == [
        ("XDGEUR", "crypto:DOGE/EUR", "2024-02-28 00:00:00", 91, 101.25, 77),
        ("XDGEUR", "crypto:DOGE/EUR", "2024-02-29 00:00:00", 92, 101.25, 77),
        ("XDGEUR", "crypto:DOGE/EUR", "2024-03-01 00:00:00", 93, 101.25, 77),
    ]


def test_a_bar_first_seen_unfinished_ends_final(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select cast(bar_start_at as varchar), close from silver.bars
        where instrument_id = 'crypto:BTC/EUR' and timeframe = '1h'
        order by bar_start_at
        """,
    )
    assert found == [("2024-03-01 08:00:00", 99), ("2024-03-01 09:00:00", 105.5)]
    unsettled = rows(
        vendors.database,
        """
        select close from silver.bar_versions
        where provider = 'kraken' and instrument_id = 'crypto:BTC/EUR' and not is_final
        """,
    )
    assert (105.5,) not in unsettled
