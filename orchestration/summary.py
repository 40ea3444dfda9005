"""What a person reads at the end of a run: counts, checks, times, and what to try next.

Only reads: the published file, the run records, the lake's ledger, the state of vendors.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingest.backfill import Failure, LandingReport
from ingest.clock import Clock, utc_now
from ingest.lake import Lake
from ingest.provider import Provider
from ingest.pulls import Entry
from ingest.refusals import REFUSALS, Refusal, refusals
from ingest.rest import quota_left, window_seconds
from ingest.settings import DataDir
from ingest.vendor_state import BreakerState, read_states
from orchestration import publication
from orchestration.features import Snapshot
from orchestration.run_records import RunRecord, latest_record

DATASETS = """
    with superseded as (
        select provider, count(*) filter (where not is_current) as superseded_count
        from silver.bar_versions
        group by provider
    ),
    balance as (
        select
            provider,
            dataset,
            sum(landed_count) as landed,
            sum(accepted_count) as accepted,
            sum(quarantined_count) as quarantined
        from ops.record_balance
        group by all
    )
    select
        balance.provider,
        balance.dataset,
        landed,
        accepted - case when dataset = 'bars' then coalesce(superseded_count, 0) else 0 end,
        case when dataset = 'bars' then coalesce(superseded_count, 0) else 0 end,
        quarantined
    from balance left join superseded on balance.provider = superseded.provider
    order by balance.provider, balance.dataset
"""
TABLES = """
    select table_schema || '.' || table_name
    from information_schema.tables
    where table_schema in ('gold', 'silver', 'ops') and table_name not like 'int\\_%' escape '\\'
    order by case table_schema when 'gold' then 0 when 'silver' then 1 else 2 end, table_name
"""
PERFORMANCE = """
    select
        entity,
        base_currency,
        trade_count,
        win_rate,
        total_return,
        sharpe_annualized,
        max_drawdown,
        net_pnl_base
    from gold.mart_trading_performance
    where entity_type = 'strategy' and period_type = 'all' and is_simulated
    order by entity, base_currency, periods_per_year
"""
EXAMPLES = (
    "select symbol, price, price_at, change_pct from gold.latest_prices;",
    "select reasons, count(*) from silver.bars_quarantined group by all order by 2 desc;",
)


SYMBOLS_SHOWN = 4
DIFFERENCES_SHOWN = 10
UNUSUAL = ("refused before", "not asked", "asked elsewhere")
"""Columns that are shown when there is something in them."""


def show_snapshots(console: Console, folder: Path, snapshots: Sequence[Snapshot]) -> None:
    """Print what an export of features wrote, and which snapshots would differ today and how."""
    counts = Counter(snapshot.outcome for snapshot in snapshots)
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items()))
    console.print(f"{told or 'Nothing to export'} in {folder}", highlight=False, soft_wrap=True)
    differing = [snapshot for snapshot in snapshots if snapshot.outcome == "differs"]
    for snapshot in differing[:DIFFERENCES_SHOWN]:
        console.print(
            f"[red]{snapshot.date}[/] would differ: {escape(snapshot.difference)}",
            highlight=False,
            soft_wrap=True,
        )
    if len(differing) > DIFFERENCES_SHOWN:
        console.print(f"and {len(differing) - DIFFERENCES_SHOWN:,} more")
    if differing:
        console.print(
            "Snapshots are left as they are; --force writes them anew, for models that are then"
            " trained anew",
            soft_wrap=True,
        )


def show_landed(console: Console, reports: Iterable[LandingReport]) -> None:
    """Print what a run landed, and what it could not get and why; alike failures once."""
    reports = list(reports)
    counted = {
        "requests": [report.asked for report in reports],
        "rows": [report.rows for report in reports],
        "unchanged": [report.confirmed for report in reports],
        "dead letters": [report.dead_letters for report in reports],
        "failed": [len(report.failures) + len(report.partial) for report in reports],
        "refused before": [len(report.refused) for report in reports],
        "not asked": [report.not_asked.total() for report in reports],
        "asked elsewhere": [report.passed_on.total() for report in reports],
    }
    shown = {name: counts for name, counts in counted.items() if name not in UNUSUAL or any(counts)}
    table = Table("dataset")
    for column in shown:
        table.add_column(column, justify="right")
    for report, *counts in zip(reports, *shown.values(), strict=True):
        table.add_row(f"{report.provider} {report.dataset}", *(f"{n:,}" for n in counts))
    console.print(table)
    for report in reports:
        for name, count in report.passed_on.items():
            because = "; ".join(report.passed_on_because.get(name, {}).values())
            console.print(
                f"{report.provider} {report.dataset}: {name} was asked in its place"
                f" {count:,} times: {escape(because)}",
                highlight=False,
                soft_wrap=True,
            )
    for line in shortcomings(reports):
        console.print(f"[red]{escape(line)}[/]", highlight=False)


def shortcomings(reports: Iterable[LandingReport]) -> Iterator[str]:
    """Yield why something is not landed: once for all requests that failed alike."""
    for report in reports:
        what = f"{report.provider} {report.dataset}"
        for failures, outcome in ((report.failures, "failed"), (report.refused, "were refused")):
            for alike in _alike(failures):
                first, count = alike[0], len(alike)
                many = f"{count:,} requests {outcome} alike, the first: " if count > 1 else ""
                yield f"{what}: {many}{first.request}: {first.error}"
        if report.partial:
            first_partial = report.partial[0]
            asked = " ".join(
                filter(None, (first_partial.symbol, first_partial.timeframe, first_partial.start))
            )
            yield f"{what}: {len(report.partial):,} answers were not whole, the first: {asked}"
        for reason, count in report.not_asked.items():
            yield f"{what}: {count:,} requests were not asked: {reason}"


def _alike(failures: Sequence[Failure]) -> list[list[Failure]]:
    """Group failures whose messages differ in nothing but what was asked."""
    groups: dict[str, list[Failure]] = {}
    for failure in failures:
        text = failure.error.replace(str(failure.request), "")
        if failure.request.symbol:
            text = text.replace(failure.request.symbol, "")
        text = re.sub(r"https?://\S+|\S*/\S+\.json|\d+", "", text)
        groups.setdefault(text, []).append(failure)
    return list(groups.values())


def show_pulls(console: Console, entries: Iterable[Entry]) -> None:
    """Print what is pulled on schedule, and why the rest is not."""
    table = Table("pulled on schedule", "of", "since")
    waiting: dict[str, list[str]] = {}
    for entry in entries:
        pull = entry.pull
        what = f"{', '.join(pull.chain)} {pull.dataset}"
        if not entry.is_on:
            waiting.setdefault(entry.reason, []).append(what)
            continue
        shown = [*entry.symbols[:SYMBOLS_SHOWN]]
        if len(entry.symbols) > SYMBOLS_SHOWN:
            shown.append(f"and {len(entry.symbols) - SYMBOLS_SHOWN:,} more")
        if entry.reason:
            what = f"{what} ({entry.reason})"
        of = " ".join([", ".join(shown), *pull.timeframes]).strip()
        table.add_row(escape(what), escape(of), str(pull.since or ""))
    console.print(table)
    for reason, datasets in waiting.items():
        console.print(f"Off: {escape(', '.join(dict.fromkeys(datasets)))}: {escape(reason)}")


def show_vendors(
    console: Console, data: DataDir, providers: Mapping[str, Provider], *, clock: Clock = utc_now
) -> None:
    """Print which vendors answer, and what is left of their quotas."""
    states = read_states(data.vendors, clock)
    if not states:
        return
    table = Table("vendor", "breaker", "asked today", "quota left", "last error")
    for state in states:
        breaker = state.state.value.replace("_", " ")
        if state.state is not BreakerState.CLOSED and state.until:
            cause = ", quota spent" if state.is_quota_spent else ""
            breaker = f"[yellow]{breaker}[/] until {_minute(state.until)}{cause}"
        provider = providers.get(state.provider)
        left = state.remaining(clock(), window_seconds(provider))
        if left is None:
            left = 0 if state.is_quota_spent else quota_left(provider)
        at = f"{_minute(state.last_error_at)}: " if state.last_error_at else ""
        table.add_row(
            state.provider,
            breaker,
            f"{state.requests_today:,}",
            "" if left is None else f"{left:,}",
            escape(f"{at}{state.last_error or ''}"),
        )
    console.print(table)


def show_refusals(console: Console, data: DataDir, *, clock: Clock = utc_now) -> None:
    """Print what vendors refused lately and is not asked again for now, once where alike."""
    remembered = refusals(data.vendors / REFUSALS, clock)
    by_dataset: dict[tuple[str, str], list[Refusal]] = {}
    for refusal in remembered:
        by_dataset.setdefault((refusal.provider, refusal.series[0]), []).append(refusal)
    for (provider, dataset), alike in by_dataset.items():
        symbols = [symbol for refusal in alike if (symbol := refusal.series[1])]
        named = list(dict.fromkeys(symbols))
        shown = ", ".join(named[:SYMBOLS_SHOWN])
        if len(named) > SYMBOLS_SHOWN:
            shown += f" and {len(named) - SYMBOLS_SHOWN:,} more"
        console.print(
            f"[yellow]Refused:[/] {escape(f'{provider} {dataset} {shown}'.strip())}:"
            f" {escape(str(alike[-1]))}",
            highlight=False,
            soft_wrap=True,
        )


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}Z"


def show_build(console: Console, data: DataDir, record: RunRecord) -> None:
    """Print how a build went."""
    colour = "red" if record.status == "failed" else "green"
    console.print(
        f"Build [bold]{record.build_id}[/]: [{colour}]{record.status}[/];"
        f" {record.dbt_tests_passed} dbt tests and {record.checks_passed} Soda checks passed,"
        f" {record.checks_warned} warned, {record.checks_failed} failed;"
        f" {_times(record)}"
    )
    if record.refreshed_models:
        console.print(f"Rebuilt because rules changed: {', '.join(record.refreshed_models)}")
    if record.as_of:
        console.print(f"As of {record.as_of}: {data.as_of}")
    if record.error:
        console.print(f"[red]{escape(record.error)}[/]", highlight=False)
    console.print(f"Report: {data.quality / record.build_id / 'index.html'}", highlight=False)


def show_datasets(console: Console, path: Path) -> None:
    """Print where every landed record of a published file went."""
    table = Table("dataset", title="Records", title_justify="left")
    for column in ("landed", "kept", "superseded", "quarantined"):
        table.add_column(column, justify="right")
    with duckdb.connect(str(path), read_only=True) as connection:
        for provider, dataset, *counts in connection.execute(DATASETS).fetchall():
            simulated = " (simulated)" if provider == "simulator" else ""
            table.add_row(f"{provider} {dataset}{simulated}", *(f"{n:,}" for n in counts))
    console.print(table)


def show_performance(console: Console, path: Path) -> None:
    """Print how the simulated strategies of a published file did; nothing where there is none."""
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(PERFORMANCE).fetchall()
    if not rows:
        return
    table = Table(
        title="Performance of simulated strategies",
        title_justify="left",
        caption="Toy strategies over the sample and the simulated market: nothing here was traded.",
        caption_justify="left",
        padding=(0, 0, 0, 1),
    )
    table.add_column("strategy", no_wrap=True)
    for column in ("trades", "won", "return", "Sharpe", "drawdown"):
        table.add_column(column, justify="right")
    table.add_column("net P&L", justify="right", no_wrap=True)
    for entity, currency, trades, won, total, sharpe, drawdown, pnl in rows:
        table.add_row(
            escape(entity),
            f"{trades:,}",
            _share(won),
            _share(total),
            "" if sharpe is None else f"{sharpe:.2f}",
            _share(drawdown),
            f"{pnl:,.0f} {currency}",
        )
    console.print(table)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def show_status(console: Console, data: DataDir) -> None:
    """Print what is published, what is in the lake, and how the last build went."""
    current = publication.current_version(data)
    console.print(f"Published: [bold]{current or 'nothing yet'}[/]")
    record = latest_record(data)
    if record:
        show_build(console, data, record)
    table = Table("in the lake", "batches", "rows", "dead letters", "last fetched")
    batches = Lake(data).batches()
    for key in sorted({(batch.provider, batch.dataset) for batch in batches}):
        own = [batch for batch in batches if (batch.provider, batch.dataset) == key]
        table.add_row(
            " ".join(key),
            f"{len(own):,}",
            f"{sum(batch.rows for batch in own):,}",
            f"{sum(batch.dead_letters for batch in own):,}",
            own[-1].fetched_at[:19] + "Z",
        )
    console.print(table)
    for folder, what in (("", "waiting"), (".rejected", "rejected")):
        count = sum(
            1
            for path in (data.inbox / folder).glob("*/*")
            if path.is_file()
            and not path.name.startswith(".")
            and not path.name.endswith(".error.txt")
        )
        if count:
            console.print(f"Inbox: {count} {what} in {data.inbox / folder}", highlight=False)


def shell_banner(path: Path) -> Iterator[str]:
    """Yield the shell commands that greet a user of the published file."""
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = [name for (name,) in connection.execute(TABLES).fetchall()]
    yield f".print Tapehouse {path.stem}, read-only. Tables:"
    for schema in ("gold", "silver", "ops"):
        names = [name for name in tables if name.startswith(f"{schema}.")]
        for first in range(0, len(names), 4):
            yield f".print '   {'  '.join(names[first : first + 4])}'"
    yield ".print 'Try:'"
    for example in EXAMPLES:
        yield f'.print "   {example}"'


def _times(record: RunRecord) -> str:
    return ", ".join(f"{step} {seconds:.1f} s" for step, seconds in record.steps.items())
