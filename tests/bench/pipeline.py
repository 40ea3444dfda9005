"""Measure landing, building and publishing on generated minute bars; write `bench/pipeline.json`.

Each step is a process of its own, so that its time and peak memory are its own. The bars are the
same on every run: 50 symbols, round the clock, from 2024-01-01 on.
"""

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from ingest.settings import DataDir
from orchestration.candidate import copy_file
from orchestration.run_records import latest_record
from tests.bench.processes import Step, apart, measure, store

SYMBOLS = 50
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
BARS = """
    select
        'crypto' as asset_class,
        printf('T%03d/USD', symbol_number) as symbol,
        '1m' as timeframe,
        timestamp '{start}' + to_minutes(minute) as bar_start_at,
        round(open, 2) as open,
        round(greatest(open, close) * (1 + spread), 2) as high,
        round(least(open, close) * (1 - spread), 2) as low,
        round(close, 2) as close,
        round(1 + hash(symbol_number, minute + {offset}, 5) % 100000 / 1000.0, 3) as volume,
        hash(symbol_number, minute + {offset}, 6) % 500 as trade_count
    from (
        select
            *,
            100 + 20 * sin((minute + {offset}) / 5000.0 + symbol_number)
                + hash(symbol_number, minute + {offset}, 1) % 100 / 100.0 as open,
            100 + 20 * sin((minute + {offset} + 1) / 5000.0 + symbol_number)
                + hash(symbol_number, minute + {offset} + 1, 1) % 100 / 100.0 as close,
            hash(symbol_number, minute + {offset}, 4) % 100 / 100000.0 as spread
        from range({symbols}) as symbols (symbol_number), range({minutes}) as minutes (minute)
    )
    order by symbol, bar_start_at
"""

console = Console()


def tapehouse(arguments: Sequence[str], data: DataDir, **environment: str) -> Step:
    """Run `tapehouse` with `arguments` on `data`."""
    (data.build / "dbt" / "dbt.log").unlink(missing_ok=True)
    return measure(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        {
            "TAPEHOUSE_DATA_DIR": str(data.root),
            # One file with every statement, from which the SQL time is read.
            "DBT_LOG_LEVEL_FILE": "debug",
            "DBT_LOG_FILE_MAX_BYTES": "0",
            **environment,
        },
    )


def drop_file(data: DataDir, *, first_day: int, days: int) -> int:
    """Write a Parquet file of bars into the inbox; return its rows."""
    folder = data.inbox / "bars"
    folder.mkdir(parents=True, exist_ok=True)
    query = BARS.format(
        start=f"{FIRST_DAY + timedelta(days=first_day):%Y-%m-%d}",
        offset=first_day * 1440,
        symbols=SYMBOLS,
        minutes=days * 1440,
    )
    path = folder / f"bars-{first_day}-{days}.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{path}' (format parquet, compression zstd)")
    settled = time.time() - 60
    os.utime(path, (settled, settled))
    return SYMBOLS * days * 1440


def built(data: DataDir) -> Mapping[str, Any]:
    """Return what the last build's own record says of its time."""
    record = latest_record(data)
    if record is None:
        raise RuntimeError("the build left no record")
    return {
        "status": record.status,
        "sql_seconds": sql_seconds(data),
        "slowest_models": dict(
            sorted(record.models.items(), key=lambda item: -item[1])[:6],
        ),
        "steps": dict(record.steps),
    }


def sql_seconds(data: DataDir) -> float:
    """Return how long the last dbt run spent in DuckDB, tests included, by dbt's own log."""
    log = (data.build / "dbt" / "dbt.log").read_text(encoding="utf-8")
    return round(sum(map(float, re.findall(r"SQL status: \w+ in (\d+\.\d+) seconds", log))), 2)


def run_scale(million_bars: int, folder: Path) -> dict[str, Any]:
    """Measure every step at one size."""
    data = DataDir(folder / f"{million_bars}m")
    days = round(million_bars * 1_000_000 / SYMBOLS / 1440)
    rows = apart(drop_file, data, first_day=0, days=days)
    console.print(f"[bold]{rows:,} bars[/] ({SYMBOLS} symbols, {days} days)")
    results: dict[str, Any] = {"rows": rows}
    for name, arguments in (
        ("land", ["ingest", "inbox"]),
        ("full build", ["build"]),
        ("publish", ["publish"]),
    ):
        results[name] = _run(name, arguments, data, rows)
    started = time.monotonic()
    copy_file(data.market.resolve(), folder / "copy.duckdb")
    results["file copy"] = {
        "seconds": round(time.monotonic() - started, 2),
        "file_mb": round(data.market.resolve().stat().st_size / 1e6, 1),
    }
    new_rows = apart(drop_file, data, first_day=days, days=1)
    for name, arguments in (
        ("land one day", ["ingest", "inbox"]),
        ("incremental build", ["build"]),
        ("publish again", ["publish"]),
        ("no-change build", ["build"]),
    ):
        results[name] = _run(name, arguments, data, new_rows)
    full, added = results["full build"], results["incremental build"]
    results["incremental_share_of_sql"] = round(added["sql_seconds"] / full["sql_seconds"], 3)
    shutil.rmtree(data.root)
    return results


def _run(name: str, arguments: Sequence[str], data: DataDir, rows: int) -> dict[str, Any]:
    step = tapehouse(arguments, data)
    result: dict[str, Any] = {"seconds": step.seconds, "peak_gb": step.peak_gb}
    if "build" in arguments:
        result |= built(data)
    elif "inbox" in arguments:
        result["rows_per_second"] = round(rows / step.seconds)
    console.print(f"  {name:<18} {step.seconds:7.1f} s   {step.peak_gb:5.2f} GB")
    return result


def show(results: Mapping[str, Any]) -> None:
    """Print the steps side by side for every size."""
    sizes = list(results["sizes"])
    table = Table("step", *(f"{size} million bars" for size in sizes))
    for name in ("land", "full build", "publish", "incremental build", "no-change build"):
        cells = []
        for size in sizes:
            step = results["sizes"][size][name]
            cells.append(f"{step['seconds']:.1f} s, {step['peak_gb']:.1f} GB")
        table.add_row(name, *cells)
    shares = (f"{100 * results['sizes'][size]['incremental_share_of_sql']:.1f} %" for size in sizes)
    table.add_row("one new day, share of the full build's SQL", *shares)
    console.print(table)


def main(sizes: str = "1,2,5", keep_in: str = "") -> None:
    """Measure at each of SIZES million bars; KEEP_IN names a folder for the scratch data."""
    with tempfile.TemporaryDirectory(dir=keep_in or None) as folder:
        measured = {size: run_scale(int(size), Path(folder)) for size in sizes.split(",")}
    results = {"sizes": measured}
    store("pipeline", results)
    show(results)
