"""What pulls.yml declares of vendors with small free plans, against vendors that are as small."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from ingest.backfill import LandingReport, land_all
from ingest.lake import Lake
from ingest.providers import make_providers
from ingest.providers.alpha_vantage import AlphaVantage
from ingest.providers.fmp import Fmp
from ingest.pulls import asks, read_pulls
from ingest.rest import RestProvider
from ingest.settings import PROJECT_ROOT, DataDir, Environment, Settings
from tests.fake_vendors.alpha_vantage import FakeAlphaVantage, row
from tests.fake_vendors.fmp import FakeFmp
from tests.fake_vendors.server import UNLIMITED, FakeVendor
from tests.ingest.asking import HASTY, at

NOW = at("2026-03-10T12:34:56")
DAY = timedelta(days=1)
KEYS = {"ALPHA_VANTAGE_API_KEY": "key", "FMP_API_KEY": "key", "NO_PROXY": "127.0.0.1"}


@dataclass
class Schedule:
    """Runs of the shipped entries of one vendor, and how many questions each of them cost."""

    kind: type[RestProvider]
    vendor: FakeVendor
    data: DataDir
    now: datetime = NOW

    def clock(self) -> datetime:
        return self.now

    def run(self) -> list[LandingReport]:
        variables = {**KEYS, f"TAPEHOUSE_{self.kind.name.upper()}_URL": self.vendor.url}
        settings = Settings(data_dir=self.data.root)
        settings.__dict__["environment"] = Environment(KEYS)
        own = self.kind(Environment(variables), self.clock, policy=HASTY)
        providers = {**make_providers(settings, self.clock), self.kind.name: own}
        entries = read_pulls(PROJECT_ROOT / "pulls.yml", providers, self.clock)
        wanted = asks(entries, self.clock, provider=self.kind.name)
        return land_all(wanted, Lake(self.data, clock=self.clock), clock=self.clock)

    def most_a_day(self, days: int, every: timedelta) -> int:
        """Return the most questions within 24 hours; every run must land all it asks for."""
        costs: list[tuple[datetime, int]] = []
        end = self.now + days * DAY
        while self.now < end:
            self.vendor.forget()
            reports = self.run()
            assert all(report.is_complete for report in reports)
            costs.append((self.now, len(self.vendor.asked)))
            self.now += every
        return max(
            sum(cost for at_, cost in costs if first <= at_ < first + DAY) for first, _ in costs
        )


@pytest.fixture
def alpha_vantage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Schedule]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    names = ("IBM", "MSFT")
    weekdays = [date(2025, 9, 1) + n * DAY for n in range(230)]
    prices = {f"{day}": row("1", "1", "1", "1", "1") for day in weekdays if day.isoweekday() < 6}
    report = {"fiscalDateEnding": "2025-12-31", "reportedCurrency": "USD"}
    statements = ("INCOME_STATEMENT", "BALANCE_SHEET", "CASH_FLOW")
    listing = "symbol,name,exchange,assetType,ipoDate,delistingDate,status\nA,A,NYSE,Stock,,,\n"
    vendor = FakeAlphaVantage(
        is_free=True,
        limits=UNLIMITED,  # of a day that passes in seconds; the questions are counted here
        rows={("equity", name, "daily"): dict(prices) for name in names},
        tables={
            **{("SPLITS", name): "effective_date,split_factor\n2021-11-04,2\n" for name in names},
            **{
                ("DIVIDENDS", name): "ex_dividend_date,declaration_date,record_date,payment_date"
                ",amount\n2026-02-10,2026-01-27,2026-02-10,2026-03-10,1.68\n"
                for name in names
            },
            **{("LISTING_STATUS", state): listing for state in ("active", "delisted")},
        },
        objects={
            **{("OVERVIEW", name): {"Symbol": name} for name in names},
            **{
                (function, name): {
                    "symbol": name,
                    "annualReports": [report],
                    "quarterlyReports": [report],
                }
                for function in statements
                for name in names
            },
        },
    )
    with vendor.running():
        yield Schedule(AlphaVantage, vendor, DataDir(tmp_path))


@pytest.fixture
def fmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Schedule]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    names = ("AAPL", "GOOG", "MSFT")
    about = {"date": "2025-12-31", "period": "FY"}
    paths = ("splits", "dividends", "profile", "historical-price-eod/non-split-adjusted")
    statements = ("income-statement", "balance-sheet-statement", "cash-flow-statement")
    kinds = (*paths, *(f"{path}/annual" for path in statements))
    rows = {(kind, name): [{**about, "symbol": name}] for kind in kinds for name in names}
    vendor = FakeFmp(is_free=True, limits=UNLIMITED, today=f"{NOW:%Y-%m-%d}", rows=rows)
    with vendor.running():
        yield Schedule(Fmp, vendor, DataDir(tmp_path))


def test_twenty_five_questions_a_day_are_enough_for_runs_at_any_hour(
    alpha_vantage: Schedule,
) -> None:
    assert 14 < alpha_vantage.most_a_day(days=8, every=timedelta(hours=5)) <= 25


def test_two_hundred_and_fifty_questions_a_day_are_enough_and_none_is_refused(
    fmp: Schedule,
) -> None:
    assert 20 < fmp.most_a_day(days=2, every=timedelta(hours=6)) <= 250
    assert fmp.now > NOW


def test_what_runs_once_a_day_asks_for_the_newest_each_time(alpha_vantage: Schedule) -> None:
    asked = []
    for _ in range(3):
        alpha_vantage.vendor.forget()
        alpha_vantage.run()
        functions = [each.params["function"] for each in alpha_vantage.vendor.asked]
        asked.append(functions.count("TIME_SERIES_DAILY"))
        alpha_vantage.now += DAY - timedelta(minutes=1)
    assert asked == [2, 2, 2]
