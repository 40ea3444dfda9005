"""What Silver makes of the SEC: periods by their dates, restatements kept, classes of shares."""

from datetime import date
from typing import Any

from tests.dbt.warehouse import Warehouse, rows


def facts(vendors: Warehouse, columns: str, condition: str) -> list[tuple[Any, ...]]:
    return rows(
        vendors.database,
        f"""
        select {columns} from silver.fundamentals
        where provider = 'sec_edgar' and {condition}
        order by period_end_date, period_start_date, available_at
        """,
    )


def test_classes_of_shares_have_a_dot_and_their_companys_number(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select listing_id, provider_symbol, symbol, name, exchange, status
        from staging.stg_sec_edgar__companies
        where name <> 'Rho Networks' and _fetched_at < timestamp '2024-08-01'
        order by listing_id
        """,
    )
    assert found == [
        ("0000999001:ZETW", "ZETW", "ZETW", "Zeta Works Inc.", "Nasdaq", "active"),
        ("0000999002:OMG-A", "OMG-A", "OMG.A", "Omega Holdings", "NYSE", "active"),
        ("0000999002:OMG-B", "OMG-B", "OMG.B", "Omega Holdings", None, "active"),
    ]
    assert facts(vendors, "instrument_id, value", "provider_symbol = 'OMG-B'") == [
        ("equity:OMG.B", 7)
    ]


def test_a_company_whose_ticker_changes_is_one_instrument(vendors: Warehouse) -> None:
    """RHOM takes the place of RHOF, with the number of its company."""
    history = rows(
        vendors.database,
        """
        select instrument_id, symbol, status, cast(valid_from as date), is_current
        from gold.dim_instruments
        where symbol in ('RHOF', 'RHOM')
        order by valid_from
        """,
    )
    assert history == [
        ("equity:RHOF", "RHOF", "active", date(2024, 7, 1), False),
        ("equity:RHOF", "RHOM", "active", date(2024, 10, 1), True),
    ]


def test_the_year_before_in_a_filing_is_of_its_own_year(vendors: Warehouse) -> None:
    found = facts(
        vendors,
        "filing_id, filed_date, value, period_type, is_first_report, is_latest",
        "concept = 'revenue' and period_end_date = date '2022-12-31'",
    )
    assert found == [
        ("0000999001-23-000010", date(2023, 2, 21), 100e6, "annual", True, False),
        ("0000999001-24-000011", date(2024, 2, 20), 100e6, "annual", False, True),
    ]


def test_an_amendment_is_kept_beside_what_it_amends(vendors: Warehouse) -> None:
    found = facts(
        vendors,
        "form, value, is_first_report, is_latest, cast(available_at as varchar)",
        "concept = 'revenue' and period_end_date = date '2023-12-31'",
    )
    # Known at the end of its day in New York, in winter and in summer time.
    assert found == [
        ("10-K", 120e6, True, False, "2024-02-21 05:00:00"),
        ("10-K/A", 118e6, False, True, "2024-06-04 04:00:00"),
    ]


def test_a_quarter_and_the_year_to_date_with_one_end_are_two_periods(vendors: Warehouse) -> None:
    found = facts(
        vendors,
        "period_type, period_start_date, value",
        "concept = 'revenue' and period_end_date = date '2023-09-30'",
    )
    assert found == [
        ("year_to_date", date(2023, 1, 1), 87e6),
        ("quarter", date(2023, 7, 1), 33e6),
    ]


def test_units_and_taxonomies_are_kept(vendors: Warehouse) -> None:
    found = facts(
        vendors,
        "vendor_concept, unit, value",
        "provider_symbol = 'ZETW' and vendor_concept <> 'us-gaap:Revenues'",
    )
    assert sorted(found) == [
        ("dei:EntityPublicFloat", "USD", 900000000.5),
        ("us-gaap:Assets", "USD", 500e6),
        ("us-gaap:EarningsPerShareDiluted", "USD/shares", 1.25),
    ]


def test_what_is_told_again_adds_nothing(vendors: Warehouse) -> None:
    (count,) = rows(
        vendors.database,
        "select count(*) from silver.fundamentals where provider_symbol = 'ZETW'",
    )
    assert count == (9,)
