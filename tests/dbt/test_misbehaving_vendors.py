"""What Silver makes of vendors that misbehave: all they have, once, and why not what it refuses.

Vendors of stocks, crypto, currencies, news and company facts are asked over real HTTP while they
misbehave, run after run, and again after they have corrected some of what they said; all of it
lands in one lake. What Silver must hold is read from the vendors' own state.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq

from ingest.backfill import backfill
from ingest.lake import Lake
from ingest.providers.exchange_calendars import ExchangeCalendars
from ingest.settings import DataDir
from tests.dbt.warehouse import Warehouse, rows
from tests.fake_vendors.alpaca import FakeAlpaca
from tests.fake_vendors.coinbase import FakeCoinbase
from tests.fake_vendors.oanda import FakeOanda
from tests.fake_vendors.server import UNLIMITED
from tests.ingest.misbehaving import MISBEHAVIOURS, Runs, misbehave
from tests.ingest.truths import TRUTHS, Key, Truth

SEEDS = (1, 2)
"""What chance is made of, before and after the corrections."""

ALWAYS = ("doubles and shuffles rows", "sends rows beside")
"""What would double rows in Silver, if anything does."""

HOLIDAYS = {date(2025, 11, 27), date(2025, 12, 25), date(2026, 1, 1), date(2026, 1, 19)} | {
    date(2026, 2, 16)
}
"""Weekdays on which New York was closed; the local vendor has bars of them."""

UNTIMED_ARTICLE = "11"
BUILT = ("bars", "news_articles", "fundamentals", "record_balance", "reference_quarantined")

Prices = tuple[float, float, float, float]
"""Open, high, low and close."""

Grain = tuple[str, str, str, datetime]
"""Provider, symbol as asked for, timeframe, and start in Silver."""


@dataclass(frozen=True)
class Told:
    """What vendors said of bars that were asked for: the last that is good, and all that is not.

    `anything` is all they ever said, also of other bars, which some answers bring along.
    """

    good: dict[Grain, Prices] = field(default_factory=dict)
    bad: set[tuple[Grain, float, tuple[str, ...]]] = field(default_factory=set)
    anything: set[tuple[Grain, Prices]] = field(default_factory=set)
    articles: dict[str, str] = field(default_factory=dict)
    facts: dict[tuple[str, ...], str] = field(default_factory=dict)

    def listen(self, truth: Truth, prices: Mapping[Key, Prices]) -> None:
        """Note what a vendor says now."""
        wanted = truth.in_range()
        for key, said in prices.items():
            grain = grain_of(truth, key)
            self.anything.add((grain, said))
            if key not in wanted:
                continue
            if reasons := refused(grain, said):
                self.bad.add((grain, said[3], reasons))
            else:
                self.good[grain] = said
        for (_, dataset, *told), value in wanted.items():
            if dataset == "news":
                self.articles[str(told[0])] = str(value)
            elif dataset == "company_facts":
                self.facts[tuple(map(str, told))] = str(value)


def grain_of(truth: Truth, key: Key) -> Grain:
    """Return what Silver knows a bar by: a day starts at midnight of its session's date."""
    provider, _, symbol, timeframe, label = map(str, key)
    start = truth.moment(timeframe, label).astimezone(UTC).replace(tzinfo=None)
    if timeframe == "1d":
        start = start.replace(hour=0, minute=0)
    return provider, symbol, timeframe, start


def refused(grain: Grain, prices: Prices) -> tuple[str, ...]:
    """Return for which reasons Silver refuses a bar, in the order of the alphabet."""
    provider, symbol, _, start = grain
    _, high, low, close = prices
    is_stock = provider in ("alpaca_sip", "alpaca_iex")
    found = {
        "close_outside_range": low <= high and not low <= close <= high,
        "high_below_low": high < low,
        "no_session": is_stock and start.date() in HOLIDAYS,
        "unmapped_symbol": symbol == "MSFT",  # it is not among the assets
    }
    return tuple(reason for reason, is_so in found.items() if is_so)


# -- the vendors -----------------------------------------------------------------------------------


def coinbase_prices(truth: Truth) -> Iterator[tuple[Key, Prices]]:
    assert isinstance(truth.vendor, FakeCoinbase)
    for (symbol, length), candles in truth.vendor.candles.items():
        for start, text in candles.items():
            _, low, high, opened, close, _ = map(float, json.loads(text))
            key = ("coinbase", "bars", symbol, {3600: "1h", 86400: "1d"}[length], str(start))
            yield key, (opened, high, low, close)


def alpaca_prices(truth: Truth) -> Iterator[tuple[Key, Prices]]:
    assert isinstance(truth.vendor, FakeAlpaca)
    providers = {"sip": "alpaca_sip", "iex": "alpaca_iex", "crypto": "alpaca"}
    names = {"1Day": "1d", "1Min": "1m", "1Hour": "1h"}
    for (feed, symbol, timeframe), texts in truth.vendor.bars.items():
        for start, text in texts.items():
            bar = json.loads(text)
            key = (providers[feed], "bars", symbol, names[timeframe], start)
            yield key, (bar["o"], bar["h"], bar["l"], bar["c"])


def oanda_prices(truth: Truth) -> Iterator[tuple[Key, Prices]]:
    assert isinstance(truth.vendor, FakeOanda)
    for (symbol, granularity), starts in truth.vendor.candles.items():
        for start in starts:
            candle = truth.vendor._candle(start, granularity, "M")
            key = ("oanda", "bars", symbol, {"H1": "1h", "D": "1d"}[granularity], candle["time"])
            opened, high, low, close = (float(candle["mid"][name]) for name in "ohlc")
            yield key, (opened, high, low, close)


def plant_a_bad_candle(truth: Truth) -> None:
    assert isinstance(truth.vendor, FakeCoinbase)
    start = next(iter(truth.vendor.candles["BTC-USD", 3600])) + 80 * 3600
    truth.vendor.candles["BTC-USD", 3600][start] = f"[{start},200.0,100.0,150.0,150.0,1.5]"


def forget_when_an_article_was_written(truth: Truth) -> None:
    assert isinstance(truth.vendor, FakeAlpaca)
    truth.vendor.articles[int(UNTIMED_ARTICLE)].pop("created_at")


def correct_some_hours_well(truth: Truth) -> None:
    """Beside the corrections of `restate`, which are beyond the range of their bars."""
    assert isinstance(truth.vendor, FakeOanda)
    for start in sorted(truth.vendor.candles["EUR_USD", "H1"])[6:20:3]:
        truth.vendor.closes[start] = truth.vendor._candle(start, "H1", "M")["mid"]["o"]


def nothing(_: Truth) -> None:
    """Leave a vendor as it is."""


@dataclass(frozen=True)
class Vendor:
    """How a vendor is changed before it is asked, what it says of bars, and how it is corrected."""

    prices: Callable[[Truth], Iterator[tuple[Key, Prices]]] = lambda _: iter(())
    plant: Callable[[Truth], None] = nothing
    correct: Callable[[Truth], None] = nothing


VENDORS: Mapping[str, Vendor] = {
    "coinbase": Vendor(coinbase_prices, plant=plant_a_bad_candle),
    "alpaca": Vendor(alpaca_prices, plant=forget_when_an_article_was_written),
    "oanda": Vendor(oanda_prices, correct=correct_some_hours_well),
    "sec_edgar": Vendor(),
}


def land(name: str, data: DataDir, told: Told) -> None:
    """Ask a vendor until all of it is there, and again when it has corrected itself."""
    truth, vendor = TRUTHS[name](), VENDORS[name]
    truth.vendor.limits = UNLIMITED
    vendor.plant(truth)
    runs = Runs(truth, data)
    with truth.vendor.running():
        for seed in SEEDS:
            chance = random.Random(f"{name} {seed}")  # noqa: S311 - not for secrets
            misbehave(runs, [*ALWAYS, *chance.sample(list(MISBEHAVIOURS), 6)], chance)
            told.listen(truth, dict(vendor.prices(truth)))
            runs.run_until_all_is_there(force=seed != SEEDS[0])
            truth.vendor.recover()
            if seed != SEEDS[-1]:
                truth.restate()
                vendor.correct(truth)


def build(folder: Path, told: Told) -> Path:
    """Return a database of what all vendors came to say, built and tested by dbt."""
    warehouse = Warehouse(folder)
    data = DataDir(warehouse.data)
    now = datetime(2026, 11, 21, tzinfo=UTC)
    calendars = ExchangeCalendars(lambda: now)
    sessions = calendars.default_request("sessions")
    assert backfill(calendars, sessions, Lake(data, lambda: now), clock=lambda: now).is_complete
    for name in VENDORS:
        land(name, data, told)
    models = [f"+{model}" for model in BUILT]
    warehouse.build(
        *("--exclude-resource-type", "unit_test", "--indirect-selection", "cautious"),
        *("--select", *models),
    )
    return warehouse.database


# -- what Silver holds -----------------------------------------------------------------------------


def test_silver_holds_what_vendors_have_whatever_they_did(tmp_path: Path) -> None:
    told = Told()
    database = build(tmp_path, told)
    check_bars(database, told)
    check_quarantine(database, told)
    check_texts_and_figures(database, told)
    check_balance(database, DataDir(tmp_path / "data"))


def check_bars(database: Path, told: Told) -> None:
    """Each vendor's last good word on a bar is its current version, and no bar is doubled."""
    found = rows(
        database,
        "select provider, _symbol, timeframe, bar_start_at, open, high, low, close"
        " from silver.bar_versions where is_provider_current",
    )
    current = {(*row[:3], row[3]): tuple(row[4:]) for row in found}
    assert len(current) == len(found), "a vendor has two current versions of a bar"
    assert set(current.items()) <= told.anything
    wanted = {grain for grain, _, _ in told.bad} | told.good.keys()
    assert {grain: said for grain, said in current.items() if grain in wanted} == told.good
    assert {grain[0] for grain in told.good} == {
        *("coinbase", "alpaca_sip", "alpaca_iex", "alpaca", "oanda")
    }
    wrong = """
        with best as (
            select instrument_id, timeframe, bar_start_at, provider, close
            from silver.bar_versions
            where is_current
        ),

        native as (
            select instrument_id, timeframe, bar_start_at, provider, close
            from silver.bars
            where not is_derived
        )

        (from best except all from native)
        union all
        (from native except all from best)
        union all
        (
            select instrument_id, timeframe, bar_start_at, min(provider), min(close)
            from silver.bars
            group by all
            having count(*) > 1
        )
    """
    assert rows(database, wrong) == []


def check_quarantine(database: Path, told: Told) -> None:
    """Each bad word on a bar that was asked for is there with its reasons, and no other."""
    found = rows(
        database,
        "select distinct provider, _symbol, timeframe, bar_start_at,"
        " cast(original ->> 'close' as double), list_sort(reasons) from silver.bars_quarantined",
    )
    wanted = {grain for grain, _, _ in told.bad} | told.good.keys()
    kept = {((*row[:3], row[3]), row[4], tuple(row[5])) for row in found}
    assert {(grain, *why) for grain, *why in kept if grain in wanted} == told.bad
    assert {reason for _, _, reasons in told.bad for reason in reasons} == {
        *("close_outside_range", "high_below_low", "no_session", "unmapped_symbol")
    }


def check_texts_and_figures(database: Path, told: Told) -> None:
    """An article and a figure end at the vendor's last word; what is bad of them says why."""
    articles = rows(
        database, "select article_id, headline from silver.news_articles where is_current"
    )
    assert len(dict(articles)) == len(articles) > 50
    assert dict(articles) == {k: v for k, v in told.articles.items() if k != UNTIMED_ARTICLE}
    refused_articles = rows(
        database,
        "select distinct original ->> 'article_id', reasons from silver.reference_quarantined"
        " where dataset = 'news'",
    )
    assert refused_articles == [(UNTIMED_ARTICLE, ["missing_value"])]
    facts = rows(
        database,
        """
        select provider_symbol, split_part(vendor_concept, ':', 2), filing_id, value_text
        from silver.fundamentals
        where provider = 'sec_edgar'
        qualify
            version_no = max(version_no) over (
                partition by provider_symbol, vendor_concept, filing_id
            )
        """,
    )
    assert len(facts) == len(told.facts) > 20
    assert {tuple(row[:3]): float(row[3]) for row in facts} == {
        fact: float(value) for fact, value in told.facts.items()
    }


def check_balance(database: Path, data: DataDir) -> None:
    """Each record that landed is either accepted or in quarantine."""
    landed = sum(pq.read_metadata(path).num_rows for path in data.raw.rglob("*.parquet"))
    found = rows(
        database,
        "select bool_and(is_balanced), sum(landed_count), sum(accepted_count + quarantined_count)"
        " from ops.record_balance",
    )
    assert found == [(True, landed, landed)]
