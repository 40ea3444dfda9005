"""Kraken: recent bars and asset pairs of the public API, no key needed.

Sources:
    https://docs.kraken.com/api/docs/rest-api/get-ohlc-data
    https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs
    https://docs.kraken.com/exchange/guides/general/errors

Whatever is asked, no more than the 720 newest bars of a timeframe are answered, from half a day of
minutes to two years of days; there is no end either: an answer runs up to the bar in progress. So a
range is asked for whole, up to now. What lies further back is refused here without asking, as
something this vendor does not give: where a dataset names several vendors, the next one is asked.
An answer never counts for more than it holds: where 720 bars came and the first is younger than
what was asked, the range starts at that bar. Errors come with HTTP 200.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from ingest.answers import Found, an_object, array
from ingest.http import Policy
from ingest.limits import RateLimit
from ingest.provider import (
    Answer,
    Dataset,
    EntitlementError,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
    fields,
)
from ingest.rest import RestProvider, floor, range_of, step_of, symbol_of
from ingest.symbols import Spelling

OFFERED = ("1m", "5m", "15m", "1h", "4h", "1d")
NEWEST_BARS = 720
BAR_PARTS = 8
MINUTE = timedelta(minutes=1)

TRANSIENT = (
    "EGeneral:Too many requests",
    "EGeneral:Internal error",
    "EAPI:Rate limit exceeded",
    "EService:",
)
"""How errors begin that pass by themselves."""


class Kraken(RestProvider):
    """Prices of one venue, by Kraken's alternative pair names (`XBTUSD`)."""

    name: ClassVar[str] = "kraken"
    base_url: ClassVar[str] = "https://api.kraken.com"
    # About 30 requests at once are let through, then one a second; that is what is always safe.
    policy: ClassVar[Policy] = Policy(limits=(RateLimit(1, per_seconds=1),))
    spelling: ClassVar[Spelling] = Spelling(pair="", currencies={"BTC": "XBT", "DOGE": "XDG"})
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "bars": Dataset(
            "bars",
            fields(
                time="0",
                open="1",
                high="2",
                low="3",
                close="4",
                vwap="5",
                volume="6",
                count="7",
            ),
            timeframes=OFFERED,
            asset_classes=("crypto",),
            # The last bar is always the one in progress; a minute covers a clock that is behind.
            finality_lag=MINUTE,
            revision_window=timedelta(hours=2),
        ),
        "asset_pairs": Dataset(
            "asset_pairs",
            fields(
                "pair",
                "altname",
                "wsname",
                "aclass_base",
                "base",
                "aclass_quote",
                "quote",
                "status",
            ),
            kind="extract",
            is_by_symbol=False,
            refresh_after=timedelta(days=1),
        ),
    }

    def cuts(self, request: Request, start: datetime, end: datetime) -> Iterable[datetime]:
        """Cut what the vendor no longer has from the rest of a range.

        The older part fails alone, and says why; the rest is asked for whole.
        """
        del start, end
        return [self._oldest(step_of(request))]

    async def ask_bars(self, request: Request) -> Answer:
        """Ask for the bars from a time on."""
        (start, end), step = range_of(request), step_of(request)
        if end <= (oldest := self._oldest(step)):
            raise EntitlementError(
                f"{request}: Kraken answers only the {NEWEST_BARS} newest bars, for"
                f" {request.timeframe} those since {oldest:%Y-%m-%d %H:%M}Z: ask another vendor for"
                " what is older, or ask since then",
                is_lasting=False,
            )
        params = {
            "pair": symbol_of(request),
            "interval": f"{step / MINUTE:.0f}",
            # Whether the bar at `since` itself comes along is not said.
            "since": f"{(start - step).timestamp():.0f}",
        }
        rows = await self.http.get("/0/public/OHLC", params, _bars)
        found = Found()
        found.records += found.arrays(rows, BAR_PARTS)
        reached = self._reached(rows, start)
        if reached > start:
            request = replace(request, start=min(reached, end))
        return found.answer(request, self.clock())

    async def ask_asset_pairs(self, request: Request) -> Answer:
        """Ask for every pair that can be traded."""
        pairs = await self.http.get("/0/public/AssetPairs", {}, _filled_result)
        found = Found()
        for pair, about in pairs.items():
            if isinstance(about, dict):
                found.records.append({"pair": pair, **about})
            else:
                found.reject("expected an object", {pair: about})
        return found.answer(request, self.clock())

    def _oldest(self, step: timedelta) -> datetime:
        """Return the start of the oldest bar that is answered: the newest is in progress."""
        return floor(self.clock(), step) - (NEWEST_BARS - 1) * step

    @staticmethod
    def _reached(rows: list[Any], start: datetime) -> datetime:
        """Return from when on an answer holds all bars, at the earliest `start`.

        Fewer rows than the most there can be are all there are. Where the oldest cannot be read it
        is not known how far they go, and the answer has a reject in it that says so.
        """
        if len(rows) < NEWEST_BARS:
            return start
        try:
            oldest = datetime.fromtimestamp(min(int(row[0]) for row in rows), UTC)
        except (TypeError, ValueError, LookupError, OverflowError, OSError):
            return start
        return max(start, oldest)


def _result(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is whatever the vendor sent
    """Return what is inside `{"error": […], "result": …}`; warnings (`W…`) are no errors.

    Raises:
        RetryableError, UnknownSymbolError, TerminalError: the vendor reports an error.
    """
    errors = [str(error) for error in body["error"] if not str(error).startswith("W")]
    if "EQuery:Unknown asset pair" in errors:
        raise UnknownSymbolError("correct the symbol; the dataset asset_pairs lists those it has")
    if errors and errors[0].startswith(TRANSIENT):
        raise RetryableError("that passes by itself")
    if errors:
        raise TerminalError("asking again cannot help; correct the request")
    return an_object(body["result"])


def _bars(body: Any) -> list[Any]:  # noqa: ANN401
    """Return the rows: they are below the pair's internal name, which is not the one asked for."""
    lists = [value for key, value in _result(body).items() if key != "last"]
    if len(lists) != 1:
        raise ValueError("expected one list of bars beside `last`")
    return array(lists[0])


def _filled_result(body: Any) -> dict[str, Any]:  # noqa: ANN401
    result = _result(body)
    if not result:
        # It would read as if every pair had vanished.
        raise ValueError("expected pairs, not an empty object")
    return result
