"""Streams against vendors that speak over real WebSockets, and break off as vendors do."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ingest import streams
from ingest.backfill import LandingReport, backfill
from ingest.clock import utc_now
from ingest.http import Policy
from ingest.lake import Batch, Lake
from ingest.provider import (
    AccessError,
    Dataset,
    EntitlementError,
    Field,
    ProviderError,
    Request,
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
from ingest.streams.micro_batches import Limits, Metrics, MicroBatches, NotLandedError
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

            stream = Stream(feed, batches, note, patience=patience, say=say)
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

    def fill(requests: Sequence[Request]) -> LandingReport:
        if outcomes:
            return outcomes.pop()
        raise ValueError(f"{len(requests)} requests could not be read")

    first_is_said = asyncio.Event()
    vendor = FakeCoinbaseStream([[match(1), match(3), first_is_said, match(5)]])

    def until(seen: Watched) -> bool:
        if any("the breaker is open" in text for text in seen.said):
            first_is_said.set()
        return len(seen.stream.report.unfilled) == 2 and has_landed(3)(seen)

    watched = watch(tmp_path, vendor, coinbase(), until, fill=fill)
    assert ["the breaker is open" in text for text in watched.stream.report.unfilled] == [
        True,
        False,
    ]
    assert "1 requests could not be read" in watched.stream.report.unfilled[1]


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

    failures: list[OSError] = field(default_factory=list)

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


def test_a_landing_that_failed_halfway_lands_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder could not be synced after the batch was in place: the same batch lands again."""
    from ingest import lake as lake_module  # noqa: PLC0415 - to break one of its functions

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
    command = "ingest stream --provider coinbase --symbols BTC/USD --batch-seconds 600"

    async def run() -> tuple[int | None, str, str]:
        sent = asyncio.Event()
        vendor = FakeCoinbaseStream([[match(1), match(2), match(3), sent.set]])
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
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(60):
                await sent.wait()
                process.send_signal(signal.SIGTERM)
                shown, said = await process.communicate()
            return process.returncode, shown.decode(), said.decode()

    code, shown, said = asyncio.run(run())
    assert (code, said) == (0, "")
    assert landed(Lake(DataDir(tmp_path)), "matches", "trade_id") == [("1",), ("2",), ("3",)]
    assert "landed_records_total" in shown


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
