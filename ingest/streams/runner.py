"""Keep a vendor's WebSocket open, hand what it says to the lake, ask REST for what was missed.

A `Feed` is what is special about a vendor, without any network: what to send, and what a frame
means. Here are connecting, silence, reconnecting, gaps, back-pressure and stopping, which are the
same for all. Not for landing: see `ingest.streams.micro_batches`.
"""

import asyncio
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Protocol, TypeGuard

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)

from ingest.backfill import LandingReport
from ingest.clock import Clock, utc_now
from ingest.provider import (
    AccessError,
    Dataset,
    ProviderError,
    Record,
    Reject,
    Request,
    RetryableError,
    TerminalError,
)
from ingest.redaction import redact, spellings
from ingest.rest import floor
from ingest.streams.micro_batches import Message, Metrics, MicroBatches, NotLandedError

MAX_FRAME_BYTES = 1 << 24
BAR = timedelta(minutes=1)
"""What of a gap REST is asked for. Gaps begin a bar early: that of one symbol may have come when
that of another, of the same minute, had not.
"""

LOOK_BACK = timedelta(days=3)
"""How old the last message of an earlier run may be to be where its gap begins: over a weekend."""

NAMED_SYMBOLS = 10

log = logging.getLogger(__name__)
# Frames, the one with the key among them, are never logged, whatever level the rest has.
quiet = logging.getLogger(f"{__name__}.socket")
quiet.setLevel(logging.WARNING)

Fill = Callable[[Sequence[Request]], LandingReport]
"""Asks REST for requests (all of one dataset) and lands the answers; called in a thread."""


class BusyError(RetryableError):
    """The vendor wants to be left alone for a while (too many connections, or requests)."""


@dataclass(frozen=True)
class Told:
    """One message of a frame.

    `content` is landed in `dataset`; messages without are only counted. `missed` is how many
    messages of the symbol the vendor numbered before this one and did not deliver. `notice` is said
    to whoever watches; `is_gap` says that messages of any symbol may be missing; `error` ends the
    connection.
    """

    kind: str
    dataset: str | None = None
    content: Record | Reject | None = None
    symbol: str | None = None
    timeframe: str | None = None
    missed: int = 0
    notice: str = ""
    is_gap: bool = False
    error: ProviderError | None = None


class Feed(Protocol):
    """What is special about a vendor's stream."""

    @property
    def provider(self) -> str:
        """Return the lake's name of the provider."""
        ...

    @property
    def url(self) -> str:
        """Return where to connect."""
        ...

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """Return what its messages land in."""
        ...

    @property
    def secrets(self) -> Sequence[str]:
        """Return what must not show anywhere."""
        ...

    @property
    def asset_class(self) -> str:
        """Return the asset class of its symbols."""
        ...

    @property
    def symbols(self) -> Sequence[str]:
        """Return the symbols it gives, in the vendor's spelling."""
        ...

    @property
    def takes_all(self) -> bool:
        """Return whether it gives every symbol the vendor has."""
        ...

    @property
    def refused(self) -> Sequence[str]:
        """Return the symbols it was asked for and the vendor does not have."""
        ...

    @property
    def has_heartbeats(self) -> bool:
        """Return whether a silent connection is a dead one."""
        ...

    @property
    def is_ready(self) -> bool:
        """Return whether the vendor has confirmed the subscription of this connection."""
        ...

    def connected(self) -> Sequence[str]:
        """Begin a new connection; return what to send first."""
        ...

    def read(self, frame: str | bytes) -> tuple[Sequence[Told], Sequence[str]]:
        """Return what a frame says, in order, and what to answer."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long to wait for what.

    `silence_seconds` is how long nothing may be heard; `pong_seconds` how long a vendor without
    heartbeats then has to answer a ping; `ready_seconds` how long logging in may take. Between
    connections it waits `first_seconds`, doubled up to `most_seconds` until one has held for
    `steady_seconds`, less a random part of up to a half; at least `busy_seconds` where the vendor
    has too many connections. A gap that could not be filled is asked for again after
    `refill_seconds`, doubled up to `most_refill_seconds`; stopping waits `fill_seconds` for it.
    """

    open_seconds: float = 10.0
    ready_seconds: float = 15.0
    silence_seconds: float = 15.0
    pong_seconds: float = 10.0
    close_seconds: float = 2.0
    first_seconds: float = 0.5
    most_seconds: float = 60.0
    steady_seconds: float = 30.0
    busy_seconds: float = 60.0
    fill_seconds: float = 10.0
    refill_seconds: float = 30.0
    most_refill_seconds: float = 900.0


@dataclass(frozen=True)
class Gap:
    """A range of time in which messages were missed."""

    since: datetime
    until: datetime

    def joined(self, other: "Gap | None") -> "Gap":
        """Return the range of both and what is between them."""
        if other is None:
            return self
        return Gap(min(self.since, other.since), max(self.until, other.until))


@dataclass
class StreamReport:
    """What a run did besides what its metrics count.

    `unfilled` says which gaps stay open, and why; `lost` how many messages came and did not land.
    """

    filled: list[LandingReport] = field(default_factory=list)
    unfilled: list[str] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    lost: int = 0

    @property
    def is_complete(self) -> bool:
        """Return whether every symbol was given, and nothing is missing of any."""
        return not (self.refused or self.unfilled or self.lost)


class Stream:
    """One vendor's stream, from its socket into the lake; used once."""

    def __init__(
        self,
        feed: Feed,
        batches: MicroBatches,
        fill: Fill,
        *,
        patience: Patience | None = None,
        clock: Clock = utc_now,
        say: Callable[[str], None] = log.info,
    ) -> None:
        self.feed = feed
        self.batches = batches
        self.metrics: Metrics = batches.metrics
        self.fill = fill
        self.patience = patience or Patience()
        self.clock = clock
        self.report = StreamReport()
        self._tell = say
        self._socket: ClientConnection | None = None
        self._heard_at: datetime | None = None
        self._heard_of: dict[str, datetime] = {}
        self._gaps: dict[str, Gap] = {}
        self._being_filled: Mapping[str, Gap] = {}
        self._postponed: dict[str, Gap] = {}
        self._why_postponed: dict[str, str] = {}
        self._failed_fills = 0
        self._reopening: set[asyncio.TimerHandle] = set()
        self._has_gaps = asyncio.Event()
        self._has_no_gaps = asyncio.Event()
        self._has_no_gaps.set()
        self._ready_at: float | None = None
        self._is_listening = asyncio.Event()
        self._hidden = spellings(feed.secrets)

    async def run(self, stop: asyncio.Event) -> StreamReport:
        """Stream until `stop` is set, then land what is queued.

        Raises:
            ProviderError: the vendor refuses, and asking again cannot help.
            NotLandedError: the disk did not take the last messages.
        """
        landing = asyncio.create_task(self.batches.run())
        filling = asyncio.create_task(self._fill_gaps())
        recalling = asyncio.create_task(self._recall(self.clock()))
        listening = asyncio.create_task(self._listen(stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({landing, listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stop.set()
            await self._hang_up(listening, landing)
            self.batches.close()
            await asyncio.gather(asyncio.wait({landing}), self._finish_filling(recalling))
            self.report.lost = int(self.metrics.total("lost_messages_total"))
            self._raise_if_not_landed(landing)
            if listening.done() and not listening.cancelled():
                await listening
        finally:
            tasks = (landing, filling, recalling, listening, stopping)
            for task in tasks:
                task.cancel()
            for reopening in self._reopening:
                reopening.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.report.refused = tuple(self.feed.refused)
        return self.report

    def _raise_if_not_landed(self, landing: asyncio.Task[None]) -> None:
        try:
            landing.result()
        except NotLandedError as error:
            # Beside those that waited, those that had come and were not yet queued.
            raise NotLandedError(self.report.lost, error.provider, error.reason) from error

    # -- listening ---------------------------------------------------------------------------------

    async def _listen(self, stop: asyncio.Event) -> None:
        attempt = 0
        while not stop.is_set():
            self._ready_at = None
            try:
                await self._session()
            except (WebSocketException, ProviderError, OSError) as error:
                if stop.is_set() and not isinstance(error, ProviderError):
                    return
                reason = _classified(error)
                # A vendor may repeat what it was told, the key too.
                reason.args = (self._shown(str(reason)),)
                if not isinstance(reason, RetryableError):
                    raise reason from None
                if stop.is_set():
                    return
                attempt = 0 if self._was_steady() else attempt + 1
                await self._pause(reason, attempt, stop)

    async def _session(self) -> None:
        async with connect(
            self.feed.url,
            open_timeout=self.patience.open_seconds,
            close_timeout=self.patience.close_seconds,
            # A full queue pauses reading, and an unread pong would look like a dead vendor.
            ping_interval=None,
            max_size=MAX_FRAME_BYTES,
            logger=quiet,
        ) as socket:
            self._socket = socket
            self.metrics.connections.inc()
            try:
                for text in self.feed.connected():
                    await socket.send(text)
                async with asyncio.timeout(self.patience.ready_seconds) as until_ready:
                    while True:
                        await self._take(await self._receive(socket), socket)
                        if self.feed.is_ready and until_ready.when() is not None:
                            until_ready.reschedule(None)
                            self._ready_at = time.monotonic()
                            self._is_listening.set()
                            if self._heard_at is not None:
                                self._gap_since(self._heard_at - BAR, self.feed.symbols)
                        if self.feed.is_ready:
                            self._heard_at = self.clock()
            finally:
                self._socket = None

    async def _receive(self, socket: ClientConnection) -> str | bytes:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.patience.silence_seconds):
                    return await socket.recv()
            if not self.feed.has_heartbeats:
                pong = await socket.ping()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.patience.pong_seconds):
                        await pong
                        continue
            raise RetryableError(
                f"{self.feed.provider} has said nothing for {self.patience.silence_seconds:g} s"
            )

    async def _take(self, frame: str | bytes, socket: ClientConnection) -> None:
        """Queue what a frame holds; where the queue is full, nothing more is read meanwhile."""
        messages, replies = self.feed.read(frame)
        now = self.clock()
        left = deque(messages)
        try:
            while left:
                await self._take_one(left.popleft(), now)
        except asyncio.CancelledError:
            self.metrics.lost.inc(sum(told.content is not None for told in left))
            raise
        for told in messages:
            if told.error is not None:
                raise told.error
        for reply in replies:
            await socket.send(reply)

    async def _take_one(self, told: Told, now: datetime) -> None:
        if told.missed and told.symbol is not None:
            self.metrics.missed.inc(told.missed)
            if (heard_at := self._heard_of.get(told.symbol)) is not None:
                # A heartbeat may tell of it some seconds, and so a bar, later.
                self._gap_since(heard_at - BAR, [told.symbol])
        if told.symbol is not None:
            self._heard_of[told.symbol] = now
        if told.notice:
            self._say(told.notice)
        if told.is_gap and self._heard_at is not None:
            self._gap_since(self._heard_at - BAR, self.feed.symbols)
        if told.dataset is not None and told.content is not None:
            is_good = not isinstance(told.content, Reject)
            await self.batches.put(
                Message(told.dataset, told.content, now, told.symbol, told.timeframe)
            )
            self.metrics.count(told.kind, "queued" if is_good else "unreadable")
        else:
            self.metrics.count(told.kind, "control")

    def _was_steady(self) -> bool:
        """Return whether the last connection held so long that its end is no part of a series."""
        held_since = self._ready_at
        return held_since is not None and (
            time.monotonic() - held_since >= self.patience.steady_seconds
        )

    async def _pause(self, reason: ProviderError, attempt: int, stop: asyncio.Event) -> None:
        doubled = self.patience.first_seconds * 2 ** min(attempt, 30)
        # Jitter, so that many clients cut off together do not come back together.
        wait = min(self.patience.most_seconds, doubled) * random.uniform(0.5, 1)  # noqa: S311
        if isinstance(reason, BusyError):
            wait = max(wait, self.patience.busy_seconds)
        self._say(f"disconnected: {reason}; connecting again in {wait:.3f} s")
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await stop.wait()

    async def _hang_up(self, listening: asyncio.Task[None], landing: asyncio.Task[None]) -> None:
        """Close the connection and let what was received of it be queued."""
        self.batches.hurry()
        socket = self._socket
        if socket is None:
            listening.cancel()
        else:
            await socket.close()
        await asyncio.wait(
            {listening, landing},
            timeout=self.batches.limits.flush_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if listening.done():
            return
        listening.cancel()
        await asyncio.wait({listening})
        if socket is not None:
            self.metrics.lost.inc(await self._unread(socket))
        lost = self.metrics.total("lost_messages_total")
        self._say(f"stopped while the disk was too slow: {lost:.0f} messages are lost")

    async def _unread(self, socket: ClientConnection) -> int:
        """Return how many messages a closed connection still holds."""
        count = 0
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(self.patience.close_seconds):
                while True:
                    messages, _ = self.feed.read(await socket.recv())
                    count += sum(told.content is not None for told in messages)
        return count

    # -- gaps --------------------------------------------------------------------------------------

    async def _recall(self, started_at: datetime) -> None:
        """Have what was missed since an earlier run ended filled, once this one listens."""
        since = started_at - LOOK_BACK
        try:
            wanted = None if self.feed.takes_all else list(self.feed.symbols)
            last = await asyncio.to_thread(self.batches.last_streamed, since, started_at, wanted)
        except Exception as error:  # noqa: BLE001 - a gap left open must not cost the stream
            self._unfilled("what came before", f"the ledger could not be read: {error}")
            return
        await self._is_listening.wait()
        # The vendor may have refused some.
        symbols = last.keys() if self.feed.takes_all else last.keys() & set(self.feed.symbols)
        if symbols:
            self.metrics.gaps.inc()
            now = self.clock()
            self._open({symbol: Gap(last[symbol] - BAR, now) for symbol in sorted(symbols)})

    def _gap_since(self, since: datetime, symbols: Sequence[str]) -> None:
        self.metrics.gaps.inc()
        self._open({symbol: Gap(since, self.clock()) for symbol in symbols})

    def _open(self, gaps: Mapping[str, Gap]) -> None:
        """Have gaps filled, together with those of their symbols that wait."""
        for symbol, gap in gaps.items():
            self._gaps[symbol] = gap.joined(self._gaps.get(symbol))
        self._has_gaps.set()
        self._has_no_gaps.clear()

    def _postpone(self, gaps: Mapping[str, Gap], seconds: float, why: str) -> None:
        """Have gaps filled again later; `why` is said of those that are open at the end."""
        for symbol, gap in gaps.items():
            self._postponed[symbol] = gap.joined(self._postponed.get(symbol))
            self._why_postponed[symbol] = why

        def reopen() -> None:
            self._reopening.discard(handle)
            due, self._postponed = self._postponed, {}
            if due:
                self._open(due)

        handle = asyncio.get_running_loop().call_later(seconds, reopen)
        self._reopening.add(handle)

    async def _fill_gaps(self) -> None:
        while True:
            await self._has_gaps.wait()
            self._has_gaps.clear()
            self._being_filled, self._gaps = self._gaps, {}
            await self._fill(self._being_filled)
            self._being_filled = {}
            if not self._gaps:
                self._has_no_gaps.set()

    async def _fill(self, gaps: Mapping[str, Gap]) -> None:
        params = {"asset_class": self.feed.asset_class}
        requests = [
            Request("bars", symbol, "1m", floor(gap.since, BAR), gap.until, params)
            for symbol, gap in gaps.items()
        ]
        asked_at = self.clock()
        since = min(gap.since for gap in gaps.values())
        what = f"{_named(gaps)} since {since:%Y-%m-%dT%H:%M:%SZ}"
        self._say(f"messages were missed: asking for the bars of {what}")
        try:
            report = await _in_thread(partial(self.fill, requests))
        except TerminalError as error:
            self._unfilled(what, str(error))
            return
        except Exception as error:  # noqa: BLE001 - a gap left open must not cost the stream
            self._ask_again(gaps, what, str(error) or type(error).__name__)
            return
        self.report.filled.append(report)
        if not report.is_complete:
            reasons = [*(failure.error for failure in report.failures), *report.not_asked]
            reason = next(iter(reasons), "the answer did not hold all of it")
            if report.can_improve:
                self._ask_again(gaps, what, reason)
            else:
                self._unfilled(what, reason)
            return
        self._failed_fills = 0
        settled_at = max(gap.until for gap in gaps.values()) + report.finality_lag
        if settled_at > asked_at:
            seconds = (settled_at - asked_at).total_seconds()
            self._postpone(gaps, seconds, "stopped before the vendor had all of it")
            self._say(
                f"{report.rows} bars so far for {what}; the vendor has all of it only from"
                f" {settled_at:%H:%M:%SZ} on, and is asked again then"
            )
        else:
            self._say(f"{report.rows} bars landed for {what}")

    def _ask_again(self, gaps: Mapping[str, Gap], what: str, reason: str) -> None:
        """Have gaps filled later that could not be for a reason that may pass."""
        seconds = min(
            self.patience.refill_seconds * 2 ** min(self._failed_fills, 30),
            self.patience.most_refill_seconds,
        )
        self._failed_fills += 1
        self._postpone(gaps, seconds, f"stopped before it was asked again: {reason}")
        self._say(f"not filled yet: {what}: {reason}; asking again in {seconds:g} s")

    async def _finish_filling(self, recalling: asyncio.Task[None]) -> None:
        """Give gaps that are being filled a while, and say which are not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience.fill_seconds):
                if self._is_listening.is_set():
                    await asyncio.shield(recalling)
                await self._has_no_gaps.wait()
        if self._is_listening.is_set() and not recalling.done():
            self._unfilled("what came before", "stopped before the ledger was read")
        for why in dict.fromkeys(self._why_postponed[symbol] for symbol in self._postponed):
            symbols = [name for name in self._postponed if self._why_postponed[name] == why]
            self._unfilled(_named(symbols), why)
        if waiting := {**self._being_filled, **self._gaps}:
            self._unfilled(_named(waiting), "stopped before it was filled")

    def _unfilled(self, what: str, reason: str) -> None:
        text = self._shown(f"not filled: {what}: {reason}")
        self.report.unfilled.append(text)
        self._say(f"{text}; the next pull or `tapehouse ingest backfill` asks for it again")

    def _shown(self, text: str) -> str:
        """Return text as it may be shown, whatever a vendor put into it."""
        return redact(text, self._hidden).encode(errors="backslashreplace").decode()

    def _say(self, text: str) -> None:
        self._tell(self._shown(f"{self.feed.provider}: {text}"))


def is_name(value: object) -> TypeGuard[str]:
    """Return whether a value can be a symbol: text that can be written and asked for."""
    return isinstance(value, str) and value != "" and value.isprintable()


def _named(symbols: Collection[str]) -> str:
    """Return symbols, the first few by name."""
    first = ", ".join(list(symbols)[:NAMED_SYMBOLS])
    more = len(symbols) - NAMED_SYMBOLS
    return f"{first} and {more} more" if more > 0 else first


def _classified(error: Exception) -> ProviderError:
    """Return what an error in connecting or listening means."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, InvalidStatus):
        return _refusal(error.response.status_code)
    if isinstance(error, InvalidURI):
        return TerminalError(str(error))
    return RetryableError(str(error) or "no answer in time")


def _refusal(status: int) -> ProviderError:
    """Return what it means that the vendor did not open the WebSocket."""
    text = f"the vendor answered {status} to the connection"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AccessError(f"{text}: check the keys and what they are entitled to")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return BusyError(text)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return TerminalError(f"{text}: check the address")
    return RetryableError(text)


async def _in_thread(work: Callable[[], LandingReport]) -> LandingReport:
    """Return the result of `work`, done in a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[LandingReport] = loop.create_future()

    def finish(result: LandingReport | None, error: BaseException | None) -> None:
        if done.done():
            return
        if result is not None:
            done.set_result(result)
        else:
            done.set_exception(error or RuntimeError("ended without a result"))

    def worker() -> None:
        result: LandingReport | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed on to whoever awaits it
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody awaits it any more
            loop.call_soon_threadsafe(finish, result, failure)

    threading.Thread(target=worker, daemon=True).start()
    return await done
