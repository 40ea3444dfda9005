"""Stocks with every kind of action that changes what their prices mean. All made up."""

import csv
from collections.abc import Iterable
from datetime import UTC, date, datetime

from tests.dbt.landing import Bar, Landing, inbox_bars

SYMBOL = "ADJT"
SPLITS = {date(2024, 1, 16): 2.0}
SPIN_OFFS = {date(2024, 1, 24): 1.046}
"""By how much the vendor says that prices before are too high."""

DIVIDENDS = {date(2024, 1, 9): 0.24, date(2024, 1, 16): 0.5, date(2024, 1, 30): 1.25}
"""Cash per share; the second on the day of the split, per new share."""

CLOSES = {
    date(2024, 1, day): close
    for day, close in (
        *((2, 100.25), (3, 101.5), (4, 99.75), (5, 102.0), (8, 103.5), (9, 104.25), (10, 103.0)),
        *((11, 105.5), (12, 106.25), (16, 53.5), (17, 52.75), (18, 54.0), (19, 55.25), (22, 54.5)),
        *((23, 56.0), (24, 53.25), (25, 52.5), (26, 53.75), (29, 54.25), (30, 52.0), (31, 53.5)),
    )
}


PUBLISHED_SYMBOL = "ADJV"
PUBLISHED = """\
timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient
2024-02-13,47.5000,48.0000,46.5000,47.0000,47.0,2100,0.0000,1.0
2024-02-12,47.6000,48.2000,47.1000,47.5000,47.5,2300,0.4800,1.0
2024-02-09,48.8000,49.0000,47.6000,48.0000,47.52,2500,0.0000,1.024
2024-02-08,49.6000,50.4000,49.4000,50.0000,48.33984375,2200,0.0000,1.0
2024-02-07,49.2000,50.2000,49.0000,49.5000,47.8564453125,2400,1.0000,2.0
2024-02-06,101.8000,102.0000,99.6000,100.0000,47.373046875,1200,0.0000,1.0
2024-02-05,103.0000,103.4000,101.6000,102.0000,48.3205078125,1100,1.0400,1.0
2024-02-02,100.4000,104.6000,100.2000,104.0000,48.7752890625,1300,0.0000,1.0
2024-02-01,99.8000,101.0000,99.2000,100.0000,46.89931640625,1000,0.0000,1.0
"""
"""What the vendor's `TIME_SERIES_DAILY_ADJUSTED` would say of made-up prices, worked out by hand.

Prices and volumes are as traded, dividends are per share of their day, and a spin-off stands among
splits with a coefficient that no split has. An adjusted close is the close times a factor, which is
1 on the last day and, going back, changes before each ex-date:

| before | what happened | times | factor |
|---|---|---|---|
| 02-12 | 0.48 paid of a close of 48 | 1 - 0.01 = 0.99 | 0.99 |
| 02-09 | spin-off, 1.024 | 1 / 1.024 = 0.9765625 | 0.966796875 |
| 02-07 | two for one; 1 paid of a close of 100, or 50 a new share | 0.98 / 2 | 0.47373046875 |
| 02-05 | 1.04 paid of a close of 104 | 1 - 0.01 = 0.99 | 0.4689931640625 |

So 02-09 is 48 x 0.99 = 47.52; 02-08 is 50 x 0.966796875; 02-06 is 100 x 0.47373046875 and 02-01 is
100 x 0.4689931640625. Every number in the table ends where it is written.
"""


def published() -> list[dict[str, str]]:
    """Return the rows of `PUBLISHED`."""
    return list(csv.DictReader(PUBLISHED.splitlines()))


def land(lake: Landing) -> None:
    """Land what was traded, and the actions as vendors give them."""
    _land_worked_out(lake)
    _land_published(lake)
    _land_stock_dividend(lake)


def _list(lake: Landing, symbol: str) -> None:
    lake.land(
        "alpha_vantage",
        "listings",
        [{"symbol": symbol, "name": "Adjusted", "exchange": "NYSE", "status": "Active"}],
        fetched="2024-03-10T00:00Z",
        # Not a list on which others would be missed.
        is_complete=False,
    )


def _land_actions(
    lake: Landing,
    symbol: str,
    splits: Iterable[tuple[str, str]],
    dividends: Iterable[tuple[str, str]],
) -> None:
    lake.land(
        "alpha_vantage",
        "splits",
        [{"effective_date": day, "split_factor": ratio} for day, ratio in splits],
        fetched="2024-03-10T00:00Z",
        symbol=symbol,
    )
    lake.land(
        "alpha_vantage",
        "dividends",
        [
            {"ex_dividend_date": day, "declaration_date": "None", "amount": amount}
            for day, amount in dividends
        ],
        fetched="2024-03-10T00:00Z",
        symbol=symbol,
    )


def _land_published(lake: Landing) -> None:
    """Land the same days as the vendor's raw series, its splits and its dividends give them."""
    _list(lake, PUBLISHED_SYMBOL)
    raw = ("open", "high", "low", "close", "volume")
    lake.land(
        "alpha_vantage",
        "bars",
        [
            {
                "time": row["timestamp"],
                **{name: row[name] for name in raw},
                "asset_class": "equity",
                "function": "TIME_SERIES_DAILY",
                "time_zone": "US/Eastern",
            }
            for row in published()
        ],
        fetched="2024-03-10T00:00Z",
        symbol=PUBLISHED_SYMBOL,
        timeframe="1d",
        asked=("2024-02-01T00:00Z", "2024-02-14T00:00Z"),
    )
    _land_actions(
        lake,
        PUBLISHED_SYMBOL,
        [
            (row["timestamp"], row["split_coefficient"])
            for row in published()
            if float(row["split_coefficient"]) != 1
        ],
        [
            (row["timestamp"], row["dividend_amount"])
            for row in published()
            if float(row["dividend_amount"])
        ],
    )


def _land_stock_dividend(lake: Landing) -> None:
    """Land a stock dividend of 3.2 % that one vendor gives as a split, and another by its name."""
    _list(lake, "ADJS")
    asset = {"id": "adjs", "class": "us_equity", "exchange": "NYSE", "symbol": "ADJS"}
    lake.land(
        "alpaca",
        "assets",
        [{**asset, "name": "Adjusted", "status": "active"}],
        fetched="2024-03-10T00:00Z",
        is_complete=False,
    )
    days = [
        Bar(datetime(2024, 2, day, tzinfo=UTC), close, high="200", low="1")
        for day, close in ((1, "103.2"), (2, "100"), (5, "101"))
    ]
    lake.land(
        *("inbox", "bars", inbox_bars("equity", "ADJS", "1d", days)),
        fetched="2024-03-10T00:00Z",
        symbol="equity:ADJS",
        timeframe="1d",
        asked=("2024-02-01T00:00Z", "2024-02-06T00:00Z"),
    )
    _land_actions(lake, "ADJS", [("2024-02-02", "1.0320")], [])
    lake.land(
        "alpaca",
        "corporate_actions",
        # Friday and Monday are neighbours: vendors differ by a session.
        [{"type": "stock_dividends", "symbol": "ADJS", "rate": "0.032", "ex_date": "2024-02-05"}],
        fetched="2024-03-10T00:00Z",
        symbol="ADJS",
        asked=("2024-01-01T00:00Z", "2024-03-01T00:00Z"),
    )


def _land_worked_out(lake: Landing) -> None:
    days = [
        Bar(
            datetime(day.year, day.month, day.day, tzinfo=UTC),
            str(close),
            high="200",
            low="1",
        )
        for day, close in CLOSES.items()
    ]
    lake.land(
        *("inbox", "bars", inbox_bars("equity", SYMBOL, "1d", days)),
        fetched="2024-02-10T00:00Z",
        symbol=f"equity:{SYMBOL}",
        timeframe="1d",
        asked=("2024-01-01T00:00Z", "2024-02-01T00:00Z"),
    )
    _list(lake, SYMBOL)
    _land_actions(
        lake,
        SYMBOL,
        [(f"{day}", f"{ratio:.4f}") for day, ratio in {**SPLITS, **SPIN_OFFS}.items()],
        [(f"{day}", f"{amount}") for day, amount in DIVIDENDS.items()],
    )
