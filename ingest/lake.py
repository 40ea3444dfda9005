"""The lake: immutable batch files whose presence is their commit, and the ledger inside them.

    lake/raw/<provider>/<dataset>/ingest_date=YYYY-MM-DD/<batch_id>.parquet
    lake/dead_letter/<provider>/<dataset>/ingest_date=YYYY-MM-DD/<batch_id>-<n>.json

A batch is written to a temporary name, synced, renamed and the folder synced: it is there whole or
not at all. What was asked and answered (the ledger) is in the file's Parquet key-value metadata, so
coverage and watermarks are derived from the files and cannot disagree with them. Nothing here asks
a vendor or interprets a value.
"""

import json
import os
import secrets as random_source
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ingest.clock import Clock, iso, parse_iso, utc_now
from ingest.fault_points import reached
from ingest.locks import exclusive
from ingest.provider import Answer, Dataset, Reject, Request
from ingest.records import EXTRA, content_hash, to_table
from ingest.redaction import redact
from ingest.settings import DataDir

LEDGER_KEY = "tapehouse.ledger"
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


@dataclass(frozen=True)
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
    rows: int = 0
    entries: list[Entry] = field(default_factory=list)

    def write(
        self,
        table: pa.Table,
        *,
        symbol: str | pa.Array | None = None,
        timeframe: str | pa.Array | None = None,
        fetched_at: datetime | None = None,
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
            pa.repeat(pa.scalar(fetched_at or self.fetched_at, LINEAGE[4].type), count),
            pa.repeat(self.batch_id, count),
            pa.array(np.arange(self.rows, self.rows + count, dtype=np.int64)),
        )
        self._writer.write_table(
            pa.table([*table.columns, *lineage], schema=lake_schema(self.dataset)),
            row_group_size=ROW_GROUP_ROWS,
        )
        self.rows += count


@dataclass(frozen=True)
class Ledger:
    """All batches of one dataset, to ask what they cover."""

    batches: tuple[Batch, ...]

    def coverage(self, symbol: str | None, timeframe: str | None) -> list[Interval]:
        """Return the merged ranges for which complete answers are here and final.

        An answer covers its range up to the time it was fetched, less the vendor's finality lag.
        """
        return merged(
            interval
            for batch, entry in self._answers(symbol, timeframe)
            if (interval := _covered(batch, entry)) is not None
        )

    def watermark(self, symbol: str | None, timeframe: str | None) -> datetime | None:
        """Return the end of what is covered, or None when nothing is."""
        covered = self.coverage(symbol, timeframe)
        return covered[-1].end if covered else None

    def last_fetched_at(self, symbol: str | None, timeframe: str | None) -> datetime | None:
        """Return when the newest answer arrived, or None when there is none."""
        times = [parse_iso(entry.fetched_at) for _, entry in self._answers(symbol, timeframe)]
        return max(times, default=None)

    def has_answer(self, request: Request) -> bool:
        """Return whether a complete answer to this very request is here."""
        return any(
            entry.status == "complete" and entry.params == dict(request.params)
            for _, entry in self._answers(request.symbol, request.timeframe)
        )

    def _answers(self, symbol: str | None, timeframe: str | None) -> Iterator[tuple[Batch, Entry]]:
        for batch in self.batches:
            for entry in batch.entries:
                if (entry.symbol, entry.timeframe) == (symbol, timeframe):
                    yield batch, entry


@dataclass(frozen=True)
class Lake:
    """The lake below one data folder. Safe for several loaders: one per dataset at a time."""

    data: DataDir
    clock: Clock = utc_now
    secrets: tuple[str, ...] = ()

    # -- writing ---------------------------------------------------------------------------------

    def land(self, provider: str, dataset: Dataset, answers: Sequence[Answer]) -> Batch:
        """Land answers as one batch; an answer equal to the last one is only confirmed.

        A batch without rows still lands: it records that the question was asked.
        """
        fetched_at = max(answer.fetched_at for answer in answers)
        with self.open_batch(provider, dataset, fetched_at=fetched_at) as batch:
            latest = self._latest_answers(provider, dataset.name)
            rejects = 0
            for answer in answers:
                table = to_table(answer.records, dataset)
                entry = _entry(answer, table)
                previous = latest.get(entry.question)
                if previous and table.num_rows and previous[1] == entry.content_hash:
                    entry = replace(entry, records=0, confirms=previous[0])
                else:
                    batch.write(
                        table,
                        symbol=answer.request.symbol,
                        timeframe=answer.request.timeframe,
                        fetched_at=answer.fetched_at,
                    )
                    latest[entry.question] = (batch.batch_id, entry.content_hash)
                batch.entries.append(entry)
                for reject in answer.rejects:
                    self.dead_letter(
                        provider,
                        dataset.name,
                        reject,
                        request=answer.request,
                        batch_id=batch.batch_id,
                        number=rejects,
                    )
                    rejects += 1
        return _batch(batch)

    @contextmanager
    def open_batch(
        self,
        provider: str,
        dataset: Dataset,
        *,
        fetched_at: datetime | None = None,
        batch_id: str | None = None,
    ) -> Iterator[BatchWriter]:
        """Open a batch for streaming; it is committed when the block ends without an error.

        Raises:
            LockedError: another loader is landing the same dataset.
        """
        fetched_at = fetched_at or self.clock()
        batch_id = batch_id or new_batch_id(self.clock())
        temporary_dir = self.data.lake / ".tmp" / f"{provider}__{dataset.name}"
        with exclusive(temporary_dir / "lock", f"a loader of {provider} {dataset.name}"):
            for abandoned in temporary_dir.glob("*.parquet"):
                abandoned.unlink()
            temporary = temporary_dir / f"{batch_id}.parquet"
            target = self._folder(self.data.raw, provider, dataset.name, fetched_at)
            sink = temporary.open("wb")
            try:
                with _parquet_writer(sink, lake_schema(dataset)) as writer:
                    batch = BatchWriter(batch_id, provider, dataset, fetched_at, writer)
                    yield batch
                    writer.add_key_value_metadata({LEDGER_KEY: _batch(batch).to_json()})
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
            "error": redact(reject.error, self.secrets),
            "context": {
                "provider": provider,
                "request": redact(str(request), self.secrets),
                "batch_id": batch_id,
            },
            "body": redact(reject.body, self.secrets),
        }
        path = folder / f"{batch_id}-{number}.json"
        write_synced(path, json.dumps(letter, indent=2, ensure_ascii=False))
        return path

    # -- reading the ledger back -----------------------------------------------------------------

    def batches(self, provider: str = "*", dataset: str = "*") -> list[Batch]:
        """Return every landed batch, oldest first, from the ledgers in the files."""
        pattern = str(self.data.raw / provider / dataset / "*" / "*.parquet")
        with duckdb.connect() as connection:
            files = connection.execute("select file from glob(?)", [pattern]).fetchall()
            if not files:
                return []
            ledgers = connection.execute(
                "select value from parquet_kv_metadata(?) where decode(key) = ?",
                [[file for (file,) in files], LEDGER_KEY],
            ).fetchall()
        found = [Batch.from_json(value) for (value,) in ledgers]
        return sorted(found, key=lambda batch: (batch.fetched_at, batch.batch_id))

    def ledger(self, provider: str, dataset: str) -> "Ledger":
        """Return the ledger of one dataset, read once."""
        return Ledger(tuple(self.batches(provider, dataset)))

    def _latest_answers(
        self, provider: str, dataset: str
    ) -> dict[tuple[Any, ...], tuple[str, str]]:
        """Return, by question, the batch that holds the rows of the latest answer and its hash."""
        latest: dict[tuple[Any, ...], tuple[str, str]] = {}
        for batch in self.batches(provider, dataset):
            for entry in batch.entries:
                latest[entry.question] = (entry.confirms or batch.batch_id, entry.content_hash)
        return latest

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


def _batch(batch: BatchWriter) -> Batch:
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
    )


def _covered(batch: Batch, entry: Entry) -> Interval | None:
    if entry.status != "complete" or entry.start is None or entry.end is None:
        return None
    final_until = parse_iso(entry.fetched_at) - timedelta(seconds=batch.finality_lag_seconds)
    interval = Interval(parse_iso(entry.start), min(parse_iso(entry.end), final_until))
    return interval if interval.start < interval.end else None
