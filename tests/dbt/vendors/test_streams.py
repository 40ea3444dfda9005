"""What Silver makes of streams: later words replace earlier ones, and nothing counts twice."""

from datetime import datetime

from tests.dbt.vendors.streams import DAY
from tests.dbt.warehouse import Warehouse, rows


def at(time: str) -> datetime:
    """Return a time of the day of the streams, in UTC without saying so, as tables hold it."""
    return datetime.fromisoformat(f"{DAY}T{time}")


def test_corrections_and_cancellations_replace_trades(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select trade_id, price, size, is_corrected, is_cancelled, available_at
        from silver.trades
        where provider = 'alpaca_iex' and instrument_id = 'equity:STRM'
        order by traded_at
        """,
    )
    amended_at = at("15:00:10")
    assert found == [
        ("2026-11-20:V:1", 100.1, 40, False, False, at("15:00:01.123456")),
        ("2026-11-20:V:2", 100.05, 35, True, False, amended_at),
        # Sent again as it was before, it stays cancelled.
        ("2026-11-20:V:3", 100.1, 40, False, True, amended_at),
        ("2026-11-20:V:4", 100.1, 40, False, False, at("15:00:04.123456")),
    ]


def test_updated_bars_replace_bars_and_rest_replaces_both(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select bar_start_at, close from silver.bars
        where instrument_id = 'crypto:STRM/USD' and timeframe = '1m'
        order by bar_start_at
        """,
    )
    assert found == [
        (at("15:00"), 101),
        (at("15:01"), 102.25),
        (at("15:02"), 103.5),
    ]


def test_every_word_of_a_stream_is_kept_and_only_what_rest_confirms_is_final(
    vendors: Warehouse,
) -> None:
    found = rows(
        vendors.database,
        """
        select bar_start_at, close, is_final from silver.bar_versions
        where instrument_id = 'crypto:STRM/USD'
        order by bar_start_at, _fetched_at, _row
        """,
    )
    assert [(at.minute, close, is_final) for at, close, is_final in found] == [
        (0, 101, False),
        (1, 102, False),
        (1, 102.25, False),
        (2, 103, False),
        (2, 103.25, False),
        (2, 103.5, True),
    ]


def test_a_stream_covers_no_range(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select start_at, end_at from silver.int_bars__covered_ranges
        where instrument_id = 'crypto:STRM/USD'
        """,
    )
    assert found == [(at("15:02"), at("15:03"))]


def test_trades_of_two_connections_count_once_with_the_side_that_took(vendors: Warehouse) -> None:
    """The vendor names the maker's side: where that sold, the taker bought."""
    found = rows(
        vendors.database,
        """
        select instrument_id, trade_id, traded_at, price, size, side from silver.trades
        where provider = 'coinbase' and traded_at >= timestamp '2026-11-20'
        order by traded_at
        """,
    )
    assert found == [
        ("crypto:BTC/USD", str(number), at(f"10:00:0{number}.1"), price,
         0.01, "buy")
        for number, price in ((1, 60000.1), (2, 60000.2), (4, 60000.1))
    ]  # fmt: skip


def test_bad_trades_are_quarantined(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select reasons, original ->> 'price' from silver.ticks_quarantined
        where provider = 'coinbase' and _fetched_at = timestamp '2026-11-20 10:00:30'
        """,
    )
    assert found == [(["negative_price"], "-1")]


def test_tickers_and_quotes_are_best_prices_and_zero_is_none(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select instrument_id, bid_price, bid_size, ask_price, ask_size from silver.quotes
        where quoted_at >= timestamp '2026-11-20' and quoted_at < timestamp '2026-11-21'
            and provider in ('coinbase', 'alpaca_iex')
        order by quoted_at
        """,
    )
    assert found == [
        ("crypto:BTC/USD", 60000.09, 0.5, 60000.11, 0.25),
        ("equity:STRM", 100, 2, 100.2, 3),
        ("equity:STRM", None, 2, 100.3, 3),
    ]


def test_what_other_programs_send_is_of_the_instrument_they_name(vendors: Warehouse) -> None:
    trades = rows(
        vendors.database,
        "select instrument_id, trade_id, traded_at, side from silver.trades"
        " where provider = 'serve'",
    )
    assert trades == [("crypto:SERVED/USD", "bot-1:7", at("15:00"), "sell")]
    bars = rows(
        vendors.database,
        "select close from silver.bars where instrument_id = 'crypto:SERVED/USD'"
        " and timeframe = '1m'",
    )
    assert bars == [(102,)]
    quotes = rows(vendors.database, "select ask_size from silver.quotes where provider = 'serve'")
    assert quotes == [(2,)]
