"""Rate limits: how many requests a vendor accepts from one key, in every window of time.

With a file, all processes on this machine share what was sent in it, as they share the vendor; it
also outlives them. Without one, what was sent ends with its limiter. Nothing of HTTP belongs here.
"""

import asyncio
import fcntl
import os
import sqlite3
import time
from bisect import insort
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from math import ceil
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import Protocol, Self
from urllib.parse import quote

from pyrate_limiter import (
    AbstractBucket,
    InMemoryBucket,
    Rate,
    RateItem,
    StateBucket,
    TokenBucket,
)

from ingest.clock import Clock, utc_now
from ingest.provider import QuotaSpentError

LONG_FROM_SECONDS = 3600
SHORT_UP_TO_SECONDS = 60
# A request is counted when it must have arrived: before its answer, by as much as the fastest of
# so many answers took.
LATENCIES = 100
LATENCIES_NEEDED = 10
# Requests are spread over a short window, a quarter of them at once at most: vendors that count
# seconds mind bursts, too.
STEPS = 4
TAKES_BETWEEN_CLEANUPS = 100
# Longer than any request is under way: for how long one counts whose process cannot be asked.
UNDER_WAY_MS = 600_000
BUSY_SECONDS = 30
WRITTEN_WITHIN_SECONDS = 0.05

SCHEMA = (
    "pragma journal_mode = wal",
    # It need not outlive the machine's stopping; waiting for the disk would hold up every request.
    "pragma synchronous = off",
    """create table if not exists requests
    (number integer primary key autoincrement, process integer, arrives_by integer)""",
    "create index if not exists requests_by_time on requests (arrives_by)",
    "create table if not exists pauses (until integer)",
)

_timestamp = attrgetter("timestamp")


@dataclass(frozen=True)
class RateLimit:
    """At most `requests` in every window of `per_seconds`."""

    requests: int
    per_seconds: float

    def __str__(self) -> str:
        return f"{self.requests} requests in {self.per_seconds:g} s"

    @property
    def rate(self) -> Rate:
        """Return the limit in the library's words."""
        return Rate(self.requests, max(1, ceil(1000 * self.per_seconds)))

    @property
    def milliseconds(self) -> int:
        """Return the length of the window."""
        return self.rate.interval

    @property
    def steps(self) -> Rate:
        """Return the pace inside of the window."""
        burst = max(1, self.requests // STEPS)
        return Rate(self.requests, max(1, round(1000 * self.per_seconds)), burst=burst)


class Latencies:
    """How long the newest answers took, in seconds."""

    def __init__(self) -> None:
        self._newest: deque[float] = deque(maxlen=LATENCIES)

    def note(self, seconds: float) -> None:
        """Keep one more."""
        self._newest.append(seconds)

    @property
    def fastest(self) -> float:
        """Return how long an answer takes at least, as far as is known."""
        return min(self._newest) if len(self._newest) >= LATENCIES_NEEDED else 0.0


class Permit:
    """The right to send one request, within a `with` block.

    A vendor receives a request between sending and answer. That is known to be so long before the
    answer as the fastest answer took: two requests are a window apart for the vendor, too, when the
    later one is let go a window after that. One not answered yet may still be on its way.
    """

    def __init__(
        self,
        counted: Iterable["_Counted"],
        latencies: Latencies,
        monotonic: Callable[[], float],
    ) -> None:
        self._counted = tuple(counted)
        self._latencies = latencies
        self._monotonic = monotonic
        self._sent_at = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._arrived(self._monotonic())

    def sent(self) -> None:
        """Note that the request is sent; before, a connection had to be made."""
        self._sent_at = self._monotonic()

    def answered(self) -> None:
        """Note that the answer begins."""
        now = self._monotonic()
        self._arrived(now - self._latencies.fastest)
        self._latencies.note(now - self._sent_at)

    def _arrived(self, moment: float) -> None:
        for counted in self._counted:
            counted.arrived(moment)
        self._counted = ()


class _Counted(Protocol):
    """A request that counts: as under way, until it is said when it arrived."""

    def arrived(self, moment: float) -> None:
        """Count it from `moment` (monotonic) on."""

    def give_back(self) -> None:
        """Forget it: it was never sent."""


class RateLimiter:
    """Gives permits in the order they are asked for, so that no limit is ever exceeded.

    Every limit is counted by itself: pyrate-limiter refuses limits together whose longer window
    allows less (75 in a minute, 25 in a day), and there are such vendors.
    """

    def __init__(
        self,
        limits: Iterable[RateLimit] = (),
        *,
        file: Path | None = None,
        patience_seconds: float = 180,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Make a limiter that shares what is sent with all others of `file`, if it has one.

        Where a permit would take longer than `patience_seconds`, the quota is spent.
        """
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._paused_until = 0.0
        self._latencies = Latencies()
        self._turn: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        longest_first = sorted(limits, key=lambda limit: -limit.per_seconds)
        self._shared: _Shared | None = None
        self._logs: list[_Log] = []
        if file is not None and longest_first:
            self._shared = _Shared(longest_first, file, monotonic)
        else:
            self._logs = [_Log(limit, monotonic) for limit in longest_first]
        self._steps = [
            _Steps(limit, monotonic)
            for limit in longest_first
            if limit.per_seconds < SHORT_UP_TO_SECONDS
        ]

    async def acquire(self) -> Permit:
        """Wait until one more request may be sent.

        Raises:
            QuotaSpentError: it would take longer than there is patience for.
        """
        async with self._lock():
            counted: list[_Counted] = []
            try:
                await self._wait_out_pause()
                if self._shared is not None:
                    counted.append(await self._take(self._shared))
                for log in self._logs:
                    while isinstance(taken := log.take(), int):
                        await self._wait(taken, log.limit)
                    counted.append(taken)
                for steps in self._steps:
                    while wait := steps.take():
                        await self._wait(wait, steps.limit)
                # The vendor may have asked for a pause since the queue began to move.
                await self._wait_out_pause()
            except BaseException:
                for each in counted:
                    each.give_back()
                raise
            return Permit(counted, self._latencies, self._monotonic)

    async def _wait_out_pause(self) -> None:
        while (pause := self._paused_until - self._monotonic()) > 0:
            await self._sleep(pause)

    async def _take(self, shared: "_Shared") -> _Counted:
        """Count a request among those of all processes."""
        while True:
            taking = asyncio.ensure_future(asyncio.to_thread(shared.take))
            try:
                taken = await asyncio.shield(taking)
            except asyncio.CancelledError:
                taking.add_done_callback(_give_back)
                raise
            if isinstance(taken, _Row):
                return taken
            if taken.limit is None:
                await self._sleep(taken.milliseconds / 1000)
            else:
                await self._wait(taken.milliseconds, taken.limit)

    @property
    def remaining(self) -> int | None:
        """Return how many requests the tightest of the long windows still allows, if there are any.

        Short ones say nothing: what is used of them comes back while one looks.
        """
        counted = {log.limit: log.count for log in self._logs}
        if (shared := self._shared) is not None:
            counted = {limit: partial(shared.count, limit) for limit in shared.limits}
        left = [
            max(0, limit.requests - count())
            for limit, count in counted.items()
            if limit.per_seconds >= LONG_FROM_SECONDS
        ]
        return min(left, default=None)

    def pause(self, seconds: float) -> None:
        """Give no permit for so long, to nobody who shares the file: the vendor asks to wait."""
        if seconds <= 0:
            return
        self._paused_until = max(self._paused_until, self._monotonic() + seconds)
        if self._shared is not None:
            self._shared.pause(seconds)

    def close(self) -> None:
        """Release the file; the next permit opens it anew."""
        if self._shared is not None:
            self._shared.close()

    async def _wait(self, milliseconds: int, limit: RateLimit) -> None:
        seconds = milliseconds / 1000
        if seconds > self._patience_seconds:
            until = self._clock() + timedelta(seconds=seconds)
            raise QuotaSpentError(f"the limit of {limit} is used up until {until:%FT%TZ}", until)
        await self._sleep(seconds)

    def _lock(self) -> asyncio.Lock:
        """Return the queue for permits, which belongs to one event loop."""
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = (loop, asyncio.Lock())
        return self._turn[1]


class _Log:
    """What this process sent within one window."""

    def __init__(self, limit: RateLimit, monotonic: Callable[[], float]) -> None:
        self.limit = limit
        self._monotonic = monotonic
        self._bucket = InMemoryBucket([limit.rate])
        self._under_way: set[RateItem] = set()
        self._takes = 0

    def take(self) -> "_Item | int":
        """Count a request and return it, or the milliseconds to wait first."""
        now = ceil(1000 * self._monotonic())
        for item in self._under_way:
            item.timestamp = now
        self._bucket.items.sort(key=_timestamp)
        self._takes += 1
        if self._takes % TAKES_BETWEEN_CLEANUPS == 0:
            self._bucket.leak(now)
        item = RateItem("request", now)
        if not self._bucket.put(item):
            return _milliseconds(self._bucket, item)
        self._under_way.add(item)
        return _Item(self, item)

    def count(self) -> int:
        """Return how many requests count now."""
        begins_at = 1000 * (self._monotonic() - self.limit.per_seconds)
        return sum(1 for item in self._bucket.items if item.timestamp > begins_at)

    def arrived(self, item: RateItem, moment: float) -> None:
        """Count a request from `moment` on."""
        self.give_back(item)
        item.timestamp = ceil(1000 * moment)
        insort(self._bucket.items, item, key=_timestamp)

    def give_back(self, item: RateItem) -> None:
        """Forget a request."""
        self._under_way.discard(item)
        if item in self._bucket.items:
            self._bucket.items.remove(item)


@dataclass(frozen=True)
class _Item:
    """A request in a log."""

    log: _Log
    item: RateItem

    def arrived(self, moment: float) -> None:
        self.log.arrived(self.item, moment)

    def give_back(self) -> None:
        self.log.give_back(self.item)


class _Steps:
    """Requests spread evenly within one window."""

    def __init__(self, limit: RateLimit, monotonic: Callable[[], float]) -> None:
        self.limit = limit
        self._monotonic = monotonic
        self._bucket = StateBucket([limit.steps], algorithm=TokenBucket())

    def take(self) -> int:
        """Count a request, or return the milliseconds to wait first."""
        item = RateItem("request", round(1000 * self._monotonic()))
        return 0 if self._bucket.put(item) else _milliseconds(self._bucket, item)


@dataclass(frozen=True)
class _Wait:
    """How long to wait before asking again, and for which limit; none where it is a pause."""

    milliseconds: int
    limit: RateLimit | None = None


class _Shared:
    """What all processes sent, in a file they share.

    A request has the time by which it has arrived: some time to come as long as it is under way,
    when it counts as if it arrived now. Of a process that has died that time is now, too. When
    requests arrived is written with the next one, in one transaction, or soon where none follows;
    until then others wait longer than they had to.

    It is a table of its own, as the library's bucket in a file counts what is let go, not what
    arrives, and its lock is polled, twenty times a second.
    """

    def __init__(
        self, limits: Sequence[RateLimit], file: Path, monotonic: Callable[[], float]
    ) -> None:
        self.limits = tuple(limits)
        self._file = file
        self._monotonic = monotonic
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()
        self._arrived: dict[int, int | None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_loop: asyncio.AbstractEventLoop | None = None
        self._takes = 0

    def take(self) -> "_Row | _Wait":
        """Count a request, or say how long to wait first. Blocks: not for a loop."""
        with self._lock, self._transaction() as connection:
            now = _now_ms()
            self._settle(connection, now)
            ((paused_until,),) = connection.execute("select max(until) from pauses")
            if paused_until is not None and paused_until > now:
                return _Wait(paused_until - now)
            for limit in self.limits:
                last = connection.execute(
                    "select arrives_by from requests where arrives_by > ?"
                    " order by arrives_by desc limit 1 offset ?",
                    [now - limit.milliseconds, limit.requests - 1],
                ).fetchone()
                if last is not None:  # room is made when this one leaves the window
                    return _Wait(min(last[0], now) + limit.milliseconds - now, limit)
            taken = connection.execute(
                "insert into requests (process, arrives_by) values (?, ?)",
                [os.getpid(), now + UNDER_WAY_MS],
            )
            return _Row(self, taken.lastrowid or 0)

    def arrived(self, number: int, moment: float) -> None:
        """Count a request from `moment` (monotonic) on."""
        self._arrived[number] = ceil(_now_ms() - 1000 * (self._monotonic() - moment))
        self._write_soon()

    def give_back(self, number: int) -> None:
        """Forget a request."""
        self._arrived[number] = None
        self._write_soon()

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long."""
        with self._lock, self._transaction() as connection:
            connection.execute("insert into pauses values (?)", [_now_ms() + ceil(1000 * seconds)])

    def count(self, limit: RateLimit) -> int:
        """Return how many requests count now. Neither waits for other processes nor writes."""
        if not self._file.exists():
            return 0
        counted = "select count(*) from requests where arrives_by > ?"
        address = f"file:{quote(str(self._file))}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as connection:
                begins_at = _now_ms() - limit.milliseconds
                ((number,),) = connection.execute(counted, [begins_at])
        except sqlite3.DatabaseError:  # nothing was counted in it yet
            return 0
        return int(number) - sum(moment is None for moment in list(self._arrived.values()))

    def close(self) -> None:
        """Write what has arrived, and close the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _write_soon(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None and self._timer_loop is loop:
            return

        def write() -> None:
            self._timer = None
            loop.run_in_executor(None, self._write)

        self._timer, self._timer_loop = loop.call_later(WRITTEN_WITHIN_SECONDS, write), loop

    def _write(self) -> None:
        """Write what has arrived since, if anything has. Blocks."""
        with self._lock:
            if self._arrived:
                with self._transaction() as connection:
                    self._settle(connection, _now_ms())

    def _settle(self, connection: sqlite3.Connection, now: int) -> None:
        """Write what is known to have arrived since, and forget what counts no more."""
        while self._arrived:
            number, moment = self._arrived.popitem()
            if moment is None:
                connection.execute("delete from requests where number = ?", [number])
            else:
                connection.execute(
                    "update requests set arrives_by = ? where number = ?", [moment, number]
                )
        under_way = "select distinct process from requests where arrives_by > ?"
        for (process,) in connection.execute(under_way, [now]).fetchall():
            if not _is_alive(process):
                connection.execute(
                    "update requests set arrives_by = ? where arrives_by > ? and process = ?",
                    [now, now, process],
                )
        if self._takes % TAKES_BETWEEN_CLEANUPS == 0:
            longest = self.limits[0].milliseconds
            connection.execute("delete from requests where arrives_by <= ?", [now - longest])
            connection.execute("delete from pauses where until <= ?", [now])
        self._takes += 1

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Keep other processes out between counting and taking."""
        connection = self._open()
        connection.execute("begin immediate")
        try:
            yield connection
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Two that make the file at once would find it locked, however patient they are.
            with self._file.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                try:
                    self._connection = self._connect()
                except sqlite3.OperationalError:
                    raise
                except sqlite3.DatabaseError:  # damaged when the machine stopped
                    for suffix in ("", "-wal", "-shm"):
                        self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
                    self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            for statement in SCHEMA:
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection


@dataclass(frozen=True)
class _Row:
    """A request in a shared file."""

    shared: _Shared
    number: int

    def arrived(self, moment: float) -> None:
        self.shared.arrived(self.number, moment)

    def give_back(self) -> None:
        self.shared.give_back(self.number)


def _give_back(taking: "asyncio.Future[_Row | _Wait]") -> None:
    """Forget what was counted for somebody who has gone."""
    if not taking.cancelled() and taking.exception() is None:
        taken = taking.result()
        if isinstance(taken, _Row):
            taken.give_back()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _milliseconds(bucket: AbstractBucket, item: RateItem) -> int:
    wait = bucket.waiting(item)
    if not isinstance(wait, int):
        raise TypeError("expected a bucket that answers at once")
    return max(1, wait)
