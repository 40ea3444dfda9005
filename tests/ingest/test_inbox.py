"""The inbox: files of every format land once and verbatim, or say exactly why they did not."""

import csv
import gzip
import io
import json
import math
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clock import utc_now
from ingest.fault_points import KILL_AT
from ingest.files import READERS, UnreadableError, csv_file, json_lines_file, parquet_file
from ingest.files.common import stream
from ingest.lake import ROW_GROUP_ROWS, Batch, BatchWriter, Lake, lake_schema
from ingest.locks import LockedError, exclusive
from ingest.provider import TIMEFRAMES, Dataset, fields
from ingest.providers import inbox
from ingest.providers.inbox import DATASETS, PROVIDER, FileOutcome, InboxReport, land_inbox
from ingest.records import decode_json
from ingest.settings import PROJECT_ROOT, DataDir

COLUMNS = [field.column for field in DATASETS["bars"].fields]
REQUIRED = [column for column in COLUMNS if column not in DATASETS["bars"].optional_columns]
HEADER = ",".join(REQUIRED)
BARS = [
    ["equity", "BRK.B", "1d", "2024-01-02", "1.10", "2.50", "0.5", "1.25", "100"],
    ["crypto", "BTC/USD", "1m", "2024-01-02T09:30:00Z", "4.25", "5.5", "4.0", "5.0", "7"],
    ["crypto", "BTC/USD", "1m", "2024-01-02T09:31:00Z", "5.0", "6.5", "5.0", "6.0", "8"],
]

Row = dict[str, Any]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(DataDir(tmp_path / "data"))


@pytest.fixture
def drop(lake: Lake) -> Callable[[str, str | bytes], Path]:
    def write(name: str, content: str | bytes) -> Path:
        path = lake.data.inbox / "bars" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


Drop = Callable[[str, str | bytes], Path]


def run(lake: Lake) -> InboxReport:
    return land_inbox(lake, settle_seconds=0)


def only(report: InboxReport) -> FileOutcome:
    (outcome,) = report.files
    return outcome


def rows(lake: Lake, *columns: str) -> list[Row]:
    """Return everything in the lake, in the order in which it was landed."""
    paths = sorted(lake.data.raw.rglob("*.parquet"), key=lambda path: path.name)
    return [
        row
        for path in paths
        for row in pq.read_table(path, columns=list(columns) or None).to_pylist()
    ]


def values(lake: Lake) -> list[list[str | None]]:
    return [[row[column] for column in REQUIRED] for row in rows(lake)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def landed(lake: Lake) -> list[str]:
    return names(lake.data.inbox / ".landed" / "bars")


def rejected(lake: Lake) -> list[str]:
    return names(lake.data.inbox / ".rejected" / "bars")


def waiting(lake: Lake) -> list[str]:
    return names(lake.data.inbox / "bars")


def last_batch(lake: Lake) -> Batch:
    return lake.batches(PROVIDER, "bars")[-1]


def spans(batch: Batch) -> list[tuple[Any, ...]]:
    return [(e.symbol, e.timeframe, e.start, e.end, e.records) for e in batch.entries]


def csv_text(
    bars: Sequence[Sequence[str]] = BARS, delimiter: str = ",", line_end: str = "\n"
) -> str:
    return "".join(delimiter.join(row) + line_end for row in [REQUIRED, *bars])


def bar(**changes: str) -> str:
    """Return a CSV line of one bar."""
    values = dict(zip(REQUIRED, BARS[0], strict=True)) | changes
    return ",".join(values.values()) + "\n"


def json_text(bars: Sequence[Sequence[str]] = BARS) -> str:
    """Return JSON lines in which prices and volumes are numbers, written as they are in `BARS`."""
    lines = []
    for row in bars:
        texts, numbers = row[:4], row[4:]
        members = [*(json.dumps(text) for text in texts), *numbers]
        pairs = zip(REQUIRED, members, strict=True)
        lines.append("{" + ", ".join(f'"{name}": {member}' for name, member in pairs) + "}\n")
    return "".join(lines)


def parquet_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def text_table(bars: Sequence[Sequence[str]] = BARS) -> pa.Table:
    arrays = [pa.array([row[i] for row in bars], pa.string()) for i in range(len(REQUIRED))]
    return pa.table(arrays, names=REQUIRED)


def text_parquet(bars: Sequence[Sequence[str]] = BARS) -> bytes:
    return parquet_bytes(text_table(bars))


def typed_parquet(**columns: pa.Array) -> bytes:
    """Return one bar with typed columns, of which some are given."""
    table = {
        "asset_class": pa.array(["equity"]),
        "symbol": pa.array(["A"]),
        "timeframe": pa.array(["1m"]),
        "bar_start_at": pa.array([datetime(2024, 1, 2, 9, 30)], pa.timestamp("us")),  # noqa: DTZ001
        **{name: pa.array([1.5]) for name in ("open", "high", "low", "close")},
        "volume": pa.array([100]),
    }
    return parquet_bytes(pa.table(table | columns))


# -- formats ---------------------------------------------------------------------------------------

FORMATS: dict[str, str | bytes] = {
    "bars.csv": csv_text(),
    "bars.CSV": csv_text(),
    "windows.csv": csv_text(line_end="\r\n"),
    "old_mac.csv": csv_text(line_end="\r"),
    "no_last_line_end.csv": csv_text().rstrip("\n"),
    "byte_order_mark.csv": "\ufeff" + csv_text(),
    "mixed_line_ends.csv": csv_text(BARS[:1])
    + csv_text(BARS, line_end="\r\n")[len(csv_text(BARS[:1])) + 2 :],
    "blank_lines.csv": "\n\r\n" + csv_text().replace("\n", "\n\n"),
    "semicolons.csv": csv_text(delimiter=";"),
    "tabs.csv": csv_text(delimiter="\t"),
    "quoted.csv": "".join(
        ",".join(f'"{value}"' for value in row) + "\n" for row in [REQUIRED, *BARS]
    ),
    "bars.csv.gz": gzip.compress(csv_text().encode()),
    "two_members.csv.gz": gzip.compress(csv_text(BARS[:1]).encode())
    + gzip.compress(csv_text(BARS[1:]).partition("\n")[2].encode()),
    "bars.jsonl": json_text(),
    "windows.ndjson": json_text().replace("\n", "\r\n\r\n"),
    "byte_order_mark.jsonl": "\ufeff" + json_text().rstrip("\n"),
    "bars.jsonl.gz": gzip.compress(json_text().encode()),
    "bars.ndjson.GZ": gzip.compress(json_text().encode()),
    "bars.parquet": text_parquet(),
    "bars.2024.v1.parquet": text_parquet(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_lands_the_same_rows(lake: Lake, drop: Drop, name: str) -> None:
    drop(name, FORMATS[name])
    report = run(lake)
    assert values(lake) == BARS
    assert report.rows == 3
    assert report.rejected == ()
    outcome = only(report)
    assert outcome == FileOutcome(name, "landed", 3, "", last_batch(lake).batch_id)
    assert waiting(lake) == []
    assert landed(lake) == [name]


def test_rows_carry_their_lineage(lake: Lake, drop: Drop) -> None:
    drop("bars.csv", csv_text())
    run(lake)
    batch = last_batch(lake)
    (path,) = lake.data.raw.rglob("*.parquet")
    assert pq.read_schema(path).equals(lake_schema(DATASETS["bars"]))
    landed_rows = rows(lake)
    assert [row["_row"] for row in landed_rows] == [0, 1, 2]
    assert [row["_symbol"] for row in landed_rows] == ["equity:BRK.B"] + ["crypto:BTC/USD"] * 2
    assert [row["_timeframe"] for row in landed_rows] == ["1d", "1m", "1m"]
    for row in landed_rows:
        assert (row["_provider"], row["_dataset"]) == ("inbox", "bars")
        assert row["_batch_id"] == batch.batch_id
        assert f"{row['_fetched_at']:%Y-%m-%dT%H:%M:%S.%fZ}" == batch.fetched_at
        assert row["_extra"] is None


# -- values are verbatim ---------------------------------------------------------------------------


def test_csv_values_land_as_written(lake: Lake, drop: Drop) -> None:
    texts = [
        "1.10",
        "007",
        " 1e5 ",
        "NaN",
        "NULL",
        "n/a",
        "#1",
        "\\",
        "ü€😀",
        "1,5",
        'a "b"',
        "x\ny",
    ]
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    plain = {"": None, '""': "", 'a"b': 'a"b', " 2 ": " 2 ", "#x": "#x", "null": "null"}
    lines = [bar(open=value) for value in [*quoted, *plain]]
    drop("bars.csv", f"{HEADER}\n{''.join(lines)}")
    run(lake)
    assert [row["open"] for row in rows(lake)] == [*texts, *plain.values()]


def test_json_values_land_as_written(lake: Lake, drop: Drop) -> None:
    literals = {
        "1.10": "1.10",
        "100.00": "100.00",
        "-0.0": "-0.0",
        "1E+5": "1E+5",
        "12345678901234567890.123456789": "12345678901234567890.123456789",
        "NaN": "NaN",
        '"1.10"': "1.10",
        '" 7 "': " 7 ",
        '""': "",
        '"a\\"b\\\\ \\u00e9 : 5, 6"': 'a"b\\ é : 5, 6',
        '"\\u0001x\\u0002\ue000"': "\x01x\x02\ue000",
        "null": None,
        "true": "true",
        '[1.10, "2.0"]': '[1.10,"2.0"]',
        '{"v": 1.10}': '{"v":1.10}',
    }
    line = json_text(BARS[:1])
    drop("bars.jsonl", "".join(line.replace("1.10", literal) for literal in literals))
    run(lake)
    assert [row["open"] for row in rows(lake)] == list(literals.values())


def test_parquet_values_land_as_text(lake: Lake, drop: Drop) -> None:
    new_york = pa.timestamp("ns", "America/New_York")
    given_columns: list[tuple[str, pa.Array, str | None]] = [
        (
            "bar_start_at",
            pa.array([datetime(2024, 1, 2, 9, 30, tzinfo=UTC)], new_york),
            "2024-01-02T09:30:00Z",
        ),
        (
            "bar_start_at",
            pa.array([1704187800123456], pa.timestamp("us", "UTC")),
            "2024-01-02T09:30:00.123456Z",
        ),
        ("bar_start_at", pa.array([1704187800], pa.timestamp("s")), "2024-01-02T09:30:00"),
        (
            "bar_start_at",
            pa.array([1704187800123456789], pa.timestamp("ns")),
            "2024-01-02T09:30:00.123456789",
        ),
        ("bar_start_at", pa.array([datetime(2024, 1, 2).date()]), "2024-01-02"),  # noqa: DTZ001
        ("open", pa.array([1.1]), "1.1"),
        ("open", pa.array([0.1], pa.float32()), "0.1"),
        ("open", pa.array([math.nan]), "nan"),
        ("open", pa.array([None], pa.float64()), None),
        ("open", pa.array([110], pa.int32()).cast(pa.decimal128(12, 2)), "110.00"),
        ("open", pa.array(["n/a"]).dictionary_encode(), "n/a"),
        ("open", pa.array(["1.10"], pa.large_string()), "1.10"),
        ("open", pa.array([b"1.10"]), "1.10"),
        ("open", pa.array([b"\xff"]), "\\xFF"),
        ("open", pa.array([True]), "true"),
        ("open", pa.array([[1, 2]]), "[1,2]"),
        ("open", pa.array([None], pa.null()), None),
        ("volume", pa.array([2**63], pa.uint64()), str(2**63)),
    ]
    for number, (column, array, _) in enumerate(given_columns):
        drop(f"{number:02}.parquet", typed_parquet(**{column: array, "vwap": pa.array([number])}))
    assert {outcome.status for outcome in run(lake).files} == {"landed"}
    for row, (column, _, expected) in zip(rows(lake), given_columns, strict=True):
        assert (row["vwap"], column, row[column]) == (row["vwap"], column, expected)


def test_parquet_doubles_land_with_their_shortest_exact_text(lake: Lake, drop: Drop) -> None:
    source = random.Random(1)  # noqa: S311 - not for secrets
    doubles = [struct.unpack("<d", source.randbytes(8))[0] for _ in range(2000)]
    doubles = [value for value in doubles if math.isfinite(value)]
    table = {name: pa.array(["x"] * len(doubles)) for name in REQUIRED}
    drop("bars.parquet", parquet_bytes(pa.table(table | {"open": pa.array(doubles)})))
    run(lake)
    texts = [row["open"] for row in rows(lake, "open")]
    assert [float(text) for text in texts] == doubles
    digits = [
        len(text.lower().partition("e")[0].strip("-").replace(".", "").strip("0")) for text in texts
    ]
    shortest = [
        len(repr(v).partition("e")[0].strip("-").replace(".", "").strip("0")) for v in doubles
    ]
    assert digits == shortest


def read_rows(kind: str, content: str) -> list[Row]:
    """Return a file's rows as they would land, without a lake: fast enough for many examples."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"bars{kind}"
        path.write_bytes(content.encode())
        tables = READERS[kind](path, DATASETS["bars"], DATABASE.cursor())
        return [row for table in tables for row in table.to_pylist()]


DATABASE = duckdb.connect()

JSON_NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
STRINGS = st.text(max_size=12) | st.sampled_from(['", ": 5', ":1", "\\", '{"a":1}', "[1,2]"])
JSON_STRINGS = STRINGS.map(json.dumps) | STRINGS.map(lambda s: json.dumps(s, ensure_ascii=False))
JSON_MEMBERS = st.recursive(
    JSON_NUMBERS | JSON_STRINGS | st.sampled_from(["true", "false", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(STRINGS, inner, max_size=3).map(
            lambda d: "{" + ",".join(f"{json.dumps(k)}: {v}" for k, v in d.items()) + "}"
        )
    ),
    max_leaves=6,
)


@given(st.lists(st.tuples(STRINGS.map("k{}".format), JSON_MEMBERS, JSON_MEMBERS), min_size=1))
@settings(max_examples=50, deadline=None)
def test_any_json_survives_with_the_text_of_its_numbers(
    records: list[tuple[str, str, str]],
) -> None:
    line = json_text(BARS[:1]).strip()
    lines = [
        line.replace("1.10", known)[:-1] + f", {json.dumps(key)}: {other}}}\n"
        for key, other, known in records
    ]
    found = read_rows(".jsonl", "".join(lines))
    for row, (key, other, known) in zip(found, records, strict=True):
        assert decode_json(row["_extra"]) == {key: decode_json(other)}
        expected = decode_json(known)
        is_text = expected is None or isinstance(expected, str)
        assert (row["open"] if is_text else decode_json(row["open"])) == expected


@given(
    st.lists(st.text(max_size=12) | st.text('",\r\n', max_size=5), min_size=1, max_size=50),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([64, 100, 1 << 20]),
    st.sampled_from(["x", 'stray " quote']),
)
@settings(max_examples=100, deadline=None)
def test_any_quoted_text_survives(texts: list[str], line_end: str, block: int, plain: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writerow([*REQUIRED, "note"])
    for text in texts:
        file.write(f"{plain},")
        writer.writerow([*BARS[0][1:-1], text, text])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "BLOCK_BYTES", block)
        found = read_rows(".csv", file.getvalue())
    assert [(row["asset_class"], row["volume"]) for row in found] == [(plain, t) for t in texts]
    assert [json.loads(row["_extra"]) for row in found] == [{"note": text} for text in texts]


@given(st.text('",\r\nx ', max_size=40), st.sampled_from([8, 64, 1 << 20]))
@settings(max_examples=400, deadline=None)
def test_a_csv_file_is_read_as_the_standard_library_reads_it_or_refused(
    soup: str, block: int
) -> None:
    few = Dataset("few", fields("a", "b"), optional_columns=frozenset({"b"}))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "BLOCK_BYTES", block)
        path = Path(folder) / "soup.csv"
        path.write_bytes(f"a,b\n{soup}".encode())
        try:
            tables = list(csv_file.csv_tables(path, few, DATABASE.cursor()))
        except UnreadableError:
            with pytest.raises((csv.Error, ValueError)):
                standard_rows(soup)
            return
    found = [[row["a"] or "", row["b"] or ""] for table in tables for row in table.to_pylist()]
    assert found == standard_rows(soup)


def standard_rows(text: str) -> list[list[str]]:
    found = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    if any(len(row) != 2 for row in found):
        raise ValueError("ragged")
    return found


# -- columns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_column_names_match_in_any_case_order_and_with_spaces(
    lake: Lake, drop: Drop, kind: str
) -> None:
    header = [f"  {name.upper()} " for name in reversed(COLUMNS)]
    row = [f"{name}!" for name in reversed(COLUMNS)]
    contents: dict[str, str | bytes] = {
        "csv": f"{','.join(header)}\n{','.join(row)}\n",
        "jsonl": json.dumps(dict(zip(header, row, strict=True))),
        "parquet": parquet_bytes(pa.table([pa.array([v]) for v in row], names=header)),
    }
    drop(f"bars.{kind}", contents[kind])
    run(lake)
    (found,) = rows(lake)
    assert {name: found[name] for name in COLUMNS} == {name: f"{name}!" for name in COLUMNS}
    assert found["_extra"] is None


def test_optional_columns_are_null_where_absent(lake: Lake, drop: Drop) -> None:
    drop("1.csv", csv_text())
    drop("2.jsonl", json_text(BARS[:1])[:-2] + ', "vwap": 1.20}\n' + json_text(BARS[:1]))
    run(lake)
    found = rows(lake, "adj_close", "vwap", "trade_count", "_extra")
    absent = dict.fromkeys(["adj_close", "vwap", "trade_count", "_extra"])
    assert found == [absent, absent, absent, absent | {"vwap": "1.20"}, absent]


def test_undeclared_csv_columns_are_kept_as_json(lake: Lake, drop: Drop) -> None:
    line = bar().strip()
    drop("bars.csv", f'Idx,{HEADER}, Note ,,note\n7,{line},"say ""é""",x,\n8,{line},,,n\n')
    run(lake)
    assert [row["_extra"] for row in rows(lake)] == [
        '{"Idx":"7","Note":"say \\"é\\"","column_12":"x","note":null}',
        '{"Idx":"8","Note":null,"column_12":null,"note":"n"}',
    ]


def test_undeclared_json_keys_are_kept_as_written(lake: Lake, drop: Drop) -> None:
    line = json_text(BARS[:1]).strip()
    others = ['"a/b~c": 1.10, "x": [1.0, "1.0", null], "y": {"Z": 2e3}', '"n": null', '"": "é\\n"']
    drop("bars.jsonl", "\n".join([f"{line[:-1]}, {other}}}" for other in others] + [line]))
    run(lake)
    assert [row["_extra"] for row in rows(lake)] == [
        '{"a/b~c":1.10,"x":[1.0,"1.0",null],"y":{"Z":2e3}}',
        '{"n":null}',
        '{"":"é\\n"}',
        None,
    ]


def test_undeclared_parquet_columns_are_kept_as_json(lake: Lake, drop: Drop) -> None:
    extra = {
        'it\'s "x"': pa.array(["é"]),
        "n": pa.array([7]),
        "d": pa.array([1.5]),
        "inf": pa.array([math.inf]),
        "none": pa.array([None], pa.int64()),
        "exact": pa.array([110]).cast(pa.decimal128(21, 2)),
        "at": pa.array([0], pa.timestamp("us", "UTC")),
        "list": pa.array([[1, 2]]),
        "struct": pa.array([{"a": True}]),
        "bytes": pa.array([b"\x00\xff"]),
    }
    drop("bars.parquet", typed_parquet(**extra))
    run(lake)
    assert json.loads(rows(lake)[0]["_extra"]) == {
        'it\'s "x"': "é",
        "n": 7,
        "d": 1.5,
        "inf": "inf",
        "none": None,
        "exact": "110.00",
        "at": "1970-01-01T00:00:00Z",
        "list": [1, 2],
        "struct": {"a": True},
        "bytes": "\\x00\\xFF",
    }


# -- the ledger ------------------------------------------------------------------------------------


def test_the_ledger_has_one_entry_per_symbol_and_timeframe(lake: Lake, drop: Drop) -> None:
    drop("bars.csv", csv_text())
    run(lake)
    batch = last_batch(lake)
    assert spans(batch) == [
        ("crypto:BTC/USD", "1m", "2024-01-02T09:30:00.000000Z", "2024-01-02T09:32:00.000000Z", 2),
        ("equity:BRK.B", "1d", "2024-01-02T00:00:00.000000Z", "2024-01-03T00:00:00.000000Z", 1),
    ]
    for entry in batch.entries:
        assert entry.params == {"file": "bars.csv", "content": entry.content_hash}
        assert entry.content_hash.startswith("sha256:")
        assert (entry.status, entry.dead_letters, entry.confirms) == ("complete", 0, None)
        assert entry.fetched_at == batch.fetched_at


@pytest.mark.parametrize(
    ("starts", "first", "end"),
    [
        (["2024-01-02"], "2024-01-02T00:00:00", "2024-01-02T01:00:00"),
        (["2024-01-02 10:00", "2024-01-02T09:00:00"], "2024-01-02T09:00:00", "2024-01-02T11:00:00"),
        (["2024-01-02T09:30:00Z"], "2024-01-02T09:30:00", "2024-01-02T10:30:00"),
        (["2024-01-02T09:30:00+02:00"], "2024-01-02T07:30:00", "2024-01-02T08:30:00"),
        (["2024-01-02T23:30:00-05"], "2024-01-03T04:30:00", "2024-01-03T05:30:00"),
        (["2024-07-02T09:30:00-04:00", "x"], "2024-07-02T13:30:00", "2024-07-02T14:30:00"),
        (["x", "", "1704187800", "infinity", "0044-03-15", "12024-01-01"], None, None),
    ],
)
def test_the_ledger_tells_the_time_range_in_utc(
    lake: Lake, drop: Drop, starts: list[str], first: str | None, end: str | None
) -> None:
    lines = "".join(bar(timeframe="1h", bar_start_at=start) for start in starts)
    drop("bars.csv", f"{HEADER}\n{lines}")
    run(lake)
    (entry,) = last_batch(lake).entries
    assert entry.start == (f"{first}.000000Z" if first else None)
    assert entry.end == (f"{end}.000000Z" if end else None)
    assert entry.records == len(starts)
    assert [row["bar_start_at"] or "" for row in rows(lake)] == starts
    lake.ledger(PROVIDER, "bars").coverage(entry.symbol, entry.timeframe)


def test_rows_without_a_readable_key_have_entries_too(lake: Lake, drop: Drop) -> None:
    changes: list[dict[str, str]] = [
        {"asset_class": ""},
        {"symbol": ""},
        {"timeframe": ""},
        {"timeframe": "7m"},
        {"asset_class": "", "timeframe": ""},
        {"bar_start_at": "x"},
    ]
    drop("bars.csv", f"{HEADER}\n{''.join(bar(**change) for change in changes)}")
    run(lake)
    start, end = "2024-01-02T00:00:00.000000Z", "2024-01-03T00:00:00.000000Z"
    assert spans(last_batch(lake)) == [
        ("equity:BRK.B", "1d", None, None, 1),
        ("equity:BRK.B", "7m", start, None, 1),
        ("equity:BRK.B", None, start, None, 1),
        (None, "1d", start, end, 2),
        (None, None, start, None, 1),
    ]
    assert [(row["_symbol"], row["_timeframe"]) for row in rows(lake)] == [
        (None, "1d"),
        (None, "1d"),
        ("equity:BRK.B", None),
        ("equity:BRK.B", "7m"),
        (None, None),
        ("equity:BRK.B", "1d"),
    ]


def test_many_symbols_each_have_an_entry(lake: Lake, drop: Drop) -> None:
    symbols = [f"S{number:05}" for number in range(20_500)]
    lines = "".join(bar(symbol=symbol) for symbol in symbols)
    drop("bars.csv", f"{HEADER}\n{lines}")
    assert run(lake).rows == 20_500
    entries = last_batch(lake).entries
    assert [entry.symbol for entry in entries] == [f"equity:{symbol}" for symbol in symbols]
    assert {entry.records for entry in entries} == {1}


def test_more_symbols_than_a_ledger_holds_are_counted_together(
    lake: Lake, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MAX_GROUPS", 3)
    drop("bars.csv", HEADER + "\n" + "".join(bar(symbol=f"S{n}") * 2 for n in range(10)))
    run(lake)
    batch = last_batch(lake)
    assert [(e.symbol, e.records) for e in batch.entries] == [
        ("equity:S0", 2),
        ("equity:S1", 2),
        ("equity:S2", 2),
        (None, 14),
    ]
    assert sum(entry.records for entry in batch.entries) == batch.rows == 20


def test_a_file_without_rows_is_recorded(lake: Lake, drop: Drop) -> None:
    drop("bars.csv", f"{HEADER}\n")
    outcome = only(run(lake))
    assert (outcome.status, outcome.rows) == ("landed", 0)
    assert outcome.message == "holds column names but no rows"
    assert spans(last_batch(lake)) == [(None, None, None, None, 0)]
    drop("again.csv", f"{HEADER}\n")
    assert only(run(lake)).status == "already_landed"
    drop("none.parquet", text_parquet([]))
    assert only(run(lake)).rows == 0


# -- once ------------------------------------------------------------------------------------------


def test_the_same_content_lands_once_under_any_name(lake: Lake, drop: Drop) -> None:
    drop("a.csv", csv_text())
    drop("b.csv", csv_text())
    report = run(lake)
    assert [outcome.status for outcome in report.files] == ["landed", "already_landed"]
    drop("a.csv", csv_text())
    drop("renamed.jsonl", csv_text())
    again = run(lake)
    assert [outcome.status for outcome in again.files] == ["already_landed"] * 2
    batch = last_batch(lake)
    assert again.files[0].message == f"the same content landed before, in batch {batch.batch_id}"
    assert (again.rows, again.files[0].rows) == (0, 0)
    assert values(lake) == BARS
    assert waiting(lake) == []
    short = batch.entries[0].content_hash.removeprefix("sha256:")[:12]
    assert landed(lake) == sorted(["a.csv", "b.csv", f"{short}-a.csv", "renamed.jsonl"])


def test_a_name_used_again_overwrites_nothing(lake: Lake, drop: Drop) -> None:
    contents = [csv_text(BARS[:count]) for count in (1, 2, 3)]
    for content in [*contents, contents[2]]:
        drop("bars.csv", content)
        run(lake)
    folder = lake.data.inbox / ".landed" / "bars"
    kept = [(folder / name).read_text() for name in landed(lake)]
    assert sorted(kept) == sorted([*contents, contents[2]])
    assert len(rows(lake)) == 6


def test_two_files_at_once_land_in_the_order_of_their_names(lake: Lake, drop: Drop) -> None:
    drop("b.jsonl", json_text(BARS[1:]))
    drop("a.csv", csv_text(BARS[:1]))
    drop("c.csv", "symbol\nA\n")
    report = run(lake)
    assert [(o.name, o.status, o.rows) for o in report.files] == [
        ("a.csv", "landed", 1),
        ("b.jsonl", "landed", 2),
        ("c.csv", "rejected", 0),
    ]
    assert report.rows == 3
    assert [outcome.name for outcome in report.rejected] == ["c.csv"]
    assert values(lake) == BARS
    assert [len(batch.entries) for batch in lake.batches(PROVIDER, "bars")] == [1, 1]


def test_names_that_look_like_patterns_mean_themselves(lake: Lake, drop: Drop) -> None:
    for number, name in enumerate(["bars[1].csv", "bars?.csv", "b*.csv", "bars1.csv", "it's.csv"]):
        drop(name, csv_text([[*BARS[0][:-1], str(number)]]))
    drop("x[ab].parquet", text_parquet(BARS[:1]))
    drop("x[ab].jsonl", json_text(BARS[:1]))
    report = run(lake)
    assert {outcome.rows for outcome in report.files} == {1}
    assert sorted(row["volume"] for row in rows(lake)) == ["0", "1", "100", "100", "2", "3", "4"]


# -- what cannot be read ---------------------------------------------------------------------------

GOOD = bar()
J = json_text(BARS[:1])
PER_LINE = (
    "Give every line one value per column (nothing between two delimiters where there is none)"
    " and quote values that contain the delimiter."
)
ONE_OBJECT = "Write every record as one object on a line of its own, without an array around them."
KINDS = "are not read, only .csv, .jsonl and .ndjson (also with .gz) and .parquet"
QUOTE = 'Close it, or write a quote that belongs to the value as "".'

REJECTS: list[tuple[str, str | bytes, str]] = [
    ("empty.csv", "", "The file is empty. Export it again."),
    ("blank.csv", " \n\n", "The file is empty. Export it again."),
    ("empty.jsonl", "\n", "The file is empty. Export it again."),
    ("empty.parquet", "", "The file is empty. Export it again."),
    ("empty.csv.gz", gzip.compress(b""), "The file is empty. Export it again."),
    (
        "missing.csv",
        "\n" + f"{HEADER}\n{GOOD}".replace("close", "closing_price").replace("symbol", "Ticker"),
        (
            "Line 2: Columns 'symbol', 'close' are missing. Columns found: 'asset_class', 'Ticker',"
            " 'timeframe', 'bar_start_at', 'open', 'high', 'low', 'closing_price', 'volume'."
            " Is 'Ticker' meant to be 'symbol'? Rename it."
        ),
    ),
    (
        "misspelt.csv",
        f"{HEADER}\n{GOOD}".replace("timeframe", "Time Frame"),
        (
            "Line 1: Column 'timeframe' is missing. Columns found: 'asset_class', 'symbol',"
            " 'Time Frame', 'bar_start_at', 'open', 'high', 'low', 'close', 'volume'."
            " Is 'Time Frame' meant to be 'timeframe'? Rename it."
        ),
    ),
    (
        "missing.jsonl",
        J.replace('"open"', '"price"').replace('"low"', '"bottom"'),
        (
            "Columns 'open', 'low' are missing. Columns found: 'asset_class', 'symbol',"
            " 'timeframe', 'bar_start_at', 'price', 'high', 'bottom', 'close', 'volume'."
        ),
    ),
    (
        "missing.parquet",
        parquet_bytes(text_table().drop_columns(["volume"]).append_column("Vol", [["1"] * 3])),
        (
            "Column 'volume' is missing. Columns found: 'asset_class', 'symbol', 'timeframe',"
            " 'bar_start_at', 'open', 'high', 'low', 'close', 'Vol'."
            " Is 'Vol' meant to be 'volume'? Rename it."
        ),
    ),
    (
        "twice.csv",
        f"{HEADER},Open \n{GOOD.strip()},1\n",
        "Line 1: Column 'open' is there 2 times ('open', 'Open '). Keep one.",
    ),
    (
        "twice.jsonl",
        J + J.replace("open", "OPEN"),
        "Column 'open' is there 2 times ('OPEN', 'open'). Keep one.",
    ),
    (
        "twice.parquet",
        parquet_bytes(text_table().append_column("Open", [["1"] * 3])),
        "Column 'open' is there 2 times ('open', 'Open'). Keep one.",
    ),
    (
        "short.csv",
        f"{HEADER}\n{GOOD}equity,A\n{GOOD}",
        f"Line 3: 2 values where the header has 9 columns. {PER_LINE}",
    ),
    (
        "long_after_a_value_of_two_lines.csv",
        f"{HEADER}\n{bar(symbol=chr(34) + 'A' + chr(10) + 'B' + chr(34))}\n{GOOD[:-1]},7\n",
        f"Line 5: 10 values where the header has 9 columns. {PER_LINE}",
    ),
    (
        "other_delimiter.csv",
        f"{HEADER}\n{GOOD.replace(',', ';')}",
        f"Line 2: 1 value where the header has 9 columns. {PER_LINE}",
    ),
    (
        "open_quote.csv",
        f"{HEADER}\n{GOOD}{bar(symbol=chr(34) + 'A')}{GOOD}",
        f"Line 3, column 8: the quote that opens here is never closed. {QUOTE}",
    ),
    (
        "open_quote_in_last_column.csv",
        f"{HEADER}\n{GOOD}{bar(volume=chr(34) + '1')}{GOOD}",
        f"Line 3, column 47: the quote that opens here is never closed. {QUOTE}",
    ),
    (
        "open_quote_far_from_the_end.csv",
        f"{HEADER}\n{GOOD}{bar(symbol=chr(34) + 'A')}{GOOD * 10_000}",
        (
            "Line 3, column 8: the quote that opens here is not closed within 131,072 characters."
            f" {QUOTE}"
        ),
    ),
    (
        "text_after_quote.csv",
        f"{HEADER}\n{GOOD}{bar(symbol=chr(34) + 'A' + chr(34) + 'B')}",
        (
            "Line 3, column 11: text follows a closing quote. Write a quote that belongs to the"
            ' value as "".'
        ),
    ),
    (
        "header_quote.csv",
        f'"{HEADER}\n{GOOD}',
        f"Line 1, column 1: the quote that opens here is never closed. {QUOTE}",
    ),
    (
        "latin1.csv",
        f"{HEADER}\n{GOOD}{bar(symbol='né')}".encode() + bar(symbol="né").encode("latin-1"),
        "Line 4, column 9: byte 0xe9 is not UTF-8. Save the file as UTF-8.",
    ),
    (
        "utf16.csv",
        f"{HEADER}\n{GOOD}".encode("utf-16"),
        "Line 1: the text is UTF-16. Save the file as CSV UTF-8.",
    ),
    (
        "trailing_delimiter.csv",
        f"{HEADER}\n{GOOD[:-1]},\n",
        f"Line 2: 10 values where the header has 9 columns. {PER_LINE}",
    ),
    (
        "workbook.csv",
        b"PK\x03\x04 and so on",
        "The file is a spreadsheet or zip archive, not CSV. Save it as CSV UTF-8.",
    ),
    (
        "broken.jsonl",
        f'{J}\n{{"asset_class": "equity", "open": }}\n{J}',
        f"Line 3, column 35: not valid JSON (Expecting value). {ONE_OBJECT}",
    ),
    (
        "cut_off.jsonl",
        J + J[:30],
        f"Line 2, column 27: not valid JSON (Unterminated string starting at). {ONE_OBJECT}",
    ),
    (
        "array.jsonl",
        f"[\n{J}]\n",
        f"Line 1, column 2: not valid JSON (Expecting value). {ONE_OBJECT}",
    ),
    (
        "two_on_a_line.jsonl",
        f"{J}{J.strip()} {J}",
        f"Line 2, column {len(J) + 1}: not valid JSON (Extra data). {ONE_OBJECT}",
    ),
    (
        "rows.jsonl",
        f"{J}[1, 2]\n",
        "Line 2: an array, not an object. Write every record as {...} on a line of its own.",
    ),
    (
        "scalar.jsonl",
        f"{J}\nnull\n",
        "Line 3: a single value, not an object. Write every record as {...} on a line of its own.",
    ),
    (
        "same_key.jsonl",
        J + '{"open": 1, "open": 2}\n',
        "Line 2: the key 'open' is there 2 times. Keep one.",
    ),
    (
        "latin1.jsonl",
        (J + J.replace("BRK.B", "é")).encode("latin-1"),
        "Line 2, column 38: byte 0xe9 is not UTF-8. Save the file as UTF-8.",
    ),
    (
        "half.jsonl",
        J + J.replace("BRK.B", "\\ud800"),
        "Line 2: an escape (\\ud800 to \\udfff) that is half a character. Correct it.",
    ),
    (
        "cut_off.csv.gz",
        gzip.compress(csv_text().encode())[:-9],
        "The compressed data ends too early, as after a broken copy. Copy the file again.",
    ),
    (
        "plain.csv.gz",
        csv_text(),
        (
            "The file is not valid gzip (Not a gzipped file (b'as')). Compress or copy it again, or"
            " drop the .gz from its name if it is not compressed."
        ),
    ),
    ("book.xlsx", b"PK", f"Files named .xlsx {KINDS}: save the sheet as CSV UTF-8."),
    ("bars", "x", f"Files without an extension {KINDS}: convert it to one of these."),
    (
        "bars.JSON",
        "[]",
        f"Files named .JSON {KINDS}: write one JSON object per line and name the file .jsonl.",
    ),
    ("b.parquet.gz", b"", f"Files named .parquet.gz {KINDS}: convert it to one of these."),
    (
        "text.parquet",
        csv_text(),
        (
            "Not a Parquet file that can be read (Parquet magic bytes not found in footer. Either"
            " the file is corrupted or this is not a parquet file.). Export or copy it again."
        ),
    ),
    (
        "cut_off.parquet",
        text_parquet()[:-8],
        (
            "Not a Parquet file that can be read (Parquet magic bytes not found in footer. Either"
            " the file is corrupted or this is not a parquet file.). Export or copy it again."
        ),
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), REJECTS, ids=[r[0] for r in REJECTS])
def test_unreadable_files_say_where_and_what_to_do(
    lake: Lake, drop: Drop, name: str, content: str | bytes, message: str
) -> None:
    path = drop(name, content)
    before = path.read_bytes()
    outcome = only(run(lake))
    assert (outcome.status, outcome.message) == ("rejected", f"{name}: {message}")
    assert rejected(lake) == [name, f"{name}.error.txt"]
    folder = lake.data.inbox / ".rejected" / "bars"
    assert (folder / name).read_bytes() == before
    assert (folder / f"{name}.error.txt").read_text() == (
        f"{name} was not landed.\n\n{message}\n\n"
        f"Nothing of it is in the lake. Correct it and put it into {path.parent} again.\n"
    )
    assert waiting(lake) == landed(lake) == []
    assert lake.batches() == []
    assert not list(lake.data.raw.rglob("*.parquet"))


def test_a_fault_after_many_good_rows_lands_nothing(lake: Lake, drop: Drop) -> None:
    drop("bars.csv", HEADER + "\n" + GOOD * 200_000 + "equity,A\n")
    assert only(run(lake)).message == (
        f"bars.csv: Line 200002: 2 values where the header has 9 columns. {PER_LINE}"
    )
    drop("bars.parquet", damaged(text_parquet(BARS * 100_000)))
    assert only(run(lake)).status == "rejected"
    assert lake.batches() == []


@pytest.mark.parametrize("name", ["bars.jsonl", "bars.parquet"])
def test_rows_that_go_missing_on_the_way_are_noticed(
    lake: Lake, drop: Drop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    drop(name, FORMATS[name])
    for reader in (json_lines_file, parquet_file):
        monkeypatch.setattr(reader, "stream", lambda *query: (t.slice(1) for t in stream(*query)))
    assert only(run(lake)).message == (
        f"{name}: 2 records could be read of 3. Export the file again."
    )
    assert lake.batches() == []


def damaged(content: bytes) -> bytes:
    """Overwrite the headers of the pages in the middle of a Parquet file."""
    middle = len(content) // 2
    return content[: middle - 2000] + b"\xff" * 4000 + content[middle + 2000 :]


def test_bad_values_are_no_reason_to_reject(lake: Lake, drop: Drop) -> None:
    bad = [["?", "", "1 day", "yesterday", "n/a", "-", "ten", "1.2.3", "∞"]]
    drop("bars.csv", csv_text(bad))
    assert only(run(lake)).status == "landed"
    assert values(lake) == [[value or None for value in bad[0]]]


def test_a_corrected_file_lands_and_rejects_are_all_kept(lake: Lake, drop: Drop) -> None:
    for content in ("symbol\nA\n", "symbol\nB\n", csv_text()):
        drop("bars.csv", content)
        run(lake)
    assert values(lake) == BARS
    texts = [name for name in rejected(lake) if name.endswith(".error.txt")]
    files = [name for name in rejected(lake) if name.endswith(".csv")]
    assert len(files) == 2
    assert texts == sorted(f"{name}.error.txt" for name in files)


def test_other_trouble_is_not_blamed_on_the_file(
    lake: Lake, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("bars.csv", csv_text())
    with monkeypatch.context() as full:
        full.setattr(BatchWriter, "write", no_space)
        with pytest.raises(OSError, match="No space left"):
            run(lake)
    with monkeypatch.context() as small:
        small.setattr(inbox, "MEMORY_LIMIT", "1MB")
        with pytest.raises(duckdb.Error, match="Out of Memory"):
            run(lake)
    assert waiting(lake) == ["bars.csv"]
    assert lake.batches() == []
    assert run(lake).rows == 3


def no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


# -- files that are not ready ----------------------------------------------------------------------


def test_what_is_not_a_finished_file_stays_with_a_note(
    lake: Lake, drop: Drop, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere.csv"
    target.write_text(csv_text())
    folder = drop("bars.csv.part", csv_text()).parent
    for name in (".hidden.csv", "a.tmp", "b.csv~", "c.csv.crdownload", "~$d.csv"):
        drop(name, csv_text())
    (folder / "link.csv").symlink_to(target)
    (folder / "more").mkdir()
    (folder / "more" / "bars.csv").write_text(csv_text())
    os.mkfifo(folder / "pipe.csv")
    report = run(lake)
    unfinished = "has the name of an unfinished file; rename it when it is complete"
    assert {outcome.name: outcome.message for outcome in report.files} == {
        "a.tmp": unfinished,
        "b.csv~": unfinished,
        "bars.csv.part": unfinished,
        "c.csv.crdownload": unfinished,
        "~$d.csv": unfinished,
        "link.csv": "is a symbolic link; put the file itself here",
        "more": "is not a file; files in sub-folders are not read",
        "pipe.csv": "is not a file; files in sub-folders are not read",
    }
    assert {outcome.status for outcome in report.files} == {"skipped"}
    assert len(waiting(lake)) == 9
    assert lake.batches() == []


def test_names_that_are_not_utf8_stay_with_a_note(lake: Lake, drop: Drop) -> None:
    folder = drop("x", "").parent
    (folder / "x").rename(folder / os.fsdecode(b"\xff.csv"))
    outcome = only(run(lake))
    assert (outcome.status, outcome.message) == (
        "skipped",
        "has a name that is not UTF-8; rename it",
    )


def test_a_file_still_being_written_waits(tmp_path: Path) -> None:
    at = utc_now()
    lake = Lake(DataDir(tmp_path), clock=lambda: at)
    path = tmp_path / "inbox" / "bars" / "bars.csv"
    path.parent.mkdir(parents=True)
    path.write_text(csv_text())

    def changed(ago: timedelta) -> str:
        written = (at - ago).timestamp()
        os.utime(path, (written, written))
        outcome = only(land_inbox(lake))
        assert outcome.status == "landed" or outcome.message == (
            "changed a moment ago and may still be written; run again"
        )
        return outcome.status

    assert changed(timedelta(0)) == "skipped"
    assert changed(timedelta(seconds=1.9)) == "skipped"
    assert path.exists()
    assert changed(timedelta(seconds=2.1)) == "landed"
    path.write_text(csv_text(BARS[:1]))
    assert changed(timedelta(hours=-9)) == "landed"


def test_a_file_that_changes_while_it_is_read_lands_later_and_whole(lake: Lake, drop: Drop) -> None:
    path = drop("bars.csv", csv_text(BARS[:2]))

    def write_on(_done: int, _total: int, what: str) -> None:
        if what.endswith("2 rows"):
            path.write_text(csv_text())

    outcome = only(land_inbox(lake, settle_seconds=0, progress=write_on))
    assert (outcome.status, outcome.message) == (
        "skipped",
        "changed while it was being read; run again",
    )
    assert lake.batches() == []
    assert run(lake).rows == 3
    assert values(lake) == BARS


@pytest.mark.parametrize("change", ["rewritten", "removed"])
def test_a_file_that_changes_before_it_is_moved_is_not_lost(
    lake: Lake, drop: Drop, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = drop("bars.csv", csv_text(BARS[:1]))

    def after(step: str) -> None:
        if step == "inbox:landed":
            monkeypatch.undo()
            path.unlink() if change == "removed" else path.write_text(csv_text(BARS[1:]))

    monkeypatch.setattr(inbox, "reached", after)
    assert only(run(lake)).status == "landed"
    assert landed(lake) == []
    run(lake)
    assert values(lake) == (BARS[:1] if change == "removed" else BARS)


def test_an_unreadable_mode_is_a_note(
    lake: Lake, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("bars.csv", csv_text())

    opened = Path.open

    def denied(path: Path, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        if path.suffix == ".csv":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **more)

    with monkeypatch.context() as locked:
        locked.setattr(Path, "open", denied)
        outcome = only(run(lake))
    assert (outcome.status, outcome.message) == ("skipped", "cannot be opened: Permission denied")
    assert run(lake).rows == 3


# -- runs ------------------------------------------------------------------------------------------


def test_an_empty_inbox_is_made(lake: Lake) -> None:
    assert run(lake) == InboxReport("bars")
    assert waiting(lake) == landed(lake) == rejected(lake) == []


def test_an_unknown_dataset_is_named(lake: Lake) -> None:
    with pytest.raises(ValueError, match="the inbox has no dataset 'trades'; it has bars"):
        land_inbox(lake, dataset="trades")


def test_one_run_at_a_time(lake: Lake, drop: Drop) -> None:
    drop("bars.csv", csv_text())
    with (
        exclusive(lake.data.inbox / ".bars.lock", "another run"),
        pytest.raises(LockedError, match="another run"),
    ):
        run(lake)
    assert run(lake).rows == 3


def test_progress_tells_files_and_rows(lake: Lake, drop: Drop) -> None:
    drop("a.csv", csv_text())
    drop("b.csv", csv_text(BARS[:1]))
    calls: list[tuple[int, int, str]] = []
    land_inbox(lake, settle_seconds=0, progress=lambda *call: calls.append(call))
    assert calls == [
        (0, 2, "a.csv"),
        (0, 2, "a.csv: 3 rows"),
        (1, 2, "b.csv"),
        (1, 2, "b.csv: 1 rows"),
        (2, 2, ""),
    ]


def test_the_declared_timeframes_are_ours() -> None:
    assert DATASETS["bars"].timeframes == tuple(TIMEFRAMES)
    assert DATASETS["bars"].kind == "range"


# -- in another process: crashes and time zones ----------------------------------------------------

RUN = """
import sys
from pathlib import Path
from ingest.lake import Lake
from ingest.providers.inbox import land_inbox
from ingest.settings import DataDir
land_inbox(Lake(DataDir(Path(sys.argv[1]))), settle_seconds=0)
"""


def run_elsewhere(lake: Lake, **environment: str) -> int:
    command = [sys.executable, "-c", RUN, str(lake.data.root)]
    return subprocess.run(
        command, env=os.environ | environment, cwd=PROJECT_ROOT, check=False
    ).returncode


@pytest.mark.parametrize(
    "step",
    ["land:written", "land:renamed", "inbox:landed", "inbox:moved", "inbox:explained"],
)
def test_a_crash_loses_and_doubles_nothing(lake: Lake, drop: Drop, step: str) -> None:
    drop("a.csv.gz", gzip.compress(csv_text(BARS[:1]).encode()))
    drop("b.jsonl", json_text(BARS[1:]))
    drop("c.csv", "symbol\nA\n")
    assert run_elsewhere(lake, **{KILL_AT: step}) == -signal.SIGKILL
    run(lake)
    assert values(lake) == BARS
    assert waiting(lake) == []
    assert landed(lake) == ["a.csv.gz", "b.jsonl"]
    assert rejected(lake) == ["c.csv", "c.csv.error.txt"]
    assert run(lake) == InboxReport("bars")
    left = [path for path in (lake.data.lake / ".tmp").rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["lock"]


def test_the_time_zone_of_the_machine_does_not_matter(lake: Lake, drop: Drop) -> None:
    drop("a.csv", csv_text())
    drop("b.parquet", typed_parquet(bar_start_at=pa.array([0], pa.timestamp("us", "Asia/Tokyo"))))
    assert run_elsewhere(lake, TZ="America/New_York") == 0
    first, second = lake.batches(PROVIDER, "bars")
    assert [entry.start for entry in first.entries] == [
        "2024-01-02T09:30:00.000000Z",
        "2024-01-02T00:00:00.000000Z",
    ]
    assert second.entries[0].start == "1970-01-01T00:00:00.000000Z"
    assert rows(lake)[-1]["bar_start_at"] == "1970-01-01T00:00:00Z"


# -- large files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "parquet"])
def test_large_files_stream_in_order(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    count = 300_000
    source = lake.data.inbox / "bars" / f"bars.{kind}"
    source.parent.mkdir(parents=True)
    selected = [f"'{value}' as {name}" for name, value in zip(REQUIRED, BARS[0], strict=True)]
    query = f"select {', '.join(selected)} from range({count}) as numbers (n)"
    query = query.replace("'1.10' as open", "n::varchar as open")
    if kind.startswith("csv"):
        # Values that span lines and look like rows are where parallel readers go wrong.
        query = query.replace("'2.50' as high", "n || E'\\n1,2,3,4,5,6,7,8,9\\n' as high")
    options = {"csv": "format csv, header", "csv.gz": "format csv, header, compression gzip"}
    options |= {"jsonl": "format json", "parquet": "format parquet, row_group_size 50000"}
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{source}' ({options[kind]})")
    sizes: list[int] = []
    write = BatchWriter.write

    def note(self: BatchWriter, table: pa.Table, **lineage: Any) -> None:  # noqa: ANN401
        sizes.append(table.num_rows)
        write(self, table, **lineage)

    monkeypatch.setattr(BatchWriter, "write", note)
    assert run(lake).rows == count
    assert max(sizes) <= ROW_GROUP_ROWS
    (path,) = lake.data.raw.rglob("*.parquet")
    table = pq.read_table(path, columns=["open", "high", "_row"])
    numbers = pa.chunked_array([np.arange(count)])
    assert table["_row"].equals(numbers)
    assert table["open"].equals(numbers.cast(pa.string()))
    high = f"{count - 1}\n1,2,3,4,5,6,7,8,9\n" if kind.startswith("csv") else "2.50"
    assert table["high"][-1].as_py() == high
