"""Kraken from a local vendor over real HTTP: what would be landed, and for how much it counts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ingest.lake import Interval
from ingest.provider import (
    TIMEFRAMES,
    EntitlementError,
    MalformedError,
    ProviderError,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
)
from ingest.providers.kraken import Kraken
from ingest.settings import DataDir
from tests.fake_vendors.kraken import INVALID, TOO_MANY, FakeKraken, error
from tests.fake_vendors.server import UNLIMITED, Fault
from tests.ingest.asking import Outcome, ask, at, made, seconds

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NOW = at("2026-03-10T12:34:56")


@pytest.fixture
def vendor() -> Iterator[FakeKraken]:
    with FakeKraken(now=seconds(NOW), limits=UNLIMITED).running() as fake:
        fake.list_pair("XXBTZUSD", "XBTUSD", "XBT/USD")
        yield fake


def asked(
    vendor: FakeKraken,
    start: datetime,
    end: datetime,
    timeframe: str = "1m",
    symbol: str = "XBTUSD",
) -> Outcome:
    kraken = made(Kraken, lambda: NOW, TAPEHOUSE_KRAKEN_URL=vendor.url)
    return ask(kraken, Request("bars", symbol, timeframe, start, end))


def test_values_are_landed_to_the_letter(vendor: FakeKraken) -> None:
    start = at("2026-03-10T12:30:00")
    vendor.bars["XBTUSD", 1] = {
        seconds(start): f'[{seconds(start)},"1.10","2.0","1.0","1.50","1.2500","0.00000001",7]',
        seconds(start) + 60: f'[ {seconds(start) + 60}, "1", "1", "1", "1", null, "1e-3", 0 ]',
    }
    outcome = asked(vendor, start, start + 2 * MINUTE)
    assert outcome.rows("time", "open", "high", "low", "close", "vwap", "volume", "count") == [
        (f"{seconds(start)}", "1.10", "2.0", "1.0", "1.50", "1.2500", "0.00000001", "7"),
        (f"{seconds(start) + 60}", "1", "1", "1", "1", None, "1e-3", "0"),
    ]
    assert outcome.answer.is_complete


@pytest.mark.parametrize(
    ("timeframe", "interval"),
    [("1m", "1"), ("5m", "5"), ("15m", "15"), ("1h", "60"), ("4h", "240"), ("1d", "1440")],
)
def test_a_range_is_one_question_for_what_is_after_the_bar_before_it(
    vendor: FakeKraken, timeframe: str, interval: str
) -> None:
    step = TIMEFRAMES[timeframe]
    start = at("2026-03-01T00:00:00")
    start = max(start, at("2026-03-10T12:00:00") - 500 * step)
    vendor.fill("XBTUSD", int(interval), seconds(start) - int(step.total_seconds()), 30)
    outcome = asked(vendor, start, start + 3 * step, timeframe)
    (question,) = vendor.asked
    assert question.path == "/0/public/OHLC"
    assert question.params == {
        "pair": "XBTUSD",
        "interval": interval,
        "since": f"{seconds(start - step)}",
    }
    assert f"{seconds(start)}" in {time for (time,) in outcome.rows("time")}


def test_running_bar_is_landed_but_not_covered(vendor: FakeKraken, tmp_path: Path) -> None:
    start = at("2026-03-10T12:00:00")
    vendor.fill("XBTUSD", 1, seconds(start), 60)
    outcome = asked(vendor, start, at("2026-03-10T13:00:00"))
    times = [int(time or 0) for (time,) in outcome.rows("time")]
    assert times == [seconds(start + n * MINUTE) for n in range(35)]
    # 12:34:56 less a minute: the bar of 12:33 may not be settled, that of 12:34 is running.
    assert outcome.coverage(DataDir(tmp_path)) == [Interval(start, NOW - MINUTE)]


def test_what_is_older_than_720_bars_is_refused_unasked_and_the_rest_is_asked(
    vendor: FakeKraken, tmp_path: Path
) -> None:
    vendor.fill("XBTUSD", 1, seconds(NOW - 2 * DAY) // 60 * 60, 3000)
    outcome = asked(vendor, NOW - DAY, NOW)
    (refused,) = outcome.errors
    assert isinstance(refused, EntitlementError)
    # 12:34 is running: the oldest of 720 began 719 minutes earlier.
    oldest = at("2026-03-10T00:35:00")
    assert "only the 720 newest bars, for 1m those since 2026-03-10 00:35Z" in str(refused)
    assert len(vendor.asked) == 1
    assert len(outcome.rows("time")) == 720
    assert outcome.coverage(DataDir(tmp_path)) == [Interval(oldest, NOW - MINUTE)]


def test_an_answer_that_came_late_counts_only_from_its_first_bar(
    vendor: FakeKraken, tmp_path: Path
) -> None:
    vendor.fill("XBTUSD", 1, seconds(NOW - 2 * DAY) // 60 * 60, 4000)
    vendor.now += 5 * 60  # the vendor looked five minutes later than the range was planned
    outcome = asked(vendor, at("2026-03-10T00:35:00"), NOW)
    assert outcome.answer.is_complete
    assert outcome.answer.request.start == at("2026-03-10T00:40:00")
    assert outcome.coverage(DataDir(tmp_path))[0].start == at("2026-03-10T00:40:00")


def test_a_pair_that_is_younger_than_the_range_is_covered_whole(
    vendor: FakeKraken, tmp_path: Path
) -> None:
    vendor.fill("XBTUSD", 1440, seconds(at("2026-03-01T00:00:00")), 10)
    start = at("2025-06-01T00:00:00")
    outcome = asked(vendor, start, at("2026-03-08T00:00:00"), "1d")
    assert outcome.coverage(DataDir(tmp_path)) == [Interval(start, at("2026-03-08T00:00:00"))]


def test_minutes_without_trades_reach_further_back(vendor: FakeKraken, tmp_path: Path) -> None:
    first = at("2026-03-09T12:00:00")
    odd = [seconds(first + n * MINUTE) for n in range(1, 1500, 2)]
    vendor.fill("XBTUSD", 1, seconds(first), 1475, omitting=odd)
    start = at("2026-03-10T00:40:00")
    outcome = asked(vendor, start, NOW)
    assert outcome.answer.is_complete
    assert outcome.coverage(DataDir(tmp_path))[0].start == start


def test_the_one_key_beside_last_holds_the_bars(vendor: FakeKraken) -> None:
    start = at("2026-03-10T12:00:00")
    vendor.fail("OHLC", Fault(body='{"error":[],"result":{"last":1}}'))
    assert isinstance(asked(vendor, start, NOW).error, MalformedError)
    vendor.fail("OHLC", Fault(body='{"error":[],"result":{"A":[],"B":[],"last":1}}'))
    assert isinstance(asked(vendor, start, NOW).error, MalformedError)
    vendor.fail("OHLC", Fault(body='{"error":[],"result":{"last":1,"ANY":[]}}'))
    assert asked(vendor, start, NOW).rows("time") == []


def test_rows_of_another_shape_are_rejected_beside_good_ones(
    vendor: FakeKraken, tmp_path: Path
) -> None:
    start = at("2026-03-10T12:30:00")
    vendor.bars["XBTUSD", 1] = {
        seconds(start): f'[{seconds(start)},"1","1","1","1","1","1",1]',
        seconds(start) + 60: '["only one"]',
        seconds(start) + 120: '{"time":1}',
    }
    outcome = asked(vendor, start, NOW)
    assert len(outcome.rows("time")) == 1
    assert [reject.body for reject in outcome.answer.rejects] == ['["only one"]', '{"time":1}']
    assert not outcome.answer.is_complete
    assert outcome.coverage(DataDir(tmp_path)) == []


def test_an_unknown_pair_is_no_fault_of_the_others(vendor: FakeKraken) -> None:
    failure = asked(vendor, NOW - MINUTE, NOW, symbol="NOPEUSD").error
    assert isinstance(failure, UnknownSymbolError)
    assert "EQuery:Unknown asset pair" in str(failure)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "tries"),
    [
        (TOO_MANY, RetryableError, 3),
        (error("EAPI:Rate limit exceeded"), RetryableError, 3),
        (error("EGeneral:Internal error"), RetryableError, 3),
        (error("EService:Unavailable"), RetryableError, 3),
        (error("EService:Busy"), RetryableError, 3),
        (
            Fault(status=520, body="<html>origin</html>", content_type="text/html"),
            RetryableError,
            3,
        ),
        (INVALID, TerminalError, 1),
        (error("EGeneral:Unknown method"), TerminalError, 1),
        (error("EGeneral:Permission denied"), TerminalError, 1),
    ],
)
def test_errors_with_http_200_are_told_apart(
    vendor: FakeKraken, fault: Fault, kind: type[ProviderError], tries: int
) -> None:
    vendor.fail("OHLC", fault, times=9)
    failure = asked(vendor, NOW - MINUTE, NOW).error
    assert isinstance(failure, kind)
    assert isinstance(failure, TerminalError) == (tries == 1)
    assert len(vendor.asked) == tries


def test_throttling_that_ends_costs_nothing(vendor: FakeKraken) -> None:
    start = at("2026-03-10T12:00:00")
    vendor.fill("XBTUSD", 1, seconds(start), 3)
    vendor.fail("OHLC", TOO_MANY, times=2)
    assert len(asked(vendor, start, NOW).rows("time")) == 3


def test_a_warning_is_no_error(vendor: FakeKraken) -> None:
    body = '{"error":["WGeneral:Something to know"],"result":{"XXBTZUSD":[],"last":0}}'
    vendor.fail("OHLC", Fault(body=body))
    assert asked(vendor, NOW - MINUTE, NOW).answer.is_complete


@pytest.mark.parametrize("body", ["[]", "{}", '{"error":[],"result":[]}', "null", '{"error":[]}'])
def test_an_answer_of_another_shape_is_malformed(vendor: FakeKraken, body: str) -> None:
    vendor.fail("OHLC", Fault(body=body))
    assert isinstance(asked(vendor, NOW - MINUTE, NOW).error, MalformedError)


def test_a_timeframe_that_is_not_offered_is_refused(vendor: FakeKraken) -> None:
    failure = asked(vendor, NOW - MINUTE, NOW, timeframe="30m").error
    assert isinstance(failure, TerminalError)
    assert vendor.asked == []


def test_pairs_carry_their_internal_name_and_all_that_is_said(vendor: FakeKraken) -> None:
    vendor.list_pair("XDGUSD", "XDGUSD", "XDG/USD", lot_decimals="8")
    kraken = made(Kraken, lambda: NOW, TAPEHOUSE_KRAKEN_URL=vendor.url)
    outcome = ask(kraken, Request("asset_pairs"))
    assert outcome.rows("pair", "altname", "wsname", "status", "_extra") == [
        ("XXBTZUSD", "XBTUSD", "XBT/USD", "online", None),
        ("XDGUSD", "XDGUSD", "XDG/USD", "online", '{"lot_decimals":"8"}'),
    ]
    assert outcome.answer.is_complete


def test_no_pairs_at_all_is_not_believed(vendor: FakeKraken) -> None:
    vendor.pairs.clear()
    kraken = made(Kraken, lambda: NOW, TAPEHOUSE_KRAKEN_URL=vendor.url)
    assert isinstance(ask(kraken, Request("asset_pairs")).error, MalformedError)


def test_symbols_are_spelt_krakens_way() -> None:
    kraken = made(Kraken, lambda: NOW)
    spelt = [kraken.spell(pair, "crypto") for pair in ("BTC/USD", "ETH/BTC", "DOGE/EUR")]
    assert spelt == ["XBTUSD", "ETHXBT", "XDGEUR"]
