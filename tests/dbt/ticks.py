"""Quotes, trades, and bars that two vendors tell of: good ones, and bad if wanted."""

from tests.dbt.landing import HOUR, Landing, bars, inbox_bars


def candle(day: str, hour: int, close: str = "100.5") -> dict[str, object]:
    """Return an hour as OANDA gives it."""
    return {
        "time": f"{day}T{hour}:00:00.000000000Z",
        "complete": True,
        "volume": 7,
        "mid": {"o": "100", "h": "120", "l": "80", "c": close},
        "bid": {"o": "99", "h": "119", "l": "79", "c": "99.5"},
        "ask": {"o": "101", "h": "121", "l": "81", "c": "101.5"},
    }


def trade(day: str, trade_id: str, price: str) -> dict[str, str]:
    return {
        "source": "bot",
        "asset_class": "fx",
        "symbol": "EUR/USD",
        "trade_id": trade_id,
        "traded_at": f"{day}T10:00:00Z",
        "price": price,
        "size": "2",
    }


def quote(quoted_at: str, bid: str) -> dict[str, str]:
    return {
        "source": "bot",
        "asset_class": "fx",
        "symbol": "EUR/USD",
        "quoted_at": quoted_at,
        "bid_price": bid,
        "bid_size": "1",
        "ask_price": "101",
        "ask_size": "1",
    }


def land_ticks(lake: Landing, *, day: str, bad: bool) -> None:
    """Land three hours of EUR/USD that OANDA and a file tell of, and trades and quotes sent."""
    fetched = f"{day}T22:30Z"
    asked = (f"{day}T10:00Z", f"{day}T13:00Z")
    instrument = {"name": "EUR_USD", "type": "CURRENCY", "displayName": "EUR/USD"}
    lake.land("oanda", "instruments", [instrument], fetched=fetched)
    lake.land(
        *("oanda", "bars", [candle(day, hour) for hour in (10, 11, 12)]),
        fetched=fetched,
        symbol="EUR_USD",
        timeframe="1h",
        asked=asked,
    )
    lake.land(
        *("inbox", "bars", inbox_bars("fx", "EUR/USD", "1h", bars(asked[0], 3, HOUR))),
        fetched=fetched,
        symbol="fx:EUR/USD",
        timeframe="1h",
        asked=asked,
    )
    trades = [trade(day, "1", "100.5"), trade(day, "2", "0")]
    quotes = [quote(f"{day}T10:00:00Z", "99"), quote("no time", "99")]
    for dataset, records in (("trades", trades), ("quotes", quotes)):
        lake.land("serve", dataset, records if bad else records[:1], fetched=fetched)
