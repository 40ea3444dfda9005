"""OANDA from a local vendor over real HTTP, into a lake, and read back."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ingest.lake import Interval
from ingest.provider import (
    AccessError,
    ProviderError,
    Request,
    TerminalError,
    UnknownSymbolError,
)
from ingest.providers.oanda import FINALITY_LAG, GRANULARITIES, Oanda
from ingest.settings import DataDir
from tests.fake_vendors.oanda import (
    COUNT_TOO,
    FUTURE,
    STEPS,
    THROTTLED,
    TOO_MANY,
    UNAUTHORIZED,
    FakeOanda,
    error,
)
from tests.fake_vendors.server import HANG_UP, UNLIMITED, Fault
from tests.ingest import worlds
from tests.ingest.asking import at

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# A Tuesday, in summer time.
NOW = datetime(2026, 3, 10, 18, 34, 56, 789000, tzinfo=UTC)
TOKEN = "planted-token/0123456789abcdef"  # noqa: S105 - made up
ACCOUNT = "101-004-1234567-001"


class World(worlds.World[FakeOanda]):
    """What is asked most: bars of the euro by the minute."""

    def times(self) -> list[str]:
        return [text[:16] for (text,) in self.rows("time")]

    def covered(self, timeframe: str = "1m") -> list[Interval]:
        return self.coverage("bars", "EUR_USD", timeframe)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeOanda(now=NOW, token=TOKEN, limits=UNLIMITED).running() as vendor:
        variables = {"TAPEHOUSE_OANDA_URL": vendor.url, "OANDA_API_TOKEN": TOKEN}
        yield World(vendor, DataDir(tmp_path), Oanda, variables, NOW)


def bars(
    start: str | datetime, end: str | datetime, timeframe: str = "1m", symbol: str = "EUR_USD"
) -> Request:
    first, last = (at(each) if isinstance(each, str) else each for each in (start, end))
    return Request("bars", symbol, timeframe, first, last, {"asset_class": "fx"})


def every(step: timedelta, start: str, count: int) -> list[datetime]:
    return [at(start) + number * step for number in range(count)]


def asked(world: World) -> list[tuple[str, str]]:
    """Return the ranges that were asked for."""
    return sorted((each.params["from"], each.params["to"]) for each in world.vendor.asked)


# -- candles ---------------------------------------------------------------------------------------


def test_three_prices_are_asked_in_one_question_with_the_trading_day_spelled_out(
    world: World,
) -> None:
    world.vendor.fill("EUR_USD", "M5", [at("2026-03-09T12:00")])
    world.fetch(bars("2026-03-09T12:00", "2026-03-09T13:00", "5m"))
    (request,) = world.vendor.asked
    assert request.path == "/v3/instruments/EUR_USD/candles"
    assert request.params == {
        "price": "MBA",
        "granularity": "M5",
        "from": "2026-03-09T12:00:00Z",
        "to": "2026-03-09T12:59:59Z",
        "includeFirst": "true",
        "smooth": "false",
        "dailyAlignment": "17",
        "alignmentTimezone": "America/New_York",
    }
    assert request.header("Authorization") == f"Bearer {TOKEN}"
    assert request.header("Accept-Datetime-Format") == "RFC3339"


def test_canonical_symbols_are_spelled_with_an_underscore(world: World) -> None:
    assert world.provider().spell("EUR/USD", "fx") == "EUR_USD"


def test_values_are_landed_to_the_letter(world: World) -> None:
    body = (
        '{"instrument":"EUR_USD","granularity":"M1","candles":[{"complete":true,"volume":42,'
        '"time":"2026-03-09T12:00:00.000000000Z","mid":{"o":"1.10000","h":"1.10020","l":"1.09990",'
        '"c":"1.10010"},"bid":{"o":"1.09990","h":"1.10010","l":"1.09980","c":"1.10000"},'
        '"ask":{"o":"1.10010","h":"1.10030","l":"1.10000","c":"1.10020","x":"new"}}]}'
    )
    world.vendor.fail("/candles", Fault(200, body))
    world.land(bars("2026-03-09T12:00", "2026-03-09T12:01"))
    sides = [f"{side}_{name}" for side in ("mid", "bid", "ask") for name in PRICE_NAMES]
    assert world.rows(f"_symbol, time, complete, volume, {', '.join(sides)}, _extra") == [
        (
            *("EUR_USD", "2026-03-09T12:00:00.000000000Z", "true", "42"),
            *("1.10000", "1.10020", "1.09990", "1.10010"),
            *("1.09990", "1.10010", "1.09980", "1.10000"),
            *("1.10010", "1.10030", "1.10000", "1.10020"),
            '{"ask":{"x":"new"}}',
        )
    ]


PRICE_NAMES = ("open", "high", "low", "close")


@pytest.mark.parametrize("timeframe", ["1m", "1h"])
def test_every_candle_comes_once_over_many_windows(world: World, timeframe: str) -> None:
    granularity = GRANULARITIES[timeframe]
    step = STEPS[granularity]
    start = at("2026-03-10T18:00") - 4500 * step
    starts = [start + number * step for number in range(4500)]
    world.vendor.fill("EUR_USD", granularity, starts)
    report = world.land(bars(start, starts[-1] + step, timeframe))
    assert report.is_complete
    assert Counter(world.times()) == Counter(f"{moment:%Y-%m-%dT%H:%M}" for moment in starts)
    assert len(world.vendor.asked) in (2, 3)
    windows = [(at(first[:-1]), at(last[:-1])) for first, last in asked(world)]
    assert all(last - first < 4000 * step for first, last in windows)
    assert all(last + timedelta(seconds=1) == first for (_, last), (first, _) in pairwise(windows))


def test_the_end_is_never_in_the_vendors_future(world: World) -> None:
    world.vendor.fill("EUR_USD", "M1", every(MINUTE, "2026-03-10T18:00", 60))
    world.vendor.now = NOW - timedelta(seconds=10)  # its clock is a little behind ours
    assert world.land(bars("2026-03-10T18:00", "2026-03-11T00:00")).is_complete
    assert asked(world) == [("2026-03-10T18:00:00Z", "2026-03-10T18:34:41Z")]
    assert world.times()[-1] == "2026-03-10T18:34"
    (covered,) = world.covered()
    assert covered == Interval(at("2026-03-10T18:00"), NOW - FINALITY_LAG)


def test_a_range_that_has_not_begun_is_not_asked(world: World) -> None:
    assert world.fetch(bars(NOW - timedelta(seconds=5), NOW + HOUR)).records == ()
    assert world.vendor.asked == []


def test_a_candle_in_progress_is_asked_again_until_it_is_complete(world: World) -> None:
    world.vendor.fill("EUR_USD", "H1", every(HOUR, "2026-03-10T16:00", 3))
    request = bars("2026-03-10T16:00", "2026-03-10T19:00", "1h")
    world.land(request)
    assert world.rows("time, complete")[-1] == ("2026-03-10T18:00:00.000000000Z", "false")
    world.advance(HOUR)
    world.land(request)
    assert ("2026-03-10T18:00:00.000000000Z", "true") in world.rows("time, complete")
    (covered,) = world.covered("1h")
    assert covered.end == at("2026-03-10T19:00")


def test_a_candle_that_stays_unfinished_after_its_end_counts_as_fetched_before_it(
    world: World,
) -> None:
    """So that neither its own time nor a later confirmation makes it final."""
    world.vendor.fill("EUR_USD", "H1", every(HOUR, "2026-03-10T16:00", 2))
    late = Fault(change=lambda body: '"complete": false'.join(body.rsplit('"complete": true', 1)))
    world.vendor.fail("/candles", late, times=2)
    request = bars("2026-03-10T16:00", "2026-03-10T18:00", "1h")
    for _ in range(2):
        assert world.land(request).is_complete
        (batch,) = {fetched for (fetched,) in world.rows("_fetched_at at time zone 'UTC'")}
        assert batch == datetime(2026, 3, 10, 18)  # noqa: DTZ001 - UTC, as the lake's text says
        assert world.covered("1h")[-1].end == at("2026-03-10T17:59")
    assert world.rows("complete") == [("true",), ("false",)]
    world.land(request)
    assert world.rows("time, complete")[-1] == ("2026-03-10T17:00:00.000000000Z", "true")


@pytest.mark.parametrize(
    ("timeframe", "granularity", "start", "end"),
    [
        ("1d", "D", "2026-03-05T22:00", "2026-03-06T22:00"),
        ("1d", "D", "2026-03-08T21:00", "2026-03-09T21:00"),
        ("4h", "H4", "2026-03-06T18:00", "2026-03-06T22:00"),
        ("1m", "M1", "2026-03-06T21:59", "2026-03-06T22:00"),
    ],
)
def test_the_end_of_an_unfinished_candle(
    world: World, timeframe: str, granularity: str, start: str, end: str
) -> None:
    world.vendor.fill("EUR_USD", granularity, [at(start)])
    unfinished = Fault(change=lambda body: body.replace('"complete": true', '"complete": false'))
    world.vendor.fail("/candles", unfinished)
    first = at("2026-03-06T00:00") if timeframe == "1d" else at(start)
    request = bars(first, first + 5 * DAY if timeframe == "1d" else first + 8 * HOUR, timeframe)
    assert world.fetch(request).fetched_at == at(end)


def test_a_candle_that_is_unfinished_among_later_ones_is_put_aside(world: World) -> None:
    world.vendor.fill("EUR_USD", "H1", every(HOUR, "2026-03-10T15:00", 3))
    odd = Fault(change=lambda body: body.replace('"complete": true', '"complete": false', 1))
    world.vendor.fail("/candles", odd)
    request = bars("2026-03-10T15:00", "2026-03-10T18:00", "1h")
    report = world.land(request)
    assert (report.rows, len(report.partial)) == (2, 1)
    assert [json.loads(letter["body"])["complete"] for letter in world.dead_letters()] == [False]
    assert world.land(request).is_complete
    assert Counter(world.times())["2026-03-10T15:00"] == 1


# -- the trading day -------------------------------------------------------------------------------


def test_days_are_asked_by_the_date_of_their_session(world: World) -> None:
    """Clocks go forward on Sunday, 2026-03-08: days start at 22:00Z before, at 21:00Z after."""
    starts = [
        at("2026-03-04T22:00"),  # Thursday's session
        at("2026-03-05T22:00"),  # Friday's
        at("2026-03-08T21:00"),  # Monday's
        at("2026-03-09T21:00"),  # Tuesday's
    ]
    world.vendor.fill("EUR_USD", "D", starts)
    world.land(bars("2026-03-06T00:00", "2026-03-10T00:00", "1d"))
    assert asked(world) == [("2026-03-05T22:00:00Z", "2026-03-09T20:59:59Z")]
    assert world.times() == ["2026-03-05T22:00", "2026-03-08T21:00"]


def test_days_in_november(world: World) -> None:
    """Clocks go back on Sunday, 2026-11-01."""
    world.advance(at("2026-11-10T12:00") - NOW)
    starts = [at("2026-10-29T21:00"), at("2026-11-01T22:00"), at("2026-11-02T22:00")]
    world.vendor.fill("EUR_USD", "D", starts)
    world.land(bars("2026-10-30T00:00", "2026-11-03T00:00", "1d"))
    assert asked(world) == [("2026-10-29T21:00:00Z", "2026-11-02T21:59:59Z")]
    assert world.times() == ["2026-10-29T21:00", "2026-11-01T22:00"]


def test_the_running_day_is_asked_up_to_now(world: World) -> None:
    world.vendor.fill("EUR_USD", "D", [at("2026-03-08T21:00"), at("2026-03-09T21:00")])
    world.land(bars("2026-03-09T00:00", "2026-03-12T00:00", "1d"))
    assert asked(world) == [("2026-03-08T21:00:00Z", "2026-03-10T18:34:41Z")]
    assert world.rows("complete") == [("true",), ("false",)]
    world.advance(DAY)
    world.vendor.fill("EUR_USD", "D", [at("2026-03-10T21:00")])
    world.land(bars("2026-03-09T00:00", "2026-03-12T00:00", "1d"))
    assert ("2026-03-09T21:00:00.000000000Z", "true") in world.rows("time, complete")


def test_four_hours_are_counted_from_the_trading_day(world: World) -> None:
    """From 17:00 in New York: at 22:00Z, 02:00Z … in winter, at 21:00Z, 01:00Z … in summer."""
    winter = every(4 * HOUR, "2026-03-05T22:00", 6)
    summer = every(4 * HOUR, "2026-03-08T21:00", 6)
    world.vendor.fill("EUR_USD", "H4", [*winter, *summer])
    assert world.land(bars("2026-03-06T04:00", "2026-03-09T12:00", "4h")).is_complete
    assert asked(world) == [("2026-03-06T02:00:00Z", "2026-03-09T12:59:59Z")]
    assert world.times() == [f"{it:%Y-%m-%dT%H:%M}" for it in (*winter[1:], *summer[:4])]
    assert world.covered("4h") == [Interval(at("2026-03-06T02:00"), at("2026-03-09T13:00"))]


def test_windows_of_four_hours_meet_on_the_grid_of_the_trading_day(world: World) -> None:
    starts = [
        moment
        for moment in every(4 * HOUR, "2022-01-02T22:00", 9000)
        if moment < at("2022-03-11T22:00")
    ]
    world.vendor.fill("EUR_USD", "H4", starts)
    parts = list(world.provider().split(bars("2020-01-01T00:00", "2025-12-31T00:00", "4h")))
    assert len(parts) > 2
    assert all(first.end == second.start for first, second in pairwise(parts))
    for part in parts:
        assert part.start is not None
        assert part.start.hour % 4 in (1, 2)
    world.land(bars("2022-01-03T00:00", "2022-03-11T22:00", "4h"))
    assert Counter(world.times()) == Counter(f"{moment:%Y-%m-%dT%H:%M}" for moment in starts)


# -- instruments -----------------------------------------------------------------------------------

INSTRUMENTS: list[dict[str, Any]] = [
    {
        "name": "EUR_USD",
        "type": "CURRENCY",
        "displayName": "EUR/USD",
        "pipLocation": -4,
        "displayPrecision": 5,
        "tradeUnitsPrecision": 0,
        "minimumTradeSize": "1",
        "maximumOrderUnits": "100000000",
        "marginRate": "0.0333",
        "tags": [{"type": "ASSET_CLASS", "name": "CURRENCY"}],
    },
    {"name": "DE30_EUR", "type": "CFD", "displayName": "Germany 30"},
]


@pytest.mark.parametrize("account", ["", ACCOUNT])
def test_instruments_are_those_of_the_account(world: World, account: str) -> None:
    world.variables = {**world.variables, "OANDA_ACCOUNT_ID": account}
    world.vendor.accounts = {ACCOUNT: INSTRUMENTS, "101-004-1234567-002": []}
    report = world.land(Request("instruments"))
    assert report.is_complete
    columns = "name, type, display_name, pip_location, margin_rate, _extra"
    assert world.rows(columns, "instruments") == [
        (
            *("EUR_USD", "CURRENCY", "EUR/USD", "-4", "0.0333"),
            '{"tags":[{"type":"ASSET_CLASS","name":"CURRENCY"}]}',
        ),
        ("DE30_EUR", "CFD", "Germany 30", None, None, None),
    ]
    paths = [request.path for request in world.vendor.asked]
    assert paths == [*([] if account else ["/v3/accounts"]), f"/v3/accounts/{ACCOUNT}/instruments"]


def test_a_token_without_accounts_is_told_so(world: World) -> None:
    with pytest.raises(AccessError, match="set OANDA_ACCOUNT_ID"):
        world.fetch(Request("instruments"))


def test_an_empty_list_is_not_taken_for_the_end_of_all_instruments(world: World) -> None:
    world.vendor.accounts = {ACCOUNT: []}
    report = world.land(Request("instruments"))
    assert (report.batches, len(report.failures)) == ([], 1)
    assert [json.loads(letter["body"])["instruments"] for letter in world.dead_letters()] == [[]]


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "advice"),
    [
        (UNAUTHORIZED, AccessError, "check OANDA_API_TOKEN: a practice token"),
        (error(403, "Forbidden"), AccessError, "check OANDA_API_TOKEN"),
        (TOO_MANY, TerminalError, "correct the request"),
        (FUTURE, TerminalError, "correct the request"),
        (COUNT_TOO, TerminalError, "correct the request"),
        (error(404, "The request path is unknown"), TerminalError, "correct the request"),
    ],
)
def test_refusals_say_what_they_are_and_are_not_repeated(
    world: World, fault: Fault, kind: type[ProviderError], advice: str
) -> None:
    world.vendor.fail("/candles", fault)
    with pytest.raises(kind, match=advice) as caught:
        world.fetch(bars("2026-03-09T12:00", "2026-03-09T13:00"))
    assert type(caught.value) is kind
    assert json.loads(str(fault.body))["errorMessage"] in str(caught.value)
    assert len(world.vendor.asked) == 1


def test_an_unknown_instrument_does_not_cost_the_others(world: World) -> None:
    world.vendor.fill("EUR_USD", "M1", [at("2026-03-09T12:00")])
    with pytest.raises(UnknownSymbolError, match="Invalid value specified for 'instrument'"):
        world.fetch(bars("2026-03-09T12:00", "2026-03-09T13:00", symbol="EUR_XXX"))
    requests = [
        bars("2026-03-09T12:00", "2026-03-09T13:00", symbol=symbol)
        for symbol in ("EUR_XXX", "EUR_USD")
    ]
    report = world.land(*requests)
    assert [failure.request.symbol for failure in report.failures] == ["EUR_XXX"]
    assert world.rows("_symbol") == [("EUR_USD",)]


@pytest.mark.parametrize(
    "fault",
    [THROTTLED, error(500, "Internal Server Error"), Fault(cut_after=30), HANG_UP],
    ids=["throttled", "server error", "cut off", "hang-up"],
)
def test_a_passing_failure_costs_nothing(world: World, fault: Fault) -> None:
    world.vendor.fill("EUR_USD", "M1", [at("2026-03-09T12:00")])
    world.vendor.fail("/candles", fault, times=2)
    assert world.land(bars("2026-03-09T12:00", "2026-03-09T13:00")).is_complete
    assert world.times() == ["2026-03-09T12:00"]


@pytest.mark.parametrize(
    "body",
    [
        "<html>maintenance</html>",
        '{"instrument":"EUR_USD","granularity":"M1","candles":[',
        '{"instrument":"EUR_USD","granularity":"M1"}',
        '{"instrument":"EUR_USD","granularity":"M1","candles":{}}',
        '{"instrument":"GBP_USD","granularity":"M1","candles":[]}',
        '{"instrument":"EUR_USD","granularity":"M5","candles":[]}',
        "[]",
    ],
)
def test_unreadable_answer_is_a_dead_letter(world: World, body: str) -> None:
    world.vendor.fail("/candles", Fault(200, body))
    report = world.land(bars("2026-03-09T12:00", "2026-03-09T13:00"))
    assert (report.rows, len(report.failures)) == (0, 1)
    assert [letter["body"] for letter in world.dead_letters()] == [body]
    assert world.covered() == []


def test_a_candle_that_is_no_object_does_not_cost_its_neighbours(world: World) -> None:
    world.vendor.fill("EUR_USD", "M1", every(MINUTE, "2026-03-09T12:00", 2))
    half = Fault(change=lambda body: body.replace('"candles": [', '"candles": [[1.10], '))
    world.vendor.fail("/candles", half)
    report = world.land(bars("2026-03-09T12:00", "2026-03-09T12:02"))
    assert (report.rows, len(report.partial)) == (2, 1)
    assert [letter["body"] for letter in world.dead_letters()] == ["[1.10]"]


@pytest.mark.parametrize("timeframe", ["30m", None])
def test_timeframes_it_does_not_have_are_not_asked(world: World, timeframe: str | None) -> None:
    request = Request("bars", "EUR_USD", timeframe, NOW - DAY, NOW)
    with pytest.raises(TerminalError, match="timeframes 1m, 5m, 15m, 1h, 4h, 1d"):
        world.fetch(request)
    assert world.vendor.asked == []


def test_without_a_token_nothing_is_asked(world: World) -> None:
    world.variables = {**world.variables, "OANDA_API_TOKEN": ""}
    with pytest.raises(AccessError, match="OANDA_API_TOKEN"):
        world.fetch(bars("2026-03-09T12:00", "2026-03-09T13:00"))
    assert world.vendor.asked == []


def test_the_token_is_in_a_header_and_nowhere_else(world: World, tmp_path: Path) -> None:
    world.vendor.fail("/candles", Fault(200, f"<p>{TOKEN}</p>"))
    world.vendor.fail("/candles", error(400, f"Bearer {TOKEN} is odd"))
    request = bars("2026-03-09T12:00", "2026-03-09T13:00")
    said = [failure.error for _ in range(2) for failure in world.land(request).failures]
    assert len(said) == 2
    world.vendor.fill("EUR_USD", "M1", [at("2026-03-09T12:00")])
    world.land(request)
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) >= 2
    assert not any(TOKEN in text for text in said)
    assert not any(TOKEN.encode() in content for content in written)
    assert not any(TOKEN in each.path + str(each.params) for each in world.vendor.asked)


# -- the local vendor itself -----------------------------------------------------------------------


def test_local_vendor_behaves_as_documented(world: World) -> None:
    world.vendor.fill("EUR_USD", "H4", every(4 * HOUR, "2026-03-08T21:00", 6))

    def told(**params: str) -> str:
        async def asking() -> Any:  # noqa: ANN401
            oanda = world.provider()
            path = "/v3/instruments/EUR_USD/candles"
            try:
                return await oanda.http.get(path, {"granularity": "H4", **params}, lambda it: it)
            except ProviderError as error:
                return str(error)
            finally:
                await oanda.close()

        answer = asyncio.run(asking())
        if isinstance(answer, str):
            return answer
        return " ".join(candle["time"][11:13] for candle in answer["candles"])

    edge, inside, later = "2026-03-09T01:00:00Z", "2026-03-09T03:00:00Z", "2026-03-09T05:00:00Z"
    assert told(**{"from": inside, "to": later}) == "01 05"
    assert told(**{"from": edge, "to": later}) == "01 05"
    assert told(**{"from": edge, "to": later, "includeFirst": "false"}) == "05"
    assert "Time is in the future" in told(**{"from": edge, "to": "2026-03-11T00:00:00Z"})
    assert "count" in told(**{"from": edge, "to": later, "count": "5"})
    assert "Maximum value" in told(**{"from": "2016-03-08T21:00:00Z", "to": later})
