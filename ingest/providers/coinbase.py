"""Coinbase Exchange: candles and products of the public API, no key needed.

Sources:
    https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-candles
    https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-all-known-trading-pairs

Candles come newest first as arrays `[time, low, high, open, close, volume]`, labelled by the start
of their bucket in unix seconds; buckets without trades are left out, the newest may be in progress,
and rows before the asked start may come along: all rows are landed as sent, and SQL judges them.
`4h` is not offered and is derived in SQL.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from ingest.answers import Found, array, filled_array
from ingest.http import Policy
from ingest.limits import RateLimit
from ingest.provider import (
    Answer,
    Dataset,
    ProviderError,
    Request,
    UnknownSymbolError,
    fields,
)
from ingest.rest import RestProvider, ceil, floor, instant, range_of, step_of, symbol_of
from ingest.symbols import Spelling

OFFERED = ("1m", "5m", "15m", "1h", "1d")

# A span of 300 buckets is the most that is answered, and brings 301 rows because both of its ends
# are included. 300 rows per window stay within the limit however that boundary is counted.
WINDOW_BUCKETS = 300
CANDLE_PARTS = 6

# The limit is 10 requests/s with bursts of 15 per address: two commands at once stay below it.
POLICY = Policy(limits=(RateLimit(5, per_seconds=1),))

# The newest bucket was seen to lag by up to 60 s; the clock is read when an answer has arrived,
# which is at most one try later than the moment the vendor looked.
FINALITY_LAG = timedelta(seconds=60 + POLICY.attempt_seconds)
# The vendor announces no corrections but calls its history possibly incomplete: two hours give a
# missing bucket time to appear, and fit in one more request per symbol and timeframe.
REVISION_WINDOW = timedelta(hours=2)
# Empty answers have come back for ranges that do have trades.
RECHECK_EMPTY_AFTER = timedelta(hours=1)


class Coinbase(RestProvider):
    """Prices of one venue, in its own product ids (`BTC-USD`)."""

    name = "coinbase"
    base_url = "https://api.exchange.coinbase.com"
    policy = POLICY
    spelling = Spelling(pair="-")
    windows: ClassVar = {"bars": WINDOW_BUCKETS}
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "bars": Dataset(
            "bars",
            fields(time="0", low="1", high="2", open="3", close="4", volume="5"),
            timeframes=OFFERED,
            asset_classes=("crypto",),
            finality_lag=FINALITY_LAG,
            revision_window=REVISION_WINDOW,
            recheck_empty_after=RECHECK_EMPTY_AFTER,
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
            asset_classes=("crypto",),
            is_by_symbol=False,
        ),
    }

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Tell an unknown product from other refusals."""
        del headers
        if status == HTTPStatus.NOT_FOUND and "NotFound" in text:
            return UnknownSymbolError(
                "Coinbase has no such product: correct the symbol; the dataset products lists those"
                " it has"
            )
        return None

    async def ask_bars(self, request: Request) -> Answer:
        """Ask for one window of candles, from its first bucket to the one in progress."""
        step, now = step_of(request), self.clock()
        start, end = range_of(request)
        start, end = floor(start, step), ceil(min(end, now), step)
        if start >= end:
            return Answer(request, now)
        # Without both ends the vendor ignores either and sends the newest rows instead.
        rows = await self.http.get(
            f"/products/{quote(symbol_of(request), safe='')}/candles",
            {
                "granularity": f"{step.total_seconds():.0f}",
                "start": instant(start),
                "end": instant(end - step),
            },
            array,
            hints={
                400: f"ask for one of {', '.join(OFFERED)} and at most {WINDOW_BUCKETS} buckets"
            },
        )
        found = Found()
        candles = found.arrays(rows, CANDLE_PARTS)
        found.records += candles
        is_other_range = any(_is_at_or_after(candle, end) for candle in candles)
        return found.answer(request, self.clock(), is_complete=not is_other_range)

    async def ask_products(self, request: Request) -> Answer:
        """Ask for all products, delisted ones too."""
        found = Found()
        found.records += found.objects(await self.http.get("/products", {}, filled_array))
        return found.answer(request, self.clock())


def _is_at_or_after(row: list[Any], end: datetime) -> bool:
    """Return whether a candle shows that the answer is to another question than was asked."""
    try:
        return float(row[0]) >= end.timestamp()
    except (TypeError, ValueError):
        return False
