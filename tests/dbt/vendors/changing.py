"""Vendors that change their mind: real loaders ask local servers again and again, force included.

Ten bars of one day are asked for, hours or, of stocks, quarter-hours. The third one's close goes
from 101 to 102 and back to 101, and again to 102, when asked for with one other, and back: the last
answer is only a confirmation. The sixth is restated, the tenth is in progress when first asked for,
and the second answer comes in disorder, with some of its rows twice.

Of a later day Coinbase answers with nothing for half of each of two spans of four hours: once for
the first, and for the second again three days on.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.backfill import LandingReport, backfill
from ingest.http import Policy
from ingest.lake import Lake
from ingest.limits import RateLimit
from ingest.provider import Request
from ingest.providers.alpaca import AlpacaIex
from ingest.providers.binance import Binance
from ingest.providers.coinbase import Coinbase
from ingest.providers.kraken import Kraken
from ingest.providers.oanda import Oanda
from ingest.rest import RestProvider
from ingest.settings import Environment
from tests.dbt.landing import HOUR, Landing, bars, coinbase_bars, product
from tests.fake_vendors.alpaca import FakeAlpaca, stamp
from tests.fake_vendors.binance import FakeBinance
from tests.fake_vendors.coinbase import FakeCoinbase
from tests.fake_vendors.kraken import FakeKraken
from tests.fake_vendors.oanda import FakeOanda
from tests.fake_vendors.server import UNLIMITED, FakeVendor, Fault
from tests.fake_vendors.spoiling import rearranged

BAR_COUNT = 10


@dataclass(frozen=True)
class Series:
    """What is asked for: bars of 2026-03-10."""

    instrument_id: str
    timeframe: str = "1h"
    start: datetime = datetime(2026, 3, 10, tzinfo=UTC)

    @property
    def step(self) -> timedelta:
        return {"1h": HOUR, "15m": HOUR / 4}[self.timeframe]

    @property
    def end(self) -> datetime:
        return self.start + BAR_COUNT * self.step

    @property
    def starts(self) -> list[datetime]:
        return [self.start + number * self.step for number in range(BAR_COUNT)]


SERIES = {
    "coinbase": Series("crypto:LTC/USD"),
    "kraken": Series("crypto:ETH/BTC"),
    "binance": Series("crypto:LUNA/USDT"),
    "alpaca_iex": Series("equity:TOLD", "15m", datetime(2026, 3, 10, 13, 30, tzinfo=UTC)),
    "oanda": Series("fx:CHF/JPY"),
}


@dataclass(frozen=True)
class Asked:
    """How long after the last one's end which bars were asked for, and their closes but for 100."""

    after: timedelta
    bars: range
    closes: Mapping[int, str]
    is_in_disorder: bool = False


ALL_BARS = range(BAR_COUNT)
IN_PROGRESS = timedelta(0)
"""Before the end: when a little more than half of the last bar was over."""

ASKED = (
    Asked(IN_PROGRESS, ALL_BARS, {2: "101.0", 5: "100.5", 9: "99.0"}),
    Asked(1 * HOUR, ALL_BARS, {2: "102.0", 5: "100.5", 9: "105.5"}, is_in_disorder=True),
    Asked(3 * HOUR, ALL_BARS, {2: "101.0", 5: "103.25", 9: "105.5"}),
    Asked(5 * HOUR, range(2, 4), {2: "102.0", 5: "103.25", 9: "105.5"}),
    Asked(7 * HOUR, ALL_BARS, {2: "101.0", 5: "103.25", 9: "105.5"}),
)

HASTY = Policy(limits=(RateLimit(10_000, per_seconds=1),), attempts=1)


@dataclass(frozen=True)
class Story:
    """One vendor, how it is told what is so now, and how it is asked."""

    vendor: FakeVendor
    kind: type[RestProvider]
    symbol: str
    tell: Callable[[int, Mapping[datetime, str]], None]
    has_ends: bool = True
    """Whether an answer ends where the question does."""

    asset_class: str = "crypto"
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def series(self) -> Series:
        return SERIES[self.kind.name]


def coinbase() -> Story:
    vendor = FakeCoinbase(now=0, limits=UNLIMITED)

    def tell(now: int, closes: Mapping[datetime, str]) -> None:
        vendor.now = now
        vendor.candles["LTC-USD", 3600] = {
            int(start.timestamp()): f"[{int(start.timestamp())},90.0,110.0,100.0,{close},7.5]"
            for start, close in closes.items()
        }

    return Story(vendor, Coinbase, "LTC-USD", tell)


def kraken() -> Story:
    vendor = FakeKraken(now=0, limits=UNLIMITED)
    vendor.list_pair("XETHXXBT", "ETHXBT", "ETH/XBT")

    def tell(now: int, closes: Mapping[datetime, str]) -> None:
        vendor.now = now
        vendor.bars["ETHXBT", 60] = {
            int(start.timestamp()): (
                f'[{int(start.timestamp())},"100.0","110.0","90.0","{close}","100.0","7.5",3]'
            )
            for start, close in closes.items()
        }

    return Story(vendor, Kraken, "ETHXBT", tell, has_ends=False)


def binance() -> Story:
    first = SERIES["binance"].start
    vendor = FakeBinance(now=first)

    def tell(now: int, closes: Mapping[datetime, str]) -> None:
        vendor.now = datetime.fromtimestamp(now, UTC)
        rows = vendor.fill("LUNAUSDT", "1h", first, BAR_COUNT)
        for row, close in zip(rows.values(), closes.values(), strict=True):
            row[1:5] = ["100.0", "110.0", "90.0", close]

    return Story(vendor, Binance, "LUNAUSDT", tell)


def alpaca_iex() -> Story:
    vendor = FakeAlpaca(now=SERIES["alpaca_iex"].start, key=("key", "secret"))

    def tell(now: int, closes: Mapping[datetime, str]) -> None:
        vendor.now = datetime.fromtimestamp(now, UTC)
        vendor.bars["iex", "TOLD", "15Min"] = {
            stamp(start): (
                f'{{"t":"{stamp(start)}","o":100.0,"h":110.0,"l":90.0,"c":{close},"v":7,"n":3,'
                '"vw":100.0}'
            )
            for start, close in closes.items()
        }

    variables = {"APCA_API_KEY_ID": "key", "APCA_API_SECRET_KEY": "secret"}
    return Story(vendor, AlpacaIex, "TOLD", tell, asset_class="equity", variables=variables)


@dataclass(kw_only=True)
class HundredOanda(FakeOanda):
    """The vendor with prices about a hundred."""

    def _candle(self, start: datetime, granularity: str, price: str) -> dict[str, Any]:
        candle = super()._candle(start, granularity, price)
        candle["mid"] |= {"o": "100.0", "h": "110.0", "l": "90.0"}
        return candle


def oanda() -> Story:
    vendor = HundredOanda(now=SERIES["oanda"].start, token="token")  # noqa: S106 - of nobody
    vendor.fill("CHF_JPY", "H1", SERIES["oanda"].starts)

    def tell(now: int, closes: Mapping[datetime, str]) -> None:
        vendor.now = datetime.fromtimestamp(now, UTC)
        vendor.closes = dict(closes)

    variables = {"OANDA_API_TOKEN": "token"}
    return Story(vendor, Oanda, "CHF_JPY", tell, asset_class="fx", variables=variables)


def land(lake: Landing) -> None:
    """Ask each vendor again and again."""
    lake.land("coinbase", "products", [product("LTC-USD")], fetched="2026-03-01T00:00Z")
    for story in (coinbase(), kraken(), binance(), alpaca_iex(), oanda()):
        with story.vendor.running():
            asked = ASKED if story.has_ends else ASKED[:3]
            reports = [_ask(lake, story, each) for each in asked]
        assert all(report.is_complete for report in reports)
        assert [report.confirmed for report in reports] == [0, 0, 0, 0, 1][: len(asked)]
    _land_nothing(lake)


def _land_nothing(lake: Landing) -> None:
    def answer(first: int, last: int, count: int, fetched: str) -> None:
        start, end = (f"2026-03-12T{hour:02}:00Z" for hour in (first, last))
        lake.land(
            "coinbase",
            "bars",
            coinbase_bars(bars(start, count, HOUR)),
            fetched=fetched,
            symbol="LTC-USD",
            timeframe="1h",
            asked=(start, end),
        )

    for fetched in ("2026-03-13T00:00Z", "2026-03-16T00:00Z"):
        answer(4, 6, 0, fetched)
    answer(0, 2, 0, "2026-03-13T00:00Z")
    answer(2, 4, 2, "2026-03-13T00:00Z")
    answer(6, 8, 2, "2026-03-13T00:00Z")


def _ask(lake: Landing, story: Story, asked: Asked) -> LandingReport:
    series = story.series
    now = series.end + asked.after
    if asked.after is IN_PROGRESS:
        now -= series.step * 26 / 60
    closes = {
        start: asked.closes.get(number, "100.0") for number, start in enumerate(series.starts)
    }
    story.tell(int(now.timestamp()), closes)
    if asked.is_in_disorder:
        chance = random.Random(1)  # noqa: S311 - not for secrets
        story.vendor.fail(
            "",
            Fault(change=lambda text: rearranged(text, chance, is_doubled=True, is_shuffled=True)),
        )
    variables = {
        **story.variables,
        f"TAPEHOUSE_{story.kind.name.upper()}_URL": story.vendor.url,
        "NO_PROXY": "127.0.0.1",
    }

    def clock() -> datetime:
        return now

    provider = story.kind(Environment(variables), clock, policy=HASTY)
    first, last = (series.start + at * series.step for at in (asked.bars.start, asked.bars.stop))
    params = {"asset_class": story.asset_class}
    request = Request("bars", story.symbol, series.timeframe, first, last, params)
    return backfill(provider, [request], Lake(lake.data, clock), force=True, clock=clock)
