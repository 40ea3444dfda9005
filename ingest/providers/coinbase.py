"""Coinbase Exchange: candles and products of the public API, no key needed.

Sources:
    https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-candles
    https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-all-known-trading-pairs

Candles come newest first as arrays `[time, low, high, open, close, volume]`, labelled by the start
of their bucket in unix seconds; buckets without trades are left out, the newest may be in progress,
and rows before the asked start may come along: all rows are landed as sent, and SQL judges them.
`4h` is not offered and is derived in SQL.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ingest.clock import Clock, as_utc, utc_now
from ingest.http import HttpClient, Policy
from ingest.provider import (
    TIMEFRAMES,
    Answer,
    Dataset,
    Reject,
    Request,
    TerminalError,
    fields,
)
from ingest.records import encode_json

# The limit is 10 requests/s with bursts of 15 per address: two commands at once stay below it.
POLICY = Policy(requests_per_second=5, burst=5)

OFFERED = ("1m", "5m", "15m", "1h", "1d")
HISTORY = {"1m": timedelta(days=7), "1h": timedelta(days=90), "1d": timedelta(days=365)}
"""What a scheduled run keeps, by timeframe; the others are derived from these."""

# A span of 300 buckets is the most that is answered, and brings 301 rows because both of its ends
# are included. 300 rows per window stay within the limit however that boundary is counted.
WINDOW_BUCKETS = 300
CANDLE_PARTS = 6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The newest bucket was seen to lag by up to 60 s; the clock is read when an answer has arrived,
# which is at most one try later than the moment the vendor looked.
FINALITY_LAG = timedelta(seconds=60 + POLICY.attempt_seconds)
# The vendor announces no corrections but calls its history possibly incomplete: two hours give a
# missing bucket time to appear, and fit in one more request per symbol and timeframe.
REVISION_WINDOW = timedelta(hours=2)


@dataclass(frozen=True)
class _Buckets:
    """Consecutive buckets: the start of the first, and the end of the last."""

    step: timedelta
    start: datetime
    end: datetime


class Coinbase:
    """Prices of one venue, in its own product ids (`BTC-USD`).

    `symbols` are the product ids of scheduled runs, separated by commas.
    """

    name = "coinbase"
    datasets: Mapping[str, Dataset] = {
        "bars": Dataset(
            "bars",
            fields(time="0", low="1", high="2", open="3", close="4", volume="5"),
            timeframes=OFFERED,
            finality_lag=FINALITY_LAG,
            revision_window=REVISION_WINDOW,
        ),
        "products": Dataset(
            "products",
            fields(
                "id",
                "base_currency",
                "quote_currency",
                "quote_increment",
                "base_increment",
                "display_name",
                "min_market_funds",
                "margin_enabled",
                "post_only",
                "limit_only",
                "cancel_only",
                "status",
                "status_message",
                "trading_disabled",
                "fx_stablecoin",
                "max_slippage_percentage",
                "auction_mode",
                "high_bid_limit_percentage",
            ),
            kind="extract",
        ),
    }

    def __init__(
        self,
        base_url: str,
        symbols: str = "",
        clock: Clock = utc_now,
        *,
        policy: Policy = POLICY,
    ) -> None:
        self._http = HttpClient(base_url, policy=policy, clock=clock)
        self._symbols = tuple(dict.fromkeys(s for s in map(str.strip, symbols.split(",")) if s))
        self._clock = clock

    def default_request(self, dataset: str) -> Iterable[Request]:
        """Ask for recent candles of the configured symbols; for nothing when none is configured."""
        if not self._symbols:
            return []
        if self.datasets[dataset].kind == "extract":
            return [Request(dataset)]
        now = self._clock()
        return [
            Request(dataset, symbol, timeframe, _floor(now, TIMEFRAMES["1d"]) - history, now)
            for symbol in self._symbols
            for timeframe, history in HISTORY.items()
        ]

    def split(self, request: Request) -> Iterable[Request]:
        """Cut a range into windows of whole buckets, up to the one in progress.

        Windows lie on a fixed grid, so that asking for an overlapping range repeats the same
        questions and answers that did not change are only confirmed.
        """
        buckets = self._buckets(request)
        if buckets is None:
            return [request]  # `fetch` answers it whole, or says what is wrong with it
        window = WINDOW_BUCKETS * buckets.step
        parts = []
        start = buckets.start
        while start < buckets.end:
            stop = min(_floor(start, window) + window, buckets.end)
            parts.append(replace(request, start=start, end=stop))
            start = stop
        return parts

    async def fetch(self, request: Request) -> Answer:
        """Ask for one window of candles, or for all products.

        Raises:
            RetryableError, TerminalError, MalformedError: see there.
        """
        if self.datasets[request.dataset].kind == "extract":
            return await self._products(request)
        return await self._bars(request)

    async def close(self) -> None:
        """Release connections."""
        await self._http.close()

    async def _bars(self, request: Request) -> Answer:
        buckets = self._buckets(request)
        if buckets is None:
            raise TerminalError(
                f"{request}: coinbase bars are asked by symbol, start, end and one of the"
                f" timeframes {', '.join(OFFERED)}: complete the request (4h is derived in SQL)"
            )
        if buckets.start >= buckets.end:
            return Answer(request, self._clock())
        path = f"/products/{quote(request.symbol or '', safe='')}/candles"
        # Without both ends the vendor ignores either and sends the newest rows instead.
        params = {
            "granularity": f"{buckets.step.total_seconds():.0f}",
            "start": f"{buckets.start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{buckets.end - buckets.step:%Y-%m-%dT%H:%M:%SZ}",
        }
        hints = {
            400: f"ask for one of {', '.join(OFFERED)} and at most {WINDOW_BUCKETS} buckets",
            404: f"Coinbase has no product {request.symbol!r}: correct the symbol; the dataset"
            " products lists those it has",
        }
        rows = await self._http.get(path, params, _array, hints)
        if not rows:
            # Empty answers have come back for ranges that do have trades: ask twice.
            rows = await self._http.get(path, params, _array, hints)
        records, rejects = _sorted_out(rows, _is_candle, f"an array of {CANDLE_PARTS} values")
        is_other_range = any(_is_at_or_after(row, buckets.end) for row in records)
        return Answer(
            request, self._clock(), records, rejects, is_complete=not (rejects or is_other_range)
        )

    def _buckets(self, request: Request) -> _Buckets | None:
        """Return the range moved outward to whole buckets and cut at the one in progress."""
        start, end = request.start, request.end
        if not request.symbol or start is None or end is None or request.timeframe not in OFFERED:
            return None
        step = TIMEFRAMES[request.timeframe]
        return _Buckets(
            step,
            _floor(as_utc(start), step),
            _ceil(min(as_utc(end), self._clock()), step),
        )

    async def _products(self, request: Request) -> Answer:
        products = await self._http.get("/products", {}, _filled_array)
        records, rejects = _sorted_out(products, _is_object, "an object")
        return Answer(request, self._clock(), records, rejects, is_complete=not rejects)


def _array(body: Any) -> list[Any]:  # noqa: ANN401 - JSON is whatever the vendor sent
    if not isinstance(body, list):
        raise TypeError(f"expected an array, not {type(body).__name__}")
    return body


def _filled_array(body: Any) -> list[Any]:  # noqa: ANN401
    products = _array(body)
    if not products:
        # It would read as if every product had vanished.
        raise ValueError("expected a list of products, not an empty one")
    return products


def _sorted_out(
    items: Sequence[Any], fits: Callable[[Any], bool], expected: str
) -> tuple[list[Any], tuple[Reject, ...]]:
    """Return the items that can be read as records, and the others as rejects."""
    rejects = (
        Reject(f"expected {expected}", encode_json(item)) for item in items if not fits(item)
    )
    return [item for item in items if fits(item)], tuple(rejects)


def _is_candle(item: Any) -> bool:  # noqa: ANN401
    return isinstance(item, list) and len(item) == CANDLE_PARTS


def _is_object(item: Any) -> bool:  # noqa: ANN401
    return isinstance(item, dict)


def _is_at_or_after(row: list[Any], end: datetime) -> bool:
    """Return whether a candle shows that the answer is to another question than was asked."""
    try:
        return float(row[0]) >= end.timestamp()
    except (TypeError, ValueError):
        return False


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - EPOCH) % step


def _ceil(moment: datetime, step: timedelta) -> datetime:
    return moment + (EPOCH - moment) % step
