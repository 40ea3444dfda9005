"""A month of one stock with every kind of action that changes what its prices mean. All made up."""

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


def land(lake: Landing) -> None:
    """Land closes as traded, and the actions as Alpha Vantage gives them."""
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
    lake.land(
        "alpha_vantage",
        "listings",
        [{"symbol": SYMBOL, "name": "Adjusted", "exchange": "NYSE", "status": "Active"}],
        fetched="2024-02-10T00:00Z",
        # Not a list on which others would be missed.
        is_complete=False,
    )
    splits = {**SPLITS, **SPIN_OFFS}
    lake.land(
        "alpha_vantage",
        "splits",
        [
            {"effective_date": f"{day}", "split_factor": f"{ratio:.4f}"}
            for day, ratio in splits.items()
        ],
        fetched="2024-02-10T00:00Z",
        symbol=SYMBOL,
    )
    lake.land(
        "alpha_vantage",
        "dividends",
        [
            {"ex_dividend_date": f"{day}", "declaration_date": "None", "amount": f"{amount}"}
            for day, amount in DIVIDENDS.items()
        ],
        fetched="2024-02-10T00:00Z",
        symbol=SYMBOL,
    )
