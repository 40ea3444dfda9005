"""Alpaca from a local vendor over real HTTP, into a lake, and read back."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.backfill import Ask, LandingReport, backfill, land_all
from ingest.lake import Interval, Lake
from ingest.limits import RateLimit
from ingest.provider import (
    AccessError,
    Answer,
    EntitlementError,
    MalformedError,
    ProviderError,
    QuotaSpentError,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
)
from ingest.providers import alpaca
from ingest.providers.alpaca import (
    ACTIONS_PER_PAGE,
    SYMBOLS_PER_REQUEST,
    Alpaca,
    AlpacaIex,
    AlpacaSip,
)
from ingest.settings import DataDir, Environment
from tests.fake_vendors.alpaca import (
    FORBIDDEN,
    NOT_IN_PLAN,
    THROTTLED,
    UNAUTHORIZED,
    FakeAlpaca,
    bar,
    stamp,
)
from tests.fake_vendors.server import HANG_UP, Fault, Limit, message
from tests.ingest.asking import HASTY, at
from tests.ingest.worlds import dead_letters, rows

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# A Tuesday, in summer time.
NOW = datetime(2026, 3, 10, 18, 34, 56, 789000, tzinfo=UTC)
KEY = ("PK-PLANTED-KEY", "planted/secret+key")
POLICY = replace(HASTY, concurrency=SYMBOLS_PER_REQUEST)

Vendor = AlpacaSip | AlpacaIex | Alpaca


@dataclass
class World:
    """A vendor, a lake, and one time for both."""

    vendor: FakeAlpaca
    lake: Lake
    now: datetime = NOW
    key: tuple[str, str] = KEY

    def clock(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by
        self.vendor.now = self.now

    def make(self, kind: type[Vendor]) -> Vendor:
        names = ("ALPACA", "ALPACA_SIP", "ALPACA_IEX", "ALPACA_TRADING")
        variables: dict[str, str | None] = {f"TAPEHOUSE_{n}_URL": self.vendor.url for n in names}
        variables |= dict(zip(("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"), self.key, strict=True))
        return kind(Environment(variables), self.clock, policy=POLICY)

    def land(self, kind: type[Vendor], *requests: Request) -> LandingReport:
        """Run a backfill of its own, as a new process would; forget what was asked before."""
        self.vendor.forget()
        report = backfill(self.make(kind), requests, self.lake, clock=self.clock)
        self.now += timedelta(microseconds=1)  # batches are told apart, and ordered, by time
        return report

    def outcomes(
        self, kind: type[Vendor], requests: Sequence[Request]
    ) -> list[Answer | BaseException]:
        """Ask all at the same time, without planning windows."""

        async def asking() -> list[Answer | BaseException]:
            vendor = self.make(kind)
            try:
                return await asyncio.gather(
                    *(vendor.fetch(request) for request in requests), return_exceptions=True
                )
            finally:
                await vendor.close()

        self.vendor.forget()
        return asyncio.run(asking())

    def fetch(self, kind: type[Vendor], request: Request) -> Answer:
        (outcome,) = self.outcomes(kind, [request])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def rows(self, columns: str, provider: str, dataset: str = "bars") -> list[tuple[Any, ...]]:
        """Return what is in the lake, in the order in which it was landed."""
        return rows(self.lake.data, columns, provider, dataset)

    def dead_letters(self) -> list[dict[str, Any]]:
        return dead_letters(self.lake.data)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeAlpaca(now=NOW, key=KEY).running() as vendor:
        lake = Lake(DataDir(tmp_path), clock=lambda: made.now)
        made = World(vendor, lake)
        yield made


def bars(start: datetime, end: datetime, symbol: str = "AAPL", timeframe: str = "1m") -> Request:
    params = {"asset_class": "crypto" if "/" in symbol else "equity"}
    return Request("bars", symbol, timeframe, start, end, params)


def every(step: timedelta, start: datetime, count: int) -> list[datetime]:
    return [start + number * step for number in range(count)]


def asked(world: World) -> list[dict[str, str]]:
    return [dict(each.params) for each in world.vendor.asked]


# -- bars ------------------------------------------------------------------------------------------


def test_stock_bars_are_asked_raw_by_feed_and_without_mapping_of_renames(world: World) -> None:
    start = at("2026-03-09T14:00")
    for kind, feed in ((AlpacaSip, "sip"), (AlpacaIex, "iex")):
        world.vendor.fill(feed, "AAPL", "1Min", [start])
        world.fetch(kind, bars(start, start + HOUR))
        (request,) = world.vendor.asked
        assert request.path == "/v2/stocks/bars"
        assert request.params == {
            "symbols": "AAPL",
            "timeframe": "1Min",
            "start": "2026-03-09T14:00:00Z",
            "end": "2026-03-09T14:59:59Z",
            "limit": "10000",
            "sort": "asc",
            "feed": feed,
            "adjustment": "raw",
        }
        assert request.header("APCA-API-KEY-ID") == KEY[0]
        assert request.header("APCA-API-SECRET-KEY") == KEY[1]


def test_crypto_bars_are_asked_of_their_own_address(world: World) -> None:
    start = at("2026-03-09T14:00")
    world.vendor.fill("crypto", "BTC/USD", "1Hour", [start])
    answer = world.fetch(Alpaca, bars(start, start + DAY, "BTC/USD", "1h"))
    (request,) = world.vendor.asked
    assert request.path == "/v1beta3/crypto/us/bars"
    assert request.params == {
        "symbols": "BTC/USD",
        "timeframe": "1Hour",
        "start": "2026-03-09T14:00:00Z",
        "end": "2026-03-10T13:59:59Z",
        "limit": "10000",
        "sort": "asc",
    }
    assert len(answer.records) == 1


def test_values_are_landed_to_the_letter_and_the_feeds_apart(world: World) -> None:
    start = at("2026-03-09T14:00")
    world.vendor.bars["sip", "BRK.B", "1Min"] = {
        stamp(start): f'{{"t":"{stamp(start)}","o":1.10,"h":2e0,"l":0.5,"c":1.7000000000000000001,'
        '"v":12345678901234567890,"n":3,"vw":1.50,"new":{"a":1.50}}',
    }
    world.vendor.fill("iex", "BRK.B", "1Min", [start])
    assert world.land(AlpacaSip, bars(start, start + MINUTE, "BRK.B")).is_complete
    assert world.land(AlpacaIex, bars(start, start + MINUTE, "BRK.B")).is_complete
    columns = "time, open, high, low, close, volume, trade_count, vwap, message_type, _extra"
    assert world.rows(f"_symbol, _timeframe, {columns}", "alpaca_sip") == [
        (
            *("BRK.B", "1m", "2026-03-09T14:00:00Z", "1.10", "2e0", "0.5", "1.7000000000000000001"),
            *("12345678901234567890", "3", "1.50", None, '{"new":{"a":1.50}}'),
        )
    ]
    (iex,) = world.rows("open", "alpaca_iex")
    assert f'"o":{iex[0]},' in bar(start)


def test_all_pages_make_one_answer(world: World) -> None:
    start = at("2026-03-02T14:00")
    sent = world.vendor.fill("sip", "AAPL", "1Min", every(MINUTE, start, 450))
    world.vendor.rows_per_page = 100
    report = world.land(AlpacaSip, bars(start, start + 450 * MINUTE))
    assert report.is_complete
    assert [time for (time,) in world.rows("time", "alpaca_sip")] == list(sent)
    assert [params.get("page_token") for params in asked(world)] == [
        None,
        *(f"page-{number}" for number in (100, 200, 300, 400)),
    ]
    (batch,) = report.batches
    assert [entry.records for entry in batch.entries] == [450]


def test_a_page_that_fails_costs_the_answer_and_is_asked_again(world: World) -> None:
    start = at("2026-03-02T14:00")
    sent = world.vendor.fill("sip", "AAPL", "1Min", every(MINUTE, start, 250))
    world.vendor.rows_per_page = 100
    request = bars(start, start + 250 * MINUTE)
    world.vendor.fail("page-200", message(500, "internal server error occurred"), times=3)
    report = world.land(AlpacaSip, request)
    assert (report.rows, len(report.failures)) == (0, 1)
    assert world.land(AlpacaSip, request).rows == 250
    assert [time for (time,) in world.rows("time", "alpaca_sip")] == list(sent)


def test_pages_that_never_end_are_malformed(world: World) -> None:
    start = at("2026-03-02T14:00")
    world.vendor.fill("sip", "AAPL", "1Min", [start])
    again = Fault(change=lambda body: body.replace("null", '"page-0"'))
    world.vendor.fail("/bars", again, times=9)
    with pytest.raises(MalformedError, match="the same page is next for ever"):
        world.fetch(AlpacaSip, bars(start, start + HOUR))
    assert len(world.vendor.asked) == 2


def test_windows_of_two_weeks_of_minutes_are_one_page_each(world: World) -> None:
    world.vendor.known.add("AAPL")
    world.land(AlpacaSip, bars(at("2026-01-05T00:00"), at("2026-02-10T00:00")))
    windows = sorted((params["start"], params["end"]) for params in asked(world))
    assert windows == [
        ("2026-01-05T00:00:00Z", "2026-01-14T23:59:59Z"),
        ("2026-01-15T00:00:00Z", "2026-01-28T23:59:59Z"),
        ("2026-01-29T00:00:00Z", "2026-02-09T23:59:59Z"),
    ]


def test_ten_years_of_days_are_two_questions(world: World) -> None:
    starts = [at("2024-02-29T05:00"), at("2026-03-06T05:00"), at("2026-03-09T04:00")]
    world.vendor.fill("sip", "AAPL", "1Day", starts)
    world.land(AlpacaSip, bars(at("2016-01-04T00:00"), at("2026-03-10T00:00"), timeframe="1d"))
    windows = sorted((params["start"], params["end"]) for params in asked(world))
    assert windows == [
        ("2016-01-04T00:00:00Z", "2025-03-12T23:59:59Z"),
        ("2025-03-13T00:00:00Z", "2026-03-09T23:59:59Z"),
    ]
    assert world.rows("time", "alpaca_sip") == [(stamp(start),) for start in starts]


@pytest.mark.parametrize(
    ("kind", "timeframe"), [(AlpacaSip, "1h"), (AlpacaIex, "4h"), (Alpaca, "4h"), (Alpaca, None)]
)
def test_timeframes_on_another_grid_are_not_asked(
    world: World, kind: type[Vendor], timeframe: str
) -> None:
    with pytest.raises(TerminalError, match="timeframes 1m, 5m, 15m"):
        world.fetch(kind, bars(NOW - DAY, NOW, timeframe=timeframe))
    assert world.vendor.asked == []


def test_no_bars_is_an_answer(world: World) -> None:
    world.vendor.known.add("AAPL")
    start = at("2026-03-02T14:00")
    report = world.land(AlpacaIex, bars(start, start + HOUR))
    assert report.is_complete
    assert report.rows == 0
    assert world.lake.ledger("alpaca_iex", "bars").coverage("AAPL", "1m") == [
        Interval(start, start + HOUR)
    ]


# -- the newest bars -------------------------------------------------------------------------------


def test_the_newest_quarter_of_an_hour_of_the_tape_is_left_for_later(world: World) -> None:
    start = at("2026-03-10T18:00")
    world.vendor.fill("sip", "AAPL", "1Min", every(MINUTE, start, 60))
    assert world.land(AlpacaSip, bars(start, NOW)).is_complete
    assert [params["end"] for params in asked(world)] == ["2026-03-10T18:19:41Z"]
    assert world.rows("time", "alpaca_sip")[-1] == ("2026-03-10T18:19:00Z",)
    (covered,) = world.lake.ledger("alpaca_sip", "bars").coverage("AAPL", "1m")
    assert covered.end == NOW - timedelta(minutes=17) < at("2026-03-10T18:19:41")

    world.advance(HOUR)
    assert world.land(AlpacaSip, bars(start, start + HOUR)).is_complete
    times = {time for (time,) in world.rows("time", "alpaca_sip")}
    assert times == {stamp(moment) for moment in every(MINUTE, start, 60)}


def test_a_range_within_the_delay_is_not_asked_and_not_covered(world: World) -> None:
    world.land(AlpacaSip, bars(NOW - 5 * MINUTE, NOW))
    assert world.vendor.asked == []
    assert world.lake.ledger("alpaca_sip", "bars").coverage("AAPL", "1m") == []


def test_iex_is_asked_up_to_now(world: World) -> None:
    world.vendor.fill("iex", "AAPL", "1Min", every(MINUTE, at("2026-03-10T18:30"), 5))
    answer = world.fetch(AlpacaIex, bars(at("2026-03-10T18:30"), NOW))
    assert asked(world)[0]["end"] == "2026-03-10T18:34:55Z"
    assert len(answer.records) == 5


def test_a_minute_that_has_just_begun_is_asked_for(world: World) -> None:
    world.advance(at("2026-03-10T18:35:00.400") - NOW)
    world.vendor.fill("iex", "AAPL", "1Min", [at("2026-03-10T18:35")])
    report = world.land(AlpacaIex, bars(at("2026-03-10T18:35"), at("2026-03-10T19:00")))
    assert (report.is_complete, report.rows) == (True, 1)
    assert asked(world)[0]["end"] == "2026-03-10T18:35:00Z"


# -- many symbols ----------------------------------------------------------------------------------


def test_symbols_asked_for_at_the_same_time_share_a_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca, "LINGER_SECONDS", 1)  # however slow the machine is
    start = at("2026-03-09T14:00")
    symbols = [f"S{number:03}" for number in range(2 * SYMBOLS_PER_REQUEST + 50)]
    for symbol in symbols:
        world.vendor.fill("sip", symbol, "1Min", [start])
    answers = world.outcomes(AlpacaSip, [bars(start, start + HOUR, s) for s in symbols])
    # Requests made at the same time arrive in any order.
    shared = [params["symbols"].split(",") for params in asked(world)]
    assert Counter(map(len, shared)) == {SYMBOLS_PER_REQUEST: 2, 50: 1}
    assert sorted(symbol for together in shared for symbol in together) == symbols
    assert all(isinstance(answer, Answer) and len(answer.records) == 1 for answer in answers)


def test_answers_reach_the_requests_they_belong_to(world: World) -> None:
    start = at("2026-03-09T14:00")
    world.vendor.fill("sip", "AAPL", "1Min", every(MINUTE, start, 3))
    world.vendor.fill("sip", "BRK.B", "1Min", every(2 * MINUTE, start, 2))
    world.vendor.known.add("QUIET")
    world.vendor.rows_per_page = 2
    requests = [bars(start, start + HOUR, symbol) for symbol in ("QUIET", "BRK.B", "AAPL")]
    assert world.land(AlpacaSip, *requests).is_complete
    assert Counter(world.rows("_symbol, time", "alpaca_sip")) == Counter(
        [
            *(("AAPL", stamp(moment)) for moment in every(MINUTE, start, 3)),
            *(("BRK.B", stamp(moment)) for moment in every(2 * MINUTE, start, 2)),
        ]
    )
    assert {params["symbols"] for params in asked(world)} == {"AAPL,BRK.B,QUIET"}


def test_other_ranges_and_timeframes_are_asked_apart(world: World) -> None:
    start = at("2026-03-09T14:00")
    world.vendor.known.update(("A", "B", "C"))
    world.outcomes(
        AlpacaSip,
        [
            bars(start, start + HOUR, "A"),
            bars(start, start + 2 * HOUR, "B"),
            bars(start, start + HOUR, "C", "5m"),
        ],
    )
    assert sorted(params["symbols"] for params in asked(world)) == ["A", "B", "C"]


def test_bad_symbols_never_cost_the_others(world: World) -> None:
    start = at("2026-03-09T14:00")
    bad = {"BRK-B", "NOPE"}
    good = [f"S{number:02}" for number in range(30)]
    for symbol in good:
        world.vendor.fill("sip", symbol, "1Min", [start])
    symbols = [*good, *bad]
    report = world.land(AlpacaSip, *(bars(start, start + HOUR, symbol) for symbol in symbols))
    assert {failure.request.symbol for failure in report.failures} == bad
    assert all(failure.is_terminal for failure in report.failures)
    assert any("invalid symbol: BRK-B" in f.error for f in report.failures)
    assert any("share classes have a dot: BRK.B" in f.error for f in report.failures)
    assert {symbol for (symbol,) in world.rows("_symbol", "alpaca_sip")} == set(good)


def test_a_bad_symbol_among_a_hundred_costs_few_requests(world: World) -> None:
    start = at("2026-03-09T14:00")
    symbols = [f"S{number:02}" for number in range(SYMBOLS_PER_REQUEST)]
    world.vendor.known.update(symbols[:61] + symbols[62:])
    outcomes = world.outcomes(AlpacaSip, [bars(start, start + HOUR, s) for s in symbols])
    assert [type(it) for it in outcomes if isinstance(it, Exception)] == [UnknownSymbolError]
    assert isinstance(outcomes[61], UnknownSymbolError)
    assert len(world.vendor.asked) <= 15


def test_what_concerns_the_request_is_asked_once_for_all_of_its_symbols(world: World) -> None:
    start = at("2026-03-09T14:00")
    world.vendor.fail("/bars", message(400, "invalid timeframe: 1Min"))
    outcomes = world.outcomes(AlpacaSip, [bars(start, start + HOUR, s) for s in ("A", "B", "C")])
    assert [type(outcome) for outcome in outcomes] == [TerminalError] * 3
    assert len(world.vendor.asked) == 1


def test_who_stops_waiting_does_not_stop_the_others(world: World) -> None:
    start = at("2026-03-09T14:00")
    world.vendor.fill("sip", "A", "1Min", [start])
    world.vendor.fill("sip", "B", "1Min", [start])

    async def asking() -> Answer:
        vendor = world.make(AlpacaSip)
        first = asyncio.create_task(vendor.fetch(bars(start, start + HOUR, "A")))
        second = asyncio.create_task(vendor.fetch(bars(start, start + HOUR, "B")))
        await asyncio.sleep(0)
        first.cancel()
        try:
            return await second
        finally:
            await vendor.close()

    assert len(asyncio.run(asking()).records) == 1
    assert len(world.vendor.asked) == 1


def test_closing_stops_what_is_under_way(world: World) -> None:
    start = at("2026-03-09T14:00")
    world.vendor.fill("sip", "A", "1Min", [start])
    world.vendor.fail("/bars", Fault(delay_seconds=0.3))

    async def asking() -> float:
        vendor = world.make(AlpacaSip)
        waiting = asyncio.create_task(vendor.fetch(bars(start, start + HOUR, "A")))
        await asyncio.sleep(0.05)
        before = asyncio.get_running_loop().time()
        await vendor.close()
        assert isinstance((await asyncio.wait([waiting]))[0].pop(), asyncio.Task)
        assert waiting.cancelled()
        return asyncio.get_running_loop().time() - before

    assert asyncio.run(asking()) < 0.2


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "advice"),
    [
        (UNAUTHORIZED, AccessError, "check APCA_API_KEY_ID and APCA_API_SECRET_KEY"),
        (FORBIDDEN, AccessError, "check APCA_API_KEY_ID and APCA_API_SECRET_KEY"),
        (NOT_IN_PLAN, EntitlementError, "ask for an earlier end or another feed"),
        (message(400, "invalid symbol: AAPL"), UnknownSymbolError, "correct the symbol"),
        (message(422, "invalid symbol: AAPL"), UnknownSymbolError, "correct the symbol"),
        (message(400, "end should not be before start"), TerminalError, "correct the request"),
        (message(422, "limit is invalid"), TerminalError, "correct the request"),
        (message(404, "endpoint not found."), TerminalError, "correct the request"),
    ],
)
def test_refusals_say_what_they_are_and_are_not_repeated(
    world: World, fault: Fault, error: type[ProviderError], advice: str
) -> None:
    world.vendor.known.add("AAPL")
    world.vendor.fail("/bars", fault)
    with pytest.raises(error, match=advice) as caught:
        world.fetch(AlpacaSip, bars(NOW - 2 * DAY, NOW - DAY))
    assert type(caught.value) is error
    assert json.loads(str(fault.body))["message"] in str(caught.value)
    assert len(world.vendor.asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        THROTTLED,
        message(429, "too many requests.", Retry_After="0.01"),
        message(500, "internal server error occurred"),
        message(504, "gateway timeout"),
        Fault(cut_after=20),
        HANG_UP,
    ],
    ids=["throttled", "told to wait", "server error", "gateway", "cut off", "hang-up"],
)
def test_a_passing_failure_costs_nothing(world: World, fault: Fault) -> None:
    start = at("2026-03-09T14:00")
    world.vendor.fill("sip", "AAPL", "1Min", [start])
    world.vendor.fail("/bars", fault, times=2)
    assert world.land(AlpacaSip, bars(start, start + HOUR)).is_complete
    assert len(world.rows("time", "alpaca_sip")) == 1


def test_throttling_that_does_not_pass_is_worth_another_run(world: World) -> None:
    world.vendor.fail("/bars", THROTTLED, times=3)
    with pytest.raises(RetryableError, match="too many requests"):
        world.fetch(AlpacaSip, bars(NOW - 2 * DAY, NOW - DAY))


@pytest.mark.parametrize(
    "body",
    [
        "<html>maintenance</html>",
        '{"bars":{"AAPL":[]}}',
        '{"next_page_token":null}',
        '{"bars":[],"next_page_token":null',
        '{"bars":{"AAPL":{"t":1}},"next_page_token":null}',
        '{"bars":{"OTHER":[]},"next_page_token":null}',
        '["bars"]',
        "null",
    ],
)
def test_unreadable_answer_is_one_dead_letter_however_many_symbols(world: World, body: str) -> None:
    world.vendor.fail("/bars", Fault(200, body))
    start = at("2026-03-09T14:00")
    requests = [bars(start, start + HOUR, symbol) for symbol in ("AAPL", "MSFT", "TSLA")]
    report = world.land(AlpacaSip, *requests)
    assert len(report.failures) == 3
    assert [letter["body"] for letter in world.dead_letters()] == [body]
    assert report.can_improve


@pytest.mark.parametrize(
    "empty", ['{"bars":{},"next_page_token":null}', '{"bars":null,"next_page_token":null}']
)
def test_empty_answers_are_read_in_both_spellings(world: World, empty: str) -> None:
    world.vendor.fail("/bars", Fault(200, empty))
    assert world.fetch(AlpacaSip, bars(NOW - 2 * DAY, NOW - DAY)).records == []


def test_a_bar_that_is_no_object_costs_neither_its_neighbours_nor_other_symbols(
    world: World,
) -> None:
    start = at("2026-03-09T14:00")
    body = (
        f'{{"bars":{{"AAPL":[{bar(start)},[1.10]],"MSFT":[{bar(start)}]}},"next_page_token":null}}'
    )
    world.vendor.fail("/bars", Fault(200, body))
    requests = [bars(start, start + HOUR, symbol) for symbol in ("AAPL", "MSFT")]
    report = world.land(AlpacaSip, *requests)
    assert report.failures == []
    assert [entry.symbol for entry in report.partial] == ["AAPL"]
    assert Counter(world.rows("_symbol", "alpaca_sip")) == {("AAPL",): 1, ("MSFT",): 1}
    assert [letter["body"] for letter in world.dead_letters()] == ["[1.10]"]


@pytest.mark.parametrize("kind", [AlpacaSip, AlpacaIex, Alpaca])
def test_without_keys_nothing_is_asked(world: World, kind: type[Vendor]) -> None:
    world.key = ("", "")
    with pytest.raises(AccessError, match="APCA_API_KEY_ID, APCA_API_SECRET_KEY"):
        world.fetch(kind, bars(NOW - 2 * DAY, NOW - DAY))
    assert world.vendor.asked == []


def test_keys_are_in_headers_and_nowhere_else(world: World, tmp_path: Path) -> None:
    world.vendor.fail("/bars", Fault(200, f"<p>{KEY[0]} {KEY[1]}</p>"))
    world.vendor.fail("/bars", message(400, f"bad key {KEY[1]}"))
    start = at("2026-03-09T14:00")
    reports = [world.land(AlpacaSip, bars(start, start + HOUR)) for _ in range(2)]
    world.vendor.fill("sip", "AAPL", "1Min", [start])
    world.land(AlpacaSip, bars(start, start + HOUR))
    said = [failure.error for report in reports for failure in report.failures]
    assert len(said) == 2
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) >= 2
    for secret in KEY:
        assert not any(secret in text for text in said)
        assert not any(secret.encode() in content for content in written)
        assert not any(secret in each.path + str(each.params) for each in world.vendor.asked)


def test_the_limit_is_the_accounts_whatever_is_asked(world: World, tmp_path: Path) -> None:
    world.vendor.known.update(("AAPL", "BTC/USD"))
    one_a_minute = replace(POLICY, limits=(RateLimit(1, per_seconds=60),))
    variables = dict(world.make(Alpaca).environment.variables)

    async def asking(kind: type[Vendor], symbol: str) -> None:
        vendor = kind(
            Environment(variables), world.clock, policy=one_a_minute, state_dir=tmp_path / "vendors"
        )
        try:
            await vendor.fetch(bars(NOW - 2 * DAY, NOW - DAY, symbol))
        finally:
            await vendor.close()

    asyncio.run(asking(AlpacaIex, "AAPL"))
    with pytest.raises(QuotaSpentError):
        asyncio.run(asking(Alpaca, "BTC/USD"))
    assert len(world.vendor.asked) == 1


# -- corporate actions -----------------------------------------------------------------------------

SPLIT = {
    "id": "1",
    "symbol": "AAPL",
    "cusip": "037833100",
    "new_rate": 4,
    "old_rate": 1,
    "process_date": "2026-01-31",
    "ex_date": "2026-01-31",
}
DIVIDEND = {
    "symbol": "AAPL",
    "rate": 0.25,
    "special": False,
    "foreign": False,
    "process_date": "2026-04-16",
    "ex_date": "2026-03-09",
    "unheard_of": {"a": 1},
}


def test_corporate_actions_are_landed_verbatim_with_their_type(world: World) -> None:
    world.vendor.actions = {
        "forward_splits": [SPLIT],
        "cash_dividends": [DIVIDEND],
        "name_changes": [
            {"old_symbol": "FB", "new_symbol": "META", "process_date": "2026-02-01"},
        ],
    }
    request = Request("corporate_actions", "AAPL", None, at("2026-01-01T00:00"), NOW)
    assert world.land(Alpaca, request).is_complete
    columns = "type, symbol, rate, new_rate, old_rate, special, ex_date, process_date, _extra"
    assert world.rows(columns, "alpaca", "corporate_actions") == [
        (
            *("forward_splits", "AAPL", None, "4", "1", None),
            *("2026-01-31", "2026-01-31", None),
        ),
        (
            *("cash_dividends", "AAPL", "0.25", None, None, "false"),
            *("2026-03-09", "2026-04-16", '{"unheard_of":{"a":1}}'),
        ),
    ]
    assert asked(world) == [
        {
            "symbols": "AAPL",
            "start": "2026-01-01",
            # A dividend is booked weeks after its ex-date.
            "end": "2026-05-09",
            "limit": str(ACTIONS_PER_PAGE),
            "sort": "asc",
        }
    ]


def test_corporate_actions_are_paged_over_types(world: World) -> None:
    world.vendor.actions = {
        "forward_splits": [SPLIT],
        "cash_dividends": [{**DIVIDEND, "process_date": f"2026-02-{n:02}"} for n in range(1, 6)],
    }
    world.vendor.rows_per_page = 2
    request = Request("corporate_actions", "AAPL", None, at("2026-01-01T00:00"), NOW)
    world.land(Alpaca, request)
    assert Counter(world.rows("type", "alpaca", "corporate_actions")) == {
        ("forward_splits",): 1,
        ("cash_dividends",): 5,
    }
    assert len(world.vendor.asked) == 3


# -- news ------------------------------------------------------------------------------------------


def article(number: int, updated: datetime, symbol: str = "AAPL") -> dict[str, Any]:
    return {
        "id": number,
        "headline": f"Headline {number} with “quotes”",
        "author": "A. Writer",
        "created_at": stamp(updated - HOUR),
        "updated_at": stamp(updated),
        "summary": "",
        "content": "<p>text</p>",
        "url": f"https://example.com/{number}",
        "images": [{"size": "thumb", "url": "https://example.com/1.png"}],
        "symbols": [symbol],
        "source": "example",
    }


def test_news_is_paged_by_fifty_in_order_of_updates(world: World) -> None:
    start = at("2026-03-01T00:00")
    world.vendor.articles = [article(n, start + n * MINUTE) for n in range(120)]
    request = Request("news", "AAPL", None, start, start + DAY)
    assert world.land(Alpaca, request).is_complete
    assert [int(number) for (number,) in world.rows("id", "alpaca", "news")] == list(range(120))
    assert [params["limit"] for params in asked(world)] == ["50"] * 3
    first = asked(world)[0]
    assert (first["sort"], first["include_content"]) == ("asc", "true")
    (row,) = world.rows("headline, images, symbols, content", "alpaca", "news")[:1]
    assert row == (
        "Headline 0 with “quotes”",
        '[{"size":"thumb","url":"https://example.com/1.png"}]',
        '["AAPL"]',
        "<p>text</p>",
    )


def test_an_article_comes_again_when_it_was_updated(world: World) -> None:
    start = at("2026-03-08T00:00")
    world.vendor.articles = [article(1, start + HOUR), article(2, start + 2 * HOUR)]
    world.land(Alpaca, Request("news", "AAPL", None, start, NOW))
    world.advance(HOUR)
    world.vendor.articles[0] |= {"headline": "Corrected", "updated_at": stamp(NOW + MINUTE)}
    world.land(Alpaca, Request("news", "AAPL", None, start, world.now))
    assert ("1", "Corrected") in world.rows("id, headline", "alpaca", "news")


def test_news_of_pairs_is_asked_without_a_separator(world: World) -> None:
    start = at("2026-03-08T00:00")
    world.vendor.articles = [article(1, start, "BTCUSD")]
    answer = world.fetch(Alpaca, Request("news", "BTC/USD", None, start, NOW))
    assert len(answer.records) == 1


# -- assets ----------------------------------------------------------------------------------------


def asset(symbol: str, asset_class: str = "us_equity", status: str = "active") -> dict[str, Any]:
    return {
        "id": f"id-of-{symbol}-{status}",
        "class": asset_class,
        "exchange": "NASDAQ" if asset_class == "us_equity" else "CRYPTO",
        "symbol": symbol,
        "name": f"{symbol} Common Stock",
        "status": status,
        "tradable": True,
        "attributes": ["fractional_eh_enabled"],
    }


def test_assets_of_both_classes_and_states_make_one_complete_list(world: World) -> None:
    world.vendor.assets = [
        asset("AAPL"),
        asset("OLD", status="inactive"),
        asset("BTC/USD", "crypto"),
        asset("SPX260320C06000000", "us_option"),
    ]
    report = world.land(Alpaca, Request("assets"))
    assert report.is_complete
    columns = "symbol, asset_class, status, tradable, attributes, _extra"
    assert world.rows(columns, "alpaca", "assets") == [
        ("AAPL", "us_equity", "active", "true", '["fractional_eh_enabled"]', None),
        ("OLD", "us_equity", "inactive", "true", '["fractional_eh_enabled"]', None),
        ("BTC/USD", "crypto", "active", "true", '["fractional_eh_enabled"]', None),
    ]
    assert {request.path for request in world.vendor.asked} == {"/v2/assets"}


def test_assets_are_asked_at_the_trading_address(world: World) -> None:
    world.vendor.assets = [asset("AAPL"), asset("BTC/USD", "crypto")]
    with FakeAlpaca(now=NOW, key=KEY, assets=world.vendor.assets).running() as trading:
        variables: dict[str, str | None] = {
            "TAPEHOUSE_ALPACA_URL": world.vendor.url,
            "TAPEHOUSE_ALPACA_TRADING_URL": trading.url,
            "APCA_API_KEY_ID": KEY[0],
            "APCA_API_SECRET_KEY": KEY[1],
        }

        async def asking() -> Answer:
            alpaca = Alpaca(Environment(variables), world.clock, policy=POLICY)
            try:
                return await alpaca.fetch(Request("assets"))
            finally:
                await alpaca.close()

        assert len(asyncio.run(asking()).records) == 2
        assert len(trading.asked) == 4
    assert world.vendor.asked == []


def test_an_empty_list_is_not_taken_for_the_end_of_all_assets(world: World) -> None:
    report = world.land(Alpaca, Request("assets"))
    assert report.batches == []
    assert [letter["body"] for letter in world.dead_letters()] == ["[]"]


# -- the local vendor itself -----------------------------------------------------------------------


def test_local_vendor_refuses_wrong_keys_and_counts_requests(world: World) -> None:
    world.vendor.limits = (Limit(2, 60),)
    world.vendor.known.add("AAPL")
    world.fetch(AlpacaIex, bars(NOW - DAY, NOW))
    world.key = ("PK-OTHER", "other")
    with pytest.raises(AccessError, match="unauthorized"):
        world.fetch(AlpacaIex, bars(NOW - DAY, NOW))
    with pytest.raises(RetryableError, match="too many requests"):
        world.fetch(AlpacaIex, bars(NOW - DAY, NOW))
    assert world.vendor.throttled_count == 3


# -- one feed in place of another ------------------------------------------------------------------


def test_what_the_plan_has_not_of_all_exchanges_is_asked_of_one(world: World) -> None:
    """Over HTTP, from the shipped chain's first provider to its second."""
    start = at("2026-03-09T14:00")
    request = bars(start, start + HOUR)
    world.vendor.fill("iex", "AAPL", "1Min", [start])
    refused = message(403, "subscription does not permit querying SIP data")
    world.vendor.fail("feed=sip", refused, times=9)
    otherwise = Ask(world.make(AlpacaIex), request)
    asks = [Ask(world.make(AlpacaSip), request, otherwise=otherwise)]
    reports = land_all(asks, world.lake, clock=world.clock)
    assert [each.params["feed"] for each in world.vendor.asked] == ["sip", "iex"]
    assert [(report.provider, report.is_complete) for report in reports] == [
        ("alpaca_sip", True),
        ("alpaca_iex", True),
    ]
    assert reports[1].rows == 1
    (because,) = reports[0].passed_on_because["alpaca_iex"].values()
    assert "subscription does not permit querying SIP data" in because
