"""What a decision could know: nothing that came later changes a row, and nothing is left out.

A lake grows in four steps. Each brings the bars and articles of the next days, bars that another
vendor tells later, and corrections of bars that decisions have been taken on. Decisions at random
moments, all of them told at once, are judged after every step: a decision taken before the next
correction must find in today's tables of that step's build what it finds for good in the last one.

Beside a coin there are a stock that is split and has a half day, one whose split is told late, and
a pair of currencies of which every answer holds an hour that has not ended.
"""

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ingest.clock import iso, parse_iso
from ingest.lake import Lake
from ingest.provider import Answer, Request
from ingest.settings import DataDir
from orchestration.table_hashes import table_hashes
from tests.dbt.landing import (
    DATASETS,
    HOUR,
    Bar,
    Landing,
    coinbase_bars,
    inbox_bars,
    product,
    sessions,
)
from tests.dbt.news import article, post
from tests.dbt.signals import assert_same_signals
from tests.dbt.trading import DECISION, EXECUTION
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, connect, rows

COIN = "crypto:BTC/USD"
STOCK, TOLD_LATE, CURRENCIES = "equity:STK", "equity:LATE", "fx:EUR/USD"
LATE_SPLIT = date(2024, 1, 8)
FIRST_HOUR, FIRST_MINUTES = "2024-01-01T00:00Z", "2024-01-14T00:00Z"
CORRECTED = ("2024-01-15T06:30Z", "2024-01-16T14:10Z", "2024-01-17T09:00Z")
LAST = "2024-01-18T12:00Z"
STEPS = len(CORRECTED) + 1
DECISIONS = 400
HINDSIGHT = ("is_restated_context", "_fetched_at", "_batch_id", "_row")
"""Columns that may tell of later: whether the context still is what today's tables say, lineage."""
VARIABLES = "{regime_volatility_window: 40, sentiment_window_days: 2}"
WINDOW = timedelta(days=2)
NEWS = tuple(
    f"silver.{table}"
    for table in (
        *("news_articles", "social_posts", "sentiment_scores"),
        "int_sentiment__lexicon_scores",
    )
)
ONLY = (
    *("--select", "+tag:trading_family", "tag:bars_family", "tag:of_bars"),
    "config.materialized:by_series",
)
"""And what is built beside it, without which no build remembers what it has taken in."""
LATER_TOLD = 2
"""The step that brings the decisions taken from its start on; the first brings all others."""
STARTS = tuple(map(parse_iso, (FIRST_HOUR, *CORRECTED)))
ENDS = tuple(map(parse_iso, (*CORRECTED, LAST)))


# -- the lake --------------------------------------------------------------------------------------


def walk(start: str, count: int, seconds: int, seed: int) -> list[Bar]:
    """Return bars of a random walk with ranges around their closes."""
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    spreads = rng.exponential(0.01, (count, 2))
    first = parse_iso(start)
    made = []
    for number, (close, (up, down)) in enumerate(zip(closes, spreads, strict=True)):
        opened = closes[number - 1] if number else close
        high, low = max(opened, close) * (1 + up), min(opened, close) * (1 - down)
        made.append(
            Bar(
                first + timedelta(seconds=number * seconds),
                *(f"{value:.4f}" for value in (close, high, low, opened)),
                volume=f"{10 + number % 7}",
            )
        )
    return made


HOURS = walk(FIRST_HOUR, 18 * 24, 3600, 1)
MINUTES = walk(FIRST_MINUTES, 5 * 288, 300, 2)


FX_HOURS = [
    bar
    for bar in walk(FIRST_HOUR, 18 * 24, 3600, 3)
    if not parse_iso("2024-01-05T22:00Z") <= bar.start < parse_iso("2024-01-07T22:00Z")
    and not parse_iso("2024-01-12T22:00Z") <= bar.start < parse_iso("2024-01-14T22:00Z")
]
SESSIONS = sessions(date(2024, 1, 1), date(2024, 2, 29), half_days=[date(2024, 1, 12)])
STOCK_HOURS = [
    bar
    for session in SESSIONS
    for bar in walk(session["open_at"], 7, 3600, int(session["session_date"][-2:]))
    if bar.start < parse_iso(session["close_at"]) and bar.start < parse_iso(LAST)
]


def lower(bar: Bar) -> Bar:
    """Return the bar with another close."""
    return Bar(bar.start, bar.low, bar.high, bar.low, bar.open, bar.volume)


def tell(
    lake: Landing, of: Sequence[Bar], seconds: int, fetched: datetime, provider: str = "coinbase"
) -> None:
    """Land bars as one answer to a question for just their time."""
    timeframe = {300: "5m", 3600: "1h"}[seconds]
    asked = (iso(of[0].start), iso(of[-1].start + timedelta(seconds=seconds)))
    symbol = {"coinbase": "BTC-USD", "inbox": COIN}[provider]
    records = (
        coinbase_bars(of)
        if provider == "coinbase"
        else inbox_bars("crypto", "BTC/USD", timeframe, of)
    )
    lake.land(
        provider, "bars", records, fetched=iso(fetched), symbol=symbol, timeframe=timeframe,
        asked=asked,
    )  # fmt: skip


def land_step(lake: Landing, step: int) -> None:
    """Land what becomes known from the step's start until the next correction."""
    start, end = STARTS[step], ENDS[step]
    if step == 0:
        lake.land("coinbase", "products", [product("BTC-USD")], fetched="2024-01-01T00:00Z")
        extract = {"fetched": "2024-01-01T00:00Z", "symbol": "XNYS"}
        lake.land("exchange_calendars", "sessions", SESSIONS, **extract)
        land_split(lake, STOCK, "2024-01-10", "2024-01-01T00:00Z")
    if step in (0, LATER_TOLD):
        land_trading(lake, step)
    if step == 2:
        land_split(lake, TOLD_LATE, f"{LATE_SPLIT}", CORRECTED[1])
    correct(lake, step, start)
    for bars, seconds in ((HOURS, 3600), (MINUTES, 300)):
        length = timedelta(seconds=seconds)
        # Confirmable answers: the same question can be asked again.
        until = end - timedelta(minutes=5)
        since = start - timedelta(minutes=5) if step else start
        new = [bar for bar in bars if since < bar.start + length <= until]
        tell(lake, new, seconds, end - timedelta(seconds=1))
    land_others(lake, step, start, end)
    land_articles(lake, step, start, end)


def land_others(lake: Landing, step: int, start: datetime, end: datetime) -> None:
    """Land hours of the stocks and of the currencies, the last of which is still open."""
    fetched = end - timedelta(seconds=1)
    for instrument, hours in (
        *((stock, STOCK_HOURS) for stock in (STOCK, TOLD_LATE)),
        (CURRENCIES, FX_HOURS),
    ):
        asset_class, _, symbol = instrument.partition(":")
        new = [bar for bar in hours if bar.start + HOUR <= fetched]
        if step:
            new = [bar for bar in new if bar.start + HOUR > start - timedelta(seconds=1)]
        if instrument == CURRENCIES:
            new += [lower(bar) for bar in hours if bar.start <= fetched < bar.start + HOUR]
        lake.land(
            *("inbox", "bars", inbox_bars(asset_class, symbol, "1h", new)),
            fetched=iso(fetched),
            symbol=instrument,
            timeframe="1h",
            asked=(iso(new[0].start), iso(new[-1].start + HOUR)),
        )


def land_split(lake: Landing, instrument: str, ex_date: str, fetched: str) -> None:
    asset_class, _, symbol = instrument.partition(":")
    split = {"asset_class": asset_class, "symbol": symbol, "action_type": "split"}
    told = [{**split, "ex_date": ex_date, "ratio": "2"}]
    lake.land("inbox", "corporate_actions", told, fetched=fetched, symbol=instrument)


def correct(lake: Landing, step: int, moment: datetime) -> None:
    if step == 1:  # One bar long ago, from which on all is another series; some minutes.
        tell(lake, [lower(HOURS[5])], 3600, moment)
        tell(lake, [lower(bar) for bar in minutes_before(moment, 20, 60)], 300, moment)
    if step == 2:  # Hours of which enough come before; another vendor, with the better word.
        tell(lake, [lower(bar) for bar in HOURS[350:355]], 3600, moment)
        tell(lake, [lower(bar) for bar in HOURS[340:346]], 3600, moment, provider="inbox")
        tell(lake, [lower(bar) for bar in minutes_before(moment, 3, 40)], 300, moment)
    if step == 3:  # What was said at first is said again: of one bar, and by confirming an answer.
        tell(lake, HOURS[5:6], 3600, moment)
        tell(lake, minutes_before(parse_iso(CORRECTED[0]), 20, 60), 300, moment)
        tell(lake, [lower(bar) for bar in HOURS[340:346]], 3600, moment, provider="inbox")


def minutes_before(moment: datetime, last: int, first: int) -> list[Bar]:
    """Return the bars that ended that many bars before a moment."""
    ended = [bar for bar in MINUTES if bar.start + timedelta(minutes=5) <= moment]
    return ended[-first:-last]


def land_articles(lake: Landing, step: int, start: datetime, end: datetime) -> None:
    """Land articles and posts written meanwhile; what was written before is told again, or else."""
    told = articles_of(step)
    if step:
        changed_twice(lake, articles_of(step - 1)[0], start)
        told += articles_of(step - 1)[1:20]
    lake.land("inbox", "news_articles", told, fetched=iso(end - timedelta(seconds=1)))
    posts = [seen(step, start + (end - start) / 2)]
    if step:
        posts += [
            seen(step - 1, start, score="50"),
            seen(step - 1, start + HOUR, score="50", text="Edited: what a scam."),
            seen(step - 1, start + 2 * HOUR, text="[removed]"),
        ]
    lake.land("inbox", "social_posts", posts, fetched=iso(end - timedelta(seconds=1)))
    if step:
        before = start - timedelta(hours=6)
        again = written(f"{step - 1}-changed", before, -0.5)
        again = {**again, "updated_at": iso(start), "headline": "Changed", "sentiment_score": "1"}
        lake.land("inbox", "news_articles", [again], fetched=iso(start))
    if step < STEPS - 1:
        first = written(f"{step}-changed", end - timedelta(hours=6), -0.5)
        lake.land("inbox", "news_articles", [first], fetched=iso(end - timedelta(hours=5)))


def articles_of(step: int) -> list[dict[str, str]]:
    """Return articles on the coin that were published in a step."""
    rng = np.random.default_rng(step)
    moments = [STARTS[step] + (ENDS[step] - STARTS[step]) * float(rng.random()) for _ in range(40)]
    return [
        written(f"{step}-{number}", moment, float(rng.uniform(-1, 1)))
        for number, moment in enumerate(moments)
    ]


def changed_twice(lake: Landing, record: dict[str, str], moment: datetime) -> None:
    """Land two answers as one batch, each with another version of an article."""
    answers = [
        Answer(
            Request("news_articles"),
            moment + number * HOUR,
            [{**record, "headline": f"Changed {number}", "sentiment_score": f"{number / 4}"}],
        )
        for number in (1, 2)
    ]
    landing = Lake(lake.data, clock=lambda: answers[-1].fetched_at)
    landing.land("inbox", DATASETS["inbox", "news_articles"], answers)


def seen(step: int, moment: datetime, **changed: str) -> dict[str, str]:
    """Return the post of a step as it was an hour after a moment."""
    written_at = STARTS[step] + (ENDS[step] - STARTS[step]) / 2
    observed_at = (moment + HOUR).replace(microsecond=0)
    return post(
        f"p-{step}",
        "I love this coin",
        created_at=f"{written_at.timestamp():.0f}",
        fetched_at=iso(observed_at),
        **changed,
    )


def written(article_id: str, moment: datetime, score: float) -> dict[str, str]:
    return article(
        article_id, "Coins", published_at=iso(moment.replace(microsecond=0)),
        asset_class="crypto", symbols=json.dumps(["BTC/USD"]), sentiment_score=f"{score:.3f}",
    )  # fmt: skip


def decided_at() -> list[datetime]:
    """Return random moments, half of them shortly before or after a correction."""
    rng = np.random.default_rng(11)
    first, last = parse_iso("2024-01-02T00:00Z"), parse_iso(LAST) - timedelta(hours=1)
    moments = []
    for number in range(DECISIONS):
        moment = first + (last - first) * float(rng.random())
        if number % 2:
            near = parse_iso(CORRECTED[number % 3])
            moment = near + timedelta(hours=float(rng.uniform(-12, 12)))
        moments.append(moment.replace(microsecond=0))
    moments[:3] = map(parse_iso, CORRECTED)
    moments[3:6] = [moment - timedelta(seconds=1) for moment in moments[:3]]
    return moments


def land_trading(lake: Landing, step: int) -> None:
    """Land decisions, and an execution that follows every other one."""
    told = []
    for instrument, count, timeframes in (
        (COIN, DECISIONS, ("1h", "5m", "15m", "4h", "1d", "1m")),
        *((each, 120, ("1h", "4h", "1d")) for each in (STOCK, TOLD_LATE, CURRENCIES)),
    ):
        asset_class, _, symbol = instrument.partition(":")
        told += [
            {
                **DECISION,
                "decision_id": f"{symbol}-{number}",
                "account_id": "main",
                "asset_class": asset_class,
                "symbol": symbol,
                "decided_at": iso(moment),
                "timeframe": timeframes[number % len(timeframes)],
            }
            for number, moment in enumerate(decided_at()[:count])
            if (moment >= STARTS[LATER_TOLD]) == (step == LATER_TOLD)
        ]
    done = [
        {
            **EXECUTION,
            "execution_id": f"e-{decision['decision_id']}",
            "decision_id": decision["decision_id"],
            "asset_class": decision["asset_class"],
            "symbol": decision["symbol"],
            "executed_at": iso(parse_iso(decision["decided_at"]) + timedelta(minutes=1)),
            "side": "sell" if number % 5 < 2 else "buy",
            "quantity": f"{1 + number % 7}",
            "price": f"{90 + number % 20}",
        }
        for number, decision in enumerate(told[::2])
    ]
    fetched = f"2024-01-19T0{step}:00Z"
    lake.land("inbox", "decisions", told, fetched=fetched)
    lake.land("inbox", "executions", done, fetched=fetched)


# -- building it -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """The database after each step, one built from the whole lake at once, and then once more."""

    steps: Sequence[Path]
    at_once: Path
    again: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("context")
    warehouse = Warehouse(folder / "warehouse")
    lake = Landing(DataDir(warehouse.data))
    kept = []
    for step in range(STEPS):
        land_step(lake, step)
        build(warehouse)
        kept.append(warehouse.copy_database(folder / f"step{step}.duckdb"))
    build(warehouse, "--full-refresh")
    at_once = warehouse.copy_database(folder / "at_once.duckdb")
    build(warehouse)
    return Built(kept, at_once, warehouse.copy_database(folder / "again.duckdb"))


def build(warehouse: Warehouse, *args: str) -> None:
    warehouse.build(*ONLY, *WITHOUT_TESTS, "--vars", VARIABLES, *args)


def history(
    database: Path,
    since: datetime,
    until: datetime,
    *,
    but: Sequence[str] = HINDSIGHT,
    only: str = f"instrument_id <> '{TOLD_LATE}'",
) -> pa.Table:
    """Return the decisions of a time and what they knew, but those of which a split came late."""
    with closing(connect(database)) as connection:
        return connection.sql(
            f"select * exclude ({', '.join(but)}) from silver.decision_history"
            f" where decided_at >= ? and decided_at < ? and {only} order by decision_id",
            params=[naive(since), naive(until)],
        ).to_arrow_table()


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def spans() -> list[tuple[int, datetime, datetime]]:
    return [(step, STARTS[step], ENDS[step]) for step in range(STEPS)]


# -- what must hold --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(STEPS))
def test_what_came_later_changes_nothing(built: Built, step: int) -> None:
    """Neither new bars nor corrections nor articles: only the hindsight columns may change."""
    then = history(built.steps[step], STARTS[step], ENDS[step])
    assert then.num_rows > 20
    for later in built.steps[step + 1 :]:
        assert_same_signals(history(later, STARTS[step], ENDS[step]), then)


@pytest.mark.parametrize("step", range(STEPS))
def test_one_build_knows_what_each_step_knew(built: Built, step: int) -> None:
    then = history(built.steps[step], STARTS[step], ENDS[step])
    assert_same_signals(history(built.at_once, STARTS[step], ENDS[step]), then)


def test_what_a_late_split_changed_is_marked(built: Built) -> None:
    """It counts from its ex-date on, whenever it was told: decisions before it was told say so."""
    of_stock = f"instrument_id = '{TOLD_LATE}'"
    then, now = (
        history(path, STARTS[0], ENDS[1], only=of_stock).to_pylist()
        for path in (built.steps[1], built.at_once)
    )
    changed = {
        was["decision_id"]
        for was, now_is in zip(then, now, strict=True)
        if was["split_factor"] != now_is["split_factor"]
        or was["sma_20"] != pytest.approx(now_is["sma_20"])
    }
    marks = "select decision_id from silver.decision_history where is_restated_context = {} and {}"
    marked = {name for (name,) in rows(built.at_once, marks.format(True, of_stock))}
    assert len(changed) > 20
    assert changed <= marked
    same = marks.format(False, of_stock + f" and bar_end_at < timestamp '{LATE_SPLIT}'")
    assert len(rows(built.at_once, same)) > 5
    assert rows(built.steps[1], marks.format(True, of_stock)) == []


def test_every_market_is_looked_at(built: Built) -> None:
    """Otherwise the comparisons would prove little of stocks, of currencies and of open bars."""
    found = rows(
        built.at_once,
        "select instrument_id, count(close) > 60, max(split_factor), bool_or(is_restated_context)"
        f" from silver.decision_history where instrument_id in ('{STOCK}', '{CURRENCIES}')"
        " group by all order by all",
    )
    assert found == [(STOCK, True, 2, False), (CURRENCIES, True, 1, False)]
    half_day = rows(
        built.at_once,
        "select count(*) from silver.decision_history"
        " where instrument_id = 'equity:STK' and bar_end_at = timestamp '2024-01-12 18:00'",
    )
    assert half_day[0][0] > 0
    for step in built.steps:
        still_open = (
            f"select count(*) from silver.bars where not is_final and {{}} = '{CURRENCIES}'"
        )
        assert rows(step, still_open.format("instrument_id"))[0][0] > 0
    posts = (
        "select count(*) from silver.sentiment_scores where document_type = 'post' and {} = '{}'"
    )
    edited = STEPS - 1
    assert rows(built.at_once, posts.format("instrument_id", COIN)) == [(STEPS + edited,)]


def test_steps_equal_a_full_refresh(built: Built) -> None:
    """Also in the hindsight columns, and in what the history of bars and the observations hold."""
    tables = [
        history(path, STARTS[0], ENDS[-1], but=("_row",), only="true")
        for path in (built.steps[-1], built.at_once)
    ]
    assert_same_signals(*tables)
    for table, key in (
        ("int_bars__known", "instrument_id, timeframe, bar_start_at, known_from"),
        ("int_signals__observed", "instrument_id, timeframe, observed_at"),
    ):
        found = []
        for path in (built.steps[-1], built.at_once):
            with closing(connect(path)) as connection:
                query = f"select * from silver.{table} order by {key}"
                found.append(connection.sql(query).to_arrow_table())
        assert_same_signals(*found)


@pytest.mark.parametrize(
    "table",
    [
        *("silver.executions", "silver.int_lots__matched", "silver.int_lots__excursions"),
        *("silver.trade_lifecycle", "silver.int_lots__attributed", "silver.decision_votes"),
        *("silver.int_votes__last", "gold.fct_trades", "gold.fct_decisions"),
    ],
)
def test_what_follows_decisions_equals_a_full_refresh(built: Built, table: str) -> None:
    """Whatever came in between: bars and their corrections, splits, decisions, executions."""
    with closing(connect(built.steps[-1])) as connection:
        connection.execute(f"attach '{built.at_once}' as at_once (read_only)")
        ((count, of_one_only),) = connection.execute(
            f"select (select count(*) from {table}), count(*) from ("
            f"(from {table} except from at_once.{table}) union all"
            f" (from at_once.{table} except from {table}))"
        ).fetchall()
    assert count > 100
    assert of_one_only == 0


def test_steps_go_on_from_the_last_build(built: Built) -> None:
    """Otherwise they would prove nothing."""
    changed = "select count(*) > 0 from staging.int_lots__changed"
    assert [rows(step, changed)[0][0] for step in built.steps] == [False, True, True, True]
    restarts = "select count(*) from staging.int_positions__restarts"
    assert [rows(step, restarts)[0][0] for step in built.steps] == [0, 0, 4, 0]


def test_news_of_steps_are_those_of_a_full_refresh(built: Built) -> None:
    """To the bit, though each step took in only what its batches told."""
    found = []
    for path in (built.steps[-1], built.at_once, built.again):
        with closing(connect(path)) as connection:
            hashes = table_hashes(connection)
            found.append({table: hashes[table] for table in NEWS})
    assert found[0] == found[1] == found[2]
    for path in built.steps[1:]:
        taken_in = rows(
            path,
            "select (select count(*) from staging.int_news__revisions),"
            " (select count(*) from staging.int_sentiment__changed where instrument_id = '*'),"
            " (select count(*) > 40 from staging.int_documents__changed),"
            " (select count(*) > 40 from staging.int_sentiment__changed)",
        )
        assert taken_in == [(0, 0, True, True)]
    versions = "select max(version_no), count(*) filter (where {}) > 0 from silver.{}"
    retold = "is_current and _last_told_at > _fetched_at"
    assert rows(built.at_once, versions.format(retold, "news_articles")) == [(3, True)]
    assert rows(built.at_once, versions.format("is_removed", "social_posts")) == [(4, True)]


def test_tests_of_scores_look_at_what_was_written(built: Built, tmp_path: Path) -> None:
    """At those of changed documents, or at all where they were built anew."""
    warehouse = Warehouse(tmp_path)
    shutil.copyfile(built.steps[-1], warehouse.database)
    doubled = (
        "insert into silver.sentiment_scores select * from silver.sentiment_scores where {} ("
        "select document_id from staging.int_documents__changed) limit 1"
    )
    for change, fails in (
        (doubled.format("document_id not in"), False),
        ("update ops.family_runs set goes_on = false", True),
        ("update ops.family_runs set goes_on = true;" + doubled.format("document_id in"), True),
    ):
        with closing(connect(warehouse.database, read_only=False)) as connection:
            connection.execute(change)
        done = warehouse.run_dbt("test", "--select", "sentiment_scores_grain_is_unique")
        assert (done.returncode != 0) == fails, (change, done.output)
        assert " of 1 " in done.output


def test_what_a_step_has_written_passes_its_tests(built: Built, tmp_path: Path) -> None:
    """In a database that goes on, tests look at what may have changed."""
    warehouse = Warehouse(tmp_path)
    shutil.copyfile(built.steps[-1], warehouse.database)
    warehouse.data.mkdir()
    done = warehouse.run_dbt("test", "--select", "tag:trading_family,test_type:generic")
    assert done.returncode == 0, done.output
    assert done.output.count(" PASS ") > 40


@pytest.mark.parametrize("step", range(STEPS))
def test_the_bar_is_the_last_in_that_steps_tables(built: Built, step: int) -> None:
    """Found by a plain search in market_data_enriched, of every timeframe."""
    with closing(connect(built.steps[step])) as connection:
        wrong, right = connection.execute(
            """
            with expected as (
                select
                    decisions.decision_id,
                    max_by(enriched, enriched.bar_start_at) as bar
                from silver.decision_history as decisions
                left join silver.market_data_enriched as enriched
                    on
                        decisions.instrument_id = enriched.instrument_id
                        and decisions.timeframe = enriched.timeframe
                        and decisions.decided_at >= enriched.available_at
                where decisions.decided_at >= ? and decisions.decided_at < ?
                group by all
            ),

            compared as (
                select
                    row(
                        found.bar_start_at, found.bar_end_at, found.close, found.split_factor,
                        found.rsi_14, found.macd_histogram_12_26_9, found.sma_20, found.sma_50,
                        found.sma_200, found.atr_14, found.adx_14,
                        found.bollinger_percent_b_20_2, found.realized_volatility_20,
                        found.regime, found.volatility_percentile
                    ) is distinct from row(
                        bar.bar_start_at, bar.bar_end_at, bar.close, bar.split_factor,
                        bar.rsi_14, bar.macd_histogram_12_26_9, bar.sma_20, bar.sma_50,
                        bar.sma_200, bar.atr_14, bar.adx_14,
                        bar.bollinger_percent_b_20_2, bar.realized_volatility_20,
                        bar.regime, bar.volatility_percentile
                    ) or found.is_restated_context as is_wrong
                from expected
                inner join silver.decision_history as found using (decision_id)
            )

            select count(*) filter (where is_wrong), count(*) filter (where not is_wrong)
            from compared
            """,
            [naive(STARTS[step]), naive(ENDS[step])],
        ).fetchall()[0]
    assert wrong == 0
    assert right > 20


def test_corrections_reach_decisions_of_every_timeframe(built: Built) -> None:
    """Otherwise the comparisons would prove little: contexts differ from today's tables."""
    counts = rows(
        built.at_once,
        "select timeframe, count(*) filter (where restated.close <> today.close),"
        " count(*) filter (where restated.rsi_14 <> today.rsi_14 and restated.regime is not null)"
        " from silver.int_signals__observed as restated"
        " inner join silver.market_data_enriched as today"
        " using (instrument_id, timeframe, bar_start_at)"
        " where restated.is_restated and restated.regime is not null"
        f" and instrument_id = '{COIN}' group by all order by all",
    )
    assert [timeframe for timeframe, _, _ in counts] == ["15m", "1h", "4h", "5m"]
    assert all(others > 20 for _, _, others in counts)
    assert sum(closes for _, closes, _ in counts) > 20


def test_daily_bars_are_derived_from_what_was_known(built: Built) -> None:
    """The first day's low as it was until its fifth hour was corrected, meanwhile, and again."""
    found = rows(
        built.at_once,
        "select known_from::varchar, known_to::varchar, is_derived"
        " from silver.int_bars__known where timeframe = '1d' and session_date = date '2024-01-01'"
        " order by known_from",
    )
    assert found == [
        ("2024-01-02 00:01:00", "2024-01-15 06:30:00", True),
        ("2024-01-15 06:30:00", "2024-01-17 09:00:00", True),
        ("2024-01-17 09:00:00", "9999-12-31 00:00:00", True),
    ]


def test_the_history_of_a_bar_ends_with_the_bar_that_holds(built: Built) -> None:
    for path in (*built.steps, built.at_once):
        differing, held = rows(
            path,
            "select count(*) filter (where row(bars.open, bars.high, bars.low, bars.close,"
            " bars.volume, bars.provider, bars.is_derived, bars.available_at) is distinct from"
            " row(known.open, known.high, known.low, known.close, known.volume, known.provider,"
            " known.is_derived, known.known_from)), count(*)"
            " from silver.int_bars__known as known left join silver.bars as bars"
            " using (instrument_id, timeframe, bar_start_at)"
            " where known.known_to = timestamp '9999-12-31'",
        )[0]
        assert differing == 0
        assert held > 0 or path == built.steps[0]


def test_sentiment_is_the_mean_of_what_was_worded_so(built: Built) -> None:
    with closing(connect(built.at_once)) as connection:
        scores = connection.execute(
            "select score, available_at, superseded_at from silver.sentiment_scores"
            f" where instrument_id = '{COIN}'"
        ).fetchall()
        decisions = connection.execute(
            "select decided_at, sentiment_score, sentiment_document_count, sentiment_at"
            f" from silver.decision_history where instrument_id = '{COIN}'"
        ).fetchall()
    assert any(until for _, _, until in scores)
    counts = set()
    for moment, score, count, latest in decisions:
        known = [
            (value, since)
            for value, since, until in scores
            if since <= moment < since + WINDOW and (until is None or moment < until)
        ]
        counts.add(count)
        assert count == len(known)
        assert latest == max((since for _, since in known), default=None)
        if known:
            assert score == pytest.approx(np.mean([value for value, _ in known]), abs=1e-9)
        else:
            assert score is None
    assert len(counts) > 5


def test_timeframes_are_counted_as_they_were(built: Built) -> None:
    found = rows(
        built.at_once,
        "select direction_1m, direction_5m, direction_15m, direction_1h, direction_4h,"
        " direction_1d, confluence_score, agreeing_count, available_count"
        " from silver.decision_history",
    )
    for *directions, score, agreeing, available in found:
        given = [direction for direction in directions if direction is not None]
        assert available == len(given)
        if given:
            mean = sum(given) / len(given)
            assert score == pytest.approx(mean)
            assert agreeing == sum(direction * mean > 0 for direction in given)
    assert {available for *_, available in found} >= {0, 1, 4}


def test_a_timeframe_without_bars_has_no_context(built: Built) -> None:
    found = rows(
        built.at_once,
        "select count(*), count(bar_start_at), count(regime_1m) from silver.decision_history"
        " where timeframe = '1m'",
    )[0]
    assert found[0] > 0
    assert found[1:] == (0, 0)


def test_a_build_without_news_looks_at_nothing_again(built: Built) -> None:
    """But where there was nothing to see: what is there is kept as it is, to the bit."""
    due = (
        "select count(*) filter (where is_due), count(*) filter (where is_due and timeframe <> '1m'"
        " and observed_at > timestamp '2024-01-15' and (timeframe in ('1h', '4h', '1d')"
        f" or instrument_id = '{COIN}')), count(*) > 0"
        " from staging.int_signals__observations"
    )
    looked, seen, _ = rows(built.at_once, due)[0]
    assert (looked > DECISIONS, seen > 0) == (True, True)
    assert rows(built.again, due)[0][1:] == (0, True)
    everything = (STARTS[0], ENDS[-1])
    assert history(built.again, *everything, but=("_row",)).equals(
        history(built.at_once, *everything, but=("_row",))
    )
