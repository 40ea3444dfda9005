"""A local Binance that answers over real HTTP as its documentation and users describe.

The market-data host and that of the archives are one here. Bars are kept as the 12 values of their
rows, with times in milliseconds. Values are made up. Nothing here knows the code under test.

Sources:
    https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
    https://github.com/binance/binance-public-data
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.fake_vendors.server import Asked, FakeVendor, Fault, Limit, Reply

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INTERVALS = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1d": 86_400_000,
}
MOST_ROWS = 1000
MICROSECONDS_FROM = datetime(2025, 1, 1, tzinfo=UTC)


def error(status: int, code: int, text: str, **headers: str) -> Fault:
    """Return an error the vendor's way; an underscore in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status, json.dumps({"code": code, "msg": text}), headers=named)


INVALID_SYMBOL = error(400, -1121, "Invalid symbol.")
INVALID_INTERVAL = error(400, -1120, "Invalid interval.")
TOO_MANY = error(
    429, -1003, "Too much request weight used; current limit is 6000.", Retry_After="0"
)
RESTRICTED = Fault(
    451,
    json.dumps({"code": 0, "msg": "Service unavailable from a restricted location."}),
)
NO_SUCH_KEY = Fault(
    404,
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code></Error>',
    content_type="application/xml",
)


LIMITS = (Limit(6000, 60),)
"""Of weight, per address."""


@dataclass(kw_only=True)
class FakeBinance(FakeVendor):
    """The vendor's state: bars by (symbol, interval) and open time in ms, symbols, archives."""

    limits: tuple[Limit, ...] = LIMITS
    now: datetime
    bars: dict[tuple[str, str], dict[int, list[str]]] = field(default_factory=dict)
    symbols: list[object] = field(default_factory=list)
    archives: dict[str, bytes] = field(default_factory=dict)

    def fill(
        self,
        symbol: str,
        interval: str,
        first: datetime,
        count: int,
        *,
        omitting: Iterable[datetime] = (),
    ) -> dict[int, list[str]]:
        """Make up `count` bars, but for the omitted ones, and return their rows."""
        length = INTERVALS[interval]
        omitted = {milliseconds(moment) for moment in omitting}
        starts = (milliseconds(first) + number * length for number in range(count))
        rows = {start: bar(start, length) for start in starts if start not in omitted}
        self.bars.setdefault((symbol, interval), {}).update(rows)
        return rows

    def list_symbol(self, base: str, quote: str, status: str = "TRADING") -> None:
        """List what is traded in what."""
        self.symbols.append(
            {
                "symbol": base + quote,
                "status": status,
                "baseAsset": base,
                "baseAssetPrecision": 8,
                "quoteAsset": quote,
                "quoteAssetPrecision": 8,
                "isSpotTradingAllowed": True,
                "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01000000"}],
            }
        )

    def publish(self, symbol: str, interval: str, month: str) -> str:
        """Pack the bars of a month (`YYYY-MM`) and their checksum; return the archive's path."""
        start = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
        end = (start + timedelta(days=31)).replace(day=1)
        factor = 1000 if start >= MICROSECONDS_FROM else 1
        lines = [
            ",".join(_archived(row, factor))
            for opened, row in sorted(self.bars[symbol, interval].items())
            if milliseconds(start) <= opened < milliseconds(end)
        ]
        name = f"{symbol}-{interval}-{month}"
        path = f"/data/spot/monthly/klines/{symbol}/{interval}/{name}.zip"
        self.put_archive(path, zipped(f"{name}.csv", "".join(f"{line}\n" for line in lines)))
        return path

    def put_archive(self, path: str, body: bytes) -> None:
        """Store an archive with its checksum."""
        digest = hashlib.sha256(body).hexdigest()
        self.archives[path] = body
        self.archives[f"{path}.CHECKSUM"] = f"{digest}  {path.rpartition('/')[2]}\n".encode()

    def weight(self, asked: Asked) -> int:
        """Return what a request counts: archives are files of another host."""
        return {"klines": 2, "exchangeInfo": 20}.get(asked.parts[-1], 0)

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        """Return the vendor's error body."""
        del asked, requests, seconds
        return TOO_MANY

    def answer(self, asked: Asked) -> Reply:
        """Return bars, symbols, an archive, or why not."""
        match asked.parts:
            case ["api", "v3", "exchangeInfo"]:
                return Reply(body=json.dumps({"timezone": "UTC", "symbols": self.symbols}))
            case ["api", "v3", "klines"]:
                return self._klines(asked.params)
            case _ if (body := self.archives.get(asked.path)) is not None:
                return Reply(body=body, content_type="binary/octet-stream")
            case _:
                return NO_SUCH_KEY

    def _klines(self, params: Mapping[str, str]) -> Reply:
        symbol, interval = params.get("symbol", ""), params.get("interval", "")
        if not any(symbol == known for known, _ in self.bars):
            return INVALID_SYMBOL
        if interval not in INTERVALS:
            return INVALID_INTERVAL
        first = int(params.get("startTime", 0))
        last = min(int(params.get("endTime", 1 << 62)), milliseconds(self.now))
        limit = min(int(params.get("limit", 500)), MOST_ROWS)
        rows = self.bars.get((symbol, interval), {})
        wanted = [start for start in sorted(rows) if first <= start <= last]
        chosen = wanted[:limit] if "startTime" in params else wanted[-limit:]
        return Reply(body=f"[{','.join(_as_json(rows[start]) for start in chosen)}]")


def milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def bar(start: int, length: int) -> list[str]:
    """Return a row whose numbers are all told apart, many with a trailing zero."""
    number = start // 60_000
    price, cents = 100 + number % 50, number % 10
    return [
        f"{start}",
        f"{price}.{cents}0",
        f"{price + 2}.{cents}0",
        f"{price - 1}.{cents}0",
        f"{price + 1}.{cents}0",
        f"{number % 1000}.12345670",
        f"{start + length - 1}",
        f"{number % 1000}00.50",
        f"{number % 90}",
        f"{number % 500}.10",
        f"{number % 500}00.20",
        "0",
    ]


def zipped(name: str, text: str | bytes) -> bytes:
    """Return a zip archive of one file."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return body.getvalue()


def _archived(row: list[str], factor: int) -> list[str]:
    """Return a row as archives have it; a closing time in µs is the last one of the bar."""
    opened, closed = int(row[0]) * factor, (int(row[6]) + 1) * factor - 1
    return [f"{opened}", *row[1:6], f"{closed}", *row[7:]]


def _as_json(row: list[str]) -> str:
    """Return a row as JSON: times and the count of trades are numbers, the rest is text."""
    return "[" + ",".join(v if n in (0, 6, 8) else json.dumps(v) for n, v in enumerate(row)) + "]"
