"""What vendors refused twice lately: asking again soon costs a quota and brings the same.

Kept in a file beside the vendors' states, so that the next run knows. Not for what stops a vendor
as a whole (a refused key, a spent quota): that is `ingest.vendor_state`.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ingest.clock import Clock, as_utc, iso, parse_iso, utc_now
from ingest.provider import EntitlementError, ProviderError, Request, UnknownSymbolError

REFUSALS = "refusals.sqlite"
REMEMBERED = timedelta(days=7)
# Vendors also refuse by mistake: what they say twice, so long apart, they are taken to mean.
REPEATED_AFTER = timedelta(minutes=20)
BUSY_SECONDS = 30

SCHEMA = """create table if not exists refusals (
    provider text, identity text, dataset text, symbol text, timeframe text, params text,
    starts_at text, ends_at text, error text, first_refused_at text, refused_at text,
    primary key (provider, identity, dataset, symbol, timeframe, params, starts_at)
)"""
COLUMNS = (
    "provider, dataset, symbol, timeframe, params, starts_at, ends_at, error, first_refused_at,"
    " refused_at"
)

Series = tuple[str, str, str, str]
"""Dataset, symbol, timeframe and parameters; no timeframe where all of a symbol are meant."""


@dataclass(frozen=True)
class Refusal:
    """What was refused, and why; of a range, what begins within it. Without one, all of it."""

    provider: str
    series: Series
    start: datetime | None
    end: datetime | None
    error: str
    first_at: datetime
    at: datetime

    @property
    def is_meant(self) -> bool:
        """Return whether it was said more than once."""
        return self.at - self.first_at >= REPEATED_AFTER

    @property
    def until(self) -> datetime:
        """Return when it is asked for again."""
        return self.at + REMEMBERED

    def is_of(self, request: Request) -> bool:
        """Return whether it is about a request of its series.

        A vendor refuses a question that begins too early, wherever it ends; and the end of what a
        plan does not include moves from day to day.
        """
        if self.start is None or self.end is None or request.start is None:
            return True
        return self.start <= as_utc(request.start) < self.end

    def __str__(self) -> str:
        return (
            f"refused on {self.at:%Y-%m-%d}, not asked again before {self.until:%Y-%m-%d %H:%M}Z"
            f" unless with --force: {self.error}"
        )


class Refusals:
    """What is remembered, by provider and by the identity (key and plan) it was asked with."""

    def __init__(self, file: Path, clock: Clock = utc_now) -> None:
        self._file = file
        self._clock = clock
        self._known: dict[tuple[str, str], dict[Series, list[Refusal]]] = {}

    def find(self, provider: str, identity: str, request: Request) -> Refusal | None:
        """Return why a question is not worth asking: it was refused lately, and not only once."""
        known = self._of(provider, identity)
        now = self._clock()
        for series in {_series(request), _series(request, is_symbol=True)}:
            for refusal in known.get(series, ()):
                if refusal.is_meant and now < refusal.until and refusal.is_of(request):
                    return refusal
        return None

    def keep(
        self, provider: str, identity: str, request: Request, error: ProviderError, told: str
    ) -> None:
        """Remember an error, as it is `told`, if it is one that lasts."""
        is_symbol = isinstance(error, UnknownSymbolError)
        if not (is_symbol or (isinstance(error, EntitlementError) and error.is_lasting)):
            return
        start, end = (None, None) if is_symbol else (request.start, request.end)
        series = _series(request, is_symbol=is_symbol)
        now, known = self._clock(), self._of(provider, identity)
        before = [each for each in known[series] if each.start == start and now < each.until]
        first_at = min((each.first_at for each in before), default=now)
        refusal = Refusal(provider, series, start, end, told, first_at, now)
        known[series] = [each for each in known[series] if each.start != start] + [refusal]
        row = [
            *(provider, identity, *series),
            *("" if edge is None else iso(edge) for edge in (start, end)),
            *(told, iso(first_at), iso(now)),
        ]
        outdated = iso(self._clock() - REMEMBERED)
        self._write("delete from refusals where refused_at <= ?", [outdated])
        self._write(f"insert or replace into refusals values ({', '.join('?' * len(row))})", row)

    def forget(self, provider: str, identity: str, request: Request) -> None:
        """Note that a question was answered."""
        known = self._of(provider, identity)
        for series in {_series(request), _series(request, is_symbol=True)}:
            if any(refusal.is_of(request) for refusal in known.get(series, ())):
                del known[series]
                self._write(
                    "delete from refusals where provider = ? and identity = ? and dataset = ?"
                    " and symbol = ? and timeframe = ? and params = ?",
                    [provider, identity, *series],
                )

    def _write(self, statement: str, values: Sequence[str]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=BUSY_SECONDS)) as connection, connection:
            connection.execute(SCHEMA)
            connection.execute(statement, values)

    def _of(self, provider: str, identity: str) -> dict[Series, list[Refusal]]:
        key = provider, identity
        if key not in self._known:
            known = self._known[key] = defaultdict(list)
            for refusal in _read(self._file, "where provider = ? and identity = ?", key):
                known[refusal.series].append(refusal)
        return self._known[key]


def refusals(file: Path, clock: Clock = utc_now) -> list[Refusal]:
    """Return everything that is remembered, by provider, oldest first."""
    now = clock()
    found = (each for each in _read(file, "", ()) if each.is_meant and now < each.until)
    return sorted(found, key=lambda refusal: (refusal.provider, refusal.at))


def _read(file: Path, where: str, values: tuple[str, ...]) -> Iterator[Refusal]:
    if not file.exists():
        return
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
        connection.execute(SCHEMA)
        rows = connection.execute(f"select {COLUMNS} from refusals {where}", values).fetchall()
    for provider, dataset, symbol, timeframe, params, start, end, error, first_at, at in rows:
        yield Refusal(
            provider,
            (dataset, symbol, timeframe, params),
            parse_iso(start) if start else None,
            parse_iso(end) if end else None,
            error,
            parse_iso(first_at),
            parse_iso(at),
        )


def _series(request: Request, *, is_symbol: bool = False) -> Series:
    params = json.dumps(dict(sorted(request.params.items())))
    timeframe = "" if is_symbol else request.timeframe or ""
    return request.dataset, request.symbol or "", timeframe, params
