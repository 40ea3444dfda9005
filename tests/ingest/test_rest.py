"""What vendors asked over HTTP share, shown with one made up here."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from ingest.http import Policy
from ingest.limits import RateLimit
from ingest.provider import (
    AccessError,
    Answer,
    Dataset,
    ProviderError,
    QuotaSpentError,
    Request,
    TerminalError,
    UnavailableError,
    UnknownSymbolError,
    fields,
)
from ingest.providers import make_providers, secret_values
from ingest.rest import RestProvider, range_of, step_of, symbol_of
from ingest.settings import Environment, Settings
from ingest.symbols import Spelling
from ingest.vendor_state import read_states
from tests.fake_vendors.server import Asked, FakeVendor, Fault, Reply, message, reply

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC)
KEY = "k3y-of-the-shop"
POLICY = Policy(limits=(), attempts=1, attempt_seconds=2, deadline_seconds=5)


class Shop(RestProvider):
    """A vendor with a key in the query."""

    name = "shop"
    account: ClassVar[str | None] = "mall"
    base_url = "http://127.0.0.1:1"
    policy = POLICY
    spelling = Spelling(share_class="-", pair="")
    secret_names = ("SHOP_KEY",)
    windows: ClassVar = {"bars": 24, "news": timedelta(days=7)}
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "bars": Dataset(
            "bars", fields("t"), timeframes=("1h", "1d"), asset_classes=("equity", "fx")
        ),
        "news": Dataset("news", fields("id"), is_by_symbol=False),
        "trades": Dataset("trades", fields("id")),
        "listings": Dataset("listings", fields("id"), kind="extract", is_by_symbol=False),
        "profiles": Dataset("profiles", fields("id"), kind="extract"),
    }

    def params(self) -> Mapping[str, str]:
        return {"apikey": self.secrets["SHOP_KEY"]}

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        del status, headers
        return UnknownSymbolError("no such symbol") if "unknown symbol" in text else None

    def remaining(self, headers: Mapping[str, str]) -> int | None:
        return int(headers["X-Left"]) if "X-Left" in headers else None

    async def ask_profiles(self, request: Request) -> Answer:
        record = await self.http.get(f"/profiles/{request.symbol}", {}, dict)
        return Answer(request, self.clock(), [record])


class OtherShop(Shop):
    """Another provider of the same vendor."""

    name = "other_shop"


class FakeShop(FakeVendor):
    """The vendor itself: it knows one symbol and one key."""

    def answer(self, asked: Asked) -> Reply:
        if asked.params.get("apikey") != KEY:
            return message(401, f"bad key {asked.params.get('apikey')}")
        if asked.path != "/profiles/IBM":
            return reply({"error": f"unknown symbol in {asked.path}"})
        return Reply(body='{"id": "IBM", "price": 1.10}', headers={"X-Left": "17"})


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeShop]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeShop().running() as running:
        yield running


def shop(
    vendor: FakeShop | None = None,
    *,
    key: str = KEY,
    kind: type[Shop] = Shop,
    policy: Policy | None = None,
    state_dir: Path | None = None,
) -> Shop:
    variables = {"SHOP_KEY": key}
    if vendor is not None:
        variables[f"TAPEHOUSE_{kind.name.upper()}_URL"] = vendor.url
    environment = Environment(variables)
    return kind(environment, lambda: NOW, policy=policy, state_dir=state_dir)


def fetch(provider: Shop, request: Request) -> Answer:
    async def asking() -> Answer:
        try:
            return await provider.fetch(request)
        finally:
            await provider.close()

    return asyncio.run(asking())


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def windows(dataset: str, start: str, end: str, timeframe: str | None = None) -> list[str]:
    request = Request(dataset, "IBM", timeframe, at(start), at(end))
    return [f"{part.start:%m-%dT%H:%M} {part.end:%m-%dT%H:%M}" for part in shop().split(request)]


# -- windows ---------------------------------------------------------------------------------------


def test_windows_of_bars_lie_on_a_grid_and_end_with_the_bar_in_progress() -> None:
    assert windows("bars", "2026-03-08T10:20", "2026-04-01T00:00", "1h") == [
        "03-08T10:00 03-09T00:00",
        "03-09T00:00 03-10T00:00",
        "03-10T00:00 03-10T13:00",
    ]


def test_windows_of_time_need_no_timeframe() -> None:
    # Weeks counted from Thursday, 1 January 1970.
    assert windows("news", "2026-03-04T10:20", "2026-03-10T12:00") == [
        "03-04T10:20 03-05T00:00",
        "03-05T00:00 03-10T12:00",
    ]


def test_without_a_window_a_range_is_asked_for_whole_up_to_now() -> None:
    assert windows("trades", "2020-03-04T10:20", "2027-01-01T00:00") == ["03-04T10:20 03-10T12:34"]
    assert windows("trades", "2026-03-11T00:00", "2027-01-01T00:00") == []


def test_what_is_not_asked_by_range_is_asked_once() -> None:
    request = Request("listings")
    assert list(shop().split(request)) == [request]


# -- asking ----------------------------------------------------------------------------------------


def test_a_dataset_is_asked_by_the_method_of_its_name(vendor: FakeShop) -> None:
    provider = shop(vendor)
    answer = fetch(provider, Request("profiles", "IBM"))
    assert answer.records == [{"id": "IBM", "price": "1.10"}]
    assert answer.fetched_at == NOW
    assert provider.http.remaining == 17


def test_the_vendors_own_reading_is_asked(vendor: FakeShop) -> None:
    with pytest.raises(UnknownSymbolError, match="no such symbol"):
        fetch(shop(vendor), Request("profiles", "NOPE"))


def test_without_its_key_nothing_is_asked(vendor: FakeShop) -> None:
    provider = shop(vendor, key=" ")
    assert provider.missing_secrets == ("SHOP_KEY",)
    with pytest.raises(AccessError, match="shop needs SHOP_KEY: set it in the environment"):
        fetch(provider, Request("profiles", "IBM"))
    assert vendor.asked == []


@pytest.mark.parametrize(
    ("request_", "needs"),
    [
        (Request("profiles"), "a symbol"),
        (Request("trades", "IBM"), "a start and an end"),
        (Request("bars", "IBM", "1m", NOW - DAY, NOW), "one of the timeframes 1h, 1d"),
        (Request("news", None, None, NOW - DAY), "a start and an end"),
        (
            Request("bars", "IBM", "1h", NOW - DAY, NOW, {"asset_class": "crypto"}),
            "one of the asset classes equity, fx",
        ),
    ],
    ids=["no symbol", "no range", "timeframe not offered", "no end", "asset class not offered"],
)
def test_incomplete_requests_are_refused_whole(request_: Request, needs: str) -> None:
    provider = shop()
    assert list(provider.split(request_)) == [request_]
    with pytest.raises(TerminalError, match=f"are asked by {needs}: complete the request"):
        fetch(provider, request_)


@pytest.mark.parametrize(
    ("read", "needs"),
    [(symbol_of, "a symbol"), (range_of, "a start"), (step_of, "a timeframe")],
)
def test_what_a_dataset_is_not_asked_by_is_missed_when_it_is_read(
    read: Callable[[Request], object], needs: str
) -> None:
    with pytest.raises(TerminalError, match=f"listings: needs {needs}: complete the request"):
        read(Request("listings"))


def test_symbols_are_spelled_the_vendors_way() -> None:
    assert shop().spell("BRK.B", "equity") == "BRK-B"
    assert shop().spell("BTC/USD", "crypto") == "BTCUSD"


# -- what outlives a process -----------------------------------------------------------------------


def test_providers_of_one_account_share_its_limits(vendor: FakeShop, tmp_path: Path) -> None:
    policy = Policy(limits=(RateLimit(2, per_seconds=86400),), attempts=1, deadline_seconds=5)
    request = Request("profiles", "IBM")
    for kind in (Shop, OtherShop):
        fetch(shop(vendor, kind=kind, policy=policy, state_dir=tmp_path), request)
    for kind in (Shop, OtherShop):
        with pytest.raises(QuotaSpentError):
            fetch(shop(vendor, kind=kind, policy=policy, state_dir=tmp_path), request)
    assert len(vendor.asked) == 2
    assert [state.provider for state in read_states(tmp_path)] == ["other_shop", "shop"]


def test_another_key_has_limits_of_its_own(vendor: FakeShop, tmp_path: Path) -> None:
    policy = Policy(limits=(RateLimit(1, per_seconds=86400),), attempts=1, deadline_seconds=5)
    request = Request("profiles", "IBM")
    fetch(shop(vendor, policy=policy, state_dir=tmp_path), request)
    with pytest.raises(AccessError):
        fetch(shop(vendor, key="other-key", policy=policy, state_dir=tmp_path), request)
    assert len(vendor.asked) == 2


def test_a_refused_key_stops_the_next_process_until_it_is_another(
    vendor: FakeShop, tmp_path: Path
) -> None:
    request = Request("profiles", "IBM")
    with pytest.raises(AccessError):
        fetch(shop(vendor, key="wr0ng-key", state_dir=tmp_path), request)
    with pytest.raises(UnavailableError) as caught:
        fetch(shop(vendor, key="wr0ng-key", state_dir=tmp_path), request)
    assert len(vendor.asked) == 1
    assert fetch(shop(vendor, state_dir=tmp_path), request).records
    kept = "".join(
        file.name + file.read_bytes().decode(errors="replace") for file in tmp_path.iterdir()
    )
    assert "wr0ng-key" not in kept + str(caught.value)
    assert KEY not in kept


def test_a_storm_of_one_symbol_stops_no_other(vendor: FakeShop, tmp_path: Path) -> None:
    for _ in range(10):
        with pytest.raises(UnknownSymbolError):
            fetch(shop(vendor, state_dir=tmp_path), Request("profiles", "NOPE"))
    vendor.fail("NOPE", Fault(404, "gone"))
    with pytest.raises(TerminalError):
        fetch(shop(vendor, state_dir=tmp_path), Request("profiles", "NOPE"))
    assert fetch(shop(vendor, state_dir=tmp_path), Request("profiles", "IBM")).records


# -- the registry ----------------------------------------------------------------------------------


def test_every_vendor_can_be_made_without_keys_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir=tmp_path / "data")
    providers = make_providers(settings, lambda: NOW)
    assert {"coinbase", "sample", "simulator"} <= providers.keys()
    assert not settings.data.vendors.exists()
    for provider in providers.values():
        asyncio.run(provider.close())


def test_secrets_of_vendors_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.providers.VENDORS", (Shop,))
    assert secret_values(Environment({"SHOP_KEY": KEY, "OTHER": "x"})) == (KEY,)
    assert secret_values(Environment({"OTHER": "x"})) == ()
