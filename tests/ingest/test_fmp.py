"""FMP from a local vendor over real HTTP, through `backfill`, into a lake, and read back."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from ingest.http import Policy, RateLimit
from ingest.lake import Interval
from ingest.provider import (
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
from ingest.providers.fmp import Fmp
from ingest.settings import DataDir
from tests.fake_vendors import fmp as fake
from tests.fake_vendors.fmp import FakeFmp
from tests.fake_vendors.server import Fault, Limit
from tests.ingest.asking import HASTY, at
from tests.ingest.worlds import World, answers, bars

SECRET = "PLANTED7KEY"  # noqa: S105 - made up
NOW = at("2026-03-10T12:34:56")
LIST = "/stable/profile"
RAW = "historical-price-eod/non-split-adjusted"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World[FakeFmp]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeFmp(key=SECRET).running() as vendor:
        variables = {"FMP_API_KEY": SECRET, "TAPEHOUSE_FMP_URL": f"{vendor.url}/stable"}
        yield World(vendor, DataDir(tmp_path), Fmp, variables, NOW)


def asked(world: World[FakeFmp]) -> list[tuple[str, dict[str, str]]]:
    """Return the paths and parameters asked, in the order of their text."""
    questions = [(each.path, dict(each.params)) for each in world.vendor.asked]
    return sorted(questions, key=str)


def raw_day(day: str, close: str = "10.5") -> dict[str, object]:
    return {
        "symbol": "AAPL",
        "date": day,
        "adjOpen": 10.0,
        "adjHigh": 11.25,
        "adjLow": 9.5,
        "adjClose": float(close),
        "volume": 20201922.82733,
    }


def minute(label: str) -> dict[str, object]:
    return {"date": label, "open": 1.5, "low": 1.25, "high": 2, "close": 1.75, "volume": 100}


# -- bars ------------------------------------------------------------------------------------------


def test_days_are_asked_raw_with_both_ends_and_landed_to_the_letter(
    world: World[FakeFmp],
) -> None:
    world.vendor.rows[RAW, "BRK-B"] = [raw_day(f"2026-03-0{day}") for day in (2, 3, 4, 5)]
    assert world.land(bars("BRK-B", "1d", "2026-03-03", "2026-03-05")).is_complete
    params = {"symbol": "BRK-B", "from": "2026-03-03", "to": "2026-03-04"}
    assert asked(world) == [(f"/stable/{RAW}", params)]
    columns = "date, adj_open, adj_high, adj_low, adj_close, volume, open, path, _extra"
    assert world.rows(columns, "bars") == [
        (day, "10.0", "11.25", "9.5", "10.5", "20201922.82733", None, RAW, None)
        for day in ("2026-03-04", "2026-03-03")
    ]


@pytest.mark.parametrize(
    ("timeframe", "path"), [("1m", "1min"), ("5m", "5min"), ("15m", "15min"), ("1h", "1hour")]
)
def test_bars_within_the_day_are_asked_unadjusted(
    world: World[FakeFmp], timeframe: str, path: str
) -> None:
    labels = [
        "2026-03-05 15:30:00",
        "2026-03-06 09:30:00",
        "2026-03-06 15:30:00",
        "2026-03-09 09:30:00",
        "2026-03-10 09:30:00",
    ]
    world.vendor.rows[f"historical-chart/{path}", "AAPL"] = [minute(label) for label in labels]
    assert world.land(bars("AAPL", timeframe, "2026-03-06", "2026-03-10")).is_complete
    first, *others = asked(world)
    assert first[0] == f"/stable/historical-chart/{path}"
    for _, params in (first, *others):
        assert params["nonadjusted"] == "true"
    assert (first[1]["from"], [first, *others][-1][1]["to"]) == ("2026-03-06", "2026-03-09")
    assert sorted(world.rows("date, open, adj_open, path", "bars")) == [
        (label, "1.5", None, f"historical-chart/{path}") for label in labels[1:4]
    ]


def test_long_ranges_are_cut_into_windows_that_meet(world: World[FakeFmp]) -> None:
    labels = [f"{date(2025, 1, 1) + timedelta(days=n)} 09:30:00" for n in range(434)]
    world.vendor.rows["historical-chart/15min", "AAPL"] = [minute(label) for label in labels]
    world.land(bars("AAPL", "15m", "2025-01-01", "2026-03-10"))
    days = sorted((params["from"], params["to"]) for _, params in asked(world))
    assert len(days) == 9
    assert days[0][0] == "2025-01-01"
    assert days[-1][1] == "2026-03-09"
    for (_, last), (first, _) in pairwise(days):
        assert date.fromisoformat(first) == date.fromisoformat(last) + timedelta(days=1)
    assert sorted(world.rows("date", "bars")) == [(label,) for label in labels[:433]]


def test_history_beyond_a_free_key_does_not_cost_the_last_five_years(
    world: World[FakeFmp],
) -> None:
    world.vendor.rows[RAW, "AAPL"] = [raw_day("2020-03-02"), raw_day("2026-03-02")]
    world.vendor.fail("from=2019", fake.PREMIUM_PARAMETER)
    report = world.land(bars("AAPL", "1d", "2019-12-01", "2026-03-10"))
    # 1,800 days before 10 March 2026 is 5 April 2021.
    starts = sorted(params["from"] for _, params in asked(world) if "from" in params)
    assert starts[0] == "2019-12-01"
    assert "2021-04-05" in starts
    (failure,) = report.failures
    assert "the plan of this key does not include it" in failure.error
    assert ("2026-03-02",) in world.rows("date", "bars")
    assert world.coverage("bars", "AAPL", "1d")[-1].end > at("2026-03-01")


def test_half_past_nine_is_compared_as_new_york_reads_it(world: World[FakeFmp]) -> None:
    """It is 14:30 UTC on the Friday and 13:30 UTC on the Monday after clocks went forward."""
    labels = ["2026-03-06 09:30:00", "2026-03-09 09:30:00"]
    world.vendor.rows["historical-chart/1min", "AAPL"] = [minute(label) for label in labels]
    world.land(bars("AAPL", "1m", "2026-03-06T14:30", "2026-03-06T14:31"))
    world.land(bars("AAPL", "1m", "2026-03-09T13:30", "2026-03-09T13:31"))
    world.land(bars("AAPL", "1m", "2026-03-09T14:30", "2026-03-09T14:31"))
    assert world.rows("date", "bars") == [(label,) for label in labels]


def test_rows_that_are_odd_cost_nothing_else(world: World[FakeFmp]) -> None:
    body = '["gone", {"date": "no date", "adjClose": 1.10}, {"date": null}]'
    world.vendor.fail(RAW, Fault(body=body))
    report = world.land(bars("AAPL", "1d", "2026-03-03", "2026-03-05"))
    assert not report.is_complete
    assert world.rows("date, adj_close", "bars") == [("no date", "1.10"), (None, None)]
    assert [letter["body"] for letter in world.dead_letters()] == ['"gone"']


def test_a_range_without_bars_of_a_known_symbol_is_an_empty_answer(
    world: World[FakeFmp],
) -> None:
    world.vendor.rows[RAW, "AAPL"] = [raw_day("2026-03-06")]
    report = world.land(bars("AAPL", "1d", "2026-03-02", "2026-03-06"))
    assert (report.is_complete, report.rows) == (True, 0)
    assert world.coverage("bars", "AAPL", "1d") == [Interval(at("2026-03-02"), at("2026-03-06"))]


def test_nothing_of_a_symbol_that_is_not_there_is_no_success(world: World[FakeFmp]) -> None:
    """The vendor answers `[]` to either; whether it knows the symbol is asked once."""
    report = world.land(bars("NOPE", "15m", "2023-03-02", "2026-03-06"))
    assert "FMP has no bars of 'NOPE': correct the symbol" in report.failures[0].error
    assert report.failures[0].is_terminal
    assert world.coverage("bars", "NOPE", "15m") == []
    paths = [path for path, _ in asked(world)]
    assert paths.count("/stable/profile") == 1
    assert len(paths) <= 10, "not all of the 19 windows are asked"


def test_where_the_plan_has_no_profiles_nothing_is_an_empty_answer(world: World[FakeFmp]) -> None:
    world.vendor.fail("profile", fake.RESTRICTED)
    assert world.land(bars("NOPE", "1d", "2026-03-02", "2026-03-06")).is_complete


def sessions(first: date, count: int) -> list[date]:
    days = (first + timedelta(days=number) for number in range(2 * count))
    return [day for day in days if day.isoweekday() < 6][:count]


@pytest.mark.parametrize("most_rows", [1000, 1250])
def test_rows_that_an_answer_had_no_room_for_are_asked_for(
    world: World[FakeFmp], most_rows: int
) -> None:
    """How many rows an answer may have is not documented. The range is one whole window."""
    world.variables["TAPEHOUSE_FMP_PER_MINUTE"] = "300"
    days = sessions(date(2019, 12, 20), 1303)
    world.vendor.rows[RAW, "AAPL"] = [raw_day(f"{day}") for day in days]
    world.vendor.most_rows = most_rows
    assert world.land(bars("AAPL", "1d", "2019-12-20", "2024-12-18")).is_complete
    assert sorted(world.rows("date", "bars")) == [(f"{day}",) for day in days]


def test_minutes_that_an_answer_had_no_room_for_are_asked_for(world: World[FakeFmp]) -> None:
    """Cut off in the middle of a day: that day is asked for whole."""
    labels = [
        f"2026-03-0{day} {9 + (30 + n) // 60:02}:{(30 + n) % 60:02}:00"
        for day in (2, 3, 4)
        for n in range(390)
    ]
    world.vendor.rows["historical-chart/1min", "AAPL"] = [minute(label) for label in labels]
    world.vendor.most_rows = 1000
    assert world.land(bars("AAPL", "1m", "2026-03-02", "2026-03-05")).is_complete
    assert sorted(world.rows("date", "bars")) == [(label,) for label in labels]


def test_windows_of_minutes_have_no_more_rows_than_others(world: World[FakeFmp]) -> None:
    world.vendor.rows[RAW, "AAPL"] = []
    world.land(bars("AAPL", "1m", "2026-02-02", "2026-03-02"))
    for _, params in asked(world):
        if "from" in params:
            first, last = (date.fromisoformat(params[name]) for name in ("from", "to"))
            assert last - first <= timedelta(days=2)


def test_a_listing_within_a_long_range_is_asked_about_once_more(world: World[FakeFmp]) -> None:
    world.variables["TAPEHOUSE_FMP_PER_MINUTE"] = "300"
    days = sessions(date(2020, 6, 8), 1100)
    world.vendor.rows[RAW, "NEW"] = [raw_day(f"{day}") for day in days]
    report = world.land(bars("NEW", "1d", "2019-12-20", "2024-12-18"))
    assert (report.is_complete, report.rows) == (True, len(days))
    ranges = [(params["from"], params["to"]) for _, params in asked(world)]
    assert ranges == [("2019-12-20", "2020-06-08"), ("2019-12-20", "2024-12-17")]


@pytest.mark.parametrize(
    "request_",
    [
        bars("AAPL", "4h", "2026-03-01", "2026-03-02"),
        bars("BTCUSD", "1d", "2026-03-01", "2026-03-02", "crypto"),
        Request("bars", "AAPL", "1d", params={"asset_class": "equity"}),
        Request("splits"),
        Request("cash_flows"),
    ],
    ids=str,
)
def test_an_incomplete_question_fails_alone_and_is_never_sent(
    world: World[FakeFmp], request_: Request
) -> None:
    with pytest.raises(TerminalError, match="complete the request"):
        world.fetch(request_)
    assert world.vendor.asked == []


# -- errors ----------------------------------------------------------------------------------------

TRIES = HASTY.attempts


@pytest.mark.parametrize(
    ("fault", "kind", "tries"),
    [
        (fake.BAD_KEY, AccessError, 1),
        (fake.BAD_KEY_IN_A_GOOD_ANSWER, AccessError, 1),
        (fake.FORBIDDEN, AccessError, 1),
        (fake.PREMIUM_PARAMETER, EntitlementError, 1),
        (fake.RESTRICTED, EntitlementError, 1),
        (fake.EXCLUSIVE, EntitlementError, 1),
        (fake.SPECIAL, EntitlementError, 1),
        (fake.LEGACY, EntitlementError, 1),
        (fake.LIMIT, QuotaSpentError, 1),
        (fake.LIMIT_IN_A_GOOD_ANSWER, QuotaSpentError, 1),
        (fake.BANDWIDTH, QuotaSpentError, 1),
        (fake.UNKNOWN, RetryableError, TRIES),
        (fake.error(500, "Internal error"), RetryableError, TRIES),
        (fake.error(429, "Slow down"), RetryableError, TRIES),
        (fake.error(400, "Bad request"), TerminalError, 1),
        (Fault(body="{}"), MalformedError, 1),
        (Fault(body="<html></html>", content_type="text/html"), MalformedError, 1),
        (Fault(body="[{"), MalformedError, 1),
    ],
    ids=[
        "bad key",
        "bad key, status 200",
        "forbidden",
        "premium parameter",
        "restricted endpoint",
        "exclusive endpoint",
        "special endpoint",
        "legacy endpoint",
        "limit",
        "limit, status 200",
        "bandwidth",
        "unknown, status 200",
        "server error",
        "another 429",
        "bad request",
        "object",
        "page",
        "cut off",
    ],
)
def test_every_refusal_means_what_it_means(
    world: World[FakeFmp], fault: Fault, kind: type[ProviderError], tries: int
) -> None:
    world.vendor.fail("splits", fault, times=TRIES)
    with pytest.raises(ProviderError) as raised:
        world.fetch(Request("splits", "AAPL"))
    assert isinstance(raised.value, kind)
    assert isinstance(raised.value, TerminalError) == issubclass(kind, TerminalError)
    assert len(world.vendor.asked) == tries


@pytest.mark.parametrize(
    ("fault", "until"),
    [
        # Midnight in New York, in summer time since 8 March.
        (fake.LIMIT, at("2026-03-11T04:00")),
        (fake.BANDWIDTH, NOW + timedelta(days=30)),
    ],
    ids=["day", "30 days"],
)
def test_a_used_up_quota_says_until_when(
    world: World[FakeFmp], fault: Fault, until: object
) -> None:
    world.vendor.fail("splits", fault)
    with pytest.raises(QuotaSpentError) as raised:
        world.fetch(Request("splits", "AAPL"))
    assert raised.value.until == until


def test_the_limit_of_a_paid_plan_passes_within_the_minute(world: World[FakeFmp]) -> None:
    world.vendor.rows["profile", "AAPL"] = [{"symbol": "AAPL"}]
    world.vendor.fail("splits", fake.LIMIT, times=2)
    answer = world.fetch(Request("splits", "AAPL"), TAPEHOUSE_FMP_PER_MINUTE="300")
    assert answer.is_complete
    assert [each.path for each in world.vendor.asked].count("/stable/splits") == 3


def test_what_one_symbol_is_refused_does_not_cost_the_others(world: World[FakeFmp]) -> None:
    for name in ("AAPL", "MSFT"):
        world.vendor.rows[RAW, name] = [raw_day("2026-03-03")]
    world.vendor.fail("symbol=PAID", fake.PREMIUM_PARAMETER)
    names = ("AAPL", "PAID", "MSFT", "NOPE")
    report = world.land(*(bars(name, "1d", "2026-03-03", "2026-03-05") for name in names))
    errors = {failure.request.symbol: failure.error for failure in report.failures}
    assert errors.keys() == {"PAID", "NOPE"}
    assert "the plan of this key does not include it" in errors["PAID"]
    assert sorted(world.rows("_symbol", "bars")) == [("AAPL",), ("MSFT",)]


def test_without_a_key_nothing_is_sent(world: World[FakeFmp]) -> None:
    with pytest.raises(AccessError, match="needs FMP_API_KEY"):
        world.fetch(Request("splits", "AAPL"), FMP_API_KEY="")
    assert world.vendor.asked == []


def test_the_key_is_in_a_header_and_nowhere_else(
    world: World[FakeFmp], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    world.vendor.rows[RAW, "AAPL"] = [raw_day("2026-03-03")]
    world.vendor.fail("symbol=BAD", fake.error(401, f"Invalid API KEY {SECRET}."))
    world.vendor.fail("symbol=ODD", Fault(body=f'["{SECRET}"]'))
    world.vendor.fail("symbol=CUT", Fault(body=f'[{{"{SECRET}'))
    names = ("AAPL", "ODD", "CUT", "BAD")
    failures = []
    for name in names:
        failures += world.land(bars(name, "1d", "2026-03-03", "2026-03-05")).failures
        assert all(SECRET not in str(each.params) for each in world.vendor.asked)
    assert len(failures) == 2
    assert all(SECRET not in failure.error for failure in failures)
    assert [letter["body"] for letter in world.dead_letters()][-1] == '[{"***'
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("ingest")]
    assert not [message for message in ours if SECRET in message]
    assert world.bytes_with("AAPL")  # what is searched can be found


# -- limits ----------------------------------------------------------------------------------------


def test_a_paid_plan_is_named_by_its_requests_a_minute(
    world: World[FakeFmp], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Policy] = []
    monkeypatch.setattr("ingest.rest.HttpClient", lambda *_, policy, **__: used.append(policy))
    world.policy = None
    world.provider()
    world.provider(TAPEHOUSE_FMP_PER_MINUTE="300")
    free, plan = used
    assert RateLimit(250, per_seconds=86400) in free.limits
    assert plan.limits == (RateLimit(300, per_seconds=60),)


def test_the_vendors_limit_is_never_met(world: World[FakeFmp]) -> None:
    world.vendor.limits = (Limit(3, 0.1),)
    world.policy = Policy(limits=(RateLimit(3, per_seconds=0.1),), attempts=1)
    for number in range(9):
        world.vendor.rows["splits", f"S{number}"] = [{"date": "2020-08-31"}]
    report = world.land(*(Request("splits", f"S{number}") for number in range(9)))
    assert report.is_complete
    assert report.asked == 9
    assert world.vendor.throttled_count == 0


def test_a_day_used_up_by_the_vendors_count_ends_the_run(world: World[FakeFmp]) -> None:
    world.vendor.limits = (Limit(2, 86400),)
    for name in ("A", "B", "C"):
        world.vendor.rows["splits", name] = [{"date": "2020-08-31"}]
    report = world.land(*(Request("splits", name) for name in ("A", "B", "C")))
    (failure,) = report.failures
    assert not failure.is_terminal
    assert world.vendor.throttled_count == 1


# -- corporate actions, statements, profiles -------------------------------------------------------


def test_splits_and_dividends_are_landed(world: World[FakeFmp]) -> None:
    world.vendor.rows["splits", "AAPL"] = [
        {"symbol": "AAPL", "date": "2020-08-31", "numerator": 4, "denominator": 1}
    ]
    world.vendor.rows["dividends", "AAPL"] = [
        {
            "symbol": "AAPL",
            "date": "2020-08-07",
            "recordDate": "2020-08-10",
            "paymentDate": "2020-08-13",
            "declarationDate": "",
            "adjDividend": 0.205,
            "dividend": 0.82,
            "yield": 0.7,
            "frequency": "Quarterly",
        }
    ]
    world.land(Request("splits", "AAPL"))
    assert asked(world) == [("/stable/splits", {"symbol": "AAPL"})]
    world.land(Request("dividends", "AAPL"))
    assert asked(world) == [("/stable/dividends", {"symbol": "AAPL"})]
    assert world.rows("symbol, date, numerator, denominator, _extra", "splits") == [
        ("AAPL", "2020-08-31", "4", "1", None)
    ]
    columns = "date, dividend, adj_dividend, declaration_date, frequency, _extra"
    assert world.rows(columns, "dividends") == [
        ("2020-08-07", "0.82", "0.205", "", "Quarterly", None)
    ]


INCOME = {
    "date": "2025-09-27",
    "symbol": "AAPL",
    "reportedCurrency": "USD",
    "cik": "0000320193",
    "filingDate": "2025-10-31",
    "acceptedDate": "2025-10-31 06:01:26",
    "fiscalYear": "2025",
    "period": "FY",
    "revenue": 1000.50,
    "interestExpense": 0,
    "netIncome": None,
    "link": "https://example.com/10-k",
}


def test_a_free_key_asks_for_yearly_statements_alone(world: World[FakeFmp]) -> None:
    world.vendor.is_free = True
    world.vendor.rows["income-statement/annual", "AAPL"] = [INCOME]
    assert world.land(Request("income_statements", "AAPL")).is_complete
    assert asked(world) == [
        ("/stable/income-statement", {"symbol": "AAPL", "period": "annual", "limit": "5"})
    ]
    columns = "symbol, date, period, fiscal_year, filing_date, accepted_date, items, _extra"
    assert world.rows(columns, "income_statements") == [
        (
            *("AAPL", "2025-09-27", "FY", "2025", "2025-10-31", "2025-10-31 06:01:26"),
            '{"revenue":1000.5,"interestExpense":0,"netIncome":null}',
            '{"link":"https://example.com/10-k"}',
        )
    ]


@pytest.mark.parametrize(
    ("dataset", "path"),
    [
        ("income_statements", "income-statement"),
        ("balance_sheets", "balance-sheet-statement"),
        ("cash_flows", "cash-flow-statement"),
    ],
)
def test_a_paid_plan_asks_for_every_statement(
    world: World[FakeFmp], dataset: str, path: str
) -> None:
    world.variables = {**world.variables, "TAPEHOUSE_FMP_PER_MINUTE": "300"}
    for period in ("annual", "quarter"):
        world.vendor.rows[f"{path}/{period}", "AAPL"] = [INCOME]
    assert world.land(Request(dataset, "AAPL")).is_complete
    assert asked(world) == [
        (f"/stable/{path}", {"symbol": "AAPL", "period": period, "limit": "400"})
        for period in ("annual", "quarter")
    ]


@pytest.mark.parametrize("dataset", ["splits", "dividends", "income_statements"])
def test_nothing_of_a_symbol_is_told_from_no_such_symbol(
    world: World[FakeFmp], dataset: str
) -> None:
    world.vendor.rows["profile", "BRK-B"] = [{"symbol": "BRK-B"}]
    report = world.land(Request(dataset, "BRK-B"), Request(dataset, "NOPE"))
    assert [entry.symbol for batch in report.batches for entry in batch.entries] == ["BRK-B"]
    (failure,) = report.failures
    assert failure.request.symbol == "NOPE"
    assert failure.error.endswith("FMP has nothing of 'NOPE': correct the symbol")


def test_what_a_plan_refuses_is_not_asked_again_every_run(world: World[FakeFmp]) -> None:
    world.vendor.is_free = True
    world.vendor.rows[RAW, "AAPL"] = [raw_day("2026-03-03")]
    request = bars("AAPL", "1d", "2016-01-01", "2026-03-10")
    for _ in range(2):
        assert len(world.land(request).failures) == 2
        world.advance(timedelta(hours=1))
    questions = []
    for _ in range(3):
        world.advance(timedelta(days=1))
        report = world.land(request)
        questions.append([each.params["to"] for each in world.vendor.asked if each.path != LIST])
        assert (len(report.refused), report.failures) == (2, [])
    assert questions == [["2026-03-09"]] * 3, "the newest days, as they may be revised"
    assert len(world.land(request, force=True).failures) == 2
    world.variables = {**world.variables, "TAPEHOUSE_FMP_PER_MINUTE": "300"}
    world.vendor.is_free = False
    assert world.land(request).is_complete


def test_a_profile_is_landed_with_all_it_says(world: World[FakeFmp]) -> None:
    world.vendor.rows["profile", "AAPL"] = [
        {
            "symbol": "AAPL",
            "price": 232.80,
            "companyName": "Example Inc.",
            "exchange": "NASDAQ",
            "exchangeFullName": "NASDAQ Global Select",
            "fullTimeEmployees": "164000",
            "ipoDate": "1980-12-12",
            "isEtf": False,
            "isActivelyTrading": True,
            "somethingNew": 1.50,
        }
    ]
    world.land(Request("company_profiles", "AAPL"))
    assert asked(world) == [("/stable/profile", {"symbol": "AAPL"})]
    columns = (
        "symbol, price, company_name, exchange, exchange_full_name, full_time_employees, ipo_date,"
        " is_etf, is_actively_trading, _extra"
    )
    assert world.rows(columns, "company_profiles") == [
        (
            *("AAPL", "232.8", "Example Inc.", "NASDAQ", "NASDAQ Global Select", "164000"),
            *("1980-12-12", "false", "true", '{"somethingNew":1.5}'),
        )
    ]


def test_no_profile_is_an_unknown_symbol(world: World[FakeFmp]) -> None:
    with pytest.raises(UnknownSymbolError, match="no profile of 'NOPE'"):
        world.fetch(Request("company_profiles", "NOPE"))


# -- anything at all -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        bars("AAPL", "1d", "2026-03-05", "2026-03-06"),
        Request("splits", "AAPL"),
        Request("income_statements", "AAPL", params={"period": "annual"}),
        Request("company_profiles", "AAPL"),
    ],
    ids=lambda request: request.dataset,
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=answers("date", "adjClose", "Error Message", "error", "period", "symbol"))
def test_any_answer_is_read_or_explained(
    world: World[FakeFmp], request_: Request, body: str
) -> None:
    world.check_any_answer(request_, body)
