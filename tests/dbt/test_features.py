"""Features know what could be known then, and nothing else; labels what came after."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ingest.clock import as_utc
from ingest.settings import DataDir
from tests.dbt.feature_lake import (
    CASH_FLOW,
    COIN,
    COIN_LAG,
    COINS,
    DIVIDENDS,
    FILED_AFTER,
    MINUTE_COIN,
    QUARTERS,
    RESTATED,
    SHARE_LAG,
    SHARES,
    SPLITS,
    TOLD_LATE,
    Series,
    Told,
    World,
    action_told_at,
    figures,
    instrument_of,
    land_world,
    make_cuts,
    make_world,
    split_factor,
)
from tests.dbt.landing import DAY, HOUR, MINUTE, NEW_YORK
from tests.dbt.oracles import ema, rolling, volatility, wilder
from tests.dbt.signals import Array
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, connect, rows
from tests.orchestration.warehouses import PARSED, shared

CUTS = make_cuts(50)
HORIZONS = (1, 5, 10, 21, 63, 126, 252)
TOTAL_RETURN_HORIZONS = (21, 63, 126, 252)
TOTAL_RETURNS = [f"total_return_{horizon}" for horizon in TOTAL_RETURN_HORIZONS]
LENGTHS = {
    "1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "1h": HOUR, "4h": 4 * HOUR, "1d": DAY,
}  # fmt: skip
VOLATILITY_WINDOW = 250
SELECTED = ("--select", "+ml_features", "+ml_labels", "mart_fundamental_ratios", *WITHOUT_TESTS)

Row = Mapping[str, object]


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory, world: World) -> Warehouse:
    """Return the features of the whole world and of each cut of it. Not to be changed."""

    def make(folder: Path) -> None:
        warehouse = Warehouse(folder)
        land_world(DataDir(warehouse.data), world, CUTS)
        warehouse.build(*SELECTED)

    return Warehouse(shared(tmp_path_factory, "features", make))


@pytest.fixture(scope="session")
def tables(warehouse: Warehouse) -> Mapping[str, pa.Table]:
    """Return the features of each instrument, whole or cut, in order of sessions."""
    return features_of(warehouse.database)


@pytest.fixture(scope="session")
def found(tables: Mapping[str, pa.Table]) -> Mapping[str, list[dict[str, object]]]:
    """Return the features of the whole instruments, by symbol and in order of sessions."""
    return {symbol: tables[instrument_of(symbol)].to_pylist() for symbol in (*SHARES, *COINS)}


def features_of(database: Path) -> Mapping[str, pa.Table]:
    with closing(connect(database)) as connection:
        every = connection.sql(
            "select * from gold.ml_features order by instrument_id, session_date"
        ).to_arrow_table()
    counts = every.group_by("instrument_id", use_threads=False).aggregate([([], "count_all")])
    tables, start = {}, 0
    for row in counts.to_pylist():
        rows_of_one = every.slice(start, row["count_all"]).drop_columns("instrument_id")
        tables[row["instrument_id"]] = rows_of_one.combine_chunks()
        start += row["count_all"]
    return tables


def before(rows: pa.Table, day: date) -> pa.Table:
    return rows.filter(pc.less(rows["session_date"], day))


def assert_same(one: pa.Table, other: pa.Table, what: str) -> None:
    """Numbers must be the same but for rounding on the way, everything else exactly."""
    assert one.num_rows == other.num_rows, what
    for name in other.column_names:
        here, there = one[name], other[name]
        assert here.is_null().equals(there.is_null()), f"{name} {what}"
        if pa.types.is_floating(there.type):
            values, others = (each.to_numpy(zero_copy_only=False) for each in (here, there))
            np.testing.assert_allclose(
                values, others, rtol=1e-9, atol=1e-9, err_msg=f"{name} {what}"
            )
        else:
            assert here.equals(there), f"{name} {what}"


# -- no look-ahead ---------------------------------------------------------------------------------


def last_told_session(series: Series, cut: datetime) -> date | None:
    """Return the last session of which all had been told by then that its row looks at.

    Just after a session that ends at midnight, a minute of the next one is over, and known.
    """
    more = DAY if series.symbol == MINUTE_COIN else timedelta()
    told = [start.date() for start in series.starts if series.told_after(start + more) <= cut]
    return max(told, default=None)


@dataclass(frozen=True)
class Untold:
    """The late-told actions of a symbol that were effective at a cut, but not told yet."""

    dividend: date = date.max
    split: date = date.max

    @staticmethod
    def at(symbol: str, cut: datetime) -> "Untold":
        late = [day for of, day in TOLD_LATE if of == symbol and action_told_at(of, day) > cut]
        split = SPLITS.get(symbol, (date.max,))[0]
        return Untold(
            min((day for day in late if day != split), default=date.max),
            min((day for day in late if day == split), default=date.max),
        )


@pytest.mark.parametrize(
    ("symbol", "least"), [("EQA", 5000), ("EQB", 5000), (COIN, 500), (MINUTE_COIN, 15)]
)
def test_cutting_the_future_off_changes_nothing(
    tables: Mapping[str, pa.Table], world: World, symbol: str, least: int
) -> None:
    """Not at any of fifty moments, but for splits and dividends that are told after their ex-date.

    These are what `ml_features` says is no part of its promise. A split that is not told changes no
    row before its ex-date, a dividend nothing but total returns from then on.
    """
    compared = untold_dividends = untold_splits = 0
    for number, cut in enumerate(CUTS):
        until = last_told_session(world.series[symbol], cut)
        if until is None:
            continue
        untold = Untold.at(symbol, cut)
        whole, known = (
            before(tables[instrument_of(symbol, of)], until + DAY) for of in (None, number)
        )
        assert known["session_date"].to_pylist() == whole["session_date"].to_pylist()
        known, whole = (before(rows_of, untold.split) for rows_of in (known, whole))
        what = f"of {symbol} cut at {cut}"
        earlier = [before(rows_of, untold.dividend) for rows_of in (known, whole)]
        assert_same(*earlier, what)
        since = [rows_of.slice(earlier[0].num_rows) for rows_of in (known, whole)]
        assert_same(*(rows_of.drop_columns(TOTAL_RETURNS) for rows_of in since), what)
        untold_dividends += assert_without_cash(*since)
        untold_splits += until >= untold.split
        compared += whole.num_rows
    assert compared > least
    is_late = symbol in {of for of, _ in TOLD_LATE}
    assert (untold_dividends > 50) == (untold_splits > 0) == is_late


def assert_without_cash(known: pa.Table, whole: pa.Table) -> int:
    """Compare total returns with and without a dividend of the first session; count the former."""
    count = 0
    for name, horizon in zip(TOTAL_RETURNS, TOTAL_RETURN_HORIZONS, strict=True):
        momentum_then = known[f"momentum_{horizon}"].to_pylist()
        for place, (without, with_it) in enumerate(
            zip(known[name].to_pylist(), whole[name].to_pylist(), strict=True)
        ):
            assert without == (None if without is None else pytest.approx(momentum_then[place]))
            is_within = without is not None and place < horizon
            assert (with_it != pytest.approx(without)) == is_within, name
            count += is_within
    return count


@pytest.mark.slow
@pytest.mark.parametrize("number", [7, 21, 36])
def test_a_build_as_of_then_gives_the_same_rows(
    warehouse: Warehouse,
    tables: Mapping[str, pa.Table],
    world: World,
    tmp_path: Path,
    number: int,
) -> None:
    """The same with the build's own means: the whole lake, of which it sees what was fetched."""
    then = Warehouse(tmp_path)
    then.see(warehouse.data.resolve())
    moment = f"{CUTS[number]:%Y-%m-%dT%H:%M:%SZ}"
    then.build(*SELECTED, "--full-refresh", "--vars", f"{{as_of: '{moment}'}}")
    there = features_of(then.database)
    for symbol in SHARES:
        until = last_told_session(world.series[symbol], CUTS[number])
        assert until
        untold = Untold.at(symbol, CUTS[number])
        until = min(until, untold.dividend - DAY, untold.split - DAY)
        known, whole = (before(of[instrument_of(symbol)], until + DAY) for of in (there, tables))
        assert_same(known, whole, f"as of {moment}")


def test_what_is_compared_was_corrected_and_is_there(
    warehouse: Warehouse, found: Mapping[str, list[dict[str, object]]]
) -> None:
    """The comparison above would be of little worth if nothing changed, or columns were empty."""
    ((restated,),) = rows(
        warehouse.database,
        "select count(*) from silver.int_signals__observed"
        f" where is_restated and instrument_id = '{instrument_of('EQA')}'",
    )
    assert restated > 20
    with_values = {
        name for of_symbol in found.values() for row in of_symbol for name, value in row.items()
        if value is not None
    }  # fmt: skip
    assert with_values == set(found["EQA"][0])


def test_labels_are_no_part_of_features(project: Path) -> None:
    nodes = json.loads((project / PARSED / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    pending, ancestors = ["model.tapehouse.ml_features"], set()
    while pending:
        for parent in nodes[pending.pop()]["depends_on"].get("nodes", ()):
            if parent in nodes and parent not in ancestors:
                ancestors.add(parent)
                pending.append(parent)
    assert "model.tapehouse.int_signals__observed" in ancestors
    assert "model.tapehouse.ml_labels" not in ancestors
    assert "model.tapehouse.int_bars__session_volatility" not in ancestors


# -- values, from what had been told by then -------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """The bars of a share as known at some time, in shares of its first session."""

    high: Array
    low: Array
    close: Array
    volume: Array


def told_by(told: Sequence[Told], moment: datetime) -> Told:
    return max((bar for bar in told if bar.at <= moment), key=lambda bar: bar.at)


def known_bars(series: Series, count: int, moment: datetime) -> Known:
    bars = [told_by(told, moment) for told in series.told[:count]]
    factor = np.array(
        [split_factor(series.symbol, start.date()) for start in series.starts[:count]]
    )
    high, low, close, volume = (
        np.array([getattr(bar, name) for bar in bars])
        for name in ("high", "low", "close", "volume")
    )
    return Known(high * factor, low * factor, close * factor, volume / factor)


def macd_histogram(close: Array) -> float:
    """Return the last value; both averages begin where the slower one has enough bars."""
    fast, slow = ema(close[14:], 12), ema(close, 26)
    if len(close) < 34:
        return np.nan
    macd = fast[11:] - slow[25:]
    return float(macd[-1] - ema(macd, 9)[-1])


def mean_true_range(known: Known) -> Array:
    before = np.concatenate([[np.nan], known.close[:-1]])
    true_range = np.fmax(known.high, before) - np.fmin(known.low, before)
    return wilder(true_range, 14)


def relative_strength(close: Array) -> float:
    change = np.concatenate([[0.0], np.diff(close)])
    gain, loss = (wilder(np.maximum(sign * change, 0), 14)[-1] for sign in (1, -1))
    return float(100 * gain / (gain + loss))


def direction(close: Array) -> int | None:
    if len(close) < 34:
        return None
    mean, histogram = close[-20:].mean(), macd_histogram(close)
    if close[-1] > mean and histogram > 0:
        return 1
    return -1 if close[-1] < mean and histogram < 0 else 0


def expected_of_share(world: World, symbol: str) -> list[dict[str, float]]:
    """Return some features of each session, from the bars that were known then."""
    series = world.series[symbol]
    volatilities, volumes, expected = [], [], []
    for count, end in enumerate(series.ends, start=1):
        known = known_bars(series, count, end + SHARE_LAG)
        volumes.append(known.volume[-1])
        volatilities.append(float(volatility(known.close[-21:])[-1]) * np.sqrt(252))
        row = momentum(known.close, symbol, world.days[:count]) | averages(known.close)
        if count >= 20:
            row["volume_to_mean_20"] = volumes[-1] / np.mean(volumes[-20:])
        if count > 20:
            row["realized_volatility_20"] = volatilities[-1]
        if count >= VOLATILITY_WINDOW + 20:
            usual = np.median(volatilities[-VOLATILITY_WINDOW:])
            row["volatility_to_median"] = volatilities[-1] / usual
        if count > 34 and count % 5 == 0:
            row |= recursive_indicators(known)
        expected.append(row)
    return expected


def momentum(close: Array, symbol: str, days: Sequence[date]) -> dict[str, float]:
    found = {}
    for horizon in (each for each in HORIZONS if len(close) > each):
        found[f"momentum_{horizon}"] = close[-1] / close[-1 - horizon] - 1
        cash = sum(
            amount * split_factor(symbol, day)
            for of, day, amount in DIVIDENDS
            if of == symbol and days[-1 - horizon] < day <= days[-1]
        )
        if horizon in TOTAL_RETURN_HORIZONS:
            found[f"total_return_{horizon}"] = (close[-1] + cash) / close[-1 - horizon] - 1
    return found


def averages(close: Array) -> dict[str, float]:
    found = {}
    if len(close) >= 20:
        mean, deviation = close[-20:].mean(), close[-20:].std()
        found["close_to_sma_20"] = close[-1] / mean - 1
        found["bollinger_percent_b_20_2"] = (close[-1] - mean + 2 * deviation) / (4 * deviation)
        found["bollinger_bandwidth_20_2"] = 4 * deviation / mean
    if len(close) >= 200:
        found["close_to_sma_200"] = close[-1] / close[-200:].mean() - 1
        found["sma_50_to_sma_200"] = close[-50:].mean() / close[-200:].mean() - 1
    return found


def recursive_indicators(known: Known) -> dict[str, float]:
    ranges = mean_true_range(known)
    found = {
        "rsi_14": relative_strength(known.close),
        "atr_to_close": float(ranges[-1] / known.close[-1]),
        "macd_histogram_to_atr": macd_histogram(known.close) / float(ranges[-1]),
        "stochastic_k_14_3_3": float(stochastic(known)[-1]),
    }
    relative = (ranges / known.close)[-VOLATILITY_WINDOW:]
    if len(known.close) >= VOLATILITY_WINDOW + 14:
        below = np.count_nonzero(relative < relative[-1])
        found["volatility_percentile"] = below / (VOLATILITY_WINDOW - 1)
    return found


def stochastic(known: Known) -> Array:
    highest, lowest = rolling(np.max, known.high, 14), rolling(np.min, known.low, 14)
    fast = 100 * (known.close - lowest) / (highest - lowest)
    return rolling(np.mean, fast, 3)


@pytest.mark.parametrize("symbol", SHARES)
def test_features_are_of_the_bars_known_then(
    world: World, found: Mapping[str, list[dict[str, object]]], symbol: str
) -> None:
    expected = expected_of_share(world, symbol)
    assert [row["session_date"] for row in found[symbol]] == world.days
    for here, there in zip(found[symbol], expected, strict=True):
        for name, value in there.items():
            assert here[name] == pytest.approx(float(value), rel=1e-8, abs=1e-8), (
                f"{name} of {here['session_date']}"
            )
    warm_from = {
        "momentum_252": 252,
        "realized_volatility_20": 20,
        "close_to_sma_200": 199,
        "volume_to_mean_20": 19,
        "volatility_to_median": VOLATILITY_WINDOW + 19,
    }
    for name, place in warm_from.items():
        values = [row[name] for row in found[symbol]]
        assert [value is not None for value in values] == [
            number >= place for number in range(len(values))
        ], name


def test_observed_at_is_when_the_slowest_vendor_regularly_tells(
    world: World, found: Mapping[str, list[dict[str, object]]]
) -> None:
    ends = world.series["EQA"].ends
    assert [row["observed_at"] for row in found["EQA"]] == [
        (end + SHARE_LAG).replace(tzinfo=None) for end in ends
    ]
    for row in found[COIN]:
        midnight = datetime.combine(row["session_date"], time()) + DAY  # type: ignore[arg-type]
        assert row["observed_at"] == midnight + COIN_LAG


@pytest.mark.parametrize("symbol", COINS)
def test_a_day_of_finer_bars_is_what_was_known_of_them(
    world: World, found: Mapping[str, list[dict[str, object]]], symbol: str
) -> None:
    series = world.series[symbol]
    step = series.ends[0] - series.starts[0]
    seen = set()
    for row in found[symbol]:
        observed = as_utc(row["observed_at"].replace(tzinfo=UTC))  # type: ignore[attr-defined]
        count = bisect_right(series.ends, observed)
        closes = np.array([told_by(told, observed).close for told in series.told[:count]])
        of = {
            name: closes[length // step - 1 :: length // step]
            for name, length in LENGTHS.items()
            if length >= step
        }
        assert row["session_count"] == len(of["1d"])
        for horizon in HORIZONS:
            days = of["1d"]
            change = days[-1] / days[-1 - horizon] - 1 if len(days) > horizon else None
            expected = None if change is None else pytest.approx(change, rel=1e-9, abs=1e-9)
            assert row[f"momentum_{horizon}"] == expected
        directions = {name: direction(of[name]) if name in of else None for name in LENGTHS}
        there = [value for value in directions.values() if value is not None]
        assert {name: row[f"direction_{name}"] for name in directions} == directions
        assert row["available_count"] == len(there)
        assert row["confluence_score"] == (sum(there) / len(there) if there else None)
        agreeing = [value for value in there if value * sum(there) > 0]
        assert row["agreeing_count"] == len(agreeing)
        seen |= {name for name, value in directions.items() if value is not None}
    assert seen == ({"1h", "4h", "1d"} if symbol == COIN else {"1m", "5m", "15m", "1h"})


def test_texts_count_as_they_stood_then(
    world: World, found: Mapping[str, list[dict[str, object]]]
) -> None:
    counted = 0
    for row in found["EQA"]:
        observed = row["observed_at"].replace(tzinfo=UTC)  # type: ignore[attr-defined]
        for days in (1, 5):
            scores = [
                score
                for _, available_at, superseded_at, score in world.articles
                if observed - timedelta(days=days) < available_at <= observed
                and (superseded_at is None or superseded_at > observed)
            ]
            assert row[f"sentiment_count_{days}d"] == len(scores)
            expected = pytest.approx(np.mean(scores)) if scores else None
            assert row[f"sentiment_mean_{days}d"] == expected
            counted += len(scores)
    assert counted > 100
    assert all(row["sentiment_count_5d"] == 0 for row in found[COIN])


def filings() -> list[tuple[datetime, int, float]]:
    """Return when each filing could be known, its quarter, and what its income is times."""
    filed = [(end + FILED_AFTER, number, 1.0) for number, (_, end) in enumerate(QUARTERS)]
    filed += [(day, number, factor) for number, day, factor in RESTATED]
    return sorted(
        (as_utc(datetime.combine(day + DAY, time(), NEW_YORK)), number, factor)
        for day, number, factor in filed
    )


def trailing_year(moment: datetime) -> dict[str, float]:
    """Return the sums of the last four quarters and the last balance, known at a time."""
    known: dict[int, dict[str, float]] = {}
    for _, number, factor in (filing for filing in filings() if filing[0] <= moment):
        restated = ("revenue", "gross_profit", "operating_income", "net_income", *CASH_FLOW)
        known[number] = {
            concept: value * (factor if concept in restated else 1.0)
            for concept, value in figures(number).items()
        }
    quarters = [known[number] for number in sorted(known)]
    sums = {concept: sum(quarter[concept] for quarter in quarters[-4:]) for concept in quarters[-1]}
    found = {**quarters[-1], **{f"{name}_ttm": value for name, value in sums.items()}}
    if len(quarters) >= 8:
        found["revenue_ttm_year_before"] = sum(quarter["revenue"] for quarter in quarters[-8:-4])
    return found


def test_figures_are_those_filed_by_then(
    world: World, found: Mapping[str, list[dict[str, object]]]
) -> None:
    for row in found["EQA"]:
        observed = row["observed_at"].replace(tzinfo=UTC)  # type: ignore[attr-defined]
        known = [filing for filing in filings() if filing[0] <= observed]
        now = trailing_year(observed)
        place = world.days.index(row["session_date"])  # type: ignore[arg-type]
        close = known_bars(world.series["EQA"], place + 1, observed).close[-1]
        value = close * 200  # in shares of the first session, of which there are always as many
        free_cash_flow = now["operating_cash_flow_ttm"] - now["capital_expenditure_ttm"]
        expected = {
            "days_since_filing": (observed.date() - known[-1][0].date()).days,
            "earnings_yield": now["net_income_ttm"] / value,
            "sales_to_price": now["revenue_ttm"] / value,
            "book_to_price": now["total_equity"] / value,
            "free_cash_flow_yield": free_cash_flow / value,
            "gross_margin": now["gross_profit_ttm"] / now["revenue_ttm"],
            "operating_margin": now["operating_income_ttm"] / now["revenue_ttm"],
            "net_margin": now["net_income_ttm"] / now["revenue_ttm"],
            "return_on_equity": now["net_income_ttm"] / now["total_equity"],
            "liabilities_to_assets": now["total_liabilities"] / now["total_assets"],
        }
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-9)
        growth = None
        if year_before := now.get("revenue_ttm_year_before"):
            growth = pytest.approx(now["revenue_ttm"] / year_before - 1, rel=1e-9)
        assert row["revenue_growth"] == growth
    assert all(row["earnings_yield"] is None for row in found["EQB"])


def test_ratios_are_by_the_same_price_and_figures(warehouse: Warehouse) -> None:
    """Corrected bars and late filings included: features and ratios look at the same time."""
    yields = rows(
        warehouse.database,
        "select features.earnings_yield, ratios.earnings_yield, ratios.price <> bars.close"
        " from gold.ml_features as features"
        " left join gold.mart_fundamental_ratios as ratios using (instrument_id, session_date)"
        " left join gold.fct_daily_bars as bars using (instrument_id, session_date)"
        f" where instrument_id = '{instrument_of('EQA')}' and features.earnings_yield is not null",
    )
    assert len(yields) > 200
    assert sum(is_corrected for *_, is_corrected in yields) > 3
    for of_features, of_ratios, _ in yields:
        assert of_ratios == pytest.approx(of_features, rel=1e-12)


# -- labels: from what is known today --------------------------------------------------------------


def test_labels_are_of_what_came_after(warehouse: Warehouse, world: World) -> None:
    for symbol in SHARES:
        series = world.series[symbol]
        bars = [told[-1] for told in series.told]
        close = np.array([bar.close for bar in bars])
        step = np.array([
            split_factor(symbol, day) / split_factor(symbol, before)
            for before, day in pairwise([world.days[0], *world.days])
        ])  # fmt: skip
        for of, day, amount in DIVIDENDS:
            if of == symbol:
                place = world.days.index(day)
                step[place] /= 1 - amount / close[place - 1]
        total = close * np.cumprod(step)
        squares = np.array([np.log(bar.high / bar.low) ** 2 / (4 * np.log(2)) for bar in bars])
        labels = rows(
            warehouse.database,
            "select return_1d, return_5d, realized_volatility_1d, realized_volatility_5d,"
            " label_available_at is not null, volatility_method_1d from gold.ml_labels"
            f" where instrument_id = '{instrument_of(symbol)}' order by session_date",
        )
        assert len(labels) == len(bars)
        for place, label in enumerate(labels):
            ahead = {days: place + days < len(bars) for days in (1, 5)}
            assert label == (
                *(pytest.approx(total[place + days] / total[place] - 1, rel=1e-9, abs=1e-12)
                  if ahead[days] else None for days in (1, 5)),
                *(pytest.approx(np.sqrt(squares[place + 1 : place + 1 + days].mean()))
                  if ahead[days] else None for days in (1, 5)),
                ahead[5],
                "parkinson" if ahead[1] else None,
            )  # fmt: skip


def test_a_day_with_hours_is_measured_by_them(warehouse: Warehouse, world: World) -> None:
    series = world.series[COIN]
    bars = [told[-1] for told in series.told]
    labels = rows(
        warehouse.database,
        "select realized_volatility_1d, volatility_method_1d from gold.ml_labels"
        f" where instrument_id = '{instrument_of(COIN)}' order by session_date",
    )
    for place, label in enumerate(labels[:-1], start=1):
        day = bars[place * 24 : place * 24 + 24]
        prices = np.array([day[0].open, *(bar.close for bar in day)])
        expected = np.sqrt(np.sum(np.diff(np.log(prices)) ** 2))
        assert label == (pytest.approx(expected), "1h")


def test_labels_say_when_they_could_be_known(warehouse: Warehouse) -> None:
    """Not before the last session they are of had ended."""
    wrong = rows(
        warehouse.database,
        "select * from gold.ml_labels as labels inner join silver.bars on"
        " labels.instrument_id = bars.instrument_id and bars.timeframe = '1d'"
        " and bars.session_date = labels.session_date_5d"
        " where labels.label_available_at < bars.bar_end_at",
    )
    assert not wrong
