"""What Silver makes of Binance: milliseconds and microseconds, names, and which bars count."""

from typing import Any

from tests.dbt.warehouse import Warehouse, rows


def bars(vendors: Warehouse, columns: str, condition: str) -> list[tuple[Any, ...]]:
    return rows(
        vendors.database,
        f"""
        select {columns} from silver.bar_versions
        where provider = 'binance' and {condition}
        order by bar_start_at, _fetched_at
        """,
    )


def test_milliseconds_of_2024_and_microseconds_of_2025_are_one_series(vendors: Warehouse) -> None:
    columns = "cast(bar_start_at as varchar), close"
    # Two of the bars were told twice: by the archive, and by the market-data host in milliseconds.
    assert bars(vendors, columns, "timeframe = '15m'") == [
        ("2024-12-31 23:30:00", 101),
        ("2024-12-31 23:45:00", 102),
        ("2024-12-31 23:45:00", 102),
        ("2025-01-01 00:00:00", 103),
        ("2025-01-01 00:00:00", 103),
        ("2025-01-01 00:15:00", 104),
    ]
    assert bars(vendors, columns, "timeframe = '15m' and is_provider_current") == [
        ("2024-12-31 23:30:00", 101),
        ("2024-12-31 23:45:00", 102),
        ("2025-01-01 00:00:00", 103),
        ("2025-01-01 00:15:00", 104),
    ]


def test_a_leap_day_is_a_day(vendors: Warehouse) -> None:
    found = bars(vendors, "cast(bar_start_at as varchar), close", "timeframe = '1d'")
    assert found == [
        ("2024-02-28 00:00:00", 91),
        ("2024-02-29 00:00:00", 92),
        ("2024-03-01 00:00:00", 93),
    ]


def test_symbols_are_what_binance_lists_them_as(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select provider_symbol, symbol, currency, status from staging.stg_binance__products
        order by provider_symbol
        """,
    )
    assert found == [
        ("1INCHUSDT", "1INCH/USDT", "USDT", "active"),
        ("BTCUSDT", "BTC/USDT", "USDT", "active"),
        ("ETHBTC", "ETH/BTC", "BTC", "active"),
        ("LUNAUSDT", "LUNA/USDT", "USDT", "break"),
    ]
    assert {name for (name,) in bars(vendors, "instrument_id", "timeframe = '15m'")} == {
        "crypto:BTC/USDT"
    }


def test_hours_off_the_hour_are_refused(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select cast(bar_start_at as varchar), reasons from silver.bars_quarantined
        where provider = 'binance'
        """,
    )
    assert found == [("2018-02-09 10:28:00", ["unaligned_start"])]
    assert bars(vendors, "close", "provider_symbol = 'ETHBTC'") == [(91,)]


def test_a_bar_first_seen_unfinished_ends_final(vendors: Warehouse) -> None:
    found = bars(vendors, "close, is_final", "provider_symbol = '1INCHUSDT'")
    assert found[-1] == (105.5, True)
    assert all(not is_final for _, is_final in found[:-1])
    assert rows(
        vendors.database,
        "select close, volume, trade_count from silver.bars"
        " where instrument_id = 'crypto:1INCH/USDT' and timeframe = '1h'",
    ) == [(105.5, 12.3456, 77)]
