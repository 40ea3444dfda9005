"""Ask providers for what the lake does not have yet, and land the answers.

Which ranges are missing comes from the ledger; how they are asked comes from the provider. Not for
reading answers, and not for deciding what is scheduled.

All providers are asked at once, each as widely as its policy allows. Answers are landed by a thread
of their own while asking goes on; where landing falls behind, asking waits. Plans are made as they
are needed, so that a run over years of thousands of symbols stays small in memory.
"""

import asyncio
import gc
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from ingest.calendars import is_closed
from ingest.clock import Clock, utc_now
from ingest.lake import (
    Batch,
    Entry,
    Interval,
    Lake,
    Ledger,
    Loader,
    Readied,
    merged,
    missing,
    new_batch_id,
    ready,
)
from ingest.locks import LockedError
from ingest.provider import (
    TIMEFRAMES,
    AccessError,
    Answer,
    Dataset,
    EntitlementError,
    MalformedError,
    Provider,
    ProviderError,
    QuotaSpentError,
    Reject,
    Request,
    TerminalError,
    UnavailableError,
    UnknownSymbolError,
)
from ingest.records import encode_json
from ingest.refusals import REFUSALS, Refusals
from ingest.rest import RestProvider

CONCURRENT_REQUESTS = 8
"""Requests in flight to a provider whose policy does not say."""

ANSWERS_PER_BATCH = 1000
ROWS_PER_BATCH = 100_000
SECONDS_PER_BATCH = 60.0
"""A batch is landed when one of these is reached."""

BATCHES_AHEAD = 2
"""Asking waits when so many batches wait to be landed."""

LOCK_PATIENCE_SECONDS = 60.0
STOP_PATIENCE_SECONDS = 3.0
"""How long a batch waits for another loader of its dataset: usually, and when the run is stopped.
What is given up is not covered, and so asked for again by the next run.
"""

LOCK_TRY_SECONDS = 0.5
PLANNED_AHEAD = 5000

NEW_OBJECTS_PER_COLLECTION = 10_000
"""Answers are made of so many objects that with the usual 700 everything there is would be searched
for garbage every second: a fifth of the time, in stops too long to keep to a rate limit's pace.
"""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STOPPING = (QuotaSpentError, UnavailableError, AccessError)
"""After these the provider answers nothing more in this run."""

STOPPED = "stopped"
"""The kind of reasons that are about a provider as a whole."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ask:
    """What is wanted of whom. `otherwise` is asked for what this provider cannot give.

    `revision_window` takes the place of the dataset's own.
    """

    provider: Provider
    request: Request
    revision_window: timedelta | None = None
    otherwise: "Ask | None" = None

    @property
    def dataset(self) -> Dataset:
        """Return the dataset that is asked for."""
        return self.provider.datasets[self.request.dataset]

    @property
    def asset_class(self) -> str | None:
        """Return the asset class, where the request or the dataset says it."""
        classes = self.dataset.asset_classes
        return self.request.params.get("asset_class") or (classes[0] if len(classes) == 1 else None)

    @property
    def refresh_after(self) -> timedelta:
        """Return how old an answer must be before it is asked for again."""
        if isinstance(self.provider, RestProvider):
            return self.provider.refresh_after(self.dataset)
        return self.dataset.refresh_after


@dataclass(frozen=True)
class Step:
    """How far one provider is. `total` is an estimate as long as not everything is planned."""

    provider: str
    done: int
    total: int
    rows: int
    what: str


OnProgress = Callable[[Step], None]


def no_progress(_: Step) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Failure:
    """A request that brought nothing usable, and why; asking a terminal one again cannot help."""

    request: Request
    error: str
    is_terminal: bool = False


@dataclass
class LandingReport:
    """What one run over a dataset of a provider asked for, landed and could not get.

    `not_asked` counts, by reason, requests that were given up without asking; `refused` are those
    that were not asked as they were refused lately. `passed_on` counts those that another provider
    was asked for, by its name, and `passed_on_because` has the reasons: of each kind the first.
    What is younger than `finality_lag` may be missing from the answers, or change.
    """

    provider: str
    dataset: str
    asked: int = 0
    batches: list[Batch] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    not_asked: Counter[str] = field(default_factory=Counter)
    refused: list[Failure] = field(default_factory=list)
    passed_on: Counter[str] = field(default_factory=Counter)
    passed_on_because: dict[str, dict[str, str]] = field(default_factory=dict)
    finality_lag: timedelta = timedelta(0)

    @property
    def rows(self) -> int:
        """Return how many records were landed."""
        return sum(batch.rows for batch in self.batches)

    @property
    def confirmed(self) -> int:
        """Return how many answers repeated what the lake already has."""
        return sum(1 for batch in self.batches for entry in batch.entries if entry.confirms)

    @property
    def dead_letters(self) -> int:
        """Return how many pieces of answers could not be read."""
        return sum(batch.dead_letters for batch in self.batches)

    @property
    def partial(self) -> list[Entry]:
        """Return the answers that did not hold all that was asked."""
        return [e for batch in self.batches for e in batch.entries if e.status == "partial"]

    @property
    def is_complete(self) -> bool:
        """Return whether everything asked for is landed, here or by whom it was passed on to."""
        return not (self.failures or self.partial or self.not_asked or self.refused)

    @property
    def can_improve(self) -> bool:
        """Return whether asking again may bring more."""
        passes = any(not failure.is_terminal for failure in self.failures)
        return bool(self.partial) or passes or bool(self.not_asked and not self.failures)


class InterruptedRunError(KeyboardInterrupt):
    """Stopped by Ctrl-C, after what had arrived was landed; `reports` tell of it."""

    def __init__(self, reports: Sequence[LandingReport]) -> None:
        super().__init__()
        self.reports = reports


def backfill(
    provider: Provider,
    requests: Iterable[Request],
    lake: Lake,
    *,
    force: bool = False,
    clock: Clock = utc_now,
    progress: OnProgress = no_progress,
) -> LandingReport:
    """Land what `requests`, all of one dataset, name and the lake does not cover.

    Raises:
        InterruptedRunError: stopped by Ctrl-C.
    """
    asks = [Ask(provider, request) for request in requests]
    if not asks:
        return LandingReport(provider.name, "")
    (report,) = land_all(asks, lake, force=force, clock=clock, progress=progress)
    return report


def land_all(
    asks: Iterable[Ask],
    lake: Lake,
    *,
    force: bool = False,
    clock: Clock = utc_now,
    progress: OnProgress = no_progress,
) -> list[LandingReport]:
    """Land what `asks` name and the lake does not cover; report by provider and dataset.

    Batches are committed as answers come in: after an interruption the next run asks only for the
    rest. One failing request never costs the others. A provider that cannot be asked any more is
    left alone at once; what it was to be asked goes to whom the asks name otherwise. `force` asks
    for whole ranges again.

    Raises:
        InterruptedRunError: stopped by Ctrl-C.
    """
    run = _Run(lake, force, clock, progress)
    try:
        with _seldom_collecting():
            asyncio.run(run.ask_all(asks))
    except KeyboardInterrupt:
        raise InterruptedRunError(run.reports) from None
    return run.reports


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Search for garbage less often than usual."""
    usual = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS_PER_COLLECTION, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def missing_parts(
    ask: Ask, ledger: Ledger, *, force: bool = False, clock: Clock = utc_now
) -> Iterator[Request]:
    """Yield the requests that bring what the lake lacks, of open hours, oldest first.

    Raises:
        TerminalError: the provider cannot be asked like this.
    """
    dataset = ask.dataset
    calendar = dataset.calendar.get(ask.asset_class or "")
    for gap in [ask.request] if force else _gaps(ask, ledger, clock):
        for part in ask.provider.split(gap):
            if part.start is None or part.end is None:
                if force or not _is_fresh(ask, part, ledger, clock):
                    yield part
            elif calendar is None or not is_closed(calendar, part.start, part.end):
                yield part


def _gaps(ask: Ask, ledger: Ledger, clock: Clock) -> list[Request]:
    """Return the uncovered parts of a range; what may have been revised since is one."""
    request, dataset = ask.request, ask.dataset
    if dataset.kind == "extract" or request.start is None or request.end is None:
        return [request]
    window = dataset.revision_window if ask.revision_window is None else ask.revision_window
    covered = ledger.coverage(
        request.symbol,
        request.timeframe,
        ask.asset_class,
        revision_window=window,
        recheck_empty_after=dataset.recheck_empty_after,
        refresh_after=ask.refresh_after,
        now=clock(),
    )
    ends = {interval.end for interval in covered}
    return [
        replace(
            request,
            start=_bar_start(gap.start, request.timeframe) if gap.start in ends else gap.start,
            end=gap.end,
        )
        for gap in missing(Interval(request.start, request.end), covered)
    ]


def _bar_start(time: datetime, timeframe: str | None) -> datetime:
    """Return `time`, or where it falls inside a bar, a time early enough to ask for that bar.

    Coverage ends when an answer was fetched: the bar that was open then must be asked for again.
    A whole bar back is enough on any vendor's grid, also one that does not start at 00:00Z.
    """
    step = TIMEFRAMES.get(timeframe or "")
    if step is None or (time - EPOCH) % step == timedelta(0):
        return time
    return time - step


def _is_fresh(ask: Ask, request: Request, ledger: Ledger, clock: Clock) -> bool:
    refresh_after = ask.refresh_after
    if not refresh_after:
        return False
    answered_at = ledger.answered_at(request)
    return answered_at is not None and clock() - answered_at < refresh_after


class _Sink:
    """Where answers of one dataset go: collected here, landed by a thread."""

    def __init__(self, lake: Lake, ask: Ask) -> None:
        self.dataset = ask.dataset
        self.loader = Loader(lake, ask.provider.name, self.dataset)
        self.report = LandingReport(
            ask.provider.name, self.dataset.name, finality_lag=self.dataset.finality_lag
        )
        self.landing: asyncio.Task[None] | None = None
        self._waiting: deque[Readied] = deque()
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_late = False
        self._stop_at = math.inf

    def hurry(self) -> None:
        """Wait only a little longer for another loader: the run is being stopped."""
        self._stop_at = time.monotonic() + STOP_PATIENCE_SECONDS

    def take(self, readied: Readied) -> None:
        """Keep an answer until its batch is landed."""
        self._waiting.append(readied)
        self._rows += readied.table.num_rows
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SECONDS_PER_BATCH, self._on_time)
        self._land_what_is_due()

    async def room(self) -> None:
        """Wait while landing is too far behind."""
        while self.landing is not None and (
            len(self._waiting) >= BATCHES_AHEAD * ANSWERS_PER_BATCH
            or self._rows >= BATCHES_AHEAD * ROWS_PER_BATCH
        ):
            landing = self.landing
            await asyncio.wait([landing])
            landing.result()

    async def flush(self) -> None:
        """Land everything that is here."""
        while self._waiting or self.landing is not None:
            if self.landing is None:
                self._begin()
            if self.landing is not None:
                await self.landing

    def _on_time(self) -> None:
        self._timer, self._is_late = None, True
        self._land_what_is_due()

    def _land_what_is_due(self) -> None:
        is_due = (
            self._is_late or len(self._waiting) >= ANSWERS_PER_BATCH or self._rows >= ROWS_PER_BATCH
        )
        if is_due and self._waiting and self.landing is None:
            self._begin()

    def _begin(self) -> None:
        batch: list[Readied] = []
        rows = 0
        while self._waiting and len(batch) < ANSWERS_PER_BATCH and rows < ROWS_PER_BATCH:
            batch.append(self._waiting.popleft())
            rows += batch[-1].table.num_rows
        self._rows -= rows
        if not self._waiting:
            self._is_late = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        # The order in which answers came is chance: rows are landed in that of the questions.
        batch.sort(key=lambda readied: _order(readied.answer))
        self.landing = asyncio.create_task(self._land(batch))

    async def _land(self, batch: Sequence[Readied]) -> None:
        give_up_at = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                landed = await asyncio.to_thread(
                    self.loader.land, batch, patience_seconds=LOCK_TRY_SECONDS
                )
                break
            except LockedError:
                if time.monotonic() >= min(give_up_at, self._stop_at):
                    raise
        self.report.batches.append(landed)
        self.landing = None
        self._land_what_is_due()


def _window(request: Request) -> tuple[str, str, datetime]:
    return request.dataset, request.timeframe or "", request.start or EPOCH


def _order(answer: Answer) -> tuple[str, str, str, str, datetime]:
    request = answer.request
    return (
        request.symbol or "",
        request.timeframe or "",
        request.start.isoformat() if request.start else "",
        str(sorted(request.params.items())),
        answer.fetched_at,
    )


@dataclass
class _Vendor:
    """One provider in a run: what is still to be asked of it, and whether it still answers."""

    provider: Provider
    wanted: deque[Ask] = field(default_factory=deque)
    parts: deque[tuple[Ask, Request]] = field(default_factory=deque)
    workers: int = 0
    begun: int = 0
    done: int = 0
    rows: int = 0
    asks_planned: int = 0
    parts_planned: int = 0
    stopped: str | None = None

    @property
    def concurrency(self) -> int:
        """Return how many requests may be in flight."""
        policy = getattr(self.provider, "policy", None)
        return int(getattr(policy, "concurrency", CONCURRENT_REQUESTS))

    @property
    def total(self) -> int:
        """Return how many requests there are, as far as that is known."""
        per_ask = self.parts_planned / self.asks_planned if self.asks_planned else 1
        return self.begun + len(self.parts) + round(per_ask * len(self.wanted))


class _Run:
    """One pass over what is wanted, over all providers at once."""

    def __init__(self, lake: Lake, force: bool, clock: Clock, progress: OnProgress) -> None:
        self._lake = lake
        self._force = force
        self._clock = clock
        self._progress = progress
        self._vendors: dict[str, _Vendor] = {}
        self._sinks: dict[tuple[str, str], _Sink] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._passed: set[tuple[str, str, str]] = set()
        self._refusals = Refusals(lake.data.vendors / REFUSALS, clock)

    @property
    def reports(self) -> list[LandingReport]:
        return [sink.report for sink in self._sinks.values()]

    async def ask_all(self, asks: Iterable[Ask]) -> None:
        try:
            for ask in asks:
                self._sink(ask)
                self._vendor(ask).wanted.append(ask)
            for vendor in list(self._vendors.values()):
                self._employ(vendor)
            while self._workers:
                landings = {s.landing for s in self._sinks.values() if s.landing is not None}
                done, _ = await asyncio.wait(
                    self._workers | landings, return_when=asyncio.FIRST_COMPLETED
                )
                self._workers -= done
                for task in done:
                    task.result()  # raises what nobody expected
        except asyncio.CancelledError:
            for sink in self._sinks.values():
                sink.hurry()
            raise
        finally:
            await self._finish()

    async def _finish(self) -> None:
        """Land whatever has come back, also when the run is being stopped."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        errors = []
        for sink in self._sinks.values():
            try:
                await sink.flush()
            except Exception as error:  # noqa: BLE001 - raised below, after the others are landed
                errors.append(error)
        for vendor in self._vendors.values():
            await vendor.provider.close()
        if errors:
            raise errors[0]

    def _vendor(self, ask: Ask) -> _Vendor:
        return self._vendors.setdefault(ask.provider.name, _Vendor(ask.provider))

    def _sink(self, ask: Ask) -> _Sink:
        key = (ask.provider.name, ask.request.dataset)
        if key not in self._sinks:
            self._sinks[key] = _Sink(self._lake, ask)
        return self._sinks[key]

    def _employ(self, vendor: _Vendor) -> None:
        """Start as many workers as there is work for, up to what the provider bears."""
        self._plan(vendor)
        while vendor.workers < min(vendor.concurrency, len(vendor.parts)):
            vendor.workers += 1
            self._workers.add(asyncio.create_task(self._work(vendor)))

    def _plan(self, vendor: _Vendor) -> None:
        """Plan the next asks, so far ahead that small runs are planned whole.

        The same window is asked of one symbol after the other: some vendors answer for many
        symbols at once.
        """
        if not vendor.wanted or len(vendor.parts) >= vendor.concurrency:
            return
        planned: list[tuple[Ask, Request]] = []
        while vendor.wanted and len(planned) < PLANNED_AHEAD:
            ask = vendor.wanted.popleft()
            vendor.asks_planned += 1
            parts = self._parts(ask)
            vendor.parts_planned += len(parts)
            planned += [(ask, part) for part in parts]
        planned.sort(key=lambda part: _window(part[1]))
        vendor.parts.extend(planned)

    def _parts(self, ask: Ask) -> list[Request]:
        sink = self._sink(ask)
        try:
            parts = list(
                missing_parts(ask, sink.loader.ledger, force=self._force, clock=self._clock)
            )
        except TerminalError as error:
            sink.report.failures.append(self._failure(ask.request, error))
            return []
        return parts if self._force else self._without_refused(ask, parts)

    def _without_refused(self, ask: Ask, parts: Sequence[Request]) -> list[Request]:
        """Return what is worth asking; what was refused lately is asked of the next provider."""
        identity = _identity(ask.provider)
        if identity is None:
            return list(parts)
        worth_it = []
        for part in parts:
            refusal = self._refusals.find(ask.provider.name, identity, part)
            if refusal is None:
                worth_it.append(part)
            elif ask.otherwise is not None:
                self._pass_on(ask, [part], str(refusal), "refused")
            else:
                self._sink(ask).report.refused.append(Failure(part, str(refusal), is_terminal=True))
        return worth_it

    async def _work(self, vendor: _Vendor) -> None:
        try:
            while True:
                self._plan(vendor)
                if not vendor.parts:
                    return
                ask, request = vendor.parts.popleft()
                vendor.begun += 1
                await self._sink(ask).room()
                await self._ask(vendor, ask, request)
                vendor.done += 1
                self._progress(
                    Step(vendor.provider.name, vendor.done, vendor.total, vendor.rows, str(request))
                )
        finally:
            vendor.workers -= 1

    async def _ask(self, vendor: _Vendor, ask: Ask, request: Request) -> None:
        sink = self._sink(ask)
        report = sink.report
        if vendor.stopped is not None:
            self._give_up(ask, [request], vendor.stopped)
            return
        report.asked += 1
        try:
            answer = await vendor.provider.fetch(request)
            readied = _readied(answer, sink.dataset)
        except MalformedError as error:
            path = self._lake.dead_letter(
                report.provider,
                report.dataset,
                Reject(str(error), error.body),
                request=request,
                batch_id=new_batch_id(self._clock()),
            )
            # Not of the next provider: another market's prices would stay in the middle of a series
            # for what this one may answer when it is asked again.
            report.failures.append(self._failure(request, error, f"; the answer is in {path}"))
        except STOPPING as error:
            await self._stopped(vendor, ask, request, error)
        except (UnknownSymbolError, EntitlementError) as error:
            self._refused(vendor, ask, request, error)
        except ProviderError as error:
            report.failures.append(self._failure(request, error))
        else:
            vendor.rows += readied.table.num_rows
            sink.take(readied)
            self._answered(ask, request)

    def _answered(self, ask: Ask, request: Request) -> None:
        """Forget that the question was refused, if it was: it was forced."""
        if (identity := _identity(ask.provider)) is not None:
            self._refusals.forget(ask.provider.name, identity, request)

    async def _stopped(
        self, vendor: _Vendor, ask: Ask, request: Request, error: ProviderError
    ) -> None:
        """Give up what a provider was still to be asked: it answers nothing more."""
        if vendor.stopped is not None:
            self._give_up(ask, [request], vendor.stopped)
            return
        vendor.stopped = self._told(error)
        if isinstance(error, QuotaSpentError):
            vendor.stopped += f" (until {error.until:%Y-%m-%d %H:%M}Z)"
        self._failed(ask, request, error)
        await self._stop(vendor, vendor.stopped)

    def _refused(
        self,
        vendor: _Vendor,
        ask: Ask,
        request: Request,
        error: UnknownSymbolError | EntitlementError,
    ) -> None:
        """Pass on what this provider will not give, and remember it for the next run."""
        self._failed(ask, request, error)
        if (identity := _identity(ask.provider)) is not None:
            self._refusals.keep(ask.provider.name, identity, request, error, self._told(error))
        if isinstance(error, UnknownSymbolError):
            self._forget_symbol(vendor, ask)

    def _failed(self, ask: Ask, request: Request, error: ProviderError) -> None:
        """Pass on what this provider cannot give; with nobody to pass it on to, it has failed."""
        if ask.otherwise is not None:
            is_stopping = isinstance(error, STOPPING)
            kind = STOPPED if is_stopping else type(error).__name__
            self._pass_on(ask, [request], self._told(error), kind)
            return
        self._sink(ask).report.failures.append(self._failure(request, error))

    def _failure(self, request: Request, error: ProviderError, more: str = "") -> Failure:
        return Failure(request, f"{self._told(error)}{more}", isinstance(error, TerminalError))

    def _told(self, error: ProviderError) -> str:
        """Return the message of an error, whatever secrets a vendor put into it."""
        return self._lake.redacted(str(error))

    def _give_up(self, ask: Ask, requests: Sequence[Request], reason: str) -> None:
        """Pass on requests without asking, or count them as not asked."""
        if not requests:
            return
        if ask.otherwise is not None:
            self._pass_on(ask, requests, reason, STOPPED)
        else:
            self._sink(ask).report.not_asked[reason] += len(requests)

    async def _stop(self, vendor: _Vendor, reason: str) -> None:
        """Give up what a provider was still to be asked."""
        _logger.warning("%s is not asked any more: %s", vendor.provider.name, reason)
        parts, vendor.parts = vendor.parts, deque()
        self._withdraw(parts, reason)
        while vendor.wanted:
            ask = vendor.wanted.popleft()
            self._give_up(ask, self._parts(ask), reason)
            await asyncio.sleep(0)  # a long list must not hold up the other providers

    def _forget_symbol(self, vendor: _Vendor, ask: Ask) -> None:
        """Ask nothing more of a symbol that the provider does not have."""
        own = [part for part in vendor.parts if part[0] is ask]
        vendor.parts = deque(part for part in vendor.parts if part[0] is not ask)
        self._withdraw(own, f"{ask.provider.name} does not have the symbol")

    def _withdraw(self, parts: Iterable[tuple[Ask, Request]], reason: str) -> None:
        by_ask: dict[int, tuple[Ask, list[Request]]] = {}
        for ask, request in parts:
            by_ask.setdefault(id(ask), (ask, []))[1].append(request)
        for ask, requests in by_ask.values():
            self._give_up(ask, requests, reason)

    def _pass_on(self, ask: Ask, requests: Sequence[Request], reason: str, kind: str) -> None:
        """Want of the next provider what the ranges of `requests` span, each range once."""
        other = ask.otherwise
        if other is None:
            return
        report = self._sink(ask).report
        report.passed_on[other.provider.name] += len(requests)
        report.passed_on_because.setdefault(other.provider.name, {}).setdefault(kind, reason)
        ranges = merged(Interval(r.start, r.end) for r in requests if r.start and r.end)
        wanted = [replace(other.request, start=i.start, end=i.end) for i in ranges]
        vendor = self._vendor(other)
        for request in wanted or [other.request]:
            key = (other.provider.name, str(request), str(sorted(request.params.items())))
            if key in self._passed:
                continue
            self._passed.add(key)
            piece = replace(other, request=request)
            if vendor.stopped is not None:
                self._give_up(piece, self._parts(piece), vendor.stopped)
            else:
                vendor.wanted.append(piece)
        if vendor.stopped is None:
            self._employ(vendor)


def _identity(provider: Provider) -> str | None:
    """Return with which key and plan a vendor is asked; nothing where nobody refuses anything."""
    identity: str | None = getattr(provider, "identity", None)
    return identity


def _readied(answer: Answer, dataset: Dataset) -> Readied:
    """Return an answer as text columns.

    Raises:
        MalformedError: it holds what no record can.
    """
    try:
        return ready(answer, dataset)
    except (TypeError, ValueError, LookupError, pa.ArrowException) as error:
        raise MalformedError(
            f"{answer.request}: the records could not be read ({type(error).__name__}: {error})",
            str(records)
            if isinstance(records := answer.records, pa.Table)
            else encode_json(records),
        ) from error
