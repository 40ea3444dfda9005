"""What Silver makes of FMP: raw days under adjusted names, New York's clock, zero for unknown."""

from typing import Any

from tests.dbt.warehouse import Warehouse, rows


def found(vendors: Warehouse, query: str) -> list[tuple[Any, ...]]:
    return rows(vendors.database, query)


# -- bars ------------------------------------------------------------------------------------------


def test_raw_days_are_the_bars_and_a_leap_day_is_a_day(vendors: Warehouse) -> None:
    days = found(
        vendors,
        """
        select
            instrument_id, strftime(bar_start_at, '%Y-%m-%d %H:%M'),
            strftime(bar_end_at, '%Y-%m-%d %H:%M'), open, high, low, close, volume
        from silver.bar_versions
        where provider = 'fmp' and provider_symbol = 'FMT' and timeframe = '1d'
        order by session_date
        """,
    )
    assert days == [
        ("equity:FMT", f"{day} 00:00", f"{day} 21:00", 100, 120.25, 80.5, 90.25, 20201922.82733)
        for day in ("2024-02-28", "2024-02-29", "2024-03-01")
    ]


def test_labels_are_starts_in_new_york_in_winter_and_in_summer(vendors: Warehouse) -> None:
    """Clocks went forward on 8 March and back on 1 November 2026; the 28th is a half day."""
    starts = found(
        vendors,
        """
        select
            instrument_id, strftime(bar_start_at, '%Y-%m-%d %H:%M'),
            strftime(bar_end_at, '%H:%M'), cast(session_date as varchar), close
        from silver.bar_versions
        where provider = 'fmp' and provider_symbol = 'FMT-B' and timeframe = '5m'
        order by bar_start_at
        """,
    )
    assert starts == [
        ("equity:FMT.B", "2025-11-28 17:55", "18:00", "2025-11-28", 101.5),
        ("equity:FMT.B", "2026-03-06 20:55", "21:00", "2026-03-06", 101.5),
        ("equity:FMT.B", "2026-03-09 13:30", "13:35", "2026-03-09", 101.5),
        ("equity:FMT.B", "2026-10-30 19:55", "20:00", "2026-10-30", 101.5),
        ("equity:FMT.B", "2026-11-02 14:30", "14:35", "2026-11-02", 101.5),
    ]


# -- corporate actions -----------------------------------------------------------------------------


def test_splits_are_new_shares_per_old_share_and_dividends_as_paid(vendors: Warehouse) -> None:
    actions = found(
        vendors,
        """
        select action_type, cast(ex_date as varchar), split_ratio, dividend_amount
        from silver.corporate_actions
        where instrument_id = 'equity:FMT'
        order by ex_date
        """,
    )
    assert actions == [
        ("split", "2010-06-10", 0.125, None),
        ("dividend", "2024-02-29", None, 0.82),
        ("split", "2024-06-10", 1.5, None),
    ]


def test_a_split_of_nothing_is_quarantined(vendors: Warehouse) -> None:
    rejected = found(
        vendors,
        """
        select dataset, reasons from silver.reference_quarantined
        where provider = 'fmp' and provider_symbol = 'FMT'
        """,
    )
    assert rejected == [("splits", ["missing_value"])]


# -- profiles --------------------------------------------------------------------------------------


def test_a_company_that_changes_its_symbol_stays_the_same_instrument(vendors: Warehouse) -> None:
    """A profile is of one company: it says nothing of those that were not asked for again."""
    versions = found(
        vendors,
        """
        select
            instrument_id, provider_symbol, name, status, strftime(valid_from, '%Y-%m-%d'),
            strftime(valid_to, '%Y-%m-%d')
        from silver.int_instruments__versions
        where provider = 'fmp' and provider_symbol like 'FM%'
        order by instrument_id, valid_from
        """,
    )
    forever = "9999-12-31"
    assert versions == [
        ("equity:FMO", "FMO", "Old Name", "active", "2026-01-05", "2026-11-10"),
        ("equity:FMO", "FMN", "New Name", "active", "2026-11-10", forever),
        ("equity:FMT", "FMT", "Example Freight", "active", "2026-01-05", forever),
        ("equity:FMT.B", "FMT-B", "Example Freight B", "active", "2026-01-05", forever),
        ("equity:FMX", "FMX", "Example Sails", "inactive", "2026-01-05", forever),
    ]


# -- statements ------------------------------------------------------------------------------------


def test_zero_is_unknown_and_a_statement_is_known_when_it_was_accepted(
    vendors: Warehouse,
) -> None:
    """06:01:26 in New York is 10:01:26 UTC in October, and 18:05 in January is 23:05 UTC."""
    facts = found(
        vendors,
        """
        select
            statement, vendor_concept, fiscal_period, cast(filed_date as varchar),
            strftime(available_at, '%Y-%m-%d %H:%M:%S'), value, is_zero_unknown
        from silver.fundamentals
        where provider = 'fmp' and instrument_id = 'equity:FMT'
        order by statement, vendor_concept, period_end_date
        """,
    )
    year = ("FY", "2025-10-31", "2025-10-31 10:01:26")
    assert facts == [
        ("balance", "totalAssets", *year, 9000, False),
        ("cash_flow", "capitalExpenditure", *year, 10, False),
        ("cash_flow", "operatingCashFlow", *year, 700.5, False),
        ("income", "interestExpense", *year, None, True),
        ("income", "revenue", *year, 5000.5, False),
        ("income", "revenue", "Q1", "2026-01-30", "2026-01-30 23:05:00", 1300, False),
    ]
