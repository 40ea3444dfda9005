"""Rate limits: how many requests a vendor accepts from one key, in every window of time.

Windows of a minute and longer outlive a process, so all processes on this machine share them in a
file; shorter ones belong to the process. Nothing of HTTP belongs here.
"""

import asyncio
import sqlite3
import time
from bisect import insort
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from operator import attrgetter
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pyrate_limiter import (
    AbstractBucket,
    InMemoryBucket,
    Rate,
    RateItem,
    SQLiteBucket,
    StateBucket,
    TokenBucket,
)

from ingest.clock import Clock, utc_now
from ingest.provider import QuotaSpentError

SHARED_FROM_SECONDS = 60
LONG_FROM_SECONDS = 3600
# Windows shared by processes count a request when it is let go; it may arrive later than others by
# this share of the window, but at most by so many seconds.
MARGIN = 0.035
MARGIN_MAX_SECONDS = 2
# In the windows of this process it is counted when it must have arrived: before its answer, by as
# much as the fastest of so many answers took.
LATENCIES = 100
LATENCIES_NEEDED = 10
# Requests are spread over a short window, a quarter of them at once at most: vendors that count
# seconds mind bursts, too.
STEPS = 4
TAKES_BETWEEN_CLEANUPS = 100

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
    def rate_with_margin(self) -> Rate:
        """Return the limit for requests of which only the start is known."""
        margin = min(MARGIN * self.per_seconds, MARGIN_MAX_SECONDS)
        return Rate(self.requests, max(1, ceil(1000 * (self.per_seconds + margin))))

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
        counted: Iterable[tuple["_Log", RateItem]],
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
        for log, item in self._counted:
            log.arrived(item, moment)
        self._counted = ()


class RateLimiter:
    """Gives permits in the order they are asked for, so that no limit is ever exceeded.

    Every limit has a bucket of its own: in one bucket, pyrate-limiter refuses limits whose longer
    window allows less (75 in a minute, 25 in a day), and there are such vendors.
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
        """Make a limiter that keeps the windows shared by processes in `file`, if it has one.

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
        self._files = [
            _File(limit, file)
            for limit in longest_first
            if file is not None and limit.per_seconds >= SHARED_FROM_SECONDS
        ]
        self._logs = [
            _Log(limit, monotonic)
            for limit in longest_first
            if file is None or limit.per_seconds < SHARED_FROM_SECONDS
        ]
        self._steps = [
            _Steps(limit, monotonic)
            for limit in longest_first
            if limit.per_seconds < SHARED_FROM_SECONDS
        ]

    async def acquire(self) -> Permit:
        """Wait until one more request may be sent.

        Raises:
            QuotaSpentError: it would take longer than there is patience for.
        """
        async with self._lock():
            if pause := max(0.0, self._paused_until - self._monotonic()):
                await self._sleep(pause)
            for file in self._files:
                while wait := await asyncio.to_thread(file.take):
                    await self._wait(wait, file.limit)
            counted: list[tuple[_Log, RateItem]] = []
            try:
                for log in self._logs:
                    while isinstance(taken := log.take(), int):
                        await self._wait(taken, log.limit)
                    counted.append((log, taken))
                for steps in self._steps:
                    while wait := steps.take():
                        await self._wait(wait, steps.limit)
            except BaseException:
                for log, item in counted:
                    log.give_back(item)
                raise
            return Permit(counted, self._latencies, self._monotonic)

    @property
    def remaining(self) -> int | None:
        """Return how many requests the tightest of the long windows still allows, if there are any.

        Short ones say nothing: what is used of them comes back while one looks.
        """
        counters: tuple[_File | _Log, ...] = (*self._files, *self._logs)
        left = [
            max(0, counter.limit.requests - counter.count())
            for counter in counters
            if counter.limit.per_seconds >= LONG_FROM_SECONDS
        ]
        return min(left, default=None)

    def pause(self, seconds: float) -> None:
        """Give no permit for so long: the vendor asks to wait."""
        self._paused_until = max(self._paused_until, self._monotonic() + seconds)

    def close(self) -> None:
        """Release the files; the next permit opens them anew."""
        for file in self._files:
            file.close()

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

    def take(self) -> RateItem | int:
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
        return item

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


class _File:
    """What all processes sent within one window, in a table of a file they share."""

    def __init__(self, limit: RateLimit, file: Path) -> None:
        self.limit = limit
        self._file = file
        self._bucket: SQLiteBucket | None = None
        self._closing = ExitStack()
        self._takes = 0

    def take(self) -> int:
        """Count a request, or return the milliseconds to wait first. Blocks: not for a loop."""
        bucket = self._open()
        now = time.time_ns() // 1_000_000
        if self._takes % TAKES_BETWEEN_CLEANUPS == 0:
            bucket.leak(now)
        self._takes += 1
        item = RateItem("request", now)
        return 0 if bucket.put(item) else _milliseconds(bucket, item)

    def count(self) -> int:
        """Return how many requests count now. Neither waits for other processes nor writes."""
        begins_at = time.time_ns() // 1_000_000 - self.limit.rate_with_margin.interval
        if not self._file.exists():
            return 0
        counted = f"select count(*) from {self._table} where item_timestamp >= ?"
        address = f"file:{quote(str(self._file))}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as connection:
                return int(connection.execute(counted, [begins_at]).fetchone()[0])
        except sqlite3.OperationalError:  # nothing was counted in windows of this length yet
            return 0

    def close(self) -> None:
        self._bucket = None
        self._closing.close()

    @property
    def _table(self) -> str:
        # The interval is in the name: a plan with another window starts a count of its own.
        return f"per_{self.limit.per_seconds:g}_seconds".replace(".", "_")

    def _open(self) -> SQLiteBucket:
        if self._bucket is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._bucket = SQLiteBucket.init_from_file(
                [self.limit.rate_with_margin],
                table=self._table,
                db_path=str(self._file),
                use_file_lock=True,
            )
            self._closing.enter_context(closing(self._bucket))
        return self._bucket


def _milliseconds(bucket: AbstractBucket, item: RateItem) -> int:
    wait = bucket.waiting(item)
    if not isinstance(wait, int):
        raise TypeError("expected a bucket that answers at once")
    return max(1, wait)
