"""Streams against vendors that speak over real WebSockets, and break off as vendors do."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from ingest import lake as lake_module
from ingest import streams
from ingest.backfill import Failure, LandingReport, backfill
from ingest.clock import Clock, utc_now
from ingest.http import Policy
from ingest.lake import Batch, Lake
from ingest.locks import LockedError
from ingest.provider import (
    AccessError,
    Answer,
    Dataset,
    EntitlementError,
    Field,
    ProviderError,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
)
from ingest.providers import make_providers
from ingest.providers.alpaca import BAR_FIELDS
from ingest.providers.coinbase import Coinbase
from ingest.settings import DataDir, Environment, Settings
from ingest.streams import micro_batches
from ingest.streams.alpaca import AlpacaFeed
from ingest.streams.coinbase import CoinbaseFeed
from ingest.streams.micro_batches import (
    Limits,
    Message,
    Metrics,
    MicroBatches,
    NotLandedError,
)
from ingest.streams.runner import Feed, Fill, Patience, Stream, StreamReport
from tests.fake_vendors import alpaca_stream as alpaca
from tests.fake_vendors.alpaca_stream import FakeAlpacaStream, frame
from tests.fake_vendors.coinbase import FakeCoinbase
from tests.fake_vendors.coinbase_stream import (
    FakeCoinbaseStream,
    heartbeat,
    last_match,
    match,
    ticker,
)
from tests.fake_vendors.stream import CUT, FakeStream
from tests.ingest.scripted import Now

QUICK = Patience(
    ready_seconds=5, silence_seconds=5, first_seconds=0.001, most_seconds=0.01, busy_seconds=0.01
)
FAST = Limits(seconds=0.01, records=1000, queue=1000)
WRONG_SECRET = "a-wrong-secret"  # noqa: S105 - of a test
KEYS = {"APCA_API_KEY_ID": alpaca.KEY, "APCA_API_SECRET_KEY": alpaca.SECRET}


@dataclass
class Watched:
    """A stream under test: what it landed, said and counted."""

    lake: Lake
    stream: Stream
    metrics: Metrics
    said: list[str] = field(default_factory=list)
    filled: list[Request] = field(default_factory=list)
    report: StreamReport | None = None

    @property
    def batches(self) -> list[Batch]:
        return self.lake.batches()

    def rows(self, dataset: str, *columns: str) -> list[tuple[str | None, ...]]:
        """Return values of every landed record, in the order of batches and rows."""
        return landed(self.lake, dataset, *columns)

    def total(self, name: str, **labels: str) -> float:
        return self.metrics.total(name, **labels)


def landed(lake: Lake, dataset: str, *columns: str) -> list[tuple[str | None, ...]]:
    files = sorted(lake.data.raw.glob(f"*/{dataset}/*/*.parquet"), key=lambda path: path.name)
    return [
        tuple(row[name] for name in columns)
        for file in files
        for row in pq.ParquetFile(file).read().to_pylist()
    ]


def letters(lake: Lake) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in lake.data.dead_letter.glob("*/*/*/*.json")]


def watch(
    root: Path,
    vendor: FakeStream,
    make_feed: Callable[[FakeStream], Feed],
    until: Callable[[Watched], bool],
    *,
    limits: Limits = FAST,
    patience: Patience = QUICK,
    fill: Fill | None = None,
    lake: Lake | None = None,
    clock: Clock = utc_now,
) -> Watched:
    """Stream from `vendor` until what is landed and counted satisfies `until`."""

    async def run() -> Watched:
        async with vendor:
            feed = make_feed(vendor)
            own = lake or Lake(DataDir(root))
            metrics = Metrics(feed.provider)
            batches = MicroBatches(own, feed.provider, feed.datasets, metrics, limits)
            watched: Watched

            def note(requests: Sequence[Request]) -> LandingReport:
                watched.filled.extend(requests)
                return fill(requests) if fill else LandingReport(feed.provider, "bars")

            def say(text: str) -> None:
                watched.said.append(text)

            stream = Stream(feed, batches, note, patience=patience, clock=clock, say=say)
            watched = Watched(own, stream, metrics)
            stop = asyncio.Event()
            running = asyncio.create_task(stream.run(stop))
            with suppress(TimeoutError):
                async with asyncio.timeout(10):
                    while not running.done() and not until(watched):  # noqa: ASYNC110 - any condition
                        await asyncio.sleep(0.002)
            is_reached = running.done() or until(watched)
            stop.set()
            watched.report = await running
            assert is_reached, (watched.said, dict(metrics.summary()))
            return watched

    return asyncio.run(run())


def coinbase(*symbols: str, channels: Sequence[str] = ()) -> Callable[[FakeStream], Feed]:
    return lambda vendor: CoinbaseFeed(
        symbols or ("BTC/USD",),
        channels,
        Environment({"TAPEHOUSE_COINBASE_STREAM_URL": vendor.url}),
    )


def alpaca_feed(
    *symbols: str, feed: str = "iex", channels: Sequence[str] = (), secret: str = alpaca.SECRET
) -> Callable[[FakeStream], Feed]:
    return lambda vendor: AlpacaFeed(
        feed,
        symbols or ("AAPL",),
        channels,
        Environment(
            {**KEYS, "APCA_API_SECRET_KEY": secret, "TAPEHOUSE_ALPACA_STREAM_URL": vendor.url}
        ),
        bars=Dataset("bars", BAR_FIELDS, timeframes=("1m",)),
    )


def has_landed(count: int) -> Callable[[Watched], bool]:
    return lambda watched: watched.total("landed_records_total") >= count


# -- what lands ------------------------------------------------------------------------------------


def test_trades_and_tickers_land_verbatim_by_kind(tmp_path: Path) -> None:
    vendor = FakeCoinbaseStream(
        [[last_match(1), match(2, price="60000.00000000"), ticker(9), heartbeat(2), match(3)]]
    )
    watched = watch(tmp_path, vendor, coinbase(), has_landed(4))
    assert json.loads(vendor.heard[0]) == {
        "type": "subscribe",
        "product_ids": ["BTC-USD"],
        "channels": ["matches", "ticker", "heartbeat"],
    }
    assert watched.rows("matches", "type", "trade_id", "price", "size", "_symbol", "_extra") == [
        ("last_match", "1", "60000.10", "0.01000000", "BTC-USD", None),
        ("match", "2", "60000.00000000", "0.01000000", "BTC-USD", None),
        ("match", "3", "60000.10", "0.01000000", "BTC-USD", None),
    ]
    assert watched.rows("tickers", "sequence", "best_ask_size", "_extra") == [
        ("9", "0.25000000", None)
    ]
    assert watched.total("messages_total", kind="heartbeat", outcome="control") == 1
    assert watched.total("messages_total", kind="match", outcome="queued") == 2
    assert watched.total("missed_messages_total") == 0


def test_a_stream_covers_no_range(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "101.50"))]])
    watched = watch(tmp_path, vendor, alpaca_feed(), has_landed(1))
    (batch,) = watched.batches
    (entry,) = batch.entries
    assert (entry.symbol, entry.timeframe, entry.start, entry.end) == ("AAPL", "1m", None, None)
    assert (entry.records, entry.params) == (1, {"via": "stream"})
    assert watched.lake.ledger("alpaca_iex", "bars").coverage("AAPL", "1m") == []


def test_bars_and_their_updates_share_a_dataset_in_the_order_they_came(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream(
        [
            [
                frame(alpaca.bar(0, "101.50"), alpaca.bar(0, "7", symbol="MSFT")),
                frame(alpaca.bar(0, "101.60", kind="u")),
            ]
        ]
    )
    watched = watch(tmp_path, vendor, alpaca_feed("AAPL", "MSFT"), has_landed(3))
    assert json.loads(vendor.heard[1]) == {
        "action": "subscribe",
        "bars": ["AAPL", "MSFT"],
        "updatedBars": ["AAPL", "MSFT"],
    }
    columns = ("_symbol", "_timeframe", "message_type", "close", "vwap", "time")
    assert watched.rows("bars", *columns) == [
        ("AAPL", "1m", "b", "101.50", "100.5000", "2026-11-20T15:00:00Z"),
        ("MSFT", "1m", "b", "7", "100.5000", "2026-11-20T15:00:00Z"),
        ("AAPL", "1m", "u", "101.60", "100.5000", "2026-11-20T15:00:00Z"),
    ]


def test_corrections_and_cancellations_lie_with_the_trades(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream(
        [
            [
                frame(alpaca.trade(1), alpaca.trade(2), alpaca.quote(3)),
                frame(alpaca.correction(9, 1, "100.05"), alpaca.cancellation(2)),
            ]
        ]
    )
    make = alpaca_feed(channels=("trades", "quotes"))
    watched = watch(tmp_path, vendor, make, has_landed(5))
    columns = ("message_type", "trade_id", "original_trade_id", "corrected_price", "time", "_extra")
    assert watched.rows("trades", *columns) == [
        ("t", "1", None, None, "2026-11-20T15:00:01.123456789Z", None),
        ("t", "2", None, None, "2026-11-20T15:00:02.123456789Z", None),
        ("c", None, "1", "100.05", "2026-11-20T15:00:01.123456789Z", None),
        ("x", "2", None, None, "2026-11-20T15:00:02.123456789Z", None),
    ]
    assert watched.rows("quotes", "bid_price", "ask_size") == [("100.00", "3")]


def test_crypto_of_alpaca_is_a_provider_of_its_own(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "1", symbol="BTC/USD"))]])
    watched = watch(tmp_path, vendor, alpaca_feed("BTC/USD", feed="crypto"), has_landed(1))
    assert [batch.provider for batch in watched.batches] == ["alpaca"]


def test_a_batch_lands_when_it_is_full_or_due(tmp_path: Path) -> None:
    trades = [match(number) for number in range(1, 8)]
    full = watch(
        tmp_path / "full",
        FakeCoinbaseStream([trades]),
        coinbase(),
        has_landed(6),
        limits=Limits(seconds=60, records=3),
    )
    # The seventh is landed by stopping.
    assert [batch.rows for batch in full.batches] == [3, 3, 1]
    due = watch(tmp_path / "due", FakeCoinbaseStream([trades]), coinbase(), has_landed(7))
    assert sum(batch.rows for batch in due.batches) == 7


def test_what_cannot_be_read_is_a_dead_letter_and_costs_nothing_else(tmp_path: Path) -> None:
    bad = ["not json", '{"type":"match","trade_id":1,"trade_id":2}', "[]", '{"type":"surprise"}']
    vendor = FakeCoinbaseStream([[match(1), *bad, b"\xff\x00", match(2)]])
    watched = watch(tmp_path, vendor, coinbase(), has_landed(2))
    assert watched.rows("matches", "trade_id") == [("1",), ("2",)]
    assert {letter["body"] for letter in letters(watched.lake)} == {*bad, "\\xff\x00"}
    assert sum(batch.dead_letters for batch in watched.batches) == 5
    assert watched.total("dead_letters_total") == 5


def test_one_bad_message_of_an_array_costs_only_itself(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "1"), '"text"', alpaca.bar(1, "2"))]])
    watched = watch(tmp_path, vendor, alpaca_feed(), has_landed(2))
    assert watched.rows("bars", "close") == [("1",), ("2",)]
    assert [letter["body"] for letter in letters(watched.lake)] == ['"text"']


HALF_A_PAIR = "\\ud83d"


@pytest.mark.parametrize("symbol", [HALF_A_PAIR, "", "\\u0000", "A\\nB"])
def test_a_symbol_that_is_none_is_a_dead_letter_and_costs_nothing_else(
    tmp_path: Path, symbol: str
) -> None:
    """JSON allows half a surrogate pair, which no file can hold and no vendor be asked for."""
    stocks = [frame(alpaca.bar(n, str(n), symbol=symbol if n == 1 else "AAPL")) for n in range(3)]
    watched = watch(tmp_path / "a", FakeAlpacaStream([stocks]), alpaca_feed("*"), has_landed(2))
    assert watched.rows("bars", "close", "_symbol") == [("0", "AAPL"), ("2", "AAPL")]
    assert watched.stream.feed.symbols == ["AAPL"]
    pairs = [match(1), match(2, product=symbol), match(3)]
    other = watch(tmp_path / "c", FakeCoinbaseStream([pairs]), coinbase(), has_landed(2))
    assert other.rows("matches", "trade_id") == [("1",), ("3",)]
    for seen in (watched, other):
        assert len(letters(seen.lake)) == 1
        assert seen.total("messages_total", kind="unreadable", outcome="unreadable") == 1
        assert seen.total("failed_landings_total") == 0


def test_half_a_surrogate_pair_in_a_value_lands_as_its_escape(tmp_path: Path) -> None:
    """As in the answers of REST: see `ingest.records`."""
    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, f'"{HALF_A_PAIR}"'), alpaca.bar(1, "2"))]])
    watched = watch(tmp_path, vendor, alpaca_feed(), has_landed(2))
    assert watched.rows("bars", "close") == [(HALF_A_PAIR,), ("2",)]


def test_a_message_that_no_column_can_hold_costs_only_itself(tmp_path: Path) -> None:
    """Whatever a feed lets through: the others of its batch land, in one batch, in their order."""
    lake, metrics = Lake(DataDir(tmp_path)), Metrics("coinbase")
    batches = MicroBatches(lake, "coinbase", CoinbaseFeed.datasets, metrics, FAST)
    told: list[str | None] = []

    async def run() -> None:
        for symbol in ("A", "\ud83d", "B"):
            content = {"type": "match", "trade_id": symbol, "unknown": [symbol]}
            await batches.put(
                Message(
                    *("matches", content, utc_now(), symbol),
                    on_landed=partial(told.append, symbol),
                )
            )
        batches.close()
        await batches.run()

    asyncio.run(run())
    assert landed(lake, "matches", "trade_id", "_symbol") == [("A", "A"), ("B", "B")]
    (batch,) = lake.batches()
    assert (batch.rows, batch.dead_letters) == (2, 1)
    assert HALF_A_PAIR not in batch.to_json()
    (letter,) = letters(lake)
    assert "UnicodeEncodeError" in str(letter["error"])
    assert '"trade_id":"\ud83d"' in str(letter["body"])
    assert told == ["A", "\ud83d", "B"]
    assert metrics.total("dead_letters_total") == 1


def test_a_landing_that_fails_for_no_message_says_what_is_lost(tmp_path: Path) -> None:
    lake = SlowLake(DataDir(tmp_path), failures=[ValueError("of the lake itself")])
    with pytest.raises(NotLandedError, match=r"^2 messages of coinbase .*ValueError: of the lake"):
        watch(
            *(tmp_path, FakeCoinbaseStream([[match(1), match(2)]]), coinbase(), has_landed(3)),
            limits=Limits(seconds=60, records=2),
            lake=lake,
        )


def test_an_error_in_a_frame_costs_none_of_its_messages(tmp_path: Path) -> None:
    error = alpaca.error(404)[1:-1]
    vendor = FakeAlpacaStream(
        [[frame(alpaca.bar(0, "1"), error, alpaca.bar(1, "2"))], [frame(alpaca.bar(2, "3"))]]
    )
    watched = watch(tmp_path, vendor, alpaca_feed(), has_landed(3))
    assert watched.rows("bars", "close") == [("1",), ("2",), ("3",)]
    assert vendor.connections == 2


NAMES = (
    st.sampled_from(["T", "S", "code", "msg", "bars"])
    | st.sampled_from(["type", "product_id", "trade_id", "last_trade_id", "message", "reason"])
    | st.sampled_from(["channels", "product_ids", "name"])
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["b", "t", "error", "subscription", "success"])
    | st.sampled_from(["match", "heartbeat", "ticker", "subscriptions"])
    | st.sampled_from(["AAPL", "BTC-USD", "matches", "bars", "\ud83d", "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(JSON, max_size=4))
@example([[{"T": "subscription", "bars": True}]])
@example([{"type": "subscriptions", "channels": [{"name": ["x"], "product_ids": ["BTC-USD"]}]}])
@example([{"type": "subscriptions", "channels": [{"product_ids": [["BTC-USD"]]}]}])
@example([{"type": "subscriptions", "channels": [{"product_ids": True}]}])
@example([{"type": "match", "product_id": "BTC-USD", "trade_id": n} for n in (1, "9" * 400)])
def test_no_frame_breaks_a_feed(frames: list[object]) -> None:
    """Whatever a vendor says is told of, and each number is one that can be counted."""
    nowhere = FakeStream(url="ws://localhost")
    for make in (alpaca_feed("AAPL"), coinbase("BTC/USD", "ETH/USD")):
        feed = make(nowhere)
        feed.connected()
        for content in frames:
            for text in (json.dumps(content), json.dumps([content]), repr(content)):
                told, _ = feed.read(text)
                for each in told:
                    assert each.symbol is None or each.symbol.isprintable()
                    assert float(each.missed) >= 0
                    assert each.content is None or each.dataset in feed.datasets


# -- gaps ------------------------------------------------------------------------------------------


def test_after_a_cut_it_comes_back_and_asks_rest_for_the_bars(tmp_path: Path) -> None:
    """The gap is asked of the REST API by the same loader as a backfill, and lands."""
    now = utc_now()
    minute = int(now.timestamp()) // 60 * 60
    rest = FakeCoinbase(now=minute + 3600)
    rest.fill("BTC-USD", 60, minute - 60, 3)
    vendor = FakeCoinbaseStream([[last_match(1), match(2), CUT], [last_match(5), match(6)]])
    with rest.running():

        def fill(requests: Sequence[Request]) -> LandingReport:
            provider = Coinbase(
                Environment({"TAPEHOUSE_COINBASE_URL": rest.url}), policy=Policy(attempts=1)
            )
            return backfill(provider, requests, Lake(DataDir(tmp_path)))

        watched = watch(
            tmp_path,
            vendor,
            coinbase(),
            lambda seen: has_landed(4)(seen) and len(seen.filled) >= 1,
            fill=fill,
        )
    assert vendor.connections == 2
    assert watched.rows("matches", "trade_id") == [("1",), ("2",), ("5",), ("6",)]
    # 3 and 4 came in between.
    assert watched.total("missed_messages_total") == 2
    request = watched.filled[0]
    assert (request.dataset, request.symbol, request.timeframe) == ("bars", "BTC-USD", "1m")
    assert request.params == {"asset_class": "crypto"}
    assert request.start is not None
    assert request.start.second == request.start.microsecond == 0
    assert now - timedelta(minutes=3) <= request.start <= now
    assert (str(minute),) in watched.rows("bars", "time")
    assert any("disconnected" in text for text in watched.said)
    assert any("bars so far for BTC-USD" in text for text in watched.said)
    assert watched.report is not None
    # The vendor may still change the newest bars: they would have been asked for once more.
    (unfilled,) = watched.report.unfilled
    assert "BTC-USD: stopped before the vendor had all of it" in unfilled


def test_a_gap_that_rest_cannot_fill_is_said(tmp_path: Path) -> None:
    def refuse(requests: Sequence[Request]) -> LandingReport:
        raise EntitlementError(f"the plan of {alpaca.SECRET} has no {requests[0].symbol}")

    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "1")), CUT], [frame(alpaca.bar(1, "2"))]])
    watched = watch(
        tmp_path,
        vendor,
        alpaca_feed(),
        lambda seen: has_landed(2)(seen) and any("not filled" in text for text in seen.said),
        fill=refuse,
    )
    assert watched.report is not None
    (unfilled,) = watched.report.unfilled
    assert "AAPL" in unfilled
    assert "the plan of *** has no AAPL" in unfilled


def test_a_gap_that_was_not_asked_for_is_said_and_the_next_one_is_asked(tmp_path: Path) -> None:
    outcomes = [LandingReport("coinbase", "bars", not_asked=Counter({"the breaker is open": 1}))]
    asked: list[int] = []

    def fill(requests: Sequence[Request]) -> LandingReport:
        asked.append(len(requests))
        if outcomes:
            return outcomes.pop()
        raise ValueError(f"{len(requests)} requests could not be read")

    first_is_said = asyncio.Event()
    vendor = FakeCoinbaseStream([[match(1), match(3), first_is_said, match(5)]])

    def until(seen: Watched) -> bool:
        if any("the breaker is open" in text for text in seen.said):
            first_is_said.set()
        return len(asked) == 2 and has_landed(3)(seen)

    watched = watch(tmp_path, vendor, coinbase(), until, fill=fill)
    assert watched.report is not None
    # The gaps wait to be asked for again, as one.
    (unfilled,) = watched.report.unfilled
    assert "stopped before it was asked again: 1 requests could not be read" in unfilled
    assert not watched.report.is_complete


def test_a_fill_that_fails_for_a_passing_reason_is_repeated(tmp_path: Path) -> None:
    errors: list[Exception] = [
        RetryableError("the vendor sleeps"),
        LockedError("somebody else holds the lock"),
    ]

    def fill(requests: Sequence[Request]) -> LandingReport:
        if errors:
            raise errors.pop(0)
        failed = [Failure(request, "a time-out") for request in requests]
        return LandingReport("alpaca_iex", "bars", failures=failed if not done else [])

    done: list[str] = []
    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "1")), CUT], [frame(alpaca.bar(1, "2"))]])

    def until(seen: Watched) -> bool:
        done.extend(text for text in seen.said if "a time-out" in text)
        return any("bars landed" in text for text in seen.said)

    watched = watch(
        *(tmp_path, vendor, alpaca_feed(), until),
        patience=replace(QUICK, refill_seconds=0.01, most_refill_seconds=0.02),
        fill=fill,
    )
    assert len(watched.filled) >= 4
    assert len({request.start for request in watched.filled}) == 1
    again = [text.rpartition(" ")[0] for text in watched.said if "not filled yet" in text]
    assert [text.rpartition(" in ")[2] for text in again[:3]] == ["0.01", "0.02", "0.02"]
    assert watched.report is not None
    assert (watched.report.unfilled, watched.report.is_complete) == ([], True)


def test_after_a_reconnect_the_minute_that_was_just_over_is_asked_of_every_symbol(
    tmp_path: Path,
) -> None:
    """One symbol's bar of 14:59 had come; the other's was cut off with the connection."""
    now = datetime(2026, 11, 20, 15, 0, 0, 300_000, UTC)
    vendor = FakeAlpacaStream(
        [[frame(alpaca.bar(59, "1")), CUT], [frame(alpaca.bar(1, "2", symbol="MSFT"))]]
    )
    watched = watch(
        *(tmp_path, vendor, alpaca_feed("AAPL", "MSFT")),
        lambda seen: has_landed(2)(seen) and bool(seen.filled),
        clock=lambda: now,
    )
    last_minute = datetime(2026, 11, 20, 14, 59, tzinfo=UTC)
    assert {request.symbol: request.start for request in watched.filled} == {
        "AAPL": last_minute,
        "MSFT": last_minute,
    }


def test_of_many_symbols_some_are_named(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "1")), CUT], [frame(alpaca.bar(1, "2"))]])
    watched = watch(
        *(tmp_path, vendor, alpaca_feed("AAPL", *(f"A{number}" for number in range(11)))),
        lambda seen: has_landed(2)(seen) and len(seen.filled) == 12,
    )
    assert any(
        "bars of AAPL, A0, " in text and "A8 and 2 more since" in text for text in watched.said
    )


@pytest.mark.parametrize("wanted", [("AAPL", "NVDA"), ("*",)])
def test_what_was_missed_between_two_runs_is_asked_for(
    tmp_path: Path, wanted: tuple[str, ...]
) -> None:
    """From the last message of each symbol in the ledger on; none was there of NVDA."""
    end = datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC)

    def earlier(symbol: str, ended_at: datetime) -> None:
        bars = [frame(alpaca.bar(0, "1", symbol=symbol))]
        feed = alpaca_feed(symbol)
        first = watch(
            tmp_path, FakeAlpacaStream([bars]), feed, has_landed(1), clock=lambda: ended_at
        )
        assert first.filled == []

    earlier("TSLA", end - timedelta(days=5))
    earlier("MSFT", end - timedelta(hours=1))
    earlier("AAPL", end)
    later = end + timedelta(hours=2)
    watched = watch(
        *(tmp_path, FakeAlpacaStream([[frame(alpaca.bar(5, "2"))]]), alpaca_feed(*wanted)),
        lambda seen: has_landed(1)(seen) and bool(seen.filled),
        clock=lambda: later,
    )
    asked = {request.symbol: (request.start, request.end) for request in watched.filled}
    expected = {"AAPL": (end - timedelta(seconds=90), later)}
    if wanted == ("*",):
        expected["MSFT"] = (end - timedelta(hours=1, seconds=90), later)
    assert asked == expected
    assert watched.total("gaps_total") == 1


def test_the_kind_that_ended_first_is_where_the_gap_of_a_run_begins(tmp_path: Path) -> None:
    """A killed run had landed its trades, and the bars waited still."""
    lake = Lake(DataDir(tmp_path))
    feed = alpaca_feed()(FakeStream(url="ws://localhost"))
    batches = MicroBatches(lake, feed.provider, feed.datasets, Metrics(feed.provider), FAST)
    times = {
        "bars": datetime(2026, 11, 20, 15, 0, 2, tzinfo=UTC),
        "trades": datetime(2026, 11, 20, 15, 9, 7, tzinfo=UTC),
    }

    async def land() -> None:
        for dataset, at in times.items():
            await batches.put(Message(dataset, {"S": "AAPL"}, at, "AAPL"))
        batches.close()
        await batches.run()

    asyncio.run(land())
    since, before = times["bars"] - timedelta(days=3), times["trades"] + timedelta(days=1)
    assert batches.last_streamed(since, before) == {"AAPL": times["bars"]}
    assert batches.last_streamed(since, times["trades"]) == {"AAPL": times["bars"]}
    assert batches.last_streamed(times["trades"], before) == {"AAPL": times["trades"]}
    assert batches.last_streamed(since, times["bars"]) == {}
    assert batches.last_streamed(since, before, ["MSFT"]) == {}


def test_the_ledger_is_read_backwards_and_only_as_far_as_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_module, "LEDGERS_AT_ONCE", 2)
    lake, end = Lake(DataDir(tmp_path)), datetime(2026, 11, 20, tzinfo=UTC)
    feed = alpaca_feed()(FakeStream(url="ws://localhost"))
    bars = feed.datasets["bars"]

    async def land(message: Message) -> None:
        old = replace(lake, clock=Now(message.arrived_at))
        batches = MicroBatches(old, feed.provider, feed.datasets, Metrics(feed.provider), FAST)
        await batches.put(message)
        batches.close()
        await batches.run()

    for hours, symbol in ((5, "MSFT"), (4, "AAPL"), (3, "AAPL"), (2, "NVDA"), (1, "AAPL")):
        at = end - timedelta(hours=hours)
        asyncio.run(land(Message("bars", {"S": symbol}, at, symbol)))
    asked = Request("bars", "ASKED", "1m", at, at, {"asset_class": "equity"})
    replace(lake, clock=Now(at)).land(feed.provider, bars, [Answer(asked, at)])
    steps = lake.last_answered(
        *(feed.provider, "bars", {"via": "stream"}), since=end - timedelta(days=1), before=end
    )
    hour = timedelta(hours=1)
    assert list(steps) == [
        {"AAPL": end - hour},
        {"NVDA": end - 2 * hour, "AAPL": end - 3 * hour},
        {"AAPL": end - 4 * hour, "MSFT": end - 5 * hour},
    ]


def test_a_fresh_gap_is_asked_for_again_when_the_vendor_has_all_of_it(tmp_path: Path) -> None:
    """REST may end some time back: a fill that brought nothing, and did not fail, is no fill."""
    lag = timedelta(seconds=0.3)
    asked_at: list[datetime] = []

    def fill(_: Sequence[Request]) -> LandingReport:
        asked_at.append(utc_now())
        return LandingReport("alpaca_sip", "bars", finality_lag=lag)

    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "1")), CUT], [frame(alpaca.bar(1, "2"))]])
    watched = watch(
        tmp_path,
        vendor,
        alpaca_feed(feed="sip"),
        lambda seen: has_landed(2)(seen) and any("bars landed" in text for text in seen.said),
        fill=fill,
    )
    first, again = watched.filled
    assert first == again
    assert first.end is not None
    assert asked_at[0] < first.end + lag <= asked_at[1]
    assert any("all of it only from" in text and "AAPL" in text for text in watched.said)
    assert watched.report is not None
    assert watched.report.unfilled == []


def test_a_gap_that_the_vendor_does_not_have_by_the_end_is_said(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "1")), CUT], [frame(alpaca.bar(1, "2"))]])
    watched = watch(
        tmp_path,
        vendor,
        alpaca_feed(feed="sip"),
        lambda seen: has_landed(2)(seen) and any("only from" in text for text in seen.said),
        fill=lambda _: LandingReport("alpaca_sip", "bars", finality_lag=timedelta(minutes=17)),
    )
    assert watched.report is not None
    (unfilled,) = watched.report.unfilled
    assert "AAPL" in unfilled
    assert "stopped before the vendor had all of it" in unfilled
    assert len(watched.filled) == 1


def test_trades_numbered_but_not_sent_are_counted_and_their_bars_asked_for(tmp_path: Path) -> None:
    vendor = FakeCoinbaseStream([[last_match(10), match(11), match(15), match(16)]])
    watched = watch(
        tmp_path, vendor, coinbase(), lambda seen: has_landed(4)(seen) and bool(seen.filled)
    )
    assert vendor.connections == 1
    assert watched.total("missed_messages_total") == 3
    assert [request.symbol for request in watched.filled] == ["BTC-USD"]


def test_a_heartbeat_tells_of_trades_that_never_came(tmp_path: Path) -> None:
    """A trade may come just after the heartbeat that tells of it, but not after the next one."""
    late = [last_match(1), heartbeat(2), match(2), heartbeat(2), match(3)]
    watched = watch(tmp_path / "late", FakeCoinbaseStream([late]), coinbase(), has_landed(3))
    assert watched.total("missed_messages_total") == 0
    never = [last_match(1), heartbeat(3), heartbeat(3), match(4)]
    watched = watch(tmp_path / "never", FakeCoinbaseStream([never]), coinbase(), has_landed(2))
    assert watched.total("missed_messages_total") == 2


def test_products_are_numbered_apart_and_repeats_are_no_gap(tmp_path: Path) -> None:
    vendor = FakeCoinbaseStream(
        [[match(1), match(70, product="ETH-USD"), match(2), match(2), match(1), match(3)]]
    )
    watched = watch(tmp_path, vendor, coinbase("BTC/USD", "ETH/USD"), has_landed(6))
    assert watched.total("missed_messages_total") == 0
    assert watched.filled == []


# -- connections -----------------------------------------------------------------------------------


def test_a_silent_connection_with_heartbeats_is_a_dead_one(tmp_path: Path) -> None:
    vendor = FakeCoinbaseStream([[match(1)], [match(2)]])
    patience = Patience(silence_seconds=0.05, first_seconds=0.001, most_seconds=0.01)
    watched = watch(tmp_path, vendor, coinbase(), has_landed(2), patience=patience)
    assert vendor.connections >= 2
    assert any("has said nothing for 0.05 s" in text for text in watched.said)


def test_a_quiet_vendor_without_heartbeats_is_asked_by_a_ping(tmp_path: Path) -> None:
    async def later() -> None:
        await asyncio.sleep(0.2)
        go.set()

    go = asyncio.Event()
    started: list[asyncio.Task[None]] = []
    vendor = FakeAlpacaStream(
        [
            [
                lambda: started.append(asyncio.create_task(later())),
                go,
                frame(alpaca.bar(0, "1")),
            ]
        ]
    )
    patience = Patience(silence_seconds=0.02, pong_seconds=5)
    watched = watch(tmp_path, vendor, alpaca_feed(), has_landed(1), patience=patience)
    assert (vendor.connections, watched.total("gaps_total")) == (1, 0)


def test_a_vendor_that_never_confirms_is_left_and_tried_again(tmp_path: Path) -> None:
    vendor = FakeCoinbaseStream(is_mute=True)
    patience = Patience(ready_seconds=0.05, first_seconds=0.001, most_seconds=0.01)
    watch(tmp_path, vendor, coinbase(), lambda _: vendor.connections >= 3, patience=patience)


def test_refused_handshakes_are_tried_again_unless_they_are_about_access(tmp_path: Path) -> None:
    vendor = FakeCoinbaseStream([[match(1)]], refusals=[503, 429, 502])
    watched = watch(tmp_path, vendor, coinbase(), has_landed(1))
    assert sum("connecting again" in text for text in watched.said) == 3
    with pytest.raises(AccessError, match="401"):
        watch(tmp_path, FakeCoinbaseStream(refusals=[401]), coinbase(), has_landed(1))
    with pytest.raises(TerminalError, match="404"):
        watch(tmp_path, FakeCoinbaseStream(refusals=[404]), coinbase(), has_landed(1))


def test_an_address_that_is_none_is_an_error(tmp_path: Path) -> None:
    def make(vendor: FakeStream) -> Feed:
        address = vendor.url.replace("ws:", "http:")
        return CoinbaseFeed(
            ["BTC/USD"], (), Environment({"TAPEHOUSE_COINBASE_STREAM_URL": address})
        )

    with pytest.raises(TerminalError, match="http:"):
        watch(tmp_path, FakeCoinbaseStream(), make, has_landed(1))


def test_connections_cut_in_a_row_are_made_ever_more_slowly(tmp_path: Path) -> None:
    """Being let in is no reason to come back at once; only a connection that held for long is."""
    vendor = FakeCoinbaseStream([[match(number), CUT] for number in range(1, 7)])
    patience = Patience(first_seconds=0.001, most_seconds=0.016, steady_seconds=60)
    watched = watch(
        *(tmp_path, vendor, coinbase()), lambda _: vendor.connections >= 7, patience=patience
    )
    waits = [
        float(text.rpartition(" in ")[2].removesuffix(" s"))
        for text in watched.said
        if "connecting again" in text
    ]
    # 2, 4, 8 and then 16 ms, less up to a half.
    for wait, most in zip(waits, (0.002, 0.004, 0.008, 0.016, 0.016, 0.016), strict=True):
        assert most / 2 <= wait <= most


def test_a_product_the_vendor_does_not_know_costs_only_itself(tmp_path: Path) -> None:
    vendor = FakeCoinbaseStream([[match(1)]])
    watched = watch(tmp_path, vendor, coinbase("BTC/USD", "NOPE/USD"), has_landed(1))
    assert json.loads(vendor.heard[1])["product_ids"] == ["BTC-USD"]
    assert watched.report is not None
    assert (watched.report.refused, watched.report.is_complete) == (("NOPE-USD",), False)
    assert any("NOPE-USD is not a valid product" in text for text in watched.said)


def test_no_product_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownSymbolError, match="NOPE-USD is not a valid product"):
        watch(tmp_path, FakeCoinbaseStream(), coinbase("NOPE/USD"), has_landed(1))


def test_another_refusal_to_subscribe_is_an_error(tmp_path: Path) -> None:
    error = '{"type":"error","message":"Failed to subscribe","reason":"No channels provided"}'
    with pytest.raises(TerminalError, match="No channels provided"):
        watch(tmp_path, FakeCoinbaseStream(error=error), coinbase(), has_landed(1))


# -- Alpaca's errors -------------------------------------------------------------------------------


def test_a_wrong_key_ends_it_at_once_and_shows_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    vendor = FakeAlpacaStream()
    with pytest.raises(AccessError, match="auth failed") as caught:
        watch(tmp_path, vendor, alpaca_feed(secret=WRONG_SECRET), has_landed(1))
    assert vendor.connections == 1
    assert WRONG_SECRET in vendor.heard[0]
    ours = [each.getMessage() for each in caplog.records if each.name != "websockets.server"]
    assert not any(WRONG_SECRET in text for text in [*ours, str(caught.value)])


SPELT_SECRET = "a secret/of & all + sorts"  # noqa: S105 - of a test


@pytest.mark.parametrize("code", [402, 404])
def test_a_secret_that_the_vendor_repeats_is_shown_nowhere(tmp_path: Path, code: int) -> None:
    said = f"{SPELT_SECRET} {quote(SPELT_SECRET, safe='')}"

    class Echoing(FakeAlpacaStream):
        async def log_in(self, socket: ServerConnection) -> bool:
            await socket.send(alpaca.error(403, said))
            await socket.send(alpaca.error(code, said))
            return False

    vendor, shown = Echoing(), list[str]()

    def until(seen: Watched) -> bool:
        shown[:] = seen.said
        return vendor.connections > 1

    try:
        watch(tmp_path, vendor, alpaca_feed(secret=SPELT_SECRET), until)
    except AccessError as error:
        shown.append(str(error))
    assert any("***" in text for text in shown)
    assert not any(SPELT_SECRET in text for text in shown)
    assert not any(quote(SPELT_SECRET, safe="") in text for text in shown)


def test_a_text_of_the_vendor_that_no_terminal_can_show_is_shown_escaped(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream([[alpaca.error(403, "\ud83d"), frame(alpaca.bar(0, "1"))]])
    watched = watch(tmp_path, vendor, alpaca_feed(), has_landed(1))
    assert any(f"already authenticated {HALF_A_PAIR}" in text for text in watched.said)


def test_no_key_is_an_error_before_anything_is_asked() -> None:
    with pytest.raises(AccessError, match="APCA_API_KEY_ID"):
        AlpacaFeed("iex", ["AAPL"], (), Environment({}), bars=Dataset("bars", BAR_FIELDS))


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (400, TerminalError, "invalid syntax"),
        (401, AccessError, "not authenticated"),
        (405, EntitlementError, "30 channels"),
        (408, EntitlementError, "may not use"),
        (409, EntitlementError, "another plan"),
        (410, TerminalError, "lacks a channel"),
    ],
)
def test_errors_that_cannot_get_better_end_it(
    tmp_path: Path, code: int, kind: type[ProviderError], advice: str
) -> None:
    vendor = FakeAlpacaStream(code=code)
    with pytest.raises(kind, match=advice):
        watch(tmp_path, vendor, alpaca_feed(), has_landed(1))
    assert vendor.connections == 1


@pytest.mark.parametrize("code", [404, 500])
def test_errors_that_may_pass_are_tried_again(tmp_path: Path, code: int) -> None:
    vendor = FakeAlpacaStream(auth_code=code)
    watch(tmp_path, vendor, alpaca_feed(), lambda _: vendor.connections >= 3)


def test_too_many_connections_are_tried_again_slowly(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream([[frame(alpaca.bar(0, "1"))]], busy=2)
    patience = Patience(first_seconds=0.001, most_seconds=0.002, busy_seconds=0.1)
    watched = watch(tmp_path, vendor, alpaca_feed(), has_landed(1), patience=patience)
    again = [text for text in watched.said if "connecting again" in text]
    assert len(again) == 2
    assert all("connection limit exceeded" in text and "in 0.100 s" in text for text in again)


def test_being_too_slow_is_said_and_is_a_gap(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream(
        [[frame(alpaca.bar(0, "1")), alpaca.error(407), frame(alpaca.bar(1, "2"))]]
    )
    watched = watch(
        tmp_path, vendor, alpaca_feed(), lambda seen: has_landed(2)(seen) and bool(seen.filled)
    )
    assert vendor.connections == 1
    assert watched.total("messages_total", kind="slow_client", outcome="control") == 1
    assert any("slow client" in text for text in watched.said)
    assert [request.symbol for request in watched.filled] == ["AAPL"]


def test_being_logged_in_already_is_no_error(tmp_path: Path) -> None:
    vendor = FakeAlpacaStream([[alpaca.error(403), frame(alpaca.bar(0, "1"))]])
    watched = watch(tmp_path, vendor, alpaca_feed(), has_landed(1))
    assert vendor.connections == 1
    assert any("already authenticated" in text for text in watched.said)


# -- a slow disk -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class SlowLake(Lake):
    """A lake whose first landings fail, and which takes its time."""

    failures: list[Exception] = field(default_factory=list)

    def open_batch(self, *args: object, **options: object):  # type: ignore[no-untyped-def]
        if self.failures:
            raise self.failures.pop(0)
        return super().open_batch(*args, **options)  # type: ignore[arg-type]


def test_a_slow_disk_stops_reading_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.05, 0.05))
    lake = SlowLake(DataDir(tmp_path), failures=[OSError(28, "No space left on device")] * 4)
    trades = [match(number) for number in range(1, 501)]
    vendor = FakeCoinbaseStream([trades])
    watched = watch(
        tmp_path,
        vendor,
        coinbase(),
        has_landed(500),
        limits=Limits(seconds=0.01, records=50, queue=20),
        lake=lake,
    )
    assert watched.rows("matches", "trade_id") == [(str(number),) for number in range(1, 501)]
    assert watched.total("failed_landings_total") == 4
    # Four waits of 0.05 s, less what it took to fill the queue.
    assert watched.total("back_pressure_seconds_total") > 0.1
    assert vendor.connections == 1


def test_messages_that_a_full_disk_never_takes_are_not_lost_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.01, 0.01))
    lake = SlowLake(DataDir(tmp_path), failures=[OSError(28, "No space left on device")] * 10_000)
    with pytest.raises(NotLandedError, match=r"^3 messages of coinbase .* No space left"):
        watch(
            tmp_path,
            FakeCoinbaseStream([[match(1), match(2), match(3)]]),
            coinbase(),
            lambda seen: seen.total("queue_depth") == 3,
            limits=Limits(seconds=0.01, flush_seconds=0.1),
            lake=lake,
        )


@pytest.mark.parametrize("per_frame", [1, 5])
def test_all_that_came_and_did_not_land_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_frame: int
) -> None:
    """One is being landed, two wait, one is held back; the rest is in its frame or the socket."""
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.01, 0.01))
    lake = SlowLake(DataDir(tmp_path), failures=[OSError(28, "No space left on device")] * 10_000)
    bars = [alpaca.bar(minute, "1") for minute in range(15)]
    frames = [frame(*bars[n : n + per_frame]) for n in range(0, 15, per_frame)]
    vendor = FakeAlpacaStream([frames])
    seen: list[Watched] = []

    def until(watched: Watched) -> bool:
        seen[:] = [watched]
        return vendor.sent == len(frames) and watched.total("blocked_since_timestamp_seconds") > 0

    with pytest.raises(NotLandedError, match=r"^15 messages of alpaca_iex .* No space left"):
        watch(
            *(tmp_path, vendor, alpaca_feed(), until),
            limits=Limits(seconds=0.01, records=1, queue=2, flush_seconds=0.2),
            lake=lake,
        )
    assert seen[0].total("lost_messages_total") == 15


def test_the_time_left_to_land_is_counted_from_when_it_is_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once more from when nothing more comes: what is held back meanwhile may never end."""
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.01, 0.01))
    lake = SlowLake(DataDir(tmp_path), failures=[OSError(28, "No space left on device")] * 10_000)
    limits = Limits(seconds=0.01, flush_seconds=0.1)
    metrics = Metrics("coinbase")
    batches = MicroBatches(lake, "coinbase", CoinbaseFeed.datasets, metrics, limits)

    async def run() -> None:
        await batches.put(Message("matches", {"type": "match"}, utc_now(), "BTC-USD"))
        batches.hurry()
        async with asyncio.timeout(10):
            await batches.run()

    with pytest.raises(NotLandedError, match=r"^1 messages"):
        asyncio.run(run())
    assert (batches.depth, metrics.total("queue_depth")) == (0, 0)


def test_a_disk_that_takes_too_long_at_the_end_leaves_a_run_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.01, 0.01))
    batches_end = asyncio.Event()

    class EndlessBatches(MicroBatches):
        async def run(self) -> None:
            await batches_end.wait()
            await super().run()

        def close(self) -> None:
            batches_end.set()
            super().close()

    monkeypatch.setattr(sys.modules[__name__], "MicroBatches", EndlessBatches)
    vendor = FakeCoinbaseStream([[match(number) for number in range(1, 9)]])
    watched = watch(
        *(tmp_path, vendor, coinbase()),
        lambda seen: vendor.sent == 8 and seen.total("blocked_since_timestamp_seconds") > 0,
        limits=Limits(seconds=0.01, records=2, queue=2, flush_seconds=0.1),
    )
    assert watched.report is not None
    assert (watched.report.lost, watched.report.is_complete) == (6, False)
    assert any("6 messages are lost" in text for text in watched.said)
    assert len(watched.rows("matches", "trade_id")) == 2


def test_it_shows_since_when_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it lasts: a counter that grows at its end would show 0 just then."""
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.01, 0.01))
    failures: list[Exception] = [OSError(28, "No space left on device")] * 10_000
    lake = SlowLake(DataDir(tmp_path), failures=failures)
    vendor = FakeCoinbaseStream([[match(number) for number in range(1, 9)]])
    began = utc_now().timestamp()
    since: list[float] = []

    def until(seen: Watched) -> bool:
        if not since and (value := seen.total("blocked_since_timestamp_seconds")):
            since.append(value)
            failures.clear()
        return has_landed(8)(seen)

    limits = Limits(seconds=0.01, records=2, queue=2)
    watched = watch(tmp_path, vendor, coinbase(), until, limits=limits, lake=lake)
    assert began <= since[0] <= utc_now().timestamp()
    assert watched.total("blocked_since_timestamp_seconds") == 0
    assert watched.total("lost_messages_total") == 0


def test_a_landing_that_failed_halfway_lands_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder could not be synced after the batch was in place: the same batch lands again."""
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.001, 0.001))
    sync, failures = lake_module.sync_folders, [OSError(5, "Input/output error")]

    def fail_once(folder: Path, top: Path) -> None:
        if failures:
            raise failures.pop()
        sync(folder, top)

    monkeypatch.setattr(lake_module, "sync_folders", fail_once)
    watched = watch(tmp_path, FakeCoinbaseStream([[match(1)]]), coinbase(), has_landed(1))
    assert watched.total("failed_landings_total") == 1
    assert watched.rows("matches", "trade_id") == [("1",)]


# -- the command -----------------------------------------------------------------------------------


def test_sigterm_lands_what_is_queued_and_exits_well(tmp_path: Path) -> None:
    """A second run asks for what lay between, and says what of it the vendor does not have yet."""
    command = "ingest stream --provider coinbase --symbols BTC/USD --batch-seconds 600"

    async def run(
        rest: FakeCoinbase, *trades: str, until: Callable[[], object] = lambda: True
    ) -> tuple[int | None, str, str]:
        sent = asyncio.Event()
        vendor = FakeCoinbaseStream([[*trades, sent.set]])
        async with vendor:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "orchestration.cli",
                *command.split(),
                env={
                    **os.environ,
                    "TAPEHOUSE_DATA_DIR": str(tmp_path),
                    "TAPEHOUSE_COINBASE_STREAM_URL": vendor.url,
                    "TAPEHOUSE_COINBASE_URL": rest.url,
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(60):
                await sent.wait()
                while not until():  # noqa: ASYNC110 - what another process does
                    await asyncio.sleep(0.02)
                process.send_signal(signal.SIGTERM)
                shown, said = await process.communicate()
            return process.returncode, shown.decode(), said.decode()

    minute = int(utc_now().timestamp()) // 60 * 60
    rest = FakeCoinbase(now=minute + 3600)
    rest.fill("BTC-USD", 60, minute - 60, 3)
    with rest.running():
        code, shown, said = asyncio.run(run(rest, match(1), match(2), match(3)))
        assert (code, said) == (0, "")
        lake = Lake(DataDir(tmp_path))
        assert landed(lake, "matches", "trade_id") == [("1",), ("2",), ("3",)]
        assert "landed_records_total" in shown

        def is_asked() -> bool:
            return (str(minute),) in landed(lake, "bars", "time")

        code, shown, said = asyncio.run(run(rest, match(4), until=is_asked))
    assert code == 1
    assert "not filled: BTC-USD: stopped before the vendor had all of it" in said
    assert landed(lake, "matches", "trade_id")[3:] == [("4",)]


# -- choosing a feed -------------------------------------------------------------------------------


def test_stream_datasets_have_fields_unique_ignoring_case() -> None:
    for provider, datasets in streams.STREAM_DATASETS.items():
        for name, dataset in datasets.items():
            assert name == dataset.name, provider
            assert all(isinstance(each, Field) for each in dataset.fields)


@pytest.mark.parametrize(
    ("vendor", "symbols", "feed", "channels", "message"),
    [
        ("kraken", ["BTC/USD"], "", [], "has no stream"),
        ("coinbase", ["BTC/USD"], "iex", [], "one feed only"),
        ("coinbase", ["BTC/USD"], "", ["level2"], "no channel level2"),
        ("alpaca", ["AAPL", "BTC/USD"], "", [], "run two streams"),
        ("alpaca", ["AAPL"], "otc", [], "no feed 'otc'"),
    ],
)
def test_a_feed_that_is_not_there_is_an_error(
    vendor: str, symbols: list[str], feed: str, channels: list[str], message: str
) -> None:
    with pytest.raises(TerminalError, match=message):
        streams.make_feed(
            vendor,
            symbols,
            feed=feed,
            channels=channels,
            environment=Environment(KEYS),
            providers={},
        )


@pytest.mark.parametrize(
    ("symbol", "feed", "provider", "path"),
    [
        ("BRK.B", "", "alpaca_iex", "/v2/iex"),
        ("BRK.B", "sip", "alpaca_sip", "/v2/sip"),
        ("BTC/USD", "", "alpaca", "/v1beta3/crypto/us"),
    ],
)
def test_streamed_bars_land_where_those_asked_for_do(
    symbol: str, feed: str, provider: str, path: str
) -> None:
    providers = make_providers(Settings.model_construct())
    environment = Environment({**KEYS, "TAPEHOUSE_ALPACA_STREAM_URL": "wss://stream"})
    made = streams.make_feed(
        "alpaca", [symbol], feed=feed, environment=environment, providers=providers
    )
    assert (made.provider, made.url) == (provider, f"wss://stream{path}")
    assert made.datasets["bars"] == providers[provider].datasets["bars"]


def test_times_are_those_of_arrival(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    vendor = FakeCoinbaseStream([[match(1), match(2)]])
    watched = watch(tmp_path, vendor, coinbase(), has_landed(2))
    times = [at for (at,) in watched.rows("matches", "_fetched_at")]
    assert all(isinstance(at, datetime) and before <= at <= datetime.now(UTC) for at in times)
