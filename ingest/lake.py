"""The lake: immutable batch files whose presence is their commit, and the ledger inside them.

    lake/raw/<provider>/<dataset>/ingest_date=YYYY-MM-DD/<batch_id>.parquet
    lake/dead_letter/<provider>/<dataset>/ingest_date=YYYY-MM-DD/<batch_id>-<n>.json

A batch is written to a temporary name, synced, renamed and the folder synced: it is there whole or
not at all. What was asked and answered (the ledger) is in the file's Parquet key-value metadata, so
coverage and watermarks are derived from the files and cannot disagree with them. Nothing here asks
a vendor or interprets a value.
"""

import heapq
import json
import os
import re
import secrets as random_source
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.clock import Clock, iso, parse_iso, utc_now
from ingest.fault_points import reached
from ingest.locks import LockedError, exclusive
from ingest.provider import Answer, Dataset, Reject, Request
from ingest.records import EXTRA, content_hash, to_table
from ingest.redaction import MASK, redact, spellings
from ingest.settings import DataDir

LEDGER_KEY = "tapehouse.ledger"
LEDGERS_AT_ONCE = 500
LAST_ANSWERED = """
with entries as (
    select unnest(cast(json_extract(decode(value), '$.entries') as json[])) as entry
    from parquet_kv_metadata(?)
    where decode(key) = ?
)

select
    entry ->> '$.symbol' as symbol,
    max(entry ->> '$.fetched_at') as fetched_at
from entries
where
    entry ->> '$.symbol' is not null
    and cast(entry -> '$.params' as map(varchar, varchar))
    = cast(cast(? as json) as map(varchar, varchar))
    and entry ->> '$.fetched_at' >= ?
    and entry ->> '$.fetched_at' < ?
group by all
"""
ROW_GROUP_ROWS = 122_880
LINEAGE = (
    pa.field("_provider", pa.string()),
    pa.field("_dataset", pa.string()),
    pa.field("_symbol", pa.string()),
    pa.field("_timeframe", pa.string()),
    pa.field("_fetched_at", pa.timestamp("us", tz="UTC")),
    pa.field("_batch_id", pa.string()),
    pa.field("_row", pa.int64()),
)


LEAST_SHARE = 0.5
SHRUNKEN_FOR = timedelta(days=7)
"""A whole list with less than that share of its rows is believed when it has been so for so long:
until then it is taken for one that was cut off, and removes nothing.
"""

SHORTEST_SECRET = 8
NUMBER_OR_TIME = re.compile(r"[\d.,:+-]*([eETZ][\d.,:+-]*)?", re.ASCII)
"""Secrets that are shorter, or look like this, are not looked for in records and ledgers, whose own
prices, times and words they might be part of.
"""
LOCK_POLL_SECONDS = 0.05

NEWEST_WITHIN = timedelta(minutes=10)
"""How long after the end of a range its answer may come and still be about the newest: ranges end
when a run begins.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request in a batch's ledger: what was asked, and what came back.

    `confirms` names the batch whose rows this answer repeats; such an entry has no rows itself.
    """

    symbol: str | None
    timeframe: str | None
    start: str | None
    end: str | None
    params: dict[str, str]
    fetched_at: str
    status: Literal["complete", "partial"]
    records: int
    dead_letters: int
    content_hash: str
    confirms: str | None = None

    @property
    def question(self) -> tuple[Any, ...]:
        """Return what identifies the request, to find the latest answer to the same one."""
        return (
            self.symbol,
            self.timeframe,
            self.start,
            self.end,
            tuple(sorted(self.params.items())),
        )

    @property
    def is_empty(self) -> bool:
        """Return whether the vendor had nothing to say."""
        return not (self.records or self.dead_letters or self.confirms)


@dataclass(frozen=True)
class Batch:
    """A landed batch as its ledger tells it."""

    batch_id: str
    provider: str
    dataset: str
    fetched_at: str
    loader_version: str
    rows: int
    dead_letters: int
    fields: dict[str, str]
    entries: tuple[Entry, ...]
    finality_lag_seconds: float = 0.0
    recheck_empty_after_seconds: float | None = None

    def to_json(self) -> str:
        """Return the ledger as it is stored in the batch file."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str | bytes) -> "Batch":
        """Read a ledger back."""
        raw = json.loads(text)
        entries = tuple(Entry(**entry) for entry in raw.pop("entries"))
        return Batch(**raw, entries=entries)


@dataclass(frozen=True, order=True)
class Interval:
    """A half-open range of time, UTC."""

    start: datetime
    end: datetime


@dataclass
class BatchWriter:
    """Streams rows into one batch file; used through `Lake.open_batch`."""

    batch_id: str
    provider: str
    dataset: Dataset
    fetched_at: datetime
    _writer: pq.ParquetWriter
    secrets: tuple[str, ...] = field(default=(), repr=False)
    rows: int = 0
    entries: list[Entry] = field(default_factory=list)
    _pending: list[pa.Table] = field(default_factory=list)
    _pending_rows: int = 0

    def write(
        self,
        table: pa.Table,
        *,
        symbol: str | pa.Array | None = None,
        timeframe: str | pa.Array | None = None,
        fetched_at: datetime | pa.Array | None = None,
    ) -> None:
        """Append text columns (as `records.to_table` gives them) with their lineage.

        `symbol` and `timeframe` are as requested: one value, or one per row where a single
        request (a file) holds many.
        """
        count = table.num_rows
        if count == 0:
            return
        lineage = (
            pa.repeat(self.provider, count),
            pa.repeat(self.dataset.name, count),
            _column(symbol, count),
            _column(timeframe, count),
            fetched_at
            if isinstance(fetched_at, pa.Array)
            else pa.repeat(pa.scalar(fetched_at or self.fetched_at, LINEAGE[4].type), count),
            pa.repeat(self.batch_id, count),
            pa.array(np.arange(self.rows, self.rows + count, dtype=np.int64)),
        )
        schema = lake_schema(self.dataset)
        self._pending.append(pa.table([*table.columns, *lineage], schema=schema))
        self._pending_rows += count
        self.rows += count
        if self._pending_rows >= ROW_GROUP_ROWS:
            self._flush(self._pending_rows - self._pending_rows % ROW_GROUP_ROWS)

    def finish(self) -> None:
        """Write what waits for a row group to fill, and the ledger."""
        self._flush(self._pending_rows)
        ledger = redact(_batch(self).to_json(), filter(_is_distinct, self.secrets))
        self._writer.add_key_value_metadata({LEDGER_KEY: ledger})

    def _flush(self, rows: int) -> None:
        """Write the first `rows` rows that wait: small answers share row groups."""
        if rows:
            table = pa.concat_tables(self._pending)
            self._writer.write_table(
                _without_secrets(table.slice(0, rows), self.secrets), row_group_size=ROW_GROUP_ROWS
            )
            self._pending = [table.slice(rows)]
            self._pending_rows -= rows


@dataclass(frozen=True)
class Ledger:
    """All batches of one dataset, to ask what they cover."""

    batches: tuple[Batch, ...]

    def coverage(
        self,
        symbol: str | None,
        timeframe: str | None,
        asset_class: str | None = None,
        *,
        revision_window: timedelta = timedelta(0),
        recheck_empty_after: timedelta | None = None,
        refresh_after: timedelta = timedelta(0),
        now: datetime | None = None,
    ) -> list[Interval]:
        """Return the merged ranges for which complete answers are here and settled.

        An answer covers its range up to the time it was fetched, less the vendor's finality lag
        and `revision_window`. With `recheck_empty_after`, a range that was answered with nothing
        is covered that long, or for ever once such an answer was repeated as much later. An answer
        younger than `refresh_after` covers all of its range, and up to `now` where it was about the
        newest; all as of `now`.
        """
        covered: list[Interval] = []
        empty: list[tuple[Interval, float]] = []
        fresh_from = iso(now - refresh_after) if refresh_after and now is not None else None
        for batch, entry in self._answers(symbol, timeframe, asset_class):
            if fresh_from is not None and now is not None and entry.fetched_at > fresh_from:
                covered += _fresh(entry, now)
            interval = _covered(batch, entry, revision_window)
            if interval is None:
                continue
            if recheck_empty_after is not None and entry.is_empty:
                empty.append((interval, parse_iso(entry.fetched_at).timestamp()))
            else:
                covered.append(interval)
        if recheck_empty_after is not None and now is not None:
            wait = recheck_empty_after.total_seconds()
            covered += _believed_empty(empty, wait, now.timestamp())
        return merged(covered)

    def watermark(self, symbol: str | None, timeframe: str | None) -> datetime | None:
        """Return the end of what is covered, or None when nothing is."""
        covered = self.coverage(symbol, timeframe)
        return covered[-1].end if covered else None

    def answered_at(self, request: Request) -> datetime | None:
        """Return when the newest complete answer to this very question arrived, if one did."""
        question = _question(request)
        times = [
            entry.fetched_at
            for _, entry in self._answers(request.symbol, request.timeframe)
            if entry.status == "complete" and entry.question == question
        ]
        return parse_iso(max(times)) if times else None

    def _answers(
        self, symbol: str | None, timeframe: str | None, asset_class: str | None = None
    ) -> Iterator[tuple[Batch, Entry]]:
        """Yield what was asked of a symbol; of one asset class, where the requests say it."""
        for batch, entry in self._by_series.get((symbol, timeframe), ()):
            if asset_class is None or entry.params.get("asset_class", asset_class) == asset_class:
                yield batch, entry

    @cached_property
    def _by_series(self) -> Mapping[tuple[str | None, str | None], list[tuple[Batch, Entry]]]:
        series = defaultdict(list)
        for batch in self.batches:
            for entry in batch.entries:
                series[entry.symbol, entry.timeframe].append((batch, entry))
        return series


@dataclass(frozen=True)
class _LatestAnswer:
    """The newest answer to a question: when it came, its hash, and the batch with its rows.

    `complete_rows` is how many the newest complete one had; `shrunken_since` when answers began to
    have much less.
    """

    fetched_at: str
    content_hash: str
    batch_id: str
    rows: int
    complete_rows: int
    shrunken_since: str | None


@dataclass(frozen=True)
class Readied:
    """An answer as it will be landed: text columns and the entry of the ledger."""

    answer: Answer
    table: pa.Table
    entry: Entry


def ready(answer: Answer, dataset: Dataset) -> Readied:
    """Return an answer turned into text columns, with its hash."""
    table = to_table(answer.records, dataset)
    return Readied(replace(answer, records=()), table, _entry(answer, table))


class Loader:
    """Lands answers of one dataset. The ledger is read once; later only what others have landed.

    Not safe for use by several threads at once.
    """

    def __init__(self, lake: "Lake", provider: str, dataset: Dataset) -> None:
        self._lake = lake
        self._provider = provider
        self._dataset = dataset
        self._known: set[Path] = set()
        self._latest: dict[tuple[Any, ...], _LatestAnswer] = {}
        self.ledger = Ledger(tuple(self._read_news()))

    def land(self, answers: Sequence[Readied], *, patience_seconds: float = 0) -> Batch:
        """Land answers as one batch; an answer equal to the last one is only confirmed.

        A batch without rows still lands: it records that the question was asked.

        Raises:
            LockedError: another loader is landing the same dataset, for `patience_seconds` by now.
        """
        fetched_at = max(readied.answer.fetched_at for readied in answers)
        with self._lake.open_batch(
            self._provider, self._dataset, fetched_at=fetched_at, patience_seconds=patience_seconds
        ) as batch:
            self._read_news()
            letters = 0
            for readied in answers:
                answer, entry = readied.answer, readied.entry
                if self._is_doubtful(entry):
                    entry = replace(entry, status="partial")
                previous = self._latest.get(entry.question)
                if previous and entry.records and previous.content_hash == entry.content_hash:
                    entry = replace(entry, records=0, confirms=previous.batch_id)
                else:
                    batch.write(
                        readied.table,
                        symbol=answer.request.symbol,
                        timeframe=answer.request.timeframe,
                        fetched_at=answer.fetched_at,
                    )
                self._note(batch.batch_id, entry)
                batch.entries.append(entry)
                for reject in answer.rejects:
                    self._lake.dead_letter(
                        self._provider,
                        self._dataset.name,
                        reject,
                        request=answer.request,
                        batch_id=batch.batch_id,
                        number=letters,
                    )
                    letters += 1
        landed = _batch(batch)
        self._known.add(self._lake.path(landed))
        return landed

    def _read_news(self) -> list[Batch]:
        """Read the ledgers of files that are new here, oldest first."""
        files = set((self._lake.data.raw / self._provider / self._dataset.name).glob("*/*.parquet"))
        batches = _ledgers(files - self._known)
        self._known = files
        for batch in batches:
            for entry in batch.entries:
                self._note(batch.batch_id, entry)
        return batches

    def _note(self, batch_id: str, entry: Entry) -> None:
        previous = self._latest.get(entry.question)
        if previous is None or previous.fetched_at <= entry.fetched_at:
            # An answer that confirms another has as many rows, and no rows of its own.
            rows = previous.rows if previous and entry.confirms else entry.records
            complete_rows, shrunken_since = rows, None
            if entry.status != "complete":
                complete_rows = previous.complete_rows if previous else 0
                if rows < LEAST_SHARE * complete_rows:
                    began = previous.shrunken_since if previous else None
                    shrunken_since = began or entry.fetched_at
            self._latest[entry.question] = _LatestAnswer(
                entry.fetched_at,
                entry.content_hash,
                entry.confirms or batch_id,
                rows,
                complete_rows,
                shrunken_since,
            )

    def _is_doubtful(self, entry: Entry) -> bool:
        """Return whether a list lost so much that it may have been cut off."""
        dataset, previous = self._dataset, self._latest.get(entry.question)
        if previous is None or dataset.kind != "extract" or dataset.is_by_symbol:
            return False
        if entry.records >= LEAST_SHARE * previous.complete_rows:
            return False
        since = parse_iso(previous.shrunken_since or entry.fetched_at)
        return parse_iso(entry.fetched_at) - since < SHRUNKEN_FOR


@dataclass(frozen=True)
class Lake:
    """The lake below one data folder. Safe for several loaders: one per dataset at a time."""

    data: DataDir
    clock: Clock = utc_now
    secrets: tuple[str, ...] = ()

    # -- writing ---------------------------------------------------------------------------------

    def land(self, provider: str, dataset: Dataset, answers: Sequence[Answer]) -> Batch:
        """Land answers as one batch: see `Loader.land`, which is quicker for many batches."""
        readied = [ready(answer, dataset) for answer in answers]
        return self.loader(provider, dataset).land(readied)

    def loader(self, provider: str, dataset: Dataset) -> Loader:
        """Return what lands batch after batch of one dataset."""
        return Loader(self, provider, dataset)

    @contextmanager
    def open_batch(
        self,
        provider: str,
        dataset: Dataset,
        *,
        fetched_at: datetime | None = None,
        batch_id: str | None = None,
        lane: str = "",
        patience_seconds: float = 0,
    ) -> Iterator[BatchWriter]:
        """Open a batch for streaming; it is committed when the block ends without an error.

        Loaders of the same dataset exclude each other unless they have `lane`s of their own.

        Raises:
            LockedError: another loader is landing the same dataset, for `patience_seconds` by now.
        """
        fetched_at = fetched_at or self.clock()
        batch_id = batch_id or new_batch_id(self.clock())
        folder = "__".join(filter(None, (provider, dataset.name, lane)))
        temporary_dir = self.data.lake / ".tmp" / folder
        with _exclusive(
            temporary_dir / "lock", f"a loader of {provider} {dataset.name}", patience_seconds
        ):
            for abandoned in temporary_dir.glob("*.parquet"):
                abandoned.unlink()
            temporary = temporary_dir / f"{batch_id}.parquet"
            target = self._folder(self.data.raw, provider, dataset.name, fetched_at)
            sink = temporary.open("wb")
            try:
                with _parquet_writer(sink, lake_schema(dataset)) as writer:
                    batch = BatchWriter(
                        batch_id, provider, dataset, fetched_at, writer, self._spellings
                    )
                    yield batch
                    batch.finish()
                reached("land:written")
                sink.flush()
                os.fsync(sink.fileno())
                reached("land:synced")
            except BaseException:
                sink.close()
                temporary.unlink(missing_ok=True)
                raise
            sink.close()
            target.mkdir(parents=True, exist_ok=True)
            temporary.rename(target / f"{batch_id}.parquet")
            reached("land:renamed")
            sync_folders(target, self.data.root)
            reached("land:committed")

    def dead_letter(
        self,
        provider: str,
        dataset: str,
        reject: Reject,
        *,
        request: Request,
        batch_id: str,
        number: int = 0,
    ) -> Path:
        """Write what could not be read as a record, readable and without secrets."""
        now = self.clock()
        folder = self._folder(self.data.dead_letter, provider, dataset, now)
        folder.mkdir(parents=True, exist_ok=True)
        letter = {
            "time": iso(now),
            "error": self.redacted(reject.error),
            "context": {
                "provider": provider,
                "request": self.redacted(str(request)),
                "batch_id": batch_id,
            },
            "body": self.redacted(reject.body),
        }
        path = folder / f"{batch_id}-{number}.json"
        write_synced(path, json.dumps(letter, indent=2, ensure_ascii=False))
        return path

    def redacted(self, text: str) -> str:
        """Return `text` without secrets."""
        return redact(text, self._spellings)

    @cached_property
    def _spellings(self) -> tuple[str, ...]:
        return spellings(self.secrets)

    # -- reading the ledger back -----------------------------------------------------------------

    def batches(self, provider: str = "*", dataset: str = "*") -> list[Batch]:
        """Return every landed batch, oldest first, from the ledgers in the files."""
        return _ledgers(self.data.raw.glob(f"{provider}/{dataset}/*/*.parquet"))

    def last_answered(
        self,
        provider: str,
        dataset: str,
        params: Mapping[str, str],
        *,
        since: datetime,
        before: datetime,
    ) -> Iterator[Mapping[str, datetime]]:
        """Yield when symbols were last answered for between two times, newest batches first.

        Only requests with just these `params` count. Each of what is yielded is of some batches:
        who has found a symbol need not look for it any further.
        """
        first = f"ingest_date={since:%Y-%m-%d}"
        folders = (self.data.raw / provider / dataset).glob("ingest_date=*")
        files = [
            file for folder in folders if folder.name >= first for file in folder.glob("*.parquet")
        ]
        files.sort(key=lambda file: file.name, reverse=True)
        with duckdb.connect() as connection:
            while files:
                names = [str(file) for file in files[:LEDGERS_AT_ONCE]]
                del files[:LEDGERS_AT_ONCE]
                found = connection.execute(
                    LAST_ANSWERED,
                    [names, LEDGER_KEY, json.dumps(dict(params)), iso(since), iso(before)],
                ).fetchall()
                yield {symbol: parse_iso(at) for symbol, at in found}

    def ledger(self, provider: str, dataset: str) -> Ledger:
        """Return the ledger of one dataset, read once."""
        return Ledger(tuple(self.batches(provider, dataset)))

    def path(self, batch: Batch) -> Path:
        """Return the file of a landed batch."""
        at = parse_iso(batch.fetched_at)
        folder = self._folder(self.data.raw, batch.provider, batch.dataset, at)
        return folder / f"{batch.batch_id}.parquet"

    @staticmethod
    def _folder(base: Path, provider: str, dataset: str, at: datetime) -> Path:
        return base / provider / dataset / f"ingest_date={at:%Y-%m-%d}"


def lake_schema(dataset: Dataset) -> pa.Schema:
    """Return the columns of a dataset's batch files: declared text, `_extra`, lineage."""
    declared = [pa.field(f.column, pa.string()) for f in dataset.fields]
    return pa.schema([*declared, pa.field(EXTRA, pa.string()), *LINEAGE])


def new_batch_id(now: datetime) -> str:
    """Return an id that sorts by time and that no other batch has."""
    return f"{now:%Y%m%dT%H%M%S%f}Z-{random_source.token_hex(4)}"


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union of intervals as disjoint ones, in order."""
    result: list[Interval] = []
    for interval in sorted(intervals):
        if result and interval.start <= result[-1].end:
            result[-1] = Interval(result[-1].start, max(result[-1].end, interval.end))
        else:
            result.append(interval)
    return result


def missing(wanted: Interval, covered: Iterable[Interval]) -> list[Interval]:
    """Return the parts of `wanted` that `covered` (disjoint, in order) leaves open."""
    gaps: list[Interval] = []
    start = wanted.start
    for interval in covered:
        if interval.start > start:
            gaps.append(Interval(start, min(interval.start, wanted.end)))
        start = max(start, interval.end)
        if start >= wanted.end:
            break
    if start < wanted.end:
        gaps.append(Interval(start, wanted.end))
    return [gap for gap in gaps if gap.start < gap.end]


def write_synced(path: Path, text: str) -> None:
    """Write `text` so that it is there whole or not at all, also after a crash."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folders(path.parent, path.parent)


def sync_folders(folder: Path, top: Path) -> None:
    """Sync `folder` and its parents up to `top`, so that new names in them survive a crash."""
    while True:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if folder in (top, folder.parent):
            return
        folder = folder.parent


def _parquet_writer(sink: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer that leaves early what a dictionary cannot make smaller.

    Row numbers as differences and small dictionaries take a quarter off size and time of bars;
    a higher zstd level than the default takes time and nothing off the size.
    """
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        use_dictionary=[name for name in schema.names if name != "_row"],
        column_encoding={"_row": "DELTA_BINARY_PACKED"},
        dictionary_pagesize_limit=1 << 18,
        write_statistics=True,
    )


def _ledgers(files: Iterable[Path]) -> list[Batch]:
    """Return the ledgers of batch files, oldest first."""
    names = [str(file) for file in files]
    if not names:
        return []
    with duckdb.connect() as connection:
        ledgers = connection.execute(
            "select value from parquet_kv_metadata(?) where decode(key) = ?", [names, LEDGER_KEY]
        ).fetchall()
    found = [Batch.from_json(value) for (value,) in ledgers]
    return sorted(found, key=lambda batch: (batch.fetched_at, batch.batch_id))


@contextmanager
def _exclusive(path: Path, holder: str, patience_seconds: float) -> Iterator[None]:
    """Hold the lock file `path`, after waiting for another holder for a while."""
    give_up_at = time.monotonic() + patience_seconds
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(exclusive(path, holder))
                break
            except LockedError:
                if time.monotonic() >= give_up_at:
                    raise
                time.sleep(LOCK_POLL_SECONDS)
        yield


def _without_secrets(table: pa.Table, secrets: Iterable[str]) -> pa.Table:
    """Return the rows with secrets that a vendor repeated masked."""
    for secret in filter(_is_distinct, secrets):
        for number, column in enumerate(table.columns):
            if pa.types.is_string(column.type) and _holds(column, secret.encode()):
                masked = pc.replace_substring(column, secret, MASK)
                table = table.set_column(number, table.field(number), masked)
    return table


def _holds(column: pa.ChunkedArray, text: bytes) -> bool:
    """Return whether `text` is in any value; quicker than a look at each."""
    buffers = (chunk.buffers()[2] for chunk in column.chunks)
    return any(buffer is not None and text in buffer.to_pybytes() for buffer in buffers)


def _is_distinct(secret: str) -> bool:
    return len(secret) >= SHORTEST_SECRET and not NUMBER_OR_TIME.fullmatch(secret)


def _column(value: str | pa.Array | None, count: int) -> pa.Array:
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value
    return pa.nulls(count, pa.string()) if value is None else pa.repeat(value, count)


def _entry(answer: Answer, table: pa.Table) -> Entry:
    request = answer.request
    return Entry(
        symbol=request.symbol,
        timeframe=request.timeframe,
        start=iso(request.start) if request.start else None,
        end=iso(request.end) if request.end else None,
        params=dict(request.params),
        fetched_at=iso(answer.fetched_at),
        status="complete" if answer.is_complete else "partial",
        records=table.num_rows,
        dead_letters=len(answer.rejects),
        content_hash=content_hash(table),
    )


def _question(request: Request) -> tuple[Any, ...]:
    """Return what `Entry.question` is of the entry of a request."""
    return (
        request.symbol,
        request.timeframe,
        iso(request.start) if request.start else None,
        iso(request.end) if request.end else None,
        tuple(sorted(request.params.items())),
    )


def _batch(batch: BatchWriter) -> Batch:
    recheck = batch.dataset.recheck_empty_after
    return Batch(
        batch_id=batch.batch_id,
        provider=batch.provider,
        dataset=batch.dataset.name,
        fetched_at=iso(batch.fetched_at),
        loader_version=version("tapehouse"),
        rows=batch.rows,
        dead_letters=sum(entry.dead_letters for entry in batch.entries),
        fields={f.column: f.path for f in batch.dataset.fields},
        entries=tuple(batch.entries),
        finality_lag_seconds=batch.dataset.finality_lag.total_seconds(),
        recheck_empty_after_seconds=recheck.total_seconds() if recheck is not None else None,
    )


def _covered(batch: Batch, entry: Entry, revision_window: timedelta) -> Interval | None:
    if entry.status != "complete" or entry.start is None or entry.end is None:
        return None
    lag = max(timedelta(seconds=batch.finality_lag_seconds), revision_window)
    settled_until = parse_iso(entry.fetched_at) - lag
    interval = Interval(parse_iso(entry.start), min(parse_iso(entry.end), settled_until))
    return interval if interval.start < interval.end else None


def _fresh(entry: Entry, now: datetime) -> Iterator[Interval]:
    """Yield what an answer covers as long as it is young."""
    if entry.status == "complete" and entry.start is not None and entry.end is not None:
        end = parse_iso(entry.end)
        is_newest = end > parse_iso(entry.fetched_at) - NEWEST_WITHIN
        yield Interval(parse_iso(entry.start), max(end, now) if is_newest else end)


def _believed_empty(
    empty: Sequence[tuple[Interval, float]], wait: float, now: float
) -> Iterator[Interval]:
    """Yield the ranges whose empty answers are young enough, or were repeated late enough.

    `empty` has the time of each answer in seconds, as are `wait` and `now`.
    """
    edges = sorted({edge for interval, _ in empty for edge in (interval.start, interval.end)})
    waiting = sorted(empty, key=lambda answer: answer[0].start, reverse=True)
    oldest: list[tuple[float, datetime]] = []
    newest: list[tuple[float, datetime]] = []
    for start, end in pairwise(edges):
        while waiting and waiting[-1][0].start == start:
            interval, at = waiting.pop()
            heapq.heappush(oldest, (at, interval.end))
            heapq.heappush(newest, (-at, interval.end))
        for heap in (oldest, newest):
            while heap and heap[0][1] <= start:
                heapq.heappop(heap)
        if oldest:
            first, last = oldest[0][0], -newest[0][0]
            if last - first >= wait or now < last + wait:
                yield Interval(start, end)
