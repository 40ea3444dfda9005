"""What a run asks for and lands: only what is missing, whoever fails, however it is stopped."""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ingest.backfill
from ingest.backfill import Ask, Step, backfill, land_all
from ingest.clock import iso
from ingest.lake import Batch, Interval, Lake, Loader, Readied
from ingest.locks import LockedError, exclusive
from ingest.provider import (
    AccessError,
    Answer,
    EntitlementError,
    MalformedError,
    ProviderError,
    QuotaSpentError,
    Reject,
    Request,
    RetryableError,
    TerminalError,
    UnavailableError,
    UnknownSymbolError,
)
from ingest.providers import simulator
from ingest.providers.simulator import Simulator
from ingest.records import decode_json, to_table
from ingest.settings import PROJECT_ROOT, DataDir
from tests.ingest.scripted import (
    BARS,
    DAY,
    HOUR,
    LATER,
    LIST,
    MINUTE,
    SECRET,
    T0,
    Now,
    Vendor,
    asking,
    files,
    landed,
    minute,
    run,
    spans,
)

# -- what is asked ---------------------------------------------------------------------------------


def test_only_what_is_missing_is_asked(vendor: Vendor, lake: Lake) -> None:
    run(vendor, lake, asking(T0 + HOUR, T0 + 2 * HOUR))
    vendor.asked.clear()
    report = run(vendor, lake, asking(T0, T0 + 4 * HOUR))
    expected = [Interval(T0 + n * HOUR, T0 + (n + 1) * HOUR) for n in (0, 2, 3)]
    assert spans(vendor.asked) == expected
    assert (report.asked, report.rows, report.is_complete) == (3, 180, True)
    assert run(vendor, lake, asking(T0, T0 + 4 * HOUR)).asked == 0
    starts = Counter(row["start"] for row in landed(lake))
    assert starts == Counter(iso(minute(n)) for n in range(240))


@settings(deadline=None, max_examples=10)
@given(
    ranges=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), min_size=1, max_size=4),
    failing=st.sets(st.integers(0, 18), max_size=6),
)
def test_after_any_failures_each_minute_is_landed_exactly_once(
    ranges: list[tuple[int, int]], failing: set[int]
) -> None:
    now = Now()
    wanted = [asking(T0 + a * HOUR, T0 + (a + length) * HOUR) for a, length in ranges]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(DataDir(Path(folder)), now)
        vendor = Vendor(now, failing={T0 + n * HOUR: RetryableError("later") for n in failing})
        for request in wanted:
            run(vendor, lake, request)
        vendor.failing.clear()
        for request in wanted:
            assert run(vendor, lake, request).is_complete
        hours = {n for a, length in ranges for n in range(a, a + length)}
        starts = Counter(row["start"] for row in landed(lake))
        assert starts == Counter(iso(minute(60 * h + m)) for h in hours for m in range(60))


def test_force_asks_for_everything_again(vendor: Vendor, lake: Lake) -> None:
    request = asking(T0, T0 + 2 * HOUR)
    run(vendor, lake, request)
    report = run(vendor, lake, request, force=True)
    assert (report.asked, report.rows, report.confirmed) == (2, 0, 2)


def test_partial_answers_are_asked_for_again(vendor: Vendor, lake: Lake) -> None:
    vendor.partial = True
    assert run(vendor, lake, asking()).rows == 60
    assert lake.ledger("vendor", "bars").coverage("A", "1m") == []
    vendor.partial = False
    report = run(vendor, lake, asking())
    assert (report.asked, report.rows, report.confirmed) == (1, 0, 1)
    assert run(vendor, lake, asking()).asked == 0


def test_extracts_are_asked_for_each_time(lake: Lake, now: Now) -> None:
    market = Simulator(now)
    reports = [run(market, lake, Request("instruments")) for _ in range(2)]
    assert [(report.asked, report.confirmed) for report in reports] == [(1, 0), (1, 1)]


def test_what_is_not_final_is_asked_for_again(vendor: Vendor, lake: Lake, now: Now) -> None:
    vendor.dataset = replace(BARS, finality_lag=10 * MINUTE)
    request = asking(T0, T0 + 2 * HOUR)
    now.at = T0 + HOUR
    run(vendor, lake, request)
    vendor.asked.clear()
    now.at = T0 + 3 * HOUR
    assert run(vendor, lake, request).finality_lag == 10 * MINUTE
    assert spans(vendor.asked)[0].start == T0 + HOUR - 10 * MINUTE


def test_revision_window_is_asked_for_again(vendor: Vendor, lake: Lake, now: Now) -> None:
    vendor.dataset = replace(BARS, revision_window=2 * HOUR)
    now.at = T0 + DAY
    run(vendor, lake, asking(T0, now.at))
    for pause in (HOUR, 9 * DAY):
        before, now.at = now.at, now.at + pause
        vendor.asked.clear()
        run(vendor, lake, asking(T0, now.at))
        assert spans(vendor.asked)[0].start == before - 2 * HOUR
    now.at += 9 * DAY
    assert run(vendor, lake, asking(T0, T0 + DAY)).asked == 0


def test_bar_that_was_open_is_asked_for_again(lake: Lake, now: Now) -> None:
    """Rows of the first run are the bar so far; later ones must bring the finished bar."""
    market, symbol = Simulator(now), simulator.SYMBOLS[0]
    start = simulator.START
    final = to_table(
        asyncio.run(market.fetch(Request("bars", symbol, "1m", start, start + HOUR))).records,
        market.datasets["bars"],
    ).to_pylist()
    for minutes in (10.5, 10.75, 31.2, 75):
        now.at = start + minutes * MINUTE
        run(market, lake, Request("bars", symbol, "1m", start, start + HOUR))
    columns = [column.column for column in market.datasets["bars"].fields]
    newest = {row["start"]: [row[c] for c in columns] for row in landed(lake)}
    assert newest == {row["start"]: [row[c] for c in columns] for row in final}


def test_one_failing_request_costs_no_other(vendor: Vendor, lake: Lake) -> None:
    vendor.failing = {
        T0 + HOUR: TerminalError("no such symbol"),
        T0 + 2 * HOUR: RetryableError("too busy"),
        T0 + 3 * HOUR: MalformedError("not JSON", f"<html>{SECRET}</html>"),
    }
    report = run(vendor, lake, asking(T0, T0 + 5 * HOUR))
    assert not report.is_complete
    assert (report.asked, report.rows, vendor.closed) == (5, 120, 1)
    letter = next(lake.data.dead_letter.rglob("*.json"))
    errors = {failure.request.start: failure.error for failure in report.failures}
    assert errors == {
        T0 + HOUR: "no such symbol",
        T0 + 2 * HOUR: "too busy",
        T0 + 3 * HOUR: f"not JSON; the answer is in {letter}",
    }
    assert lake.ledger("vendor", "bars").coverage("A", "1m") == [
        Interval(T0, T0 + HOUR),
        Interval(T0 + 4 * HOUR, T0 + 5 * HOUR),
    ]


# -- batches ---------------------------------------------------------------------------------------


def test_answers_in_hand_are_landed_when_the_run_breaks(
    vendor: Vendor, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest.backfill, "ANSWERS_PER_BATCH", 2)
    vendor.failing = {T0 + 5 * HOUR: KeyError("a bug")}
    with pytest.raises(KeyError, match="a bug"):
        run(vendor, lake, asking(T0, T0 + 6 * HOUR))
    assert sorted(batch.rows for batch in lake.batches()) == [60, 120, 120]
    assert vendor.closed == 1


def test_a_batch_has_so_many_answers(
    vendor: Vendor, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest.backfill, "ANSWERS_PER_BATCH", 20)
    seen: list[Step] = []
    report = backfill(
        vendor,
        [asking(T0, T0 + 50 * HOUR)],
        lake,
        clock=lake.clock,
        progress=seen.append,
    )
    assert [len(batch.entries) for batch in report.batches] == [20, 20, 10]
    assert [(step.provider, step.done, step.total) for step in seen] == [
        ("vendor", done, 50) for done in range(1, 51)
    ]
    assert seen[-1].rows == 50 * 60


def test_a_batch_has_so_many_rows(
    vendor: Vendor, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest.backfill, "ROWS_PER_BATCH", 150)
    report = run(vendor, lake, asking(T0, T0 + 7 * HOUR))
    assert [batch.rows for batch in report.batches] == [180, 180, 60]


def test_a_batch_does_not_wait_for_ever(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second question is answered only when the answer to the first is in the lake."""
    monkeypatch.setattr(ingest.backfill, "SECONDS_PER_BATCH", 0.01)

    class Waiting(Vendor):
        async def fetch(self, request: Request) -> Answer:
            while request.start != T0 and not files(lake):  # noqa: ASYNC110 - a file is no event
                await asyncio.sleep(0.005)
            return await super().fetch(request)

    report = run(Waiting(lake.clock), lake, asking(T0, T0 + 2 * HOUR))
    assert [batch.rows for batch in report.batches] == [60, 60]


def test_asking_waits_for_landing(
    vendor: Vendor, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest.backfill, "ANSWERS_PER_BATCH", 1)
    asked: list[int] = []
    land = Loader.land

    def slow(loader: Loader, answers: Sequence[Readied], **options: float) -> Batch:
        time.sleep(0.02)
        asked.append(len(vendor.asked))
        return land(loader, answers, **options)

    monkeypatch.setattr(Loader, "land", slow)
    assert run(vendor, lake, asking(T0, T0 + 30 * HOUR)).rows == 1800
    waiting = ingest.backfill.BATCHES_AHEAD + 1 + ingest.backfill.CONCURRENT_REQUESTS
    assert all(count <= number + waiting for number, count in enumerate(asked, 1))


def test_rows_are_in_the_order_of_the_questions(lake: Lake) -> None:
    """Whatever order answers come in: here, later ones are quicker."""

    class Backwards(Vendor):
        async def fetch(self, request: Request) -> Answer:
            assert request.start
            await asyncio.sleep(0.02 - 0.002 * ((request.start - T0) / HOUR))
            return await super().fetch(request)

    requests = [asking(T0, T0 + 3 * HOUR, symbol) for symbol in "BA"]
    (batch,) = run(Backwards(lake.clock), lake, *requests).batches
    asked = [(entry.symbol, entry.start) for entry in batch.entries]
    assert asked == [(symbol, iso(T0 + n * HOUR)) for symbol in "AB" for n in range(3)]
    rows = [(row["_symbol"], row["start"]) for row in landed(lake)]
    assert rows == [(symbol, iso(minute(n))) for symbol in "AB" for n in range(180)]


@dataclass(frozen=True)
class Wide:
    """A policy that says only how many requests may be in flight."""

    concurrency: int


@pytest.mark.parametrize("concurrency", [1, 3, 20])
def test_no_more_requests_are_in_flight_than_the_provider_bears(
    vendor: Vendor, lake: Lake, concurrency: int
) -> None:
    vendor.policy = Wide(concurrency)
    run(vendor, lake, asking(T0, T0 + 40 * HOUR))
    assert vendor.most_in_flight == concurrency


def test_all_providers_are_asked_at_once(lake: Lake, now: Now) -> None:
    """Each answers only when the other has been asked."""
    are_asked = {name: asyncio.Event() for name in ("one", "two")}

    class Patient(Vendor):
        async def fetch(self, request: Request) -> Answer:
            are_asked[self.name].set()
            for is_asked in are_asked.values():
                await is_asked.wait()
            return await super().fetch(request)

    vendors = [Patient(now, name=name) for name in are_asked]
    reports = land_all([Ask(vendor, asking()) for vendor in vendors], lake, clock=now)
    assert [(report.provider, report.rows) for report in reports] == [("one", 60), ("two", 60)]
    assert [len(landed(lake, name)) for name in ("one", "two")] == [60, 60]


def test_two_runs_of_one_dataset_both_land(lake: Lake) -> None:
    """A loader that finds the other landing waits for it."""
    with ThreadPoolExecutor() as threads:
        requests = [asking(symbol=symbol) for symbol in "ABCD"]
        reports = list(
            threads.map(lambda request: run(Vendor(lake.clock), lake, request), requests)
        )
    assert [report.rows for report in reports] == [60] * 4
    assert Counter(row["_symbol"] for row in landed(lake)) == dict.fromkeys("ABCD", 60)


def test_a_stopped_run_waits_only_a_little_for_another_loader(
    vendor: Vendor, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is to end it within seconds; the next run asks again for what could not be landed."""
    monkeypatch.setattr(ingest.backfill, "STOP_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(ingest.backfill, "LOCK_TRY_SECONDS", 0.01)

    def stop(step: Step) -> None:
        if step.done == 2:
            signal.raise_signal(signal.SIGINT)

    request = asking(T0, T0 + 4 * HOUR)
    folder = lake.data.lake / ".tmp" / f"{vendor.name}__{request.dataset}"
    with exclusive(folder / "lock", "another one"):
        began = time.monotonic()
        with pytest.raises(LockedError, match="locked by another one"):
            backfill(vendor, [request], lake, clock=lake.clock, progress=stop)
        assert time.monotonic() - began < 5
    assert run(vendor, lake, request).rows == 240


def test_nothing_to_ask_is_no_error(vendor: Vendor, lake: Lake) -> None:
    report = run(vendor, lake)
    assert (report.asked, report.rows, report.is_complete) == (0, 0, True)
    assert files(lake) == []


# -- what cannot be read ---------------------------------------------------------------------------


def test_records_that_are_none_are_dead_lettered_and_cost_no_other(lake: Lake, now: Now) -> None:
    good, bad = Vendor(now, name="good"), Vendor(now, name="bad", records=[{"start": "1"}, 17])  # type: ignore[list-item]
    reports = land_all([Ask(good, asking()), Ask(bad, asking())], lake, clock=now)
    assert [report.rows for report in reports] == [60, 0]
    (failure,) = reports[1].failures
    assert "the records could not be read (TypeError" in failure.error
    (letter,) = lake.data.dead_letter.rglob("*.json")
    assert json.loads(letter.read_text(encoding="utf-8"))["body"] == '[{"start":"1"},17]'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=30)
@given(payloads=st.lists(JSON, min_size=1, max_size=5))
def test_whatever_comes_is_landed_or_explained(payloads: list[Any]) -> None:
    now = Now()
    requests = [asking(symbol=f"S{number}") for number in range(len(payloads))]
    records = dict(zip((request.symbol for request in requests), payloads, strict=True))

    class Odd(Vendor):
        async def fetch(self, request: Request) -> Answer:
            return Answer(request, now(), decode_json(json.dumps([records[request.symbol]])))

    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(DataDir(Path(folder)), now)
        report = run(Odd(now), lake, *requests)
        rows = Counter(row["_symbol"] for row in landed(lake))
        failed = {failure.request.symbol for failure in report.failures}
        letters = list(lake.data.dead_letter.rglob("*.json"))
    assert set(rows) | failed == {request.symbol for request in requests}
    assert set(rows) & failed == set()
    assert (set(rows.values()) <= {1}, len(letters)) == (True, len(failed))


def test_secrets_are_written_nowhere(
    lake: Lake, now: Now, caplog: pytest.LogCaptureFixture
) -> None:
    """A vendor that repeats its key wherever it can."""
    secret = SECRET
    vendor = Vendor(now)

    class Careless(Vendor):
        async def fetch(self, request: Request) -> Answer:
            match request.symbol:
                case "rows":
                    records = [{"start": f"x{secret}y", "other": {"key": secret}}]
                    return Answer(request, now(), records, (Reject(secret, f"<{secret}>"),))
                case "malformed":
                    raise MalformedError(f"bad {secret}", f"<{secret}>")
                case "quota":
                    raise QuotaSpentError(f"spent {secret}", now() + HOUR)
                case _:
                    raise TerminalError(f"no {secret}")

    caplog.set_level(0)
    requests = [asking(symbol=s) for s in ("rows", "malformed", "bad", f"s{secret}", "quota")]
    report = run(Careless(now), lake, *requests)
    assert (report.rows, len(report.failures)) == (1, 4)
    (row,) = landed(lake)
    assert (row["start"], row["_extra"]) == ("x***y", '{"other":{"key":"***"}}')
    told = [failure.error for failure in report.failures] + [*report.not_asked, caplog.text]
    ledger = "".join(batch.to_json() for batch in lake.batches())
    names = " ".join(str(path) for path in lake.data.root.rglob("*"))
    for text in (*told, ledger, names, json.dumps(landed(lake), default=str)):
        assert secret not in text
        assert json.dumps(secret)[1:-1] not in text
    for path in lake.data.root.rglob("*"):
        if path.is_file():
            assert b"with/everything" not in path.read_bytes(), path
    assert vendor.asked == []


# -- whom else to ask ------------------------------------------------------------------------------


def chain(*vendors: Vendor, request: Request | None = None) -> Ask:
    """Return an ask of the first of `vendors`, who spell symbols differently, and so on."""
    asked: Ask | None = None
    for vendor in reversed(vendors):
        own = replace(request or asking(T0, T0 + 6 * HOUR), symbol=f"A of {vendor.name}")
        asked = Ask(vendor, own, otherwise=asked)
    assert asked
    return asked


@pytest.fixture
def pair(now: Now) -> tuple[Vendor, Vendor]:
    """Return two vendors; the second is asked where the first cannot answer."""
    return Vendor(now, name="first"), Vendor(now, name="second")


STOPPING = (
    QuotaSpentError("25 a day are spent", LATER + HOUR),
    UnavailableError("first is not asked until noon", LATER + HOUR),
    AccessError("the key is refused"),
)


@pytest.mark.parametrize("error", STOPPING, ids=lambda error: type(error).__name__)
def test_a_provider_that_cannot_answer_is_left_alone_and_the_next_asked(
    pair: tuple[Vendor, Vendor], lake: Lake, now: Now, error: ProviderError
) -> None:
    first, second = pair
    first.policy = Wide(1)
    first.failing = {T0 + 2 * HOUR: error}
    reports = land_all([chain(first, second)], lake, clock=now)
    assert [len(vendor.asked) for vendor in pair] == [3, 4]
    assert spans(second.asked) == [
        Interval(T0 + n * HOUR, T0 + (n + 1) * HOUR) for n in (2, 3, 4, 5)
    ]
    assert {request.symbol for request in second.asked} == {"A of second"}
    assert [report.is_complete for report in reports] == [True, True]
    assert (reports[0].asked, reports[0].passed_on) == (3, {"second": 4})
    assert [len(landed(lake, vendor.name)) for vendor in pair] == [120, 240]
    assert sorted(row["start"] for row in landed(lake)) == [iso(minute(n)) for n in range(360)]


@pytest.mark.parametrize("error", STOPPING, ids=lambda error: type(error).__name__)
def test_without_another_provider_the_rest_is_reported_as_not_asked(
    vendor: Vendor, lake: Lake, error: ProviderError
) -> None:
    vendor.policy = Wide(1)
    vendor.failing = {T0 + 2 * HOUR: error}
    requests = [asking(T0, T0 + 6 * HOUR, symbol) for symbol in "AB"]
    report = run(vendor, lake, *requests)
    assert (report.asked, report.rows, report.is_complete) == (5, 240, False)
    until = " (until 2024-06-01 01:00Z)" if isinstance(error, QuotaSpentError) else ""
    assert report.not_asked == {f"{error}{until}": 7}
    (failure,) = report.failures
    assert (failure.error, report.can_improve) == (str(error), not isinstance(error, AccessError))
    vendor.failing = {}
    assert run(vendor, lake, *requests).asked == 8


def test_other_providers_go_on_when_one_is_stopped(lake: Lake, now: Now) -> None:
    spent, fine = Vendor(now, name="spent"), Vendor(now, name="fine")
    spent.refuse = lambda _: QuotaSpentError("spent", LATER + HOUR)
    asks = [Ask(vendor, asking(T0, T0 + 50 * HOUR)) for vendor in (spent, fine)]
    reports = land_all(asks, lake, clock=now)
    assert len(spent.asked) <= ingest.backfill.CONCURRENT_REQUESTS
    assert [report.rows for report in reports] == [0, 3000]
    assert reports[0].not_asked.total() + len(reports[0].failures) == 50


@pytest.mark.parametrize(
    "error",
    [
        EntitlementError("the newest costs more"),
        UnknownSymbolError("no such symbol"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_it_cannot_give_is_asked_elsewhere_alone(
    pair: tuple[Vendor, Vendor], lake: Lake, now: Now, error: ProviderError
) -> None:
    first, second = pair
    first.failing = {T0 + 5 * HOUR: error}
    reports = land_all([chain(first, second)], lake, clock=now)
    assert [len(vendor.asked) for vendor in pair] == [6, 1]
    assert spans(second.asked) == [Interval(T0 + 5 * HOUR, T0 + 6 * HOUR)]
    assert all(report.is_complete for report in reports)
    assert reports[0].passed_on_because["second"][type(error).__name__] == str(error)


@pytest.mark.parametrize(
    "error",
    [
        RetryableError("no answer; gave up after 5 tries"),
        MalformedError("expected JSON", "<html>maintenance</html>"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_that_passes_is_not_made_good_by_another_market(
    pair: tuple[Vendor, Vendor], lake: Lake, now: Now, error: ProviderError
) -> None:
    """One bad answer must not put another exchange's prices into the middle of a series."""
    first, second = pair
    first.failing = {T0 + 2 * HOUR: error}
    reports = land_all([chain(first, second)], lake, clock=now)
    assert (second.asked, reports[0].passed_on) == ([], {})
    (failure,) = reports[0].failures
    assert (failure.request.start, reports[0].can_improve) == (T0 + 2 * HOUR, True)
    first.failing = {}
    assert land_all([chain(first, second)], lake, clock=now)[0].is_complete
    assert len(landed(lake, "first")) == 360


def test_the_next_provider_is_asked_only_for_what_it_has_not_brought(
    pair: tuple[Vendor, Vendor], lake: Lake, now: Now
) -> None:
    first, second = pair
    first.refuse = lambda _: EntitlementError("not with this plan")
    for expected in (6, 0):
        second.asked.clear()
        reports = land_all([chain(first, second)], lake, clock=now)
        assert len(second.asked) == expected
        assert all(report.is_complete for report in reports)
    first.refuse = lambda _: None
    land_all([chain(first, second)], lake, clock=now)
    assert len(landed(lake, "first")) == 360, "it can answer now"


def test_when_nobody_can_answer_that_is_a_failure(
    pair: tuple[Vendor, Vendor], lake: Lake, now: Now
) -> None:
    first, second = pair
    first.refuse = lambda _: AccessError("the key is refused")
    second.refuse = lambda _: QuotaSpentError("spent", LATER + DAY)
    reports = land_all([chain(first, second)], lake, clock=now)
    assert [report.is_complete for report in reports] == [True, False]
    lost = reports[1]
    assert lost.not_asked.total() + len(lost.failures) == 6
    assert {failure.error for failure in lost.failures} == {"spent"}


@settings(deadline=None, max_examples=15)
@given(
    first=st.dictionaries(st.integers(0, 9), st.sampled_from([*STOPPING, EntitlementError("no")])),
    second=st.dictionaries(st.integers(0, 9), st.sampled_from([TerminalError("bad")])),
)
def test_whoever_fails_each_minute_is_landed_once_or_reported(
    first: dict[int, ProviderError], second: dict[int, ProviderError]
) -> None:
    now = Now()
    vendors = [
        Vendor(now, name=name, failing={T0 + hour * HOUR: error for hour, error in failing.items()})
        for name, failing in (("first", first), ("second", second))
    ]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(DataDir(Path(folder)), now)
        request = asking(T0, T0 + 10 * HOUR)
        reports = land_all([chain(*vendors, request=request)], lake, clock=now)
        hours = Counter(row["start"][:13] for row in landed(lake))
    failed = [failure.request.start for report in reports for failure in report.failures]
    lost = {f"{start:%Y-%m-%dT%H}" for start in failed if start}
    assert hours.keys() | lost == {f"{T0 + hour * HOUR:%Y-%m-%dT%H}" for hour in range(10)}
    assert not hours.keys() & lost
    assert set(hours.values()) <= {60}
    assert all(report.is_complete for report in reports) == (not lost)


def test_a_list_is_asked_elsewhere_once(lake: Lake, now: Now) -> None:
    first, second = (
        Vendor(now, dataset=LIST, name=name, records=[{"id": "1"}]) for name in ("first", "second")
    )
    first.refuse = lambda _: UnavailableError("it keeps failing", LATER + HOUR)
    other = Ask(second, Request("list"))
    asks = [Ask(first, Request("list", params={"part": part}), otherwise=other) for part in "ab"]
    land_all(asks, lake, clock=now)
    assert len(second.asked) == 1


def test_a_symbol_that_is_unknown_is_not_asked_on_and_on(vendor: Vendor, lake: Lake) -> None:
    vendor.refuse = lambda request: (
        UnknownSymbolError("no such symbol") if request.symbol == "BAD" else None
    )
    requests = [asking(T0, T0 + 100 * HOUR, symbol) for symbol in ("BAD", "A", "B")]
    report = run(vendor, lake, *requests)
    bad = [request for request in vendor.asked if request.symbol == "BAD"]
    assert len(bad) == len(report.failures) <= ingest.backfill.CONCURRENT_REQUESTS
    assert report.not_asked == {"vendor does not have the symbol": 100 - len(bad)}
    assert (report.rows, report.can_improve) == (12_000, False)


# -- refused lately --------------------------------------------------------------------------------


REFUSED = (EntitlementError("not in the plan"), UnknownSymbolError("no such symbol"))


@pytest.mark.parametrize("error", REFUSED, ids=lambda error: type(error).__name__)
def test_what_was_refused_is_not_asked_again_for_a_week(
    vendor: Vendor, lake: Lake, now: Now, error: ProviderError
) -> None:
    vendor.identity, vendor.policy = "key", Wide(1)
    vendor.refuse = lambda request: error if (request.start or T0) < T0 + 2 * HOUR else None
    asked = []
    for pause in (0 * DAY, MINUTE, HOUR - MINUTE, DAY, 5 * DAY, DAY - HOUR, HOUR):
        now.at += pause
        vendor.asked.clear()
        report = run(vendor, lake, asking(T0, T0 + 2 * HOUR))
        asked.append(len(vendor.asked))
        assert not report.is_complete
    first = 1 if isinstance(error, UnknownSymbolError) else 2
    assert asked == [first, first, first, 0, 0, 0, first], "once may be a mistake"
    now.at += HOUR
    assert run(vendor, lake, asking(T0, T0 + 2 * HOUR)).asked == first
    vendor.asked.clear()
    report = run(vendor, lake, asking(T0, T0 + 4 * HOUR))
    if isinstance(error, UnknownSymbolError):
        assert (vendor.asked, len(report.refused)) == ([], 4), "nothing else of it either"
    else:
        assert spans(vendor.asked)[0].start == T0 + 2 * HOUR
        assert (len(report.refused), report.rows) == (2, 120)
    assert report.refused[0].error == (
        "refused on 2024-06-08, not asked again before 2024-06-15 02:00Z unless with --force:"
        f" {error}"
    )
    assert (report.is_complete, report.can_improve) == (False, False)


def refused_twice(vendor: Vendor, lake: Lake, now: Now) -> None:
    """Ask twice, an hour apart."""
    for _ in range(2):
        assert run(vendor, lake, asking()).asked == 1
        now.at += HOUR


def test_forcing_asks_what_was_refused_and_what_is_answered_is_refused_no_more(
    vendor: Vendor, lake: Lake, now: Now
) -> None:
    vendor.identity = "key"
    vendor.refuse = lambda _: EntitlementError("not in the plan")
    refused_twice(vendor, lake, now)
    vendor.refuse = lambda _: None
    assert run(vendor, lake, asking()).asked == 0
    assert run(vendor, lake, asking(), force=True).rows == 60
    now.at += DAY
    vendor.dataset = replace(BARS, revision_window=200 * DAY)
    assert run(vendor, lake, asking()).asked == 1


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "another key"},
        {"error": EntitlementError("not yet", is_lasting=False)},
        {"symbol": "B"},
        {"start": T0 + 2 * HOUR},
    ],
    ids=str,
)
def test_a_refusal_says_nothing_of_other_questions(
    vendor: Vendor, lake: Lake, now: Now, change: dict[str, Any]
) -> None:
    vendor.identity = "key"
    vendor.refuse = lambda _: change.get("error", EntitlementError("not in the plan"))
    refused_twice(vendor, lake, now)
    vendor.identity = change.get("identity", "key")
    start = change.get("start", T0)
    request = asking(start, start + HOUR, change.get("symbol", "A"))
    assert run(vendor, lake, request).asked == 1


def test_what_was_refused_is_asked_of_the_next_provider_at_once(
    pair: tuple[Vendor, Vendor], lake: Lake, now: Now
) -> None:
    first, second = pair
    first.identity = "key"
    first.refuse = lambda _: EntitlementError("not with this plan")
    for _ in range(2):
        land_all([chain(first, second)], lake, clock=now)
        now.at += HOUR
    for vendor in pair:
        vendor.asked.clear()
    longer = asking(T0, T0 + 7 * HOUR)
    reports = land_all([chain(first, second, request=longer)], lake, clock=now)
    assert [len(vendor.asked) for vendor in pair] == [1, 1]
    assert all(report.is_complete for report in reports)
    assert reports[0].passed_on_because["second"]["refused"].endswith("not with this plan")


# -- when to ask -----------------------------------------------------------------------------------


def test_an_ask_may_have_its_own_revision_window(vendor: Vendor, lake: Lake, now: Now) -> None:
    vendor.dataset = replace(BARS, revision_window=5 * HOUR)
    now.at = T0 + DAY
    request = asking(T0, now.at)
    run(vendor, lake, request)
    vendor.asked.clear()
    land_all([Ask(vendor, request, 2 * HOUR)], lake, clock=now)
    assert spans(vendor.asked) == [Interval(T0 + n * HOUR, T0 + (n + 1) * HOUR) for n in (22, 23)]


def test_what_may_be_revised_is_asked_for_on_both_sides_of_a_gap(
    vendor: Vendor, lake: Lake, now: Now
) -> None:
    vendor.dataset = replace(BARS, revision_window=6 * HOUR)
    now.at = T0 + 10 * HOUR
    run(vendor, lake, asking(T0, T0 + 6 * HOUR), asking(T0 + 8 * HOUR, T0 + 10 * HOUR))
    vendor.asked.clear()
    run(vendor, lake, asking(T0, T0 + 6 * HOUR), asking(T0 + 8 * HOUR, T0 + 10 * HOUR))
    assert [span.start for span in spans(vendor.asked)] == [T0 + n * HOUR for n in (4, 5, 8, 9)]


def test_old_ranges_asked_again_do_not_settle_new_ones(
    vendor: Vendor, lake: Lake, now: Now
) -> None:
    vendor.dataset = replace(BARS, revision_window=2 * HOUR)
    now.at = T0 + 6 * HOUR
    run(vendor, lake, asking(T0, T0 + 6 * HOUR))
    now.at += DAY
    run(vendor, lake, asking(T0, T0 + HOUR), force=True)
    vendor.asked.clear()
    run(vendor, lake, asking(T0, T0 + 6 * HOUR))
    assert [span.start for span in spans(vendor.asked)] == [T0 + n * HOUR for n in (4, 5)]


def test_asset_classes_that_share_a_symbol_are_told_apart(vendor: Vendor, lake: Lake) -> None:
    shares, coin = (
        replace(asking(symbol="BTC"), params={"asset_class": name}) for name in ("equity", "crypto")
    )
    assert run(vendor, lake, shares).asked == 1
    assert run(vendor, lake, coin).asked == 1
    assert run(vendor, lake, shares, coin).asked == 0


def test_an_empty_answer_is_an_answer(vendor: Vendor, lake: Lake) -> None:
    vendor.has = lambda start: start < T0 + HOUR
    assert run(vendor, lake, asking(T0, T0 + 3 * HOUR)).rows == 60
    entries = [entry for batch in lake.batches() for entry in batch.entries]
    assert [(entry.records, entry.is_empty) for entry in entries] == [
        (60, False), (0, True), (0, True),
    ]  # fmt: skip
    assert run(vendor, lake, asking(T0, T0 + 3 * HOUR)).asked == 0


def test_an_empty_answer_of_a_vendor_that_lies_is_asked_for_once_more(
    vendor: Vendor, lake: Lake, now: Now
) -> None:
    vendor.dataset = replace(BARS, recheck_empty_after=2 * DAY)
    vendor.has = lambda start: start < T0 + HOUR
    request = asking(T0, T0 + 3 * HOUR)
    asked = []
    for pause in (0 * DAY, DAY, DAY, HOUR, 9 * DAY):
        now.at += pause
        asked.append(run(vendor, lake, request).asked)
    assert asked == [3, 0, 2, 0, 0]


def test_an_empty_answer_that_was_a_lie_is_found_out(vendor: Vendor, lake: Lake, now: Now) -> None:
    vendor.dataset = replace(BARS, recheck_empty_after=DAY)
    vendor.has = lambda _: False
    request = asking(T0, T0 + 2 * HOUR)
    run(vendor, lake, request)
    run(vendor, lake, request, force=True)
    vendor.has = lambda start: start < T0 + HOUR
    assert run(vendor, lake, request).asked == 0, "asked twice, but not a day apart"
    now.at += DAY
    assert (run(vendor, lake, request).rows, len(landed(lake))) == (60, 60)
    now.at += 9 * DAY
    assert run(vendor, lake, request).asked == 0, "empty twice, and covered"


def test_lists_are_asked_for_when_they_are_old_enough(lake: Lake, now: Now) -> None:
    fresh_for_a_day = replace(LIST, refresh_after=DAY)
    vendor = Vendor(now, dataset=fresh_for_a_day, records=[{"id": "1", "name": "one"}])
    request = Request("list", "A")
    asked = []
    for pause in (0 * DAY, 23 * HOUR, HOUR, HOUR):
        now.at += pause
        asked.append(run(vendor, lake, request).asked)
    assert asked == [1, 0, 1, 0]
    assert run(vendor, lake, Request("list", "B")).asked == 1
    assert run(vendor, lake, request, force=True).asked == 1
    assert len(landed(lake)) == 2


def test_the_newest_end_of_a_range_is_asked_for_when_its_answer_is_old_enough(
    vendor: Vendor, lake: Lake, now: Now
) -> None:
    vendor.dataset = replace(
        BARS, refresh_after=20 * HOUR, revision_window=3 * HOUR, finality_lag=HOUR
    )
    vendor.step = 2 * HOUR
    now.at = T0 + 10 * HOUR
    asked = []
    for hours in (0, 1, 18, 1, 19, 1):
        now.at += hours * HOUR
        vendor.asked.clear()
        run(vendor, lake, asking(T0, now.at))
        asked.append([(span.start - T0) // HOUR for span in spans(vendor.asked)])
    # Every two hours a question; of 30 hours, the first 7 are settled.
    assert asked == [[0, 2, 4, 6, 8], [], [], [*range(7, 30, 2)], [], [*range(27, 50, 2)]]


def test_an_older_range_is_asked_for_however_fresh_the_newest_is(
    vendor: Vendor, lake: Lake, now: Now
) -> None:
    vendor.dataset = replace(BARS, refresh_after=20 * HOUR)
    now.at = T0 + 100 * HOUR
    vendor.failing = {T0 + hour * HOUR: RetryableError("busy") for hour in (97, 99)}
    run(vendor, lake, asking(T0 + 95 * HOUR, now.at))
    run(vendor, lake, asking(T0, T0 + 2 * HOUR))
    vendor.failing, now.at = {}, now.at + HOUR
    vendor.asked.clear()
    run(vendor, lake, asking(T0, T0 + 4 * HOUR))
    run(vendor, lake, asking(T0 + 95 * HOUR, now.at))
    assert [span.start for span in spans(vendor.asked)] == [
        T0 + hour * HOUR for hour in (2, 3, 97, 99, 100)
    ]


@pytest.mark.filterwarnings("ignore:Series.values returning")
def test_closed_hours_are_not_asked_for(vendor: Vendor, lake: Lake, now: Now) -> None:
    """From Thursday, 4 July 2024, a holiday, to Monday; trading is from 08:00Z to 24:00Z."""
    vendor.dataset = replace(
        BARS, asset_classes=("equity", "crypto"), calendar={"equity": "XNYS", "crypto": "24/7"}
    )
    now.at = datetime(2024, 7, 9, tzinfo=UTC)
    days = datetime(2024, 7, 4, tzinfo=UTC), datetime(2024, 7, 8, 10, tzinfo=UTC)
    vendor.step = 6 * HOUR
    shares, coin = (
        replace(asking(*days, symbol=name), params={"asset_class": name})
        for name in ("equity", "crypto")
    )
    report = run(vendor, lake, shares)
    assert [f"{span.start:%d %H}-{span.end:%d %H}" for span in spans(vendor.asked)] == [
        "05 06-05 12", "05 12-05 18", "05 18-06 00", "08 06-08 10",
    ]  # fmt: skip
    assert report.is_complete
    assert run(vendor, lake, shares).asked == 0
    assert run(vendor, lake, coin).asked == 18
    assert run(vendor, lake, shares, force=True).asked == 4


# -- stopped and resumed ---------------------------------------------------------------------------

STOPPED = """
import asyncio, json, os, sys
from datetime import timedelta
from pathlib import Path
import ingest.backfill
from ingest.backfill import InterruptedRunError, backfill
from ingest.lake import Lake
from ingest.settings import DataDir
from tests.ingest.scripted import HOUR, T0, Now, Vendor, asking

class Slow(Vendor):
    async def fetch(self, request):
        if request.start >= T0 + 10 * HOUR:
            sys.stdout.write("."); sys.stdout.flush()
            await asyncio.sleep(60)
        return await super().fetch(request)

now = Now()
lake = Lake(DataDir(Path(sys.argv[1])), now)
ingest.backfill.ANSWERS_PER_BATCH = int(sys.argv[2])
try:
    backfill(Slow(now), [asking(T0, T0 + 20 * HOUR)], lake, clock=now)
except InterruptedRunError as stopped:
    sys.stdout.write(json.dumps([report.rows for report in stopped.reports]))
"""


def stopped(lake: Lake, number: int, answers_per_batch: int) -> tuple[str, int]:
    """Stop a run by a signal when it hangs, after ten answers; return its output and exit code."""
    command = [sys.executable, "-c", STOPPED, str(lake.data.root), str(answers_per_batch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT_ROOT, text=True) as process:
        assert process.stdout
        process.stdout.read(ingest.backfill.CONCURRENT_REQUESTS)
        while number == signal.SIGKILL and len(files(lake)) < 10 // answers_per_batch:
            time.sleep(0.01)
        process.send_signal(number)
        said = process.stdout.read()
        return said, process.wait(5)


def test_ctrl_c_lands_what_has_arrived_at_once(vendor: Vendor, lake: Lake) -> None:
    assert stopped(lake, signal.SIGINT, 1000) == ("[600]", 0)
    assert run(vendor, lake, asking(T0, T0 + 20 * HOUR)).asked == 10
    assert sorted(row["start"] for row in landed(lake)) == [iso(minute(n)) for n in range(1200)]


def test_a_killed_run_goes_on_where_it_was(vendor: Vendor, lake: Lake) -> None:
    assert stopped(lake, signal.SIGKILL, 3) == ("", -signal.SIGKILL)
    assert run(vendor, lake, asking(T0, T0 + 20 * HOUR)).asked == 11
    assert sorted(row["start"] for row in landed(lake)) == [iso(minute(n)) for n in range(1200)]
