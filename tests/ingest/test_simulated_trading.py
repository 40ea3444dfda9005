"""The simulated accounts: the same for ever, blind to the future, good but for what they list."""

import asyncio
import csv
import gzip
import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ingest.lake import Lake
from ingest.provider import Request
from ingest.providers.inbox import land_inbox
from ingest.providers.inbox_formats import CONTRACTS
from ingest.providers.simulator import END, START, SYMBOLS, Simulator
from ingest.settings import PROJECT_ROOT, DataDir
from ingest.simulated_trading import (
    CRYPTO_ACCOUNT,
    EQUITY_ACCOUNT,
    EQUITY_START,
    STRATEGIES,
    Fault,
    Market,
    Trading,
    default_trading,
    drop,
    sample_markets,
    simulate,
    simulator_markets,
    texts,
)
from ingest.simulated_trading.ensemble import PROVIDERS, STRATEGY_OF, Strategy, Vote, decide
from ingest.simulated_trading.faults import MISTAKES
from ingest.simulated_trading.markets import Bars

Row = Mapping[str, Any]
Change = Callable[[Market, datetime], Market]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEW_YORK = ZoneInfo("America/New_York")
DEBATE, VOTING = (
    next(each for each in STRATEGIES if each.name == name)
    for name in ("sim_equity_debate", "sim_equity_voting")
)
KEYS = {"decisions": "decision_id", "executions": "execution_id", "cash_movements": "movement_id"}
MOST_SLIPPAGE = {EQUITY_ACCOUNT: 0.0008 * 2, CRYPTO_ACCOUNT: 0.0012 * 2}
"""Of the third fill of an order."""

SPLIT_OF_AAPL = datetime(2005, 2, 28, tzinfo=UTC)


@cache
def demo() -> Trading:
    return default_trading()


@cache
def faultless() -> Trading:
    return simulate([*sample_markets(), *simulator_markets()], faults=False)


@cache
def two_years() -> Sequence[Market]:
    return tuple(sample_markets(("AAPL", "IBM"), EQUITY_START, EQUITY_START + 730 * DAY))


@cache
def four_days() -> Sequence[Market]:
    return tuple(simulator_markets(SYMBOLS[1:], START, START + 4 * DAY))


def rows(trading: Trading) -> Mapping[str, Sequence[Row]]:
    """Return what the files hold, dataset by dataset, as whoever reads them finds it."""
    found: dict[str, list[Row]] = defaultdict(list)
    for (dataset, name), text in texts(trading).items():
        is_json = name.endswith(".jsonl")
        found[dataset] += (
            [json.loads(line) for line in text.splitlines()]
            if is_json
            else list(csv.DictReader(io.StringIO(text)))
        )
    return found


def time_of(text: object) -> datetime:
    return datetime.fromisoformat(str(text))


# -- the same for ever -----------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_texts_depend_neither_on_the_local_zone_nor_on_the_process(zone: str) -> None:
    program = """
import hashlib, sys
from ingest.simulated_trading import default_trading, texts

sys.stdout.write(hashlib.sha256(repr(list(texts(default_trading()).items())).encode()).hexdigest())
"""
    there = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TZ": zone, "PYTHONHASHSEED": "7"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    here = hashlib.sha256(repr(list(texts(demo()).items())).encode()).hexdigest()
    assert there.stdout == here


def test_the_order_of_markets_does_not_matter() -> None:
    markets = [*two_years(), *four_days()]
    assert texts(simulate(markets)) == texts(simulate(markets[::-1]))


def test_one_market_does_not_depend_on_the_others() -> None:
    alone = simulate(two_years()[:1], faults=False)
    together = simulate(two_years(), faults=False)
    assert alone.decisions == [each for each in together.decisions if each["symbol"] == "AAPL"]
    assert alone.executions == [each for each in together.executions if each["symbol"] == "AAPL"]


def test_values_never_change_between_releases() -> None:
    """Records as first released: whoever has landed them would get others beside them."""
    assert tuple(faultless().executions[0].values()) == (
        "SIM-E-AAPL-20050104T2115-1",
        "SIM-O-AAPL-20050104T2115",
        "SIM-D-AAPL-20050104T2115",
        "SIM-EQUITY",
        "sim_equity_debate",
        "2005-01-05T14:30:24.378Z",
        "AAPL",
        "equity",
        "sell",
        "313",
        "64.4589",
        "USD",
        "1.5650",
        "USD",
        "SIMX",
    )
    (decision,) = [
        each for each in faultless().decisions if each["decision_id"] == "SIM-D-GOOG-20060629T2015"
    ]
    assert (decision["action"], decision["confidence"], decision["position_size"]) == (
        "sell",
        0.6772,
        "48",
    )


# -- the future ------------------------------------------------------------------------------------


def cut(market: Market, at: datetime) -> Market:
    """Return a market of which nothing is known after a time."""
    return replace(market, bars=ended_by(market.bars, at), fills=begun_by(market.fills, at))


def ended_by(bars: Bars, at: datetime) -> Bars:
    return first_of(bars, bisect_right(bars.ended, at))


def begun_by(bars: Bars, at: datetime) -> Bars:
    return first_of(bars, bisect_right(bars.begins, at))


def first_of(bars: Bars, count: int) -> Bars:
    return Bars(*(column[:count] for column in vars(bars).values()))


def spoiled(market: Market, at: datetime) -> Market:
    """Return a market whose prices are all others after a time."""
    return replace(market, bars=_spoil(market.bars, at), fills=_spoil(market.fills, at))


def _spoil(bars: Bars, at: datetime) -> Bars:
    known = bisect_right(bars.ended, at)
    return Bars(
        bars.begins,
        bars.ended,
        *(
            [*column[:known], *(price * (3 + number % 2) for number, price in enumerate(column))][
                : len(column)
            ]
            for column in (bars.open, bars.high, bars.low, bars.close)
        ),
    )


@settings(deadline=None, max_examples=12)
@given(st.integers(30, 700), st.sampled_from([cut, spoiled]))
def test_no_decision_on_stocks_sees_the_future(day: int, change: Change) -> None:
    at = EQUITY_START + day * DAY
    check_blind_to_the_future(two_years(), at, change)


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 4 * 1440), st.sampled_from([cut, spoiled]))
def test_no_decision_on_pairs_sees_the_future(minute: int, change: Change) -> None:
    check_blind_to_the_future(four_days(), START + minute * MINUTE, change)


def check_blind_to_the_future(markets: Sequence[Market], at: datetime, change: Change) -> None:
    whole = simulate(markets, faults=False)
    less = simulate([change(market, at) for market in markets], faults=False)
    for of in ("decisions", "executions"):
        key = "decided_at" if of == "decisions" else "executed_at"
        wanted, found = (
            [each for each in getattr(trading, of) if time_of(each[key]) <= at]
            for trading in (whole, less)
        )
        assert found == wanted


def test_what_is_decided_in_the_demo_stays_when_the_demo_is_cut() -> None:
    at = datetime(2008, 9, 15, tzinfo=UTC)
    less = simulate(sample_markets(end=at), faults=False)
    assert less.decisions
    for of, key in (("decisions", "decided_at"), ("executions", "executed_at")):
        assert getattr(less, of) == [
            each for each in getattr(faultless(), of) if time_of(each[key]) < at
        ]


# -- what is traded, and at what price -------------------------------------------------------------


@cache
def stock_bars() -> Mapping[tuple[str, date], Row]:
    """Return the sample's rows, by symbol and day."""
    path = PROJECT_ROOT / "data" / "sample" / "wiki_prices.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return {
            (row["Ticker"], date.fromisoformat(row["Date"])): row for row in csv.DictReader(file)
        }


@cache
def pair_bars() -> Mapping[tuple[str, datetime], Row]:
    """Return the simulator's minutes, by symbol and start."""
    found = {}
    for symbol in SYMBOLS:
        answer = asyncio.run(Simulator().fetch(Request("bars", symbol, "1m", START, END)))
        assert isinstance(answer.records, pa.Table)
        for row in answer.records.to_pylist():
            found[symbol, time_of(row["start"])] = {
                name.title(): text for name, text in row.items()
            }
    return found


def bar_of(execution: Row) -> Row:
    """Return the bar during which an execution was."""
    at = time_of(execution["executed_at"])
    if execution["asset_class"] == "crypto":
        return pair_bars()[str(execution["symbol"]), at.replace(second=0, microsecond=0)]
    return stock_bars()[str(execution["symbol"]), at.astimezone(NEW_YORK).date()]


def test_prices_are_opens_of_bars_and_a_little_slippage() -> None:
    worse = []
    for execution in faultless().executions:
        bar, price = bar_of(execution), float(str(execution["price"]))
        opened = float(bar["Open"])
        assert abs(price / opened - 1) <= MOST_SLIPPAGE[str(execution["account_id"])] + 1e-4 / price
        assert float(bar["Low"]) <= price <= float(bar["High"])
        worse.append((price - opened) * (1 if execution["side"] == "buy" else -1) > 0)
    assert 0.5 < statistics.mean(worse) < 0.95


def test_orders_are_filled_after_the_decision_and_while_the_market_is_open() -> None:
    decided = {each["decision_id"]: each for each in faultless().decisions}
    for execution in faultless().executions:
        at = time_of(execution["executed_at"])
        decided_at = time_of(decided[execution["decision_id"]]["decided_at"])
        delay = at - decided_at
        if execution["asset_class"] == "crypto":
            assert timedelta(seconds=20) <= delay <= 10 * MINUTE
        else:
            assert 16 * HOUR < delay <= 6 * DAY
            assert 0 <= (at.astimezone(NEW_YORK).replace(tzinfo=None) - opening(at)) // MINUTE < 5


def opening(at: datetime) -> datetime:
    return datetime.combine(at.astimezone(NEW_YORK).date(), datetime.min.time()) + 9.5 * HOUR


def test_fills_add_up_to_their_order() -> None:
    filled: Counter[object] = Counter()
    orders: dict[object, set[object]] = defaultdict(set)
    sides: dict[object, set[object]] = defaultdict(set)
    for execution in faultless().executions:
        filled[execution["decision_id"]] += Decimal(str(execution["quantity"]))
        orders[execution["decision_id"]].add(execution["order_id"])
        sides[execution["decision_id"]].add(execution["side"])
    unfilled = []
    for decision in faultless().decisions:
        name, wanted = decision["decision_id"], Decimal(str(decision["position_size"]))
        if wanted and name not in filled:
            unfilled.append(decision)
            continue
        assert filled[name] == wanted
        if wanted:
            assert len(orders[name]) == 1
            assert sides[name] == {decision["action"]}
    # No bar is left in which these could be filled.
    last_days = {"2013-03-01", "2024-01-22"}
    assert {str(decision["decided_at"])[:10] for decision in unfilled} <= last_days


def positions() -> Iterator[tuple[str, Decimal, Decimal]]:
    """Yield each symbol with its position before and after every order, splits counted."""
    held: Counter[str] = Counter()
    is_split = False
    orders: dict[object, list[Row]] = defaultdict(list)
    for execution in faultless().executions:
        orders[execution["order_id"]].append(execution)
    for fills in orders.values():
        symbol = str(fills[0]["symbol"])
        if symbol == "AAPL" and not is_split and time_of(fills[0]["executed_at"]) >= SPLIT_OF_AAPL:
            held[symbol] *= 2
            is_split = True
        before = Decimal(held[symbol])
        sign = 1 if fills[0]["side"] == "buy" else -1
        held[symbol] += sign * sum(Decimal(str(fill["quantity"])) for fill in fills)
        yield symbol, before, Decimal(held[symbol])


def test_positions_are_long_and_short_turned_round_added_to_and_closed_in_part() -> None:
    kinds: Counter[str] = Counter()
    for symbol, before, after in positions():
        account = CRYPTO_ACCOUNT if symbol.startswith("SIM-") else EQUITY_ACCOUNT
        if before * after < 0:
            kinds[f"{account} flip"] += 1
        elif before == 0:
            kinds[f"{account} opened {'long' if after > 0 else 'short'}"] += 1
        elif after == 0:
            kinds[f"{account} closed"] += 1
        elif abs(after) > abs(before):
            kinds[f"{account} added"] += 1
        else:
            kinds[f"{account} reduced"] += 1
    wanted = ("flip", "opened long", "opened short", "closed", "added", "reduced")
    assert set(kinds) == {
        f"{account} {kind}" for account in (EQUITY_ACCOUNT, CRYPTO_ACCOUNT) for kind in wanted
    }


def test_a_stock_is_held_over_its_split() -> None:
    held = sum(
        Decimal(str(each["quantity"])) * (1 if each["side"] == "buy" else -1)
        for each in faultless().executions
        if each["symbol"] == "AAPL" and time_of(each["executed_at"]) < SPLIT_OF_AAPL
    )
    assert held
    assert sum(symbol == "AAPL" and not after for symbol, _, after in positions()) > 10


def test_there_are_partial_fills_rebates_and_all_kinds_of_cash() -> None:
    fills = Counter(each["order_id"] for each in faultless().executions)
    assert set(fills.values()) == {1, 2, 3}
    assert 0.2 < sum(count > 1 for count in fills.values()) / len(fills) < 0.6
    fees = [float(str(each["fee"])) for each in faultless().executions]
    assert 0 < sum(fee < 0 for fee in fees) < len(fees) / 10
    assert {each["kind"] for each in faultless().cash_movements} == {
        "opening",
        "deposit",
        "withdrawal",
        "interest",
        "fee",
    }
    for account in (EQUITY_ACCOUNT, CRYPTO_ACCOUNT):
        own = [each for each in faultless().cash_movements if each["account_id"] == account]
        assert own[0]["kind"] == "opening"
        first = min(
            time_of(each["executed_at"])
            for each in faultless().executions
            if each["account_id"] == account
        )
        assert time_of(own[0]["moved_at"]) <= first


def test_there_is_enough_of_everything_and_it_is_small() -> None:
    assert 3000 < len(demo().decisions) < 6000
    assert 1500 < len(demo().executions) < 6000
    assert sum(map(len, texts(demo()).values())) < 4_000_000
    methods = Counter((each["strategy"], each["method"]) for each in demo().decisions)
    for strategy in STRATEGIES:
        assert methods[strategy.name, strategy.method] > 200
        assert methods[strategy.name, "fallback"] > 50
    assert len(methods) == 2 * len(STRATEGIES)


# -- votes and decisions ---------------------------------------------------------------------------


def closes_until(symbol: str, day: date) -> Sequence[float]:
    """Return the last 21 closes of a stock, in units of the last day."""
    days = sorted(each for name, each in stock_bars() if name == symbol and each <= day)[-21:]
    split = SPLIT_OF_AAPL.date()
    return [
        float(stock_bars()[symbol, each]["Close"])
        / (2 if symbol == "AAPL" and each < split <= day else 1)
        for each in days
    ]


def test_votes_on_stocks_are_what_the_rules_say_of_closes_known_by_then() -> None:
    checked = 0
    for decision in faultless().decisions:
        if decision["asset_class"] != "equity":
            continue
        day = time_of(decision["decided_at"]).astimezone(NEW_YORK)
        assert (day.hour, day.minute) == (16, 15)
        closes = np.array(closes_until(str(decision["symbol"]), day.date()))
        returns = closes[1:] / closes[:-1] - 1
        scores = {
            "sim-momentum": (closes[-1] / closes[0] - 1) / np.sqrt((returns**2).sum()),
            "sim-mean-reversion": (closes[-10:].mean() - closes[-1]) / closes[-10:].std(),
        }
        for vote in cast("list[Row]", decision["provider_votes"]):
            if vote["provider"] not in scores:
                continue
            score = scores[vote["provider"]]
            conviction = score / (1 + abs(score))
            action = "hold" if abs(conviction) < 0.35 else "buy" if conviction > 0 else "sell"
            confidence = 1 - abs(conviction) if action == "hold" else 0.5 + abs(conviction) / 2
            assert vote["confidence"] == pytest.approx(confidence, abs=2e-4)
            assert vote["action"] == action
            checked += 1
    assert checked > 4000


def test_an_hour_that_is_not_over_is_not_looked_at() -> None:
    (market,) = simulator_markets(SYMBOLS[:1], START, START + 5.5 * HOUR)
    assert len(market.bars.close) == 5
    assert simulate([market], faults=False).decisions[-1]["decided_at"] == "2024-01-08T05:00:30Z"


def test_decisions_on_pairs_look_at_the_hour_that_is_over() -> None:
    for decision in faultless().decisions:
        if decision["asset_class"] == "crypto":
            at = time_of(decision["decided_at"])
            assert (at.minute, at.second, decision["timeframe"]) == (0, 30, "1h")


def test_the_contrarian_mostly_opposes_the_last_day() -> None:
    sides = []
    for decision in faultless().decisions:
        if decision["asset_class"] != "equity":
            continue
        day = time_of(decision["decided_at"]).astimezone(NEW_YORK).date()
        heard = [
            vote
            for vote in cast("list[Row]", decision["provider_votes"])
            if vote["provider"] == "sim-contrarian-random" and vote["action"] != "hold"
        ]
        if heard:
            before, last = closes_until(str(decision["symbol"]), day)[-2:]
            sides.append((heard[0]["action"] == "sell") == (last > before))
    assert 0.75 < statistics.mean(sides) < 0.9


def votes(*convictions: float, weights: Sequence[float] = (1, 1, 1)) -> list[Vote]:
    return [
        Vote(provider, conviction, weight)
        for provider, conviction, weight in zip(PROVIDERS, convictions, weights, strict=False)
    ]


def test_in_a_debate_one_that_is_sure_wins_over_two_that_are_not() -> None:
    heard = votes(0.95, -0.4, -0.4)
    assert decide(DEBATE, heard).action == "buy"
    assert decide(VOTING, heard).action == "sell"


def test_those_that_hold_win_a_vote_but_do_not_stop_one_that_is_sure_in_a_debate() -> None:
    heard = votes(0.8, 0.1, 0.05)
    assert decide(VOTING, heard).action == "hold"
    assert decide(DEBATE, heard).action == "buy"


def test_a_tie_is_a_hold() -> None:
    for strategy in (DEBATE, VOTING):
        for convictions in ((0.6, -0.6, 0.0), (-0.6, 0.6, 0.0), (0.0, 0.6, -0.6)):
            assert decide(strategy, votes(*convictions, weights=(1, 1, 1))).action == "hold"
    assert decide(VOTING, votes(0.6, -0.6, 0.0, weights=(1, 1, 0.1))).action == "hold"
    assert decide(VOTING, votes(0.6, 0.2, 0.2, weights=(2, 1, 1))).action == "hold"


def test_in_a_debate_those_on_one_side_do_not_move_each_other() -> None:
    verdict = decide(DEBATE, votes(0.8, 0.4, 0.3))
    assert (verdict.action, verdict.confidence) == ("buy", pytest.approx(0.75))


def test_a_vote_goes_by_weight_times_confidence() -> None:
    verdict = decide(VOTING, votes(0.5, -0.5, -0.5, weights=(3, 1, 1)))
    assert (verdict.action, verdict.confidence) == ("buy", pytest.approx(3 / 5))


def test_the_heaviest_that_is_there_decides_alone_where_one_is_missing() -> None:
    heard = votes(0.5, -0.9, weights=(1, 2))
    for strategy in (DEBATE, VOTING):
        verdict = decide(strategy, heard)
        assert (verdict.method, verdict.action) == ("fallback", "sell")
        assert verdict.confidence == pytest.approx(0.8 * 0.95)
        nobody = decide(strategy, [])
        assert (nobody.method, nobody.action, nobody.confidence) == ("fallback", "hold", 0)


@given(st.lists(st.floats(-0.99, 0.99), min_size=3, max_size=3), st.sampled_from(STRATEGIES))
def test_an_ensemble_is_even_handed(convictions: list[float], strategy: Strategy) -> None:
    opposite = {"buy": "sell", "sell": "buy", "hold": "hold"}
    verdict = decide(strategy, votes(*convictions))
    mirrored = decide(strategy, votes(*(-each for each in convictions)))
    assert mirrored.action == opposite[verdict.action]
    assert mirrored.confidence == verdict.confidence
    assert 0 <= verdict.confidence <= 1


def test_debate_and_voting_disagree_on_the_same_votes_now_and_then() -> None:
    differing = [
        decide(DEBATE, heard).action != decide(VOTING, heard).action
        for decision in faultless().decisions
        if len(heard := opening_statements(decision)) == len(PROVIDERS)
    ]
    assert 0.1 < statistics.mean(differing) < 0.5


def opening_statements(decision: Row) -> list[Vote]:
    signs = {"buy": 1, "sell": -1, "hold": 0.0}
    return [
        Vote(each["provider"], signs[each["action"]] * (2 * each["confidence"] - 1), each["weight"])
        for each in decision["provider_votes"]
    ]


def test_fallback_is_for_missing_providers_and_for_nothing_else() -> None:
    for decision in faultless().decisions:
        heard = cast("list[Row]", decision["provider_votes"])
        assert (decision["method"] == "fallback") == (len(heard) < len(PROVIDERS))
        strategy = STRATEGY_OF[str(decision["symbol"])]
        assert {each["provider"]: each["weight"] for each in heard}.items() <= (
            strategy.weights.items()
        )
    counts = Counter(len(cast("list[Row]", each["provider_votes"])) for each in demo().decisions)
    assert set(counts) == {0, 1, 2, 3}


# -- labels, contract and faults -------------------------------------------------------------------


def test_everything_says_that_it_is_simulated() -> None:
    for dataset, found in rows(demo()).items():
        for row in found:
            assert row[KEYS[dataset]].startswith("SIM-")
            assert row["account_id"].startswith("SIM-")
            if dataset == "cash_movements":
                continue
            assert row["strategy"].startswith("sim_")
            if dataset == "executions":
                assert row["order_id"].startswith("SIM-")
                assert row["decision_id"].startswith("SIM-")
                assert "SIM" in row["venue"]
            else:
                assert row["reasoning"].startswith("Simulated")
                assert all(vote["provider"].startswith("sim-") for vote in row["provider_votes"])


def some(trading: Trading, outcome: str) -> list[Fault]:
    return [fault for fault in trading.injected if fault.outcome == outcome]


def test_the_contract_is_broken_as_announced_and_nowhere_else() -> None:
    broken = []
    for dataset, found in rows(demo()).items():
        for row in found:
            try:
                CONTRACTS[dataset].model_validate(row)
            except ValidationError:
                broken.append((dataset, row[KEYS[dataset]]))
    assert Counter(broken) == Counter(
        (fault.dataset, fault.record_id) for fault in some(demo(), "dead_lettered")
    )


def test_records_are_told_again_as_announced_and_nowhere_else() -> None:
    told = Counter(
        (dataset, row[KEYS[dataset]]) for dataset, found in rows(demo()).items() for row in found
    )
    assert {key for key, count in told.items() if count > 1} == {
        (fault.dataset, fault.record_id) for fault in some(demo(), "superseded")
    }
    assert max(told.values()) == 2


def test_currencies_are_unknown_as_announced_and_nowhere_else() -> None:
    foreign = [
        (dataset, row[KEYS[dataset]])
        for dataset, found in rows(demo()).items()
        for row in found
        if not {row.get(name, "USD") for name in CURRENCIES} <= {"USD"}
    ]
    assert foreign == [
        (fault.dataset, fault.record_id)
        for dataset in KEYS
        for fault in some(demo(), "quarantined")
        if fault.dataset == dataset
    ]
    assert {fault.reason for fault in some(demo(), "quarantined")} == {"no_currency_rate"}


CURRENCIES = ("currency", "quote_currency", "fee_currency")


def test_without_the_faults_and_with_the_corrections_nothing_is_missing() -> None:
    refused = {
        fault.record_id
        for fault in demo().injected
        if fault.outcome in {"quarantined", "dead_lettered"}
    }
    good = rows(faultless())
    for dataset, found in rows(demo()).items():
        last = {row[KEYS[dataset]]: row for row in found if row[KEYS[dataset]] not in refused}
        assert sorted(last.values(), key=str) == sorted(good[dataset], key=str)


def test_a_correction_changes_the_confidence_and_nothing_else() -> None:
    told = {row["decision_id"]: row for row in demo().decisions}
    assert demo().corrections
    for again in demo().corrections:
        first = told[again["decision_id"]]
        assert {name for name in again if again[name] != first[name]} == {"confidence"}


@pytest.mark.parametrize(
    "trading", [demo, lambda: simulate(simulator_markets(SYMBOLS[:1], START, START + 4 * DAY))]
)
def test_each_kind_of_fault_occurs(trading: Callable[[], Trading]) -> None:
    kinds = {fault.kind for fault in trading().injected}
    assert kinds == {mistake.kind for mistake in MISTAKES}


def test_there_are_no_faults_unless_asked_for() -> None:
    assert not faultless().injected
    assert not faultless().corrections


# -- the inbox -------------------------------------------------------------------------------------

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def dropped_names(lake: Lake, trading: Trading) -> list[str]:
    return [path.relative_to(lake.data.inbox).as_posix() for path in drop(lake, trading)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(DataDir(tmp_path / "data"))


@pytest.fixture(scope="module")
def small() -> Trading:
    return simulate(four_days())


def land(lake: Lake) -> Mapping[str, tuple[int, int]]:
    """Land what is in the inbox, and return rows and dead letters by file."""
    return {
        f"{dataset}/{file.name}": (file.rows, file.dead_letters)
        for dataset in KEYS
        for file in land_inbox(lake, dataset=dataset).files
        if file.status == "landed"
    }


def test_what_is_dropped_can_be_landed_at_once_and_is_not_dropped_again(
    lake: Lake, small: Trading
) -> None:
    names = dropped_names(lake, small)
    assert names == [
        "decisions/simulated-1-decisions.jsonl",
        "decisions/simulated-2-corrections.jsonl",
        "executions/simulated-executions.csv",
        "cash_movements/simulated-cash-movements.csv",
    ]
    assert dropped_names(lake, small) == [], "they wait there already"
    landed = land(lake)
    refused = Counter(fault.dataset for fault in some(small, "dead_lettered"))
    assert landed == {
        names[0]: (len(small.decisions) - refused["decisions"], refused["decisions"]),
        names[1]: (len(small.corrections), 0),
        names[2]: (len(small.executions) - refused["executions"], refused["executions"]),
        names[3]: (
            len(small.cash_movements) - refused["cash_movements"],
            refused["cash_movements"],
        ),
    }
    assert dropped_names(lake, small) == [], "they landed already"
    assert land(lake) == {}


def test_a_file_of_the_user_is_left_alone_whatever_its_name(lake: Lake, small: Trading) -> None:
    mine = lake.data.inbox / "executions" / "simulated-executions.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("my own", encoding="utf-8")
    before = mine.stat()
    names = dropped_names(lake, small)
    (beside,) = [name for name in names if name.startswith("executions/")]
    assert beside.startswith("executions/simulated-executions-")
    assert mine.read_text(encoding="utf-8") == "my own"
    assert mine.stat() == before
    assert dropped_names(lake, small) == []


def test_nothing_unfinished_is_left_in_the_inbox(lake: Lake, small: Trading) -> None:
    drop(lake, small)
    assert not [path for path in lake.data.inbox.rglob(".*") if path.is_file()]


def test_other_prices_give_other_files_and_those_are_dropped(lake: Lake, small: Trading) -> None:
    drop(lake, small)
    land(lake)
    assert dropped_names(lake, simulate(four_days()[:1])) == [
        "decisions/simulated-1-decisions.jsonl",
        "decisions/simulated-2-corrections.jsonl",
        "executions/simulated-executions.csv",
    ], "the cash movements are the same"
