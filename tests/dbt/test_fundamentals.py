"""Reported figures: which period, which name, known when, and what was said before."""

from datetime import date, datetime
from typing import Any

import pytest

from tests.dbt.fundamentals import REFUSED, REPORTED
from tests.dbt.research import figures
from tests.dbt.warehouse import Warehouse, rows

at = datetime.fromisoformat


def facts(demo: Warehouse, columns: str, where: str) -> list[tuple[Any, ...]]:
    return rows(
        demo.database,
        f"select {columns} from silver.fundamentals where {where} and provider_symbol = 'NEW'"
        " order by available_at, vendor_concept, value",
    )


def test_periods_follow_from_their_days(demo: Warehouse) -> None:
    """Quarters of 90 and 91 days, the first half of 181, the year of 365."""
    found = facts(
        demo,
        "period_type, period_days, fiscal_period, period_end_date, value",
        "concept = 'revenue' and filing_id <> 'q1-a'",
    )
    assert found == [
        ("quarter", 90, None, date(2023, 3, 31), 100),
        ("quarter", 91, None, date(2023, 6, 30), 112),
        ("year_to_date", 181, None, date(2023, 6, 30), 210),
        ("annual", 365, "FY", date(2023, 12, 31), 450),
    ]


def test_a_restatement_is_kept_beside_the_first_report(demo: Warehouse) -> None:
    """A date counts from the end of its day in New York, a time (16:30 there) as it is."""
    found = facts(
        demo,
        "filing_id, value, available_at, is_first_report, is_latest, filed_date",
        "concept = 'revenue' and period_end_date = '2023-03-31'",
    )
    assert found == [
        ("q1", 100, at("2023-05-05 04:00"), True, False, date(2023, 5, 4)),
        ("q1-a", 98, at("2023-09-01 20:30"), False, True, date(2023, 9, 1)),
    ]


def test_a_change_without_a_filing_is_known_when_it_is_fetched(demo: Warehouse) -> None:
    found = facts(
        demo,
        "version_no, value, available_at, is_first_report, is_latest",
        "concept = 'net_income'",
    )
    assert found == [
        (1, -7.5, at("2023-05-05 04:00"), True, False),
        (2, -8, at("2024-03-05 00:00"), False, True),
    ]


def test_what_is_told_again_is_one_row(demo: Warehouse) -> None:
    found = facts(demo, "vendor_concept", "provider = 'inbox'")
    assert len(found) == len(REPORTED) + len(["net_income, changed"])


def test_a_name_without_a_concept_is_kept(demo: Warehouse) -> None:
    found = facts(
        demo, "concept, statement, value, unit, is_primary", "vendor_concept = 'customers'"
    )
    assert found == [(None, None, 12, "customers", True)]


def test_balances_are_of_a_day(demo: Warehouse) -> None:
    found = facts(demo, "concept, period_type, period_start_date, value", "statement = 'balance'")
    assert found == [
        ("shares_outstanding", "instant", None, 10),
        ("total_assets", "instant", None, 1000),
        ("total_equity", "instant", None, 400),
        ("total_liabilities", "instant", None, 600),
    ]


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_record_is_in_quarantine_with_its_reason(demo: Warehouse, what: str) -> None:
    row = len(REPORTED) + list(REFUSED).index(what)
    found = rows(
        demo.database,
        "select reasons from silver.reference_quarantined"
        f" where provider = 'inbox' and dataset = 'fundamentals' and _row = {row}",
    )
    assert found == [(REFUSED[what][1],)]


def test_every_record_is_accounted_for(demo: Warehouse) -> None:
    balance = rows(
        demo.database,
        "select landed_count, accepted_count, quarantined_count, is_balanced"
        " from ops.record_balance where provider = 'inbox' and dataset = 'fundamentals'"
        " order by landed_count",
    )
    good, bad, other = len(REPORTED), len(REFUSED), len(figures("OLD", 2022))
    assert balance == [
        (2, 2, 0, True),
        (other, other, 0, True),
        (good + bad, good, bad, True),
    ]
