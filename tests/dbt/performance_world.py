"""Days and trades of everything that performance is measured of, as they follow from definitions.

From what accounts were worth and their lots earned, planted or of a database, in plain Python; not
what is made of them: that others have in `performance_oracles`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from tests.dbt.warehouse import rows

EntityKey = tuple[str, str, str, int, bool]
Day = tuple[date, Decimal, float | None]
"""A date, the profit of that day and its return."""
Trade = tuple[date, Decimal, Decimal, int]
"""The day a lot was closed, its net profit, its fees, and how many seconds it was held."""

PERIOD_TYPES = ("all", "year", "month")


@dataclass
class World:
    """What performance is made of, in the columns of `world_of`."""

    days: list[tuple[Any, ...]] = field(default_factory=list)
    results: list[tuple[Any, ...]] = field(default_factory=list)
    lots: list[tuple[Any, ...]] = field(default_factory=list)
    parts: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def kinds(self) -> Mapping[str, tuple[str, int, bool]]:
        """Return currency, periods per year and whether simulated, of each account."""
        return {row[0]: row[2:5] for row in self.days}


def world_of(database: Path) -> World:
    """Return the world of a database; daily returns are not its own, but made of its equity."""
    days = []
    before: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows(
        database,
        "select account_id, date, base_currency, periods_per_year, is_simulated, equity_base,"
        " net_deposits_base from gold.mart_daily_portfolio_summary order by account_id, date",
    ):
        account, *_, equity, deposit = row
        capital = before[account] + max(deposit, Decimal(0))
        earned = equity - before[account] - deposit
        days.append((*row, float(earned) / float(capital) if capital > 0 else None))
        before[account] = equity
    return World(
        days,
        rows(
            database,
            "select account_id, strategy, instrument_id, date, pnl_base"
            " from silver.int_trading__daily_pnl",
        ),
        rows(
            database,
            "select lot_id, account_id, strategy, instrument_id, status, opened_at, closed_at,"
            " holding_seconds, net_pnl_base, fees_base from silver.trade_lifecycle",
        ),
        rows(
            database,
            "select lot_id, signal_provider, net_pnl_base, fees_base"
            " from silver.int_lots__attributed",
        ),
    )


def days_of_entities(world: World) -> Mapping[EntityKey, list[Day]]:
    """Return each entity's days, in order."""
    kinds = world.kinds
    found: dict[EntityKey, list[Day]] = defaultdict(list)
    traded: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    results: dict[tuple[str, str, str], dict[date, Decimal]] = defaultdict(
        lambda: defaultdict(Decimal)
    )
    for name, strategy, instrument, day, pnl in world.results:
        traded[name, day] += pnl
        results["strategy", strategy, name][day] += pnl
        results["instrument", instrument, name][day] += pnl
    for provider, name, opened_on, closed_on, pnl, *_ in _closed_parts(world):
        results["signal_provider", provider, name][opened_on] += Decimal(0)
        results["signal_provider", provider, name][closed_on] += pnl
    capital: dict[str, dict[date, Decimal]] = defaultdict(dict)
    equity_before: dict[str, Decimal] = defaultdict(Decimal)
    for name, day, _, _, _, equity, deposit, daily_return in world.days:
        capital[name][day] = equity_before[name] + max(deposit, Decimal(0))
        equity_before[name] = equity
        found["account", name, *kinds[name]].append((day, traded[name, day], daily_return))
    at_work: dict[EntityKey, dict[date, list[Decimal]]] = defaultdict(
        lambda: defaultdict(lambda: [Decimal(0), Decimal(0)])
    )
    for (kind, entity, name), own in results.items():
        for day, at_hand in capital[name].items():
            if min(own) <= day <= max(own):
                sums = at_work[kind, entity, *kinds[name]][day]
                sums[0] += own.get(day, Decimal(0))
                sums[1] += at_hand
    for key, of_days in at_work.items():
        for day, (pnl, at_hand) in of_days.items():
            found[key].append((day, pnl, float(pnl) / float(at_hand) if at_hand > 0 else None))
    return {key: sorted(own) for key, own in found.items()}


def trades_of_entities(world: World) -> Mapping[EntityKey, list[Trade]]:
    """Return each entity's trades."""
    kinds = world.kinds
    found = defaultdict(list)
    for _, name, strategy, instrument, status, _, closed_at, seconds, pnl, fees in world.lots:
        if status == "closed":
            trade = (closed_at.date(), pnl, fees, seconds)
            found["account", name, *kinds[name]].append(trade)
            found["strategy", strategy or "(none)", *kinds[name]].append(trade)
            found["instrument", instrument, *kinds[name]].append(trade)
    for provider, name, _, closed_on, pnl, fees, seconds in _closed_parts(world):
        found["signal_provider", provider, *kinds[name]].append((closed_on, pnl, fees, seconds))
    return found


def key_of(row: Mapping[str, Any]) -> EntityKey:
    """Return the entity that a row of the mart is of."""
    return (
        row["entity_type"],
        row["entity"],
        row["base_currency"],
        row["periods_per_year"],
        row["is_simulated"],
    )


def period_start(period_type: str, day: date, first: date) -> date:
    """Return the first day of the period a day is in."""
    return {"all": first, "year": day.replace(month=1, day=1), "month": day.replace(day=1)}[
        period_type
    ]


def periods_of(own: Sequence[Day]) -> set[tuple[str, date]]:
    """Return type and first day of each period that an entity was at work in."""
    return {
        (period_type, period_start(period_type, day, own[0][0]))
        for day, _, _ in own
        for period_type in PERIOD_TYPES
    }


def days_in(row: Mapping[str, Any], days: Mapping[EntityKey, list[Day]]) -> list[Day]:
    """Return the entity's days in the period of a row of the mart."""
    own = days[key_of(row)]
    return [
        day
        for day in own
        if period_start(row["period_type"], day[0], own[0][0]) == row["period_start"]
    ]


def trades_in(row: Mapping[str, Any], trades: Iterable[Trade]) -> list[Trade]:
    """Return which of an entity's trades were closed in the period of a row of the mart."""
    return [
        trade
        for trade in trades
        if period_start(row["period_type"], trade[0], row["period_start"]) == row["period_start"]
    ]


def returns_of(own: Sequence[Day]) -> pd.Series:
    """Return the returns of days that have one."""
    kept = {pd.Timestamp(day): value for day, _, value in own if value is not None}
    return pd.Series(kept, dtype=float)


def _closed_parts(world: World) -> Iterator[tuple[Any, ...]]:
    lots = {row[0]: row for row in world.lots}
    for lot_id, provider, pnl, fees in world.parts:
        _, name, _, _, status, opened_at, closed_at, seconds, _, _ = lots[lot_id]
        if status == "closed":
            yield provider, name, opened_at.date(), closed_at.date(), pnl, fees, seconds
