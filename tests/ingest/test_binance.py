"""Binance from a local vendor over real HTTP: which source is asked, and what would be landed."""

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ingest.lake import Interval
from ingest.provider import (
    AccessError,
    MalformedError,
    QuotaSpentError,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
)
from ingest.providers import binance as module
from ingest.providers.binance import Binance
from ingest.rest import RestProvider
from ingest.settings import DataDir
from tests.fake_vendors.binance import (
    INVALID_SYMBOL,
    RESTRICTED,
    TOO_MANY,
    FakeBinance,
    error,
    milliseconds,
    zipped,
)
from tests.fake_vendors.server import Fault
from tests.ingest.asking import Outcome, ask, at, made

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = at("2026-03-10T12:34:56")
MONTH = "2024-02"
ZIP = "/data/spot/monthly/klines/BTCUSDT/15m/BTCUSDT-15m-2024-02.zip"
COLUMNS = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("trade_count", "taker_base_volume", "taker_quote_volume", "unused"),
)


@pytest.fixture
def vendor() -> Iterator[FakeBinance]:
    with FakeBinance(now=NOW).running() as fake:
        yield fake


def provider(vendor: FakeBinance, now: datetime = NOW) -> RestProvider:
    urls = {"TAPEHOUSE_BINANCE_URL": vendor.url, "TAPEHOUSE_BINANCE_ARCHIVE_URL": vendor.url}
    return made(Binance, lambda: now, **urls)


def bars(
    start: datetime, end: datetime, timeframe: str = "15m", symbol: str = "BTCUSDT"
) -> Request:
    return Request("bars", symbol, timeframe, start, end)


def asked(vendor: FakeBinance, request: Request) -> Outcome:
    return ask(provider(vendor), request)


def february(vendor: FakeBinance, days: int = 29) -> Request:
    """Fill February 2024, a leap year's, with quarter-hours around it."""
    vendor.fill("BTCUSDT", "15m", at("2024-01-31T22:00:00"), 96 * days + 16)
    return bars(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00"))


def paths(vendor: FakeBinance) -> list[str]:
    return [question.path for question in vendor.asked]


# -- bars of the market-data host ------------------------------------------------------------------


def test_values_of_klines_are_landed_to_the_letter(vendor: FakeBinance) -> None:
    start = at("2026-03-10T10:00:00")
    rows = vendor.fill("BTCUSDT", "1h", start, 2)
    outcome = asked(vendor, bars(start, start + 2 * HOUR, "1h"))
    assert outcome.rows(*COLUMNS) == [tuple(row) for row in rows.values()]
    assert outcome.rows("source", "_extra") == [("klines", None)] * 2


def test_both_ends_are_sent_in_milliseconds_and_included(vendor: FakeBinance) -> None:
    start = at("2026-03-10T10:00:00")
    vendor.fill("BTCUSDT", "1h", start - 5 * HOUR, 20)
    outcome = asked(vendor, bars(start, start + 2 * HOUR, "1h"))
    (question,) = vendor.asked
    assert question.path == "/api/v3/klines"
    # 2026-03-10T10:00Z and a millisecond before 12:00Z.
    assert question.params == {
        "symbol": "BTCUSDT",
        "interval": "1h",
        "startTime": "1773136800000",
        "endTime": "1773143999999",
        "limit": "1000",
    }
    assert outcome.rows("open_time") == [("1773136800000",), ("1773140400000",)]


@pytest.mark.parametrize("timeframe", ["1h", "4h", "1d"])
def test_a_long_range_is_cut_into_windows_of_a_thousand(
    vendor: FakeBinance, timeframe: str, tmp_path: Path
) -> None:
    length = {"1h": HOUR, "4h": 4 * HOUR, "1d": DAY}[timeframe]
    start = at("2016-01-01T00:00:00") if timeframe == "1d" else at("2025-06-01T00:00:00")
    count = 2300
    rows = vendor.fill("BTCUSDT", timeframe, start, count)
    end = min(start + count * length, at("2026-03-10T00:00:00"))
    outcome = asked(vendor, bars(start, end, timeframe))
    landed = [int(time or 0) for (time,) in outcome.rows("open_time")]
    assert landed == [opened for opened in rows if opened < milliseconds(end)]
    assert len(vendor.asked) <= len(landed) // 1000 + 2
    assert outcome.coverage(DataDir(tmp_path)) == [Interval(start, end)]


def test_running_bar_is_landed_but_not_covered(vendor: FakeBinance, tmp_path: Path) -> None:
    start = at("2026-03-10T10:00:00")
    vendor.fill("BTCUSDT", "1h", start, 5)
    outcome = asked(vendor, bars(start, at("2026-03-10T15:00:00"), "1h"))
    assert len(outcome.rows("open_time")) == 3
    settled = NOW - timedelta(minutes=1)
    assert outcome.coverage(DataDir(tmp_path)) == [Interval(start, settled)]


def test_bars_off_the_grid_are_paged_through(vendor: FakeBinance) -> None:
    start = at("2026-02-01T00:00:00")
    vendor.fill("BTCUSDT", "1h", start, 700)
    vendor.fill("BTCUSDT", "1h", start + timedelta(minutes=28), 700)
    outcome = ask(provider(vendor), bars(start, start + 700 * HOUR, "1h"), split=False)
    times = [int(time or 0) for (time,) in outcome.rows("open_time")]
    assert len(times) == len(set(times))
    # The 1000th bar is at 499:28; the next question begins an hour later, behind 500:00.
    assert times[999] == milliseconds(start + timedelta(hours=499, minutes=28))
    assert times[-1] == milliseconds(start + timedelta(hours=699, minutes=28))
    assert len(times) == 1399


def test_an_answer_to_another_question_covers_nothing(vendor: FakeBinance, tmp_path: Path) -> None:
    start = at("2026-03-10T10:00:00")
    (row,) = vendor.fill("BTCUSDT", "1h", start - DAY, 1).values()
    vendor.fail("klines", Fault(body=f"[[{','.join(row)}]]"))
    outcome = asked(vendor, bars(start, start + HOUR, "1h"))
    assert not outcome.answer.is_complete
    assert outcome.coverage(DataDir(tmp_path)) == []


def test_rows_of_another_shape_are_rejected_beside_good_ones(vendor: FakeBinance) -> None:
    start = at("2026-03-10T10:00:00")
    (row,) = vendor.fill("BTCUSDT", "1h", start, 1).values()
    vendor.fail("klines", Fault(body=f'[[{",".join(row)}],[1,2],{{"a":1}},"x"]'))
    outcome = asked(vendor, bars(start, start + 2 * HOUR, "1h"))
    assert len(outcome.rows("open_time")) == 1
    assert [reject.body for reject in outcome.answer.rejects] == ["[1,2]", '{"a":1}', '"x"']
    assert not outcome.answer.is_complete


# -- archives --------------------------------------------------------------------------------------


def test_a_past_month_comes_from_its_archive(vendor: FakeBinance, tmp_path: Path) -> None:
    request = february(vendor)
    assert vendor.publish("BTCUSDT", "15m", MONTH) == ZIP
    outcome = asked(vendor, request)
    assert paths(vendor) == [f"{ZIP}.CHECKSUM", ZIP]
    assert outcome.coverage(DataDir(tmp_path)) == [
        Interval(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00"))
    ]
    times = [int(time or 0) for (time,) in outcome.rows("open_time")]
    # Quarter-hours of 29 days, from 2024-02-01T00:00Z to 2024-02-29T23:45Z.
    assert len(times) == 29 * 96
    assert (times[0], times[-1]) == (1706745600000, 1709250300000)
    assert set(outcome.rows("source", "_extra")) == {("archive", None)}


def test_values_of_archives_are_landed_to_the_letter(vendor: FakeBinance) -> None:
    row = '1706745600000,1.10,"2",,-0.0,1e-3,1706746499999,NaN,007,0.00000000,null,0'
    vendor.put_archive(ZIP, zipped("BTCUSDT-15m-2024-02.csv", f"{row}\n"))
    outcome = asked(vendor, bars(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00")))
    assert outcome.rows(*COLUMNS) == [tuple(row.split(","))]


def test_archives_from_2025_on_are_landed_in_their_microseconds(vendor: FakeBinance) -> None:
    vendor.fill("BTCUSDT", "15m", at("2024-12-01T00:00:00"), 62 * 96)
    vendor.publish("BTCUSDT", "15m", "2024-12")
    vendor.publish("BTCUSDT", "15m", "2025-01")
    request = bars(at("2024-12-01T00:00:00"), at("2025-02-01T00:00:00"))
    times = [time for (time,) in asked(vendor, request).rows("open_time")]
    assert times[31 * 96 - 1] == "1735688700000"  # 2024-12-31T23:45Z
    assert times[31 * 96] == "1735689600000000"  # 2025-01-01T00:00Z


def test_whole_months_are_archives_and_what_is_beside_them_klines(vendor: FakeBinance) -> None:
    vendor.fill("BTCUSDT", "15m", at("2023-12-30T00:00:00"), 65 * 96)
    vendor.publish("BTCUSDT", "15m", "2024-01")
    vendor.publish("BTCUSDT", "15m", MONTH)
    outcome = asked(vendor, bars(at("2023-12-31T12:00:00"), at("2024-03-01T06:00:00")))
    counts: dict[str, int] = {}
    for path in paths(vendor):
        counts[path] = counts.get(path, 0) + 1
    january = ZIP.replace("2024-02", "2024-01")
    # Half a day on one side and six hours on the other.
    assert counts == {
        "/api/v3/klines": 2,
        **dict.fromkeys((ZIP, january, f"{ZIP}.CHECKSUM", f"{january}.CHECKSUM"), 1),
    }
    times = [int(time or 0) for (time,) in outcome.rows("open_time")]
    assert times == sorted(set(times))
    assert len(times) == 48 + 31 * 96 + 29 * 96 + 24


@pytest.mark.parametrize(
    ("now", "is_archive"),
    [
        # February 2026 ends on a Saturday: it is published on Monday the 2nd, asked for on the 4th.
        ("2026-03-03T23:59:59", False),
        ("2026-03-04T00:00:00", True),
    ],
)
def test_a_month_is_asked_of_its_archive_when_it_is_due(now: str, is_archive: bool) -> None:
    binance = made(Binance, lambda: at(now))
    parts = list(binance.split(bars(at("2026-02-01T00:00:00"), at("2026-03-01T00:00:00"))))
    assert (len(parts) == 1) == is_archive
    assert parts[0].start == at("2026-02-01T00:00:00")
    assert parts[-1].end == at("2026-03-01T00:00:00")


def test_coarse_bars_are_never_asked_of_archives() -> None:
    binance = made(Binance, lambda: NOW)
    for timeframe in ("1h", "4h", "1d"):
        month = bars(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00"), timeframe)
        year = bars(at("2024-01-01T00:00:00"), at("2025-01-01T00:00:00"), timeframe)
        assert len(list(binance.split(month))) <= 2
        assert len(list(binance.split(year))) <= 10


def test_a_month_without_an_archive_is_asked_bar_by_bar(
    vendor: FakeBinance, tmp_path: Path
) -> None:
    request = february(vendor)
    outcome = asked(vendor, request)
    # 2784 bars: three answers of at most 1000.
    assert paths(vendor) == [f"{ZIP}.CHECKSUM", *["/api/v3/klines"] * 3]
    assert len(outcome.rows("open_time")) == 29 * 96
    assert set(outcome.rows("source")) == {("klines",)}
    assert outcome.coverage(DataDir(tmp_path)) == [
        Interval(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00"))
    ]


def test_a_month_before_a_pair_was_listed_costs_two_questions(vendor: FakeBinance) -> None:
    vendor.fill("BTCUSDT", "15m", at("2024-03-01T00:00:00"), 96)
    outcome = asked(vendor, bars(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00")))
    assert outcome.rows("open_time") == []
    assert outcome.answer.is_complete
    assert paths(vendor) == [f"{ZIP}.CHECKSUM", "/api/v3/klines"]


def test_an_unknown_symbol_has_no_archive_either(vendor: FakeBinance) -> None:
    february(vendor)
    failure = asked(
        vendor, bars(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00"), symbol="BTCUSD")
    ).error
    assert isinstance(failure, UnknownSymbolError)
    assert "no BTC/USD, but BTC/USDT" in str(failure)


def test_a_damaged_archive_is_asked_for_again_and_never_landed(vendor: FakeBinance) -> None:
    request = february(vendor)
    vendor.publish("BTCUSDT", "15m", MONTH)
    good = vendor.archives[ZIP]
    vendor.archives[ZIP] = good[:100] + b"\x00\x00" + good[102:]
    failure = asked(vendor, request).error
    assert isinstance(failure, RetryableError)
    assert "its CHECKSUM says" in str(failure)
    assert paths(vendor) == [f"{ZIP}.CHECKSUM", ZIP] * 2


def test_an_archive_that_was_replaced_in_between_is_read_the_second_time(
    vendor: FakeBinance,
) -> None:
    request = february(vendor)
    vendor.publish("BTCUSDT", "15m", MONTH)
    vendor.fail("CHECKSUM", Fault(body=f"{'0' * 64}  old.zip\n", content_type="text/plain"))
    assert len(asked(vendor, request).rows("open_time")) == 29 * 96


@pytest.mark.parametrize("checksum", ["", "not a checksum", "<html>hello</html>", '{"code":1}'])
def test_a_checksum_that_is_none_is_malformed(vendor: FakeBinance, checksum: str) -> None:
    request = february(vendor)
    vendor.publish("BTCUSDT", "15m", MONTH)
    vendor.fail("CHECKSUM", Fault(body=checksum, content_type="binary/octet-stream"))
    assert isinstance(asked(vendor, request).error, MalformedError)


def two_files() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("a.csv", "1\n")
        archive.writestr("b.csv", "2\n")
    return body.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"no zip at all",
        b"",
        two_files(),
        zipped("a.csv", "x")[:40],
        zipped("a.csv", b"\xff" + b",1" * 11),
        zipped("a.csv", ""),
    ],
    ids=["no zip", "nothing", "two files", "cut short", "not text", "no rows"],
)
def test_an_archive_that_cannot_be_unpacked_is_malformed(vendor: FakeBinance, body: bytes) -> None:
    vendor.put_archive(ZIP, body)
    failure = asked(vendor, bars(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00"))).error
    assert isinstance(failure, MalformedError)
    assert ZIP in str(failure)


def test_a_zip_bomb_is_not_unpacked(vendor: FakeBinance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_CSV_BYTES", 100_000)
    vendor.put_archive(ZIP, zipped("a.csv", "0" * 200_000))
    failure = asked(vendor, bars(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00"))).error
    assert isinstance(failure, MalformedError)
    assert "unpacks to more than 100000 bytes" in str(failure)


def test_lines_of_another_length_are_rejected_beside_good_ones(vendor: FakeBinance) -> None:
    good = "1706745600000,1,1,1,1,1,1706746499999,1,1,1,1,0"
    vendor.put_archive(ZIP, zipped("a.csv", f"{good}\ncut,off\n{good},more\n{good}\n"))
    outcome = asked(vendor, bars(at("2024-02-01T00:00:00"), at("2024-03-01T00:00:00")))
    assert len(outcome.rows("open_time")) == 2
    assert [reject.body for reject in outcome.answer.rejects] == ["cut,off", f"{good},more"]
    assert not outcome.answer.is_complete


# -- errors and products ---------------------------------------------------------------------------


def hour(vendor: FakeBinance) -> Request:
    start = at("2026-03-10T10:00:00")
    vendor.fill("BTCUSDT", "1h", start, 1)
    return bars(start, start + HOUR, "1h")


def test_throttling_is_waited_for(vendor: FakeBinance) -> None:
    request = hour(vendor)
    vendor.fail("klines", TOO_MANY, times=2)
    assert len(asked(vendor, request).rows("open_time")) == 1
    vendor.fail("klines", TOO_MANY, times=9)
    assert isinstance(asked(vendor, request).error, RetryableError)


BANNED_TEXT = "Way too much request weight used; IP banned until 1773150000000."


@pytest.mark.parametrize(
    ("fault", "until"),
    [
        (error(418, -1003, BANNED_TEXT, Retry_After="600"), NOW + timedelta(minutes=10)),
        (error(418, -1003, BANNED_TEXT), at("2026-03-10T13:40:00")),
        (error(418, -1003, "IP banned."), NOW + timedelta(minutes=2)),
        (Fault(418, "teapot", content_type="text/plain"), NOW + timedelta(minutes=2)),
    ],
)
def test_a_ban_stops_until_it_ends(vendor: FakeBinance, fault: Fault, until: datetime) -> None:
    request = hour(vendor)
    vendor.fail("klines", fault)
    failure = asked(vendor, request).error
    assert isinstance(failure, QuotaSpentError)
    assert failure.until == until
    assert len(vendor.asked) == 1


def test_a_restricted_location_is_told_where_to_ask(vendor: FakeBinance) -> None:
    request = hour(vendor)
    vendor.fail("klines", RESTRICTED)
    failure = asked(vendor, request).error
    assert isinstance(failure, AccessError)
    assert "https://data-api.binance.vision" in str(failure)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (INVALID_SYMBOL, UnknownSymbolError),
        (error(400, -1120, "Invalid interval."), TerminalError),
        (error(200, -1121, "Invalid symbol."), UnknownSymbolError),
        (error(200, -1000, "An unknown error occurred."), MalformedError),
        (error(503, -1001, "Internal error"), RetryableError),
        (Fault(body="{broken"), MalformedError),
        (Fault(body="<html></html>", content_type="text/html"), MalformedError),
        (Fault(cut_after=20), MalformedError),
    ],
)
def test_errors_are_told_apart(vendor: FakeBinance, fault: Fault, kind: type[Exception]) -> None:
    request = hour(vendor)
    vendor.fail("klines", fault, times=3)
    failure = asked(vendor, request).error
    assert isinstance(failure, kind)
    assert (type(failure) is kind) or kind is RetryableError


def test_a_timeframe_that_is_not_offered_is_refused(vendor: FakeBinance) -> None:
    failure = ask(provider(vendor), bars(NOW - HOUR, NOW, "30m"), split=False).error
    assert isinstance(failure, TerminalError)
    assert vendor.asked == []


def test_products_carry_base_and_quote(vendor: FakeBinance) -> None:
    vendor.list_symbol("BTC", "USDT")
    vendor.list_symbol("LUNA", "USDC", "BREAK")
    vendor.symbols.append("not a symbol")
    outcome = ask(provider(vendor), Request("products"))
    columns = ("symbol", "status", "base_asset", "quote_asset", "is_spot_trading_allowed")
    assert outcome.rows(*columns) == [
        ("BTCUSDT", "TRADING", "BTC", "USDT", "true"),
        ("LUNAUSDC", "BREAK", "LUNA", "USDC", "true"),
    ]
    (extra, *_) = outcome.rows("_extra")[0]
    assert '"tickSize":"0.01000000"' in (extra or "")
    assert not outcome.answer.is_complete


def test_no_products_at_all_are_not_believed(vendor: FakeBinance) -> None:
    assert isinstance(ask(provider(vendor), Request("products")).error, MalformedError)


def test_symbols_are_spelt_without_a_separator() -> None:
    assert made(Binance, lambda: NOW).spell("BTC/USDT", "crypto") == "BTCUSDT"
