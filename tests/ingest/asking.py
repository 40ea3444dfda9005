"""Ask a vendor's file what a test wants to know, without planning, and say what would be landed.

Nothing of one vendor belongs here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.http import Policy
from ingest.lake import Interval, Lake
from ingest.limits import RateLimit
from ingest.provider import Answer, ProviderError, Request
from ingest.records import to_table
from ingest.rest import RestProvider
from ingest.settings import DataDir, Environment

HASTY = Policy(
    limits=(RateLimit(10_000, per_seconds=1),),
    attempts=3,
    backoff_seconds=0.001,
    backoff_max_seconds=0.005,
    attempt_seconds=10,
    deadline_seconds=20,
    failures_to_open=1000,
)
"""Patient for milliseconds, and never offended."""


@dataclass(frozen=True)
class Outcome:
    """What came of each part of a request, in order."""

    provider: RestProvider
    parts: list[Answer | ProviderError]

    @property
    def answers(self) -> list[Answer]:
        return [part for part in self.parts if isinstance(part, Answer)]

    @property
    def errors(self) -> list[ProviderError]:
        return [part for part in self.parts if isinstance(part, ProviderError)]

    @property
    def answer(self) -> Answer:
        """Return the one answer; a failure is raised."""
        (part,) = self.parts
        if isinstance(part, ProviderError):
            raise part
        return part

    @property
    def error(self) -> ProviderError:
        """Return the one failure."""
        (part,) = self.errors
        assert not self.answers
        return part

    def rows(self, *columns: str) -> list[tuple[str | None, ...]]:
        """Return columns of what would be landed, as text."""
        found: list[tuple[str | None, ...]] = []
        for answer in self.answers:
            table = to_table(answer.records, self.provider.datasets[answer.request.dataset])
            found += zip(*(table[name].to_pylist() for name in columns), strict=True)
        return found

    def coverage(self, data: DataDir) -> list[Interval]:
        """Land the answers in a lake and return what it then covers."""
        request = self.answers[0].request
        dataset = self.provider.datasets[request.dataset]
        lake = Lake(data, clock=self.provider.clock)
        lake.land(self.provider.name, dataset, self.answers)
        ledger = lake.ledger(self.provider.name, dataset.name)
        return ledger.coverage(request.symbol, request.timeframe)


def ask(provider: RestProvider, *requests: Request, split: bool = True) -> Outcome:
    """Ask as one run would, one part after the other."""

    async def asking() -> list[Answer | ProviderError]:
        parts: list[Answer | ProviderError] = []
        try:
            for request in requests:
                for part in provider.split(request) if split else [request]:
                    try:
                        parts.append(await provider.fetch(part))
                    except ProviderError as error:
                        parts.append(error)
        finally:
            await provider.close()
        return parts

    return Outcome(provider, asyncio.run(asking()))


def made(kind: type[RestProvider], clock: Callable[[], datetime], **variables: str) -> RestProvider:
    """Return a provider that is patient for milliseconds, in an environment of its own."""
    variables.setdefault("NO_PROXY", "127.0.0.1")
    return kind(Environment(variables), clock, policy=HASTY)


def at(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def shown(error: ProviderError) -> str:
    """Return everything an error could show: its message, its causes and a body it carries."""
    texts: list[Any] = []
    cause: BaseException | None = error
    while cause is not None:
        texts += [str(cause), repr(cause), getattr(cause, "body", "")]
        cause = cause.__cause__ or cause.__context__
    return " ".join(map(str, texts))
