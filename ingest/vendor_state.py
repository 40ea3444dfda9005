"""How each vendor is doing: a circuit breaker, what is left of its quota, what was asked today.

The state of a provider is a small file, so that the next process respects it and can show it.
Nothing of HTTP belongs here.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from ingest.clock import Clock, iso, parse_iso, utc_now
from ingest.provider import (
    AccessError,
    MalformedError,
    QuotaSpentError,
    RetryableError,
    TerminalError,
    UnavailableError,
)

WRITE_EVERY = timedelta(seconds=1)


class BreakerState(StrEnum):
    """Whether a provider is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class VendorState:
    """One provider as last seen.

    While `state` is open nothing is asked before `until`, because of `last_error`; half open, one
    question tries it out, until `until` at most. `requests_today` counts every try of the UTC day
    `day`; `quota_remaining` is what the vendor last said, at `quota_remaining_at`. `key` is a hash:
    another key starts anew.
    """

    provider: str
    state: BreakerState = BreakerState.CLOSED
    since: datetime | None = None
    until: datetime | None = None
    is_quota_spent: bool = False
    failures: int = 0
    trips: int = 0
    last_error: str | None = None
    last_error_at: datetime | None = None
    quota_remaining: int | None = None
    quota_remaining_at: datetime | None = None
    day: str = ""
    requests_today: int = 0
    key: str = ""

    def remaining(self, now: datetime, window_seconds: float) -> int | None:
        """Return what the vendor said is left, unless its window has passed since."""
        at = self.quota_remaining_at
        if at is None or now - at >= timedelta(seconds=window_seconds):
            return None
        return self.quota_remaining

    def to_json(self) -> str:
        """Return the text of its file."""
        values = {
            name: iso(value) if isinstance(value, datetime) else value
            for name, value in vars(self).items()
        }
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def read_states(folder: Path, clock: Clock = utc_now) -> list[VendorState]:
    """Return the state of every provider that was asked, by name."""
    today = _day(clock())
    states = (_read(file) for file in sorted(folder.glob("*.json")))
    return [
        state if state.day == today else replace(state, day=today, requests_today=0)
        for state in states
        if state is not None
    ]


class Breaker:
    """Stop asking a vendor that cannot answer, and try it out with one question after a while.

    Opens after so many questions in a row failed for a reason that passes or brought what cannot be
    read (a page that tells of maintenance), at once when the key is refused, and until the time the
    vendor names when its quota is spent. What concerns one question only (an unknown symbol, a bad
    request) shows that the vendor answers.

    It is a class of its own because the libraries do not fit: purgatory and circuitbreaker open for
    a fixed time only, and none of them and pybreaker keeps other questions waiting while one is
    tried out, or hands its state to another process without a server between them.
    """

    def __init__(
        self,
        provider: str,
        folder: Path | None = None,
        *,
        key: str = "",
        failures_to_open: int = 5,
        cooldown_seconds: float = 60,
        cooldown_max_seconds: float = 3600,
        trial_seconds: float = 180,
        clock: Clock = utc_now,
    ) -> None:
        """Make a breaker; without a `folder` it lives as long as its process.

        The cool-down doubles with each trial that fails. A trial that never ended, as its process
        died, counts for `trial_seconds`.
        """
        self._file = folder / f"{provider}.json" if folder is not None else None
        self._failures_to_open = failures_to_open
        self._cooldown_seconds = cooldown_seconds
        self._cooldown_max_seconds = cooldown_max_seconds
        self._trial_seconds = trial_seconds
        self._clock = clock
        self._new = VendorState(provider, key=key)
        self._state = self._new
        self._seen: tuple[int, int] | None = None
        self._written_at: datetime | None = None
        self._unwritten_requests = 0
        self._trial: asyncio.Future[None] | None = None

    @property
    def state(self) -> VendorState:
        """Return the state as this process knows it."""
        return self._state

    @asynccontextmanager
    async def question(self) -> AsyncIterator[None]:
        """Ask within: what comes of it decides whether others are asked.

        Raises:
            UnavailableError: the vendor is not to be asked now.
        """
        trial = await self._enter()
        try:
            yield
        except BaseException as error:
            self._note(error, trial)
            raise
        else:
            self._answered(trial)
        finally:
            if trial is not None:
                if self._trial is trial.done:
                    self._trial = None
                trial.done.set_result(None)

    def check(self) -> None:
        """Refuse to go on when the vendor turned out to be unavailable meanwhile.

        Raises:
            UnavailableError: the vendor is not to be asked now.
        """
        state = self._refreshed()
        if state.state is BreakerState.OPEN and state.until and self._clock() < state.until:
            raise self._unavailable(state)

    def asked(self) -> None:
        """Count one try."""
        self._unwritten_requests += 1
        now = self._clock()
        if self._written_at is None or not timedelta(0) <= now - self._written_at < WRITE_EVERY:
            self._write({})

    def remaining(self, requests: int) -> None:
        """Keep what the vendor says is left of the quota; it is written with the next count."""
        self._state = replace(
            self._state, quota_remaining=requests, quota_remaining_at=self._clock()
        )

    def flush(self) -> None:
        """Write what was counted since."""
        if self._unwritten_requests:
            self._write({})

    async def _enter(self) -> "_Trial | None":
        """Return the trial that this question is, if it is one."""
        while True:
            state, now = self._refreshed(), self._clock()
            if state.state is BreakerState.CLOSED:
                return None
            if self._is_trial_of_this_loop():
                await asyncio.shield(self._trial)  # type: ignore[arg-type]
                continue
            if state.until is not None and now < state.until:
                raise self._unavailable(state)
            self._trial = asyncio.get_running_loop().create_future()
            self._write(
                {
                    "state": BreakerState.HALF_OPEN,
                    "since": now,
                    "until": now + timedelta(seconds=self._trial_seconds),
                }
            )
            return _Trial(self._trial, now)

    def _is_trial_of_this_loop(self) -> bool:
        return self._trial is not None and self._trial.get_loop() is asyncio.get_running_loop()

    def _unavailable(self, state: VendorState) -> UnavailableError:
        until = state.until or self._clock()
        reason = (state.last_error or "").partition("; gave up after")[0]
        because = "its quota is spent" if state.is_quota_spent else "it keeps failing"
        return UnavailableError(
            f"{state.provider} is not asked until {until:%FT%TZ}, as {because} (last: {reason}):"
            " run the same command again later",
            until,
        )

    def _note(self, error: BaseException, trial: "_Trial | None") -> None:
        match error:
            case QuotaSpentError():
                self._spent(error)
            case AccessError():
                self._change(lambda state: self._failing(state, error, trial, is_enough=True))
            case RetryableError() | MalformedError():
                self._change(lambda state: self._failing(state, error, trial))
            case TerminalError():
                self._answered(trial)
            case _ if trial is not None:  # stopped before it knew: the next question tries again
                untried = {"state": BreakerState.OPEN, "until": self._clock()}
                self._change(lambda state: untried if trial.is_that_of(state) else None)
            case _:
                pass

    def _answered(self, trial: "_Trial | None") -> None:
        """Close it, if this was the trial; an answer under way since before says nothing new."""
        if self._state.state is BreakerState.CLOSED and not self._state.failures:
            return  # the usual case: nothing to look up, nothing to write
        good = {
            "state": BreakerState.CLOSED,
            "since": self._clock(),
            "until": None,
            "is_quota_spent": False,
            "failures": 0,
            "trips": 0,
        }
        self._change(lambda state: good if _decides(trial, state) else None)

    def _spent(self, error: QuotaSpentError) -> None:
        def spent(state: VendorState) -> Mapping[str, Any] | None:
            is_said = state.state is BreakerState.OPEN and state.is_quota_spent
            if is_said and state.until and error.until <= state.until:
                return None
            return self._opened(error, error.until, is_quota_spent=True, trips=state.trips)

        self._change(spent)

    def _failing(
        self,
        state: VendorState,
        error: Exception,
        trial: "_Trial | None",
        *,
        is_enough: bool = False,
    ) -> Mapping[str, Any] | None:
        """Return what a failure changes; of one that was under way when it opened, nothing."""
        if not _decides(trial, state):
            return None
        failures = state.failures + 1
        if not (is_enough or trial is not None or failures >= self._failures_to_open):
            return {"failures": failures, **self._because(error)}
        seconds = self._cooldown_seconds * 2 ** min(state.trips, 30)
        until = self._clock() + timedelta(seconds=min(seconds, self._cooldown_max_seconds))
        return self._opened(error, until, is_quota_spent=False, trips=state.trips + 1)

    def _opened(
        self, error: Exception, until: datetime, *, is_quota_spent: bool, trips: int
    ) -> Mapping[str, Any]:
        return {
            "state": BreakerState.OPEN,
            "since": self._clock(),
            "until": until,
            "is_quota_spent": is_quota_spent,
            "failures": 0,
            "trips": trips,
            **self._because(error),
        }

    def _because(self, error: Exception) -> Mapping[str, Any]:
        return {"last_error": str(error), "last_error_at": self._clock()}

    def _refreshed(self) -> VendorState:
        """Return the state, as another process left it if one wrote since."""
        if self._file is not None and (seen := _identity(self._file)) != self._seen:
            self._adopt(_read(self._file))
            self._seen = seen
        return self._state

    def _adopt(self, stored: VendorState | None) -> None:
        if stored is None or stored.provider != self._new.provider:
            return
        if stored.key != self._new.key:
            stored = replace(self._new, day=stored.day, requests_today=stored.requests_today)
        newest = max(self._state, stored, key=_said_at)
        self._state = replace(
            stored,
            quota_remaining=newest.quota_remaining,
            quota_remaining_at=newest.quota_remaining_at,
        )

    def _write(self, changes: Mapping[str, Any]) -> None:
        self._change(lambda _: changes)

    def _change(self, decide: Callable[[VendorState], Mapping[str, Any] | None]) -> None:
        """Change the state as `decide` says of the newest, and its file with it, if it does.

        What was counted since is written with it.
        """
        now = self._clock()
        with self._exclusive():
            changes = decide(self._refreshed())
            if changes is None:
                return
            state = replace(self._state, **changes)
            counted = state.requests_today if state.day == _day(now) else 0
            self._state = replace(
                state, day=_day(now), requests_today=counted + self._unwritten_requests
            )
            self._unwritten_requests = 0
            self._written_at = now
            if self._file is not None:
                new = self._file.with_suffix(f".{os.getpid()}.new")
                new.write_text(self._state.to_json(), encoding="utf-8")
                new.replace(self._file)
                self._seen = _identity(self._file)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep other processes from writing between reading and writing."""
        if self._file is None:
            yield
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True)
class _Trial:
    """The one question that is asked of an open breaker, and when it was let go."""

    done: "asyncio.Future[None]"
    since: datetime

    def is_that_of(self, state: VendorState) -> bool:
        """Return whether a state still waits for this one: it may have opened again meanwhile."""
        return state.state is BreakerState.HALF_OPEN and state.since == self.since


def _decides(trial: _Trial | None, state: VendorState) -> bool:
    """Return whether a question has a say: the trial, or any while the breaker is closed."""
    return state.state is BreakerState.CLOSED if trial is None else trial.is_that_of(state)


def _read(file: Path) -> VendorState | None:
    """Return what a file says; nothing when it is not there or not of this kind."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        for name in ("since", "until", "last_error_at", "quota_remaining_at"):
            values[name] = parse_iso(values[name]) if values.get(name) else None
        return VendorState(**{**values, "state": BreakerState(values["state"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _said_at(state: VendorState) -> datetime:
    return state.quota_remaining_at or datetime.min.replace(tzinfo=UTC)


def _day(now: datetime) -> str:
    return f"{now.astimezone(UTC):%F}"
