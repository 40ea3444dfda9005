"""The simulated market: one answer however it is asked, plausible, bad only as announced."""

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.provider import Request, TerminalError
from ingest.providers.sample import Sample
from ingest.providers.simulator import (
    COLUMNS,
    CORRECTIONS_PER_DAY,
    END,
    LISTINGS,
    MARKETS,
    NOT_NUMBERS,
    PRICES,
    QUARANTINED,
    START,
    SUPERSEDED,
    SYMBOLS,
    Fault,
    Simulator,
)
from ingest.records import content_hash

BTC, ETH, SOL = SYMBOLS
LATER = datetime(2025, 6, 1, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
RENAMED = ("SIM-OLD/USD", "SIM-NEW/USD")
LISTED = {listing.symbol for listing in LISTINGS}

Row = Mapping[str, str | None]


def simulator(now: datetime = LATER, *, faults: bool = False, revision: int = 0) -> Simulator:
    return Simulator(lambda: now, faults=faults, revision=revision)


def ask(
    market: Simulator, symbol: str = BTC, start: datetime = START, end: datetime = END
) -> pa.Table:
    answer = asyncio.run(market.fetch(Request("bars", symbol, "1m", start, end)))
    assert isinstance(answer.records, pa.Table)
    assert answer.is_complete
    return answer.records


def rows(table: pa.Table) -> list[Row]:
    return cast("list[Row]", table.to_pylist())


@cache
def default_rows(symbol: str = BTC, *, faults: bool = False, revision: int = 0) -> list[Row]:
    """Return the rows of the default range."""
    return rows(ask(simulator(faults=faults, revision=revision), symbol))


def numbers(table: pa.Table, column: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(table[column].to_pylist(), np.float64)


def time_of(row: Row) -> datetime:
    return datetime.fromisoformat(str(row["start"]))


# -- the same answer, however it is asked ----------------------------------------------------------


@settings(deadline=None, max_examples=15)
@given(
    symbol=st.sampled_from(SYMBOLS),
    faults=st.booleans(),
    revision=st.integers(0, 2),
    cuts=st.lists(st.integers(1, 2 * 86_400 - 1), max_size=5, unique=True),
)
def test_pieces_of_a_range_are_the_whole_range(
    symbol: str, faults: bool, revision: int, cuts: list[int]
) -> None:
    market = simulator(faults=faults, revision=revision)
    edges = [START, *(START + timedelta(seconds=cut) for cut in sorted(cuts)), START + 2 * DAY]
    pieces = pa.concat_tables([ask(market, symbol, *piece) for piece in pairwise(edges)])
    assert pieces.equals(ask(market, symbol, edges[0], edges[-1]))
    assert [
        fault for piece in pairwise(edges) for fault in market.injected_faults(symbol, "1m", *piece)
    ] == market.injected_faults(symbol, "1m", edges[0], edges[-1])


def test_range_in_another_time_zone_is_the_same_range() -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    table = ask(simulator(), BTC, START.astimezone(zone), (START + DAY).astimezone(zone))
    assert table.equals(ask(simulator(), BTC, START, START + DAY))


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_answer_depends_neither_on_the_local_zone_nor_on_the_process(zone: str) -> None:
    program = """
import asyncio, sys
from datetime import UTC, datetime
from ingest.provider import Request
from ingest.providers.simulator import Simulator
from ingest.records import content_hash

market = Simulator(lambda: datetime(2025, 6, 1, tzinfo=UTC), faults=True)
request = Request(
    "bars", "SIM-BTC/USD", "1m", datetime(2024, 1, 8, tzinfo=UTC), datetime(2024, 1, 13, tzinfo=UTC)
)
sys.stdout.write(content_hash(asyncio.run(market.fetch(request)).records))
"""
    there = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TZ": zone, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = ask(simulator(faults=True), BTC, START, START + 5 * DAY)
    assert there.stdout == content_hash(here)


def test_values_never_change_between_releases() -> None:
    """Rows as first released: whoever has landed them would see another market otherwise."""
    (first,) = rows(ask(simulator(), BTC, START, START + MINUTE))
    (last,) = rows(ask(simulator(), SOL, END - MINUTE, END))
    assert tuple(first.values()) == (
        "SIM-BTC/USD",
        "1m",
        "2024-01-08T00:00:00Z",
        "43386.41",
        "43386.41",
        "43366.27",
        "43366.27",
        "4.9558",
        "96",
    )
    assert tuple(last.values()) == (
        "SIM-SOL/USD",
        "1m",
        "2024-01-21T23:59:00Z",
        "130.156",
        "130.296",
        "130.156",
        "130.296",
        "629.6037",
        "44",
    )


# -- a plausible market ----------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", [*SYMBOLS, "SIM-OLD/USD", "SIM-DOG/USD"])
def test_bars_are_consistent(symbol: str) -> None:
    table = ask(simulator(), symbol)
    opened, high, low, close = (numbers(table, column) for column in PRICES)
    assert table.column_names == list(COLUMNS)
    assert np.all(high >= np.maximum(opened, close))
    assert np.all(low <= np.minimum(opened, close))
    assert np.all(low > 0)
    assert np.all(numbers(table, "volume") > 0)
    assert np.all(numbers(table, "trade_count") >= 1)
    assert set(table["symbol"].to_pylist()) == {symbol}
    assert set(table["timeframe"].to_pylist()) == {"1m"}


def test_numbers_are_plain_decimals_with_the_ticks_of_their_pair() -> None:
    for symbol, decimals in ((BTC, 2), (ETH, 2), (SOL, 3)):
        for row in rows(ask(simulator(), symbol, START, START + DAY)):
            for column in PRICES:
                assert re.fullmatch(rf"\d+\.\d{{{decimals}}}", str(row[column]))
            assert re.fullmatch(r"\d+\.\d{4}", str(row["volume"]))
            assert re.fullmatch(r"\d+", str(row["trade_count"]))


def test_a_few_minutes_have_no_bar_and_the_others_one_each_in_order() -> None:
    for symbol in SYMBOLS:
        starts = ask(simulator(), symbol)["start"].to_pylist()
        assert starts == sorted(set(starts))
        assert all(re.fullmatch(r"2024-01-\d\dT\d\d:\d\d:00Z", start) for start in starts)
        minutes = (END - START) // MINUTE
        assert 0.001 < 1 - len(starts) / minutes < 0.006


def test_volatility_is_plausible_and_comes_in_runs() -> None:
    for symbol in SYMBOLS:
        table = ask(simulator(), symbol, START, START + 60 * DAY)
        dates = np.array([start[:10] for start in table["start"].to_pylist()])
        level = np.log(numbers(table, "close"))
        returns = [np.diff(level[dates == date]) for date in np.unique(dates)]
        daily = np.array([np.sqrt(np.sum(each**2)) for each in returns])
        usual = MARKETS[symbol.removesuffix("/USD")].volatility
        yearly = np.sqrt(365 * np.mean(daily**2))
        assert usual / 3 < yearly < usual * 3, symbol
        assert max(np.abs(each).max() for each in returns) < 0.05
        assert np.corrcoef(daily[:-1], daily[1:])[0, 1] > 0.5
        assert 1.5 < daily.max() / daily.min() < 20


def test_a_day_begins_where_the_one_before_ended() -> None:
    table = ask(simulator(), BTC, START, START + 10 * DAY)
    closes, opens = numbers(table, "close")[:-1], numbers(table, "open")[1:]
    assert np.abs(np.log(opens / closes)).max() < 0.01


def test_pairs_move_on_their_own() -> None:
    start, end = START, START + DAY
    by_pair = [
        {
            str(row["start"]): float(str(row["close"]))
            for row in rows(ask(simulator(), symbol, start, end))
        }
        for symbol in (BTC, ETH)
    ]
    common = sorted(by_pair[0].keys() & by_pair[1].keys())
    btc, eth = (np.diff(np.log([pair[at] for at in common])) for pair in by_pair)
    assert abs(np.corrcoef(btc, eth)[0, 1]) < 0.2


# -- the clock -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(second=st.integers(0, 3 * 3600), microsecond=st.integers(0, 999_999))
def test_answer_ends_at_the_clock_with_the_open_bar_so_far(second: int, microsecond: int) -> None:
    now = START + timedelta(seconds=second, microseconds=microsecond)
    whole = {row["start"]: row for row in rows(ask(simulator(), end=START + timedelta(hours=4)))}
    so_far = rows(ask(simulator(now), end=START + timedelta(hours=4)))
    is_open = [time_of(row) + MINUTE > now for row in so_far]
    assert [row["start"] for row in so_far] == [
        start for start, row in whole.items() if time_of(row) < now
    ]
    assert not any(is_open[:-1])
    for row, unfinished in zip(so_far, is_open, strict=True):
        final = whole[row["start"]]
        if not unfinished:
            assert row == final
            continue
        assert row["open"] == final["open"]
        assert float(str(row["high"])) <= float(str(final["high"]))
        assert float(str(row["low"])) >= float(str(final["low"]))
        assert float(str(row["volume"])) <= float(str(final["volume"]))
        assert int(str(row["trade_count"])) <= int(str(final["trade_count"]))


def test_open_bar_has_fewer_trades_and_less_volume() -> None:
    final = rows(ask(simulator(), end=START + MINUTE))[0]
    half = rows(ask(simulator(START + MINUTE / 2), end=END))[0]
    assert 0 < int(str(half["trade_count"])) < int(str(final["trade_count"]))
    assert 0 < float(str(half["volume"])) < float(str(final["volume"]))


def test_nothing_is_known_of_the_future_nor_before_the_first_day() -> None:
    table = ask(simulator(START), start=START, end=END)
    assert table.num_rows == 0
    assert table.column_names == list(COLUMNS)
    early = datetime(2019, 12, 1, tzinfo=UTC)
    assert ask(simulator(), start=early, end=early + 31 * DAY).num_rows == 0


# -- faults ----------------------------------------------------------------------------------------


def broken_rules(row: Row, now: datetime) -> set[str]:
    """Return the reason codes that apply to a row, by the rules as SQL has them."""
    found = set()
    prices = [row[column] for column in PRICES]
    values = [*prices, row["volume"]]
    if None in values:
        found.add("missing_value")
    if any(value is not None and not NUMBER.fullmatch(value) for value in values):
        found.add("not_a_number")
    if not found:
        opened, high, low, close = (float(str(price)) for price in prices)
        found |= _broken_price_rules(opened, high, low, close)
        if float(str(row["volume"])) < 0:
            found.add("negative_volume")
    if row["symbol"] not in LISTED:
        found.add("unmapped_symbol")
    try:
        start = time_of(row)
    except ValueError:
        return found | {"unreadable_time"}
    if start.second:
        found.add("unaligned_start")
    if start > now + DAY:
        found.add("start_in_future")
    return found


def _broken_price_rules(opened: float, high: float, low: float, close: float) -> set[str]:
    prices = (opened, high, low, close)
    if min(prices) < 0:
        return {"negative_price"}
    if min(prices) == 0:
        return {"zero_price"}
    if high < low:
        return {"high_below_low"}
    outside = {"open_outside_range": opened, "close_outside_range": close}
    return {reason for reason, price in outside.items() if not low <= price <= high}


def added(good: Sequence[Row], all_rows: Sequence[Row]) -> list[Row]:
    """Return the rows of an answer with faults that the answer without them does not have.

    Of rows that are the same, the first is the good one.
    """
    left = Counter(map(_values, good))
    extra = []
    for row in all_rows:
        if left[_values(row)]:
            left[_values(row)] -= 1
        else:
            extra.append(row)
    assert not left.total(), "a good row is missing beside the faults"
    return extra


def _values(row: Row) -> tuple[str | None, ...]:
    return tuple(row.values())


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_faults_are_exactly_those_announced(symbol: str) -> None:
    market = simulator(faults=True)
    extra = added(default_rows(symbol), default_rows(symbol, faults=True))
    announced = market.injected_faults(symbol, "1m", START, END)
    assert [row["start"] for row in extra] == [fault.start for fault in announced]
    for row, fault in zip(extra, announced, strict=True):
        assert broken_rules(row, LATER) == ({fault.reason} if fault.reason else set()), fault
        assert fault.outcome == ("quarantined" if fault.reason else "superseded")
        assert fault.reason in (None, fault.kind)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_default_range_has_a_few_faults_of_each_kind(symbol: str) -> None:
    faults = simulator(faults=True).injected_faults(symbol, "1m", START, END)
    kinds = Counter(fault.kind for fault in faults)
    assert kinds.keys() == QUARANTINED.keys() | SUPERSEDED.keys()
    assert all(2 <= times <= 5 for times in kinds.values())
    days = {fault.start[:10] for fault in faults if fault.kind != "start_in_future"}
    assert len(days) == (END - START).days


def test_good_rows_break_no_rule() -> None:
    assert not any(broken_rules(row, LATER) for row in default_rows(SOL))


def test_numbers_that_are_none_come_in_each_spelling() -> None:
    texts = {
        value
        for symbol in SYMBOLS
        for row in default_rows(symbol, faults=True)
        for value in row.values()
        if value in NOT_NUMBERS
    }
    assert texts == set(NOT_NUMBERS)


def test_last_acceptable_row_of_a_minute_is_the_good_one() -> None:
    winners = {
        row["start"]: row for row in default_rows(faults=True) if not broken_rules(row, LATER)
    }
    assert list(winners.values()) == default_rows()


def test_conflicting_duplicates_differ_in_their_close_only() -> None:
    market = simulator(faults=True)
    conflicts = _of_kind(market, "conflicting_duplicate")
    assert conflicts
    for fault in conflicts:
        start = datetime.fromisoformat(fault.start)
        first, second = rows(ask(market, start=start, end=start + MINUTE))
        assert {column for column in COLUMNS if first[column] != second[column]} == {"close"}


def test_duplicates_are_identical_neighbours() -> None:
    market = simulator(faults=True)
    duplicates = _of_kind(market, "duplicate_row")
    assert duplicates
    for fault in duplicates:
        start = datetime.fromisoformat(fault.start)
        first, second = rows(ask(market, start=start, end=start + MINUTE))
        assert first == second


def _of_kind(market: Simulator, kind: str) -> list[Fault]:
    return [f for f in market.injected_faults(BTC, "1m", START, END) if f.kind == kind]


def test_bad_rows_stand_beside_the_good_row_of_their_minute() -> None:
    """Where a row is bad in all but its time, that time must not be out of order."""
    readable = [
        time_of(row)
        for row in default_rows(faults=True)
        if not broken_rules(row, LATER) & {"start_in_future", "unreadable_time"}
    ]
    assert readable == sorted(readable)


def test_without_being_asked_for_there_are_no_faults() -> None:
    assert simulator().injected_faults(BTC, "1m", START, END) == []


def test_open_bar_has_no_fault_yet() -> None:
    fault = simulator(faults=True).injected_faults(BTC, "1m", START, END)[0]
    start = datetime.fromisoformat(fault.start)
    for now, expected in ((start + MINUTE / 2, []), (start + MINUTE, [fault])):
        assert simulator(now, faults=True).injected_faults(BTC, "1m", start, END) == expected
        assert ask(simulator(now, faults=True), start=start).num_rows == 1 + len(expected)


# -- late corrections ------------------------------------------------------------------------------


def test_revision_corrects_close_and_volume_of_a_few_bars() -> None:
    for symbol in SYMBOLS:
        before, after = (default_rows(symbol, revision=r) for r in (0, 1))
        pairs = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        days = (END - START).days
        assert days <= len(pairs) <= days * CORRECTIONS_PER_DAY
        for old, new in pairs:
            assert old["volume"] != new["volume"]
            changed = {column for column in COLUMNS if old[column] != new[column]}
            assert changed <= {"close", "volume"}
            assert not broken_rules(new, LATER)
        assert sum(old["close"] != new["close"] for old, new in pairs) > len(pairs) / 2


def test_each_revision_corrects_the_same_bars_again() -> None:
    zero, one, two = (default_rows(revision=r) for r in (0, 1, 2))
    assert [a != b for a, b in zip(zero, one, strict=True)] == [
        b != c for b, c in zip(one, two, strict=True)
    ]


def test_revision_leaves_the_open_bar_alone() -> None:
    before, after = (rows(ask(simulator(revision=r), end=START + DAY)) for r in (0, 1))
    corrected = next(time_of(a) for a, b in zip(before, after, strict=True) if a != b)
    for now, differ in ((corrected + MINUTE / 2, False), (corrected + MINUTE, True)):
        early, late = (ask(simulator(now, revision=r), start=corrected) for r in (0, 1))
        assert early.equals(late) is not differ


# -- listings --------------------------------------------------------------------------------------


def listings() -> list[dict[str, str]]:
    answer = asyncio.run(simulator().fetch(Request("instruments")))
    return [dict(cast("Mapping[str, str]", record)) for record in answer.records]


def test_listings_are_marked_as_simulated() -> None:
    declared = [field.column for field in Simulator.datasets["instruments"].fields]
    for listing in listings():
        assert list(listing) == declared
        assert "Simulated" in listing["name"]
        assert listing["exchange"] == "SIMX"
        assert listing["asset_class"] == "crypto"
        assert listing["symbol"].startswith("SIM-")


def test_listing_fields_are_those_of_the_sample() -> None:
    assert Simulator.datasets["instruments"].fields == Sample.datasets["instruments"].fields


def test_default_pairs_are_listed_before_the_default_range() -> None:
    for symbol in SYMBOLS:
        (listing,) = [each for each in listings() if each["symbol"] == symbol]
        assert listing["status"] == "active"
        assert listing["effective_date"] < f"{START:%Y-%m-%d}"


def test_instruments_are_renamed_delisted_and_relisted() -> None:
    history: dict[str, list[dict[str, str]]] = {}
    for listing in listings():
        history.setdefault(listing["listing_id"], []).append(listing)
    for changes in history.values():
        dates = [change["effective_date"] for change in changes]
        assert dates == sorted(set(dates))
    assert [change["symbol"] for change in history["SIM-LUN"]] == ["SIM-OLD/USD", "SIM-NEW/USD"]
    assert [change["status"] for change in history["SIM-DOG"]] == ["active", "delisted", "active"]
    assert [change["status"] for change in history["SIM-END"]] == ["active", "delisted"]


def test_bars_follow_the_listing() -> None:
    renamed = "2024-01-15T00:00:00Z"
    old, new = (ask(simulator(), symbol)["start"].to_pylist() for symbol in RENAMED)
    assert old[0][:10] == f"{START:%Y-%m-%d}"
    assert old[-1] < renamed <= new[0]
    relisted = ask(simulator(), "SIM-DOG/USD")["start"].to_pylist()
    assert relisted[0][:10] == "2024-01-10"
    delisted = ask(simulator(), "SIM-END/USD")["start"].to_pylist()
    assert delisted[-1][:10] == "2024-01-11"


def test_price_goes_on_across_a_rename() -> None:
    old, new = (ask(simulator(), symbol) for symbol in RENAMED)
    assert abs(np.log(numbers(new, "open")[0] / numbers(old, "close")[-1])) < 0.01


# -- requests --------------------------------------------------------------------------------------


def test_default_requests() -> None:
    market = simulator()
    assert list(market.default_request("instruments")) == [Request("instruments")]
    requests = list(market.default_request("bars"))
    assert [request.symbol for request in requests] == list(SYMBOLS)
    assert {(r.timeframe, r.start, r.end) for r in requests} == {("1m", START, END)}


@given(hours=st.integers(-5, 24 * 40))
def test_split_covers_the_range_in_pieces_of_a_week_at_most(hours: int) -> None:
    end = START + timedelta(hours=hours)
    pieces = list(simulator().split(Request("bars", BTC, "1m", START, end)))
    edges = [(piece.start, piece.end) for piece in pieces]
    assert [end for _, end in edges[:-1]] == [start for start, _ in edges[1:]]
    if hours > 0:
        assert (edges[0][0], edges[-1][1]) == (START, end)
    assert all(start < stop <= start + 7 * DAY for start, stop in edges if start and stop)
    assert bool(pieces) is (hours > 0)


def test_extract_is_not_split() -> None:
    assert list(simulator().split(Request("instruments"))) == [Request("instruments")]


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request("bars", "BTC/USD", "1m", START, END), "SIM-BTC/USD"),
        (Request("bars", None, "1m", START, END), "SIM-BTC/USD"),
        (Request("bars", BTC, "5m", START, END), "'1m'"),
        (Request("bars", BTC, "1m"), "give a start and an end"),
    ],
)
def test_what_cannot_be_answered_is_refused(request_: Request, told: str) -> None:
    with pytest.raises(TerminalError, match=told):
        asyncio.run(simulator().fetch(request_))
