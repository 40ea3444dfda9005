"""Accounts in euros that trade in other currencies: at rates known then, or not at all."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from ingest.clock import iso, parse_iso
from ingest.settings import DataDir
from tests.dbt.landing import HOUR, Bar, Landing, bars, inbox_bars, sessions
from tests.dbt.trading import EXECUTION, MOVEMENT
from tests.dbt.warehouse import Warehouse, rows

FETCHED, CORRECTED = "2024-01-20T00:00Z", "2024-02-01T00:00Z"
MODELS = (
    *("--select", "+fct_trades", "+mart_daily_portfolio_summary", "+record_balance"),
    *("+trading_quarantined", "--exclude-resource-type", "unit_test"),
    *("--indirect-selection", "cautious"),
)
EXACT = Fraction(1, 10**9)
"""Amounts have twelve places, rates eighteen: a thousand times a rate is good to more than this."""


def execution(name: str, at: str, **changed: str) -> dict[str, str]:
    return {
        **EXECUTION,
        "execution_id": name,
        "executed_at": f"2024-01-{at}Z",
        "quantity": "10",
        "price": "100",
        "quote_currency": "EUR",
        "fee": "0",
        "fee_currency": "EUR",
        "symbol": "SOL/EUR",
        **changed,
    }


EXECUTIONS = [
    execution("same", "10T10:00"),
    execution("inverse", "10T10:00", quote_currency="USD", symbol="SOL/USD"),
    # An hour is known when it has ended, not before.
    execution("not yet", "10T10:59:59.999999", quote_currency="USD", symbol="SOL/USD"),
    execution("through dollars", "10T10:00", quote_currency="GBP", symbol="SOL/GBP"),
    execution("direct fee", "10T10:00", fee="0.01", fee_currency="BTC"),
    execution("fresh enough", "15T10:00", quote_currency="JPY", symbol="SOL/JPY"),
    execution("stale", "15T10:00:01", quote_currency="JPY", symbol="SOL/JPY"),
    execution("too early", "01T10:00", quote_currency="USD", symbol="SOL/USD"),
    execution("unknown", "10T10:00", quote_currency="XAU", symbol="SOL/XAU"),
    execution("unknown fee", "10T10:00", fee="1", fee_currency="XAU"),
    execution("no fee", "10T10:00", fee="0", fee_currency="XAU"),
    execution("too large", "10T10:00", quantity="99999999999", price="99999999"),
]
MOVEMENTS = [
    {**MOVEMENT, "movement_id": "m-usd", "moved_at": "2024-01-10T10:00Z"},
    {**MOVEMENT, "movement_id": "m-xau", "moved_at": "2024-01-10T10:00Z", "currency": "XAU"},
    {**MOVEMENT, "movement_id": "m-eur", "currency": "EUR", "kind": "deposit"},
]


def hourly(close: float, count: int = 24) -> list[Bar]:
    """Return hours of the 10th from 00:00 on, whose closes rise by a thousandth each."""
    return [
        Bar(
            bar.start, f"{close + number / 1000:.9g}", high=f"{close * 2:g}", low="0.0001", open="1"
        )
        for number, bar in enumerate(bars("2024-01-10T00:00Z", count, HOUR))
    ]


def land_rates(lake: Landing) -> None:
    """Land hours, and later each of some again with another close: who converted knew the first."""
    extract = sessions(date(2024, 1, 1), date(2024, 1, 31))
    lake.land("exchange_calendars", "sessions", extract, fetched=FETCHED, symbol="XNYS")
    for asset_class, symbol, of, fetched in (
        ("fx", "EUR/USD", hourly(1.1), FETCHED),
        ("fx", "GBP/USD", hourly(1.3), FETCHED),
        ("crypto", "BTC/EUR", hourly(42000), FETCHED),
        # After the 8th nothing more is heard of it.
        (*("fx", "EUR/JPY"), [Bar(parse_iso("2024-01-08T09:00Z"), "160", high="161")], FETCHED),
        ("crypto", "SOL/USD", hourly(105), FETCHED),
        ("fx", "EUR/USD", hourly(1.1001), CORRECTED),
        ("fx", "GBP/USD", hourly(1.4)[9:10], CORRECTED),
    ):
        lake.land(
            *("inbox", "bars", inbox_bars(asset_class, symbol, "1h", of)),
            fetched=fetched,
            symbol=f"{asset_class}:{symbol}",
            timeframe="1h",
            asked=(iso(of[0].start), iso(of[-1].start + HOUR)),
        )


@pytest.fixture(scope="module")
def euros(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = Warehouse(tmp_path_factory.mktemp("euros"))
    lake = Landing(DataDir(warehouse.data))
    land_rates(lake)
    lake.land("inbox", "executions", EXECUTIONS, fetched=FETCHED)
    lake.land("inbox", "cash_movements", MOVEMENTS, fetched=FETCHED)
    warehouse.build(*MODELS, "--vars", "{base_currency: EUR}")
    return warehouse.database


def close_of(base: str, hour: int) -> Fraction:
    """Return the close of the hour that ends at `hour` of the 10th."""
    return Fraction(f"{base}") + Fraction(hour - 1, 1000)


def test_amounts_are_converted_at_the_last_rate_known_then(euros: Path) -> None:
    found = {
        name: (Fraction(gross), Fraction(converted), Fraction(fee))
        for name, gross, converted, fee in rows(
            euros,
            "select execution_id, gross_amount, gross_amount_base, fee_base"
            " from silver.executions where base_currency = 'EUR'",
        )
    }
    thousand = Fraction(1000)
    dollar = 1 / close_of("1.1", 10)
    expected = {
        "same": (thousand, thousand, Fraction(0)),
        "inverse": (thousand, thousand * dollar, Fraction(0)),
        "not yet": (thousand, thousand * dollar, Fraction(0)),
        "through dollars": (thousand, thousand * close_of("1.3", 10) * dollar, Fraction(0)),
        "direct fee": (thousand, thousand, close_of("42000", 10) / 100),
        "fresh enough": (thousand, thousand / 160, Fraction(0)),
        "no fee": (thousand, thousand, Fraction(0)),
    }
    assert found.keys() == expected.keys()
    for name, amounts in expected.items():
        for amount, other in zip(found[name], amounts, strict=True):
            assert abs(amount - other) < EXACT, name


def test_what_cannot_be_converted_is_put_aside_and_accounted_for(euros: Path) -> None:
    found = rows(
        euros, "select record_id, reasons from silver.trading_quarantined order by record_id"
    )
    assert found == [
        ("m-xau", ["no_currency_rate"]),
        ("stale", ["no_currency_rate"]),
        ("too early", ["no_currency_rate"]),
        ("too large", ["too_large"]),
        ("unknown", ["no_currency_rate"]),
        ("unknown fee", ["no_currency_rate"]),
    ]
    assert rows(euros, "select bool_and(is_balanced), count(*) > 5 from ops.record_balance") == [
        (True, True)
    ]


def test_the_rate_says_where_it_is_from(euros: Path) -> None:
    found = rows(
        euros,
        "select distinct from_currency, method, strftime(rate_at, '%d %H:%M')"
        " from silver.int_currencies__rates order by all",
    )
    assert found == [
        ("BTC", "direct", "10 10:00"),
        ("GBP", "through_usd", "10 10:00"),
        ("JPY", "inverse", "08 10:00"),
        ("USD", "inverse", "10 10:00"),
    ]


def test_rates_are_what_was_known_whatever_was_corrected_later(euros: Path) -> None:
    """Otherwise the other tests would prove less: today's bars all are other ones."""
    found = dict(
        rows(
            euros,
            "select instrument_id, count(*) from silver.bars where timeframe = '1h'"
            " and available_at = timestamp '2024-02-01' group by all",
        )
    )
    assert found == {"fx:EUR/USD": 24, "fx:GBP/USD": 1}


def test_cash_movements_are_converted(euros: Path) -> None:
    found = dict(rows(euros, "select movement_id, amount_base from silver.cash_movements"))
    assert found.keys() == {"m-usd", "m-eur"}
    assert found["m-eur"] == Decimal(10000)
    assert abs(Fraction(found["m-usd"]) - 10000 / close_of("1.1", 10)) < EXACT


def test_positions_are_valued_at_the_rate_of_the_day(euros: Path) -> None:
    """At midnight the last hour of the day is known; later days have no newer one."""
    found = rows(
        euros,
        "select date, sum(market_value_base) from silver.int_trading__daily_pnl"
        " where instrument_id = 'crypto:SOL/USD' group by all order by date",
    )
    value = 20 * close_of("105", 24) / close_of("1.1", 24)
    assert found[0][0] == date(2024, 1, 10)
    assert len(found) > 1
    for _, market_value in found:
        assert abs(Fraction(market_value) - value) < EXACT * 10


def test_without_a_close_a_position_is_worth_what_was_last_paid(euros: Path) -> None:
    found = rows(
        euros,
        "select mark_price, exit_amount_base from silver.trade_lifecycle"
        " where opening_execution_id = 'through dollars'",
    )
    value = 1000 * close_of("1.3", 24) / close_of("1.1", 24)
    ((price, amount),) = found
    assert price == 100
    assert abs(Fraction(amount) - value) < EXACT * 10


def test_the_portfolio_is_in_euros(euros: Path) -> None:
    first = rows(
        euros,
        "select base_currency, date, cash_base, equity_base = cash_base + net_exposure_base"
        " from gold.mart_daily_portfolio_summary order by date limit 1",
    )
    assert first == [("EUR", date(2024, 1, 2), Decimal(10000), True)]
