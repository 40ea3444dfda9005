"""A small warehouse of the data that comes with the project: built, changed and judged."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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


def names(sql: str) -> set[str]:
    """Return everything in a statement that reads as `schema.table`."""
    return set(re.findall(r"\b\w+\.\w+\b", sql))


class Views:
    """A warehouse in memory that shows every table of a file, which nobody changes.

    A case copies only the tables that it changes, and leaves everything as it was.
    """

    def __init__(self, database: Path) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(f"attach '{database}' as built (read_only)")
        found = self.connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'built'"
        ).fetchall()
        self._tables = {f"{schema}.{table}" for schema, table in found}
        for schema in sorted({schema for schema, _ in found}):
            self.connection.execute(f"create schema {schema}")
        for table in self._tables:
            self._show(table)
        self._views = dict(
            self.connection.execute(
                "select schema_name || '.' || view_name, sql from duckdb_views()"
                " where database_name = 'built' and schema_name in ('silver', 'gold', 'ops')"
            ).fetchall()
        )
        for sql in self._views.values():
            self.connection.execute(sql)

    def _show(self, table: str) -> None:
        self.connection.execute(f"create view {table} as from built.{table}")

    def _named(self, sql: str) -> set[str]:
        return self._tables & names(sql)

    def _run(self, sql: str) -> None:
        for statement in sql.split(";"):
            self.connection.execute(statement).fetchall()

    @contextmanager
    def changed(self, sql: str) -> Iterator[None]:
        """Change tables, meanwhile."""
        named = self._named(sql)
        for table in named:
            self.connection.execute(f"drop view {table}")
            self.connection.execute(f"create table {table} as from built.{table}")
        try:
            self._run(sql)
            yield
        finally:
            self.connection.execute("use memory")
            for table in named:
                self.connection.execute(f"drop table {table}")
                self._show(table)
            for view in self._views.keys() & names(sql):
                self.connection.execute(f"drop view {view}")
                self.connection.execute(self._views[view])

    @contextmanager
    def published(self, table: str, sql: str) -> Iterator[None]:
        """Attach a published version that holds one table, and what `sql` names, changed by it."""
        self.connection.execute("attach ':memory:' as published")
        self.connection.execute("use published")
        try:
            for name in self._named(f"{table}; {sql}"):
                self.connection.execute(f"create schema if not exists {name.split('.')[0]}")
                self.connection.execute(f"create table {name} as from built.{name}")
            self._run(sql)
            self.connection.execute("use memory")
            yield
        finally:
            self.connection.execute("use memory")
            self.connection.execute("detach published")

    def judge(self, checks_dir: Path) -> QualityReport:
        """Run the gate over what is shown."""
        return run_checks(self.connection, now=NOW, checks_dir=checks_dir)


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
