"""Reported figures, good and bad, as the inbox lands them."""

from tests.dbt.landing import Landing

Record = dict[str, str]


def fact(concept: str, value: str, **changed: str) -> Record:
    """Return a figure of the first quarter of 2023, filed on 2023-05-04."""
    return {
        "asset_class": "equity",
        "symbol": "NEW",
        "statement": "income",
        "concept": concept,
        "period_start_date": "2023-01-01",
        "period_end_date": "2023-03-31",
        "value": value,
        "unit": "USD",
        "filed_at": "2023-05-04",
        "form": "10-Q",
        "filing_id": "q1",
        **changed,
    }


def balance(concept: str, value: str, **changed: str) -> Record:
    """Return a figure of the balance at the end of that quarter."""
    return fact(concept, value, statement="balance", period_start_date="", **changed)


RESTATED = {"filing_id": "q1-a", "form": "10-Q/A", "filed_at": "2023-09-01T16:30:00-04:00"}
HALF = {"period_end_date": "2023-06-30", "filed_at": "2023-08-03", "filing_id": "q2"}
SECOND = {**HALF, "period_start_date": "2023-04-01"}
YEAR = {"period_end_date": "2023-12-31", "filed_at": "2024-02-20", "form": "10-K", "filing_id": "y"}

REPORTED = (
    fact("revenue", "100"),
    fact("revenue", "98", **RESTATED),
    fact("revenue", "210", **HALF),
    fact("revenue", "112", **SECOND),
    fact("revenue", "450", **YEAR),
    fact("net_income", "-7.5"),
    fact("eps_diluted", "-0.75", unit="USD/shares"),
    fact("customers", "12", unit="customers", statement=""),
    balance("total_assets", "1000"),
    balance("total_liabilities", "600"),
    balance("total_equity", "400"),
    balance("shares_outstanding", "10", unit="shares"),
)
REFUSED = {
    "no value": (fact("revenue", "None"), ["missing_value"]),
    "no concept": (fact("", "1"), ["missing_value"]),
    "no symbol": (fact("revenue", "1", symbol=""), ["missing_value"]),
    "no number": (fact("revenue", "1,5"), ["not_a_number"]),
    "infinite": (fact("revenue", "inf"), ["not_a_number"]),
    "no such day": (fact("revenue", "1", period_end_date="2023-02-30"), ["unreadable_time"]),
    "filed never": (fact("revenue", "1", filed_at="2023-13-01"), ["unreadable_time"]),
    "filed at no time": (fact("revenue", "1", filed_at="2023-05-04T25:00"), ["unreadable_time"]),
    "backwards": (fact("revenue", "1", period_end_date="2022-12-31"), ["ends_before_start"]),
    "filed tomorrow": (fact("revenue", "1", filed_at="2024-03-02"), ["time_in_future"]),
    "a bond": (fact("revenue", "1", asset_class="bond"), ["unknown_asset_class"]),
}
"""Records that Silver refuses, and why."""


def land_fundamentals(lake: Landing, *, bad: bool) -> None:
    """Land reported figures, of which one is told again and one changed without a filing."""
    refused = [record for record, _ in REFUSED.values()] if bad else []
    lake.land("inbox", "fundamentals", [*REPORTED, *refused], fetched="2024-03-01T00:00Z")
    later = [fact("revenue", "100"), fact("net_income", "-8")]
    lake.land("inbox", "fundamentals", later, fetched="2024-03-05T00:00Z")
