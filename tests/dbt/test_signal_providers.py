"""What came of decisions and votes, against plain Python and scipy.

The tables are built of decisions, votes, bars, executions and lots that are planted at random.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.dbt.planted import build, plant, table
from tests.dbt.warehouse import Warehouse

Row = Mapping[str, Any]

START = datetime(2021, 1, 1)  # noqa: DTZ001 - as DuckDB gives it
SERIES = (
    ("equity:A", "equity", "1d", timedelta(days=1)),
    ("crypto:B/USD", "crypto", "1h", timedelta(hours=1)),
    ("crypto:SIM-C/USD", "crypto", "1h", timedelta(hours=1)),
)
BARS = 150
DECISIONS = 1500
SPLIT_AT = 70
HORIZONS = {1: "1_bar", 5: "5_bars", 20: "20_bars"}
SIGNS = {"buy": 1, "sell": -1, "hold": 0}
ACCOUNTS = {"sim": ("USD", True), "euro": ("EUR", False), "other": ("USD", False)}
UNIT = Decimal("0.000000000001")
MODELS = (
    "int_votes__last", "int_lots__attributed", "fct_decisions", "mart_provider_attribution",
    "mart_provider_calibration", "mart_ensemble_effectiveness",
)  # fmt: skip

PLANTED = """
create schema rules;
create schema silver;
create schema gold;
create table rules.accounts (account_id varchar, base_currency varchar, is_simulated boolean);
insert into rules.accounts values ('sim', 'USD', true), ('euro', 'EUR', false);
create table gold.dim_instruments (
    instrument_key varchar, instrument_id varchar, valid_from timestamp, valid_to timestamp
);
insert into gold.dim_instruments values
    ('A old', 'equity:A', '2021-02-01', '2021-03-01'),
    ('A new', 'equity:A', '2021-03-01', '9999-12-31'),
    ('B', 'crypto:B/USD', '2021-01-01', '9999-12-31');
create table gold.dim_sessions (calendar varchar, session_date date, open_at timestamp);
create table rules.asset_classes (asset_class varchar, calendar varchar);
create table silver.market_data_enriched (
    instrument_id varchar, timeframe varchar, bar_start_at timestamp, bar_no bigint, close double,
    split_factor double, bar_available_at timestamp, session_date date, bar_end_at timestamp
);
create table silver.decision_history (
    decision_id varchar, account_id varchar, strategy varchar, instrument_id varchar,
    asset_class varchar, symbol varchar, timeframe varchar, action varchar, confidence double,
    position_size decimal(38, 18), method varchar, decided_at timestamp, bar_start_at timestamp,
    regime varchar
);
create table silver.decision_votes (
    decision_id varchar, vote_number integer, signal_provider varchar, action varchar,
    confidence double, weight double
);
create table silver.executions (decision_id varchar, executed_at timestamp);
create table silver.trade_lifecycle (
    lot_id varchar, account_id varchar, opening_decision_id varchar, status varchar,
    base_currency varchar, net_pnl_base decimal(38, 12), fees_base decimal(38, 12),
    available_at timestamp
);
"""


@dataclass
class World:
    """What is planted, as Python has it: lists of rows, in the order of the tables' columns."""

    closes: dict[tuple[str, int], float] = field(default_factory=dict)
    bars: list[tuple[Any, ...]] = field(default_factory=list)
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    votes: list[tuple[Any, ...]] = field(default_factory=list)
    executions: list[tuple[Any, ...]] = field(default_factory=list)
    lots: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Decision:
    """A decision and what came of it, as it follows from the definitions."""

    decision_id: str
    keys: Mapping[str, Any]
    action: str
    confidence: float
    returns: Mapping[int, float | None]
    votes: Mapping[str, tuple[str, float | None, float]]
    lots: Sequence[tuple[Any, ...]]


@pytest.fixture(scope="module")
def world() -> World:
    return _make_world(np.random.default_rng(7))


@pytest.fixture(scope="module")
def database(world: World, demo: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database with what the models make of the world; dbt's tests of it hold."""
    planted = plant(
        tmp_path_factory.mktemp("providers"),
        PLANTED,
        {
            "silver.market_data_enriched": world.bars,
            "silver.decision_history": world.decisions,
            "silver.decision_votes": world.votes,
            "silver.executions": world.executions,
            "silver.trade_lifecycle": world.lots,
        },
    )
    build(planted, demo, MODELS)
    return planted


@pytest.fixture(scope="module")
def decisions(world: World) -> list[Decision]:
    return _judge(world)


def test_decisions_have_the_returns_that_followed(
    database: Path, decisions: list[Decision]
) -> None:
    rows = {row["decision_id"]: row for row in table(database, "gold.fct_decisions")}
    assert len(rows) == DECISIONS
    for decision in decisions:
        row = rows[decision.decision_id]
        assert {name: row[name] for name in decision.keys if name != "regime"} == {
            name: value for name, value in decision.keys.items() if name != "regime"
        }
        for bars, name in HORIZONS.items():
            expected = decision.returns[bars]
            assert row[f"return_{name}"] == _close_to(expected)
            is_hit = None
            if expected is not None and decision.action != "hold":
                is_hit = SIGNS[decision.action] * expected > 0
            assert row[f"is_hit_{name}"] is is_hit
    assert sum(row["return_20_bars"] is None for row in rows.values()) > 100
    assert sum(row["return_20_bars"] is not None for row in rows.values()) > 1000


def test_decisions_have_the_votes_executions_and_lots_of_theirs(
    database: Path, decisions: list[Decision], world: World
) -> None:
    rows = {row["decision_id"]: row for row in table(database, "gold.fct_decisions")}
    executed = [decision_id for decision_id, _ in world.executions]
    for decision in decisions:
        row = rows[decision.decision_id]
        for action in SIGNS:
            told = sum(vote[0] == action for vote in decision.votes.values())
            assert row[f"{action}_vote_count"] == told
        whole = sum(weight for _, _, weight in decision.votes.values())
        agreed = sum(w for action, _, w in decision.votes.values() if action == decision.action)
        assert row["agreement"] == _close_to(agreed / whole if decision.votes else None)
        assert row["execution_count"] == executed.count(decision.decision_id)
        assert row["lot_count"] == len(decision.lots)
        assert row["open_lot_count"] == sum(lot[3] == "open" for lot in decision.lots)
        own = [lot[5] for lot in decision.lots if lot[4] == row["base_currency"]]
        assert row["net_pnl_base"] == (sum(own) if own else None)


def test_decisions_know_the_version_of_the_instrument_that_held(database: Path) -> None:
    for row in table(database, "gold.fct_decisions"):
        if row["instrument_id"] == "equity:A":
            is_new = row["decided_at"] >= datetime(2021, 3, 1)  # noqa: DTZ001
            assert row["instrument_key"] == ("A new" if is_new else "A old")
        else:
            # Nobody lists the simulated pair.
            known = {"crypto:B/USD": "B", "crypto:SIM-C/USD": None}
            assert row["instrument_key"] == known[row["instrument_id"]]


def test_parts_of_a_lot_add_up_to_it(database: Path, world: World) -> None:
    parts = defaultdict(list)
    for row in table(database, "silver.int_lots__attributed"):
        parts[row["lot_id"]].append(row)
    assert set(parts) == {lot[0] for lot in world.lots}
    for lot in world.lots:
        own = parts[lot[0]]
        assert sum(row["net_pnl_base"] for row in own) == lot[5]
        assert sum(row["fees_base"] for row in own) == lot[6]
        assert sum(row["weight_share"] for row in own) == pytest.approx(1)


def test_attribution_is_that_of_the_definitions(database: Path, decisions: list[Decision]) -> None:
    groups = defaultdict(list)
    for decision in decisions:
        for provider in decision.votes:
            keys = {**decision.keys, "signal_provider": provider}
            for asset_class, instrument, regime in (
                (True, True, True), (True, True, False), (True, False, True),
                (True, False, False), (False, False, True), (False, False, False),
            ):  # fmt: skip
                rolled = {
                    **keys,
                    "asset_class": keys["asset_class"] if asset_class else "(all)",
                    "instrument_id": keys["instrument_id"] if instrument else "(all)",
                    "regime": keys["regime"] if regime else "(all)",
                }
                groups[_ordered(rolled)].append((decision, provider))
    rows = {_ordered(row, ATTRIBUTION_KEYS): row for row in table(
        database, "gold.mart_provider_attribution"
    )}  # fmt: skip
    nobodys = [row for key, row in rows.items() if key[-1] == "(none)"]
    unvoted = [pnl for decision in decisions for pnl in _unvoted(decision)]
    of_all = [row for row in nobodys if row["asset_class"] == row["regime"] == "(all)"]
    assert sum(row["attributed_pnl_base"] for row in of_all) == sum(unvoted)
    assert sum(row["lot_count"] for row in of_all) == len(unvoted) > 0
    assert not any(row["vote_count"] or row["outcome_count_1_bar"] for row in nobodys)
    assert set(rows) == set(groups) | {_ordered(row) for row in nobodys}
    correlated = 0
    for key, members in groups.items():
        row, votes = rows[key], [decision.votes[provider] for decision, provider in members]
        assert row["vote_count"] == len(votes)
        for action in SIGNS:
            assert row[f"{action}_vote_count"] == sum(vote[0] == action for vote in votes)
        assert row["agreeing_vote_count"] == sum(
            decision.votes[provider][0] == decision.action for decision, provider in members
        )
        told = [confidence for _, confidence, _ in votes if confidence is not None]
        assert row["mean_confidence"] == _close_to(_mean(told))
        parts = [_part(decision, provider) for decision, provider in members]
        assert row["lot_count"] == sum(count for count, _ in parts)
        # To a unit of the last place for each part.
        assert abs(row["attributed_pnl_base"] - sum(pnl for _, pnl in parts)) <= 3 * UNIT * (
            1 + row["lot_count"]
        )
        for bars, name in HORIZONS.items():
            correlated += _assert_scores(row, name, bars, members)
    assert correlated > 500


def test_calibration_counts_votes_in_tenths_of_their_confidence(
    database: Path, decisions: list[Decision]
) -> None:
    bins = defaultdict(list)
    for decision in decisions:
        for provider, (action, confidence, _) in decision.votes.items():
            for bars, value in decision.returns.items():
                if action != "hold" and confidence is not None and value is not None:
                    # Confidences are whole hundredths.
                    tenth = min(round(confidence * 100) // 10 + 1, 10)
                    key = (
                        decision.keys["is_simulated"], decision.keys["timeframe"], provider, bars,
                        tenth,
                    )  # fmt: skip
                    bins[key].append((confidence, SIGNS[action] * value > 0))
    found = {
        (
            row["is_simulated"], row["timeframe"], row["signal_provider"], row["horizon_bars"],
            row["confidence_bin"],
        ): row
        for row in table(database, "gold.mart_provider_calibration")
    }  # fmt: skip
    assert set(found) == set(bins)
    for key, votes in bins.items():
        row = found[key]
        assert (row["vote_count"], row["hit_count"]) == (len(votes), sum(hit for _, hit in votes))
        assert row["mean_confidence"] == _close_to(_mean([each for each, _ in votes]))
        assert row["hit_rate"] == _close_to(_mean([float(hit) for _, hit in votes]))
        assert row["brier_score"] == _close_to(_mean([(each - hit) ** 2 for each, hit in votes]))
        assert (row["confidence_from"], row["confidence_to"]) == pytest.approx(
            ((key[-1] - 1) / 10, key[-1] / 10)
        )


def test_each_provider_is_compared_on_the_very_same_decisions(
    database: Path, decisions: list[Decision]
) -> None:
    groups = defaultdict(list)
    for decision in decisions:
        choices = {"(ensemble)": decision.action} | {
            provider: vote[0] for provider, vote in decision.votes.items()
        }
        for decided_by, action in choices.items():
            for asset_class in (decision.keys["asset_class"], "(all)"):
                keys = {**decision.keys, "asset_class": asset_class, "decided_by": decided_by}
                groups[_ordered(keys, ENSEMBLE_KEYS)].append((decision, action))
    rows = {_ordered(row, ENSEMBLE_KEYS): row for row in table(
        database, "gold.mart_ensemble_effectiveness"
    )}  # fmt: skip
    assert set(rows) == set(groups)
    for key, members in groups.items():
        row, is_ensemble = rows[key], key[-1] == "(ensemble)"
        assert row["decision_count"] == len(members)
        assert row["action_count"] == sum(action != "hold" for _, action in members)
        assert row["agreement"] == _close_to(
            _mean([_agreement(each) for each, _ in members if each.votes])
            if is_ensemble
            else _mean([float(action == each.action) for each, action in members])
        )
        for bars, name in HORIZONS.items():
            known = [
                (SIGNS[action], SIGNS[each.action], each.returns[bars])
                for each, action in members
                if each.returns[bars] is not None
            ]
            assert row[f"outcome_count_{name}"] == len(known)
            own = [float(each[0] * each[2] > 0) for each in known if each[0]]
            assert row[f"hit_rate_{name}"] == _close_to(_mean(own))
            both = [each for each in known if each[0] and each[1]]
            assert row[f"compared_count_{name}"] == len(both)
            for measure, place in (("", 0), ("ensemble_", 1)):
                hits = [float(each[place] * each[2] > 0) for each in both]
                rate = "hit_rate" if measure else "compared_hit_rate"
                assert row[f"{measure}{rate}_{name}"] == _close_to(_mean(hits))
                directed = _mean([each[place] * each[2] for each in known])
                assert row[f"{measure}mean_directed_return_{name}"] == _close_to(directed)
        lots = [
            [lot[5] for lot in each.lots if lot[4] == each.keys["base_currency"]]
            for each, _ in members
        ]
        traded = [sum(own) for own in lots if own]
        assert row["net_pnl_base"] == (sum(traded) if is_ensemble and traded else None)
        assert row["win_rate"] == _close_to(
            _mean([float(pnl > 0) for pnl in traded]) if is_ensemble else None
        )


# -- the world -------------------------------------------------------------------------------------


def _make_world(random: np.random.Generator) -> World:
    made = World()
    for instrument, _, timeframe, step in SERIES:
        close = 100.0
        for number in range(BARS):
            # Prices in eighths: some stay as they are.
            close = max(close + float(random.integers(-8, 9)) / 8, 20.0)
            factor = 2.0 if instrument == "equity:A" and number >= SPLIT_AT else 1.0
            made.closes[instrument, number] = close
            begin = START + number * step
            made.bars.append(
                (
                    *(instrument, timeframe, begin, number, close / factor, factor, begin + step),
                    *(begin.date(), begin + step),
                )
            )
    for number in range(DECISIONS):
        _add_decision(made, f"d-{number}", random)
    unasked = ("nobody's", "sim", None, "closed", "USD", Decimal(9), Decimal(1), START)
    made.lots.append(unasked)
    return made


def _add_decision(made: World, decision_id: str, random: np.random.Generator) -> None:
    instrument, asset_class, timeframe, step = SERIES[random.integers(3)]
    place = int(random.integers(-3, BARS))
    context = START + place * step if place >= 0 else None
    # At once, or at any time within the next bar.
    late = timedelta(seconds=30) if random.random() < 0.5 else step * float(random.random())
    decided_at = START + (place + 1) * step + late
    account = (None, "sim", "euro", "other")[random.integers(4)]
    action = ("buy", "sell", "hold")[random.integers(3)]
    method = ("debate", "voting", "fallback", "single")[random.integers(4)]
    regime = ("trend_up", "range", None)[random.integers(3)]
    confidence = float(random.integers(0, 101)) / 100
    symbol = instrument.partition(":")[2]
    made.decisions.append(
        (
            *(decision_id, account, None, instrument, asset_class, symbol, timeframe, action),
            *(confidence, 1, method, decided_at, context, regime),
        )
    )
    for vote in range(int(random.integers(0, 5))):
        made.votes.append(
            (
                decision_id,
                vote + 1,
                ("momentum", "reversion", "contrarian", None)[random.integers(4)],
                ("buy", "sell", "hold")[random.integers(3)],
                float(random.integers(0, 101)) / 100 if random.random() < 0.95 else None,
                (0.0, 0.5, 1.0, 2.25, None)[random.integers(5)],
            )
        )
    if action == "hold":
        return
    for fill in range(int(random.integers(0, 3))):
        made.executions.append((decision_id, decided_at + timedelta(minutes=fill)))
        owner = account or "other"
        # One decision may be carried out in accounts of different currencies.
        if random.random() < 0.1:
            owner = "euro"
        pnl = Decimal(str(round(float(random.normal(0, 100)), 7)))
        lot = f"{decision_id} {fill}"
        status = ("open", "closed")[random.integers(2)]
        at = decided_at + timedelta(days=3)
        made.lots.append(
            (lot, owner, decision_id, status, ACCOUNTS[owner][0], pnl, Decimal("0.7"), at)
        )


# -- the definitions -------------------------------------------------------------------------------

ATTRIBUTION_KEYS = (
    "is_simulated", "base_currency", "timeframe", "asset_class", "instrument_id", "regime",
    "signal_provider",
)  # fmt: skip
ENSEMBLE_KEYS = (
    "is_simulated", "base_currency", "timeframe", "asset_class", "method", "decided_by",
)  # fmt: skip


def _judge(world: World) -> list[Decision]:
    votes: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for vote in world.votes:
        votes[vote[0]].append(vote)
    lots: dict[str | None, list[tuple[Any, ...]]] = defaultdict(list)
    for lot in world.lots:
        lots[lot[2]].append(lot)
    steps = {instrument: step for instrument, _, _, step in SERIES}
    found = []
    for row in world.decisions:
        decision_id, account, _, instrument, asset_class, symbol, timeframe, action = row[:8]
        confidence, _, method, _, context, regime = row[8:]
        own = lots[decision_id]
        currency, is_simulated = ACCOUNTS.get(account, ("USD", False))
        if account is None and own:
            currency = min(lot[4] for lot in own)
        place = _measured_from(context, row[11], steps[instrument])
        found.append(
            Decision(
                decision_id,
                {
                    "is_simulated": is_simulated or symbol.startswith("SIM-"),
                    "base_currency": currency,
                    "timeframe": timeframe,
                    "asset_class": asset_class,
                    "instrument_id": instrument,
                    "regime": regime or "(none)",
                    "method": method,
                },
                action,
                confidence,
                {bars: _return(world, instrument, place, bars) for bars in HORIZONS},
                _last_votes(votes[decision_id]),
                own,
            )
        )
    return found


def _measured_from(context: datetime | None, decided_at: datetime, step: timedelta) -> int:
    """Return the bar whose close was the price: the last one, or the next where it is too old."""
    following = max((decided_at - START) // step, 0)
    if context is not None and decided_at - (context + step) <= step / 20:
        return (context - START) // step
    return following


def _return(world: World, instrument: str, place: int, bars: int) -> float | None:
    if place + bars >= BARS:
        return None
    return world.closes[instrument, place + bars] / world.closes[instrument, place] - 1


def _last_votes(
    votes: Sequence[tuple[Any, ...]],
) -> Mapping[str, tuple[str, float | None, float]]:
    """Return action, confidence and weight of each provider's last vote."""
    last = {
        provider or "(unnamed)": (action, confidence, 1.0 if weight is None else weight)
        for _, _, provider, action, confidence, weight in sorted(votes, key=lambda each: each[1])
    }
    if not any(weight for _, _, weight in last.values()):
        return {name: (action, confidence, 1.0) for name, (action, confidence, _) in last.items()}
    return last


def _agreement(decision: Decision) -> float:
    whole = sum(weight for _, _, weight in decision.votes.values())
    return sum(w for action, _, w in decision.votes.values() if action == decision.action) / whole


def _unvoted(decision: Decision) -> list[Decimal]:
    """Return what the lots of a decision earned that nobody voted for."""
    if any(action == decision.action for action, _, _ in decision.votes.values()):
        return []
    return [lot[5] for lot in decision.lots if lot[4] == decision.keys["base_currency"]]


def _part(decision: Decision, provider: str) -> tuple[int, Decimal]:
    """Return of how many lots a provider has a part, and what they brought it."""
    agreed = {
        name: weight
        for name, (action, _, weight) in decision.votes.items()
        if action == decision.action
    }
    if not any(agreed.values()):
        agreed = dict.fromkeys(agreed, 1.0)
    if not agreed.get(provider):
        return 0, Decimal(0)
    share = Decimal(agreed[provider]) / Decimal(sum(agreed.values()))
    own = [lot[5] for lot in decision.lots if lot[4] == decision.keys["base_currency"]]
    return len(own), sum((pnl * share for pnl in own), Decimal(0))


def _assert_scores(row: Row, name: str, bars: int, members: Iterable[tuple[Decision, str]]) -> bool:
    known = [
        (SIGNS[action], confidence, decision.returns[bars])
        for decision, provider in members
        for action, confidence, _ in (decision.votes[provider],)
        if decision.returns[bars] is not None
    ]
    hits = [(sign * value > 0, confidence) for sign, confidence, value in known if sign]
    assert row[f"outcome_count_{name}"] == len(known)
    assert row[f"hit_sample_count_{name}"] == len(hits)
    assert row[f"hit_rate_{name}"] == _close_to(_mean([float(hit) for hit, _ in hits]))
    assert row[f"mean_directed_return_{name}"] == _close_to(
        _mean([sign * value for sign, _, value in known])
    )
    assert row[f"brier_score_{name}"] == _close_to(
        _mean([(confidence - hit) ** 2 for hit, confidence in hits if confidence is not None])
    )
    pairs = [
        (sign * confidence, value) for sign, confidence, value in known if confidence is not None
    ]
    expected = None
    if len({first for first, _ in pairs}) > 1 and len({second for _, second in pairs}) > 1:
        expected = float(spearmanr([a for a, _ in pairs], [b for _, b in pairs]).statistic)
        assert math.isfinite(expected)
    assert row[f"information_coefficient_{name}"] == _close_to(expected)
    return expected is not None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _close_to(value: float | None) -> Any:  # noqa: ANN401 - what pytest compares with
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)


def _ordered(row: Row, keys: Sequence[str] = ATTRIBUTION_KEYS) -> tuple[Any, ...]:
    return tuple(row[key] for key in keys)
