"""What Kraken sends, landed as its loader lands it."""

from tests.dbt.landing import Landing


def bar(time: str, close: str) -> list[str]:
    """Return a row with every value but time and close the same."""
    return [time, "100.1", "120.5", "80.2", close, "101.25", "12.34560000", "77"]


def pair(internal: str, altname: str, wsname: str, status: str = "online") -> dict[str, str]:
    base, _, quote = wsname.partition("/")
    return {
        "pair": internal,
        "altname": altname,
        "wsname": wsname,
        "aclass_base": "currency",
        "base": base,
        "aclass_quote": "currency",
        "quote": quote,
        "status": status,
    }


def land(lake: Landing) -> None:
    """Land listings, a leap day, and an hour that was in progress when first asked for."""
    lake.land(
        "kraken",
        "asset_pairs",
        [
            pair("XXBTZEUR", "XBTEUR", "XBT/EUR"),
            pair("XETHXXBT", "ETHXBT", "ETH/XBT"),
            pair("XDGEUR", "XDGEUR", "XDG/EUR", "cancel_only"),
            pair("USDTZUSD", "USDTUSD", "USDT/USD"),
            pair("ZEURZUSD", "EURUSD", "EUR/USD"),
        ],
        fetched="2024-02-01T00:00Z",
    )
    lake.land(
        "kraken",
        "bars",
        [bar("1709078400", "91"), bar("1709164800", "92"), bar("1709251200", "93")],
        fetched="2024-03-02T00:05Z",
        symbol="XDGEUR",
        timeframe="1d",
        asked=("2024-02-28T00:00Z", "2024-03-02T00:00Z"),
    )
    lake.land(
        *("kraken", "bars", [bar("1709280000", "99"), bar("1709283600", "98.5")]),
        fetched="2024-03-01T09:34:56Z",
        symbol="XBTEUR",
        timeframe="1h",
        asked=("2024-03-01T08:00Z", "2024-03-01T10:00Z"),
    )
    lake.land(
        *("kraken", "bars", [bar("1709280000", "99"), bar("1709283600", "105.5")]),
        fetched="2024-03-01T10:05Z",
        symbol="XBTEUR",
        timeframe="1h",
        asked=("2024-03-01T08:00Z", "2024-03-01T10:00Z"),
    )
