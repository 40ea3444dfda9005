"""Sentiment by session, its correlations and the study of its extremes, held against pandas."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.dbt.research import Research, Row

DAY = timedelta(days=1)
FIRST = date(2024, 1, 1)
HELD_BACK = "crypto:GAP"
INSTRUMENTS = {"crypto:A": 1, "crypto:B": 2, "crypto:C": 3, HELD_BACK: 4, "crypto:NEW": 5}
DAYS = 420
WINDOW, MINIMUM, EXTREME = 60, 20, 2
OUTCOMES = ("realized_volatility", "range_volatility", "price_return")


def close_of(day: date) -> datetime:
    return datetime.combine(day, time()) + DAY


def sessions() -> Iterator[Row]:
    for number in range(DAYS + 30):
        day = FIRST + number * DAY
        before = day - DAY if number else None
        yield (f"{day}", "24/7", day, close_of(day) - DAY, close_of(day), before, day + DAY)


def prices(instrument_id: str, seed: int) -> pd.DataFrame:
    """Return daily bars; one instrument has a hole of three weeks, one has a day and no more."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, DAYS)))
    frame = pd.DataFrame({"day": [FIRST + number * DAY for number in range(DAYS)]})
    frame["close"] = close
    frame["high"] = close * np.exp(rng.exponential(0.01, DAYS))
    frame["low"] = close * np.exp(-rng.exponential(0.01, DAYS))
    frame["variance"] = rng.exponential(4e-4, DAYS)
    if instrument_id == HELD_BACK:
        frame = frame.drop(index=range(200, 221))
    if instrument_id == "crypto:NEW":
        frame = frame.tail(1)
    frame["instrument_id"] = instrument_id
    frame["price_return"] = frame["close"].pct_change()
    return frame.reset_index(drop=True)


PRICES = {name: prices(name, seed) for name, seed in INSTRUMENTS.items()}


def documents() -> Iterator[Row]:
    """Yield scores: some edited in their session, some later, some taken back."""
    for instrument_id, seed in INSTRUMENTS.items():
        rng = np.random.default_rng(100 + seed)
        for number in range(30, DAYS):
            extreme = rng.choice([0, -0.9, 0.9], p=[0.94, 0.03, 0.03])
            for copy in range(int(rng.choice([0, 1, 2, 3], p=[0.2, 0.4, 0.2, 0.2]))):
                name = f"{instrument_id} {number} {copy}"
                kind = "article" if copy else "post"
                known = datetime.combine(FIRST, time()) + DAY * (number + float(rng.random()))
                if copy == 2:  # at the close itself, still of the session
                    known = close_of(known.date())
                score = float(np.clip(extreme + rng.normal(0, 0.1), -1, 1))
                edited = known + DAY * float(rng.choice([0.2, 3])) if rng.random() < 0.3 else None
                yield (kind, "inbox", name, 1, instrument_id, score, known, edited)
                if edited and rng.random() < 0.8:
                    yield (kind, "inbox", name, 2, instrument_id, -score, edited, None)
    # Before the first bar's own day, and of nothing that has bars.
    early = datetime.combine(FIRST, time()) - DAY
    yield ("article", "inbox", "early", 1, "crypto:A", 1.0, early, None)
    yield ("article", "inbox", "other", 1, "crypto:OTHER", 1.0, early + 40 * DAY, None)
    yield ("article", "inbox", "whole", 1, None, 1.0, early + 40 * DAY, None)


DOCUMENTS = list(documents())


@pytest.fixture(scope="module")
def research(tmp_path_factory: pytest.TempPathFactory) -> Research:
    made = Research(tmp_path_factory.mktemp("sentiment") / "warehouse")
    fill(made)
    return made


def fill(made: Research, until: date = date.max) -> None:
    """Set prices and documents of the days before `until`, and compute."""
    bars = [bar for frame in PRICES.values() for bar in frame.itertuples() if bar.day < until]
    made.set("gold.dim_sessions", list(sessions()))
    made.set(
        "gold.fct_daily_bars",
        [
            (
                *("key", f"{bar.day}", bar.instrument_id, bar.day, bar.high, bar.low, bar.close),
                *(1.0, bar.price_return, close_of(bar.day), close_of(bar.day)),
            )
            for bar in bars
        ],
    )
    made.set(
        "silver.int_bars__session_volatility",
        [(bar.instrument_id, bar.day, "5m", bar.variance, close_of(bar.day)) for bar in bars],
    )
    last = close_of(min(until, date(2030, 1, 1)) - DAY)
    made.set(
        "silver.sentiment_scores",
        [
            (*row[:7], row[7] if row[7] and row[7] <= last else None)
            for row in DOCUMENTS
            if row[6] <= last
        ],
    )
    made.compute(
        "mart_sentiment_volatility", "mart_sentiment_correlations", "mart_sentiment_events"
    )


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    """Return what the mart must hold, by a plain reading of the documents."""
    parts = []
    for instrument_id, frame in PRICES.items():
        closes = {close_of(day): day for day in frame["day"]}
        scores: dict[date, list[tuple[str, float]]] = {}
        mine: dict[str, list[Row]] = {}
        for row in DOCUMENTS:
            if row[4] == instrument_id:
                mine.setdefault(row[2], []).append(row)
        for versions in mine.values():
            first = min(row[6] for row in versions)
            midnight = datetime.combine(first, time())
            close = midnight if first == midnight else midnight + DAY
            for row in versions if close in closes else []:
                if row[6] <= close and (row[7] is None or row[7] > close):
                    scores.setdefault(closes[close], []).append((row[0], row[5]))
        if not scores:
            continue
        days = frame[frame["day"] >= min(scores)].reset_index(drop=True)
        said = [scores.get(day, []) for day in days["day"]]
        days["document_count"] = [len(each) for each in said]
        days["article_count"] = [sum(kind == "article" for kind, _ in each) for each in said]
        means = [np.mean([s for _, s in each]) if each else np.nan for each in said]
        days["sentiment_score"] = means
        spoken = days["sentiment_score"].dropna()
        earlier = spoken.shift(1).rolling(WINDOW, min_periods=MINIMUM)
        days["sentiment_z_score"] = (spoken - earlier.mean()) / earlier.std()
        days["realized_volatility"] = days["variance"] ** 0.5
        days["range_volatility"] = (
            np.log(days["high"] / days["low"]) ** 2 / (4 * np.log(2))
        ) ** 0.5
        is_next = (days["day"].shift(-1) == days["day"] + DAY).to_numpy()
        for name in OUTCOMES:
            days[f"next_{name}"] = days[name].shift(-1).where(is_next)
        parts.append(days)
    return pd.concat(parts, ignore_index=True)


def near(expected: object) -> object:
    return None if expected is None or pd.isna(expected) else pytest.approx(expected, rel=1e-9)


def test_the_sentiment_of_a_session_is_that_of_its_documents(
    research: Research, panel: pd.DataFrame
) -> None:
    columns = [
        "instrument_id", "session_date", "document_count", "article_count", "sentiment_score",
        "sentiment_z_score", *OUTCOMES, *(f"next_{name}" for name in OUTCOMES),
    ]  # fmt: skip
    found = research.ask(
        f"select {', '.join(columns)} from gold.mart_sentiment_volatility order by 1, 2"
    )
    expected = panel.rename(columns={"day": "session_date"}).sort_values(columns[:2])[columns]
    assert len(found) == len(expected) > 1500
    for row, other in zip(found, expected.itertuples(index=False), strict=True):
        assert row[:4] == tuple(other)[:4]
        for name, value, wanted in zip(columns[4:], row[4:], tuple(other)[4:], strict=True):
            assert value == near(wanted), (row[:2], name)


def test_only_the_next_session_is_next(research: Research) -> None:
    """Before the hole of three weeks there is no next session, whatever comes after it."""
    found = research.ask(
        "select session_date, next_price_return is null and next_available_at is null"
        f" from gold.mart_sentiment_volatility where instrument_id = '{HELD_BACK}'"
        " and next_price_return is null order by 1"
    )
    assert found == [(FIRST + 199 * DAY, True), (FIRST + (DAYS - 1) * DAY, True)]


def correlations(panel: pd.DataFrame) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    pairs = []
    for instrument_id, days in panel.groupby("instrument_id"):
        for outcome in OUTCOMES:
            for lag in range(6):
                both = pd.DataFrame({"x": days["sentiment_score"], "y": days[outcome].shift(-lag)})
                both = both.dropna()
                if len(both):
                    pairs.append((instrument_id, outcome, lag, both))
    result = {key[:3]: _correlated(key[3]) for key in pairs}
    for outcome in OUTCOMES:
        for lag in range(6):
            pooled = [b - b.mean() for _, o, n, b in pairs if (o, n) == (outcome, lag)]
            result["(all)", outcome, lag] = _correlated(pd.concat(pooled))
    return result


def _correlated(both: pd.DataFrame) -> tuple[Any, ...]:
    if len(both) < 3:
        return len(both), None, None
    ranks = both.rank()
    return len(both), both["x"].corr(both["y"]), ranks["x"].corr(ranks["y"])


def test_correlations_are_those_of_pandas(research: Research, panel: pd.DataFrame) -> None:
    expected = correlations(panel)
    found = research.ask(
        "select instrument_id, outcome, lag_sessions, pair_count, pearson, spearman"
        " from gold.mart_sentiment_correlations"
    )
    assert {row[:3] for row in found} == set(expected)
    for row in found:
        count, pearson, spearman = expected[row[:3]]
        assert row[3] == count
        assert row[4] == (None if pearson is None else pytest.approx(pearson, abs=1e-9))
        assert row[5] == (None if spearman is None else pytest.approx(spearman, abs=1e-9))


def event_study(panel: pd.DataFrame) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Return the study by the words of the mart's description, one event after the other."""
    matched: dict[tuple[str, int], list[tuple[float, ...]]] = {}
    for _, frame in panel.groupby("instrument_id"):
        days = frame.reset_index(drop=True)
        scores = days["sentiment_z_score"]
        extreme = scores.abs() >= EXTREME

        def around(day: int, k: int, days: pd.DataFrame = days) -> tuple[float, float] | None:
            baseline = days["range_volatility"][day - 25 : day - 5].mean()
            if day + k >= len(days):
                return None
            move, gain = days["range_volatility"][day + k], days["price_return"][day + k]
            return (move / baseline - 1, gain) if not np.isnan(gain) else None

        quiet = [
            day
            for day in range(25, len(days))
            if abs(scores[day]) < 1 and not extreme[max(day - 5, 0) : day + 6].any()
        ]
        for day in range(25, len(days)):
            controls = [each for each in quiet if each <= day - 11][-3:]
            if not extreme[day] or extreme[day - 5 : day].any() or not controls:
                continue
            name = "very_negative" if scores[day] < 0 else "very_positive"
            for k in range(-5, 6):
                own = around(day, k)
                others = [each for each in (around(c, k) for c in controls) if each]
                if own and others:
                    mean = np.mean(others, axis=0)
                    matched.setdefault((name, k), []).append((*own, *mean, len(others)))
    result = {}
    for key, events in matched.items():
        frame = pd.DataFrame(events, columns=["move", "gain", "c_move", "c_gain", "controls"])
        difference = frame["move"] - frame["c_move"]
        result[key] = (
            len(frame),
            int(frame["controls"].sum()),
            frame["move"].mean(),
            frame["c_move"].mean(),
            difference.mean(),
            difference.std() / len(frame) ** 0.5,
            frame["gain"].mean(),
            frame["c_gain"].mean(),
            (frame["gain"] - frame["c_gain"]).mean(),
        )
    return result


def test_the_event_study_is_that_of_a_plain_reading(
    research: Research, panel: pd.DataFrame
) -> None:
    expected = event_study(panel)
    found = research.ask("select * from gold.mart_sentiment_events")
    assert {row[:2] for row in found} == set(expected)
    assert len(expected) == 22
    for row in found:
        assert row[2:4] == expected[row[:2]][:2]
        assert row[4:] == pytest.approx(expected[row[:2]][2:], abs=1e-9)
    assert min(row[2] for row in found) > 5


def test_nothing_but_the_next_session_changes_with_the_future_cut_off(
    research: Research, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cut = FIRST + 250 * DAY
    past = Research(tmp_path_factory.mktemp("cut") / "warehouse")
    fill(past, until=cut)
    columns = "* exclude (next_price_return, next_realized_volatility, next_volatility_method,"
    columns += " next_range_volatility, next_available_at)"
    query = "select {} from gold.mart_sentiment_volatility where session_date < '{}' order by 1, 2"
    assert past.ask(query.format(columns, cut)) == research.ask(query.format(columns, cut))
    before = cut - DAY
    assert past.ask(query.format("*", before)) == research.ask(query.format("*", before))
