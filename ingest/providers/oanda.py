"""OANDA v20: candles of currency pairs (mid, bid and ask) and the instruments of an account.

Sources:
    https://developer.oanda.com/rest-live-v20/instrument-ep/
    https://developer.oanda.com/rest-live-v20/account-ep/

Candles are labelled by their start and left out where no price came. Those of a day start at 17:00
in New York on the date before the session's; those of four hours are counted from there, so that
both move by an hour in UTC with daylight saving. `volume` counts price updates: no size is known.
The candle in progress comes with `complete` false. As long as it does, the vendor has not seen its
end: such an answer counts as fetched at that end at the latest, so that the candle is never final.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import Any, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from ingest.answers import Found, array, filled_array
from ingest.clock import as_utc
from ingest.http import Policy
from ingest.limits import RateLimit
from ingest.provider import (
    TIMEFRAMES,
    AccessError,
    Answer,
    Dataset,
    ProviderError,
    Request,
    UnknownSymbolError,
    fields,
)
from ingest.rest import RestProvider, instant, range_of, symbol_of, timeframe_of
from ingest.symbols import Spelling

TOKEN, ACCOUNT_ID = "OANDA_API_TOKEN", "OANDA_ACCOUNT_ID"

GRANULARITIES = {"1m": "M1", "5m": "M5", "15m": "M15", "1h": "H1", "4h": "H4", "1d": "D"}
SIDES, PRICES = ("mid", "bid", "ask"), ("open", "high", "low", "close")

# 5000 candles are the most of one answer.
CANDLES_PER_REQUEST = 4000

NEW_YORK = ZoneInfo("America/New_York")
CUT_HOUR = 17
DAY, FOUR_HOURS = TIMEFRAMES["1d"], TIMEFRAMES["4h"]

# An end in the future is refused, by the vendor's clock.
CLOCK_TOLERANCE = timedelta(seconds=15)
FINALITY_LAG = timedelta(minutes=1)
LAST_INSTANT = timedelta(seconds=1)


class Oanda(RestProvider):
    """Prices of one broker, by default of its practice address."""

    name = "oanda"
    base_url = "https://api-fxpractice.oanda.com"
    # 120/s are allowed, 100/s recommended; and two new connections a second, which are all there
    # are with two questions at a time, whether or not the vendor speaks HTTP/2.
    policy = Policy(limits=(RateLimit(100, per_seconds=1),), concurrency=2)
    spelling = Spelling(pair="_")
    secret_names = (TOKEN,)
    windows: ClassVar[Mapping[str, int | timedelta]] = {"bars": CANDLES_PER_REQUEST}
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "bars": Dataset(
            "bars",
            fields(
                "time",
                "complete",
                "volume",
                **{f"{side}_{name}": f"{side}.{name[0]}" for side in SIDES for name in PRICES},
            ),
            timeframes=tuple(GRANULARITIES),
            asset_classes=("fx",),
            finality_lag=FINALITY_LAG,
            revision_window=timedelta(hours=2),
            calendar={"fx": "FX"},
        ),
        "instruments": Dataset(
            "instruments",
            fields(
                "name",
                "type",
                display_name="displayName",
                pip_location="pipLocation",
                display_precision="displayPrecision",
                trade_units_precision="tradeUnitsPrecision",
                minimum_trade_size="minimumTradeSize",
                maximum_order_units="maximumOrderUnits",
                margin_rate="marginRate",
            ),
            kind="extract",
            is_by_symbol=False,
            refresh_after=timedelta(hours=20),
        ),
    }

    def headers(self) -> Mapping[str, str]:
        """Return the token, and ask for times as text."""
        return {
            "Authorization": f"Bearer {self.secrets[TOKEN]}",
            "Accept-Datetime-Format": "RFC3339",
        }

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Read `{"errorMessage": …}`."""
        del headers
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return AccessError(
                f"check {TOKEN}: a practice token is refused at the live address and the other way"
                " round (TAPEHOUSE_OANDA_URL)"
            )
        if status == HTTPStatus.BAD_REQUEST and "instrument" in text.lower():
            return UnknownSymbolError(
                "correct the symbol; the dataset instruments lists those the account has"
            )
        return None

    def split(self, request: Request) -> Iterable[Request]:
        """Cut a range into windows; those of four-hour candles on the grid of the trading day.

        Days are named by their session's date: that grid is UTC's.
        """
        parts = list(super().split(request))
        if request.timeframe != "4h":
            return parts
        edges = [_candle_start(edge) for part in parts if (edge := part.start)]
        edges += [_candle_end(edge) for part in parts[-1:] if (edge := part.end)]
        return [
            replace(part, start=start, end=end)
            for part, (start, end) in zip(parts, pairwise(edges), strict=True)
        ]

    async def ask_bars(self, request: Request) -> Answer:
        """Ask for mid, bid and ask candles of one window."""
        symbol, timeframe = symbol_of(request), timeframe_of(request)
        start, end = range_of(request)
        if timeframe == "1d":
            start, end = _session_start(start), _session_start(end)
        asked_at = self.clock()
        last = min(end - LAST_INSTANT, asked_at - CLOCK_TOLERANCE)
        if last < start:
            return Answer(request, asked_at)
        path = f"/v3/instruments/{quote(symbol, safe='')}/candles"
        granularity = GRANULARITIES[timeframe]
        params = {
            "price": "MBA",
            "granularity": granularity,
            # Never with `count`: the three together are refused.
            "from": instant(start),
            "to": instant(last),
            "includeFirst": "true",
            "smooth": "false",
            "dailyAlignment": str(CUT_HOUR),
            "alignmentTimezone": NEW_YORK.key,
        }

        def read(body: Any) -> list[Any]:  # noqa: ANN401 - JSON is whatever the vendor sent
            if (body["instrument"], body["granularity"]) != (symbol, granularity):
                raise ValueError(f"candles of {body['instrument']!r} {body['granularity']!r}")
            return array(body["candles"])

        candles = await self.http.get(path, params, read)
        found = Found()
        # One that is not complete though later ones are there contradicts them: it is asked again.
        found.records += found.fitting(
            found.objects(candles[:-1]), _is_complete, "one that is complete, as others follow it"
        )
        newest = found.objects(candles[-1:])
        found.records += newest
        known_at = min(asked_at, _end_of_unfinished(newest, timeframe) or asked_at)
        return found.answer(request, known_at)

    async def ask_instruments(self, request: Request) -> Answer:
        """Ask for the instruments of the account, found by the token where none is named."""
        asked_at = self.clock()
        account = self.environment.secret(ACCOUNT_ID) or await self.http.get(
            "/v3/accounts", {}, _first_account
        )
        path = f"/v3/accounts/{quote(account, safe='')}/instruments"
        found = Found()
        found.records += found.objects(
            await self.http.get(path, {}, lambda body: filled_array(body["instruments"]))
        )
        return found.answer(request, asked_at)


def _is_complete(candle: Mapping[str, Any]) -> bool:
    return candle.get("complete") is not False


def _end_of_unfinished(newest: Sequence[Mapping[str, Any]], timeframe: str) -> datetime | None:
    """Return when the newest candle ends, if it is not complete and its time can be read."""
    for candle in newest:
        if not _is_complete(candle):
            try:
                start = as_utc(datetime.fromisoformat(str(candle.get("time"))))
                return _next_cut(start) if timeframe == "1d" else start + TIMEFRAMES[timeframe]
            except (ValueError, OverflowError):
                return None
    return None


def _first_account(body: Any) -> str:  # noqa: ANN401
    """Return the first account that a token may read.

    That all of them have the same instruments is inferred, not documented.
    """
    accounts = array(body["accounts"])
    if not accounts:
        raise AccessError(f"the token may read no account: set {ACCOUNT_ID} and check {TOKEN}")
    return str(accounts[0]["id"])


def _session_start(label: datetime) -> datetime:
    """Return when the session starts whose date `label` names: at the cut of the date before."""
    return _cut(label.date() - DAY)


def _candle_start(moment: datetime) -> datetime:
    """Return the start of the four-hour candle that holds `moment`."""
    cut = _last_cut(moment)
    return cut + (moment - cut) // FOUR_HOURS * FOUR_HOURS


def _candle_end(moment: datetime) -> datetime:
    """Return the oldest edge of four-hour candles that is not before `moment`."""
    start = _candle_start(moment)
    if start == moment:
        return moment
    return min(start + FOUR_HOURS, _next_cut(moment))  # the last before a cut may be short


def _next_cut(moment: datetime) -> datetime:
    """Return the oldest cut of the trading day that is after `moment`."""
    return _cut(_last_cut(moment).astimezone(NEW_YORK).date() + DAY)


def _last_cut(moment: datetime) -> datetime:
    """Return the newest cut of the trading day that is not after `moment`."""
    today = moment.astimezone(NEW_YORK).date()
    cut = _cut(today)
    return cut if cut <= moment else _cut(today - DAY)


def _cut(day: date) -> datetime:
    return as_utc(datetime.combine(day, time(CUT_HOUR), NEW_YORK))
