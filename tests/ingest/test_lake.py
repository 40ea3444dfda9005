"""The lake core: verbatim records, whole batches, what the ledger says is covered, crashes."""

import asyncio
import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clock import iso, parse_iso
from ingest.fault_points import KILL_AT
from ingest.lake import (
    LEDGER_KEY,
    Batch,
    Interval,
    Lake,
    lake_schema,
    merged,
    missing,
    new_batch_id,
    ready,
)
from ingest.locks import LockedError, exclusive
from ingest.provider import (
    Dataset,
    Field,
    MalformedError,
    ProviderError,
    Record,
    Reject,
    Request,
    RetryableError,
    TerminalError,
    fields,
)
from ingest.providers import exchange_calendars, sample
from ingest.providers.exchange_calendars import ExchangeCalendars
from ingest.providers.sample import Sample
from ingest.records import content_hash, decode_json, to_table
from ingest.settings import PROJECT_ROOT, DataDir
from tests.ingest.scripted import (
    BARS,
    HOUR,
    LATER,
    LIST,
    MINUTE,
    SECRET,
    T0,
    Now,
    Row,
    Vendor,
    answer,
    asking,
    files,
    landed,
    minute,
    run,
)


def text(record: Record, *declared: Field) -> Row:
    """Return the columns that one record becomes."""
    (row,) = to_table([record], Dataset("any", declared)).to_pylist()
    return dict(row)


# -- records: verbatim ----------------------------------------------------------------------------


def test_numbers_keep_their_text() -> None:
    literals = ["1.10", "100", "-0.0", "1e5", "1E-7", "0.1000000000000000055511151231257827"]
    literals += ["123456789012345678901234567890"]
    for literal in literals:
        record = decode_json(f'{{"price": {literal}, "more": {{"deep": [{literal}]}}}}')
        row = text(record, Field("price", "price"), Field("more", "more"))
        assert row == {"price": literal, "more": f'{{"deep":[{literal}]}}', "_extra": None}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", "true"),
        ("false", "false"),
        ("null", None),
        ('""', ""),
        ('" n/a "', " n/a "),
        ('"Zürich \\u20ac"', "Zürich €"),
        ("NaN", "NaN"),
        ("[1, 2.0]", "[1,2.0]"),
        ('{"a": {"b": null, "c": true}}', '{"a":{"b":null,"c":true}}'),
        ('{"name": "Zürich \\"x\\""}', '{"name":"Zürich \\"x\\""}'),
    ],
)
def test_values_become_text_uninterpreted(value: str, expected: str | None) -> None:
    record = decode_json(f'{{"value": {value}}}')
    assert text(record, Field("value", "value")) == {"value": expected, "_extra": None}


def test_python_values_become_text() -> None:
    record = {"float": 0.1, "int": 3, "flag": True, "time": T0}
    assert text(record, *fields("float", "int", "flag"))["_extra"] == f'{{"time":"{T0}"}}'
    assert text(record, *fields("float", "int", "flag"), Field("time", "time")) == {
        "float": "0.1",
        "int": "3",
        "flag": "true",
        "time": str(T0),
        "_extra": None,
    }


def test_absent_fields_are_null_and_undeclared_ones_kept() -> None:
    record = decode_json('{"a": "1", "T": 1.10, "nested": {"x": [1]}, "none": null}')
    assert text(record, *fields("a", "b")) == {
        "a": "1",
        "b": None,
        "_extra": '{"T":1.10,"nested":{"x":[1]},"none":null}',
    }


def test_nested_paths_leave_their_undeclared_siblings_in_extra() -> None:
    record = decode_json('{"quote": {"bid": 1.0, "ask": 2.0, "at": {"s": 1, "ns": 2}}, "id": 7}')
    declared = (Field("bid", "quote.bid"), Field("seconds", "quote.at.s"))
    assert text(record, *declared) == {
        "bid": "1.0",
        "seconds": "1",
        "_extra": '{"quote":{"ask":2.0,"at":{"ns":2}},"id":7}',
    }
    assert text({"quote": {"bid": 1}}, Field("bid", "quote.bid"))["_extra"] is None
    assert text({"quote": None}, Field("bid", "quote.bid")) == {"bid": None, "_extra": None}
    assert text({"quote": "closed"}, Field("bid", "quote.bid")) == {
        "bid": None,
        "_extra": '{"quote":"closed"}',
    }


def test_array_rows_are_addressed_by_position() -> None:
    record = decode_json('[1704067200, 1.10, [2, "x"], "more"]')
    declared = (Field("time", "0"), Field("price", "1"), Field("size", "2.0"), Field("gone", "9"))
    assert text(record, *declared) == {
        "time": "1704067200",
        "price": "1.10",
        "size": "2",
        "gone": None,
        "_extra": '{"2":{"1":"x"},"3":"more"}',
    }


def test_arrow_tables_are_taken_by_column() -> None:
    table = pa.table({"Price": ["1.10", None], "n": [1, 2], "extra": ["x", None]})
    dataset = Dataset("any", fields("n", "gone", price="Price"))
    assert to_table(table, dataset).to_pylist() == [
        {"n": "1", "gone": None, "price": "1.10", "_extra": '{"extra":"x"}'},
        {"n": "2", "gone": None, "price": None, "_extra": '{"extra":null}'},
    ]
    assert to_table(table.select(["n"]), Dataset("any", fields("n")))["_extra"].null_count == 2


def test_half_a_surrogate_pair_does_not_cost_the_batch(lake: Lake) -> None:
    record = decode_json('{"start": "\\ud83d", "other": "\\ud83d", "close": "\\ud83d\\ude00"}')
    lake.land("vendor", BARS, [answer([record], rejects=(Reject("bad", "\ud83d"),))])
    (row,) = landed(lake)
    assert (row["start"], row["close"]) == ("\\ud83d", "😀")
    assert json.loads(row["_extra"]) == {"other": "\ud83d"}


def test_columns_must_be_unique_ignoring_case() -> None:
    with pytest.raises(ValueError, match="not unique ignoring case"):
        Dataset("trades", fields("t", "T"))
    assert Dataset("trades", fields("t", trade_type="T")).name == "trades"


def test_content_hash_sees_values_and_order_but_not_chunks() -> None:
    rows = [{"start": str(n), "close": None if n % 3 else "x"} for n in range(50)]
    whole = to_table(rows, BARS)
    pieces = pa.concat_tables([to_table(rows[:7], BARS), to_table(rows[7:], BARS)])
    assert content_hash(whole) == content_hash(pieces)
    others = [rows[::-1], rows[:-1], [{**rows[0], "close": ""}, *rows[1:]]]
    hashes = {content_hash(to_table(other, BARS)) for other in [rows, *others]}
    assert len(hashes) == 4


@given(
    st.lists(st.tuples(*[st.none() | st.text(max_size=3)] * 2), max_size=8),
    st.lists(st.tuples(*[st.none() | st.text(max_size=3)] * 2), max_size=8),
    st.integers(0, 8),
)
def test_content_hashes_are_equal_when_values_are(
    one: list[tuple[str | None, ...]], other: list[tuple[str | None, ...]], cut: int
) -> None:
    def table(rows: list[tuple[str | None, ...]]) -> pa.Table:
        columns = list(zip(*rows, strict=True)) or [(), ()]
        return pa.table([pa.array(c, pa.string()) for c in columns], names=["a", "b"])

    assert (content_hash(table(one)) == content_hash(table(other))) == (one == other)
    joined = pa.concat_tables([table(one[:cut]), table(one), table(one[cut:])])
    assert content_hash(joined.slice(min(cut, len(one)), len(one))) == content_hash(table(one))


def test_json_of_any_depth_is_kept() -> None:
    deep = "[" * 900 + "1.10" + "]" * 900
    assert text(decode_json(f'{{"value": {deep}}}'), Field("value", "value"))["value"] == deep


# -- batches ---------------------------------------------------------------------------------------


def test_rows_carry_their_lineage(lake: Lake) -> None:
    at = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
    records = [{"start": "1", "close": "2"}, {"start": "3", "close": "4"}]
    answers = [
        answer(records, at=at),
        answer([{"start": "5"}], asking(symbol="B"), at=at - MINUTE),
    ]
    batch = lake.land("vendor", BARS, answers)
    (path,) = files(lake)
    folder = lake.data.raw / "vendor" / "bars" / "ingest_date=2024-02-29"
    assert path == folder / f"{batch.batch_id}.parquet"
    assert pq.read_schema(path).equals(lake_schema(BARS))
    common = {"_provider": "vendor", "_dataset": "bars", "_timeframe": "1m", "_extra": None}
    assert landed(lake) == [
        {
            **common,
            "start": start,
            "close": close,
            "_symbol": symbol,
            "_fetched_at": fetched_at,
            "_batch_id": batch.batch_id,
            "_row": row,
        }
        for row, (start, close, symbol, fetched_at) in enumerate(
            [("1", "2", "A", at), ("3", "4", "A", at), ("5", None, "B", at - MINUTE)]
        )
    ]


def test_ledger_is_in_the_file_and_read_back_as_written(lake: Lake) -> None:
    request = replace(asking(), params={"feed": "x"})
    rejects = (Reject("not an object", "17"),)
    batch = lake.land("vendor", BARS, [answer([{"start": "1"}], request, rejects=rejects)])
    (path,) = files(lake)
    in_file = pq.read_metadata(path).metadata[LEDGER_KEY.encode()]
    assert Batch.from_json(in_file) == batch
    assert Batch.from_json(batch.to_json()) == batch
    assert lake.batches() == [batch]
    assert (batch.rows, batch.dead_letters, batch.loader_version) == (1, 1, version("tapehouse"))
    assert batch.fields == {"start": "start", "close": "close"}
    (entry,) = batch.entries
    assert (entry.symbol, entry.timeframe, entry.params) == ("A", "1m", {"feed": "x"})
    assert (entry.start, entry.end) == (iso(T0), iso(T0 + HOUR))
    assert (entry.status, entry.records, entry.dead_letters) == ("complete", 1, 1)
    assert (entry.fetched_at, entry.confirms) == (iso(LATER), None)


def test_batches_are_found_by_provider_and_dataset_oldest_first(lake: Lake) -> None:
    third = lake.land("b", BARS, [answer(at=LATER + MINUTE)])
    second = lake.land("a", LIST, [answer(request=Request("list"))])
    first = lake.land("a", BARS, [answer(at=LATER - MINUTE)])
    assert lake.batches() == [first, second, third]
    assert lake.batches("a") == [first, second]
    assert lake.batches(dataset="bars") == [first, third]
    assert lake.batches("c") == []


def test_batch_without_rows_records_that_nothing_was_there(lake: Lake) -> None:
    batch = lake.land("vendor", BARS, [answer()])
    (path,) = files(lake)
    assert batch.rows == 0
    assert pq.ParquetFile(path).read().num_rows == 0
    assert pq.read_schema(path).equals(lake_schema(BARS))
    assert lake.ledger("vendor", "bars").coverage("A", "1m") == [Interval(T0, T0 + HOUR)]


def test_streamed_batch_numbers_rows_across_writes(lake: Lake) -> None:
    with lake.open_batch("inbox", BARS, batch_id="given") as batch:
        for symbols in (["A", "B"], [], ["C"]):
            rows = to_table([{"start": symbol} for symbol in symbols], BARS)
            batch.write(rows, symbol=pa.array(symbols, pa.string()))
    found = [(row["start"], row["_symbol"], row["_timeframe"], row["_row"]) for row in landed(lake)]
    assert found == [("A", "A", None, 0), ("B", "B", None, 1), ("C", "C", None, 2)]
    assert [path.stem for path in files(lake)] == ["given"]


def test_small_answers_share_a_row_group(lake: Lake) -> None:
    answers = [answer([{"start": str(n)}], asking(minute(n), minute(n + 1))) for n in range(50)]
    lake.land("vendor", BARS, answers)
    (path,) = files(lake)
    assert pq.ParquetFile(path).num_row_groups == 1
    assert [(row["start"], row["_row"]) for row in landed(lake)] == [(str(n), n) for n in range(50)]


def test_large_batches_have_several_row_groups(lake: Lake) -> None:
    with lake.open_batch("inbox", BARS) as batch:
        for first in range(0, 250_000, 50_000):
            starts = pa.table({"start": [str(n) for n in range(first, first + 50_000)]})
            batch.write(to_table(starts, BARS))
    (path,) = files(lake)
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [122_880, 122_880, 4_240]
    assert pq.read_table(path, columns=["start", "_row"]).to_pydict() == {
        "start": [str(n) for n in range(250_000)],
        "_row": list(range(250_000)),
    }


def test_error_while_writing_leaves_nothing(lake: Lake) -> None:
    def broken_load() -> None:
        with lake.open_batch("inbox", BARS) as batch:
            batch.write(to_table([{"start": "1"}], BARS))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        broken_load()
    assert not list(lake.data.lake.rglob("*.parquet"))
    lake.land("inbox", BARS, [answer()])


def test_batch_ids_sort_by_time_and_never_repeat() -> None:
    ids = [new_batch_id(T0 + n * timedelta(microseconds=1)) for n in range(20)]
    assert ids == sorted(ids)
    assert len({new_batch_id(T0) for _ in range(100)}) == 100


# -- confirmations ---------------------------------------------------------------------------------


def land(lake: Lake, closes: str, at: datetime, **asked: Any) -> Batch:  # noqa: ANN401
    """Land one answer with a row per letter of `closes`."""
    return lake.land("vendor", BARS, [answer([{"close": c} for c in closes], at=at, **asked)])


def test_identical_answer_is_confirmed_through_a_chain(lake: Lake) -> None:
    first = land(lake, "ab", LATER)
    for number in (1, 2, 3):
        batch = land(lake, "ab", LATER + number * HOUR)
        (entry,) = batch.entries
        assert (batch.rows, entry.records, entry.confirms) == (0, 0, first.batch_id)
        assert entry.content_hash == first.entries[0].content_hash
    assert [row["close"] for row in landed(lake)] == ["a", "b"]


def test_changed_answers_land_each_time(lake: Lake) -> None:
    closes = ["a", "b", "a", "a"]
    batches = [land(lake, close, LATER + n * HOUR) for n, close in enumerate(closes)]
    assert [batch.rows for batch in batches] == [1, 1, 1, 0]
    assert batches[3].entries[0].confirms == batches[2].batch_id
    assert [row["close"] for row in landed(lake)] == ["a", "b", "a"]


def test_only_the_same_question_is_confirmed(lake: Lake) -> None:
    land(lake, "a", LATER)
    others = [
        asking(symbol="B"),
        asking(end=T0 + HOUR + MINUTE),
        replace(asking(), timeframe="5m"),
        replace(asking(), params={"feed": "x"}),
    ]
    for number, request in enumerate(others, 1):
        assert land(lake, "a", LATER + number * HOUR, request=request).rows == 1
    assert land(lake, "a", LATER + 9 * HOUR).rows == 0


def test_empty_answers_have_no_rows_to_confirm(lake: Lake) -> None:
    batches = [land(lake, closes, LATER + n * HOUR) for n, closes in enumerate(["", "", "a", ""])]
    assert [batch.entries[0].confirms for batch in batches] == [None] * 4
    assert land(lake, "a", LATER + 9 * HOUR).rows == 1


def test_same_question_twice_in_a_batch_is_confirmed_by_it(lake: Lake) -> None:
    answers = [answer([{"close": "a"}], at=LATER + n * MINUTE) for n in range(2)]
    batch = lake.land("vendor", BARS, answers)
    assert batch.rows == 1
    assert [entry.confirms for entry in batch.entries] == [None, batch.batch_id]


def test_what_another_loader_lands_meanwhile_is_known(lake: Lake) -> None:
    """A, B of the other, A again: the last is what is true now, and no confirmation."""
    loaders = [lake.loader("vendor", BARS) for _ in range(2)]
    closes = ["a", "b", "a", "a"]
    batches = [
        loaders[number % 2].land(
            [ready(answer([{"close": close}], at=LATER + number * HOUR), BARS)]
        )
        for number, close in enumerate(closes)
    ]
    assert [batch.rows for batch in batches] == [1, 1, 1, 0]
    assert batches[3].entries[0].confirms == batches[2].batch_id


def test_a_late_loader_of_an_older_answer_does_not_hide_the_newer_one(lake: Lake) -> None:
    loader = lake.loader("vendor", BARS)
    for close, at in (("new", LATER), ("old", LATER - HOUR), ("new", LATER + HOUR)):
        last = loader.land([ready(answer([{"close": close}], at=at), BARS)])
    assert last.rows == 0


# -- coverage --------------------------------------------------------------------------------------

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8)


def minutes_in(intervals: Iterable[Interval]) -> set[int]:
    return {
        n
        for interval in intervals
        for n in range((interval.start - T0) // MINUTE, (interval.end - T0) // MINUTE)
    }


@given(spans=SPANS, wanted=st.tuples(st.integers(0, 60), st.integers(1, 40)))
def test_merged_and_missing_are_union_and_difference(
    spans: list[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    intervals = [Interval(minute(start), minute(start + length)) for start, length in spans]
    covered = merged(intervals)
    assert minutes_in(covered) == minutes_in(intervals)
    assert all(a.end < b.start for a, b in pairwise(covered))
    whole = Interval(minute(wanted[0]), minute(sum(wanted)))
    gaps = missing(whole, covered)
    assert minutes_in(gaps) == minutes_in([whole]) - minutes_in(covered)
    assert merged(gaps) == gaps
    assert all(gap.start < gap.end for gap in gaps)


@settings(deadline=None, max_examples=15)
@given(
    asked=st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(0, 90), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    lag=st.integers(0, 10),
)
def test_coverage_is_what_was_answered_whole_and_is_final(
    asked: list[tuple[int, int, int, bool]], lag: int
) -> None:
    dataset = replace(BARS, finality_lag=lag * MINUTE)
    answers = [
        answer(request=asking(minute(a), minute(a + length)), at=minute(at), is_complete=whole)
        for a, length, at, whole in asked
    ]
    expected = {
        n
        for start, length, at, whole in asked
        for n in range(start, start + length)
        if whole and n + lag < at
    }
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(DataDir(Path(folder)), Now())
        lake.land("vendor", dataset, answers)
        covered = lake.ledger("vendor", "bars").coverage("A", "1m")
        assert minutes_in(covered) == expected
        watermark = lake.ledger("vendor", "bars").watermark("A", "1m")
        assert watermark == (minute(max(expected) + 1) if expected else None)


def test_coverage_is_kept_by_symbol_and_timeframe(lake: Lake) -> None:
    lake.land("vendor", BARS, [answer(), answer(request=Request("bars", "A", "1m"))])
    assert lake.ledger("vendor", "bars").coverage("A", "1m") == [Interval(T0, T0 + HOUR)]
    for symbol, timeframe in (("B", "1m"), ("A", "5m"), (None, None)):
        assert lake.ledger("vendor", "bars").coverage(symbol, timeframe) == []
        assert lake.ledger("vendor", "bars").watermark(symbol, timeframe) is None


def test_confirmation_extends_coverage(lake: Lake) -> None:
    """An unchanged answer fetched later covers more, although it brings no rows."""
    for at in (T0 + HOUR / 2, T0 + 2 * HOUR):
        land(lake, "a", at)
        assert lake.ledger("vendor", "bars").watermark("A", "1m") == min(at, T0 + HOUR)


# -- lists that shrink -----------------------------------------------------------------------------


def test_a_list_that_lost_more_than_half_is_not_believed_at_once(lake: Lake) -> None:
    """What is not on a complete list is gone: one that was cut off must remove nothing."""
    companies = replace(LIST, is_by_symbol=False)
    question = Request("list")
    loads = [(0, 10), (1, 4), (2, 10), (3, 5), (4, 2), (9, 1), (10, 2), (11, 2), (12, 1)]
    told = []
    for day, count in loads:
        rows = [{"id": str(number), "name": f"of day {day}"} for number in range(count)]
        batch = lake.land(
            "vendor", companies, [answer(rows, question, at=LATER + timedelta(days=day))]
        )
        told.append(batch.entries[0].status)
    assert told == [
        "complete",
        "partial",  # 4 of 10
        "complete",
        "complete",  # 5 of 10 is half
        "partial",  # 2 of 5
        "partial",  # still, for five days
        "partial",
        "complete",  # for a week: that is how it is now
        "complete",
    ]


def test_lists_of_one_symbol_may_shrink(lake: Lake) -> None:
    for day, count in ((0, 10), (1, 1)):
        rows = [{"id": str(number), "name": f"of day {day}"} for number in range(count)]
        at = LATER + timedelta(days=day)
        batch = lake.land("vendor", LIST, [answer(rows, Request("list", "A"), at=at)])
        assert batch.entries[0].status == "complete"


# -- dead letters ----------------------------------------------------------------------------------


def letters(lake: Lake) -> list[dict[str, Any]]:
    paths = sorted(lake.data.dead_letter.rglob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_masking_secrets_leaves_numbers_and_times_alone(lake: Lake) -> None:
    """A password of digits may be part of any price; a word may be a part of any text."""
    secrets = ("12345678", "1234.5678", "12e45678", "2024-03-01", "bitcoin", "k3y-of-mine")
    guarded = replace(lake, secrets=secrets)
    prices = [{"start": "2024-03-01T00:00:00Z", "close": text} for text in (
        "0.123456789", "91234.56780", "1.12e456789", "bitcoin", "a k3y-of-mine here",
    )]  # fmt: skip
    guarded.land("vendor", BARS, [answer(prices)])
    found = [(row["start"], row["close"]) for row in landed(guarded)]
    assert found == [
        *(("2024-03-01T00:00:00Z", row["close"]) for row in prices[:4]),
        ("2024-03-01T00:00:00Z", "a *** here"),
    ]


def test_dead_letters_are_readable_and_without_secrets(lake: Lake) -> None:
    rejects = (
        Reject("row 3 is no object", '[1, "Zürich"]'),
        Reject(f"refused: {SECRET}", f"key={SECRET}&x"),
    )
    request = replace(asking(), symbol=f"A{SECRET}")
    batch = lake.land("vendor", BARS, [answer([{"start": "1"}], request, rejects=rejects)])
    first, second = letters(lake)
    assert first == {
        "time": iso(LATER),
        "error": "row 3 is no object",
        "context": {
            "provider": "vendor",
            "request": "bars A*** 1m 2024-03-01T00:00..2024-03-01T01:00",
            "batch_id": batch.batch_id,
        },
        "body": '[1, "Zürich"]',
    }
    assert (second["error"], second["body"]) == ("refused: ***", "key=***&x")
    assert batch.dead_letters == 2
    written = [path.read_text(encoding="utf-8") for path in lake.data.dead_letter.rglob("*.json")]
    assert any("Zürich" in letter for letter in written)
    assert not any("with/everything" in letter for letter in written)


def test_malformed_answer_is_kept_as_received(vendor: Vendor, lake: Lake) -> None:
    vendor.failing = {T0: MalformedError("not JSON", "<html>\n\u2028</html>")}
    run(vendor, lake, asking())
    (letter,) = letters(lake)
    assert (letter["error"], letter["body"]) == ("not JSON", "<html>\n\u2028</html>")
    assert letter["context"]["request"] == str(asking())
    assert files(lake) == []


# -- one loader at a time --------------------------------------------------------------------------


def test_second_loader_of_a_dataset_is_told_who_is_loading(lake: Lake) -> None:
    with lake.open_batch("vendor", BARS):
        with pytest.raises(LockedError) as refused:
            lake.land("vendor", BARS, [answer()])
        lake.land("vendor", LIST, [answer(request=Request("list"))])
        lake.land("other", BARS, [answer()])
    for part in ("a loader of vendor bars", f"process {os.getpid()}", "try again when"):
        assert part in str(refused.value)
    lake.land("vendor", BARS, [answer()])


def test_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import sys, time; from pathlib import Path; from ingest.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'the other one'):\n"
        "    sys.stdout.write('held'); sys.stdout.flush(); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder, ExitStack() as cleanup:
        cleanup.callback(holder.kill)
        assert holder.stdout
        assert holder.stdout.read(4) == b"held"
        with pytest.raises(LockedError) as refused, exclusive(path, "me"):
            pass
        since = str(refused.value).split(" since ")[1].split(";")[0]
        assert f"locked by the other one (process {holder.pid})" in str(refused.value)
        assert parse_iso(since).tzinfo
    with exclusive(path, "me", lambda: T0):
        held = json.loads(path.read_text(encoding="utf-8"))
        assert held == {"holder": "me", "pid": os.getpid(), "since": iso(T0)}


def test_lock_without_a_readable_holder_still_refuses(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with exclusive(path, "me"):
        path.write_text("", encoding="utf-8")
        with pytest.raises(LockedError, match="by another process"), exclusive(path, "you"):
            pass


# -- crashes ---------------------------------------------------------------------------------------

LAND_SAMPLE = f"""
import os, sys
from pathlib import Path
from ingest.backfill import backfill
from ingest.lake import Lake
from ingest.providers.sample import Sample
from ingest.settings import DataDir

lake, provider = Lake(DataDir(Path(sys.argv[1]))), Sample()
backfill(provider, provider.default_request("instruments"), lake)
os.environ[{KILL_AT!r}] = sys.argv[2]
backfill(provider, provider.default_request("bars"), lake)
"""


@pytest.mark.parametrize(
    ("step", "is_there"),
    [
        ("land:written", False),
        ("land:synced", False),
        ("land:renamed", True),
        ("land:committed", True),
    ],
)
def test_batch_is_whole_or_absent_after_a_kill(lake: Lake, step: str, is_there: bool) -> None:
    command = [sys.executable, "-c", LAND_SAMPLE, str(lake.data.root), step]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [batch.rows for batch in lake.batches("sample", "bars")] == [12_154] * is_there
    before = {path: path.read_bytes() for path in files(lake)}

    report = run(Sample(), lake, *Sample().default_request("bars"))
    assert report.asked == (0 if is_there else len(sample.SYMBOLS))
    assert report.is_complete
    assert Counter(map(_sample_row, landed(lake, "sample", "bars"))) == Counter(bundled_rows())
    assert len(lake.batches("sample", "instruments")) == 1
    assert {path: path.read_bytes() for path in before} == before
    assert not list((lake.data.lake / ".tmp").rglob("*.parquet"))


def test_what_a_killed_loader_left_behind_is_never_read(lake: Lake) -> None:
    abandoned = lake.data.lake / ".tmp" / "vendor__bars" / "old.parquet"
    abandoned.parent.mkdir(parents=True)
    abandoned.write_bytes(b"half a file")
    assert lake.batches() == []
    lake.land("vendor", BARS, [answer()])
    assert not abandoned.exists()


# -- the bundled sample ----------------------------------------------------------------------------

SAMPLE_COLUMNS = ("ticker", "date", "open", "high", "low", "close", "volume", "adj_close")


def bundled_rows() -> Iterator[tuple[str | None, ...]]:
    path = PROJECT_ROOT / "data/sample" / sample.FILES["bars"]
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from (tuple(value or None for value in row) for row in rows)


def _sample_row(row: Row) -> tuple[str | None, ...]:
    return tuple(row[column] for column in SAMPLE_COLUMNS)


def test_sample_lands_to_the_character(lake: Lake) -> None:
    report = run(Sample(), lake, *Sample().default_request("bars"))
    assert report.rows == 12_154
    rows = landed(lake)
    for symbol in sample.SYMBOLS:
        ours = [_sample_row(row) for row in rows if row["_symbol"] == symbol]
        assert ours == [row for row in bundled_rows() if row[0] == symbol]
    assert all(row["_extra"] is None for row in rows)
    assert run(Sample(), lake, *Sample().default_request("bars")).asked == 0


def test_sample_has_splits_and_listings(lake: Lake) -> None:
    for dataset in ("corporate_actions", "instruments"):
        assert run(Sample(), lake, *Sample().default_request(dataset)).is_complete
    actions = landed(lake, dataset="corporate_actions")
    assert [
        (row["symbol"], row["action_type"], row["ex_date"], row["ratio"]) for row in actions
    ] == [
        ("AAPL", "split", "2000-06-21", "2"),
        ("MSFT", "split", "2003-02-18", "2"),
        ("AAPL", "split", "2005-02-28", "2"),
    ]
    assert {(row["amount"], row["currency"]) for row in actions} == {(None, None)}
    listed = {row["symbol"] for row in landed(lake, dataset="instruments")}
    assert listed >= set(sample.SYMBOLS)
    assert "Apple Computer, Inc." in {row["name"] for row in landed(lake, dataset="instruments")}


def test_sample_answers_half_open_ranges() -> None:
    start, end = datetime(2005, 2, 25, tzinfo=UTC), datetime(2005, 3, 1, tzinfo=UTC)
    found = asyncio.run(Sample().fetch(Request("bars", "AAPL", "1d", start, end)))
    assert [row["Date"] for row in found.records.to_pylist()] == ["2005-02-25", "2005-02-28"]  # type: ignore[union-attr]


def test_sample_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="no symbol 'TSLA'; it has AAPL"):
        asyncio.run(Sample().fetch(Request("bars", "TSLA", "1d")))
    with pytest.raises(TerminalError, match=r"wiki_prices\.csv\.gz is missing"):
        asyncio.run(Sample(folder=tmp_path).fetch(Request("bars")))


# -- trading sessions ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Series.values returning")
def test_sessions_span_the_declared_range(lake: Lake, now: Now) -> None:
    calendars = ExchangeCalendars(now)
    assert run(calendars, lake, *calendars.default_request("sessions")).is_complete
    sessions = {row["session_date"]: row for row in landed(lake)}
    assert min(sessions) == "1990-01-02"
    assert max(sessions) == f"{LATER.year + 1}-12-31"
    assert len(sessions) == len(landed(lake))
    assert {row["calendar"] for row in sessions.values()} == set(exchange_calendars.CALENDARS)
    half_day = sessions["2012-11-23"]
    assert half_day["open_at"] == "2012-11-23T14:30:00.000000Z"
    assert half_day["close_at"] == "2012-11-23T18:00:00.000000Z"
    assert half_day["is_early_close"] == "true"
    summer = sessions["2012-07-02"]
    assert (summer["open_at"][11:16], summer["close_at"][11:16]) == ("13:30", "20:00")
    assert summer["is_early_close"] == "false"
    assert not sessions.keys() & {"2012-11-22", "2012-10-29", "2012-11-24", "2001-09-11"}
    assert half_day["library_version"] == version("exchange_calendars")


def test_unknown_calendar_is_refused(now: Now) -> None:
    with pytest.raises(TerminalError, match="no calendar 'NOWHERE'"):
        asyncio.run(ExchangeCalendars(now).fetch(Request("sessions", "NOWHERE")))


# -- errors ----------------------------------------------------------------------------------------


def test_provider_errors_are_one_family() -> None:
    for error in (RetryableError("x"), TerminalError("x"), MalformedError("x", "body")):
        assert isinstance(error, ProviderError)
