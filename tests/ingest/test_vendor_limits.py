"""The limits that vendors document, as local ones enforce them, and the policies that ship.

How limits are kept is for `test_limits.py`; here the loader keeps to those of the vendors.
"""

import asyncio
import random
import selectors
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from ingest.limits import RateLimiter
from ingest.providers.alpaca import Alpaca
from ingest.providers.alpha_vantage import AlphaVantage
from ingest.providers.binance import Binance
from ingest.providers.coinbase import Coinbase
from ingest.providers.fmp import Fmp
from ingest.providers.kraken import Kraken
from ingest.providers.oanda import Oanda
from ingest.providers.reddit import Reddit
from ingest.providers.sec_edgar import SecEdgar
from ingest.rest import RestProvider
from tests.fake_vendors.alpaca import FakeAlpaca
from tests.fake_vendors.alpha_vantage import FakeAlphaVantage
from tests.fake_vendors.binance import FakeBinance
from tests.fake_vendors.coinbase import FakeCoinbase
from tests.fake_vendors.fmp import FakeFmp
from tests.fake_vendors.kraken import FakeKraken
from tests.fake_vendors.oanda import FakeOanda
from tests.fake_vendors.reddit import FakeReddit
from tests.fake_vendors.sec_edgar import FakeSecEdgar
from tests.fake_vendors.server import FakeVendor, Reply

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """A vendor and who asks it: once for all of `once`, then for `often` again and again."""

    vendor: FakeVendor
    kind: type[RestProvider]
    often: str
    once: Sequence[str] = ()


def cases() -> list[Case]:
    """Return every vendor, with the limits it has when nobody sets others."""
    return [
        Case(FakeCoinbase(now=0), Coinbase, "/products/BTC-USD/candles", ["/products"]),
        Case(FakeKraken(now=0), Kraken, "/0/public/OHLC", ["/0/public/AssetPairs"]),
        Case(FakeBinance(now=NOW), Binance, "/api/v3/klines", ["/api/v3/exchangeInfo"]),
        Case(FakeOanda(now=NOW, token="t"), Oanda, "/v3/instruments/EUR_USD/candles"),  # noqa: S106
        Case(FakeSecEdgar(), SecEdgar, "/api/xbrl/companyfacts/CIK0000000001.json"),
        Case(FakeReddit(), Reddit, "/r/stocks/new", ["/api/v1/access_token"]),
        Case(FakeAlphaVantage(), AlphaVantage, "/query?function=OVERVIEW&symbol=IBM"),
        Case(FakeFmp(), Fmp, "/stable/profile?symbol=AAPL"),
        Case(FakeAlpaca(now=NOW, key=("k", "s")), Alpaca, "/v2/assets"),
    ]


@pytest.fixture(params=[case.kind.name for case in cases()])
def case(request: pytest.FixtureRequest) -> Case:
    return next(case for case in cases() if case.kind.name == request.param)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time only waiting moves, and then at once."""

    def __init__(self) -> None:
        super().__init__(_Selector(self))
        self.now = 1000.0

    def time(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for somebody else"
        self._loop.now += max(0.0, timeout)
        return super().select(0)


def test_a_policy_that_ships_is_never_throttled(case: Case) -> None:
    """Ask as fast as the policy allows, for more than two of the vendor's longest windows."""
    policy, vendor = case.kind.policy, case.vendor
    # What goes over a rate by a tenth takes ten times a bucket's filling to run it over.
    spans = (2.2 * limit.seconds + 11 * (limit.burst or 0) for limit in vendor.limits)
    seconds = max(spans)
    chance = random.Random(case.kind.name)  # noqa: S311 - not for secrets
    todo = list(case.once)

    async def ask(loop: VirtualLoop) -> None:
        vendor.monotonic = loop.time
        limiter = RateLimiter(
            policy.limits, patience_seconds=1e9, monotonic=loop.time, sleep=asyncio.sleep
        )
        until = loop.time() + seconds

        async def asking() -> None:
            while loop.time() < until:
                with await limiter.acquire() as permit:
                    permit.sent()
                    await asyncio.sleep(chance.choice([*18 * [0.01], 0.1, 0.4]))
                    vendor.receive("GET", todo.pop() if todo else case.often, {}, "")
                    await asyncio.sleep(0.005)
                    permit.answered()

        # More at once than the policy lets: only its limits hold them back.
        await asyncio.gather(*(asking() for _ in range(max(8, policy.concurrency))))

    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(ask(loop))
    assert vendor.throttled_count == 0
    allowed = min(seconds * limit.requests / limit.per_seconds for limit in policy.limits)
    assert len(vendor.asked) > 0.8 * allowed, "or it was not asked as fast as that"


def test_what_is_beyond_a_documented_limit_is_refused_in_the_vendor_s_way(case: Case) -> None:
    vendor, now = case.vendor, 1e6
    vendor.monotonic = lambda: now
    assert vendor.limits
    for number, limit in enumerate(vendor.limits, 1):
        vendor.limits = (limit,)

        def asked() -> Reply:
            return vendor.receive("GET", case.often, {}, "")

        good = asked()
        room = (limit.burst or limit.requests) // vendor.weight(vendor.asked[0])
        assert [asked() for _ in range(room - 1)] == [good] * (room - 1)
        refusal = vendor.throttled(vendor.asked[-1], limit.requests, limit.seconds)
        assert asked() == refusal != good
        now += max(limit.seconds, limit.blocks_seconds) - 0.001
        if not limit.burst:
            assert asked() == refusal
        now += limit.blocks_seconds + 0.002
        assert asked() == good
        assert vendor.throttled_count == number * (1 if limit.burst else 2)
