"""Land files that a person drops into `<data>/inbox/<dataset>/`: CSV, JSON lines and Parquet.

A file lands once, by content, and is then moved to `<data>/inbox/.landed/<dataset>/`; one that
cannot be read goes to `<data>/inbox/.rejected/<dataset>/` beside a message that says what to do.
Values land as text exactly as written. Market data is not judged here: bad values land too, and SQL
quarantines them. Trading records that break their contract go to the dead letters, row by row; so
do lines of them that cannot be read, where the others can.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from ingest.clock import Clock, iso
from ingest.fault_points import reached
from ingest.files import BadLine, UnreadableError, read_tables
from ingest.lake import BatchWriter, Entry, Lake, sync_folders, write_synced
from ingest.locks import exclusive
from ingest.provider import TIMEFRAMES, Dataset, Reject, Request
from ingest.providers.inbox_formats import CONTRACTS, DATASETS
from ingest.records import EXTRA

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all, and what is being read."""

__all__ = ["DATASETS", "PROVIDER", "FileOutcome", "InboxReport", "explain", "land_inbox"]

PROVIDER = "inbox"
MAX_GROUPS = 100_000
"""Most ledger entries per file; a Parquet footer that readers accept has room for little more."""

MEMORY_LIMIT = "512MB"
MAX_THREADS = 4
UNFINISHED_SUFFIXES = ("~", ".tmp", ".part", ".partial", ".filepart", ".crdownload", ".download")


Status = Literal["landed", "already_landed", "rejected", "skipped"]


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file; `message` says why, and what to do, unless it simply landed."""

    name: str
    status: Status
    rows: int = 0
    message: str = ""
    batch_id: str | None = None
    dead_letters: int = 0


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

    @property
    def dead_letters(self) -> int:
        """Return how many rows broke their contract and did not land."""
        return sum(file.dead_letters for file in self.files)


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
        batch, refused = _land(lake, dataset, file, tell)
    except UnreadableError as error:
        return _reject(file, str(error))
    landed[file.content] = batch.batch_id
    reached("inbox:landed")
    _move(file, _free_path(_kept(file.path.parent, "landed"), file))
    message = refused.message or ("" if batch.rows else "holds column names but no rows")
    return FileOutcome(name, "landed", batch.rows, message, batch.batch_id, refused.count)


def _land(
    lake: Lake, dataset: Dataset, file: _File, tell: Callable[[str], None]
) -> tuple[BatchWriter, "_Refused"]:
    """Stream the file into one batch, which is committed only when all of it was read.

    Raises:
        UnreadableError: it cannot be read; nothing of it is landed.
        _NotNowError: it changed meanwhile; nothing of it is landed.
    """
    refused = _Refused(lake, dataset, file)
    with (
        _work_folder(lake, dataset) as work,
        _database(work) as connection,
        lake.open_batch(PROVIDER, dataset) as batch,
    ):
        put_aside = refused.put_aside if dataset.name in CONTRACTS else None
        for table in read_tables(file.path, dataset, connection, work, put_aside=put_aside):
            kept = refused.sort_out(table, batch.batch_id)
            keys = _keys(kept)
            batch.write(kept, symbol=keys["symbol"], timeframe=keys["timeframe"])
            _count_groups(connection, keys)
            tell(f"{file.path.name}: {batch.rows:,} rows")
        refused.finish(batch.batch_id)
        batch.entries.extend(_entries(connection, batch, file, refused.count))
        if not _is_same(file):
            raise _NotNowError("changed while it was being read; run again")
    return batch, refused


@dataclass
class _Refused:
    """The rows of one file that break the contract of its dataset, if that has one."""

    lake: Lake
    dataset: Dataset
    file: _File
    count: int = 0
    read: int = 0
    message: str = ""
    unreadable: dict[int, BadLine] = field(default_factory=dict)

    def put_aside(self, line: BadLine) -> None:
        """Take a line that is no record."""
        self.unreadable[line.row] = line

    def finish(self, batch_id: str) -> None:
        """Write the lines that are no records to the dead letters."""
        lines = self.unreadable.values()
        if lines:
            self._write(
                [{"line": bad.line, "errors": [bad.error], "text": bad.text} for bad in lines],
                f"{len(lines)} lines of {self.file.path.name} cannot be read",
                next(iter(lines)).error,
                batch_id,
            )

    def sort_out(self, table: pa.Table, batch_id: str) -> pa.Table:
        """Return the good rows; write the others, with what is wrong, to the dead letters."""
        contract = CONTRACTS.get(self.dataset.name)
        if contract is None:
            return table
        good: list[bool] = []
        letters: list[dict[str, Any]] = []
        for row in table.drop_columns([EXTRA]).to_pylist():
            self.read += 1
            while self.read in self.unreadable:
                self.read += 1
            given = {name: value for name, value in row.items() if value is not None}
            try:
                contract.model_validate(given)
                good.append(True)
            except ValidationError as error:
                good.append(False)
                letters.append({"row": self.read, "errors": explain(error), "values": given})
        if letters:
            self._write(
                letters,
                f"{len(letters)} rows of {self.file.path.name} break the contract of"
                f" {self.dataset.name}",
                f"row {letters[0]['row']}: {'; '.join(letters[0]['errors'])}",
                batch_id,
            )
        return table.filter(pa.array(good, pa.bool_()))

    def _write(
        self, letters: Sequence[Mapping[str, Any]], error: str, first: str, batch_id: str
    ) -> None:
        path = self.lake.dead_letter(
            PROVIDER,
            self.dataset.name,
            Reject(
                f"{error}; correct them and put them into the inbox in a new file",
                "\n".join(json.dumps(letter, ensure_ascii=False) for letter in letters),
            ),
            request=Request(self.dataset.name, params={"file": self.file.path.name}),
            batch_id=batch_id,
            number=self.count,
        )
        self.count += len(letters)
        told = [self.message.partition("; all such rows are in ")[0], first]
        self.message = f"{'; '.join(filter(None, told))}; all such rows are in {path.parent}"


def explain(error: ValidationError) -> list[str]:
    """Return what is wrong with a record, a sentence per field."""
    return [
        ": ".join(
            filter(
                None,
                (
                    ".".join(str(part) for part in fault["loc"]),
                    fault["msg"].removeprefix("Value error, "),
                ),
            )
        )
        + ("" if fault["type"] == "missing" else f" (it is {str(fault['input'])[:100]!r})")
        for fault in error.errors(include_url=False)
    ]


def _keys(table: pa.Table) -> pa.Table:
    """Return what the ledger groups rows by: symbol, timeframe and the time of each row."""
    nothing = pa.nulls(table.num_rows, pa.string())
    columns = dict(zip(table.column_names, table.columns, strict=True))
    symbol = (
        pc.binary_join_element_wise(columns["asset_class"], columns["symbol"], ":")
        if {"asset_class", "symbol"} <= set(columns)
        else nothing
    )
    return pa.table(
        {
            "symbol": symbol,
            "timeframe": columns.get("timeframe", nothing),
            "start": columns.get("bar_start_at", nothing),
        }
    )


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


def _count_groups(connection: duckdb.DuckDBPyConnection, keys: pa.Table) -> None:
    """Add up rows and time ranges per symbol and timeframe.

    Ledger times have years of four digits, so others count as unreadable.
    """
    cursor = connection.cursor()
    cursor.register("keys", keys)
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
    connection: duckdb.DuckDBPyConnection, batch: BatchWriter, file: _File, refused: int
) -> Iterator[Entry]:
    """Yield one entry per symbol and timeframe; what exceeds `MAX_GROUPS` is one entry together.

    Only bars have an end, and so cover anything. A list that somebody dropped is not the whole
    list: what is not on it is not gone.
    """
    whole = Entry(
        symbol=None,
        timeframe=None,
        start=None,
        end=None,
        params={"file": file.path.name, "content": file.content},
        fetched_at=iso(batch.fetched_at),
        status="complete" if batch.dataset.kind == "range" else "partial",
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
    if rest or refused or not groups:
        yield replace(whole, records=rest, dead_letters=refused)
