"""Binance spot: bars and products of the market-data host, and bars of past months as archives.

Sources:
    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
    https://github.com/binance/binance-public-data

No key is needed. Both sources send the same 12 columns, oldest first, labelled by the start of the
bar; times are milliseconds, but microseconds in archives from 2025-01-01 on: SQL tells them apart.
A month of bars that would take several answers is fetched from its archive once that is due, and
bar by bar where there is none. Archives are sometimes replaced later: `--force` asks again. Pairs
are priced in stablecoins (`BTC/USDT`), there is no `BTC/USD`. Some early bars are off the hour and
outages left holes: all rows are landed as sent, and SQL judges them.
"""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

import pyarrow as pa
from pyarrow import csv

from ingest.answers import Found, array, filled_array
from ingest.http import How, Policy
from ingest.limits import RateLimit
from ingest.provider import (
    AccessError,
    Answer,
    Dataset,
    MalformedError,
    ProviderError,
    QuotaSpentError,
    Reject,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
    fields,
)
from ingest.records import decode_json
from ingest.rest import EPOCH, RestProvider, range_of, step_of, symbol_of, timeframe_of
from ingest.symbols import Spelling

OFFERED = ("1m", "5m", "15m", "1h", "4h", "1d")
ARCHIVED = ("1m", "5m", "15m")
"""Timeframes of which a month has more bars than one answer: the others are no fewer requests."""

MOST_ROWS = 1000
BAR_PARTS = 12
MILLISECOND = timedelta(milliseconds=1)
MONDAY = 0
LARGEST_CSV_BYTES = 64 << 20
"""What a month may unpack to; one of minutes has about 6 MB."""

EXCERPT_BYTES = 500
SHORTEST_BAN = timedelta(minutes=2)


class _NoArchiveError(TerminalError):
    """There is no such month."""


class Binance(RestProvider):
    """Prices of one venue, by Binance's own symbols (`BTCUSDT`)."""

    name: ClassVar[str] = "binance"
    # The main host refuses whole countries and many clouds; this one has market data only.
    base_url: ClassVar[str] = "https://data-api.binance.vision"
    hosts: ClassVar[Mapping[str, str]] = {"archive": "https://data.binance.vision"}
    # 6000 of weight a minute, and bars weigh 2 each: far below it also with products in between.
    policy: ClassVar[Policy] = Policy(limits=(RateLimit(20, per_seconds=1),))
    spelling: ClassVar[Spelling] = Spelling(pair="")
    windows: ClassVar[Mapping[str, int | timedelta]] = {"bars": MOST_ROWS}
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "bars": Dataset(
            "bars",
            fields(
                open_time="0",
                open="1",
                high="2",
                low="3",
                close="4",
                volume="5",
                close_time="6",
                quote_volume="7",
                trade_count="8",
                taker_base_volume="9",
                taker_quote_volume="10",
                unused="11",
                source="12",
            ),
            timeframes=OFFERED,
            asset_classes=("crypto",),
            # The newest bar is in progress; a minute covers a clock that is behind.
            finality_lag=timedelta(minutes=1),
            revision_window=timedelta(hours=2),
        ),
        "products": Dataset(
            "products",
            fields(
                "symbol",
                "status",
                base_asset="baseAsset",
                quote_asset="quoteAsset",
                is_spot_trading_allowed="isSpotTradingAllowed",
            ),
            kind="extract",
            asset_classes=("crypto",),
            is_by_symbol=False,
            refresh_after=timedelta(days=1),
        ),
    }

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Read the errors `{"code": …, "msg": …}`, bans and refusals by country."""
        if status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
            return AccessError(
                "Binance does not answer addresses in this country or cloud: use its market-data"
                f" host {self.base_url} (TAPEHOUSE_BINANCE_URL), or ask from elsewhere"
            )
        if status == HTTPStatus.IM_A_TEAPOT:
            until = self._banned_until(text, headers)
            return QuotaSpentError(
                f"this address is banned until {until:%Y-%m-%d %H:%M:%S}Z, as it was asked on after"
                " warnings",
                until,
            )
        if _error_code(text) == "-1121":
            return UnknownSymbolError(
                "correct the symbol (there is no BTC/USD, but BTC/USDT); the dataset products lists"
                " those it has"
            )
        return None

    def cuts(self, request: Request, start: datetime, end: datetime) -> Iterable[datetime]:
        """Cut a range into months that have an archive and, beside them, windows of 1000 bars."""
        if request.timeframe not in ARCHIVED:
            yield from super().cuts(request, start, end)
            return
        while start < end:
            yield start
            stop = min(_next_month(start), end)
            if not self._is_archived(replace(request, start=start, end=stop)):
                yield from super().cuts(request, start, stop)
            start = stop

    async def ask_bars(self, request: Request) -> Answer:
        """Ask for the bars of a month that has an archive, or of a window."""
        if self._is_archived(request):
            try:
                return await self._archive(request)
            except _NoArchiveError:  # the month is late, or older than the pair: the bars will tell
                return await self._klines(request)
        return await self._klines(request)

    async def ask_products(self, request: Request) -> Answer:
        """Ask for every symbol with what it trades in what."""
        found = Found()
        found.records += found.objects(
            await self.http.get("/api/v3/exchangeInfo", {}, lambda b: filled_array(b["symbols"]))
        )
        return found.answer(request, self.clock())

    async def _klines(self, request: Request) -> Answer:
        """Page through a range: a full answer may have more behind its last bar."""
        since, until = (_milliseconds(each) for each in range_of(request))
        found = Found()
        is_other_range = False
        while since < until:
            params = {
                "symbol": symbol_of(request),
                "interval": timeframe_of(request),
                "startTime": f"{since}",
                "endTime": f"{until - 1}",  # included
                "limit": f"{MOST_ROWS}",
            }
            rows = await self.http.get("/api/v3/klines", params, array)
            found.records += ([*row, "klines"] for row in found.arrays(rows, BAR_PARTS))
            if found.rejects or not rows:
                break
            newest = _open_time(rows[-1])
            if newest is None or not since <= newest < until:
                is_other_range = True
                break
            if len(rows) < MOST_ROWS:
                break
            since = newest + step_of(request) // MILLISECOND
        return found.answer(request, self.clock(), is_complete=not is_other_range)

    async def _archive(self, request: Request) -> Answer:
        """Fetch a month and what its bytes must add up to."""
        name, timeframe = quote(symbol_of(request), safe=""), request.timeframe
        month, _ = range_of(request)
        path = f"/data/spot/monthly/klines/{name}/{timeframe}/{name}-{timeframe}-{month:%Y-%m}.zip"
        asking: How = {"classify": self._missing, "base_url": self.host("archive")}
        for _ in range(2):  # it may be replaced between the two questions
            checksum = await self.http.get_text(f"{path}.CHECKSUM", {}, _checksum, **asking)
            body = await self.http.get_bytes(path, {}, bytes, **asking)
            digest = hashlib.sha256(body).hexdigest()
            if digest == checksum:
                break
        else:
            raise RetryableError(
                f"{path}: its SHA-256 is {digest}, its CHECKSUM says {checksum}: it is damaged or"
                " being replaced; run the same command again later"
            )
        try:
            table, rejects = _unpacked(body)
        except ValueError as error:
            raise MalformedError(f"{path}: {error}", repr(body[:EXCERPT_BYTES])) from error
        return Answer(request, self.clock(), table, rejects, is_complete=not rejects)

    def _missing(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        if status == HTTPStatus.NOT_FOUND:
            return _NoArchiveError("there is no such archive")
        return self.classify(status, text, headers)

    def _is_archived(self, request: Request) -> bool:
        """Return whether a request is for a whole month whose archive is due.

        Months are published on the first Monday after them; two days are for the time it takes.
        """
        start = request.start
        if request.timeframe not in ARCHIVED or start is None or start != _month(start):
            return False
        after = _next_month(start)
        published = after + timedelta(days=(MONDAY - after.weekday()) % 7 + 2)
        return request.end == after and published <= self.clock()

    def _banned_until(self, text: str, headers: Mapping[str, str]) -> datetime:
        """Return when a ban ends: by its header, by its text, or by the shortest ban there is."""
        seconds = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
        if re.fullmatch(r"\d{1,8}", seconds, re.ASCII):
            return self.clock() + timedelta(seconds=int(seconds))
        if named := re.search(r"until (\d{13})\b", text):
            return EPOCH + int(named[1]) * MILLISECOND
        return self.clock() + SHORTEST_BAN


def _open_time(row: Any) -> int | None:  # noqa: ANN401 - JSON is whatever the vendor sent
    try:
        return int(row[0])
    except (TypeError, ValueError):
        return None


def _error_code(text: str) -> str | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        body = decode_json(text)
    except ValueError:
        return None
    return str(body.get("code")) if isinstance(body, dict) else None


def _checksum(text: str) -> str:
    """Return the SHA-256 of `<hex digits>  <file name>`."""
    digest = text.split(maxsplit=1)[0].lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError(f"expected a SHA-256, not {digest[:80]!r}")
    return digest


def _unpacked(body: bytes) -> tuple[pa.Table, tuple[Reject, ...]]:
    """Return the rows of the one CSV file in an archive, with where they come from.

    Raises:
        ValueError: it is not such an archive, or unpacks to more than a month can have.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            (name,) = archive.namelist()
            with archive.open(name) as file:
                text = file.read(LARGEST_CSV_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise ValueError(f"not a readable zip archive: {error}") from error
    if len(text) > LARGEST_CSV_BYTES:
        raise ValueError(f"{name} unpacks to more than {LARGEST_CSV_BYTES} bytes")
    rejects: list[Reject] = []

    def reject(row: csv.InvalidRow) -> str:
        rejects.append(Reject(f"expected {BAR_PARTS} values", row.text))
        return "skip"

    columns = [str(position) for position in range(BAR_PARTS)]
    table = csv.read_csv(
        pa.BufferReader(text),
        read_options=csv.ReadOptions(column_names=columns),
        parse_options=csv.ParseOptions(quote_char=False, invalid_row_handler=reject),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
        ),
    )
    source = pa.repeat("archive", table.num_rows)
    return table.append_column(str(BAR_PARTS), source), tuple(rejects)


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def _month(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def _next_month(moment: datetime) -> datetime:
    return _month(_month(moment) + timedelta(days=31))
