"""What Alpaca sends, landed as its loader and its stream land it. All values are made up."""

from typing import Any

from tests.dbt.landing import Landing


def bar(time: str, close: str = "101.5", **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a bar as REST gives it."""
    return {
        "t": time,
        "o": "100.5",
        "h": "102.25",
        "l": "99.75",
        "c": close,
        "v": "1200",
        "n": "15",
        "vw": "101.1",
        **changed,
    }


def message(kind: str, symbol: str, time: str, close: str) -> dict[str, Any]:
    """Return a bar as the stream gives it."""
    return bar(time, close, T=kind, S=symbol)


def asset(
    number: int, symbol: str, asset_class: str = "us_equity", status: str = "active"
) -> dict[str, str]:
    return {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "class": asset_class,
        "exchange": "CRYPTO" if asset_class == "crypto" else "NASDAQ",
        "symbol": symbol,
        "name": f"{symbol} made up",
        "status": status,
    }


def article(updated: str, headline: str) -> dict[str, Any]:
    return {
        "id": "40001",
        "headline": headline,
        "author": "A. Writer",
        "created_at": "2026-03-09T12:00:00Z",
        "updated_at": updated,
        "summary": "",
        "content": "<p>Text</p>",
        "url": "https://example.com/40001",
        "images": [],
        "symbols": ["ZALP", "ZLPUSD"],
        "source": "example",
    }


def land(lake: Landing) -> None:
    """Land a rename, two weeks in which clocks change, late trades, actions and an article."""
    _land_assets(lake)
    _land_stock_bars(lake)
    _land_stream(lake)
    lake.land(
        *("alpaca", "bars", [bar("2026-03-08T00:00:00Z"), bar("2026-03-09T00:00:00Z")]),
        fetched="2026-03-10T00:05Z",
        symbol="ZLP/USD",
        timeframe="1d",
        asked=("2026-03-08T00:00Z", "2026-03-10T00:00Z"),
    )
    _land_actions(lake)
    for fetched, told in (
        ("2026-03-09T12:20Z", article("2026-03-09T12:00:00Z", "First headline")),
        ("2026-03-09T13:20Z", article("2026-03-09T13:00:00Z", "Corrected headline")),
    ):
        lake.land(
            *("alpaca", "news", [told]),
            fetched=fetched,
            symbol="ZALP",
            asked=("2026-03-09T00:00Z", fetched),
        )


def _land_assets(lake: Landing) -> None:
    always = [
        asset(1, "ZALP"),
        asset(2, "ZALP.B"),
        asset(4, "ZGONE", status="inactive"),
        asset(5, "ZLP/USD", "crypto"),
        asset(6, "ZALP260320C00100000", "us_option"),
        asset(7, "TOLD"),
    ]
    lake.land("alpaca", "assets", [*always, asset(3, "ZOLD")], fetched="2026-01-02T00:00Z")
    lake.land("alpaca", "assets", [*always, asset(3, "ZNEW")], fetched="2026-03-02T00:00Z")


def _land_stock_bars(lake: Landing) -> None:
    """A day is stamped midnight in New York: 05:00Z in winter, 04:00Z in summer."""
    days = ("2026-03-06T05:00:00Z", "2026-03-09T04:00:00Z")
    lake.land(
        *("alpaca_sip", "bars", [bar(day) for day in days]),
        fetched="2026-03-10T12:00Z",
        symbol="ZALP",
        timeframe="1d",
        asked=("2026-03-06T00:00Z", "2026-03-10T00:00Z"),
    )
    for day in ("2024-02-29", "2025-11-28"):  # a leap day, and a half day
        lake.land(
            *("alpaca_sip", "bars", [bar(f"{day}T05:00:00Z")]),
            fetched="2026-01-02T00:00Z",
            symbol="ZALP",
            timeframe="1d",
            asked=(f"{day}T00:00Z", f"{day}T23:59Z"),
        )
    days = ("2026-10-30T04:00:00Z", "2026-11-02T05:00:00Z")
    lake.land(
        *("alpaca_sip", "bars", [bar(day) for day in days]),
        fetched="2026-11-03T12:00Z",
        symbol="ZALP",
        timeframe="1d",
        asked=("2026-10-30T00:00Z", "2026-11-03T00:00Z"),
    )
    minutes = [
        "2026-03-07T00:59:00Z",  # Friday, 19:59 in New York
        "2026-03-09T08:00:00Z",  # Monday, 04:00
        "2026-03-09T13:30:00Z",  # Monday, 09:30
    ]
    lake.land(
        *("alpaca_sip", "bars", [bar(minute) for minute in minutes]),
        fetched="2026-03-09T15:00Z",
        symbol="ZALP.B",
        timeframe="1m",
        asked=("2026-03-07T00:00Z", "2026-03-09T15:00Z"),
    )
    lake.land(
        *("alpaca_iex", "bars", [bar("2026-03-09T13:30:00Z", "99.9")]),
        fetched="2026-03-09T15:30Z",
        symbol="ZALP.B",
        timeframe="1m",
        asked=("2026-03-09T13:30Z", "2026-03-09T13:31Z"),
    )
    # Of the new symbol the vendor also gives what was traded under the old one.
    for symbol, days in (("ZOLD", ("2026-02-27",)), ("ZNEW", ("2026-02-26", "2026-03-03"))):
        lake.land(
            *("alpaca_sip", "bars", [bar(f"{day}T05:00:00Z") for day in days]),
            fetched="2026-03-05T12:00Z",
            symbol=symbol,
            timeframe="1d",
            asked=(f"{days[0]}T00:00Z", "2026-03-05T00:00Z"),
        )


def _land_stream(lake: Landing) -> None:
    """A minute comes when it ends, again after late trades, and over REST when all is settled."""
    start = "2026-03-09T14:00:00Z"
    for kind, fetched, close in (
        ("b", "2026-03-09T14:01:00.500Z", "100.1"),
        ("u", "2026-03-09T14:01:30.500Z", "100.2"),
    ):
        told = message(kind, "ZALP.B", start, close)
        lake.land(*("alpaca_iex", "bars", [told]), fetched=fetched, symbol="ZALP.B", timeframe="1m")
    lake.land(
        *("alpaca_iex", "bars", [bar(start, "100.2")]),
        fetched="2026-03-09T14:10Z",
        symbol="ZALP.B",
        timeframe="1m",
        asked=("2026-03-09T14:00Z", "2026-03-09T14:01Z"),
    )
    trade = {"S": "ZALP.B", "t": "2026-03-09T14:00:01.123456789Z", "x": "V", "z": "B"}
    lake.land(
        "alpaca_iex",
        "trades",
        [
            {**trade, "T": "t", "i": "1", "p": "100.1", "s": "100", "c": ["@"]},
            {**trade, "T": "t", "i": "2", "p": "999", "s": "100", "c": ["@"]},
            {**trade, "T": "t", "i": "1", "p": "100.3", "s": "5", "x": "N"},
            {
                **trade,
                "T": "c",
                "oi": "2",
                "op": "999",
                "os": "100",
                "oc": ["@"],
                "ci": "3",
                "cp": "100.2",
                "cs": "100",
                "cc": ["@"],
            },
            {**trade, "T": "x", "i": "1", "p": "100.3", "s": "5", "a": "C", "x": "N"},
        ],
        fetched="2026-03-09T14:00:05Z",
    )
    lake.land(
        "alpaca_iex",
        "quotes",
        [
            {
                "T": "q",
                "S": "ZALP.B",
                "t": "2026-03-09T14:00:01.5Z",
                "z": "B",
                "bp": "100.1",
                "bs": "2",
                "bx": "V",
                "ap": "100.3",
                "as": "1",
                "ax": "V",
            }
        ],
        fetched="2026-03-09T14:00:05Z",
    )
    lake.land(
        "alpaca",
        "trades",
        [
            {
                "T": "t",
                "S": "ZLP/USD",
                "t": "2026-03-09T14:00:01Z",
                "i": "7",
                "p": "2.5",
                "s": "0.125",
                "tks": "S",
            }
        ],
        fetched="2026-03-09T14:00:05Z",
    )


def _land_actions(lake: Landing) -> None:
    dated = {"process_date": "2026-03-20", "ex_date": "2026-03-16"}
    lake.land(
        "alpaca",
        "corporate_actions",
        [
            {"type": "forward_splits", "symbol": "ZALP", "new_rate": "4", "old_rate": "1", **dated},
            {"type": "cash_dividends", "symbol": "ZALP", "rate": "0.25", "special": False, **dated},
        ],
        fetched="2026-03-21T00:00Z",
        symbol="ZALP",
        asked=("2026-01-01T00:00Z", "2026-03-21T00:00Z"),
    )
    lake.land(
        "alpaca",
        "corporate_actions",
        [
            {"type": "reverse_splits", "symbol": "ZALP.B", "new_rate": "1", "old_rate": "10"}
            | dated,
            {"type": "stock_dividends", "symbol": "ZALP.B", "rate": "0.05"}
            | {"process_date": "2026-02-20", "ex_date": "2026-02-17"},
            {"type": "spin_offs", "source_symbol": "ZALP.B", "source_rate": "4", "new_rate": "1"}
            | {"new_symbol": "ZSPUN", **dated},
            {"type": "cash_mergers", "acquiree_symbol": "ZGONE", "rate": "12.5"}
            | {"process_date": "2026-03-20", "effective_date": "2026-03-19"},
            {"type": "name_changes", "old_symbol": "ZOLD", "new_symbol": "ZNEW"}
            | {"process_date": "2026-03-01"},
            {"type": "partial_calls", "symbol": "ZALP.B", "rate": "1", **dated},
        ],
        fetched="2026-03-21T00:00Z",
        symbol="ZALP.B",
        asked=("2026-01-01T00:00Z", "2026-03-21T00:00Z"),
    )
