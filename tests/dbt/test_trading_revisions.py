"""What is told later of earlier days changes trading tables as if it had been known from the start.

Rates, listings, a decision of another account, a dividend and a split come after the executions
that they concern. The tables go on from build to build, and must end as a full refresh makes them.
"""

from collections.abc import Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from ingest.clock import iso
from ingest.settings import DataDir
from orchestration.table_hashes import table_hashes
from tests.dbt.landing import DAY, HOUR, Bar, Landing, bars, inbox_bars, listing, product, sessions
from tests.dbt.trading import DECISION, EXECUTION, MOVEMENT, TRADING_FAMILY
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, connect, rows

HOURS = bars("2024-01-10T00:00Z", 24, HOUR)
"""Of currencies: half past ten converts at the close of ten, once it is there."""
SHARE = {"asset_class": "equity", "symbol": "NEW", "price": "100", "quantity": "30"}
"""Of what was called OLD once, and is not known by that name yet."""
EXECUTIONS = [
    {**EXECUTION, "execution_id": "coins", "decision_id": "late"},
    {**EXECUTION, "execution_id": "euros", "executed_at": "2024-01-10T10:30Z"}
    | {"symbol": "BTC/EUR", "quote_currency": "EUR"},
    {**EXECUTION, **SHARE, "execution_id": "shares", "executed_at": "2024-01-10T15:00Z"},
    {**EXECUTION, **SHARE, "execution_id": "sold", "executed_at": "2024-01-17T15:00Z"}
    | {"side": "sell", "quantity": "40"},
    {**EXECUTION, **SHARE, "execution_id": "split", "symbol": "SPL"}
    | {"executed_at": "2024-01-10T15:00Z"},
]
MOVEMENTS = [
    {**MOVEMENT, "amount": "100000"},
    {**MOVEMENT, "movement_id": "euros", "moved_at": "2024-01-10T10:30Z", "currency": "EUR"},
]
DECISIONS = [
    {**DECISION, "account_id": "main"},
    {**DECISION, "decision_id": "shares", "asset_class": "equity", "symbol": "NEW"},
]
OLD = {"asset_class": "equity", "symbol": "OLD", "currency": "USD"}
ACTIONS = [
    {**OLD, "action_type": "dividend", "ex_date": "2024-01-12", "amount": "0.5"},
    {**OLD, "symbol": "SPL", "action_type": "split", "ex_date": "2024-01-16", "ratio": "2"},
]
TABLES = (
    *("silver.executions", "silver.cash_movements", "silver.trading_quarantined"),
    *("silver.int_lots__matched", "silver.int_lots__excursions", "silver.trade_lifecycle"),
    *("silver.int_lots__attributed", "silver.int_lots__days", "silver.int_trades__days"),
    *("silver.int_trading__daily_pnl", "gold.mart_daily_portfolio_summary"),
    *("gold.fct_trades", "gold.fct_decisions"),
)


def land_bars(lake: Landing, symbol: str, timeframe: str, of: Sequence[Bar], fetched: str) -> None:
    asset_class, _, name = symbol.partition(":")
    length = {"1h": HOUR, "1d": DAY}[timeframe]
    lake.land(
        *("inbox", "bars", inbox_bars(asset_class, name, timeframe, of)),
        fetched=fetched,
        symbol=symbol,
        timeframe=timeframe,
        asked=(iso(of[0].start), iso(of[-1].start + length)),
    )


def land_traded(lake: Landing) -> None:
    fetched = "2024-01-20T00:00Z"
    extract = sessions(date(2024, 1, 2), date(2024, 1, 31))
    lake.land("exchange_calendars", "sessions", extract, fetched=fetched, symbol="XNYS")
    land_bars(lake, "crypto:BTC/USD", "1h", HOURS, fetched)
    days = [bar for bar in bars("2024-01-08T00:00Z", 11, DAY) if bar.start.weekday() < 5]
    for share in ("equity:OLD", "equity:SPL"):
        land_bars(lake, share, "1d", days, fetched)
    lake.land("inbox", "executions", EXECUTIONS, fetched=fetched)
    lake.land("inbox", "cash_movements", MOVEMENTS, fetched=fetched)
    lake.land("inbox", "decisions", DECISIONS, fetched=fetched)


def land_what_was_missing(lake: Landing) -> None:
    """Rates until eight, what the share was called before, whose decision it was."""
    fetched = "2024-01-21T00:00Z"
    land_bars(lake, "fx:EUR/USD", "1h", HOURS[:8], fetched)
    renamed = [listing("US-1", "OLD", "2010-01-01"), listing("US-1", "NEW", "2024-01-05")]
    lake.land("sample", "instruments", renamed, fetched=fetched)
    decision = {**DECISION, "decision_id": "late", "account_id": "other"}
    lake.land("inbox", "decisions", [decision], fetched=fetched)


def land_what_is_otherwise(lake: Landing) -> None:
    """Later rates, a dividend and a split, and a listing of what was only spoken of."""
    fetched = "2024-01-22T00:00Z"
    land_bars(lake, "fx:EUR/USD", "1h", HOURS[8:10], fetched)
    lake.land("inbox", "corporate_actions", ACTIONS, fetched=fetched)
    lake.land("coinbase", "products", [product("BTC-USD")], fetched=fetched)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Return the database after each build, and after a full refresh."""
    folder = tmp_path_factory.mktemp("revisions")
    warehouse = Warehouse(folder / "warehouse")
    lake = Landing(DataDir(warehouse.data))
    kept = []
    for number, land in enumerate((land_traded, land_what_was_missing, land_what_is_otherwise)):
        land(lake)
        warehouse.build(*TRADING_FAMILY, *WITHOUT_TESTS)
        kept.append(warehouse.copy_database(folder / f"{number}.duckdb"))
    warehouse.build(*TRADING_FAMILY, *WITHOUT_TESTS, "--full-refresh")
    return *kept, warehouse.database


def test_every_reason_to_look_again_is_seen(steps: Sequence[Path]) -> None:
    revisions = "select * from staging.int_trading__revisions order by all"
    assert rows(steps[0], revisions) == []
    assert rows(steps[1], revisions) == [
        ("cash_movements", "currency_rate"),
        ("decisions", "symbol"),
        ("executions", "currency_rate"),
        ("executions", "decided_by_another"),
        ("executions", "symbol"),
    ]
    assert ("executions", "currency_rate") in rows(steps[2], revisions)


def test_what_was_missing_is_made_good(steps: Sequence[Path]) -> None:
    """None of it was there at first, so that it is what came later that shows."""
    quarantined = "select record_id from silver.trading_quarantined order by all"
    assert rows(steps[0], quarantined) == [("euros",), ("euros",)]
    assert rows(steps[1], quarantined) == []
    decided = "select decision_id from silver.executions where execution_id = 'coins'"
    assert rows(steps[0], decided) == [("late",)]
    assert rows(steps[1], decided) == [(None,)]
    held = "select distinct instrument_id from silver.int_lots__matched where symbol = 'NEW'"
    assert rows(steps[0], held) == [("equity:NEW",)]
    assert rows(steps[1], held) == [("equity:OLD",)]
    rate = "select currency_rate from silver.executions where execution_id = 'euros'"
    assert rows(steps[1], rate) != rows(steps[2], rate)
    dividends = "select sum(dividends_base) > 0 from silver.trade_lifecycle"
    assert [rows(step, dividends) for step in steps[1:3]] == [[(False,)], [(True,)]]
    status = (
        "select dim_instruments.status from gold.fct_trades"
        " inner join gold.dim_instruments using (instrument_key)"
        " where opening_execution_id = 'coins'"
    )
    assert rows(steps[1], status) == [("unlisted",)]
    assert rows(steps[2], status) != [("unlisted",)]


@pytest.mark.parametrize("table", TABLES)
def test_increments_equal_a_full_refresh(steps: Sequence[Path], table: str) -> None:
    found = []
    for path in steps[2:]:
        with closing(connect(path)) as connection:
            found.append(table_hashes(connection)[table])
    assert found[0] == found[1]
