"""Signals go on from stored state: whatever changes, they are what a full refresh would give."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.dbt.signals import KEYS, MODELS, Bars, Signals, assert_same_signals, random_walk, stored
from tests.dbt.warehouse import PROJECT, connect, rows

TABLES = tuple(KEYS)
MARTS = ("mart_market_regime_stats", "mart_regime_transitions")
BETWEEN = "between.duckdb"
# Longer than any indicator looks back, so that the window decides how much is read again.
SMALL = {"regime_volatility_window": 310, "bars_per_batch": 5000}


def without(bars: Bars, positions: list[int]) -> Bars:
    return bars.at(np.setdiff1d(np.arange(len(bars)), positions))


def corrected(bars: Bars, position: int) -> Bars:
    changed = bars.at(slice(None))
    changed.close = bars.close.copy()
    changed.close[position] = (bars.high[position] + bars.low[position]) / 2
    return changed


def minutes_and_hours(count: int, seed: int) -> list[Bars]:
    return [
        random_walk(count, seed, timeframe="1m", volatility=0.001),
        random_walk(count // 60, seed, timeframe="1h"),
    ]


def before_and_after() -> dict[str, tuple[list[Bars], list[Bars]]]:
    """Return pairs of series, as one build and as the next one sees them, by what happened."""
    pairs: dict[str, tuple[list[Bars], list[Bars]]] = {}
    for cut in (1, 14, 33, 199, 309, 310, 311, 312, 420, 899):
        walk = random_walk(900, cut)
        pairs[f"appended after {cut}"] = ([walk.at(slice(0, cut))], [walk])
    walk = random_walk(900, 50)
    for position in (0, 5, 250, 320, 700, 899):
        pairs[f"late bar {position}"] = ([without(walk, [position])], [walk])
        pairs[f"corrected bar {position}"] = ([corrected(walk, position)], [walk])
        pairs[f"withdrawn bar {position}"] = ([walk], [without(walk, [position])])
    jump = np.where((walk.places >= 345) & (walk.places < 350), 1.5, 1.0)
    pairs["corrected course"] = ([walk], [walk.scaled(jump)])
    opened_elsewhere = walk.at(slice(None))
    opened_elsewhere.opened = walk.opened * 1.001
    pairs["corrected opens"] = ([opened_elsewhere], [walk])
    pairs["several late bars"] = ([without(walk, [320, 500, 501, 890])], [walk])
    pairs["earlier history"] = ([walk.at(slice(500, 900))], [walk])
    pairs["new instrument"] = ([], [walk])
    pairs["gone instrument"] = ([walk], [])
    long = random_walk(9000, 51)
    pairs["many bars at once"] = ([long.at(slice(0, 400))], [long])
    flat = np.concatenate([walk.close[:400], np.full(800, walk.close[399])])
    still = Bars(flat, flat, flat, np.ones(1200))
    pairs["flat where it goes on"] = ([still.at(slice(0, 1100))], [still])
    holes = np.where(np.random.default_rng(1).random(900) < 0.4, np.nan, walk.volume)
    partly = Bars(walk.high, walk.low, walk.close, holes)
    pairs["partly without volume"] = ([partly.at(slice(0, 700))], [partly])
    both = minutes_and_hours(6000, 52)
    for cut in (3000, 5990):
        start = [both[0].at(slice(0, cut)), both[1].at(slice(0, cut // 60))]
        pairs[f"minutes and hours after {cut}"] = (start, both)
    pairs["late minute"] = ([without(both[0], [4000]), both[1]], both)
    pairs["another timeframe"] = ([both[1]], both)
    return pairs


def set_bars(signals: Signals, which: int, **splits: list[tuple[str, float]]) -> None:
    series = {f"crypto:{name}": pair[which] for name, pair in before_and_after().items()}
    series |= {f"crypto:{name}": [random_walk(800, 60)] for name in ("split later", "untouched")}
    signals.set_bars(
        {name: bars for name, bars in series.items() if bars},
        {f"crypto:{name.replace('_', ' ')}": steps for name, steps in splits.items()},
    )


def set_lots(signals: Signals) -> None:
    """Trade every instrument, minutes apart at first and days apart in the end."""
    with closing(connect(signals.database, read_only=False)) as connection:
        connection.execute(
            f"create table rules.accounts as from '{PROJECT / 'seeds' / 'accounts.csv'}'"
        )
        connection.execute(
            "create table silver.trade_lifecycle as"
            " select instrument_id, 'main' as account_id, 'X' as symbol, 'closed' as status,"
            " timestamp '2020-01-01' + to_minutes(number * number) as opened_at,"
            " 'USD' as base_currency, cast(number - 500 as decimal(38, 12)) as net_pnl_base"
            " from (select distinct instrument_id from silver.bars), range(0, 1140, 9) as r(number)"
        )


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signals, Signals]:
    """Return the signals after two builds, of bars and of changed ones, and after one build.

    Beside the first database is a copy of it between its builds.
    """
    folder = tmp_path_factory.mktemp("resume")
    step_by_step, at_once = Signals(folder / "steps"), Signals(folder / "once")
    set_bars(step_by_step, 0)
    step_by_step.compute(**SMALL)
    step_by_step.warehouse.copy_database(step_by_step.warehouse.folder / BETWEEN)
    set_bars(step_by_step, 1, split_later=[("2021-06-01", 2.0)])
    set_bars(at_once, 1, split_later=[("2021-06-01", 2.0)])
    for signals in (step_by_step, at_once):
        set_lots(signals)
        signals.compute(*MODELS, *MARTS, **SMALL)
    return step_by_step, at_once


@pytest.mark.parametrize("table", TABLES)
def test_resumed_equals_full_refresh(resumed: tuple[Signals, Signals], table: str) -> None:
    assert_same_signals(*(stored(signals.database, table) for signals in resumed))


@pytest.mark.parametrize("table", ["silver.int_regimes__spells", *(f"gold.{it}" for it in MARTS)])
def test_resumed_spells_add_up_to_the_same(resumed: tuple[Signals, Signals], table: str) -> None:
    """Exactly: their sums are of decimals, and everything else is a count or an extreme."""
    found, expected = (rows(each.database, f"from {table} order by all") for each in resumed)
    assert found == expected
    assert len(expected) > 100


Spell = tuple[int, str, int, bool, float | None]
"""Day it began, regime, bars, whether it is over, sum of returns."""


def spells(database: Path, name: str) -> list[Spell]:
    return rows(
        database,
        "select date_diff('day', timestamp '2020-01-01', regime_started_at), regime, bar_count,"
        " regime_ended_at is not null, return_sum::double from silver.int_regimes__spells"
        f" where instrument_id = 'crypto:{name}' order by regime_started_at",
    )


def test_spells_change_where_their_bars_do(resumed: tuple[Signals, Signals]) -> None:
    """Otherwise comparing them would prove nothing."""
    now = resumed[0].database
    before = resumed[0].warehouse.folder / BETWEEN

    def changed(name: str) -> tuple[list[Spell], list[Spell]]:
        old, new = spells(before, name), spells(now, name)
        return [it for it in old if it not in new], [it for it in new if it not in old]

    assert spells(now, "untouched") == spells(before, "untouched") != []
    ((then,), (extended,)) = changed("late bar 899")
    assert (then[:4], extended[:4]) == ((897, "volatile", 2, False), (897, "volatile", 3, False))
    ((then,), (corrected,)) = changed("corrected bar 700")
    assert then[:4] == corrected[:4] == (697, "range", 37, True)
    assert then[4] != pytest.approx(corrected[4], rel=1e-9)
    whole, parts = changed("corrected course")
    assert whole[0][:3] == (325, "range", 67)
    assert parts[0][:2] == whole[0][:2]
    assert len([part for part in parts if part[0] < 325 + 67]) > 1
    gone, come = changed("earlier history")
    assert (gone[0][0], come[0][0]) == (825, 325)
    assert not spells(now, "gone instrument")


def test_only_what_changed_is_computed(resumed: tuple[Signals, Signals]) -> None:
    """From the first changed bar on, and resuming wherever enough bars are kept."""
    with closing(connect(resumed[0].database)) as connection:
        found = {
            (name.removeprefix("crypto:"), timeframe): (place, resumed_after)
            for name, timeframe, place, resumed_after in connection.execute(
                "select instrument_id, timeframe, date_diff('second', timestamp '2020-01-01',"
                " restart_at) // case timeframe when '1m' then 60 when '1h' then 3600"
                " else 86400 end,"
                " resume_bar_no from staging.int_signals__restarts"
            ).fetchall()
        }
    assert ("untouched", "1d") not in found
    assert ("late minute", "1h") not in found
    assert found["late minute", "1m"] == (4000, 3999)
    assert found["appended after 899", "1d"] == (899, 898)
    assert found["appended after 312", "1d"] == (312, 311)
    assert found["appended after 309", "1d"] == (309, None)
    assert found["corrected opens", "1d"] == (0, None)
    assert found["corrected course", "1d"] == (345, 344)
    assert found["earlier history", "1d"] == (0, None)
    assert found["appended after 33", "1d"] == (33, None)
    assert found["corrected bar 700", "1d"] == (700, 699)
    assert found["withdrawn bar 320", "1d"] == (320, 319)
    assert found["split later", "1d"] == (517, 516)
    assert found["partly without volume", "1d"] == (700, None)


def test_a_second_build_without_news_computes_nothing(resumed: tuple[Signals, Signals]) -> None:
    signals = resumed[1]
    before = {table: stored(signals.database, table) for table in TABLES}
    set_bars(signals, 1, split_later=[("2021-06-01", 2.0)])
    signals.compute(**SMALL)
    with closing(connect(signals.database)) as connection:
        restarts = connection.execute("select count(*) from staging.int_signals__restarts")
        assert restarts.fetchall() == [(0,)]
    for table in TABLES:
        assert stored(signals.database, table).equals(before[table])


@pytest.mark.slow
def test_one_bar_at_a_time_equals_all_at_once(tmp_path: Path) -> None:
    walks = {f"crypto:{seed}": random_walk(420, seed) for seed in (1, 2)}
    step_by_step, at_once = Signals(tmp_path / "steps"), Signals(tmp_path / "once")
    for count in (416, 417, 418, 419, 420):
        step_by_step.set_bars({name: walk.at(slice(0, count)) for name, walk in walks.items()})
        step_by_step.compute(**SMALL)
    at_once.set_bars(walks)
    at_once.compute(**SMALL)
    for table in TABLES:
        assert_same_signals(stored(step_by_step.database, table), stored(at_once.database, table))


def test_data_tests_read_every_row_that_was_computed(tmp_path: Path) -> None:
    """A late bar changes all rows after it, of sessions that nothing touched, too."""
    walk = random_walk(600, 3)
    signals = Signals(tmp_path)
    for bars in (without(walk, [400]), walk):
        signals.set_bars({"crypto:A": bars})
        signals.compute(**SMALL)
    tests = ("indicators_grain_is_unique", "int_regimes__spells_grain_is_unique")
    for bar_no, spell, outcome in (
        (350, "timestamp '2021-02-03' >= regime_ended_at", "pass"),
        (450, "regime_ended_at is null", "fail"),
    ):
        with closing(connect(signals.database, read_only=False)) as connection:
            for table, condition in (
                ("silver.indicators", f"bar_no = {bar_no}"),
                ("silver.int_regimes__spells", spell),
            ):
                repeated = connection.execute(
                    f"insert into {table} from {table} where {condition}"
                ).fetchall()
                assert repeated > [(0,)]
        signals.warehouse.run_dbt("test", "--select", *tests)
        outcomes = signals.warehouse.outcomes()
        assert [outcomes[name] for name in tests] == [outcome, outcome]


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(0, marks=pytest.mark.slow),
        *(pytest.param(seed, marks=pytest.mark.weekly) for seed in range(1, 8)),
    ],
)
def test_any_cut_equals_full_refresh(tmp_path: Path, seed: int) -> None:
    """Random series, cut, thinned and corrected at random, several builds in a row."""
    rng = np.random.default_rng(seed)
    walks = {f"crypto:{n}": random_walk(int(rng.integers(1, 1500)), 100 + n) for n in range(40)}
    step_by_step, at_once = Signals(tmp_path / "steps"), Signals(tmp_path / "once")
    for share in (0.3, 0.6, 0.9, 0.95):
        seen = {
            name: walk.at(
                np.flatnonzero(
                    (np.arange(len(walk)) < share * len(walk))
                    & (rng.random(len(walk)) > rng.choice([0, 0.002]))
                )
            )
            for name, walk in walks.items()
        }
        step_by_step.set_bars({name: bars for name, bars in seen.items() if len(bars)})
        step_by_step.compute(**SMALL)
    for signals in (step_by_step, at_once):
        signals.set_bars(walks)
        signals.compute(**SMALL)
    for table in TABLES:
        assert_same_signals(stored(step_by_step.database, table), stored(at_once.database, table))
