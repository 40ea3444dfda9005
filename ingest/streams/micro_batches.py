"""From messages that keep coming to batches in the lake: a bounded queue and what lands it.

Messages wait in a queue that has an end. When it is full, whoever puts one waits (and so stops
reading from its socket), which is counted. What has waited is landed as one batch per dataset every
few seconds or every so many messages, whichever is first; a landing that fails is tried again, with
the same batch, until it works. A message that no column can hold becomes a dead letter, and costs
the others nothing. Nothing here knows a socket or a vendor.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.clock import iso
from ingest.lake import LINEAGE, Entry, Lake, new_batch_id
from ingest.locks import LockedError
from ingest.provider import Dataset, Record, Reject, Request
from ingest.records import content_hash, encode_json, to_table

STREAMED = {"via": "stream"}
"""Parameters of ledger entries: what streamed in was not asked for, and covers no range."""

LANE = "stream"
"""Streams have a lock of their own, so that a backfill of the same dataset need not wait."""

RETRY_SECONDS = (0.2, 10.0)
"""Wait after a landing that failed: the first time, and at most; it doubles in between."""

PASSING_ERRORS = (OSError, LockedError, MemoryError)
"""Errors of a landing that may work when it is tried again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """A message to land: a record as it was sent, or a piece that could not be read as one."""

    dataset: str
    content: Record | Reject
    arrived_at: datetime
    symbol: str | None = None
    timeframe: str | None = None
    on_landed: Callable[[], None] | None = None


class Metrics:
    """What is counted, in a registry of its own (Prometheus)."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.registry = CollectorRegistry()
        self.messages = Counter(
            "tapehouse_messages",
            "Messages by kind and by what became of them.",
            ["provider", "kind", "outcome"],
            registry=self.registry,
        )
        self.landed = self._counter("landed_records", "Records on disk.")
        self.batches = self._counter("batches", "Batches on disk.")
        self.dead_letters = self._counter("dead_letters", "Pieces that could not be read.")
        self.failed_landings = self._counter("failed_landings", "Landings to be tried again.")
        self.back_pressure = self._counter(
            "back_pressure_seconds", "Time in which nothing was read as the queue was full."
        )
        self.blocked_since = self._gauge(
            "blocked_since_timestamp_seconds",
            "Since when nothing is read as the queue is full, seconds since 1970; else 0.",
        )
        self.lost = self._counter("lost_messages", "Messages that came and could not be landed.")
        self.connections = self._counter("connections", "Connections that were opened.")
        self.gaps = self._counter("gaps", "Spans of time in which messages were missed.")
        self.missed = self._counter("missed_messages", "Messages the vendor numbered, not got.")
        self.queue_depth = self._gauge("queue_depth", "Messages that wait to be landed.")
        self.last_landing = self._gauge(
            "last_landing_timestamp_seconds", "When a batch was last landed, seconds since 1970."
        )
        self.landing_seconds = Histogram(
            "tapehouse_landing_seconds",
            "Time a landing took.",
            ["provider"],
            registry=self.registry,
        ).labels(provider)

    def summary(self) -> Mapping[str, float]:
        """Return every value that is not 0, by its name without the prefix, labels behind it."""
        labels = ("kind", "outcome")
        return {
            " ".join(
                [
                    sample.name.removeprefix("tapehouse_"),
                    *(sample.labels[each] for each in labels if each in sample.labels),
                ]
            ): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.value and not sample.name.endswith(("_created", "_bucket"))
        }

    def count(self, kind: str, outcome: str, number: int = 1) -> None:
        """Count messages of a kind (`trade`, `heartbeat` …) under an outcome."""
        self.messages.labels(self.provider, kind, outcome).inc(number)

    def total(self, name: str, **labels: str) -> float:
        """Return a value as it is now; nothing counted yet is 0."""
        found = self.registry.get_sample_value(
            f"tapehouse_{name}", {"provider": self.provider, **labels}
        )
        return found or 0.0

    def _counter(self, name: str, text: str) -> Counter:
        counter = Counter(f"tapehouse_{name}", text, ["provider"], registry=self.registry)
        return counter.labels(self.provider)

    def _gauge(self, name: str, text: str) -> Gauge:
        gauge = Gauge(f"tapehouse_{name}", text, ["provider"], registry=self.registry)
        return gauge.labels(self.provider)


@dataclass(frozen=True)
class Limits:
    """When a batch is landed, how many messages may wait, and how long the last ones may take.

    `flush_seconds` are counted from when it is to stop.
    """

    seconds: float = 5.0
    records: int = 10_000
    queue: int = 50_000
    flush_seconds: float = 30.0


class NotLandedError(RuntimeError):
    """Messages could not be landed; the error says how many."""

    def __init__(self, lost: int, provider: str, reason: str) -> None:
        super().__init__(f"{lost} messages of {provider} could not be landed: {reason}")
        self.lost = lost
        self.provider = provider
        self.reason = reason


@dataclass
class MicroBatches:
    """The queue of one provider's messages and what lands them.

    `run` is a task; `put` is called from the same event loop. `close` ends the run after everything
    that waits is landed.
    """

    lake: Lake
    provider: str
    datasets: Mapping[str, Dataset]
    metrics: Metrics
    limits: Limits = field(default_factory=Limits)
    error: str | None = None
    """Why the last landing failed; None when it did not."""

    def __post_init__(self) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(self.limits.queue)
        self._pending: list[Message] = []
        self._closing: asyncio.Event = asyncio.Event()
        self._give_up_at: float | None = None
        self._has_ended = False
        self._blocked_since: list[float] = []

    @property
    def depth(self) -> int:
        """Return how many messages wait, those of the batch being landed included."""
        return self._queue.qsize() + len(self._pending)

    async def put(self, message: Message) -> None:
        """Queue a message; wait while the queue is full, and count how long.

        A message that is put after `run` has ended, or whose putting is cancelled, is lost, and
        counted as such.
        """
        if self._has_ended:
            self.metrics.lost.inc()
            return
        if self._queue.full():
            with self._counted_wait():
                await self._queue.put(message)
            if self._has_ended:  # which made room
                self.metrics.lost.inc(self._emptied())
        else:
            self._queue.put_nowait(message)
        self.metrics.queue_depth.set(self.depth)

    @contextmanager
    def _counted_wait(self) -> Iterator[None]:
        """Show since when somebody waits, and count how long it was."""
        begun, since = time.monotonic(), self.lake.clock().timestamp()
        self._blocked_since.append(since)
        self.metrics.blocked_since.set(min(self._blocked_since))
        try:
            yield
        except asyncio.CancelledError:
            self.metrics.lost.inc()
            raise
        finally:
            self._blocked_since.remove(since)
            self.metrics.blocked_since.set(min(self._blocked_since, default=0))
            self.metrics.back_pressure.inc(time.monotonic() - begun)

    def hurry(self) -> None:
        """Say that it is to stop: landings that fail for `limits.flush_seconds` are given up."""
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + self.limits.flush_seconds

    def close(self) -> None:
        """Say that nothing more will come: what waits is landed at once, and `run` ends."""
        self.hurry()
        self._closing.set()
        if not self._queue.full():
            self._queue.put_nowait(None)  # wakes a run that waits for a message

    async def run(self) -> None:
        """Land what is put until closed.

        Raises:
            NotLandedError: landing failed until it was to be given up, or for no passing reason.
        """
        try:
            while not self._is_done:
                await self._collect()
                if self._pending:
                    await self._land_until_done(self._pending)
                    self._pending = []
                self.metrics.queue_depth.set(self.depth)
        finally:
            self._has_ended = True

    @property
    def _is_done(self) -> bool:
        return self._closing.is_set() and self._queue.empty()

    async def _collect(self) -> None:
        """Fill the next batch: until it is full, due, or the last one."""
        first = await self._queue.get()
        if first is None:
            return
        self._pending = [first]
        due = asyncio.get_running_loop().time() + self.limits.seconds
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                while len(self._pending) < self.limits.records and not self._is_done:
                    message = await self._queue.get()
                    if message is not None:
                        self._pending.append(message)

    async def _land_until_done(self, messages: Sequence[Message]) -> None:
        at = self.lake.clock()
        parts = [
            (name, new_batch_id(at), [m for m in messages if m.dataset == name])
            for name in dict.fromkeys(message.dataset for message in messages)
        ]
        wait, most = RETRY_SECONDS
        while parts:
            name, batch_id, part = parts[0]
            begun = time.monotonic()
            try:
                # In a thread, so that the event loop goes on answering while the disk works.
                await asyncio.to_thread(self._land, self.datasets[name], batch_id, part)
            except PASSING_ERRORS as error:
                self.error = str(error) or type(error).__name__
                self.metrics.failed_landings.inc()
                log.warning("%s %s: not landed, trying again: %s", self.provider, name, error)
                if self._give_up_at is not None and time.monotonic() + wait > self._give_up_at:
                    raise self._not_landed(parts) from error
                await asyncio.sleep(wait)
                wait = min(2 * wait, most)
                continue
            except Exception as error:
                self.error = f"{type(error).__name__}: {error}"
                self.metrics.failed_landings.inc()
                readable = await asyncio.to_thread(_readable, part, self.datasets[name])
                if readable == part:  # it is not for one of the messages that it failed
                    log.exception("%s %s: not landed", self.provider, name)
                    raise self._not_landed(parts) from error
                parts[0] = (name, batch_id, readable)
                continue
            self.metrics.landing_seconds.observe(time.monotonic() - begun)
            self.error = None
            parts.pop(0)
        for message in messages:
            if message.on_landed is not None:
                message.on_landed()

    def _not_landed(self, parts: Sequence[tuple[str, str, Sequence[Message]]]) -> NotLandedError:
        """Give up what was to be landed and what waits."""
        lost = sum(len(part) for _, _, part in parts) + self._emptied()
        self.metrics.lost.inc(lost)
        self._pending = []
        self.metrics.queue_depth.set(self.depth)
        return NotLandedError(lost, self.provider, self.error or "")

    def _emptied(self) -> int:
        """Empty the queue; return how many messages were in it."""
        count = 0
        while not self._queue.empty():
            count += self._queue.get_nowait() is not None
        return count

    def last_streamed(
        self, since: datetime, before: datetime, symbols: Collection[str] | None = None
    ) -> Mapping[str, datetime]:
        """Return when symbols were last streamed between two times, as the ledger has it.

        Of a symbol with messages of several kinds, the kind that ended first counts: those of
        another may have been lost with a queue. `symbols` None stands for all there are.
        """
        last: dict[str, datetime] = {}
        for name in self.datasets:
            found: dict[str, datetime] = {}
            for times in self.lake.last_answered(
                self.provider, name, STREAMED, since=since, before=before
            ):
                for symbol, at in times.items():
                    found[symbol] = max(at, found.get(symbol, at))
                if symbols is not None and found.keys() >= set(symbols):
                    break
            for symbol, at in found.items():
                if symbols is None or symbol in symbols:
                    last[symbol] = min(at, last.get(symbol, at))
        return last

    def _land(self, dataset: Dataset, batch_id: str, messages: Sequence[Message]) -> None:
        """Land messages as one batch, in the order they came.

        The same batch may be landed again after a failure: it replaces itself.
        """
        good = [(m, m.content) for m in messages if not isinstance(m.content, Reject)]
        bad = [(m, m.content) for m in messages if isinstance(m.content, Reject)]
        with self.lake.open_batch(
            self.provider,
            dataset,
            fetched_at=messages[-1].arrived_at,
            batch_id=batch_id,
            lane=LANE,
        ) as batch:
            table, lineage = _columns(good, dataset)
            batch.write(table, **lineage)
            for number, (message, reject) in enumerate(bad):
                self.lake.dead_letter(
                    self.provider,
                    dataset.name,
                    reject,
                    request=Request(dataset.name, message.symbol, message.timeframe),
                    batch_id=batch_id,
                    number=number,
                )
            batch.entries.extend(_entries(messages, table))
        self.metrics.landed.inc(len(good))
        self.metrics.dead_letters.inc(len(bad))
        self.metrics.batches.inc()
        self.metrics.last_landing.set(self.lake.clock().timestamp())


def _columns(
    messages: Sequence[tuple[Message, Record]], dataset: Dataset
) -> tuple[pa.Table, Mapping[str, pa.Array]]:
    """Return records as text columns, and what they are about and came with."""
    lineage = {
        "symbol": pa.array([m.symbol for m, _ in messages], pa.string()),
        "timeframe": pa.array([m.timeframe for m, _ in messages], pa.string()),
        "fetched_at": pa.array([m.arrived_at for m, _ in messages], LINEAGE[4].type),
    }
    return to_table([content for _, content in messages], dataset), lineage


def _readable(messages: Sequence[Message], dataset: Dataset) -> list[Message]:
    """Return messages, those that no columns can hold as pieces that could not be read."""
    return [_or_reject(message, dataset) for message in messages]


def _or_reject(message: Message, dataset: Dataset) -> Message:
    content = message.content
    if isinstance(content, Reject):
        return message
    try:
        _columns([(message, content)], dataset)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it goes to the letters
        reject = Reject(f"{type(error).__name__}: {error}", encode_json(content))
        return replace(message, content=reject, symbol=None, timeframe=None)
    return message


def _entries(messages: Sequence[Message], table: pa.Table) -> Iterator[Entry]:
    """Yield one entry per symbol and timeframe, without a range: a stream covers nothing."""
    groups: dict[tuple[str | None, str | None], list[Message]] = defaultdict(list)
    rows: dict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    row = 0
    for message in messages:
        key = (message.symbol, message.timeframe)
        groups[key].append(message)
        if not isinstance(message.content, Reject):
            rows[key].append(row)
            row += 1
    for (symbol, timeframe), group in groups.items():
        own = rows[symbol, timeframe]
        yield Entry(
            symbol=symbol,
            timeframe=timeframe,
            start=None,
            end=None,
            params=dict(STREAMED),
            fetched_at=iso(max(message.arrived_at for message in group)),
            status="complete",
            records=len(own),
            dead_letters=len(group) - len(own),
            content_hash=content_hash(table.take(pa.array(own, pa.int64()))),
        )
