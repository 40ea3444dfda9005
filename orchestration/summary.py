"""What a person reads at the end of a run: counts, checks, times, and what to try next.

Only reads: the published file, the run records, the lake's ledger.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingest.lake import Lake
from ingest.settings import DataDir
from orchestration import publication
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
EXAMPLES = (
    "select symbol, price, price_at, change_pct from gold.latest_prices;",
    "select reasons, count(*) from silver.bars_quarantined group by all order by 2 desc;",
)


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
