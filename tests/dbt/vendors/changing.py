"""Vendors that change their mind: real loaders ask local servers again and again, force included.

Ten hours of one day are asked for. The third hour's close goes from 101 to 102 and back to 101, and
again to 102, when asked for with one other, and back: the last answer is only a confirmation. The
sixth is restated, the tenth is in progress when first asked for, and the second answer comes in
disorder, with some of its rows twice.

Of a later day Coinbase answers with nothing for half of each of two spans of four hours: once for
the first, and for the second again three days on.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.backfill import LandingReport, backfill
from ingest.http import Policy
from ingest.lake import Lake
from ingest.limits import RateLimit
from ingest.provider import Request
from ingest.providers.binance import Binance
from ingest.providers.coinbase import Coinbase
from ingest.providers.kraken import Kraken
from ingest.rest import RestProvider
from ingest.settings import Environment
from tests.dbt.landing import HOUR, Landing, bars, coinbase_bars, product
from tests.fake_vendors.binance import FakeBinance
from tests.fake_vendors.coinbase import FakeCoinbase
from tests.fake_vendors.kraken import FakeKraken
from tests.fake_vendors.server import UNLIMITED, FakeVendor, Fault
from tests.fake_vendors.spoiling import rearranged

START = datetime(2026, 3, 10, tzinfo=UTC)
HOURS = 10


@dataclass(frozen=True)
class Asked:
    """When which hours were asked for, and how those closed that did not close at 100."""

    at: datetime
    hours: range
    closes: Mapping[int, str]
    is_in_disorder: bool = False


def _on_the_day(hour: int, minute: int = 0) -> datetime:
    return START + timedelta(hours=hour, minutes=minute)


ALL_HOURS = range(HOURS)
ASKED = (
    Asked(_on_the_day(9, 34), ALL_HOURS, {2: "101.0", 5: "100.5", 9: "99.0"}),
    Asked(_on_the_day(11), ALL_HOURS, {2: "102.0", 5: "100.5", 9: "105.5"}, is_in_disorder=True),
    Asked(_on_the_day(13), ALL_HOURS, {2: "101.0", 5: "103.25", 9: "105.5"}),
    Asked(_on_the_day(15), range(2, 4), {2: "102.0", 5: "103.25", 9: "105.5"}),
    Asked(_on_the_day(17), ALL_HOURS, {2: "101.0", 5: "103.25", 9: "105.5"}),
)

INSTRUMENTS = {
    "coinbase": "crypto:LTC/USD",
    "kraken": "crypto:ETH/BTC",
    "binance": "crypto:LUNA/USDT",
}

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
    vendor = FakeBinance(now=START)

    def tell(now: int, closes: Mapping[datetime, str]) -> None:
        vendor.now = datetime.fromtimestamp(now, UTC)
        rows = vendor.fill("LUNAUSDT", "1h", START, HOURS)
        for row, close in zip(rows.values(), closes.values(), strict=True):
            row[1:5] = ["100.0", "110.0", "90.0", close]

    return Story(vendor, Binance, "LUNAUSDT", tell)


def land(lake: Landing) -> None:
    """Ask each vendor again and again."""
    lake.land("coinbase", "products", [product("LTC-USD")], fetched="2026-03-01T00:00Z")
    for story in (coinbase(), kraken(), binance()):
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
    closes = {START + hour * HOUR: asked.closes.get(hour, "100.0") for hour in ALL_HOURS}
    story.tell(int(asked.at.timestamp()), closes)
    if asked.is_in_disorder:
        chance = random.Random(1)  # noqa: S311 - not for secrets
        story.vendor.fail(
            "",
            Fault(change=lambda text: rearranged(text, chance, is_doubled=True, is_shuffled=True)),
        )
    variables = {
        f"TAPEHOUSE_{story.kind.name.upper()}_URL": story.vendor.url,
        "NO_PROXY": "127.0.0.1",
    }

    def clock() -> datetime:
        return asked.at

    provider = story.kind(Environment(variables), clock, policy=HASTY)
    first, last = START + asked.hours.start * HOUR, START + asked.hours.stop * HOUR
    request = Request("bars", story.symbol, "1h", first, last, {"asset_class": "crypto"})
    return backfill(provider, [request], Lake(lake.data, clock), force=True, clock=clock)
