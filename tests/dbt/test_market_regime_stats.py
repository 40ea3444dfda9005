"""What follows a regime, held against pandas on random series."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from tests.dbt.research import Research, Row

START = datetime.fromisoformat("2024-01-01")
STEPS = {"1d": timedelta(days=1), "1h": timedelta(hours=1)}
BARS_PER_YEAR = {("crypto", "1d"): 365, ("crypto", "1h"): 365 * 24, ("equity", "1h"): 252 * 7}
REGIMES = ("trend_up", "trend_down", "range", "volatile")
COLUMNS = (
    "bar_count", "time_share", "mean_return", "mean_return_annualized", "compound_return",
    "volatility_annualized", "max_drawdown", "positive_bar_share", "spell_count",
    "mean_spell_bars", "median_spell_bars", "max_spell_bars", "trade_count", "win_rate",
    "net_pnl_base", "simulated_trade_count", "simulated_win_rate", "simulated_net_pnl_base",
)  # fmt: skip


def series(seed: int, count: int, warm_up: int, step: timedelta) -> pd.DataFrame:
    """Return a random walk in regimes of random lengths; a split halves its price midway."""
    rng = np.random.default_rng(seed)
    forward = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, count)))
    regimes: list[str | None] = [None] * warm_up
    while len(regimes) < count:
        others = [regime for regime in REGIMES[:3] if regimes[-1:] != [regime]]
        regimes += [str(rng.choice(others))] * int(rng.integers(1, 15))
    factor = np.where(np.arange(count) >= count // 2, 2.0, 1.0)
    frame = pd.DataFrame({"forward": forward, "factor": factor, "regime": regimes[:count]})
    frame["spell"] = (frame["regime"] != frame["regime"].shift()).cumsum()
    frame["start"] = [START + number * step for number in range(count)]
    frame["end"] = frame["start"] + step
    return frame


def paused(frame: pd.DataFrame, after: int, pause: timedelta) -> pd.DataFrame:
    """Return a series with a pause after so many bars or some more, in the middle of a spell."""
    goes_on = frame["spell"].eq(frame["spell"].shift()) & (frame.index >= after)
    is_later = frame.index >= goes_on.idxmax()
    return frame.assign(
        start=frame["start"].where(~is_later, frame["start"] + pause),
        end=frame["end"].where(~is_later, frame["end"] + pause),
    )


SERIES = {
    ("crypto:A", "crypto", "1d"): paused(
        series(1, 400, 20, STEPS["1d"]), after=100, pause=timedelta(days=30)
    ),
    ("crypto:A", "crypto", "1h"): series(2, 900, 0, STEPS["1h"]),
    ("equity:B", "equity", "1h"): series(3, 300, 299, STEPS["1h"]),
    ("equity:C", "equity", "1h"): series(4, 300, 300, STEPS["1h"]),
}
"""Long and short of one instrument, one with a regime at its last bar only, one without any."""


def bars() -> Iterator[Row]:
    for (instrument_id, asset_class, timeframe), frame in SERIES.items():
        spells = frame.groupby("spell")
        started, number = spells["start"].transform("first"), spells.cumcount()
        for place, bar in enumerate(frame.itertuples()):
            yield (
                *(instrument_id, asset_class, timeframe, bar.start, bar.end),
                *(bar.forward / bar.factor, bar.factor, bar.regime),
                *(started[place], int(number[place]) + 1),
            )


def lots() -> Iterator[Row]:
    rng = np.random.default_rng(5)
    for number in range(300):
        opened = START + timedelta(hours=float(rng.uniform(-50, 24 * 440)))
        status = "open" if number % 10 == 0 else "closed"
        pnl = Decimal(f"{rng.normal(0, 100):.12f}")
        account = "SIM-CRYPTO" if number % 7 < 3 else "main"
        yield (f"{number}", account, "crypto:A", "A", status, opened, "USD", pnl)
    main = ("main", "crypto:A", "A", "closed")
    yield ("far", *main, START + timedelta(days=500), "USD", Decimal(1))
    ends = SERIES["crypto:A", "crypto", "1d"]["end"]
    ended = ends[ends.diff().idxmax() - 1]
    yield ("in a week", *main, ended + timedelta(days=7), "USD", Decimal(100_000))
    yield ("before it", *main, ended + timedelta(days=7, microseconds=-1), "USD", Decimal(300_000))
    other = ("main", "equity:B", "B", "closed")
    yield ("euro", *other, START + timedelta(hours=300, minutes=5), "EUR", Decimal(2))
    yield ("dollar", *other, START + timedelta(hours=310), "USD", Decimal(3))
    made_up = ("main", "equity:B", "SIM-B", "closed")
    yield ("made up", *made_up, START + timedelta(hours=311), "EUR", Decimal(-4))


LOTS = list(lots())


@pytest.fixture(scope="module")
def research(tmp_path_factory: pytest.TempPathFactory) -> Research:
    made = Research(tmp_path_factory.mktemp("regimes") / "warehouse")
    made.set("silver.market_data_enriched", list(bars()))
    # One batch for each series: the table is put together from them.
    made.set(
        "staging.int_signals__restarts",
        [
            (number, instrument_id, timeframe, START, number)
            for number, (instrument_id, _, timeframe) in enumerate(SERIES)
        ],
    )
    made.set("silver.trade_lifecycle", LOTS)
    made.compute("int_regimes__spells", "mart_market_regime_stats", "mart_regime_transitions")
    return made


def deepest(path: pd.Series) -> float:
    """Return the largest fall of a path below its highest point so far."""
    return float((path / path.cummax() - 1).min())


def trade_results(
    trades: Sequence[tuple[str, Decimal, str]],
) -> tuple[int, float | None, float | None]:
    """Return how many trades there are, the share of those won, and what they earned together."""
    pnl = [amount for _, amount, _ in trades]
    won = sum(amount > 0 for amount in pnl) / len(pnl) if pnl else None
    is_one_currency = len({currency for *_, currency in trades}) == 1
    return len(pnl), won, float(sum(pnl)) if is_one_currency else None


def expected_stats(key: tuple[str, str, str]) -> Mapping[str, tuple[object, ...]]:
    instrument_id, asset_class, timeframe = key
    frame = SERIES[key]
    frame = frame.assign(follows=frame["forward"].shift(-1) / frame["forward"] - 1)
    known = frame[frame["regime"].notna()]
    spells = known.groupby("spell")["regime"].agg(["first", "size"])
    per_year = BARS_PER_YEAR[asset_class, timeframe]
    trades: dict[bool, list[tuple[str, Decimal, str]]] = {False: [], True: []}
    for _, account, owner, symbol, status, opened, currency, pnl in LOTS:
        last = int(frame["end"].searchsorted(opened, side="right")) - 1
        if owner != instrument_id or status != "closed" or last not in known.index:
            continue
        if opened < frame["end"][last] + timedelta(days=7):
            is_simulated = account == "SIM-CRYPTO" or symbol == "SIM-B"
            trades[is_simulated].append((known["regime"][last], pnl, currency))
    result = {}
    for regime in (*known["regime"].unique(), "(all)"):
        mine = known if regime == "(all)" else known[known["regime"] == regime]
        returns = mine["follows"].dropna()
        paths = [
            frame["forward"].iloc[run.index[0] : run.index[-1] + 2]
            for _, run in (mine.groupby("spell") if regime != "(all)" else [(0, mine)])
        ]
        lengths = (spells if regime == "(all)" else spells[spells["first"] == regime])["size"]
        count = len(returns)
        result[str(regime)] = (
            count,
            count / known["follows"].count() if known["follows"].count() else None,
            returns.mean() if count else None,
            returns.mean() * per_year if count >= per_year / 4 else None,
            (1 + returns).prod() - 1 if count else None,
            returns.std() * per_year**0.5 if count > 1 else None,
            min(map(deepest, paths)) if count else None,
            (returns > 0).mean() if count else None,
            len(lengths),
            lengths.mean(),
            lengths.median(),
            lengths.max(),
            *trade_results([each for each in trades[False] if regime in (each[0], "(all)")]),
            *trade_results([each for each in trades[True] if regime in (each[0], "(all)")]),
        )
    return result


@pytest.mark.parametrize("key", SERIES, ids="|".join)
def test_stats_are_those_of_pandas(research: Research, key: tuple[str, str, str]) -> None:
    found = research.ask(
        f"select regime, {', '.join(COLUMNS)} from gold.mart_market_regime_stats"
        f" where (instrument_id, asset_class, timeframe) = {key}"
    )
    expected = expected_stats(key) if SERIES[key]["regime"].notna().any() else {}
    assert {row[0] for row in found} == set(expected)
    for regime, *values in found:
        for name, value, other in zip(COLUMNS, values, expected[regime], strict=True):
            number = None if value is None else float(value)
            assert number == (None if other is None else pytest.approx(other, rel=1e-9)), name


def test_no_return_is_counted_in_a_regime_it_made(research: Research) -> None:
    """The next bar's return decides: a jump on the first bar of a regime is of the one before."""
    frame = SERIES["crypto:A", "crypto", "1d"]
    own = frame.assign(own=frame["forward"].pct_change())
    found = dict(
        research.ask(
            "select regime, mean_return from gold.mart_market_regime_stats"
            " where instrument_id = 'crypto:A' and timeframe = '1d'"
        )
    )
    for regime, mean in own.groupby("regime")["own"].mean().items():
        assert found[str(regime)] != pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("key", SERIES, ids="|".join)
def test_transitions_are_counted_from_bar_to_bar(
    research: Research, key: tuple[str, str, str]
) -> None:
    regimes = SERIES[key]["regime"].dropna()
    pairs = pd.DataFrame({"a": regimes, "b": regimes.shift(-1)}).dropna()
    counts = pairs.value_counts()
    found = research.ask(
        "select from_regime, to_regime, transition_count, probability, probability_when_left"
        " from gold.mart_regime_transitions"
        f" where (instrument_id, asset_class, timeframe) = {key}"
    )
    assert {row[:2]: row[2] for row in found} == dict(counts)
    for a, b, count, probability, when_left in found:
        assert probability == pytest.approx(count / (pairs["a"] == a).sum(), rel=1e-12)
        left = ((pairs["a"] == a) & (pairs["b"] != a)).sum()
        assert when_left == (None if a == b else pytest.approx(count / left, rel=1e-12))
