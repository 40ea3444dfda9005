"""A small warehouse of the data that comes with the project: built, changed and judged."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from ingest.backfill import backfill
from ingest.lake import Lake
from ingest.provider import Provider, Request
from ingest.providers.exchange_calendars import ExchangeCalendars
from ingest.providers.sample import Sample
from ingest.providers.simulator import START, Simulator
from ingest.settings import DataDir
from orchestration.quality import CHECKS_DIR, QualityReport, run_checks
from tests.dbt.fundamentals import land_fundamentals
from tests.dbt.landing import Landing
from tests.dbt.news import land_news
from tests.dbt.research import land_figures, land_moods
from tests.dbt.simulated import land_simulated_trading, some_pairs, some_stocks
from tests.dbt.ticks import land_ticks
from tests.dbt.trading import land_trading

LANDED_AT = datetime(2024, 2, 28, tzinfo=UTC)
NOW = LANDED_AT + timedelta(days=2)
SIMULATED_DAYS = 8
"""Twice the days in which the simulator makes each of its mistakes once."""


def land_demo(data: DataDir) -> None:
    """Land the sample, a simulated pair, the calendars, and what simulated accounts trade."""
    lake = Lake(data, lambda: LANDED_AT)
    sample, simulator, calendars = (
        Sample(lake.clock),
        Simulator(lake.clock, faults=True),
        ExchangeCalendars(lake.clock),
    )
    week = Request("bars", "SIM-BTC/USD", "1m", START, START + timedelta(days=SIMULATED_DAYS))
    land(lake, calendars, *calendars.default_request("sessions"))
    land(lake, simulator, week)
    land(lake, simulator, *simulator.default_request("instruments"))
    for dataset in sample.datasets:
        land(lake, sample, *sample.default_request(dataset))
    land_trading(Landing(data), bad=False)
    markets = [*some_stocks(), *some_pairs(SIMULATED_DAYS)]
    # Without faults: dead letters would warn.
    land_simulated_trading(data, markets, fetched=LANDED_AT, faults=False)
    land_fundamentals(Landing(data), bad=False)
    land_news(Landing(data), bad=False)
    land_figures(Landing(data), "IBM", 2011)
    land_moods(Landing(data))
    land_ticks(Landing(data), day=f"{LANDED_AT:%Y-%m-%d}", bad=False)


def land(lake: Lake, provider: Provider, *requests: Request) -> None:
    report = backfill(provider, requests, lake, clock=lake.clock)
    assert report.is_complete, report.failures


def copy(source: Path, target: Path) -> Path:
    shutil.copyfile(source, target)
    return target


def change(database: Path, sql: str) -> None:
    """Run statements on a database file."""
    with duckdb.connect(str(database)) as connection:
        for statement in sql.split(";"):
            connection.execute(statement).fetchall()


def judge(
    database: Path,
    *,
    published: Path | None = None,
    checks_dir: Path = CHECKS_DIR,
    now: datetime = NOW,
) -> QualityReport:
    """Run the gate over a database file, as a build does."""
    with duckdb.connect(str(database)) as connection:
        if published:
            connection.execute(f"attach '{published}' as published (read_only)")
        return run_checks(connection, now=now, checks_dir=checks_dir)
