"""Adjusted prices are those that vendors publish: worked out here from the last day backwards."""

from collections.abc import Mapping
from datetime import date

import pytest

from tests.dbt.vendors.adjusted import (
    CLOSES,
    DIVIDENDS,
    PUBLISHED_SYMBOL,
    SPIN_OFFS,
    SPLITS,
    SYMBOL,
    published,
)
from tests.dbt.warehouse import Warehouse, rows

QUERY = (
    "select session_date, {column} from silver.bars_adjusted"
    " where instrument_id = 'equity:{symbol}' and timeframe = '1d'"
)


def adjusted_closes(*, with_dividends: bool) -> dict[date, float]:
    """Return what a vendor's adjusted close would be, by the usual formula.

    Each close is multiplied by the factors of all later ex-dates: one by the ratio of a split, and
    one minus the share of the last close before that was paid out.
    """
    adjusted: dict[date, float] = {}
    factor = 1.0
    days = sorted(CLOSES)
    for day, previous in zip(reversed(days), [*reversed(days[:-1]), None], strict=True):
        adjusted[day] = CLOSES[day] * factor
        if previous is None:
            break
        ratio = SPLITS.get(day, 1.0)
        factor /= ratio
        if with_dividends:
            cash_of_old_share = DIVIDENDS.get(day, 0.0) * ratio
            factor *= 1 - cash_of_old_share / CLOSES[previous]
            factor /= SPIN_OFFS.get(day, 1.0)
    return adjusted


def held(vendors: Warehouse, column: str, symbol: str = SYMBOL) -> Mapping[date, float]:
    return dict(rows(vendors.database, QUERY.format(column=column, symbol=symbol)))


def told(column: str) -> dict[date, float]:
    """Return a column of what the vendor publishes."""
    return {date.fromisoformat(row["timestamp"]): float(row[column]) for row in published()}


def test_the_back_adjusted_close_is_the_one_that_a_vendor_publishes(vendors: Warehouse) -> None:
    found = held(vendors, "close_back_adjusted_total_return", PUBLISHED_SYMBOL)
    assert found == pytest.approx(told("adjusted_close"), rel=1e-6)


def test_splits_alone_are_in_back_adjusted_prices_and_volumes(vendors: Warehouse) -> None:
    """Two for one on 7 February: prices before it are halved, volumes doubled."""
    for column, factor in (
        ("open", 0.5),
        ("high", 0.5),
        ("low", 0.5),
        ("close", 0.5),
        ("volume", 2),
    ):
        expected = {
            day: value * (factor if day < date(2024, 2, 7) else 1)
            for day, value in told(column).items()
        }
        found = held(vendors, f"{column}_back_adjusted", PUBLISHED_SYMBOL)
        assert found == pytest.approx(expected, rel=1e-12), column


def test_a_stock_dividend_that_vendors_tell_differently_counts_once(vendors: Warehouse) -> None:
    """One calls it a split of 1.0320 on a Friday, the other a stock dividend of Monday."""
    found = rows(
        vendors.database,
        "select valid_from, split_step, dividend_step, total_return_factor"
        " from silver.adjustment_factors where instrument_id = 'equity:ADJS' order by valid_from",
    )
    assert found == [
        (date(2024, 2, 1), 1, 1, 1),
        (date(2024, 2, 2), 1.032, 1, 1.032),
    ]


def test_the_back_adjusted_close_is_the_vendors_adjusted_close(vendors: Warehouse) -> None:
    expected = adjusted_closes(with_dividends=True)
    assert held(vendors, "close_back_adjusted_total_return") == pytest.approx(expected, rel=1e-12)
    # Worked by hand: 100.25 / 2 / 1.046, less 0.24 of 103.5, 1 of 106.25 and 1.25 of 54.25.
    assert expected[date(2024, 1, 2)] == pytest.approx(46.2683, abs=1e-4)


def test_splits_alone_are_in_the_split_adjusted_close(vendors: Warehouse) -> None:
    expected = adjusted_closes(with_dividends=False)
    assert held(vendors, "close_back_adjusted") == pytest.approx(expected, rel=1e-12)
    assert expected[date(2024, 1, 12)] == 106.25 / 2
    assert expected[date(2024, 1, 16)] == 53.5


def test_a_spin_off_told_as_a_split_is_a_spin_off(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        "select action_type, ex_date, split_ratio, price_factor, dividend_amount"
        " from silver.corporate_actions where instrument_id = 'equity:ADJT'"
        " order by ex_date, action_type",
    )
    assert found == [
        ("dividend", date(2024, 1, 9), None, None, 0.24),
        ("dividend", date(2024, 1, 16), None, None, 0.5),
        ("split", date(2024, 1, 16), 2.0, None, None),
        ("spin_off", date(2024, 1, 24), None, 1.046, None),
        ("dividend", date(2024, 1, 30), None, None, 1.25),
    ]
