"""A small lake in which every table of the warehouse finds something to hold, good and bad."""

import json
from datetime import UTC, date, datetime, timedelta

from ingest.backfill import backfill
from ingest.lake import Lake
from ingest.provider import Request
from ingest.providers.simulator import START, Simulator
from ingest.settings import DataDir
from tests.dbt.fundamentals import land_fundamentals
from tests.dbt.landing import (
    DAY,
    HOUR,
    MINUTE,
    Landing,
    bars,
    coinbase_bars,
    inbox_bars,
    listing,
    product,
    sample_bars,
    sessions,
)
from tests.dbt.news import land_news
from tests.dbt.research import land_figures, land_moods
from tests.dbt.simulated import land_simulated_trading, some_pairs
from tests.dbt.ticks import land_ticks
from tests.dbt.trading import land_trading

SIMULATED_DAYS = timedelta(days=4)
"""As many as it takes the simulator to make each of its mistakes once."""

SPLIT = "2024-01-10"


def land_demo(data: DataDir) -> None:
    """Land every dataset that SQL reads, and the record of one earlier build."""
    lake = Landing(data)
    _land_calendars(lake)
    _land_stocks(lake)
    _land_coins(lake)
    _land_simulation(data)
    _land_files(lake)
    land_trading(lake)
    land_simulated_trading(data, some_pairs(SIMULATED_DAYS.days))
    land_fundamentals(lake, bad=True)
    land_news(lake, bad=True)
    land_figures(lake, "OLD", 2022)
    land_moods(lake)
    land_ticks(lake, day="2024-01-10", bad=True)
    data.runs.mkdir(parents=True)
    check = {
        "table": "bars", "name": "bars_volume", "outcome": "pass", "value": 1.0, "detail": "fine",
        "failing_keys": ["a"],
    }  # fmt: skip
    record = {
        "build_id": "20240101T000000000000Z-00000000",
        "started_at": "2024-01-01T00:00:00Z",
        "finished_at": "2024-01-01T00:01:00Z",
        "status": "passed",
        "is_full_refresh": True,
        "checks_passed": 1,
        "soda": [check],
    }
    (data.runs / f"{record['build_id']}.json").write_text(json.dumps(record), encoding="utf-8")


def _land_calendars(lake: Landing) -> None:
    extract = sessions(date(2023, 11, 1), date(2024, 3, 29), half_days=[date(2023, 11, 24)])
    bad = {**extract[0], "session_date": "2024-02-31"}
    lake.land(
        "exchange_calendars",
        "sessions",
        [*extract, bad],
        fetched="2024-01-01T00:00Z",
        symbol="XNYS",
    )


def _land_stocks(lake: Landing) -> None:
    listings = [
        listing("US-1", "OLD", "2010-01-01"),
        listing("US-1", "NEW", "2024-01-09"),
        listing("US-2", "BAD", "no date"),
    ]
    lake.land("sample", "instruments", listings, fetched="2024-01-20T00:00Z")
    split = {"symbol": "NEW", "action_type": "split", "ex_date": SPLIT, "ratio": "2"}
    lake.land(
        "sample",
        "corporate_actions",
        [split, {**split, "action_type": "merger"}],
        fetched="2024-01-20T00:00Z",
    )
    for ticker, start, count in (("OLD", "2024-01-02T00:00Z", 4), ("NEW", "2024-01-09T00:00Z", 4)):
        daily = bars(start, count, DAY)
        dates = [f"{bar.start:%Y-%m-%d}" for bar in daily]
        adjusted = {day: "50" for day in dates if day < SPLIT}
        lake.land(
            "sample",
            "bars",
            sample_bars(ticker, daily, adjusted),
            fetched="2024-01-20T00:00Z",
            symbol=ticker,
            timeframe="1d",
            asked=("2024-01-01T00:00Z", "2024-01-13T00:00Z"),
        )


def _land_coins(lake: Landing) -> None:
    before = {"min_market_funds": "1", "quote_increment": "x"}
    now = {"min_market_funds": "one", "quote_increment": "0.01"}
    for products, steps, fetched in (
        (["BTC-USD", "ETH-USD", "GONE-USD"], before, "2024-01-08T00:00Z"),
        (["BTC-USD", "ETH-USD"], now, "2024-01-09T00:00Z"),
        (["BTC-USD", "ETH-USD", "SOL-USD"], now, "2024-01-10T00:00Z"),
    ):
        extract = [product(each, **steps) for each in products]
        lake.land("coinbase", "products", extract, fetched=fetched)
    minutes = coinbase_bars(bars("2024-01-08T00:00Z", 60, MINUTE))
    asked = ("2024-01-08T00:00Z", "2024-01-08T01:00Z")
    # The last minute is still open, and one value is beyond what the vendor documents.
    lake.land(
        "coinbase",
        "bars",
        [[*row, "extra"] for row in minutes],
        fetched="2024-01-08T00:59:30Z",
        symbol="BTC-USD",
        timeframe="1m",
        asked=asked,
    )
    lake.land(
        "coinbase",
        "bars",
        [[*row[:5], "11"] for row in minutes],
        fetched="2024-01-09T00:00Z",
        symbol="BTC-USD",
        timeframe="1m",
        asked=asked,
    )
    lake.land(
        "coinbase",
        "bars",
        coinbase_bars(bars("2024-01-08T00:00Z", 24, HOUR)),
        fetched="2024-01-09T00:10Z",
        symbol="BTC-USD",
        timeframe="1h",
        asked=("2024-01-08T00:00Z", "2024-01-09T00:00Z"),
    )


def _land_files(lake: Landing) -> None:
    """Land three days of hours, of which only the second has an average price."""
    for day, average in ((9, {}), (10, {"vwap": "100"}), (11, {})):
        asked = (f"2024-01-{day - 1:02}T22:00Z", f"2024-01-{day:02}T22:00Z")
        hours = inbox_bars("fx", "EUR/USD", "1h", bars(asked[0], 24, HOUR))
        lake.land(
            "inbox",
            "bars",
            [{**record, **average} for record in hours],
            fetched=f"2024-01-{day + 10}T00:00Z",
            symbol="fx:EUR/USD",
            timeframe="1h",
            asked=asked,
        )


def _land_simulation(data: DataDir) -> None:
    lake = Lake(data, clock=lambda: datetime(2024, 2, 1, tzinfo=UTC))
    simulator = Simulator(lake.clock, faults=True)
    pair = Request("bars", "SIM-BTC/USD", "1m", START, START + SIMULATED_DAYS)
    for requests in ([pair], simulator.default_request("instruments")):
        report = backfill(simulator, requests, lake, clock=lake.clock)
        assert report.is_complete, report.failures
