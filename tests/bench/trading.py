"""Measure a build with a million executions; write `bench/trading.json`.

Twenty accounts trade the pairs of `pipeline` all the time, long and short, at prices like those of
their bars; the same on every run.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from ingest.settings import DataDir
from orchestration.run_records import latest_record
from tests.bench.pipeline import FIRST_DAY, SYMBOLS, drop_file, sql_seconds, tapehouse
from tests.bench.processes import apart, store

ACCOUNTS = 20
TRADING = (
    *("executions", "cash_movements", "int_currencies", "int_trading", "int_lots"),
    *("trade_lifecycle", "int_trading__daily_pnl", "fct_trades", "mart_daily_portfolio_summary"),
)
"""What the names of the models of trading begin with."""

EXECUTIONS = """
    select
        'e' || number as execution_id,
        'o' || number // 2 as order_id,
        'BENCH-' || lpad((hash(number, 1) % {accounts})::varchar, 2, '0') as account_id,
        'strategy ' || hash(number, 2) % 3 as strategy,
        strftime(
            timestamp '{start}'
            + to_microseconds((number * {microseconds} / {count})::bigint), '%Y-%m-%dT%H:%M:%S.%fZ'
        ) as executed_at,
        printf('T%03d/USD', (hash(number, 3) % {symbols})::int) as symbol,
        'crypto' as asset_class,
        case when hash(number, 4) % 2 = 0 then 'buy' else 'sell' end as side,
        printf('%.4f', 0.0001 + hash(number, 5) % 100000 / 10000.0) as quantity,
        printf('%.2f', 80 + hash(number, 6) % 4000 / 100.0) as price,
        'USD' as quote_currency,
        printf('%.4f', hash(number, 7) % 1000 / 10000.0) as fee,
        'USD' as fee_currency,
        'bench' as venue
    from range({first}, {first} + {count}) as numbers (number)
    order by hash(number, 8)
"""
MOVEMENTS = """
    select
        'm' || account as movement_id,
        'BENCH-' || lpad(account::varchar, 2, '0') as account_id,
        '{start}' as moved_at,
        'USD' as currency,
        '1000000' as amount,
        'opening' as kind
    from range({accounts}) as accounts (account)
"""

console = Console()


def drop_executions(data: DataDir, *, count: int, days: int, first: int = 0) -> int:
    """Write `count` executions over the first `days`, and the accounts' cash, into the inbox."""
    start = f"{FIRST_DAY:%Y-%m-%d}"
    queries = {
        "executions": EXECUTIONS.format(
            accounts=ACCOUNTS,
            symbols=SYMBOLS,
            start=start,
            first=first,
            count=count,
            microseconds=days * 86_400_000_000,
        ),
        "cash_movements": MOVEMENTS.format(accounts=ACCOUNTS, start=start),
    }
    for dataset, query in queries.items():
        folder = data.inbox / dataset
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{dataset}-{first}-{count}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"copy ({query}) to '{path}' (format parquet, compression zstd)")
        settled = time.time() - 60
        os.utime(path, (settled, settled))
    return count


def built(data: DataDir) -> dict[str, Any]:
    """Return how long the last build took in all, and in the models of trading."""
    record = latest_record(data)
    if record is None:
        raise RuntimeError("the build left no record")
    of_trading = {
        name: seconds for name, seconds in record.models.items() if name.startswith(TRADING)
    }
    return {
        "status": record.status,
        "sql_seconds": sql_seconds(data),
        "trading_seconds": round(sum(of_trading.values()), 2),
        "trading_models": dict(sorted(of_trading.items(), key=lambda item: -item[1])),
    }


def run_scale(executions: int, million_bars: int, folder: Path) -> dict[str, Any]:
    """Measure landing, the full build, and the build after another thousandth of executions."""
    data = DataDir(folder / "trading")
    days = max(1, round(million_bars * 1_000_000 / SYMBOLS / 1440))
    apart(drop_file, data, first_day=0, days=days)
    apart(drop_executions, data, count=executions, days=days)
    results: dict[str, Any] = {"executions": executions, "bars": SYMBOLS * days * 1440}
    for name, arguments in (
        ("land", ["ingest", "inbox"]),
        ("full build", ["build"]),
        ("publish", ["publish"]),
    ):
        results[name] = _run(name, arguments, data)
    apart(drop_executions, data, count=executions // 1000, days=days, first=executions)
    for name, arguments in (("land more", ["ingest", "inbox"]), ("incremental build", ["build"])):
        results[name] = _run(name, arguments, data)
    shutil.rmtree(data.root)
    return results


def _run(name: str, arguments: list[str], data: DataDir) -> Mapping[str, Any]:
    step = tapehouse(arguments, data)
    result: dict[str, Any] = {"seconds": step.seconds, "peak_gb": step.peak_gb}
    if "build" in arguments:
        result |= built(data)
    console.print(f"  {name:<18} {step.seconds:7.1f} s   {step.peak_gb:5.2f} GB")
    return result


def main(executions: str = "1000000", million_bars: str = "5", keep_in: str = "") -> None:
    """Measure EXECUTIONS over MILLION_BARS; KEEP_IN names a folder for the scratch data."""
    with tempfile.TemporaryDirectory(dir=keep_in or None) as folder:
        results = run_scale(int(executions), int(million_bars), Path(folder))
    store("trading", results)
    console.print_json(data=results)


if __name__ == "__main__":
    main(*sys.argv[1:])
