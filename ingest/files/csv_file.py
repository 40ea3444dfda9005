"""Read CSV, exactly or not at all: whole records in blocks, by Arrow; irregular quotes by `csv`."""

import csv
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from ingest.files.common import (
    EMPTY,
    BadLine,
    PutAside,
    UnreadableError,
    check_required,
    check_utf8,
    found_columns,
    literal,
    refusal,
    select_list,
)
from ingest.provider import Dataset

BLOCK_BYTES = 8 << 20
MAX_RECORD_BYTES = 64 << 20


def csv_tables(
    path: Path,
    dataset: Dataset,
    connection: duckdb.DuckDBPyConnection,
    put_aside: PutAside | None = None,
) -> Iterator[pa.Table]:
    """Yield the rows of a CSV file, in order, as text tables.

    With `put_aside` a record on one line that has too many or few values is no row.

    Raises:
        UnreadableError: at any point; rows yielded before must then be dropped.
    """
    delimiter, line, header = _csv_header(path, dataset)
    try:
        found = found_columns(header, dataset)
        check_required(found, header, dataset)
    except UnreadableError as error:
        raise UnreadableError(f"Line {line}: {error}") from None
    others = {
        position: name.strip() or f"column_{position + 1}"
        for position, name in enumerate(header)
        if position not in found.values()
    }
    pairs = ", ".join(f"{literal(name)}, c{position}" for position, name in others.items())
    select = select_list(
        dataset,
        {name: f"c{position}" for name, position in found.items()},
        f"cast(json_object({pairs}) as varchar)" if pairs else None,
    )
    width = len(header)
    is_quick = put_aside is None and _has_only_matched_quotes(path, delimiter)
    blocks = (
        _regular_blocks(path) if is_quick else _checked_blocks(path, delimiter, width, put_aside)
    )
    for number, block in enumerate(blocks):
        try:
            chunk = _csv_chunk(block, delimiter, width)
        except pa.ArrowInvalid as error:
            for _ in _checked_blocks(path, delimiter, width):
                pass
            raise refusal(error) from error
        # The first record is the header.
        connection.register("chunk", chunk if number else chunk.slice(1))
        yield connection.sql(f"select {select} from chunk").to_arrow_table()


def _csv_chunk(block: bytes, delimiter: str, width: int) -> pa.Table:
    """Return whole CSV records as text columns `c0` and so on.

    Not with DuckDB's reader: in parallel it refuses good files in which many quoted values span
    lines; in sequence it drops, without a word, what follows a quote that is never closed. Arrow's
    is exact as long as it sees whole records and all quotes are closed: at the edges of its own
    blocks it loses line ends inside quotes.
    """
    names = [f"c{position}" for position in range(width)]
    return pa_csv.read_csv(
        pa.BufferReader(block),
        read_options=pa_csv.ReadOptions(column_names=names, block_size=len(block) + 1),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
        ),
    )


def _regular_blocks(path: Path) -> Iterator[bytes]:
    """Yield blocks of whole records of a file in which all quotes are matched."""
    rest = b""
    with path.open("rb") as file:
        while data := file.read(BLOCK_BYTES):
            data = rest + data
            cut = _last_record_end(data)
            if cut == 0 and len(data) > MAX_RECORD_BYTES:
                raise UnreadableError(
                    f"A record is longer than {MAX_RECORD_BYTES >> 20} MB. Export the file again."
                )
            if data[:cut].strip(b"\r\n"):
                yield data[:cut]
            rest = data[cut:]
    if rest.strip(b"\r\n"):
        yield rest


def _last_record_end(data: bytes) -> int:
    """Return the position after the last line end that is not inside quotes, or 0."""
    line_end = b"\n" if b"\n" in data else b"\r"
    if b'"' not in data:
        return data.rfind(line_end) + 1
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(text == ord(line_end))
    quotes_before = np.searchsorted(np.flatnonzero(text == ord('"')), ends)
    outside = ends[quotes_before % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


def _checked_blocks(
    path: Path, delimiter: str, width: int, put_aside: PutAside | None = None
) -> Iterator[bytes]:
    """Yield blocks of whole records, slowly.

    With `put_aside` records with a wrong number of values are left out, as long as they are on one
    line: in one that spans several a stray quote may have taken others with it.

    Raises:
        UnreadableError: a record has a fault, with its line and, for quotes and text, column.
    """
    parts: list[str] = []
    size = 0
    first_fault = ""
    good = 0
    with closing(_csv_records(path, delimiter)) as records:
        for row, (line, values, text) in enumerate(records):
            if len(values) != width:
                given = "1 value" if len(values) == 1 else f"{len(values)} values"
                fault = (
                    f"Line {line}: {given} where the header has {width} columns. Give"
                    " every line one value per column (nothing between two delimiters where there"
                    " is none) and quote values that contain the delimiter."
                )
                alone = text.strip("\r\n")
                if put_aside is None or len(alone.splitlines()) > 1:
                    raise UnreadableError(fault)
                put_aside(BadLine(line, row, fault, alone))
                first_fault = first_fault or fault
                continue
            good += 1
            parts.append(text)
            size += len(text)
            if size >= BLOCK_BYTES:
                yield "".join(parts).encode()
                parts.clear()
                size = 0
    if first_fault and good == 1:  # the header alone
        raise UnreadableError(first_fault)
    if parts:
        yield "".join(parts).encode()


def _has_only_matched_quotes(path: Path, delimiter: str) -> bool:
    """Return whether every quote opens a value, closes one, or is doubled inside one."""
    may_adjoin = np.zeros(256, np.bool_)
    may_adjoin[list(f'{delimiter}\r\n"'.encode())] = True
    count, before = 0, b"\n"
    with path.open("rb") as file:
        block = file.read(BLOCK_BYTES)
        while block:
            following = file.read(BLOCK_BYTES)
            if b'"' in block:
                text = np.frombuffer(before + block + (following[:1] or b"\n"), np.uint8)
                quotes = np.flatnonzero(text[1:-1] == ord('"')) + 1
                opening, closing = quotes[count % 2 :: 2], quotes[1 - count % 2 :: 2]
                if not (
                    may_adjoin[text[opening - 1]].all() and may_adjoin[text[closing + 1]].all()
                ):
                    return False
                count += len(quotes)
            before, block = block[-1:], following
    return count % 2 == 0


def _csv_header(path: Path, dataset: Dataset) -> tuple[str, int, list[str]]:
    """Return the delimiter, the line the header is on, and its values."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("Line 1: the text is UTF-16. Save the file as CSV UTF-8.")
    if start.startswith(b"PK\x03\x04"):
        raise UnreadableError(
            "The file is a spreadsheet or zip archive, not CSV. Save it as CSV UTF-8."
        )
    headers: list[tuple[str, int, list[str]]] = []
    faults: list[UnreadableError] = []
    for delimiter in (",", ";", "\t"):
        try:
            headers += [(delimiter, *record) for record in _first_record(path, delimiter)]
        except UnreadableError as fault:
            faults.append(fault)
    if not any(any(name.strip() for name in header) for _, _, header in headers):
        raise faults[0] if faults else UnreadableError(EMPTY)
    declared = {field.column for field in dataset.fields}
    return max(headers, key=lambda h: len(declared & {name.strip().lower() for name in h[2]}))


def _first_record(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    with closing(_csv_records(path, delimiter)) as records:
        for line, values, _ in records:
            yield line, values
            return


def _csv_records(path: Path, delimiter: str) -> Generator[tuple[int, list[str], str], None, None]:
    """Yield the first line, the values and the text of each record that is not blank.

    Raises:
        UnreadableError: quotes are unbalanced or the text is not UTF-8, with line and column.
    """
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        pending: list[str] = []

        def lines() -> Iterator[str]:
            for number, line in enumerate(file, 1):
                check_utf8(line, number)
                pending.append(line)
                yield line

        start = 1
        reader = csv.reader(lines(), delimiter=delimiter, strict=True)
        while True:
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise UnreadableError(_quote_fault(pending, delimiter, start, error)) from None
            if values:
                yield start, values, "".join(pending)
            start = reader.line_num + 1
            pending.clear()


def _quote_fault(lines: Sequence[str], delimiter: str, start: int, error: csv.Error) -> str:
    """Say where in a record, given as its lines, the quotes go wrong."""
    state: Literal["value", "plain", "quoted", "closed"] = "value"
    opened = f"Line {start}"
    for number, line in enumerate(lines, start):
        for column, character in enumerate(line, 1):
            is_end = character == delimiter or character in "\r\n"
            if state == "quoted":
                state = "closed" if character == '"' else "quoted"
            elif state == "closed" and character == '"':
                state = "quoted"
            elif state == "closed" and not is_end:
                return (
                    f"Line {number}, column {column}: text follows a closing quote. Write a quote"
                    ' that belongs to the value as "".'
                )
            elif state == "value" and character == '"':
                state = "quoted"
                opened = f"Line {number}, column {column}"
            else:
                state = "value" if is_end else "plain"
    if state == "quoted":
        limit = csv.field_size_limit()
        extent = (
            f"not closed within {limit:,} characters" if "limit" in str(error) else "never closed"
        )
        return (
            f"{opened}: the quote that opens here is {extent}. Close it, or write a quote that"
            ' belongs to the value as "".'
        )
    return f"{opened}: {error}. Correct the line."
