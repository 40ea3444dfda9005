"""What vendors that are asked over HTTP share: a client, windows, one method per dataset.

A vendor's file extends `RestProvider` with its address, limits, datasets and, for each dataset, a
method `ask_<dataset>` that asks and returns an `Answer`. Nothing of one vendor belongs here, and
nothing of HTTP itself: that is `ingest.http`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, TypeVar

from ingest.clock import Clock, as_utc, utc_now
from ingest.http import HttpClient, Policy
from ingest.provider import (
    TIMEFRAMES,
    AccessError,
    Answer,
    Dataset,
    Provider,
    ProviderError,
    Request,
    TerminalError,
)
from ingest.settings import Environment
from ingest.symbols import Spelling

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class RestProvider:
    """A vendor on the net.

    `secret_names` are the variables (of the environment or `.env`) it cannot be asked without.
    `windows` says, by dataset, how much one request may span: a number of bars, or a length of
    time; where nothing is said, a range is asked for whole.
    `account` is the name under which several providers of one vendor share its limits.
    `hosts` are its addresses beside `base_url`, by name: see `host`.
    """

    name: ClassVar[str]
    account: ClassVar[str | None] = None
    base_url: ClassVar[str]
    hosts: ClassVar[Mapping[str, str]] = {}
    datasets: ClassVar[Mapping[str, Dataset]]
    policy: ClassVar[Policy] = Policy()
    spelling: ClassVar[Spelling] = Spelling()
    secret_names: ClassVar[tuple[str, ...]] = ()
    windows: ClassVar[Mapping[str, int | timedelta]] = {}

    def __init__(
        self,
        environment: Environment | None = None,
        clock: Clock = utc_now,
        *,
        policy: Policy | None = None,
        state_dir: Path | None = None,
    ) -> None:
        """Make a provider; `state_dir` is where its limits and breaker outlive this process."""
        self.environment = environment or Environment()
        self.clock = clock
        self.secrets = {n: self.environment.secret(n) for n in self.secret_names}
        self.http = HttpClient(
            self.environment.url(self.name, self.base_url),
            provider=self.name,
            account=self.account,
            policy=policy or self.plan(),
            headers=self.headers(),
            params=self.params(),
            secrets=tuple(filter(None, self.secrets.values())),
            classify=self.classify,
            remaining=self.remaining,
            state_dir=state_dir,
            clock=clock,
        )
        self.forget()

    def forget(self) -> None:
        """Forget what was learnt by asking, such as a token: nothing is known yet, or any more.

        It is called when a provider is made and when it is closed.
        """

    def host(self, name: str) -> str:
        """Return another address: `TAPEHOUSE_<PROVIDER>_<NAME>_URL`, or its usual one."""
        return self.environment.url(f"{self.name}_{name}", self.hosts[name])

    def plan(self) -> Policy:
        """Return the policy of the plan that the environment names, where the vendor has several.

        Raises:
            SettingsError: the environment names none that there is.
        """
        return self.policy

    @property
    def missing_secrets(self) -> tuple[str, ...]:
        """Return the variables that must be set before the vendor can be asked."""
        return tuple(name for name, value in self.secrets.items() if not value)

    @property
    def identity(self) -> str:
        """Return what tells one key and plan from others, without telling the key."""
        told = repr((sorted(self.secrets.items()), self.plan()))
        return sha256(told.encode()).hexdigest()[:8]

    def refresh_after(self, dataset: Dataset) -> timedelta:
        """Return how old an answer must be before it is asked for again."""
        return dataset.refresh_after

    def headers(self) -> Mapping[str, str]:
        """Return headers of every request, such as a key."""
        return {}

    def params(self) -> Mapping[str, str]:
        """Return query parameters of every request, such as a key; they never show anywhere."""
        return {}

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Return the vendor's own reading of an answer, or nothing where general rules will do.

        It is asked of every answer, good ones too: some vendors report errors in those. What it
        says is what to do about it; the status and what was said are added.
        """
        del status, text, headers
        return None

    def remaining(self, headers: Mapping[str, str]) -> int | None:
        """Return how many requests the headers of an answer say are left, if they say."""
        del headers
        return None

    def default_request(self, dataset: str) -> Iterable[Request]:
        """Ask for nothing that the pulls file does not declare."""
        del dataset
        return ()

    def spell(self, symbol: str, asset_class: str) -> str:
        """Return the vendor's own spelling of a canonical symbol."""
        return self.spelling.spell(symbol, asset_class)

    def split(self, request: Request) -> Iterable[Request]:
        """Cut a range into windows on a fixed grid, up to now.

        On a fixed grid an overlapping range repeats the same questions, and answers that did not
        change are only confirmed. Ranges of bars are moved outward to whole bars.
        """
        if not request.start or not request.end or self._lacks(request):
            return [request]  # `fetch` says what it lacks
        start, end = as_utc(request.start), min(as_utc(request.end), self.clock())
        if request.timeframe in TIMEFRAMES:
            step = step_of(request)
            start, end = floor(start, step), ceil(end, step)
        inside = sorted({cut for cut in self.cuts(request, start, end) if start < cut < end})
        return [
            replace(request, start=first, end=last)
            for first, last in pairwise([start, *inside, end])
            if first < last
        ]

    def cuts(self, request: Request, start: datetime, end: datetime) -> Iterable[datetime]:
        """Return where to cut a range, in any order; what is not inside of it cuts nothing."""
        window = self.windows.get(request.dataset)
        if window is None:
            return []
        length = window * step_of(request) if isinstance(window, int) else window
        return grid(start, end, length)

    async def fetch(self, request: Request) -> Answer:
        """Ask the vendor, by the method of the dataset.

        Raises:
            ProviderError: no usable answer; its subclasses say what that means.
        """
        if self.missing_secrets:
            names = ", ".join(self.missing_secrets)
            raise AccessError(f"{self.name} needs {names}: set it in the environment or in .env")
        if needs := self._lacks(request):
            raise TerminalError(
                f"{request}: {self.name} {request.dataset} are asked by {' and '.join(needs)}:"
                " complete the request"
            )
        ask = getattr(self, f"ask_{request.dataset}")
        answer: Answer = await ask(request)
        return answer

    async def close(self) -> None:
        """Release connections."""
        self.forget()
        await self.http.close()

    def _lacks(self, request: Request) -> list[str]:
        """Return what a request lacks that its dataset is asked by."""
        dataset = self.datasets[request.dataset]
        needs = []
        if dataset.is_by_symbol and not request.symbol:
            needs.append("a symbol")
        if dataset.kind == "range" and not (request.start and request.end):
            needs.append("a start and an end")
        asset_class = request.params.get("asset_class")
        timeframes = dataset.timeframes_of(asset_class)
        if timeframes and request.timeframe not in timeframes:
            needs.append(f"one of the timeframes {', '.join(timeframes)}")
        if dataset.asset_classes and asset_class not in (None, *dataset.asset_classes):
            needs.append(f"one of the asset classes {', '.join(dataset.asset_classes)}")
        return needs


class Lookup:
    """Whether a vendor has a symbol at all, looked up once for each.

    Some vendors answer alike for a symbol they do not have and for a time without records.
    """

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._turn = asyncio.Lock()

    def found(self, symbol: str) -> None:
        """Note that the vendor had something of a symbol."""
        self._known[symbol] = True

    async def has(self, symbol: str, look: Callable[[], Awaitable[bool]]) -> bool:
        """Return whether the vendor has a symbol; `look` asks, unless that is known."""
        async with self._turn:
            if symbol not in self._known:
                self._known[symbol] = await look()
            return self._known[symbol]


def quota_left(provider: Provider | None) -> int | None:
    """Return how many requests a provider still answers, where that is known."""
    return provider.http.remaining if isinstance(provider, RestProvider) else None


def window_seconds(provider: Provider | None) -> float:
    """Return how long what a provider says of its quota holds."""
    plan = provider.plan() if isinstance(provider, RestProvider) else Policy()
    return plan.longest_window_seconds


def symbol_of(request: Request) -> str:
    """Return the symbol a request is about.

    Raises:
        TerminalError: it has none.
    """
    return _given(request, request.symbol, "a symbol")


def range_of(request: Request) -> tuple[datetime, datetime]:
    """Return start and end of what is asked, in UTC.

    Raises:
        TerminalError: it lacks one of them.
    """
    start = _given(request, request.start, "a start")
    return as_utc(start), as_utc(_given(request, request.end, "an end"))


def timeframe_of(request: Request) -> str:
    """Return the timeframe of the bars that are asked for.

    Raises:
        TerminalError: it has none.
    """
    return _given(request, request.timeframe, "a timeframe")


def step_of(request: Request) -> timedelta:
    """Return how long a bar of what is asked for is.

    Raises:
        TerminalError: it has no timeframe.
    """
    return TIMEFRAMES[timeframe_of(request)]


def _given(request: Request, value: T | None, what: str) -> T:
    if not value:
        raise TerminalError(f"{request}: needs {what}: complete the request")
    return value


def instant(moment: datetime) -> str:
    """Return a UTC time to the second, as most vendors take it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return the newest multiple of `step` since 1970 that is not after `moment`."""
    return moment - (moment - EPOCH) % step


def ceil(moment: datetime, step: timedelta) -> datetime:
    """Return the oldest multiple of `step` since 1970 that is not before `moment`."""
    return moment + (EPOCH - moment) % step


def grid(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    """Return the multiples of `step` since 1970 that cut a range."""
    edge = ceil(start, step)
    while edge < end:
        yield edge
        edge += step
