"""Alpha Vantage from a local vendor over real HTTP, through `backfill`, into a lake, and back."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ingest.http import Policy, RateLimit
from ingest.lake import Interval
from ingest.provider import (
    TIMEFRAMES,
    AccessError,
    EntitlementError,
    MalformedError,
    ProviderError,
    QuotaSpentError,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
)
from ingest.providers.alpha_vantage import AlphaVantage
from ingest.settings import DataDir, Environment
from tests.fake_vendors import alpha_vantage as fake
from tests.fake_vendors.alpha_vantage import FakeAlphaVantage, row
from tests.fake_vendors.server import UNLIMITED, Fault, Limit
from tests.ingest.asking import HASTY, at
from tests.ingest.worlds import World, answers, bars

SECRET = "PLANTED7KEY"  # noqa: S105 - made up
NOW = at("2026-03-10T12:34:56")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World[FakeAlphaVantage]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeAlphaVantage(key=SECRET, limits=UNLIMITED).running() as vendor:
        variables = {
            "ALPHA_VANTAGE_API_KEY": SECRET,
            "TAPEHOUSE_ALPHA_VANTAGE_URL": vendor.url,
        }
        yield World(vendor, DataDir(tmp_path), AlphaVantage, variables, NOW)


def asked(world: World[FakeAlphaVantage]) -> list[dict[str, str]]:
    """Return what was asked, without the key that each question has."""
    for each in world.vendor.asked:
        assert each.params["apikey"] == SECRET
    return [{k: v for k, v in each.params.items() if k != "apikey"} for each in world.vendor.asked]


def by_start(questions: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(questions, key=lambda each: sorted(each.items()))


def days(first: date, last: date) -> dict[str, Any]:
    """Return rows of every weekday from the first to the last."""
    dates = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return {f"{d}": row("10.0", "11.0", "9.0", "10.5", "100") for d in dates if d.isoweekday() < 6}


# -- bars: questions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "key", "expected"),
    [
        (
            bars("IBM", "5m", "2026-03-02", "2026-03-04"),
            ("equity", "IBM", "5min"),
            {
                "function": "TIME_SERIES_INTRADAY",
                "symbol": "IBM",
                "interval": "5min",
                "month": "2026-03",
                "outputsize": "full",
                "adjusted": "false",
                "extended_hours": "false",
            },
        ),
        (
            bars("BRK-B", "1d", "2026-03-02", "2026-03-04"),
            ("equity", "BRK-B", "daily"),
            {"function": "TIME_SERIES_DAILY", "symbol": "BRK-B", "outputsize": "compact"},
        ),
        (
            bars("BTC/EUR", "1h", "2026-03-02", "2026-03-10", "crypto"),
            ("crypto", "BTC/EUR", "60min"),
            {
                "function": "CRYPTO_INTRADAY",
                "symbol": "BTC",
                "market": "EUR",
                "interval": "60min",
                "outputsize": "full",
            },
        ),
        (
            bars("BTC/EUR", "1d", "2026-03-02", "2026-03-04", "crypto"),
            ("crypto", "BTC/EUR", "daily"),
            {"function": "DIGITAL_CURRENCY_DAILY", "symbol": "BTC", "market": "EUR"},
        ),
        (
            bars("EUR/USD", "1m", "2026-03-10T11:00", "2026-03-10T12:00", "fx"),
            ("fx", "EUR/USD", "1min"),
            {
                "function": "FX_INTRADAY",
                "from_symbol": "EUR",
                "to_symbol": "USD",
                "interval": "1min",
                "outputsize": "compact",
            },
        ),
    ],
    ids=["stock 5m", "stock 1d", "crypto 1h", "crypto 1d", "fx 1m"],
)
def test_each_kind_of_bar_is_asked_by_its_function(
    world: World[FakeAlphaVantage],
    request_: Request,
    key: tuple[str, str, str],
    expected: dict[str, str],
) -> None:
    world.vendor.rows[key] = {}
    assert world.land(request_).is_complete
    assert asked(world) == [expected]


def test_stocks_within_the_day_are_asked_by_month_and_each_bar_comes_once(
    world: World[FakeAlphaVantage],
) -> None:
    labels = [
        "2025-12-31 15:55:00",
        "2026-01-14 15:55:00",
        "2026-01-15 09:30:00",
        "2026-01-30 15:55:00",
        "2026-02-02 09:30:00",
        "2026-03-04 15:55:00",
        "2026-03-05 09:30:00",
    ]
    rows = {label: row("1.10", "1.20", "1.00", "1.15", "7") for label in labels}
    world.vendor.rows["equity", "IBM", "5min"] = rows
    report = world.land(bars("IBM", "5m", "2026-01-15", "2026-03-05"))
    assert report.is_complete
    assert sorted(each["month"] for each in asked(world)) == ["2026-01", "2026-02", "2026-03"]
    assert sorted(world.rows("time", "bars")) == [(label,) for label in labels[2:6]]
    assert world.coverage("bars", "IBM", "5m") == [
        Interval(at("2026-01-15"), at("2026-03-05")),
    ]


def test_a_day_in_summer_and_one_in_winter_begin_at_midnight_utc(
    world: World[FakeAlphaVantage],
) -> None:
    """The range is compared with New York's wall clock: 09:30 is 14:30 UTC, then 13:30."""
    labels = ["2026-03-06 09:30:00", "2026-03-09 09:30:00"]
    world.vendor.rows["equity", "IBM", "1min"] = dict.fromkeys(labels, row("1", "1", "1", "1", "1"))
    world.land(bars("IBM", "1m", "2026-03-06T14:30", "2026-03-06T14:31"))
    world.land(bars("IBM", "1m", "2026-03-09T13:30", "2026-03-09T13:31"))
    world.land(bars("IBM", "1m", "2026-03-09T14:30", "2026-03-09T14:31"))
    assert world.rows("time", "bars") == [(label,) for label in labels]


def test_what_only_a_paid_key_may_ask_does_not_cost_the_newest_hundred_rows(
    world: World[FakeAlphaVantage],
) -> None:
    world.vendor.is_free = True
    world.vendor.rows["equity", "IBM", "daily"] = days(date(2025, 1, 1), date(2026, 3, 10))
    report = world.land(bars("IBM", "1d", "2025-01-01", "2026-03-10"))
    assert {each["outputsize"] for each in asked(world)} == {"compact", "full"}
    (failure,) = report.failures
    assert failure.is_terminal
    assert "the plan of this key does not include it" in failure.error
    # 139 days before 10 March 2026 is 22 October 2025, a Wednesday.
    assert failure.request.end == at("2025-10-22")
    assert world.coverage("bars", "IBM", "1d")[0].start == at("2025-10-22")
    times = world.rows("time", "bars")
    assert min(times) == ("2025-10-22",)
    assert len(times) == 99  # to 9 March, the last day of the range


def test_a_paid_key_gets_all_and_the_range_is_cut_from_it(world: World[FakeAlphaVantage]) -> None:
    world.vendor.rows["equity", "IBM", "daily"] = days(date(2024, 12, 2), date(2026, 3, 10))
    assert world.land(bars("IBM", "1d", "2025-01-01", "2025-01-08")).is_complete
    (question,) = asked(world)
    assert question["outputsize"] == "full"
    assert sorted(world.rows("time", "bars")) == [(f"2025-01-{day:02}",) for day in (1, 2, 3, 6, 7)]


def test_newest_rows_that_do_not_reach_back_are_a_part_of_the_answer(
    world: World[FakeAlphaVantage],
) -> None:
    """Should there be rows on weekends too, a hundred reach less far than 20 weeks."""
    labels = [f"{date(2025, 10, 1) + timedelta(days=number)}" for number in range(160)]
    world.vendor.rows["equity", "IBM", "daily"] = dict.fromkeys(
        labels, row("1", "1", "1", "1", "1")
    )
    report = world.land(bars("IBM", "1d", "2025-10-22", "2026-03-10"))
    assert [entry.status for batch in report.batches for entry in batch.entries] == ["partial"]
    assert world.coverage("bars", "IBM", "1d") == []


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (bars("BTC/USD", "5m", "2026-01-01", "2026-03-10", "crypto"), "last 29 days"),
        (bars("EUR/USD", "1h", "2026-01-01", "2026-03-10", "fx"), "last 29 days"),
        (bars("BTC/USD", "1d", "2024-01-01", "2026-03-10", "crypto"), "last 340 days"),
    ],
    ids=["crypto 5m", "fx 1h", "crypto 1d"],
)
def test_what_lies_before_all_that_the_vendor_has_is_said_and_never_asked(
    world: World[FakeAlphaVantage], request_: Request, expected: str
) -> None:
    interval = {"5m": "5min", "1h": "60min", "1d": "daily"}[str(request_.timeframe)]
    asset_class = request_.params["asset_class"]
    world.vendor.rows[asset_class, str(request_.symbol), interval] = {}
    report = world.land(request_)
    (failure,) = report.failures
    assert expected in failure.error
    assert failure.is_terminal
    assert len(asked(world)) == 1
    assert len(world.coverage("bars", str(request_.symbol), request_.timeframe)) == 1


@pytest.mark.parametrize(
    "request_",
    [
        bars("IBM", "4h", "2026-03-01", "2026-03-02"),
        bars("IBM", "1d", "2026-03-01", "2026-03-02", "bond"),
        bars("BTC", "1d", "2026-03-01", "2026-03-02", "crypto"),
        bars("BTC/USD", "1d", "2026-03-01", "2026-03-02"),
        Request("bars", "IBM", "1d", params={"asset_class": "equity"}),
        Request("bars", None, "1d", at("2026-03-01"), at("2026-03-02"), {"asset_class": "equity"}),
        Request("splits"),
        Request("company_overviews"),
        Request("balance_sheets"),
        Request("news_sentiment", "IBM"),
    ],
    ids=str,
)
def test_an_incomplete_question_fails_alone_and_is_never_sent(
    world: World[FakeAlphaVantage], request_: Request
) -> None:
    with pytest.raises(TerminalError, match="complete the request"):
        world.fetch(request_)
    assert asked(world) == []


# -- bars: values ----------------------------------------------------------------------------------


def test_values_are_landed_to_the_letter_by_the_text_of_their_keys(
    world: World[FakeAlphaVantage],
) -> None:
    world.vendor.rows["equity", "IBM", "daily"] = {
        "2026-03-05": row("10.0000", "10.10", "9.9", "10.0500", "1200"),
        "2026-03-06": {
            "1. open": "1",
            "2. high": "2",
            "3. low": "0.5",
            "4. close": "1.5",
            "5. adjusted close": "0.12345678901234567",
            "6. volume": "600",
        },
    }
    world.vendor.rows["crypto", "BTC/USD", "daily"] = {
        "2026-03-06": row("60000.10", "60001.00", "59999.99", "60000.50", 12345678)
    }
    label = "2026-03-06 13:00:00"
    world.vendor.rows["fx", "EUR/USD", "60min"] = {label: row("1.1", "1.2", "1.0", "1.15")}
    for symbol, asset_class in (("IBM", "equity"), ("BTC/USD", "crypto")):
        world.land(bars(symbol, "1d", "2026-03-02", "2026-03-08", asset_class))
    world.land(bars("EUR/USD", "1h", "2026-03-02", "2026-03-08", "fx"))
    columns = "time, open, high, low, close, volume, asset_class, function, time_zone, _extra"
    assert world.rows(columns, "bars") == [
        (
            *("2026-03-06", "1", "2", "0.5", "1.5", "600"),
            *("equity", "TIME_SERIES_DAILY", "US/Eastern"),
            '{"adjusted close":"0.12345678901234567"}',
        ),
        (
            *("2026-03-05", "10.0000", "10.10", "9.9", "10.0500", "1200"),
            *("equity", "TIME_SERIES_DAILY", "US/Eastern", None),
        ),
        (
            *("2026-03-06", "60000.10", "60001.00", "59999.99", "60000.50", "12345678"),
            *("crypto", "DIGITAL_CURRENCY_DAILY", "UTC", None),
        ),
        (label, "1.1", "1.2", "1.0", "1.15", None, "fx", "FX_INTRADAY", "UTC", None),
    ]


def test_days_of_currencies_are_left_to_other_providers(world: World[FakeAlphaVantage]) -> None:
    """They end at midnight UTC, hours after the session they would be taken for."""
    world.vendor.rows["fx", "EUR/USD", "daily"] = {"2026-03-06": row("1.1", "1.2", "1.0", "1.15")}
    with pytest.raises(TerminalError, match="one of the timeframes 1m, 5m, 15m, 1h"):
        world.fetch(bars("EUR/USD", "1d", "2026-03-02", "2026-03-08", "fx"))
    assert asked(world) == []


def test_a_row_whose_time_cannot_be_read_is_landed(world: World[FakeAlphaVantage]) -> None:
    world.vendor.rows["equity", "IBM", "daily"] = {
        "2026-03-05": row("1", "1", "1", "1", "1"),
        "2026-02-30": row("2", "2", "2", "2", "2"),
    }
    assert world.land(bars("IBM", "1d", "2026-03-05", "2026-03-06")).is_complete
    assert sorted(world.rows("time, open", "bars")) == [("2026-02-30", "2"), ("2026-03-05", "1")]


def test_a_row_that_is_no_object_is_a_dead_letter_and_its_neighbours_land(
    world: World[FakeAlphaVantage],
) -> None:
    world.vendor.rows["equity", "IBM", "daily"] = {
        "2026-03-05": row("1", "1", "1", "1", "1"),
        "2026-03-06": "closed",  # type: ignore[dict-item]
    }
    report = world.land(bars("IBM", "1d", "2026-03-05", "2026-03-07"))
    assert not report.is_complete
    assert world.rows("time", "bars") == [("2026-03-05",)]
    assert [letter["body"] for letter in world.dead_letters()] == ['{"2026-03-06":"closed"}']


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"Meta Data":{"2. Symbol":"AAPL"},"Time Series (Daily)":{}}', "about AAPL"),
        ('{"Meta Data":{"2. Symbol":"IBM"}}', "not enough values"),
        ('{"Time Series (Daily)":{}}', "Meta Data"),
        ("[]", "expected an object"),
        ('{"Meta Data":{"2. Symbol":"IBM"},"Time Series (Daily)":[]}', "expected an object"),
        (
            '{"Meta Data":{"2. Symbol":"IBM"},"Time Series (Daily)":{"x":{"1. a":"1","2. a":"2"}}}',
            "the same key twice",
        ),
        ("<html><body>Sorry</body></html>", "could not be read"),
    ],
    ids=["another symbol", "no series", "no meta", "array", "rows array", "doubled key", "html"],
)
def test_an_answer_of_another_shape_is_a_dead_letter(
    world: World[FakeAlphaVantage], body: str, reason: str
) -> None:
    world.vendor.fail("function", Fault(body=body))
    with pytest.raises(MalformedError, match=reason):
        world.fetch(bars("IBM", "1d", "2026-03-05", "2026-03-06"))


def test_nothing_at_all_of_a_symbol_is_no_success(world: World[FakeAlphaVantage]) -> None:
    world.vendor.fail("function", Fault(body="{}"))
    (failure,) = world.land(bars("NOPE", "1d", "2026-03-02", "2026-03-06")).failures
    assert failure.is_terminal
    assert "Alpha Vantage has no bars of 'NOPE': correct the symbol" in failure.error
    assert world.coverage("bars", "NOPE", "1d") == []


def test_a_month_without_bars_of_a_known_symbol_is_an_empty_answer(
    world: World[FakeAlphaVantage],
) -> None:
    world.vendor.rows["equity", "IBM", "daily"] = days(date(2026, 3, 2), date(2026, 3, 4))
    world.vendor.rows["equity", "IBM", "5min"] = {}
    world.vendor.fail("month", Fault(body="{}"))
    assert world.land(bars("IBM", "5m", "2026-03-02", "2026-03-06")).is_complete
    assert world.coverage("bars", "IBM", "5m") == [Interval(at("2026-03-02"), at("2026-03-06"))]


def test_a_month_before_the_listing_costs_only_itself(world: World[FakeAlphaVantage]) -> None:
    """The vendor calls it an invalid call, as it does an unknown symbol."""
    world.vendor.rows["equity", "NEW", "daily"] = days(date(2026, 2, 2), date(2026, 3, 4))
    labels = ["2026-02-02 09:30:00", "2026-03-04 15:55:00"]
    world.vendor.rows["equity", "NEW", "5min"] = dict.fromkeys(labels, row("1", "1", "1", "1", "1"))
    for month in ("2025-11", "2025-12", "2026-01"):
        world.vendor.fail(f"month={month}", fake.INVALID_CALL)
    report = world.land(bars("NEW", "5m", "2025-11-01", "2026-03-06"))
    assert sorted(world.rows("time", "bars")) == [(label,) for label in labels]
    errors = {f"{each.request.start:%Y-%m}": each.error for each in report.failures}
    assert sorted(errors) == ["2025-11", "2025-12", "2026-01"]
    for month, error in errors.items():
        assert f"nothing of NEW in {month}: start later" in error
    assert not report.not_asked
    confirming = [each for each in asked(world) if each["function"] == "TIME_SERIES_DAILY"]
    assert confirming == [
        {"function": "TIME_SERIES_DAILY", "symbol": "NEW", "outputsize": "compact"}
    ]


def test_months_of_an_unknown_symbol_are_not_all_asked(world: World[FakeAlphaVantage]) -> None:
    report = world.land(bars("NOPE", "5m", "2020-01-01", "2026-03-06"))
    assert "no such symbol" in report.failures[0].error
    assert report.not_asked.total() + len(report.failures) == 75
    assert len(asked(world)) <= 10


def test_what_was_asked_lately_is_asked_again_as_it_may_be_unfinished(
    world: World[FakeAlphaVantage],
) -> None:
    """A day of crypto stands still until the midnight after: it counts a day later."""
    world.vendor.rows["crypto", "BTC/USD", "daily"] = {
        "2026-03-09": row("1", "1", "1", "1", 1000),
        "2026-03-10": row("1", "1", "1", "1", 3),
    }
    request = bars("BTC/USD", "1d", "2026-03-01", "2026-03-12", "crypto")
    assert world.land(request).asked == 1
    assert world.coverage("bars", "BTC/USD", "1d")[-1].end == NOW - timedelta(days=1)
    world.vendor.rows["crypto", "BTC/USD", "daily"]["2026-03-10"] = row("1", "2", "1", "2", 990)
    world.now += timedelta(days=1)
    world.land(request)
    assert ("2026-03-10", "990") in world.rows("time, volume", "bars")
    world.now += timedelta(days=10)
    world.land(request)
    assert world.coverage("bars", "BTC/USD", "1d")[-1].end == at("2026-03-12")
    assert world.land(request).asked == 0


# -- errors ----------------------------------------------------------------------------------------

TRIES = HASTY.attempts


@pytest.mark.parametrize(
    ("fault", "kind", "tries"),
    [
        (fake.BAD_KEY, AccessError, 1),
        (fake.BAD_KEY_AS_INFORMATION, AccessError, 1),
        (fake.DEMO, AccessError, 1),
        (fake.INVALID_CALL, UnknownSymbolError, 1),
        (fake.INVALID_INPUTS, UnknownSymbolError, 1),
        (fake.PREMIUM_ENDPOINT, EntitlementError, 1),
        (fake.PREMIUM_FEATURE, EntitlementError, 1),
        (fake.per_day(SECRET), QuotaSpentError, 1),
        (fake.LEGACY_NOTE, RetryableError, TRIES),
        (fake.BURST, RetryableError, TRIES),
        (fake.MINUTE_LEVEL, RetryableError, TRIES),
        (fake.BURST_PATTERN, RetryableError, TRIES),
        (fake.UNKNOWN, RetryableError, TRIES),
    ],
    ids=[
        "bad key",
        "bad key as information",
        "demo key",
        "invalid call",
        "invalid inputs",
        "premium endpoint",
        "premium feature",
        "per day",
        "legacy note",
        "per second",
        "minute level",
        "burst",
        "unknown",
    ],
)
@pytest.mark.parametrize("dataset", ["balance_sheets", "splits"])
def test_every_error_text_means_what_it_means_in_json_and_in_tables(
    world: World[FakeAlphaVantage],
    fault: Fault,
    kind: type[ProviderError],
    tries: int,
    dataset: str,
) -> None:
    world.vendor.fail("function", fault, times=TRIES)
    with pytest.raises(ProviderError) as raised:
        world.fetch(Request(dataset, "IBM"))
    assert isinstance(raised.value, kind)
    assert isinstance(raised.value, TerminalError) == issubclass(kind, TerminalError)
    assert len(asked(world)) == tries
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("fault", [fake.LEGACY_NOTE, fake.BURST, fake.UNKNOWN])
def test_a_passing_refusal_costs_nothing(world: World[FakeAlphaVantage], fault: Fault) -> None:
    world.vendor.rows["equity", "IBM", "daily"] = days(date(2026, 3, 2), date(2026, 3, 4))
    world.vendor.fail("function", fault, times=2)
    assert world.land(bars("IBM", "1d", "2026-03-02", "2026-03-05")).rows == 3


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-01-10T23:00", "2026-01-11T05:00"),
        ("2026-03-11T03:59", "2026-03-11T04:00"),
        # The day in New York that has 23 hours.
        ("2026-03-08T05:30", "2026-03-09T04:00"),
    ],
)
def test_a_used_up_day_ends_at_midnight_in_new_york(
    world: World[FakeAlphaVantage], now: str, until: str
) -> None:
    world.now = at(now)
    world.vendor.fail("function", fake.per_day(SECRET))
    with pytest.raises(QuotaSpentError) as raised:
        world.fetch(Request("splits", "IBM"))
    assert raised.value.until == at(until)


def test_one_bad_symbol_does_not_cost_the_others(world: World[FakeAlphaVantage]) -> None:
    for symbol in ("IBM", "MSFT"):
        world.vendor.rows["equity", symbol, "daily"] = days(date(2026, 3, 2), date(2026, 3, 4))
    names = ("IBM", "NOPE", "MSFT")
    report = world.land(*(bars(name, "1d", "2026-03-02", "2026-03-05") for name in names))
    (failure,) = report.failures
    assert failure.request.symbol == "NOPE"
    assert "no such symbol" in failure.error
    assert sorted(world.rows("_symbol, count(*) over (partition by _symbol)", "bars")) == (
        [("IBM", 3)] * 3 + [("MSFT", 3)] * 3
    )
    assert len(asked(world)) == 3


def test_without_a_key_nothing_is_sent(world: World[FakeAlphaVantage]) -> None:
    with pytest.raises(AccessError, match="needs ALPHA_VANTAGE_API_KEY"):
        world.fetch(Request("splits", "IBM"), ALPHA_VANTAGE_API_KEY="")
    assert world.vendor.asked == []


def test_the_key_is_nowhere_but_in_the_questions(
    world: World[FakeAlphaVantage], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    world.vendor.rows["equity", "IBM", "daily"] = days(date(2026, 3, 2), date(2026, 3, 4))
    world.vendor.fail("symbol=BAD", fake.per_day(SECRET))
    world.vendor.fail(
        "symbol=HTML", Fault(body=f"<p>apikey={SECRET}</p>", content_type="text/html")
    )
    world.vendor.fail("symbol=ODD", Fault(body=f'{{"Meta Data": "{SECRET}"}}'))
    names = ("IBM", "BAD", "HTML", "ODD")
    report = world.land(*(bars(name, "1d", "2026-03-02", "2026-03-05") for name in names))
    assert len(report.failures) == 3
    assert report.rows == 3
    assert len(world.dead_letters()) == 2
    assert all(SECRET not in failure.error for failure in report.failures)
    assert world.bytes_with(SECRET) == []
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("ingest")]
    assert not [message for message in ours if SECRET in message]
    assert world.bytes_with("IBM")  # what is searched can be found


# -- limits ----------------------------------------------------------------------------------------


def test_a_free_key_is_asked_once_a_second_and_25_times_a_day() -> None:
    assert AlphaVantage.policy.limits == (
        RateLimit(1, per_seconds=1),
        RateLimit(25, per_seconds=86400),
    )


@pytest.mark.parametrize(("paid", "per_second"), [("75", 2), (" 1200 ", 20), ("30", 1)])
def test_a_paid_plan_is_named_by_its_requests_a_minute(
    world: World[FakeAlphaVantage], monkeypatch: pytest.MonkeyPatch, paid: str, per_second: int
) -> None:
    used: list[Policy] = []
    monkeypatch.setattr("ingest.rest.HttpClient", lambda *_, policy, **__: used.append(policy))
    world.policy = None
    world.provider()
    world.provider(TAPEHOUSE_ALPHA_VANTAGE_PER_MINUTE=paid)
    free, plan = used
    assert free == AlphaVantage.policy
    assert plan.limits == (
        RateLimit(per_second, per_seconds=1),
        RateLimit(int(paid), per_seconds=60),
    )


@pytest.mark.parametrize("text", ["many", "0", "-1", "7.5"])
def test_a_plan_that_is_no_number_is_refused_by_its_name(
    world: World[FakeAlphaVantage], text: str
) -> None:
    world.policy = None
    with pytest.raises(ValueError, match="TAPEHOUSE_ALPHA_VANTAGE_PER_MINUTE is "):
        world.provider(TAPEHOUSE_ALPHA_VANTAGE_PER_MINUTE=text)


def test_the_vendors_limit_is_never_met(world: World[FakeAlphaVantage]) -> None:
    world.vendor.limits = (Limit(3, 0.1),)
    world.policy = Policy(limits=(RateLimit(3, per_seconds=0.1),), attempts=1)
    names = [f"S{number}" for number in range(9)]
    for name in names:
        world.vendor.tables["SPLITS", name] = "effective_date,split_factor\n2020-06-01,2.0000\n"
    report = world.land(*(Request("splits", name) for name in names))
    assert report.rows == 9
    assert world.vendor.throttled_count == 0


def test_a_day_used_up_by_the_vendors_count_ends_the_run(world: World[FakeAlphaVantage]) -> None:
    world.vendor.limits = (Limit(2, 86400),)
    for name in ("A", "B", "C"):
        world.vendor.tables["SPLITS", name] = "effective_date,split_factor\n2020-06-01,2.0000\n"
    report = world.land(*(Request("splits", name) for name in ("A", "B", "C")))
    assert report.rows == 2
    (failure,) = report.failures
    assert not failure.is_terminal
    assert world.vendor.throttled_count == 1


# -- corporate actions, statements, companies, listings --------------------------------------------


def test_splits_and_dividends_are_tables(world: World[FakeAlphaVantage]) -> None:
    world.vendor.tables["SPLITS", "IBM"] = (
        "effective_date,split_factor\r\n2021-11-04,1.0460\r\n1999-05-27,2.0000\r\n"
    )
    world.vendor.tables["DIVIDENDS", "IBM"] = (
        "ex_dividend_date,declaration_date,record_date,payment_date,amount\n"
        "2026-02-10,2026-01-27,2026-02-10,2026-03-10,1.68\n"
        "1970-02-05,None,None,None,0.0325\n"
    )
    world.land(Request("splits", "IBM"))
    assert asked(world) == [{"function": "SPLITS", "symbol": "IBM", "datatype": "csv"}]
    world.land(Request("dividends", "IBM"))
    assert asked(world) == [{"function": "DIVIDENDS", "symbol": "IBM", "datatype": "csv"}]
    assert world.rows("effective_date, split_factor, _symbol, _extra", "splits") == [
        ("2021-11-04", "1.0460", "IBM", None),
        ("1999-05-27", "2.0000", "IBM", None),
    ]
    columns = "ex_dividend_date, declaration_date, record_date, payment_date, amount"
    assert world.rows(columns, "dividends") == [
        ("2026-02-10", "2026-01-27", "2026-02-10", "2026-03-10", "1.68"),
        ("1970-02-05", "None", "None", "None", "0.0325"),
    ]


@pytest.mark.parametrize("text", ["{}", "effective_date,split_factor\n"])
def test_a_company_without_splits_is_an_empty_answer(
    world: World[FakeAlphaVantage], text: str
) -> None:
    world.vendor.tables["SPLITS", "IBM"] = text
    world.vendor.rows["equity", "IBM", "daily"] = {"2026-03-05": row("1", "1", "1", "1", "1")}
    report = world.land(Request("splits", "IBM"))
    assert report.is_complete
    assert report.rows == 0


@pytest.mark.parametrize("dataset", ["splits", "dividends", "income_statements"])
def test_nothing_of_a_symbol_is_told_from_no_such_symbol(
    world: World[FakeAlphaVantage], dataset: str
) -> None:
    (failure,) = world.land(Request(dataset, "NOPE")).failures
    assert failure.error.endswith("Alpha Vantage has nothing of 'NOPE': correct the symbol")
    world.advance(timedelta(hours=1))
    assert len(world.land(Request(dataset, "NOPE")).failures) == 1, "it may have been a mistake"
    assert world.land(Request(dataset, "NOPE")).asked == 0


def test_a_line_of_another_length_is_a_dead_letter_and_its_neighbours_land(
    world: World[FakeAlphaVantage],
) -> None:
    world.vendor.tables["SPLITS", "IBM"] = (
        "effective_date,split_factor\n2021-11-04\n\n1999-05-27,2.0000\n"
    )
    report = world.land(Request("splits", "IBM"))
    assert not report.is_complete
    assert world.rows("effective_date", "splits") == [("1999-05-27",)]
    assert [letter["body"] for letter in world.dead_letters()] == ["2021-11-04"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "date,factor\n2020-01-01,2\n",
        'effective_date,"split',
        # A body that was cut off: 20.0000 would be read as 2.
        "effective_date,split_factor\r\n2021-11-04,1.5\r\n1999-05-27,2",
        "effective_date,split_factor",
        "effective_date,split_factor,split_factor\n2021-11-04,1.5,2.5\n",
    ],
)
def test_another_table_is_malformed(world: World[FakeAlphaVantage], text: str) -> None:
    world.vendor.tables["SPLITS", "IBM"] = text
    with pytest.raises(MalformedError):
        world.fetch(Request("splits", "IBM"))


@pytest.mark.parametrize(
    ("dataset", "function"),
    [
        ("income_statements", "INCOME_STATEMENT"),
        ("balance_sheets", "BALANCE_SHEET"),
        ("cash_flows", "CASH_FLOW"),
    ],
)
def test_statements_are_landed_by_period_with_their_amounts_in_one_text(
    world: World[FakeAlphaVantage], dataset: str, function: str
) -> None:
    world.vendor.objects[function, "IBM"] = {
        "symbol": "IBM",
        "annualReports": [
            {"fiscalDateEnding": "2025-12-31", "reportedCurrency": "USD", "a": "1.50", "b": "None"}
        ],
        "quarterlyReports": [
            {"fiscalDateEnding": "2025-12-31", "reportedCurrency": "None", "a": "0"},
            "gone",
        ],
    }
    report = world.land(Request(dataset, "IBM"))
    assert asked(world) == [{"function": function, "symbol": "IBM"}]
    assert not report.is_complete
    columns = "symbol, period_type, fiscal_date_ending, reported_currency, items, _extra"
    assert world.rows(columns, dataset) == [
        ("IBM", "annual", "2025-12-31", "USD", '{"a":"1.50","b":"None"}', None),
        ("IBM", "quarterly", "2025-12-31", "None", '{"a":"0"}', None),
    ]
    assert [letter["body"] for letter in world.dead_letters()] == ['"gone"']


def test_a_fund_without_statements_is_an_empty_answer(world: World[FakeAlphaVantage]) -> None:
    world.vendor.rows["equity", "SPY", "daily"] = {"2026-03-05": row("1", "1", "1", "1", "1")}
    report = world.land(Request("income_statements", "SPY"))
    assert report.is_complete
    assert report.rows == 0


def test_an_overview_is_landed_with_its_figures_in_one_text(
    world: World[FakeAlphaVantage],
) -> None:
    world.vendor.objects["OVERVIEW", "BRK-B"] = {
        "Symbol": "BRK-B",
        "AssetType": "Common Stock",
        "Name": "Example Holdings Inc.",
        "CIK": "1067983",
        "Exchange": "NYSE",
        "Currency": "USD",
        "MarketCapitalization": "1000",
        "PERatio": "None",
        "52WeekHigh": "10.50",
    }
    world.land(Request("company_overviews", "BRK-B"))
    assert asked(world) == [{"function": "OVERVIEW", "symbol": "BRK-B"}]
    assert world.rows("symbol, name, cik, sector, figures, _extra", "company_overviews") == [
        (
            *("BRK-B", "Example Holdings Inc.", "1067983", None),
            '{"MarketCapitalization":"1000","PERatio":"None","52WeekHigh":"10.50"}',
            None,
        )
    ]


def test_no_overview_is_an_unknown_symbol(world: World[FakeAlphaVantage]) -> None:
    with pytest.raises(UnknownSymbolError, match="no overview of 'NOPE'"):
        world.fetch(Request("company_overviews", "NOPE"))


LISTED = "symbol,name,exchange,assetType,ipoDate,delistingDate,status\n"


def test_listed_and_delisted_are_two_questions_and_one_answer(
    world: World[FakeAlphaVantage],
) -> None:
    world.vendor.tables["LISTING_STATUS", "active"] = (
        f'{LISTED}BF-B,"Brown, Example",NYSE,Stock,1990-01-02,null,Active\n'
        "ZVZZT,,NASDAQ,Stock,null,null,Active\n"
    )
    world.vendor.tables["LISTING_STATUS", "delisted"] = (
        f"{LISTED}OLD,Old Inc,NYSE,Stock,1999-01-04,2020-06-30,Delisted\n"
    )
    report = world.land(Request("listings"))
    assert report.is_complete
    assert report.asked == 1
    assert asked(world) == [
        {"function": "LISTING_STATUS", "state": "delisted"},
        {"function": "LISTING_STATUS", "state": "active"},
    ]
    columns = "symbol, name, exchange, asset_type, ipo_date, delisting_date, status"
    assert world.rows(columns, "listings") == [
        ("OLD", "Old Inc", "NYSE", "Stock", "1999-01-04", "2020-06-30", "Delisted"),
        ("BF-B", "Brown, Example", "NYSE", "Stock", "1990-01-02", "null", "Active"),
        ("ZVZZT", "", "NASDAQ", "Stock", "null", "null", "Active"),
    ]


@pytest.mark.parametrize("delisted", [LISTED, "{}"])
def test_half_a_list_is_not_taken_for_the_end_of_the_other_half(
    world: World[FakeAlphaVantage], delisted: str
) -> None:
    world.vendor.tables["LISTING_STATUS", "active"] = f"{LISTED}A,A,NYSE,Stock,null,null,Active\n"
    world.vendor.tables["LISTING_STATUS", "delisted"] = delisted
    report = world.land(Request("listings"))
    assert not report.is_complete
    assert report.batches == []


# -- news ------------------------------------------------------------------------------------------


def article(published: datetime, number: int = 0) -> dict[str, Any]:
    return {
        "title": f"Title {number}",
        "url": f"https://news.example/{published:%Y%m%dT%H%M%S}/{number}",
        "time_published": f"{published:%Y%m%dT%H%M%S}",
        "authors": ["A. Writer"],
        "summary": "…",
        "source": "Example",
        "topics": [{"topic": "Earnings", "relevance_score": "0.5"}],
        "overall_sentiment_score": 0.25,
        "overall_sentiment_label": "Somewhat-Bullish",
        "ticker_sentiment": [
            {
                "ticker": "IBM",
                "relevance_score": "0.9",
                "ticker_sentiment_score": "0.10",
                "ticker_sentiment_label": "Neutral",
            }
        ],
    }


def news(symbol: str, start: str, end: str, asset_class: str = "equity") -> Request:
    params = {"asset_class": asset_class}
    return Request("news_sentiment", symbol, None, at(start), at(end), params)


@pytest.mark.parametrize(
    ("symbol", "asset_class", "ticker"),
    [
        ("BRK-B", "equity", "BRK-B"),
        ("BTC/USD", "crypto", "CRYPTO:BTC"),
        ("EUR/USD", "fx", "FOREX:EUR"),
    ],
)
def test_news_are_asked_by_ticker_and_minute(
    world: World[FakeAlphaVantage], symbol: str, asset_class: str, ticker: str
) -> None:
    world.vendor.articles[ticker] = [
        article(at(moment), number)
        for number, moment in enumerate(
            (
                "2026-03-01T23:59:59",
                "2026-03-02T00:00:00",
                "2026-03-02T12:29:59",
                "2026-03-02T12:30",
            )
        )
    ]
    report = world.land(news(symbol, "2026-03-02", "2026-03-02T12:30", asset_class))
    assert report.is_complete
    assert asked(world) == [
        {
            "function": "NEWS_SENTIMENT",
            "tickers": ticker,
            "time_from": "20260302T0000",
            "time_to": "20260302T1230",
            "sort": "EARLIEST",
            "limit": "1000",
        }
    ]
    columns = "title, time_published, overall_sentiment_score, ticker_sentiment"
    scores = (
        '[{"ticker":"IBM","relevance_score":"0.9","ticker_sentiment_score":"0.10",'
        '"ticker_sentiment_label":"Neutral"}]'
    )
    assert world.rows(columns, "news_sentiment") == [
        ("Title 1", "20260302T000000", "0.25", scores),
        ("Title 2", "20260302T122959", "0.25", scores),
    ]


def test_no_articles_is_an_empty_answer(world: World[FakeAlphaVantage]) -> None:
    report = world.land(news("IBM", "2026-03-02", "2026-03-03"))
    assert report.is_complete
    assert report.rows == 0


def test_where_the_limit_comes_back_each_half_is_asked(world: World[FakeAlphaVantage]) -> None:
    """2,600 articles, one a minute: each half of the hour-rounded range is still too many."""
    start = at("2026-03-02T00:00")
    world.vendor.articles["IBM"] = [
        article(start + timedelta(minutes=number), number) for number in range(2600)
    ]
    report = world.land(news("IBM", "2026-03-02", "2026-03-03T20:00"))
    assert report.is_complete
    asked_ranges = [(each["time_from"], each["time_to"]) for each in asked(world)]
    assert asked_ranges == [
        ("20260302T0000", "20260303T2000"),
        ("20260302T0000", "20260302T2200"),
        ("20260302T0000", "20260302T1100"),
        ("20260302T1100", "20260302T2200"),
        ("20260302T2200", "20260303T2000"),
        ("20260302T2200", "20260303T0900"),
        ("20260303T0900", "20260303T2000"),
    ]
    titles = world.rows("title", "news_sentiment")
    assert titles == [(f"Title {number}",) for number in range(2600)]


def test_more_than_the_limit_in_one_minute_is_a_part_of_the_answer(
    world: World[FakeAlphaVantage],
) -> None:
    world.vendor.articles["IBM"] = [article(at("2026-03-02T00:01:30"), n) for n in range(1001)]
    report = world.land(news("IBM", "2026-03-02T00:00", "2026-03-02T00:04"))
    assert [entry.status for batch in report.batches for entry in batch.entries] == ["partial"]
    assert report.rows == 1000
    assert world.coverage("news_sentiment", "IBM", None) == []


def test_an_article_that_is_no_object_is_a_dead_letter(world: World[FakeAlphaVantage]) -> None:
    world.vendor.fail("NEWS_SENTIMENT", Fault(body='{"items":"1","feed":["gone"]}'))
    report = world.land(news("IBM", "2026-03-02", "2026-03-03"))
    assert not report.is_complete
    assert [letter["body"] for letter in world.dead_letters()] == ['"gone"']


# -- windows ---------------------------------------------------------------------------------------


@given(
    asset_class=st.sampled_from(["equity", "crypto", "fx"]),
    timeframe=st.sampled_from(["1m", "5m", "15m", "1h", "1d"]),
    start=st.datetimes(datetime(2015, 1, 1), datetime(2026, 3, 12), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    length=st.timedeltas(timedelta(0), timedelta(days=900)),
)
def test_windows_join_up_and_each_is_of_one_month(
    asset_class: str, timeframe: str, start: datetime, length: timedelta
) -> None:
    provider = AlphaVantage(Environment({}), lambda: NOW)
    assume(timeframe in provider.datasets["bars"].timeframes_of(asset_class))
    params = {"asset_class": asset_class}
    request = Request("bars", "A/B", timeframe, start, start + length, params)
    windows = [(w.start, w.end) for w in provider.split(request) if w.start and w.end]
    step = TIMEFRAMES[timeframe]
    assert all(first < last for first, last in windows)
    assert all(one[1] == other[0] for one, other in pairwise(windows))
    if asset_class == "equity" and timeframe != "1d":
        instant = timedelta(microseconds=1)
        assert all(f"{a:%Y-%m}" == f"{b - instant:%Y-%m}" for a, b in windows)
    if windows:
        assert windows[0][0] <= start < windows[0][0] + step
        assert windows[-1][1] - step < min(start + length, NOW) <= windows[-1][1]
    else:
        assert length == timedelta(0) or start >= NOW


# -- anything at all -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        bars("IBM", "1d", "2026-03-05", "2026-03-06"),
        Request("splits", "IBM"),
        Request("income_statements", "IBM"),
        Request("company_overviews", "IBM"),
        Request("news_sentiment", "IBM", None, at("2026-03-05"), at("2026-03-06")),
    ],
    ids=lambda request: request.dataset,
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=answers(
        "Meta Data",
        "Time Series (Daily)",
        "1. open",
        "2. Symbol",
        "Information",
        "annualReports",
        "quarterlyReports",
        "feed",
        "time_published",
    )
)
def test_any_answer_is_read_or_explained(
    world: World[FakeAlphaVantage], request_: Request, body: str
) -> None:
    world.check_any_answer(request_, body)
