"""Ask a provider for what the lake does not have yet, and land the answers.

Which ranges are missing comes from the ledger; how they are asked comes from the provider. Not for
reading answers, and not for deciding what is scheduled.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ingest.clock import Clock, utc_now
from ingest.lake import Batch, Entry, Interval, Lake, Ledger, missing, new_batch_id
from ingest.provider import (
    TIMEFRAMES,
    Answer,
    Dataset,
    MalformedError,
    Provider,
    ProviderError,
    Reject,
    Request,
    TerminalError,
)

CONCURRENT_REQUESTS = 8
REQUESTS_PER_BATCH = 256
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Progress = Callable[[int, int, str], None]
"""Called with requests done, requests planned, and what was asked."""


def no_progress(_done: int, _total: int, _what: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Failure:
    """A request that brought nothing usable, and why; asking a terminal one again cannot help."""

    request: Request
    error: str
    is_terminal: bool = False


@dataclass
class LandingReport:
    """What one run over a dataset asked for, landed and could not get."""

    provider: str
    dataset: str
    asked: int = 0
    batches: list[Batch] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

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
        """Return whether everything asked for is landed."""
        return not self.failures and not self.partial

    @property
    def can_improve(self) -> bool:
        """Return whether asking again may bring more."""
        return bool(self.partial) or not all(failure.is_terminal for failure in self.failures)


def backfill(
    provider: Provider,
    requests: Iterable[Request],
    lake: Lake,
    *,
    force: bool = False,
    clock: Clock = utc_now,
    progress: Progress = no_progress,
) -> LandingReport:
    """Land what `requests` (all of one dataset) name and the lake does not cover.

    Batches are committed as answers come in: after an interruption the next run asks only for the
    rest. One failing request never costs the others. `force` asks for whole ranges again.
    """
    wanted = list(requests)
    if not wanted:
        return LandingReport(provider.name, "")
    dataset = provider.datasets[wanted[0].dataset]
    ledger = lake.ledger(provider.name, dataset.name)
    planned = [
        part
        for request in wanted
        for piece in ([request] if force else _missing(dataset, request, ledger))
        for part in provider.split(piece)
    ]
    report = LandingReport(provider.name, dataset.name, asked=len(planned))
    if planned:
        asyncio.run(_Run(provider, dataset, lake, report, progress, clock).ask_all(planned))
    return report


def _missing(dataset: Dataset, request: Request, ledger: Ledger) -> list[Request]:
    """Return the uncovered parts of a range, the revision window at its tail included."""
    if dataset.kind == "extract" or request.start is None or request.end is None:
        return [request]
    covered = ledger.coverage(request.symbol, request.timeframe)
    fetched_at = ledger.last_fetched_at(request.symbol, request.timeframe)
    if covered and fetched_at:
        # What was still young when it was fetched may have been revised since.
        tail = covered[-1]
        settled = max(tail.start, min(tail.end, fetched_at - dataset.revision_window))
        covered[-1] = Interval(tail.start, settled)
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


@dataclass(frozen=True)
class _Run:
    """One pass over planned requests, landing what comes back."""

    provider: Provider
    dataset: Dataset
    lake: Lake
    report: LandingReport
    progress: Progress
    clock: Clock

    async def ask_all(self, planned: Sequence[Request]) -> None:
        gate = asyncio.Semaphore(CONCURRENT_REQUESTS)
        done = 0
        try:
            for first in range(0, len(planned), REQUESTS_PER_BATCH):
                answers: list[Answer] = []
                group = planned[first : first + REQUESTS_PER_BATCH]
                try:
                    for coming in asyncio.as_completed([self._ask(r, gate) for r in group]):
                        outcome = await coming
                        done += 1
                        self.progress(done, len(planned), str(outcome.request))
                        if isinstance(outcome, Failure):
                            self.report.failures.append(outcome)
                        else:
                            answers.append(outcome)
                finally:
                    # Whatever has come back is landed, also when the run is being stopped.
                    if answers:
                        answers.sort(key=lambda answer: str(answer.request))
                        batch = self.lake.land(self.provider.name, self.dataset, answers)
                        self.report.batches.append(batch)
        finally:
            await self.provider.close()

    async def _ask(self, request: Request, gate: asyncio.Semaphore) -> Answer | Failure:
        async with gate:
            try:
                return await self.provider.fetch(request)
            except MalformedError as error:
                path = self.lake.dead_letter(
                    self.provider.name,
                    self.dataset.name,
                    Reject(str(error), error.body),
                    request=request,
                    batch_id=new_batch_id(self.clock()),
                )
                return Failure(request, f"{error}; the answer is in {path}")
            except ProviderError as error:
                return Failure(request, str(error), isinstance(error, TerminalError))
