"""A local Kraken that answers over real HTTP as its documentation and users describe.

Bars are kept as the literal JSON text of their rows. Values are made up. Nothing here knows the
code under test.

Source: https://docs.kraken.com/api/docs/rest-api/get-ohlc-data
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.fake_vendors.server import Asked, FakeVendor, Fault, Limit, Reply

INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
NEWEST_ROWS = 720


def error(*texts: str) -> Fault:
    """Return errors (or warnings) the vendor's way, with HTTP 200."""
    return Fault(body=json.dumps({"error": texts}))


TOO_MANY = error("EGeneral:Too many requests")
UNKNOWN_PAIR = error("EQuery:Unknown asset pair")
INVALID = error("EGeneral:Invalid arguments")


LIMITS = (Limit(1, 1, burst=30),)
"""Of public data, per address: a counter that falls by one each second."""


@dataclass(kw_only=True)
class FakeKraken(FakeVendor):
    """The vendor's state: its time, pairs by internal name, and bars by (altname, minutes)."""

    limits: tuple[Limit, ...] = LIMITS
    now: int
    pairs: dict[str, dict[str, str]] = field(default_factory=dict)
    bars: dict[tuple[str, int], dict[int, str]] = field(default_factory=dict)

    def list_pair(self, internal: str, altname: str, wsname: str, **changed: str) -> None:
        """List a pair; its base and quote are spelt as in `wsname`, but internally."""
        base, _, quote = wsname.partition("/")
        self.pairs[internal] = {
            "altname": altname,
            "wsname": wsname,
            "aclass_base": "currency",
            "base": f"X{base}",
            "aclass_quote": "currency",
            "quote": f"Z{quote}",
            "status": "online",
            **changed,
        }

    def fill(
        self, altname: str, minutes: int, first: int, count: int, *, omitting: Iterable[int] = ()
    ) -> dict[int, str]:
        """Make up `count` bars, but for the omitted ones, and return their rows' text."""
        omitted = set(omitting)
        starts = range(first, first + count * minutes * 60, minutes * 60)
        rows = {start: bar(start) for start in starts if start not in omitted}
        self.bars.setdefault((altname, minutes), {}).update(rows)
        return rows

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        """Return the vendor's error, which looks like a good answer."""
        del asked, requests, seconds
        return TOO_MANY

    def answer(self, asked: Asked) -> Reply:
        """Return bars, the pairs, or why not."""
        match asked.parts:
            case ["0", "public", "AssetPairs"]:
                return Reply(body=json.dumps({"error": [], "result": self.pairs}))
            case ["0", "public", "OHLC"]:
                return self._bars(asked.params)
            case _:
                return error("EGeneral:Unknown method")

    def _bars(self, params: Mapping[str, str]) -> Reply:
        asked_for = params.get("pair", "")
        internal = next(
            (
                name
                for name, about in self.pairs.items()
                if asked_for in (name, about["altname"], about["wsname"])
            ),
            None,
        )
        if internal is None:
            return UNKNOWN_PAIR
        minutes = int(params.get("interval", 1))
        if minutes not in INTERVALS:
            return INVALID
        rows = self.bars.get((self.pairs[internal]["altname"], minutes), {})
        newest = sorted(start for start in rows if start <= self.now)[-NEWEST_ROWS:]
        wanted = [start for start in newest if start > int(params.get("since", 0))]
        texts = ",".join(rows[start] for start in wanted)
        last = newest[-2] if len(newest) > 1 else 0
        return Reply(body=f'{{"error":[],"result":{{"{internal}":[{texts}],"last":{last}}}}}')


def bar(start: int) -> str:
    """Return a row whose numbers are all told apart, texts with trailing zeros but for two."""
    number = start // 60
    price, cents = 100 + number % 50, number % 10
    return (
        f'[{start},"{price}.{cents}0","{price + 2}.{cents}0","{price - 1}.{cents}0",'
        f'"{price + 1}.{cents}0","{price}.{cents}5","{number % 1000}.12345670",{number % 90}]'
    )
