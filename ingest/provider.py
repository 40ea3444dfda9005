"""What a vendor must tell us: its datasets, how a range becomes requests, and what an answer means.

A new vendor is one file in `ingest/providers/` with one class that satisfies `Provider`, one line
in the registry there, and one staging model per dataset in dbt. Nothing of one vendor belongs here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import pyarrow as pa

TIMEFRAMES: Mapping[str, timedelta] = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}

Record = Mapping[str, Any] | Sequence[Any]
"""One vendor record as decoded: an object, or an array for vendors that send rows."""


@dataclass(frozen=True)
class Field:
    """One declared field: the lake column that holds it and its path in the vendor's record.

    `path` is dotted (`"quote.bid"`); in array rows each part is a position (`"4"`).
    """

    column: str
    path: str


def fields(*columns: str, **renamed: str) -> tuple[Field, ...]:
    """Return fields whose path is their column name, then `column="path"` pairs."""
    return (*(Field(c, c) for c in columns), *(Field(c, p) for c, p in renamed.items()))


@dataclass(frozen=True)
class Dataset:
    """One kind of record a provider has.

    `kind` is "range" when asked by symbol, timeframe and time range (only missing ranges are asked
    again), and "extract" when each answer is the whole current list.
    `finality_lag` is how long after a bar's end the vendor may still change it; the range that
    counts as covered ends that long before the answer was fetched.
    `revision_window` is how far before the end of what is covered each run asks again.
    `optional_columns` are those that a file may lack.
    """

    name: str
    fields: tuple[Field, ...]
    kind: Literal["range", "extract"] = "range"
    timeframes: tuple[str, ...] = ()
    finality_lag: timedelta = timedelta(0)
    revision_window: timedelta = timedelta(0)
    optional_columns: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        names = [f.column.lower() for f in self.fields]
        if doubled := {n for n in names if names.count(n) > 1}:
            raise ValueError(f"dataset {self.name}: columns not unique ignoring case: {doubled}")


@dataclass(frozen=True)
class Request:
    """One question to a vendor, without secrets. Ranges are half-open, in UTC."""

    dataset: str
    symbol: str | None = None
    timeframe: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    params: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [self.dataset, self.symbol, self.timeframe]
        if self.start and self.end:
            parts.append(f"{self.start:%Y-%m-%dT%H:%M}..{self.end:%Y-%m-%dT%H:%M}")
        return " ".join(p for p in parts if p)


@dataclass(frozen=True)
class Reject:
    """A piece of an answer that could not be read as a record, with its text as received."""

    error: str
    body: str


@dataclass(frozen=True)
class Answer:
    """What came back for one request.

    `records` are vendor records, or an Arrow table whose columns are named by field path.
    `is_complete` is false when part of the asked range is not in the answer.
    """

    request: Request
    fetched_at: datetime
    records: Sequence[Record] | pa.Table = ()
    rejects: tuple[Reject, ...] = ()
    is_complete: bool = True


class ProviderError(Exception):
    """A request that brought no usable answer. The message says what to do about it."""


class RetryableError(ProviderError):
    """May succeed when asked again (time-out, throttling, a server error)."""


class TerminalError(ProviderError):
    """Asking again cannot help (unknown symbol, bad request, bad key)."""


class MalformedError(ProviderError):
    """The answer could not be read; `body` goes to the dead letters."""

    def __init__(self, message: str, body: str) -> None:
        super().__init__(message)
        self.body = body


class Provider(Protocol):
    """A vendor. Instances are made by the registry in `ingest.providers`."""

    @property
    def name(self) -> str:
        """Return the name that lake folders, staging models and the precedence seed use."""
        ...

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """Return what the vendor has, by dataset name."""
        ...

    def default_request(self, dataset: str) -> Iterable[Request]:
        """Return what a scheduled run asks of `dataset`; empty when nothing is configured."""
        ...

    def split(self, request: Request) -> Iterable[Request]:
        """Cut a range into requests the vendor will answer whole, oldest first."""
        ...

    async def fetch(self, request: Request) -> Answer:
        """Ask the vendor.

        Raises:
            RetryableError, TerminalError, MalformedError: see there.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
