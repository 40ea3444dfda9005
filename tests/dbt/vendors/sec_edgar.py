"""What the SEC sends, landed as its loader lands it: a company that restates a year."""

from tests.dbt.landing import Landing

Record = dict[str, str | None]


def company(cik: str, name: str, ticker: str, exchange: str | None) -> Record:
    return {"cik": cik, "name": name, "ticker": ticker, "exchange": exchange}


def fact(
    concept: str,
    period: str,
    val: str,
    filing: tuple[str, str, str],
    unit: str = "USD",
    **changed: str | None,
) -> Record:
    """Return a fact; `period` is `start..end` or a day, a filing is (accession, form, date)."""
    start, _, end = period.rpartition("..")
    accn, form, filed = filing
    taxonomy, _, name = concept.partition(":")
    return {
        "cik": "0000999001",
        "entityName": "Zeta Works Inc.",
        "taxonomy": taxonomy,
        "concept": name,
        "label": None,
        "description": None,
        "unit": unit,
        "start": start or None,
        "end": end,
        "val": val,
        "accn": accn,
        "fy": filed[:4],
        "fp": "FY",
        "form": form,
        "filed": filed,
        "frame": None,
        **changed,
    }


YEAR_2022 = ("0000999001-23-000010", "10-K", "2023-02-21")
THIRD_QUARTER = ("0000999001-23-000090", "10-Q", "2023-11-02")
YEAR_2023 = ("0000999001-24-000011", "10-K", "2024-02-20")
AMENDED = ("0000999001-24-000055", "10-K/A", "2024-06-03")

REVENUE, ASSETS = "us-gaap:Revenues", "us-gaap:Assets"
IN_2022, IN_2023 = "2022-01-01..2022-12-31", "2023-01-01..2023-12-31"

FACTS = (
    fact(REVENUE, IN_2022, "100000000", YEAR_2022),
    fact(REVENUE, "2023-07-01..2023-09-30", "33000000", THIRD_QUARTER, fp="Q3"),
    fact(REVENUE, "2023-01-01..2023-09-30", "87000000", THIRD_QUARTER, fp="Q3"),
    # A filing says its own year of everything in it, also of the year before.
    fact(REVENUE, IN_2022, "100000000", YEAR_2023),
    fact(REVENUE, IN_2023, "120000000", YEAR_2023),
    fact(REVENUE, IN_2023, "118000000", AMENDED),
    fact(ASSETS, "2023-12-31", "500000000", YEAR_2023),
    fact("us-gaap:EarningsPerShareDiluted", IN_2023, "1.25", YEAR_2023, "USD/shares"),
    fact("dei:EntityPublicFloat", "2023-06-30", "900000000.5", YEAR_2023),
)


def land(lake: Landing) -> None:
    """Land companies with classes of shares, a rename, and the facts of one of them twice."""
    for fetched, ticker in (("2024-07-01T00:00Z", "RHOF"), ("2024-10-01T00:00Z", "RHOM")):
        lake.land(
            "sec_edgar",
            "companies",
            [
                company("999001", "Zeta Works Inc.", "ZETW", "Nasdaq"),
                company("999002", "Omega Holdings", "OMG-A", "NYSE"),
                company("999002", "Omega Holdings", "OMG-B", None),
                company("999003", "Rho Networks", ticker, "Nasdaq"),
            ],
            fetched=fetched,
        )
    for fetched in ("2024-07-01T00:00Z", "2024-07-08T00:00Z"):
        lake.land(
            "sec_edgar",
            "company_facts",
            [*FACTS, *([FACTS[0]] if fetched.startswith("2024-07-08") else [])],
            fetched=fetched,
            symbol="ZETW",
        )
    class_b = fact(ASSETS, "2023-12-31", "7", ("0000999002-24-000001", "10-K", "2024-03-01"))
    lake.land("sec_edgar", "company_facts", [class_b], fetched="2024-07-01T00:00Z", symbol="OMG-B")
