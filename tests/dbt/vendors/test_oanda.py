"""What Silver makes of OANDA: the trading day of New York, two kinds of bars from one candle."""

import pytest

from tests.dbt.vendors.oanda import SYMBOL
from tests.dbt.warehouse import Warehouse, rows


def bars_of(vendors: Warehouse, timeframe: str) -> list[tuple[str, ...]]:
    return rows(
        vendors.database,
        f"""
        select
            cast(bar_start_at as varchar), cast(session_date as varchar),
            cast(bar_end_at as varchar)
        from silver.bar_versions
        where
            provider = 'oanda' and provider_symbol = '{SYMBOL}' and timeframe = '{timeframe}'
        order by bar_start_at
        """,
    )


def test_a_day_is_named_by_the_date_it_ends_on(vendors: Warehouse) -> None:
    """Clocks go forward on 2026-03-08 and back on 2026-11-01; what starts on Sunday is Monday's."""
    assert bars_of(vendors, "1d") == [
        ("2026-03-05 00:00:00", "2026-03-05", "2026-03-05 22:00:00"),
        ("2026-03-06 00:00:00", "2026-03-06", "2026-03-06 22:00:00"),
        ("2026-03-09 00:00:00", "2026-03-09", "2026-03-09 21:00:00"),
        ("2026-03-10 00:00:00", "2026-03-10", "2026-03-10 21:00:00"),
        ("2026-10-30 00:00:00", "2026-10-30", "2026-10-30 21:00:00"),
        ("2026-11-02 00:00:00", "2026-11-02", "2026-11-02 22:00:00"),
    ]


def test_four_hours_are_counted_from_17_in_new_york(vendors: Warehouse) -> None:
    assert bars_of(vendors, "4h") == [
        ("2026-03-06 14:00:00", "2026-03-06", "2026-03-06 18:00:00"),
        ("2026-03-06 18:00:00", "2026-03-06", "2026-03-06 22:00:00"),
        ("2026-03-08 21:00:00", "2026-03-09", "2026-03-09 01:00:00"),
        ("2026-03-09 01:00:00", "2026-03-09", "2026-03-09 05:00:00"),
        ("2026-10-30 17:00:00", "2026-10-30", "2026-10-30 21:00:00"),
        ("2026-11-01 22:00:00", "2026-11-02", "2026-11-02 02:00:00"),
        ("2026-11-02 02:00:00", "2026-11-02", "2026-11-02 06:00:00"),
    ]


def test_nothing_is_traded_on_saturday(vendors: Warehouse) -> None:
    assert bars_of(vendors, "1h") == [
        ("2026-03-06 21:00:00", "2026-03-06", "2026-03-06 22:00:00"),
        ("2026-03-08 21:00:00", "2026-03-09", "2026-03-08 22:00:00"),
    ]
    found = rows(
        vendors.database,
        "select cast(bar_start_at as varchar), reasons from silver.bars_quarantined"
        " where provider = 'oanda'",
    )
    assert found == [("2026-03-07 12:00:00", ["no_session"])]


def test_a_candle_the_vendor_calls_unfinished_is_not_final(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select close, is_final, is_current from silver.bar_versions
        where provider = 'oanda' and timeframe = '15m'
        order by _fetched_at
        """,
    )
    assert found == [(1.09995, False, False), (1.1001, True, True)]


def test_bars_are_mid_prices_without_volume(vendors: Warehouse) -> None:
    """It counts price updates: no size, and no number of trades."""
    found = rows(
        vendors.database,
        """
        select instrument_id, open, high, low, close, volume, trade_count from silver.bars
        where instrument_id = 'fx:AUD/NZD' and timeframe = '15m'
        """,
    )
    assert found == [("fx:AUD/NZD", 1.1, 1.1002, 1.0999, 1.1001, None, None)]


def test_bid_and_ask_of_the_same_candles_are_quote_bars(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select
            cast(session_date as varchar), bid_open, bid_high, bid_low, bid_close,
            ask_open, ask_high, ask_low, ask_close, volume, is_final
        from silver.quote_bars
        where
            instrument_id = 'fx:AUD/NZD' and timeframe = '1d'
            and bar_start_at = timestamp '2026-03-09 00:00:00'
        """,
    )
    assert found == [
        (
            *("2026-03-09", 1.0999, 1.1001, 1.0998, 1.1),
            *(1.1001, 1.1003, 1.1, 1.1002, 42, True),
        )
    ]


def test_only_currencies_are_instruments(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select provider_symbol, asset_class, symbol, currency, reasons
        from silver.int_instruments__records
        where provider = 'oanda'
        order by provider_symbol
        """,
    )
    assert found == [
        ("AUD_NZD", "fx", "AUD/NZD", "NZD", []),
        ("CHF_JPY", "fx", "CHF/JPY", "JPY", []),
        ("DE30_EUR", "cfd", "DE30/EUR", "EUR", ["unknown_asset_class"]),
        ("XAU_USD", "metal", "XAU/USD", "USD", ["unknown_asset_class"]),
    ]


@pytest.mark.parametrize("table", ["bar_versions", "bars_quarantined"])
def test_every_candle_is_counted_once(vendors: Warehouse, table: str) -> None:
    (counted,) = rows(
        vendors.database,
        f"select count(*), count(distinct (_batch_id, _row)) from silver.{table}"
        f" where provider = 'oanda' and provider_symbol = '{SYMBOL}'",
    )
    assert counted[0] == counted[1] == {"bar_versions": 17, "bars_quarantined": 1}[table]
