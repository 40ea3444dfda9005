"""Ask a provider for what the lake does not have yet, and land the answers.

Which ranges are missing comes from the ledger; how they are asked comes from the provider. Not for
reading answers, and not for deciding what is scheduled.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ingest.clock import Clock, utc_now
from ingest.lake import Batch, Interval, Lake, missing, new_batch_id
from ingest.provider import (
    Answer,
    Dataset,
    MalformedError,
    Provider,
    ProviderError,
    Reject,
    Request,
)

CONCURRENT_REQUESTS = 8
REQUESTS_PER_BATCH = 256

Progress = Callable[[int, int, str], None]
"""Called with requests done, requests planned, and what is being asked."""


@dataclass(frozen=True)
class Failure:
    """A request that brought nothing usable, and why."""

    request: Request
    error: str


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
    def is_complete(self) -> bool:
        """Return whether everything asked for is landed."""
        return not self.failures


def backfill(
    provider: Provider,
    requests: Iterable[Request],
    lake: Lake,
    *,
    force: bool = False,
    clock: Clock = utc_now,
    progress: Progress = lambda done, total, what: None,
) -> LandingReport:
    """Land what `requests` (all of one dataset) name and the lake does not cover.

    Batches are committed as answers come in: after an interruption the next run asks only for the
    rest. One failing request never costs the others. `force` asks for whole ranges again.
    """
    wanted = list(requests)
    if not wanted:
        return LandingReport(provider.name, "")
    dataset = provider.datasets[wanted[0].dataset]
    planned = [
        part
        for request in wanted
        for piece in ([request] if force else _missing(provider, dataset, request, lake, clock))
        for part in provider.split(piece)
    ]
    report = LandingReport(provider.name, dataset.name, asked=len(planned))
    if planned:
        asyncio.run(_run(provider, dataset, planned, lake, report, clock, progress))
    return report


def _missing(
    provider: Provider, dataset: Dataset, request: Request, lake: Lake, clock: Clock
) -> list[Request]:
    """Return the uncovered parts of a range, the revision window at its tail included."""
    if dataset.kind == "extract" or request.start is None or request.end is None:
        return [request]
    covered = lake.coverage(provider.name, dataset.name, request.symbol, request.timeframe)
    if covered and dataset.revision_window:
        tail = covered[-1]
        trimmed = max(tail.start, tail.end - dataset.revision_window)
        recent = tail.end >= clock() - 2 * dataset.revision_window
        covered[-1] = Interval(tail.start, trimmed) if recent else tail
    return [
        replace(request, start=gap.start, end=gap.end)
        for gap in missing(Interval(request.start, request.end), covered)
    ]


async def _run(
    provider: Provider,
    dataset: Dataset,
    planned: Sequence[Request],
    lake: Lake,
    report: LandingReport,
    clock: Clock,
    progress: Progress,
) -> None:
    gate = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def ask(request: Request) -> Answer | Failure:
        async with gate:
            try:
                return await provider.fetch(request)
            except MalformedError as error:
                reject = Reject(str(error), error.body)
                lake.dead_letter(
                    provider.name, dataset.name, reject, request, new_batch_id(clock())
                )
                return Failure(request, f"{error}; the answer is in the dead letters")
            except ProviderError as error:
                return Failure(request, str(error))

    try:
        done = 0
        for first in range(0, len(planned), REQUESTS_PER_BATCH):
            answers: list[Answer] = []
            group = [ask(request) for request in planned[first : first + REQUESTS_PER_BATCH]]
            try:
                for coming in asyncio.as_completed(group):
                    outcome = await coming
                    done += 1
                    if isinstance(outcome, Failure):
                        report.failures.append(outcome)
                        progress(done, len(planned), str(outcome.request))
                    else:
                        answers.append(outcome)
                        progress(done, len(planned), str(outcome.request))
            finally:
                if answers:
                    answers.sort(key=lambda answer: str(answer.request))
                    report.batches.append(lake.land(provider.name, dataset, answers))
    finally:
        await provider.close()
