"""What OANDA sends, landed as its loader lands it. Values are made up."""

from typing import Any

from tests.dbt.landing import Landing

SYMBOL = "AUD_NZD"


def candle(time: str, *, is_complete: bool = True, close: str = "1.10010") -> dict[str, Any]:
    """Return a candle of mid, bid and ask."""
    return {
        "complete": is_complete,
        "volume": "42",
        "time": f"{time}:00.000000000Z",
        "mid": {"o": "1.10000", "h": "1.10020", "l": "1.09990", "c": close},
        "bid": {"o": "1.09990", "h": "1.10010", "l": "1.09980", "c": "1.10000"},
        "ask": {"o": "1.10010", "h": "1.10030", "l": "1.10000", "c": "1.10020"},
    }


def land(lake: Landing) -> None:
    """Land two weeks in which clocks change, a candle in progress, and one on a Saturday."""
    lake.land(
        "oanda",
        "instruments",
        [
            {"name": SYMBOL, "type": "CURRENCY", "displayName": "AUD/NZD"},
            {"name": "CHF_JPY", "type": "CURRENCY", "displayName": "CHF/JPY"},
            {"name": "DE30_EUR", "type": "CFD", "displayName": "Germany 30"},
            {"name": "XAU_USD", "type": "METAL", "displayName": "Gold"},
        ],
        fetched="2026-01-02T00:00Z",
    )
    days = ["2026-03-04T22:00", "2026-03-05T22:00", "2026-03-08T21:00", "2026-03-09T21:00"]
    _land(lake, "1d", days, ("2026-03-05T00:00Z", "2026-03-11T00:00Z"), "2026-03-11T00:00Z")
    days = ["2026-10-29T21:00", "2026-11-01T22:00"]
    _land(lake, "1d", days, ("2026-10-30T00:00Z", "2026-11-03T00:00Z"), "2026-11-03T00:00Z")
    hours = ["2026-03-06T14:00", "2026-03-06T18:00", "2026-03-08T21:00", "2026-03-09T01:00"]
    _land(lake, "4h", hours, ("2026-03-06T14:00Z", "2026-03-09T05:00Z"), "2026-03-09T06:00Z")
    hours = ["2026-10-30T17:00", "2026-11-01T22:00", "2026-11-02T02:00"]
    _land(lake, "4h", hours, ("2026-10-30T17:00Z", "2026-11-02T06:00Z"), "2026-11-02T07:00Z")
    hours = ["2026-03-06T21:00", "2026-03-07T12:00", "2026-03-08T21:00"]
    _land(lake, "1h", hours, ("2026-03-06T21:00Z", "2026-03-08T22:00Z"), "2026-03-08T23:00Z")
    for fetched, told in (
        # Asked after its end, but the vendor had not seen that: it counts as fetched at the end.
        ("2026-03-09T12:15Z", candle("2026-03-09T12:00", is_complete=False, close="1.09995")),
        ("2026-03-09T12:20Z", candle("2026-03-09T12:00")),
    ):
        lake.land(
            *("oanda", "bars", [told]),
            fetched=fetched,
            symbol=SYMBOL,
            timeframe="15m",
            asked=("2026-03-09T12:00Z", "2026-03-09T12:15Z"),
        )


def _land(
    lake: Landing, timeframe: str, starts: list[str], asked: tuple[str, str], fetched: str
) -> None:
    lake.land(
        *("oanda", "bars", [candle(start) for start in starts]),
        fetched=fetched,
        symbol=SYMBOL,
        timeframe=timeframe,
        asked=asked,
    )
