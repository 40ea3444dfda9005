"""What Alpha Vantage sends, landed as its loader lands it. All values are made up."""

import json
from collections.abc import Mapping, Sequence

from tests.dbt.landing import Landing

PROVIDER = "alpha_vantage"
FETCHED = "2026-11-10T06:00Z"
ZONES = {"equity": "US/Eastern", "crypto": "UTC", "fx": "UTC"}


def bar(time: str, close: str, asset_class: str = "equity", **changed: str) -> dict[str, str]:
    """Return a bar with every price but the close the same; currencies have no volume."""
    volume = {} if asset_class == "fx" else {"volume": "1200"}
    return {
        "time": time,
        "open": "100.0000",
        "high": "120.0000",
        "low": "80.0000",
        "close": close,
        **volume,
        "asset_class": asset_class,
        "function": "TIME_SERIES",
        "time_zone": ZONES[asset_class],
        **changed,
    }


def listing(symbol: str, name: str, status: str = "Active", **changed: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "name": name,
        "exchange": "NYSE",
        "assetType": "Stock",
        "ipoDate": "1999-01-04",
        "delistingDate": "null",
        "status": status,
        **changed,
    }


def statement(period_type: str, ends: str, items: Mapping[str, str]) -> dict[str, object]:
    return {
        "symbol": "AVT",
        "period_type": period_type,
        "fiscalDateEnding": ends,
        "reportedCurrency": "USD",
        "items": items,
    }


def land(lake: Landing) -> None:
    """Land weeks in which clocks change, listings, actions, statements and an article."""
    _land_listings(lake)
    _land_bars(lake)
    _land_actions(lake)
    _land_statements(lake)
    _land_news(lake)


def _land_listings(lake: Landing) -> None:
    """Land two lists; ZOLD and ZNEW are one stock, which Alpaca knows by its number."""
    used_before = listing("AVU", "Used Before Corp", "Delisted", delistingDate="2010-06-30")
    gone_in_april = listing("AVR", "Reused Corp", "Delisted", delistingDate="2026-04-30")
    january, november = [listing("AVD", "Delisting Inc")], []
    january += [listing("AVR", "Reused Corp"), listing("ZOLD", "Old Name")]
    november += [gone_in_april, listing("AVR", "Reusing Inc", ipoDate="2026-06-15")]
    november += [listing("ZNEW", "New Name")]
    for fetched, others in (("2026-01-05T06:00Z", january), (FETCHED, november)):
        gone = [listing("AVD", "Delisting Inc", "Delisted", delistingDate="2026-05-29")]
        lake.land(
            PROVIDER,
            "listings",
            [
                used_before,
                *(gone if fetched == FETCHED else []),
                listing("AVT", "Example Tools"),
                listing("AVT-B", "Example Tools Class B"),
                listing("AVU", "Used Again Inc", ipoDate="2021-03-01"),
                listing("ZAVZT", "", exchange="NASDAQ", ipoDate="null"),
                *others,
            ],
            fetched=fetched,
        )


def _land_bars(lake: Landing) -> None:
    def land_bars(
        symbol: str,
        timeframe: str,
        asked: tuple[str, str],
        bars: Sequence[dict[str, str]],
        fetched: str = FETCHED,
    ) -> None:
        lake.land(
            PROVIDER,
            "bars",
            bars,
            fetched=fetched,
            symbol=symbol,
            timeframe=timeframe,
            asked=asked,
        )

    for asked, labels in (
        (
            ("2025-11-28T00:00Z", "2025-11-29T00:00Z"),
            ["2025-11-28 09:30:00", "2025-11-28 12:55:00"],
        ),
        (
            ("2026-03-06T00:00Z", "2026-03-10T00:00Z"),
            ["2026-03-06 15:55:00", "2026-03-09 09:30:00"],
        ),
        (
            ("2026-10-30T00:00Z", "2026-11-03T00:00Z"),
            ["2026-10-30 15:55:00", "2026-11-02 09:30:00"],
        ),
    ):
        land_bars("AVT-B", "5m", asked, [bar(label, "100.5000") for label in labels])
    land_bars(
        "AVT",
        "1d",
        ("2024-02-28T00:00Z", "2024-03-02T00:00Z"),
        [bar(day, "90.2500") for day in ("2024-03-01", "2024-02-29", "2024-02-28")],
    )
    land_bars(
        "SOL/GBP",
        "5m",
        ("2026-03-08T06:00Z", "2026-03-08T07:00Z"),
        [
            bar("2026-03-08 06:30:00", "101", "crypto"),
            bar("2026-03-08 06:35:00", "102", "crypto", time_zone="Mars/Olympus"),
        ],
    )
    asked = ("2026-03-08T00:00Z", "2026-03-10T00:00Z")
    whole = bar("2026-03-08", "101", "crypto", volume="1000.25")
    day_in_progress = bar("2026-03-09", "99", "crypto", volume="3.5")
    land_bars("SOL/GBP", "1d", asked, [day_in_progress, whole], "2026-03-09T15:00Z")
    day_as_it_was = bar("2026-03-09", "104", "crypto", volume="998.5")
    land_bars("SOL/GBP", "1d", asked, [day_as_it_was, whole], "2026-03-11T01:00Z")
    land_bars(
        "CHF/SEK",
        "1h",
        ("2026-03-09T13:00Z", "2026-03-09T15:00Z"),
        [bar("2026-03-09 13:00:00", "100.1", "fx"), bar("2026-03-09 14:00:00", "100.2", "fx")],
    )
    land_bars(
        "CHF/SEK",
        "1d",
        ("2026-03-09T00:00Z", "2026-03-10T00:00Z"),
        [bar("2026-03-09", "100.3", "fx")],
    )


def _land_actions(lake: Landing) -> None:
    lake.land(
        PROVIDER,
        "splits",
        [
            {"effective_date": "2024-06-10", "split_factor": "2.0000"},
            {"effective_date": "2021-11-04", "split_factor": "1.0460"},
            {"effective_date": "None", "split_factor": "3.0000"},
        ],
        fetched=FETCHED,
        symbol="AVT",
    )
    lake.land(
        PROVIDER,
        "dividends",
        [
            {
                "ex_dividend_date": "2024-02-29",
                "declaration_date": "2024-01-30",
                "record_date": "2024-03-01",
                "payment_date": "2024-03-15",
                "amount": "1.66",
            },
            {
                "ex_dividend_date": "1999-02-08",
                "declaration_date": "None",
                "record_date": "None",
                "payment_date": "None",
                "amount": "0.0325",
            },
            {"ex_dividend_date": "2027-02-08", "declaration_date": "None", "amount": "None"},
        ],
        fetched=FETCHED,
        symbol="AVT",
    )


def _land_statements(lake: Landing) -> None:
    lake.land(
        PROVIDER,
        "income_statements",
        [
            statement("annual", "2025-12-31", {"totalRevenue": "5000", "netIncome": "0"}),
            statement("quarterly", "2026-03-31", {"totalRevenue": "1300", "netIncome": "None"}),
        ],
        fetched=FETCHED,
        symbol="AVT",
    )
    balance = statement("annual", "2025-12-31", {"totalAssets": "9000", "inventory": "None"})
    lake.land(PROVIDER, "balance_sheets", [balance], fetched=FETCHED, symbol="AVT")
    flow = statement("annual", "2025-12-31", {"operatingCashflow": "700.5"})
    lake.land(PROVIDER, "cash_flows", [flow], fetched=FETCHED, symbol="AVT")
    overview = {
        "Symbol": "AVT",
        "AssetType": "Common Stock",
        "Name": "Example Tools",
        "Currency": "USD",
        "DividendDate": "2026-12-15",
        "figures": {"MarketCapitalization": "120000", "PERatio": "None", "Beta": "0.75"},
    }
    lake.land(PROVIDER, "company_overviews", [overview], fetched=FETCHED, symbol="AVT")


def _land_news(lake: Landing) -> None:
    scores = [("AVT", "0.9", "0.31", "Somewhat-Bullish"), ("CRYPTO:AVQ", "0.2", "-0.05", "Neutral")]
    keys = ("ticker", "relevance_score", "ticker_sentiment_score", "ticker_sentiment_label")
    article = {
        "title": "Tools are in demand",
        "url": "https://news.example/tools",
        "time_published": "20260309T013000",
        "authors": ["A. Writer", "B. Editor"],
        "summary": "A summary.",
        "source": "Example News",
        "overall_sentiment_score": "0.25",
        "overall_sentiment_label": "Somewhat-Bullish",
        "ticker_sentiment": json.dumps([dict(zip(keys, each, strict=True)) for each in scores]),
    }
    lake.land(
        PROVIDER,
        "news_sentiment",
        [article],
        fetched=FETCHED,
        symbol="AVT",
        asked=("2026-03-09T00:00Z", "2026-03-10T00:00Z"),
    )
