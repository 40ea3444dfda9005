"""A local Coinbase Exchange that answers over real HTTP as its documentation and users describe.

Candles are kept as the literal JSON text of their rows, so that a test can follow a number's text
from the wire to the lake. Nothing here knows the code under test.

Source: https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-candles
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.fake_vendors.server import Asked, FakeVendor, Limit, Reply, message

GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)
MOST_INTERVALS = 300
NEWEST_ROWS = 350

THROTTLED = message(429, "Public rate limit exceeded")


LIMITS = (Limit(10, 1, burst=15),)
"""Per address; a bucket."""


@dataclass(kw_only=True)
class FakeCoinbase(FakeVendor):
    """The vendor's state: candles by (product, granularity) and bucket start, and its own time."""

    limits: tuple[Limit, ...] = LIMITS
    now: int
    candles: dict[tuple[str, int], dict[int, str]] = field(default_factory=dict)
    products: str = "[]"
    rows_before_start: int = 0

    def fill(
        self,
        symbol: str,
        granularity: int,
        first: int,
        count: int,
        *,
        omitting: Iterable[int] = (),
    ) -> dict[int, str]:
        """Make up `count` buckets, but for the omitted ones, and return their rows' text."""
        omitted = set(omitting)
        starts = range(first, first + count * granularity, granularity)
        rows = {start: candle(start) for start in starts if start not in omitted}
        self.candles.setdefault((symbol, granularity), {}).update(rows)
        return rows

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        """Return the vendor's error body; it sends no rate headers."""
        del asked, requests, seconds
        return THROTTLED

    def answer(self, asked: Asked) -> Reply:
        """Return candles, the products, or why not."""
        match asked.parts:
            case ["products"]:
                return Reply(body=self.products)
            case ["products", symbol, "candles"] if any(symbol == it for it, _ in self.candles):
                return self._candles(symbol, asked.params)
            case _:
                return message(404, "NotFound")

    def _candles(self, symbol: str, params: Mapping[str, str]) -> Reply:
        granularity = int(params.get("granularity", 60))
        if granularity not in GRANULARITIES:
            return message(400, "Unsupported granularity")
        rows = self.candles.get((symbol, granularity), {})
        existing = sorted((start for start in rows if start <= self.now), reverse=True)
        if "start" not in params or "end" not in params:
            return _rows(rows[start] for start in existing[:NEWEST_ROWS])
        first, last = _seconds(params["start"]), _seconds(params["end"])
        if first > last:
            return message(400, "start must be before end")
        if (last - first) / granularity > MOST_INTERVALS:
            return message(
                400,
                "granularity too small for the requested time range."
                " Count of aggregations requested exceeds 300",
            )
        wanted = [start for start in existing if first <= start <= last]
        earlier = [start for start in existing if start < first][: self.rows_before_start]
        return _rows(rows[start] for start in wanted + earlier)


def candle(start: int) -> str:
    """Return a row whose numbers are all told apart, many with a trailing zero."""
    number = start // 60
    price = 100 + number % 50
    cents = number % 10
    return (
        f"[{start},{price - 1}.{cents}0,{price + 2}.{cents}0,{price}.{cents}0,"
        f"{price + 1}.{cents}0,{number % 1000}.12345670]"
    )


def _rows(texts: Iterable[str]) -> Reply:
    return Reply(body=f"[{','.join(texts)}]")


def _seconds(text: str) -> int:
    return int(text) if text.isdigit() else int(datetime.fromisoformat(text).timestamp())
