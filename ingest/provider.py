"""What a vendor must tell us: its datasets, how a range becomes requests, and what an answer means.

A new vendor is one file in `ingest/providers/` with one class that satisfies `Provider` (most
extend `ingest.rest.RestProvider`), one line in the registry there, and one staging model per
dataset in dbt. Nothing of one vendor belongs here.
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

    `kind` is "range" when asked by time range (only missing ranges are asked again), and "extract"
    when each answer is all there is now, of the vendor or of one symbol.
    `timeframes` are those it has; `timeframes_by_class` those of an asset class that lacks some.
    `asset_classes` are those the vendor has of it; empty where a record says so itself.
    `is_by_symbol` is false where one question brings every symbol.
    `finality_lag` is how long after a bar's end the vendor may still change it; the range that
    counts as covered ends that long before the answer was fetched.
    `revision_window` is how far before the end of what is covered each run asks again.
    `refresh_after` is how old an extract must be before it is asked for again; of a range, how old
    the answers for its newest end, and for what may have been revised before it.
    `recheck_empty_after` says that the vendor has been seen to answer with nothing where it has
    something: an empty answer then counts only so long, until a second one says the same.
    `calendar` names, by asset class, the sessions outside which there is nothing to ask for.
    `optional_columns` are those that a file may lack.
    """

    name: str
    fields: tuple[Field, ...]
    kind: Literal["range", "extract"] = "range"
    timeframes: tuple[str, ...] = ()
    timeframes_by_class: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asset_classes: tuple[str, ...] = ()
    is_by_symbol: bool = True
    finality_lag: timedelta = timedelta(0)
    revision_window: timedelta = timedelta(0)
    refresh_after: timedelta = timedelta(0)
    recheck_empty_after: timedelta | None = None
    calendar: Mapping[str, str] = field(default_factory=dict)
    optional_columns: frozenset[str] = frozenset()

    def timeframes_of(self, asset_class: str | None) -> tuple[str, ...]:
        """Return the timeframes of an asset class."""
        return self.timeframes_by_class.get(asset_class or "", self.timeframes)

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

    def __init__(self, message: str, retry_after: float = 0) -> None:
        """Make an error; `retry_after` is how many seconds the vendor wants to be left alone."""
        super().__init__(message)
        self.retry_after = retry_after


class QuotaSpentError(ProviderError):
    """The vendor answers nothing more before `until`, UTC: ask for nothing else until then."""

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class UnavailableError(ProviderError):
    """Not asked, as the vendor keeps failing or its quota is spent; `until` says how long."""

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class TerminalError(ProviderError):
    """Asking the same again cannot help (a bad request)."""


class AccessError(TerminalError):
    """The key is missing, wrong or refused: nothing else of this vendor will be answered."""


class EntitlementError(TerminalError):
    """The key is good, but what it pays for does not include this."""

    def __init__(self, message: str, *, is_lasting: bool = True) -> None:
        """Make an error; not a lasting one where waiting helps, or where nothing was asked."""
        super().__init__(message)
        self.is_lasting = is_lasting


class UnknownSymbolError(TerminalError):
    """The vendor does not have the symbol; others are not concerned."""


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
        """Return what is asked of `dataset` besides what the pulls file declares.

        Empty for all vendors on the net; providers that compute or bundle their records ask for
        all of them.
        """
        ...

    def spell(self, symbol: str, asset_class: str) -> str:
        """Return the vendor's own spelling of a canonical symbol (`BRK.B`, `BTC/USD`)."""
        ...

    def split(self, request: Request) -> Iterable[Request]:
        """Cut a range into requests the vendor will answer whole, oldest first."""
        ...

    async def fetch(self, request: Request) -> Answer:
        """Ask the vendor.

        Raises:
            ProviderError: no usable answer; its subclasses say what that means.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
