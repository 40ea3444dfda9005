"""Coinbase from a local vendor over real HTTP, through `backfill`, into a lake, and read back."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import iso
from ingest.http import Policy
from ingest.lake import Interval
from ingest.provider import TIMEFRAMES, Request, TerminalError, UnknownSymbolError
from ingest.providers.coinbase import (
    FINALITY_LAG,
    RECHECK_EMPTY_AFTER,
    REVISION_WINDOW,
    Coinbase,
)
from ingest.settings import DataDir
from tests.fake_vendors.coinbase import THROTTLED, FakeCoinbase, candle
from tests.fake_vendors.server import UNLIMITED, Fault, message
from tests.ingest import worlds
from tests.ingest.asking import HASTY, at, made, seconds

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 3, 10, 12, 34, 56, 789000, tzinfo=UTC)
SECRET = "s3cr3t"  # noqa: S105 - made up


class World(worlds.World[FakeCoinbase]):
    """What is asked most: bars of bitcoin by the minute."""

    def times(self) -> list[int]:
        return [int(text) for (text,) in self.rows("time")]

    def covered(self, symbol: str = "BTC-USD", timeframe: str = "1m") -> list[Interval]:
        return self.coverage("bars", symbol, timeframe)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeCoinbase(now=seconds(NOW), limits=UNLIMITED).running() as vendor:
        variables = {"TAPEHOUSE_COINBASE_URL": vendor.url}
        yield World(vendor, DataDir(tmp_path), Coinbase, variables, NOW, secrets=(SECRET,))


def bars(start: datetime, end: datetime, symbol: str = "BTC-USD", timeframe: str = "1m") -> Request:
    return Request("bars", symbol, timeframe, start, end)


# -- values ----------------------------------------------------------------------------------------


def test_values_are_landed_to_the_letter_and_newest_first(world: World) -> None:
    start = at("2026-01-05T00:00")
    first, second, third = (seconds(start) + 60 * n for n in range(3))
    world.vendor.candles["BTC-USD", 60] = {
        first: f"[ {first}, 1.10, 2e0, 1.50, 1.7000000000000000001, 0.00000001 ]",
        second: f"[{second},-0.0,1E+2,12345678901234567890.10,null,0]",
        third: f'[{third}.0,"1.10",true,1.0,NaN,{{"a":1.50}}]',
    }
    report = world.land(bars(start, start + 3 * MINUTE))
    assert report.is_complete
    assert report.rows == 3
    assert world.rows("time, low, high, open, close, volume, _extra") == [
        (f"{third}.0", "1.10", "true", "1.0", "NaN", '{"a":1.50}', None),
        (f"{second}", "-0.0", "1E+2", "12345678901234567890.10", None, "0", None),
        (f"{first}", "1.10", "2e0", "1.50", "1.7000000000000000001", "0.00000001", None),
    ]


def test_lineage_names_symbol_and_timeframe_as_requested(world: World) -> None:
    start = at("2026-01-05T00:00")
    world.vendor.fill("ETH-EUR", 3600, seconds(start), 1)
    world.land(bars(start, start + HOUR, "ETH-EUR", "1h"))
    (row,) = world.rows("_provider, _dataset, _symbol, _timeframe, _fetched_at at time zone 'UTC'")
    assert row == ("coinbase", "bars", "ETH-EUR", "1h", NOW.replace(tzinfo=None))


@pytest.mark.parametrize("timeframe", ["1m", "5m", "15m", "1h", "1d"])
def test_every_timeframe_is_asked_with_its_granularity(world: World, timeframe: str) -> None:
    step = TIMEFRAMES[timeframe]
    start = at("2025-12-01T00:00")
    rows = world.vendor.fill("BTC-USD", int(step.total_seconds()), seconds(start - 5 * step), 30)
    world.land(bars(start, start + 12 * step, timeframe=timeframe))
    expected = [seconds(start + n * step) for n in range(12)]
    assert sorted(world.times()) == expected
    assert set(expected) < rows.keys()


def test_symbol_is_escaped_in_the_address(world: World) -> None:
    start = at("2026-01-05T00:00")
    world.vendor.fill("A/B?C=1 #", 60, seconds(start), 1)
    assert world.land(bars(start, start + MINUTE, "A/B?C=1 #")).rows == 1


# -- windows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_every_bucket_comes_exactly_once_over_many_windows(
    world: World, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        start, end = at("2026-03-07T21:07"), at("2026-03-09T03:33")
        traded_never = {seconds(start + n * MINUTE) for n in range(0, 1800, 7)}
        world.vendor.fill("BTC-USD", 60, seconds(start - DAY), 5 * 24 * 60, omitting=traded_never)
        report = world.land(bars(start, end))
    finally:
        monkeypatch.undo()
        time.tzset()
    expected = set(range(seconds(start), seconds(end), 60)) - traded_never
    assert report.is_complete
    assert report.dead_letters == 0
    assert Counter(world.times()) == Counter(expected)
    assert world.covered() == [Interval(start, end)]
    assert len(world.vendor.asked) == len({str(asked.params) for asked in world.vendor.asked}) > 5


def test_rows_landed_are_the_vendors_text(world: World) -> None:
    start = at("2026-03-01T00:00")
    sent = world.vendor.fill("BTC-USD", 60, seconds(start), 700)
    world.land(bars(start, start + 700 * MINUTE))
    landed = {
        int(row[0]): f"[{','.join(row)}]"
        for row in world.rows("time, low, high, open, close, volume")
    }
    assert landed == sent


@given(
    timeframe=st.sampled_from(["1m", "5m", "15m", "1h", "1d"]),
    start=st.datetimes(datetime(2015, 1, 1), datetime(2026, 3, 12), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    length=st.timedeltas(timedelta(0), timedelta(days=40)),
)
def test_windows_join_up_and_stay_within_the_limit(
    timeframe: str, start: datetime, length: timedelta
) -> None:
    step = TIMEFRAMES[timeframe]
    end = start + length
    coinbase = made(Coinbase, lambda: NOW)
    windows = [
        (window.start, window.end)
        for window in coinbase.split(bars(start, end, timeframe=timeframe))
        if window.start and window.end
    ]
    for first, last in windows:
        assert first.timestamp() % step.total_seconds() == 0
        assert last.timestamp() % step.total_seconds() == 0
        assert step <= last - first <= 300 * step
        assert last - step <= NOW
    assert all(one[1] == other[0] for one, other in pairwise(windows))
    if windows:
        assert windows[0][0] <= start < windows[0][0] + step
        assert windows[-1][1] >= min(end, NOW)
        assert windows[-1][1] - step < min(end, NOW)
    else:
        assert start >= min(end, NOW) - step


def test_both_ends_are_always_sent_and_the_end_is_the_last_bucket(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 10)
    world.land(bars(start, start + 5 * MINUTE))
    (asked,) = world.vendor.asked
    assert asked.path == "/products/BTC-USD/candles"
    assert asked.params == {
        "granularity": "60",
        "start": "2026-03-01T00:00:00Z",
        "end": "2026-03-01T00:04:00Z",
    }
    assert len(world.times()) == 5


def test_ends_inside_a_bucket_are_moved_outward(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 3600, seconds(start), 24)
    request = bars(at("2026-03-01T04:20:30"), at("2026-03-01T06:00:01"), timeframe="1h")
    world.land(request, force=True)
    assert world.times() == [seconds(at(f"2026-03-01T0{hour}:00")) for hour in (6, 5, 4)]
    assert world.covered(timeframe="1h") == [
        Interval(at("2026-03-01T04:00"), at("2026-03-01T07:00"))
    ]


def test_times_of_another_zone_or_of_none_are_read_as_what_they_are(world: World) -> None:
    start = at("2026-03-01T00:00")
    coinbase = world.provider()
    kolkata = datetime.fromisoformat("2026-03-01T05:30:00+05:30")
    naive = start.replace(tzinfo=None)
    assert (
        list(coinbase.split(bars(kolkata, kolkata + HOUR)))
        == list(coinbase.split(bars(naive, naive + HOUR)))
        == list(coinbase.split(bars(start, start + HOUR)))
    )


def test_nothing_in_the_future_is_asked(world: World) -> None:
    world.vendor.fill("BTC-USD", 60, seconds(NOW - HOUR) // 60 * 60, 120)
    world.land(bars(at("2026-03-10T12:30"), at("2026-03-20T00:00")))
    (asked,) = world.vendor.asked
    assert asked.params["end"] == "2026-03-10T12:34:00Z"
    tomorrow = bars(at("2026-03-11T00:00"), at("2026-03-12T00:00"))
    assert world.land(tomorrow).asked == 0
    assert world.vendor.asked == []
    answer = world.fetch(tomorrow)
    assert answer.records == ()
    assert world.vendor.asked == []


# -- what is final ---------------------------------------------------------------------------------


def test_bucket_in_progress_is_kept_and_asked_again_until_final(world: World) -> None:
    start, newest = at("2026-03-10T12:30"), seconds(at("2026-03-10T12:34"))
    rows = world.vendor.fill("BTC-USD", 60, seconds(start), 6)
    final = rows[newest]
    world.vendor.candles["BTC-USD", 60][newest] = f"[{newest},1,1,1,1,0.5]"
    world.land(bars(start, start + HOUR))
    assert world.times()[0] == newest
    assert world.rows("volume")[0] == ("0.5",)
    assert world.covered() == [Interval(start, NOW - FINALITY_LAG)]

    world.vendor.candles["BTC-USD", 60][newest] = final
    world.advance(FINALITY_LAG + MINUTE)
    world.land(bars(start, at("2026-03-10T12:35")))
    versions = [volume for time, volume in world.rows("time, volume") if time == str(newest)]
    assert versions == ["0.5", json.loads(final, parse_float=str)[5]]
    assert world.covered()[0].end == at("2026-03-10T12:35")


def test_finality_lag_covers_the_vendors_lag_and_a_slow_answer() -> None:
    default = Coinbase.datasets["bars"].finality_lag
    assert default >= timedelta(seconds=60 + Policy().attempt_seconds)


def test_daily_bar_in_progress_does_not_count_as_covered(world: World) -> None:
    world.vendor.fill("BTC-USD", 86400, seconds(at("2026-03-01T00:00")), 30)
    world.land(bars(at("2026-03-08T00:00"), NOW, timeframe="1d"))
    assert world.times() == [seconds(at(f"2026-03-{day}T00:00")) for day in ("10", "09", "08")]
    world.advance(DAY)
    world.land(bars(at("2026-03-08T00:00"), world.now, timeframe="1d"))
    (asked,) = world.vendor.asked
    assert asked.params["start"] in ("2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z")
    assert asked.params["end"] == "2026-03-11T00:00:00Z"


def test_a_later_run_asks_only_the_tail(world: World) -> None:
    start = at("2026-03-10T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 24 * 60)
    world.land(bars(start, NOW))
    world.advance(15 * MINUTE)
    world.land(bars(start, world.now))
    covered_until = NOW - FINALITY_LAG - REVISION_WINDOW
    asked_from = min(at(asked.params["start"].rstrip("Z")) for asked in world.vendor.asked)
    assert covered_until - 2 * MINUTE < asked_from <= covered_until
    assert set(world.times()) == set(range(seconds(start), seconds(world.now), 60))


# -- asking again ----------------------------------------------------------------------------------


def test_what_is_covered_is_not_asked_again(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 1000)
    request = bars(start, start + 1000 * MINUTE)
    assert world.land(request).rows == 1000
    assert world.land(request).asked == 0
    assert world.vendor.asked == []


def test_unchanged_answers_are_confirmed_and_a_changed_one_lands_again(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 1000)
    request = bars(start, start + 1000 * MINUTE)
    first = world.land(request)
    again = world.land(request, force=True)
    assert again.rows == 0
    assert again.confirmed == again.asked == first.asked

    changed = seconds(start + 500 * MINUTE)
    world.vendor.candles["BTC-USD", 60][changed] = candle(changed).replace(".12345670", ".5")
    corrected = world.land(request, force=True)
    assert corrected.confirmed == corrected.asked - 1
    assert 0 < corrected.rows <= 300
    assert len([time for time in world.times() if time == changed]) == 2


def test_asking_for_an_overlapping_range_repeats_the_same_windows(world: World) -> None:
    start = at("2026-03-01T00:10")
    world.vendor.fill("BTC-USD", 60, seconds(start), 3000)
    world.land(bars(start, start + 1500 * MINUTE))
    shifted = world.land(bars(start + 17 * MINUTE, start + 1500 * MINUTE), force=True)
    assert shifted.confirmed == shifted.asked - 1


def test_after_the_vendor_died_the_next_run_asks_only_for_the_rest(world: World) -> None:
    start, end = at("2026-02-01T00:00"), at("2026-02-04T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 4320)
    world.land(bars(end - HOUR, end))  # no revision window: the newest part is there and old
    world.vendor.dies_after = 6
    world.policy = replace(HASTY, failures_to_open=Policy().failures_to_open)
    died = world.land(bars(start, end))
    landed = len(world.times())
    answered = {str(asked.params) for asked in world.vendor.asked[:6]}
    assert not died.is_complete
    assert all("run the same command again later" in failure.error for failure in died.failures)
    # After a few failures in a row the vendor is left alone.
    assert len(world.vendor.asked) < 6 + 3 * (died.asked - 6)
    assert 0 < landed < 4320

    world.vendor.recover()
    resumed = world.land(bars(start, end))
    assert resumed.is_complete
    assert resumed.asked == died.asked - 6
    assert resumed.rows == 4320 - landed
    assert answered.isdisjoint(str(asked.params) for asked in world.vendor.asked)
    assert Counter(world.times()) == Counter(range(seconds(start), seconds(end), 60))
    assert world.covered() == [Interval(start, end)]


# -- gaps and strays -------------------------------------------------------------------------------


def test_range_without_trades_is_asked_again_once_then_known_to_be_empty(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 10)
    empty = bars(start - HOUR, start)
    report = world.land(empty)
    assert report.is_complete
    assert report.rows == 0
    assert len(report.batches) == 1
    assert world.land(empty).asked == 0
    world.advance(RECHECK_EMPTY_AFTER + MINUTE)
    assert world.land(empty).asked == 1
    world.advance(RECHECK_EMPTY_AFTER + MINUTE)
    assert world.land(empty).asked == 0


def test_an_empty_answer_is_not_believed_for_long(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 10)
    world.vendor.fail("/candles", Fault(body="[]"))
    request = bars(start, start + 10 * MINUTE)
    assert world.land(request).rows == 0
    world.advance(RECHECK_EMPTY_AFTER + MINUTE)
    assert world.land(request).rows == 10


def test_rows_before_the_start_are_kept(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start - HOUR), 120)
    world.vendor.rows_before_start = 3
    world.land(bars(start, start + 2 * MINUTE))
    assert world.times() == [seconds(start) + 60 * n for n in (1, 0, -1, -2, -3)]
    assert world.covered() == [Interval(start, start + 2 * MINUTE)]


def test_answer_to_another_range_is_kept_but_covers_nothing(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 10)
    later = seconds(start) + 3600
    world.vendor.fail("/candles", Fault(body=f"[{candle(later)}]"))
    request = bars(start, start + 10 * MINUTE)
    world.land(request)
    assert world.times() == [later]
    assert world.covered() == []
    world.land(request)
    assert len(world.times()) == 11
    assert world.covered() == [Interval(start, start + 10 * MINUTE)]


# -- what cannot be read ---------------------------------------------------------------------------


def test_rows_that_are_no_candles_go_to_the_dead_letters(world: World) -> None:
    start = at("2026-03-01T00:00")
    good = list(world.vendor.fill("BTC-USD", 60, seconds(start), 2).values())
    bad = ["[1,2.50]", "[1,2,3,4,5,6,7]", '{"time":1.10}', "null", f'"{SECRET} é"', "[]"]
    world.vendor.fail("/candles", Fault(body=f"[{','.join([good[1], *bad, good[0]])}]"))
    report = world.land(bars(start, start + 2 * MINUTE))
    assert report.rows == 2
    assert report.dead_letters == len(bad)
    assert world.times() == [seconds(start) + 60, seconds(start)]

    letters = world.dead_letters()
    assert [letter["body"] for letter in letters] == [*bad[:4], '"*** é"', "[]"]
    assert {letter["error"] for letter in letters} == {"expected an array of 6 values"}
    assert {letter["time"] for letter in letters} == {iso(NOW)}
    assert letters[0]["context"] == {
        "provider": "coinbase",
        "request": "bars BTC-USD 1m 2026-03-01T00:00..2026-03-01T00:02",
        "batch_id": report.batches[0].batch_id,
    }


def test_an_answer_with_dead_letters_is_partial_and_asked_again(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 5)
    world.vendor.fail("/candles", Fault(body="[[1,2]]"))
    request = bars(start, start + 5 * MINUTE)
    (batch,) = world.land(request).batches
    assert [entry.status for entry in batch.entries] == ["partial"]
    assert world.covered() == []
    assert world.land(request).rows == 5
    assert world.covered() == [Interval(start, start + 5 * MINUTE)]


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (Fault(body=f"<html>{SECRET}</html>", content_type="text/html"), "<html>***</html>"),
        (Fault(body="[[1,2,3,4,5,6]]", content_type="text/plain"), "[[1,2,3,4,5,6]]"),
        (Fault(body="[[1,2,3,4,5,6],[7"), "[[1,2,3,4,5,6],[7"),
        (Fault(body='{"message":"fine"}'), '{"message":"fine"}'),
    ],
    ids=["html", "wrong type", "truncated", "no array"],
)
def test_unreadable_answer_is_a_dead_letter_and_costs_only_its_window(
    world: World, fault: Fault, body: str
) -> None:
    start = at("2026-03-01T03:00")  # windows of 1m begin every five hours, counted from 1970
    world.vendor.fill("BTC-USD", 60, seconds(start), 900)
    world.vendor.fail("start=2026-03-01T08", fault)
    request = bars(start, start + 900 * MINUTE)
    report = world.land(request)
    assert report.rows == 600
    (failure,) = report.failures
    assert "lake/dead_letter/coinbase/bars/" in failure.error
    (letter,) = world.dead_letters()
    assert letter["body"] == body
    assert world.vendor.url in letter["error"]

    assert world.land(request).rows == 300
    assert Counter(world.times()) == Counter(range(seconds(start), seconds(start) + 54000, 60))


def test_answer_cut_off_every_time_is_a_dead_letter_with_what_arrived(world: World) -> None:
    start = at("2026-03-01T00:00")
    rows = world.vendor.fill("BTC-USD", 60, seconds(start), 5)
    world.vendor.fail("/candles", Fault(cut_after=50), times=3)
    report = world.land(bars(start, start + 5 * MINUTE))
    assert report.rows == 0
    (letter,) = world.dead_letters()
    assert letter["body"] == f"[{','.join(reversed(rows.values()))}]"[:50]


# -- refusals and hiccups --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [THROTTLED, message(500, "Internal server error"), Fault(cut_after=20), Fault(hangs_up=True)],
    ids=["throttled", "server error", "cut off", "hang-up"],
)
def test_a_passing_failure_costs_nothing(world: World, fault: Fault) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 600)
    world.vendor.fail("/candles", fault, times=2)
    report = world.land(bars(start, start + 600 * MINUTE))
    assert report.is_complete
    assert Counter(world.times()) == Counter(range(seconds(start), seconds(start) + 36000, 60))
    assert world.dead_letters() == []


def test_retry_after_is_honoured(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 5)
    world.vendor.fail("/candles", message(429, "Public rate limit exceeded", Retry_After="0.2"))
    assert world.land(bars(start, start + 5 * MINUTE)).rows == 5
    first, second = world.vendor.asked
    assert second.at - first.at >= 0.2


def test_unknown_symbol_is_named_with_the_fix_and_does_not_cost_the_others(world: World) -> None:
    start = at("2026-03-01T00:00")
    for symbol in ("BTC-USD", "ETH-USD"):
        world.vendor.fill(symbol, 60, seconds(start), 5)
    symbols = ("BTC-USD", "NOPE-USD", "ETH-USD")
    report = world.land(*(bars(start, start + 5 * MINUTE, symbol) for symbol in symbols))
    (failure,) = report.failures
    assert failure.request.symbol == "NOPE-USD"
    assert "HTTP 404" in failure.error
    assert "NotFound" in failure.error
    assert "/products/NOPE-USD/candles" in failure.error
    assert "Coinbase has no such product: correct the symbol" in failure.error
    assert Counter(world.rows("_symbol")) == {("BTC-USD",): 5, ("ETH-USD",): 5}
    assert Counter(asked.parts[1] for asked in world.vendor.asked) == dict.fromkeys(symbols, 1)


def test_too_long_a_window_is_refused_for_good(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 5)
    with pytest.raises(TerminalError, match=r"HTTP 400: .*exceeds 300.*; ask for one of 1m, 5m"):
        world.fetch(bars(start, start + 302 * MINUTE))
    assert len(world.vendor.asked) == 1


@pytest.mark.parametrize(
    ("request_", "needs"),
    [
        (
            Request("bars", "BTC-USD", "4h", at("2026-03-01T00:00"), at("2026-03-02T00:00")),
            "one of the timeframes 1m, 5m, 15m, 1h, 1d",
        ),
        (
            Request("bars", "BTC-USD", None, at("2026-03-01T00:00"), at("2026-03-02T00:00")),
            "one of the timeframes 1m, 5m, 15m, 1h, 1d",
        ),
        (
            Request("bars", None, "1m", at("2026-03-01T00:00"), at("2026-03-02T00:00")),
            "a symbol",
        ),
        (
            Request("bars", "BTC-USD", "1m", None, at("2026-03-02T00:00")),
            "a start and an end",
        ),
        (
            Request("bars", None, "4h", at("2026-03-01T00:00"), None),
            "a symbol and a start and an end and one of the timeframes 1m, 5m, 15m, 1h, 1d",
        ),
    ],
    ids=["timeframe not offered", "no timeframe", "no symbol", "no start", "no symbol, no end"],
)
def test_incomplete_request_fails_alone_and_is_never_sent(
    world: World, request_: Request, needs: str
) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("ETH-USD", 60, seconds(start), 5)
    report = world.land(request_, bars(start, start + 5 * MINUTE, "ETH-USD"))
    (failure,) = report.failures
    assert failure.error.endswith(f"coinbase bars are asked by {needs}: complete the request")
    assert report.rows == 5
    assert {asked.parts[1] for asked in world.vendor.asked} == {"ETH-USD"}


# -- products --------------------------------------------------------------------------------------

PRODUCT = (
    '{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","quote_increment":"0.010",'
    '"base_increment":"0.00000001","display_name":"BTC-USD","min_market_funds":"1",'
    '"margin_enabled":false,"post_only":false,"limit_only":false,"cancel_only":false,'
    '"status":"online","status_message":"","trading_disabled":false,"fx_stablecoin":false,'
    '"max_slippage_percentage":"0.02000000","auction_mode":false,'
    '"high_bid_limit_percentage":"","new_in_2027":{"limit":1.50}}'
)


def test_products_are_landed_with_every_field_and_the_undeclared_ones(world: World) -> None:
    delisted = '{"id":"OLD-USD","status":"delisted","trading_disabled":true}'
    world.vendor.products = f"[{PRODUCT},{delisted}]"
    assert world.land(Request("products")).is_complete
    declared = ", ".join(f.column for f in Coinbase.datasets["products"].fields)
    first, second = world.rows(f"{declared}, _extra", "products")
    assert first == (
        "BTC-USD",
        "BTC",
        "USD",
        "0.010",
        "0.00000001",
        "BTC-USD",
        "1",
        "false",
        "false",
        "false",
        "false",
        "online",
        "",
        "false",
        "false",
        "0.02000000",
        "false",
        "",
        '{"new_in_2027":{"limit":1.50}}',
    )
    assert set(second) == {"OLD-USD", "delisted", "true", None}


def test_products_are_asked_every_time_and_confirmed_when_unchanged(world: World) -> None:
    world.vendor.products = f"[{PRODUCT}]"
    assert world.land(Request("products")).rows == 1
    again = world.land(Request("products"))
    assert (again.asked, again.confirmed, again.rows) == (1, 1, 0)


def test_product_that_is_no_object_makes_the_list_incomplete(world: World) -> None:
    world.vendor.products = f"[{PRODUCT},[1.10]]"
    (batch,) = world.land(Request("products")).batches
    assert [entry.status for entry in batch.entries] == ["partial"]
    assert batch.rows == 1
    assert [letter["body"] for letter in world.dead_letters()] == ["[1.10]"]


def test_empty_list_of_products_is_not_taken_for_the_end_of_all_products(world: World) -> None:
    report = world.land(Request("products"))
    assert report.batches == []
    assert not report.is_complete
    assert [letter["body"] for letter in world.dead_letters()] == ["[]"]


# -- symbols ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["BTC/USD", "BTC-USD"])
def test_pairs_are_spelled_with_a_hyphen(symbol: str) -> None:
    coinbase = made(Coinbase, lambda: NOW)
    assert coinbase.spell(symbol, "crypto") == "BTC-USD"
    assert list(coinbase.default_request("bars")) == []


def test_unknown_symbol_is_told_from_a_bad_request(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.fill("BTC-USD", 60, seconds(start), 1)
    with pytest.raises(UnknownSymbolError):
        world.fetch(bars(start, start + MINUTE, "NOPE-USD"))
    world.vendor.fail("/candles", message(404, "no such route"))
    with pytest.raises(TerminalError) as caught:
        world.fetch(bars(start, start + MINUTE))
    assert type(caught.value) is TerminalError


# -- the local vendor itself -----------------------------------------------------------------------


def vendor_says(world: World, query: str, symbol: str = "BTC-USD") -> tuple[int, str]:
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{world.vendor.url}/products/{symbol}/candles?{query}") as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("query", "status", "rows"),
    [
        ("granularity=60&start=2026-03-09T00:00:00Z&end=2026-03-09T05:00:00Z", 200, 301),
        ("granularity=60&start=2026-03-09T00:00:00Z&end=2026-03-09T05:01:00Z", 400, "exceeds 300"),
        ("granularity=61&start=2026-03-09T00:00:00Z&end=2026-03-09T00:01:00Z", 400, "Unsupported"),
        ("granularity=60&start=2026-03-09T00:00:00Z", 200, 350),
        ("granularity=60", 200, 350),
    ],
)
def test_local_vendor_behaves_as_documented(
    world: World, query: str, status: int, rows: int | str
) -> None:
    world.vendor.fill("BTC-USD", 60, seconds(at("2026-03-09T00:00")), 3000)
    answered, body = vendor_says(world, query)
    assert answered == status
    if isinstance(rows, str):
        assert rows in json.loads(body)["message"]
    else:
        times = [row[0] for row in json.loads(body)]
        assert len(times) == rows
        assert times == sorted(times, reverse=True)
        assert max(times) <= world.vendor.now


def test_local_vendor_knows_no_other_product(world: World) -> None:
    world.vendor.fill("BTC-USD", 60, seconds(at("2026-03-09T00:00")), 1)
    assert vendor_says(world, "granularity=60", "NOPE-USD") == (404, '{"message": "NotFound"}')
