"""What FMP sends, landed as its loader lands it. All values are made up."""

from collections.abc import Mapping

from tests.dbt.landing import Landing

PROVIDER = "fmp"
FETCHED = "2026-11-10T06:00Z"


def day(date: str, close: str) -> dict[str, str]:
    """Return a raw day, whose prices the vendor calls adjusted."""
    return {
        "symbol": "FMT",
        "date": date,
        "adjOpen": "100.0",
        "adjHigh": "120.25",
        "adjLow": "80.5",
        "adjClose": close,
        "volume": "20201922.82733",
        "path": "historical-price-eod/non-split-adjusted",
    }


def within_the_day(label: str, close: str) -> dict[str, str]:
    return {
        "date": label,
        "open": "100",
        "low": "80",
        "high": "120",
        "close": close,
        "volume": "1200",
        "path": "historical-chart/5min",
    }


def statement(
    period: str, ends: str, accepted: str, items: Mapping[str, float]
) -> dict[str, object]:
    return {
        "symbol": "FMT",
        "date": ends,
        "reportedCurrency": "USD",
        "cik": "0000000007",
        "filingDate": accepted[:10],
        "acceptedDate": accepted,
        "fiscalYear": ends[:4],
        "period": period,
        "items": items,
    }


def profile(symbol: str, name: str, **changed: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "companyName": name,
        "currency": "USD",
        "isin": f"US000000{symbol[:3]}1",
        "exchange": "NYSE",
        "ipoDate": "1999-01-04",
        "isActivelyTrading": "true",
        **changed,
    }


def land(lake: Landing) -> None:
    """Land weeks in which clocks change, profiles of a renamed company, actions, statements."""
    for fetched, profiles in (
        (
            "2026-01-05T06:00Z",
            [
                profile("FMT", "Example Freight"),
                profile("FMT-B", "Example Freight B", isin="US000000FMB1"),
                profile("FMO", "Old Name", isin="US000000FMN1"),
                profile("FMX", "Example Sails", isActivelyTrading="false", isin=""),
            ],
        ),
        (FETCHED, [profile("FMT", "Example Freight"), profile("FMN", "New Name")]),
    ):
        for each in profiles:
            lake.land(PROVIDER, "company_profiles", [each], fetched=fetched, symbol=each["symbol"])
    lake.land(
        PROVIDER,
        "bars",
        [day(date, "90.25") for date in ("2024-03-01", "2024-02-29", "2024-02-28")],
        fetched=FETCHED,
        symbol="FMT",
        timeframe="1d",
        asked=("2024-02-28T00:00Z", "2024-03-02T00:00Z"),
    )
    lake.land(
        PROVIDER,
        "bars",
        [
            within_the_day(label, "101.5")
            for label in (
                "2025-11-28 12:55:00",
                "2026-03-06 15:55:00",
                "2026-03-09 09:30:00",
                "2026-10-30 15:55:00",
                "2026-11-02 09:30:00",
            )
        ],
        fetched=FETCHED,
        symbol="FMT-B",
        timeframe="5m",
        asked=("2025-11-28T00:00Z", "2026-11-03T00:00Z"),
    )
    lake.land(
        PROVIDER,
        "splits",
        [
            {"symbol": "FMT", "date": "2024-06-10", "numerator": "3", "denominator": "2"},
            {"symbol": "FMT", "date": "2010-06-10", "numerator": "1", "denominator": "8"},
            {"symbol": "FMT", "date": "2009-06-10", "numerator": "1", "denominator": "0"},
        ],
        fetched=FETCHED,
        symbol="FMT",
    )
    lake.land(
        PROVIDER,
        "dividends",
        [
            {
                "symbol": "FMT",
                "date": "2024-02-29",
                "recordDate": "2024-03-01",
                "declarationDate": "",
                "adjDividend": "0.5466666",
                "dividend": "0.82",
            }
        ],
        fetched=FETCHED,
        symbol="FMT",
    )
    lake.land(
        PROVIDER,
        "income_statements",
        [
            statement(
                "FY", "2025-09-27", "2025-10-31 06:01:26", {"revenue": 5000.5, "interestExpense": 0}
            ),
            statement("Q1", "2025-12-27", "2026-01-30 18:05:00", {"revenue": 1300}),
        ],
        fetched=FETCHED,
        symbol="FMT",
    )
    for dataset, items in (
        ("balance_sheets", {"totalAssets": 9000}),
        ("cash_flows", {"operatingCashFlow": 700.5, "capitalExpenditure": -10}),
    ):
        lake.land(
            PROVIDER,
            dataset,
            [statement("FY", "2025-09-27", "2025-10-31 06:01:26", items)],
            fetched=FETCHED,
            symbol="FMT",
        )
