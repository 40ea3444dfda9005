"""What Binance sends, landed as its loader lands it: both sources, and times in ms and µs."""

from tests.dbt.landing import Landing

KLINES, ARCHIVE = "klines", "archive"


def bar(open_time: str, close: str, source: str = KLINES, close_time: str = "0") -> list[str]:
    """Return a row with every value but times and close the same."""
    return [
        *(open_time, "100.10", "120.50", "80.20", close, "12.34560000", close_time),
        *("1234.50000000", "77", "6.10000000", "610.00000000", "0", source),
    ]


def symbol(base: str, quote: str, status: str = "TRADING") -> dict[str, str]:
    return {
        "symbol": base + quote,
        "status": status,
        "baseAsset": base,
        "quoteAsset": quote,
        "isSpotTradingAllowed": "true",
    }


def land(lake: Landing) -> None:
    """Land listings, the turn of 2024, a leap day, hours off the grid and a bar in progress."""
    lake.land(
        "binance",
        "products",
        [
            symbol("BTC", "USDT"),
            symbol("ETH", "BTC"),
            symbol("1INCH", "USDT"),
            symbol("LUNA", "USDT", "BREAK"),
        ],
        fetched="2026-03-01T00:00Z",
    )
    archives = {
        ("2024-12-01T00:00Z", "2025-01-01T00:00Z"): [
            bar("1735687800000", "101", ARCHIVE, "1735688699999"),
            bar("1735688700000", "102", ARCHIVE, "1735689599999"),
        ],
        ("2025-01-01T00:00Z", "2025-02-01T00:00Z"): [
            bar("1735689600000000", "103", ARCHIVE, "1735690499999999"),
            bar("1735690500000000", "104", ARCHIVE, "1735691399999999"),
        ],
    }
    for month, rows in archives.items():
        lake.land(
            *("binance", "bars", rows),
            fetched="2026-03-01T00:00Z",
            symbol="BTCUSDT",
            timeframe="15m",
            asked=month,
        )
    # The same quarter-hours again, now as the market-data host tells them.
    lake.land(
        *("binance", "bars", [bar("1735688700000", "102"), bar("1735689600000", "103")]),
        fetched="2026-03-02T00:00Z",
        symbol="BTCUSDT",
        timeframe="15m",
        asked=("2024-12-31T23:45Z", "2025-01-01T00:15Z"),
    )
    lake.land(
        "binance",
        "bars",
        [bar("1709078400000", "91"), bar("1709164800000", "92"), bar("1709251200000", "93")],
        fetched="2026-03-01T00:00Z",
        symbol="BTCUSDT",
        timeframe="1d",
        asked=("2024-02-28T00:00Z", "2024-03-02T00:00Z"),
    )
    # After the maintenance of February 2018 hours began at 28 minutes past.
    lake.land(
        *("binance", "bars", [bar("1518166800000", "91"), bar("1518172080000", "92")]),
        fetched="2026-03-01T00:00Z",
        symbol="ETHBTC",
        timeframe="1h",
        asked=("2018-02-09T09:00Z", "2018-02-09T12:00Z"),
    )
    for fetched, close in (("2026-03-10T12:34:56Z", "99"), ("2026-03-10T14:05Z", "105.5")):
        lake.land(
            *("binance", "bars", [bar("1773144000000", close)]),
            fetched=fetched,
            symbol="1INCHUSDT",
            timeframe="1h",
            asked=("2026-03-10T12:00Z", "2026-03-10T13:00Z"),
        )
