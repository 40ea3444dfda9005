"""A vendor that does as it is told, without HTTP, and what tests of landing look at."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.backfill import LandingReport, backfill
from ingest.clock import iso
from ingest.lake import Interval, Lake
from ingest.provider import Answer, Dataset, Provider, Record, Reject, Request, fields

T0 = datetime(2024, 3, 1, tzinfo=UTC)
LATER = datetime(2024, 6, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BARS = Dataset("bars", fields("start", "close"), timeframes=("1m",))
LIST = Dataset("list", fields("id", "name"), kind="extract")
SECRET = 'k"3y\\with/everything'  # noqa: S105 - made up

Row = dict[str, Any]


@dataclass
class Now:
    """A clock that stands still until it is set."""

    at: datetime = LATER

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Vendor:
    """A vendor with one row per minute, that fails when told to and remembers what it was asked.

    It fails by the start of what is asked (`failing`), or as `refuse` says of a request; `has` says
    which minutes have a row.
    """

    clock: Callable[[], datetime]
    dataset: Dataset = BARS
    failing: dict[datetime, Exception] = field(default_factory=dict)
    partial: bool = False
    asked: list[Request] = field(default_factory=list)
    step: timedelta = HOUR
    in_flight: int = 0
    most_in_flight: int = 0
    closed: int = 0
    name: str = "vendor"
    refuse: Callable[[Request], Exception | None] = lambda _: None
    has: Callable[[datetime], bool] = lambda _: True
    records: Sequence[Record] | None = None
    policy: object = None
    identity: str | None = None

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.dataset.name: self.dataset}

    def default_request(self, dataset: str) -> Iterable[Request]:
        return [Request(dataset, "A", "1m", T0, T0 + HOUR)]

    def spell(self, symbol: str, asset_class: str) -> str:
        return f"{self.name}:{asset_class}:{symbol}"

    def split(self, request: Request) -> Iterable[Request]:
        start, end = request.start, request.end
        if start is None or end is None:
            yield request
        while start and end and start < end:
            stop = min(start + self.step, end)
            yield replace(request, start=start, end=stop)
            start = stop

    async def fetch(self, request: Request) -> Answer:
        self.asked.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        error = self.failing.get(request.start or T0) or self.refuse(request)
        if error:
            await asyncio.sleep(0.01)
            raise error
        return Answer(request, self.clock(), self._rows(request), is_complete=not self.partial)

    async def close(self) -> None:
        self.closed += 1

    def _rows(self, request: Request) -> Sequence[Record]:
        if self.records is not None:
            return self.records
        assert request.start
        assert request.end
        minutes = range((request.end - request.start) // MINUTE)
        starts = [request.start + n * MINUTE for n in minutes]
        return [{"start": iso(start), "close": "1.50"} for start in starts if self.has(start)]


def asking(start: datetime = T0, end: datetime = T0 + HOUR, symbol: str = "A") -> Request:
    return Request("bars", symbol, "1m", start, end)


def answer(
    records: Sequence[Record] | pa.Table = (),
    request: Request | None = None,
    *,
    at: datetime = LATER,
    rejects: tuple[Reject, ...] = (),
    is_complete: bool = True,
) -> Answer:
    return Answer(request or asking(), at, records, rejects, is_complete)


def run(vendor: Provider, lake: Lake, *requests: Request, force: bool = False) -> LandingReport:
    return backfill(vendor, requests, lake, force=force, clock=lake.clock)


def files(lake: Lake) -> list[Path]:
    return sorted(lake.data.raw.rglob("*.parquet"))


def landed(lake: Lake, provider: str = "*", dataset: str = "*") -> list[Row]:
    """Return the rows in the lake, in the order they were landed."""
    rows: list[Row] = []
    for batch in lake.batches(provider, dataset):
        rows += pq.ParquetFile(lake.path(batch)).read().to_pylist()
    return rows


def minute(number: int) -> datetime:
    return T0 + number * MINUTE


def spans(requests: Iterable[Request]) -> list[Interval]:
    return sorted(Interval(r.start, r.end) for r in requests if r.start and r.end)
