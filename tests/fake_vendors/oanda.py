"""A local OANDA v20 that answers over real HTTP as its documentation and users describe.

Candles are kept by the time they start at; prices are made up. Nothing here knows the code under
test.

Source: https://developer.oanda.com/rest-live-v20/instrument-ep/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.fake_vendors.server import Asked, FakeVendor, Fault, Limit, Reply, reply

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STEPS = {
    "M1": MINUTE,
    "M5": 5 * MINUTE,
    "M15": 15 * MINUTE,
    "H1": HOUR,
    "H4": 4 * HOUR,
    "D": 24 * HOUR,
}
MOST_CANDLES = 5000
NEW_YORK = ZoneInfo("America/New_York")


def error(status: int, text: str) -> Fault:
    """Return an error in the vendor's way."""
    found = reply({"errorMessage": text}, status, RequestID="24681357")
    return Fault(status, found.body, headers=found.headers)


UNAUTHORIZED = error(401, "Insufficient authorization to perform request.")
THROTTLED = error(429, "Too many requests")
TOO_MANY = error(400, "Maximum value for 'count' exceeded")
FUTURE = error(400, "Invalid value specified for 'to'. Time is in the future")
COUNT_TOO = error(400, "'count' cannot be specified when both 'from' and 'to' parameters are set")
UNKNOWN = error(400, "Invalid value specified for 'instrument'")


LIMITS = (Limit(120, 1),)
"""Per address."""


@dataclass(kw_only=True)
class FakeOanda(FakeVendor):
    """The vendor's state and time: starts by (instrument, granularity), and what is told of them.

    A candle is complete once its end has passed; `closes` overrides the close of the middle.
    """

    limits: tuple[Limit, ...] = LIMITS
    now: datetime
    token: str
    candles: dict[tuple[str, str], set[datetime]] = field(default_factory=dict)
    closes: dict[datetime, str] = field(default_factory=dict)
    accounts: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    def fill(self, instrument: str, granularity: str, starts: Iterable[datetime]) -> None:
        """Let candles start at these times."""
        self.candles.setdefault((instrument, granularity), set()).update(starts)

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        """Return the vendor's error body."""
        del asked, requests, seconds
        return THROTTLED

    def answer(self, asked: Asked) -> Reply:
        """Return candles, instruments or accounts, or why not."""
        if asked.header("Authorization") != f"Bearer {self.token}":
            return UNAUTHORIZED
        match asked.parts:
            case ["v3", "accounts"]:
                return reply({"accounts": [{"id": it, "tags": []} for it in self.accounts]})
            case ["v3", "accounts", account, "instruments"] if account in self.accounts:
                return reply({"instruments": self.accounts[account], "lastTransactionID": "6"})
            case ["v3", "instruments", instrument, "candles"]:
                if not any(instrument == known for known, _ in self.candles):
                    return UNKNOWN
                return self._candles(instrument, asked.params)
            case _:
                return error(404, "The request path is unknown")

    def _candles(self, instrument: str, params: Mapping[str, str]) -> Reply:
        if {"count", "from", "to"} <= params.keys():
            return COUNT_TOO
        granularity = params["granularity"]
        first, last = (datetime.fromisoformat(params[name]) for name in ("from", "to"))
        if last > self.now:
            return FUTURE
        if (last - first) / STEPS[granularity] > MOST_CANDLES:
            return TOO_MANY
        # The candle that is under way at `from` is the first; one that starts at `to` comes too.
        starts = sorted(
            start
            for start in self.candles.get((instrument, granularity), ())
            if first < self._end(start, granularity) and start <= last
        )
        if params.get("includeFirst") == "false":
            starts = [start for start in starts if start > first]
        told = [self._candle(start, granularity, params.get("price", "M")) for start in starts]
        return reply({"instrument": instrument, "granularity": granularity, "candles": told})

    def _candle(self, start: datetime, granularity: str, price: str) -> dict[str, Any]:
        number = int(start.timestamp()) // 60
        base = 1.1 + number % 50 / 1000
        prices = {
            key: {
                "o": f"{base + shift:.5f}",
                "h": f"{base + shift + 0.002:.5f}",
                "l": f"{base + shift - 0.002:.5f}",
                "c": f"{base + shift + 0.001:.5f}",
            }
            for letter, key, shift in (("M", "mid", 0.0), ("B", "bid", -1e-4), ("A", "ask", 1e-4))
            if letter in price
        }
        if start in self.closes:
            prices["mid"]["c"] = self.closes[start]
        return {
            "complete": self._end(start, granularity) <= self.now,
            "volume": 10 + number % 90,
            "time": f"{start:%Y-%m-%dT%H:%M:%S}.000000000Z",
            **prices,
        }

    def _end(self, start: datetime, granularity: str) -> datetime:
        if granularity != "D":
            return start + STEPS[granularity]
        return day_cut(start.astimezone(NEW_YORK).date() + timedelta(days=1))


def day_cut(day: date) -> datetime:
    """Return 17:00 in New York on a date, in UTC."""
    return datetime.combine(day, time(17), NEW_YORK).astimezone(UTC)
