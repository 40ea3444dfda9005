"""Land files that a person drops into `<data>/inbox/<dataset>/`: CSV, JSON lines and Parquet.

A file lands once, by content, and is then moved to `<data>/inbox/.landed/<dataset>/`; one that
cannot be read goes to `<data>/inbox/.rejected/<dataset>/` beside a message that says what to do.
Values land as text exactly as written. Not for judging values: bad ones land too, and SQL
quarantines them.
"""

import codecs
import csv
import difflib
import gzip
import hashlib
import json
import os
import re
import secrets as random_source
import shutil
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ingest.backfill import Progress
from ingest.clock import Clock, iso
from ingest.fault_points import reached
from ingest.lake import ROW_GROUP_ROWS, BatchWriter, Entry, Lake, sync_folders, write_synced
from ingest.locks import exclusive
from ingest.provider import TIMEFRAMES, Dataset, fields
from ingest.records import EXTRA

PROVIDER = "inbox"
OPTIONAL = frozenset({"adj_close", "vwap", "trade_count"})
DATASETS: Mapping[str, Dataset] = {
    "bars": Dataset(
        "bars",
        fields(
            "asset_class",
            "symbol",
            "timeframe",
            "bar_start_at",
            "open",
            "high",
            "low",
            "close",
            "volume",
            "adj_close",
            "vwap",
            "trade_count",
        ),
        timeframes=tuple(TIMEFRAMES),
    )
}

MAX_GROUPS = 100_000
"""Most ledger entries per file; a Parquet footer that readers accept has room for little more."""

MEMORY_LIMIT = "512MB"
MAX_THREADS = 4
MAX_SHAPES = 10_000
BLOCK_BYTES = 8 << 20
MAX_RECORD_BYTES = 64 << 20
UNFINISHED_SUFFIXES = ("~", ".tmp", ".part", ".partial", ".filepart", ".crdownload", ".download")
ADVICE_BY_SUFFIX = {
    ".xlsx": "save the sheet as CSV UTF-8",
    ".xls": "save the sheet as CSV UTF-8",
    ".ods": "save the sheet as CSV UTF-8",
    ".json": "write one JSON object per line and name the file .jsonl",
    ".tsv": "name the file .csv; tabs between values are fine",
    ".txt": "name the file .csv or .jsonl, whichever it is",
    ".zip": "unpack it, or compress the file itself with gzip",
}
OTHER_NAMES = {
    "asset_class": ("class", "asset", "asset_type", "security_type"),
    "symbol": ("ticker", "instrument", "pair"),
    "timeframe": ("interval", "period", "resolution", "frequency"),
    "bar_start_at": ("timestamp", "datetime", "date", "time", "start", "t"),
    "open": ("o",),
    "high": ("h",),
    "low": ("l",),
    "close": ("c", "last", "price"),
    "volume": ("v", "vol", "size"),
}

EMPTY = "The file is empty. Export it again."

Status = Literal["landed", "already_landed", "rejected", "skipped"]


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file; `message` says why, and what to do, unless it simply landed."""

    name: str
    status: Status
    rows: int = 0
    message: str = ""
    batch_id: str | None = None


@dataclass(frozen=True)
class InboxReport:
    """What one run over a dataset's inbox found and did, file by file."""

    dataset: str
    files: tuple[FileOutcome, ...] = ()

    @property
    def rows(self) -> int:
        """Return how many rows were landed."""
        return sum(file.rows for file in self.files if file.status == "landed")

    @property
    def rejected(self) -> tuple[FileOutcome, ...]:
        """Return the files that could not be read."""
        return tuple(file for file in self.files if file.status == "rejected")


class _UnreadableError(Exception):
    """The file cannot be read; the message says where and what to do."""


class _NotNowError(Exception):
    """The file is left where it is for a later run; the message says why."""


@dataclass(frozen=True)
class _File:
    """A file as it was when taken up, to notice when it is no longer the same."""

    path: Path
    content: str
    identity: tuple[int, ...]


def _ignore_progress(_done: int, _total: int, _what: str) -> None:
    pass


def land_inbox(
    lake: Lake,
    *,
    dataset: str = "bars",
    settle_seconds: float = 2.0,
    progress: Progress = _ignore_progress,
) -> InboxReport:
    """Land every new file of a dataset's inbox, in the order of their names.

    Each file is one batch. Files changed within the last `settle_seconds` are left for a later run,
    as they may still be written. After a crash at any step the next run finishes: a landed file is
    known by its content hash in the ledger. Hidden files are passed over.

    Raises:
        LockedError: another run over the same inbox is going on.
        ValueError: the inbox has no such dataset.
    """
    if dataset not in DATASETS:
        raise ValueError(f"the inbox has no dataset {dataset!r}; it has {', '.join(DATASETS)}")
    folder = lake.data.inbox / dataset
    for needed in (folder, _kept(folder, "landed"), _kept(folder, "rejected")):
        needed.mkdir(parents=True, exist_ok=True)
    lock = lake.data.inbox / f".{dataset}.lock"
    with exclusive(lock, f"a run over the inbox of {dataset}", lake.clock):
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        if not paths:
            return InboxReport(dataset)
        landed = {
            entry.content_hash: batch.batch_id
            for batch in lake.batches(PROVIDER, dataset)
            for entry in batch.entries
        }
        outcomes: list[FileOutcome] = []
        for path in paths:
            tell = partial(progress, len(outcomes), len(paths))
            tell(path.name)
            try:
                file = _take_up(path, settle_seconds, lake.clock)
                outcome = _handle(lake, DATASETS[dataset], file, landed, tell)
            except _NotNowError as reason:
                outcome = FileOutcome(path.name, "skipped", message=str(reason))
            outcomes.append(outcome)
        progress(len(paths), len(paths), "")
        return InboxReport(dataset, tuple(outcomes))


# -- one file --------------------------------------------------------------------------------------


def _take_up(path: Path, settle_seconds: float, clock: Clock) -> _File:
    """Return the file with its content hash.

    Raises:
        _NotNowError: it is no regular file, is still being written, or may not be opened.
    """
    try:
        path.name.encode()
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise _NotNowError("is a symbolic link; put the file itself here")
        if not stat.S_ISREG(status.st_mode):
            raise _NotNowError("is not a file; files in sub-folders are not read")
        if path.name.startswith("~$") or path.name.lower().endswith(UNFINISHED_SUFFIXES):
            raise _NotNowError("has the name of an unfinished file; rename it when it is complete")
        # A time in the future comes from another clock and says nothing about when it was written.
        if 0 <= clock().timestamp() - status.st_mtime < settle_seconds:
            raise _NotNowError("changed a moment ago and may still be written; run again")
        with path.open("rb") as source:
            identity = _identity(os.fstat(source.fileno()))
            content = f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
    except UnicodeEncodeError:
        raise _NotNowError("has a name that is not UTF-8; rename it") from None
    except (FileNotFoundError, PermissionError) as error:
        raise _NotNowError(f"cannot be opened: {error.strerror}") from error
    return _File(path, content, identity)


def _handle(
    lake: Lake, dataset: Dataset, file: _File, landed: dict[str, str], tell: Callable[[str], None]
) -> FileOutcome:
    """Land the file, or find that it is landed already or unreadable, and move it accordingly."""
    name = file.path.name
    if file.content in landed:
        batch_id = landed[file.content]
        _move(file, _free_path(_kept(file.path.parent, "landed"), file))
        message = f"the same content landed before, in batch {batch_id}"
        return FileOutcome(name, "already_landed", message=message, batch_id=batch_id)
    try:
        batch = _land(lake, dataset, file, tell)
    except _UnreadableError as error:
        return _reject(file, str(error))
    landed[file.content] = batch.batch_id
    reached("inbox:landed")
    _move(file, _free_path(_kept(file.path.parent, "landed"), file))
    message = "" if batch.rows else "holds column names but no rows"
    return FileOutcome(name, "landed", batch.rows, message, batch.batch_id)


def _land(lake: Lake, dataset: Dataset, file: _File, tell: Callable[[str], None]) -> BatchWriter:
    """Stream the file into one batch, which is committed only when all of it was read.

    Raises:
        _UnreadableError: it cannot be read; nothing of it is landed.
        _NotNowError: it changed meanwhile; nothing of it is landed.
    """
    with (
        _work_folder(lake, dataset) as work,
        _database(work) as connection,
        lake.open_batch(PROVIDER, dataset) as batch,
    ):
        for table in _tables(file.path, dataset, connection, work):
            symbol = pc.binary_join_element_wise(table["asset_class"], table["symbol"], ":")
            batch.write(table, symbol=symbol, timeframe=table["timeframe"])
            _count_groups(connection, symbol, table["timeframe"], table["bar_start_at"])
            tell(f"{file.path.name}: {batch.rows:,} rows")
        batch.entries.extend(_entries(connection, batch, file))
        if not _is_same(file):
            raise _NotNowError("changed while it was being read; run again")
    return batch


def _reject(file: _File, message: str) -> FileOutcome:
    """Move the file aside beside a message that says why."""
    target = _free_path(_kept(file.path.parent, "rejected"), file)
    text = (
        f"{file.path.name} was not landed.\n\n{message}\n\n"
        f"Nothing of it is in the lake. Correct it and put it into {file.path.parent} again.\n"
    )
    write_synced(target.with_name(f"{target.name}.error.txt"), text)
    reached("inbox:explained")
    _move(file, target)
    return FileOutcome(file.path.name, "rejected", message=f"{file.path.name}: {message}")


def _move(file: _File, target: Path) -> None:
    """Move the file out of the inbox, unless it is no longer the one that was read."""
    if not _is_same(file):
        return
    file.path.rename(target)
    sync_folders(target.parent, target.parent)
    sync_folders(file.path.parent, file.path.parent)
    reached("inbox:moved")


def _kept(folder: Path, what: str) -> Path:
    return folder.parent / f".{what}" / folder.name


def _free_path(folder: Path, file: _File) -> Path:
    """Return a path in `folder` that no file has: its name, with its hash in front on a clash."""
    short_hash = file.content.removeprefix("sha256:")[:12]
    path = folder / file.path.name
    number = 1
    while path.exists():
        prefix = short_hash if number == 1 else f"{short_hash}-{number}"
        path = folder / f"{prefix}-{file.path.name}"
        number += 1
    return path


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _is_same(file: _File) -> bool:
    try:
        return _identity(file.path.lstat()) == file.identity
    except FileNotFoundError:
        return False


@contextmanager
def _work_folder(lake: Lake, dataset: Dataset) -> Iterator[Path]:
    """Give an empty folder for intermediate files; what a crash left there is removed."""
    work = lake.data.lake / ".tmp" / f"{PROVIDER}__{dataset.name}.work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _database(work: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": min(MAX_THREADS, os.cpu_count() or 1),
        "temp_directory": str(work / "spill"),
    }
    with closing(duckdb.connect(config=config)) as connection:
        connection.execute("set global TimeZone = 'UTC'")
        connection.execute(
            "create table counted_groups (symbol varchar, timeframe varchar, records bigint,"
            " first_at timestamp, last_at timestamp)"
        )
        yield connection


# -- the ledger ------------------------------------------------------------------------------------


def _count_groups(
    connection: duckdb.DuckDBPyConnection, symbol: pa.Array, timeframe: pa.Array, start: pa.Array
) -> None:
    """Add up rows and time ranges per symbol and timeframe.

    Ledger times have years of four digits, so others count as unreadable.
    """
    cursor = connection.cursor()
    cursor.register("keys", pa.table({"symbol": symbol, "timeframe": timeframe, "start": start}))
    cursor.execute(
        """
        with parsed as (
            select symbol, timeframe, try_cast(start as timestamptz) at time zone 'UTC' as start_at
            from keys
        ),

        bounded as (
            select
                symbol,
                timeframe,
                case
                    when start_at between timestamp '1000-01-01' and timestamp '9999-12-30'
                    then start_at
                end as start_at,
            from parsed
        )

        insert into counted_groups
        select symbol, timeframe, count(*), min(start_at), max(start_at)
        from bounded
        group by symbol, timeframe
        """
    )
    cursor.close()


def _entries(
    connection: duckdb.DuckDBPyConnection, batch: BatchWriter, file: _File
) -> Iterator[Entry]:
    """Yield one entry per symbol and timeframe; what exceeds `MAX_GROUPS` is one entry together."""
    whole = Entry(
        symbol=None,
        timeframe=None,
        start=None,
        end=None,
        params={"file": file.path.name, "content": file.content},
        fetched_at=iso(batch.fetched_at),
        status="complete",
        records=0,
        dead_letters=0,
        content_hash=file.content,
    )
    groups = connection.execute(
        """
        select symbol, timeframe, sum(records)::bigint, min(first_at), max(last_at)
        from counted_groups
        group by symbol, timeframe
        order by symbol nulls last, timeframe nulls last
        limit ?
        """,
        [MAX_GROUPS],
    ).fetchall()
    for symbol, timeframe, records, first_at, last_at in groups:
        length = TIMEFRAMES.get(timeframe)
        yield replace(
            whole,
            symbol=symbol,
            timeframe=timeframe,
            start=iso(first_at) if first_at else None,
            end=iso(last_at + length) if last_at and length else None,
            records=records,
        )
    rest = batch.rows - sum(records for _, _, records, _, _ in groups)
    if rest or not groups:
        yield replace(whole, records=rest)


# -- reading: every format becomes text tables -----------------------------------------------------


def _tables(
    path: Path, dataset: Dataset, connection: duckdb.DuckDBPyConnection, work: Path
) -> Iterator[pa.Table]:
    """Yield the file's rows, in order, as text tables of bounded size (see `records.to_table`).

    Raises:
        _UnreadableError: at any point; rows yielded before must then be dropped.
    """
    packing = path.suffix if path.suffix.lower() == ".gz" else ""
    suffix = Path(path.name.removesuffix(packing)).suffix
    kind = suffix.lower()
    if kind not in READERS or (packing and kind == ".parquet"):
        advice = ADVICE_BY_SUFFIX.get(kind, "convert it to one of these")
        raise _UnreadableError(
            f"{f'Files named {suffix}{packing}' if suffix else 'Files without an extension'} are"
            f" not read, only .csv, .jsonl and .ndjson (also with .gz) and .parquet: {advice}."
        )
    if path.stat().st_size == 0:
        raise _UnreadableError(EMPTY)
    yield from READERS[kind](_plain(path, work, is_packed=bool(packing)), dataset, connection)


def _plain(path: Path, work: Path, *, is_packed: bool) -> Path:
    """Return the file, or a temporary copy without compression and byte order mark.

    DuckDB's own unpacking compares no checksums, and its JSON reader takes no byte order mark.
    """
    target = work / "plain"
    try:
        with gzip.open(path) if is_packed else path.open("rb") as source:
            start = source.read(len(codecs.BOM_UTF8))
            if not is_packed and start != codecs.BOM_UTF8:
                return path
            with target.open("wb") as copy:
                copy.write(start.removeprefix(codecs.BOM_UTF8))
                shutil.copyfileobj(source, copy, 1 << 20)
    except EOFError:
        raise _UnreadableError(
            "The compressed data ends too early, as after a broken copy. Copy the file again."
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _UnreadableError(
            f"The file is not valid gzip ({error}). Compress or copy it again, or drop the .gz"
            " from its name if it is not compressed."
        ) from None
    return target


def _found_columns(names: Sequence[str], dataset: Dataset) -> dict[str, int]:
    """Return the position of each declared column, ignoring case and surrounding spaces.

    Raises:
        _UnreadableError: a declared column is there more than once.
    """
    normal = [name.strip().lower() for name in names]
    declared = {field.column for field in dataset.fields}
    if doubled := [name for name, count in Counter(normal).items() if count > 1]:
        for name in declared.intersection(doubled):
            alike = [repr(names[i]) for i, other in enumerate(normal) if other == name]
            raise _UnreadableError(
                f"Column {name!r} is there {len(alike)} times ({', '.join(alike)}). Keep one."
            )
    return {name: position for position, name in enumerate(normal) if name in declared}


def _check_required(found: Mapping[str, object], names: Sequence[str], dataset: Dataset) -> None:
    """Raise `_UnreadableError`, naming columns with similar names, when a column is missing."""
    required = [field.column for field in dataset.fields if field.column not in OPTIONAL]
    missing = [name for name in required if name not in found]
    if not missing:
        return
    by_normal = {name.strip().lower(): name for name in names}
    hints: list[str] = []
    for name in missing:
        candidates = [other for other in by_normal if other not in found]
        alike = [other for other in OTHER_NAMES.get(name, ()) if other in candidates]
        alike += difflib.get_close_matches(name, candidates, n=1)
        hints += [f"Is {by_normal[alike[0]]!r} meant to be {name!r}? Rename it."] if alike else []
    text = ", ".join(repr(name) for name in missing)
    lead = f"Column {text} is missing" if len(missing) == 1 else f"Columns {text} are missing"
    listed = ", ".join(repr(name) for name in names)
    raise _UnreadableError(" ".join([f"{lead}. Columns found: {listed}.", *hints]))


def _select(dataset: Dataset, values: Mapping[str, str], extra: str | None) -> str:
    """Return a select list of the declared columns and `_extra` from SQL expressions."""
    columns = [
        f"{values.get(field.column, 'null::varchar')} as {field.column}" for field in dataset.fields
    ]
    return ", ".join([*columns, f"{extra or 'null::varchar'} as {EXTRA}"])


def _stream(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.Table]:
    """Yield a query's rows, in order, while it runs.

    Raises:
        _UnreadableError: DuckDB does not accept the data; the message is DuckDB's own.
    """
    try:
        reader = connection.sql(query).to_arrow_reader(ROW_GROUP_ROWS)
        for chunk in reader:
            yield pa.Table.from_batches([chunk])
    # Arrow passes on what DuckDB raises after the first rows as OSError.
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _refusal(error) from error


def _refusal(error: Exception) -> _UnreadableError:
    """Return what DuckDB has against the data; raise what is not the data's fault again."""
    text = str(error)
    if text.startswith(("Out of Memory Error", "IO Error", "Interrupt Error")):
        raise error
    reason = re.split(r"\n\s*\n|\nPossible|\n +file = ", text)[0].replace("\n", " ").rstrip(". ")
    return _UnreadableError(f"{reason}. Correct it or export the file again.")


def _check_count(read: int, there: int) -> None:
    """Raise `_UnreadableError` when DuckDB did not see all there is."""
    if read != there:
        raise _UnreadableError(
            f"{read:,} records could be read of {there:,}. Export the file again."
        )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _path_literal(path: Path) -> str:
    """Return the path as SQL text, safe from being taken for a pattern."""
    return _literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


# -- CSV -------------------------------------------------------------------------------------------


def _csv_tables(
    path: Path, dataset: Dataset, connection: duckdb.DuckDBPyConnection
) -> Iterator[pa.Table]:
    delimiter, line, header = _csv_header(path, dataset)
    try:
        found = _found_columns(header, dataset)
        _check_required(found, header, dataset)
    except _UnreadableError as error:
        raise _UnreadableError(f"Line {line}: {error}") from None
    others = {
        position: name.strip() or f"column_{position + 1}"
        for position, name in enumerate(header)
        if position not in found.values()
    }
    pairs = ", ".join(f"{_literal(name)}, c{position}" for position, name in others.items())
    select = _select(
        dataset,
        {name: f"c{position}" for name, position in found.items()},
        f"cast(json_object({pairs}) as varchar)" if pairs else None,
    )
    width = len(header)
    is_regular = _has_only_matched_quotes(path, delimiter)
    blocks = _regular_blocks(path) if is_regular else _checked_blocks(path, delimiter, width)
    for number, block in enumerate(blocks):
        try:
            chunk = _csv_chunk(block, delimiter, width)
        except pa.ArrowInvalid as error:
            for _ in _checked_blocks(path, delimiter, width):
                pass
            raise _refusal(error) from error
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
                raise _UnreadableError(
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


def _checked_blocks(path: Path, delimiter: str, width: int) -> Iterator[bytes]:
    """Yield blocks of whole records, slowly.

    Raises:
        _UnreadableError: a record has a fault, with its line and, for quotes and text, column.
    """
    parts: list[str] = []
    size = 0
    with closing(_csv_records(path, delimiter)) as records:
        for line, values, text in records:
            if len(values) != width:
                given = "1 value" if len(values) == 1 else f"{len(values)} values"
                raise _UnreadableError(
                    f"Line {line}: {given} where the header has {width} columns. Give"
                    " every line one value per column (nothing between two delimiters where there"
                    " is none) and quote values that contain the delimiter."
                )
            parts.append(text)
            size += len(text)
            if size >= BLOCK_BYTES:
                yield "".join(parts).encode()
                parts.clear()
                size = 0
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
        raise _UnreadableError("Line 1: the text is UTF-16. Save the file as CSV UTF-8.")
    if start.startswith(b"PK\x03\x04"):
        raise _UnreadableError(
            "The file is a spreadsheet or zip archive, not CSV. Save it as CSV UTF-8."
        )
    headers: list[tuple[str, int, list[str]]] = []
    faults: list[_UnreadableError] = []
    for delimiter in (",", ";", "\t"):
        try:
            headers += [(delimiter, *record) for record in _first_record(path, delimiter)]
        except _UnreadableError as fault:
            faults.append(fault)
    if not any(any(name.strip() for name in header) for _, _, header in headers):
        raise faults[0] if faults else _UnreadableError(EMPTY)
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
        _UnreadableError: quotes are unbalanced or the text is not UTF-8, with line and column.
    """
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        pending: list[str] = []

        def lines() -> Iterator[str]:
            for number, line in enumerate(file, 1):
                _check_utf8(line, number)
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
                raise _UnreadableError(_quote_fault(pending, delimiter, start, error)) from None
            if values:
                yield start, values, "".join(pending)
            start = reader.line_num + 1
            pending.clear()


def _check_utf8(line: str, number: int) -> None:
    if not line.isascii() and (bad := re.search("[\udc80-\udcff]", line)):
        byte = ord(bad[0]) - 0xDC00
        raise _UnreadableError(
            f"Line {number}, column {bad.start() + 1}: byte 0x{byte:02x} is not UTF-8."
            " Save the file as UTF-8."
        )


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


# -- JSON lines ------------------------------------------------------------------------------------


def _json_tables(
    path: Path, dataset: Dataset, connection: duckdb.DuckDBPyConnection
) -> Iterator[pa.Table]:
    source = f"read_ndjson_objects({_path_literal(path)}, compression = 'none')"
    try:
        shapes = connection.execute(
            f"""
            select json_keys(json) as keys, bool_and(json_type(json) = 'OBJECT')
            from {source}
            group by keys
            order by count(*) desc, keys
            limit {MAX_SHAPES + 1}
            """
        ).fetchall()
    except duckdb.Error as error:
        _explain_json(path)
        raise _refusal(error) from error
    if not shapes:
        raise _UnreadableError(EMPTY)
    if any(not is_object or len(keys) > len(set(keys)) for keys, is_object in shapes):
        _explain_json(path)
        raise _UnreadableError("A line is not a JSON object, or an object has a key twice.")
    if len(shapes) > MAX_SHAPES:
        raise _UnreadableError(
            f"The objects have more than {MAX_SHAPES:,} different sets of keys. Write every record"
            " with the same keys."
        )
    names = list(dict.fromkeys(chain.from_iterable(keys for keys, _ in shapes)))
    found = {name: names[position] for name, position in _found_columns(names, dataset).items()}
    _check_required(found, names, dataset)
    rows = 0
    query = _json_query(source, dataset, found, has_others=len(names) > len(found))
    for table in _stream(connection, query):
        rows += table.num_rows
        yield table
    with path.open("rb") as file:
        _check_count(rows, sum(1 for line in file if line.strip()))


def _json_query(
    source: str, dataset: Dataset, found: Mapping[str, str], *, has_others: bool
) -> str:
    """Return SQL that takes the objects apart, keeping the text of numbers.

    DuckDB's JSON functions read numbers and write them anew (1.10 becomes 1.1). So numbers are
    first made strings that begin with a mark, and afterwards the mark is removed.
    """
    # Long and random: the file does not contain it. It is not in what is landed.
    mark = f"\ue000{random_source.token_hex(4)}"
    pointers = ", ".join(_literal(_json_pointer(key)) for key in found.values())
    values = {name: _unmarked(f"found[{i}]", mark) for i, name in enumerate(found, 1)}
    extra = None
    if has_others:
        without = _literal(json.dumps(dict.fromkeys(found.values()), ensure_ascii=False))
        others = f"nullif(cast(json_merge_patch(line, {without}) as varchar), '{{}}')"
        extra = _unmarked(others, mark)
    # Valid JSON has no raw control characters, so chr(1) and chr(2) are free to tell strings
    # (first group, then both) from numbers (second group between them).
    return rf"""
        with told_apart as (
            select regexp_replace(
                cast(json as varchar),
                '("(?:[^"\\]|\\.)*")|(-?[0-9][0-9.eE+-]*)',
                '\1' || chr(1) || '\2' || chr(2),
                'g'
            ) as line
            from {source}
        ),

        marked as (
            select replace(
                replace(replace(line, chr(1) || chr(2), ''), chr(1), '"{mark}'), chr(2), '"'
            ) as line
            from told_apart
        ),

        extracted as (
            select line, json_extract_string(line, [{pointers}]) as found
            from marked
        )

        select {_select(dataset, values, extra)}
        from extracted
    """


def _unmarked(value: str, mark: str) -> str:
    """Return SQL that gives numbers their text back, alone or inside JSON."""
    return (
        f"case when starts_with({value}, '{mark}') then substr({value}, {len(mark) + 1})"
        f" when contains({value}, '{mark}')"
        f" then regexp_replace({value}, '\"{mark}([^\"]*)\"', '\\1', 'g')"
        f" else {value} end"
    )


def _json_pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _explain_json(path: Path) -> None:
    """Read slowly what was refused, to raise `_UnreadableError` with the exact line and column."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, 1):
            _check_utf8(line, number)
            if not line.strip():
                continue
            try:
                value = json.loads(line.rstrip(), object_pairs_hook=_Pairs)
                json.dumps(value, ensure_ascii=False).encode()
            except json.JSONDecodeError as error:
                raise _UnreadableError(
                    f"Line {number}, column {error.colno}: not valid JSON ({error.msg})."
                    " Write every record as one object on a line of its own, without an array"
                    " around them."
                ) from None
            except UnicodeEncodeError:
                raise _UnreadableError(
                    f"Line {number}: an escape (\\ud800 to \\udfff) that is half a character."
                    " Correct it."
                ) from None
            if not isinstance(value, _Pairs):
                kind = "an array" if isinstance(value, list) else "a single value"
                raise _UnreadableError(
                    f"Line {number}: {kind}, not an object. Write every record as {{...}} on a line"
                    " of its own."
                )
            for key, count in Counter(key for key, _ in value).items():
                if count > 1:
                    raise _UnreadableError(
                        f"Line {number}: the key {key!r} is there {count} times. Keep one."
                    )


class _Pairs(list[tuple[str, object]]):
    """The keys and values of a JSON object, repeated keys included."""


# -- Parquet ---------------------------------------------------------------------------------------


def _parquet_tables(
    path: Path, dataset: Dataset, connection: duckdb.DuckDBPyConnection
) -> Iterator[pa.Table]:
    source = f"read_parquet({_path_literal(path)}, hive_partitioning = false)"
    try:
        metadata = pq.read_metadata(path)
        names = metadata.schema.to_arrow_schema().names
        described = connection.sql(f"select * from {source} limit 0")
    except (pa.ArrowException, duckdb.Error, OSError) as error:
        raise _UnreadableError(
            f"Not a Parquet file that can be read ({str(error).splitlines()[0]})."
            " Export or copy it again."
        ) from None
    found = _found_columns(names, dataset)
    _check_required(found, names, dataset)
    columns = [
        ('"' + column.replace('"', '""') + '"', str(kind))
        for column, kind in zip(described.columns, described.types, strict=True)
    ]
    pairs = ", ".join(
        f"{_literal(name.strip())}, {_as_json(*columns[position])}"
        for position, name in enumerate(names)
        if position not in found.values()
    )
    select = _select(
        dataset,
        {name: _as_text(*columns[position]) for name, position in found.items()},
        f"cast(json_object({pairs}) as varchar)" if pairs else None,
    )
    rows = 0
    for table in _stream(connection, f"select {select} from {source}"):
        rows += table.num_rows
        yield table
    _check_count(rows, metadata.num_rows)


def _as_text(column: str, kind: str) -> str:
    """Return SQL for a typed value as text: times in ISO 8601, numbers as short as is exact."""
    if kind.startswith("TIMESTAMP"):
        # The session is in UTC, so the only offset there can be is +00.
        return f"replace(replace(cast({column} as varchar), ' ', 'T'), '+00', 'Z')"
    if kind == "BLOB":
        return f"coalesce(try(decode({column})), cast({column} as varchar))"
    if _is_nested(kind):
        return f"cast(to_json({column}) as varchar)"
    return f"cast({column} as varchar)"


def _as_json(column: str, kind: str) -> str:
    """Return SQL for a typed value in JSON; what JSON cannot hold exactly is text."""
    if _is_nested(kind) or kind in {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"}:
        return f"to_json({column})"
    if kind == "DOUBLE":
        text = f"to_json(cast({column} as varchar))"
        return f"case when isfinite({column}) then to_json({column}) else {text} end"
    return _as_text(column, kind)


def _is_nested(kind: str) -> bool:
    return kind.startswith(("STRUCT", "MAP", "UNION")) or kind.endswith("]")


READERS = {
    ".csv": _csv_tables,
    ".jsonl": _json_tables,
    ".ndjson": _json_tables,
    ".parquet": _parquet_tables,
}
