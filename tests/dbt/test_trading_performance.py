"""Returns, risk and trades of the performance mart, against quantstats, empyrical and plain Python.

The mart is built of planted tables: random accounts, and some that few would wish for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.dbt.performance_oracles import (
    RATIOS_OF_EMPYRICAL,
    RATIOS_OF_QUANTSTATS,
    TRADES_OF_QUANTSTATS,
    compare_ratios,
    compare_trades,
    first_of_deepest_drawdown,
    largest_drawdown,
)
from tests.dbt.performance_world import (
    PERIOD_TYPES,
    Day,
    EntityKey,
    Trade,
    World,
    days_in,
    days_of_entities,
    key_of,
    periods_of,
    returns_of,
    trades_in,
    trades_of_entities,
    world_of,
)
from tests.dbt.planted import build, plant, table
from tests.dbt.warehouse import Warehouse

FIRST_DAY = date(2022, 11, 1)
DAYS = 200
INSTRUMENTS = ("equity:A", "equity:B", "crypto:C")
RATIOS = {*RATIOS_OF_QUANTSTATS, *RATIOS_OF_EMPYRICAL}
CENT = Decimal("0.000000000001")

PLANTED = """
create schema silver;
create schema gold;
create table gold.mart_daily_portfolio_summary (
    account_id varchar, date date, base_currency varchar, periods_per_year integer,
    is_simulated boolean, equity_base decimal(38, 12), net_deposits_base decimal(38, 12),
    daily_return double
);
create table silver.int_trading__daily_pnl (
    account_id varchar, strategy varchar, instrument_id varchar, date date,
    pnl_base decimal(38, 12)
);
create table silver.trade_lifecycle (
    lot_id varchar, account_id varchar, strategy varchar, instrument_id varchar, status varchar,
    opened_at timestamp, closed_at timestamp, holding_seconds bigint,
    net_pnl_base decimal(38, 12), fees_base decimal(38, 12)
);
create table silver.int_lots__attributed (
    lot_id varchar, signal_provider varchar, net_pnl_base decimal(38, 12),
    fees_base decimal(38, 12)
);
"""


@dataclass(frozen=True)
class Account:
    name: str
    currency: str = "USD"
    periods_per_year: int = 252
    is_simulated: bool = False
    returns: Sequence[float] | None = None
    """Of its days after the first, on which it has none; what it earns by random unless given."""

    @property
    def kind(self) -> tuple[str, int, bool]:
        return (self.currency, self.periods_per_year, self.is_simulated)

    @property
    def days(self) -> list[date]:
        every = (FIRST_DAY + timedelta(number) for number in range(DAYS))
        days = [day for day in every if self.periods_per_year == 365 or day.isoweekday() < 6]
        return days if self.returns is None else days[: len(self.returns) + 1]


TRADING = (
    Account("stocks"),
    Account("more stocks"),
    Account("coins", periods_per_year=365),
    Account("euro", currency="EUR"),
    Account("simulated", is_simulated=True),
)
UNUSUAL = (
    Account("one day", returns=[]),
    Account("two days", returns=[0.25]),
    Account("three days", returns=[0.25, -0.125]),
    Account("flat", returns=[0.0] * 30),
    Account("steady", returns=[0.001] * 30),
    Account("lucky", returns=[0.001, 0.02, 0.0, 0.005] * 10),
    Account("sinking", returns=[-0.01, -0.02, 0.005] * 10),
    Account("ruined", returns=[0.01, -0.02, 0.03, -1.0, 0.5, 0.01, -0.01] * 3),
    Account("indebted", returns=[0.5, -1.5, -0.5, 2.0]),
    Account("soaring", returns=[99.0, 99.0, 99.0]),
    Account("wild", returns=[0.5, -0.6, 1.5, -0.9, 3.0, -0.2] * 5),
    Account("tiny", returns=[1e-6, -2e-6, 3e-6, *[-1e-6, -4e-6, 9e-6] * 10, -7e-6]),
)


@pytest.fixture(scope="module")
def world() -> World:
    random = np.random.default_rng(20240131)
    made = World()
    for account in (*TRADING, *UNUSUAL):
        _add_days(made, account, random)
    for account in TRADING:
        _add_lots(made, account, random)
    return made


@pytest.fixture(scope="module")
def mart(
    world: World, demo: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """Return the rows that the mart makes of the world; dbt's tests of them must hold."""
    database = plant(
        tmp_path_factory.mktemp("performance"),
        PLANTED,
        {
            "gold.mart_daily_portfolio_summary": world.days,
            "silver.int_trading__daily_pnl": world.results,
            "silver.trade_lifecycle": world.lots,
            "silver.int_lots__attributed": world.parts,
        },
    )
    build(database, demo, ["int_trades__days", "mart_trading_performance"])
    return table(database, "gold.mart_trading_performance")


@pytest.fixture(scope="module")
def days(world: World) -> Mapping[EntityKey, list[Day]]:
    """Return each entity's days, in order, as they follow from the definitions."""
    return days_of_entities(world)


def test_every_entity_has_every_period_in_which_it_was_at_work(
    mart: list[dict[str, Any]], days: Mapping[EntityKey, list[Day]]
) -> None:
    found = sorted((*key_of(row), row["period_type"], row["period_start"]) for row in mart)
    expected = {(*key, *period) for key, own in days.items() for period in periods_of(own)}
    assert found == sorted(expected)
    assert {key[0] for key in days} == {"account", "strategy", "instrument", "signal_provider"}


def test_days_and_their_profit_are_those_of_the_definitions(
    mart: list[dict[str, Any]], days: Mapping[EntityKey, list[Day]]
) -> None:
    for row in mart:
        own = days_in(row, days)
        assert (row["first_date"], row["last_date"]) == (own[0][0], own[-1][0])
        assert row["day_count"] == len(own)
        assert row["return_count"] == len(returns_of(own))
        assert row["pnl_base"] == sum(pnl for _, pnl, _ in own)


@pytest.mark.filterwarnings("ignore")
def test_ratios_are_those_of_others(
    mart: list[dict[str, Any]], days: Mapping[EntityKey, list[Day]]
) -> None:
    """Of all that there is a return of, in all, in years and in months."""
    compared = {period_type: Counter[str]() for period_type in PERIOD_TYPES}
    for row in mart:
        compared[row["period_type"]] += compare_ratios(row, returns_of(days_in(row, days)))
    for period_type, least in (("all", 30), ("year", 60), ("month", 150)):
        counts = compared[period_type]
        assert min(counts[name] for name in RATIOS) > least, (period_type, counts)


@pytest.mark.filterwarnings("ignore")
def test_trades_are_those_of_quantstats(mart: list[dict[str, Any]], world: World) -> None:
    trades = trades_of_entities(world)
    compared: Counter[str] = Counter()
    for row in mart:
        own = trades_in(row, trades[key_of(row)])
        compared += compare_trades(row, [float(pnl) for _, pnl, _, _ in own])
    assert min(compared[name] for name in TRADES_OF_QUANTSTATS) > 200, compared


def test_drawdowns_have_the_dates_of_others(
    mart: list[dict[str, Any]], days: Mapping[EntityKey, list[Day]]
) -> None:
    seen = 0
    for row in mart:
        returns = returns_of(days_in(row, days))
        found = tuple(row[f"max_drawdown_{name}_date"] for name in ("start", "trough", "end"))
        expected = first_of_deepest_drawdown(list(returns.items()))
        if expected is None:
            assert found == (None, None, None)
            assert row["is_max_drawdown_recovered"] is None
            continue
        assert found == expected, row
        assert row["is_max_drawdown_recovered"] == (expected[2] < returns.index[-1].date())
        # quantstats finds no drawdown that begins with the first day.
        if returns.iloc[0] >= 0 and returns.min() > -1:
            assert found == largest_drawdown(returns)
            seen += 1
    assert seen > 100


def test_trades_are_counted_by_the_day_they_are_closed(
    mart: list[dict[str, Any]], world: World
) -> None:
    trades = trades_of_entities(world)
    counted = 0
    for row in mart:
        own = trades_in(row, trades[key_of(row)])
        _assert_trades(row, own)
        counted += len(own)
    # Each in its month, its year and in all.
    assert counted == 3 * sum(map(len, trades.values())) > 5000


def test_what_the_unusual_accounts_have(mart: list[dict[str, Any]]) -> None:
    rows = {row["entity"]: row for row in mart if row["period_type"] == "all"}
    nothing = rows["one day"]
    assert nothing["return_count"] == 0
    assert all(nothing[name] is None for name in (*RATIOS_OF_QUANTSTATS, "var_95_historical"))
    assert rows["two days"]["total_return"] == 0.25
    assert rows["two days"]["sharpe_annualized"] is None
    assert rows["two days"]["var_95_parametric"] is None
    assert rows["two days"]["var_95_historical"] == rows["two days"]["cvar_95_historical"] == 0.25
    assert rows["flat"]["max_drawdown"] == rows["flat"]["volatility_annualized"] == 0
    assert rows["flat"]["sharpe_annualized"] is None
    # Returns that do not vary have no risk to be measured by.
    assert rows["steady"]["volatility_annualized"] == 0
    assert rows["steady"]["sharpe_annualized"] is rows["steady"]["sortino_annualized"] is None
    assert rows["lucky"]["calmar"] is rows["lucky"]["sortino_annualized"] is None
    assert rows["ruined"]["total_return"] == rows["ruined"]["annualized_return"] == -1
    assert rows["ruined"]["max_drawdown"] == pytest.approx(-1, abs=1e-12)
    assert not rows["ruined"]["is_max_drawdown_recovered"]
    # A millionfold in three days is more in a year than a number can hold.
    assert rows["soaring"]["total_return"] == pytest.approx(999_999)
    assert rows["soaring"]["annualized_return"] is rows["soaring"]["calmar"] is None


def test_a_return_below_minus_one_leaves_nothing(mart: list[dict[str, Any]]) -> None:
    """Others would go on with a negative fortune, and make a gain of the next loss."""
    (row,) = (row for row in mart if row["entity"] == "indebted" and row["period_type"] == "all")
    assert row["total_return"] == row["annualized_return"] == row["max_drawdown"] == -1
    assert row["max_drawdown_trough_date"] == Account("indebted").days[2]


@pytest.mark.filterwarnings("ignore")
def test_what_was_landed_has_the_measures_of_others(demo: Warehouse) -> None:
    """From what the line makes of files in the inbox, not of what is planted."""
    world = world_of(demo.database)
    days, trades = days_of_entities(world), trades_of_entities(world)
    rows = table(demo.database, "gold.mart_trading_performance")
    compared = {row["entity_type"]: Counter[str]() for row in rows}
    for row in rows:
        own = days_in(row, days)
        assert row["return_count"] == len(returns_of(own))
        kind = compared[row["entity_type"]]
        kind += compare_ratios(row, returns_of(own))
        pnls = [float(trade[1]) for trade in trades_in(row, trades[key_of(row)])]
        kind += compare_trades(row, pnls)
    # There are losses everywhere, and with a drawdown a Calmar ratio.
    for counts in compared.values():
        assert min(counts[name] for name in (*RATIOS, *TRADES_OF_QUANTSTATS)) > 2, compared


def test_an_account_works_with_its_deposits_from_their_day_on(demo: Warehouse) -> None:
    """Its first day is one of its returns, and what it returns is what is compounded."""
    own = {(row[0], row[1]): row[-1] for row in world_of(demo.database).days}
    growth = dict.fromkeys((account for account, _ in own), 1.0)
    for row in table(demo.database, "gold.mart_daily_portfolio_summary"):
        account, expected = row["account_id"], own[row["account_id"], row["date"]]
        if expected is None:  # without capital
            assert row["daily_return"] is None
        else:
            assert row["daily_return"] == pytest.approx(expected, rel=1e-9, abs=1e-12)
        growth[account] *= 1 + (expected or 0)
        assert row["cumulative_return"] == pytest.approx(growth[account] - 1, abs=1e-9)
    first = min(day for account, day in own if account == "SIM-CRYPTO")
    assert own["SIM-CRYPTO", first] not in (None, 0), "it trades on its first day"


# -- the world -------------------------------------------------------------------------------------


def _add_days(made: World, account: Account, random: np.random.Generator) -> None:
    """Add an account's days, and what its strategies earned on them in each instrument."""
    equity = Decimal(0)
    for number, day in enumerate(account.days):
        deposit = Decimal(100_000) if number == 0 else Decimal(0)
        if account in TRADING and number > 0 and random.random() < 0.05:
            deposit = Decimal(int(random.integers(-5, 10)) * 1000)
        earned = Decimal(0)
        if account in TRADING:
            for instrument in INSTRUMENTS:
                for strategy in ("trend", "(none)"):
                    if random.random() < 0.4:
                        pnl = Decimal(str(round(float(random.normal(20, 300)), 6)))
                        made.results.append((account.name, strategy, instrument, day, pnl))
                        earned += pnl
        before, equity = equity, equity + deposit + earned
        if account.returns is None:
            daily_return = float(earned / (before + max(deposit, Decimal(0))))
        else:
            daily_return = float(account.returns[number - 1]) if number > 0 else None
        made.days.append((account.name, day, *account.kind, equity, deposit, daily_return))


def _add_lots(made: World, account: Account, random: np.random.Generator) -> None:
    """Add an account's lots, on days with results, and who has part of them."""
    own = [row for row in made.results if row[0] == account.name]
    for number in range(200):
        strategy = ("trend", "(none)")[random.integers(2)]
        instrument = INSTRUMENTS[random.integers(3)]
        on = [row[3] for row in own if row[1:3] == (strategy, instrument)]
        first, last = sorted(int(each) for each in random.integers(0, len(on), 2))
        opened_at = datetime.combine(on[first], time(9, 30))
        closed_at = datetime.combine(on[last], time(15, int(random.integers(60))))
        pnl = Decimal(str(round(float(random.normal(5, 100)), 4))) if number % 20 else Decimal(0)
        lot_id, is_open = f"{account.name} {number}", number % 9 == 0
        made.lots.append(
            (
                *(lot_id, account.name, None if strategy == "(none)" else strategy, instrument),
                *("open" if is_open else "closed", opened_at, None if is_open else closed_at),
                *(int((closed_at - opened_at).total_seconds()), pnl, Decimal("1.5")),
            )
        )
        if number % 4 == 0:
            made.parts.append((lot_id, "(none)", pnl, Decimal("1.5")))
        else:
            share = (pnl / 3).quantize(CENT)
            made.parts.append((lot_id, "momentum", share, Decimal("0.5")))
            made.parts.append((lot_id, "contrarian", pnl - share, Decimal("1.0")))


# -- the definitions -------------------------------------------------------------------------------


def _assert_trades(row: Mapping[str, Any], own: Sequence[Trade]) -> None:
    pnls = [pnl for _, pnl, _, _ in own]
    wins, losses = [pnl for pnl in pnls if pnl > 0], [pnl for pnl in pnls if pnl < 0]
    assert row["trade_count"] == len(own)
    assert (row["winning_trade_count"], row["losing_trade_count"]) == (len(wins), len(losses))
    assert (row["net_pnl_base"], row["fees_base"]) == (
        sum(pnls),
        sum(fees for _, _, fees, _ in own),
    )
    expected = {
        "win_rate": len(wins) / len(own) if own else None,
        "profit_factor": float(sum(wins)) / -float(sum(losses)) if losses else None,
        "expectancy": float(sum(pnls)) / len(own) if own else None,
        "average_win": float(sum(wins)) / len(wins) if wins else None,
        "average_loss": float(sum(losses)) / len(losses) if losses else None,
        "average_holding_seconds": sum(trade[3] for trade in own) / len(own) if own else None,
    }
    for name, value in expected.items():
        assert row[name] == (None if value is None else pytest.approx(value, rel=1e-12)), name
