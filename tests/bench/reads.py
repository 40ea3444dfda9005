"""Time what an analyst asks of ten million enriched bars; write `bench/reads.json`."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
from rich.console import Console
from rich.table import Table

from tests.bench.processes import apart, store
from tests.bench.series import walks
from tests.dbt.signals import MODELS, Signals
from tests.dbt.warehouse import connect

ENRICHED = MODELS[: MODELS.index("market_data_enriched") + 1]
INSTRUMENTS_ASKED_FOR = 5

console = Console()


@dataclass(frozen=True)
class Read:
    """A question, its limit in milliseconds, and what it is asked with, one after the other."""

    name: str
    limit_ms: float
    query: str
    asked_with: Sequence[Sequence[str]] = ((),)


LAST_BARS = """
    select * from silver.market_data_enriched
    where instrument_id = ? and timeframe = ?
    order by bar_start_at desc
    limit 250
"""
LATEST = {
    "semi join": """
        select * from silver.market_data_enriched
        semi join (
            select instrument_id, timeframe, max(bar_start_at) as bar_start_at
            from silver.market_data_enriched
            group by all
        ) using (instrument_id, timeframe, bar_start_at)
    """,
    "row_number": """
        select * from silver.market_data_enriched
        qualify row_number() over (
            partition by instrument_id, timeframe order by bar_start_at desc
        ) = 1
    """,
    "arg_max": """
        select unnest(arg_max(enriched, bar_start_at))
        from silver.market_data_enriched as enriched
        group by instrument_id, timeframe
    """,
    "arg_max of rowid": """
        select * from silver.market_data_enriched
        where rowid in (
            select arg_max(rowid, bar_start_at)
            from silver.market_data_enriched
            group by instrument_id, timeframe
        )
    """,
}
ONE_YEAR = """
    select * from silver.market_data_enriched
    where
        instrument_id = ? and timeframe = '1d'
        and bar_start_at >= timestamp '2021-01-01' and bar_start_at < timestamp '2022-01-01'
"""


def reads(database: Path) -> list[Read]:
    """Return the questions, about instruments spread over the database."""
    with closing(connect(database)) as connection:
        series = {
            timeframe: connection.execute(
                "select distinct instrument_id from silver.market_data_enriched"
                " where timeframe = ? order by all",
                [timeframe],
            ).fetchall()
            for timeframe in ("1d", "1m")
        }
    asked = {
        timeframe: [
            found[at][0]
            for at in np.linspace(0, len(found) - 1, INSTRUMENTS_ASKED_FOR, dtype=np.int64)
        ]
        for timeframe, found in series.items()
    }
    return [
        *(
            Read(
                f"last 250 bars, {timeframe}", 20, LAST_BARS, [(name, timeframe) for name in names]
            )
            for timeframe, names in asked.items()
        ),
        *(Read(f"latest bars, {form}", 100, query) for form, query in LATEST.items()),
        Read("one year, 1d", 30, ONE_YEAR, [(name,) for name in asked["1d"]]),
    ]


def build(folder: Path, sizes: Mapping[str, tuple[int, int]]) -> Path:
    """Return a checkpointed database file with series and bars per timeframe, and their signals."""
    signals = Signals(folder)
    signals.set_bars(
        {
            instrument_id: bars
            for timeframe, (series, count) in sizes.items()
            for instrument_id, bars in walks(series, count, timeframe).items()
        }
    )
    signals.compute(*ENRICHED)
    with closing(connect(signals.database, read_only=False)) as connection:
        connection.execute("checkpoint")
    return signals.database


def timed(connection: duckdb.DuckDBPyConnection, read: Read, runs: int) -> dict[str, Any]:
    """Return the median of warm runs, rows fetched, and the row groups that were read."""
    milliseconds = []
    for turn, parameters in enumerate(islice(cycle(read.asked_with), 2 * runs)):
        started = time.perf_counter()
        rows = connection.execute(read.query, parameters).fetchall()
        if turn >= runs:
            milliseconds.append(1000 * (time.perf_counter() - started))
    plan = connection.execute(f"explain analyze {read.query}", read.asked_with[0]).fetchall()
    scans = re.findall(r"Row Groups Scanned: (\d+) / (\d+)", plan[0][1])
    return {
        "limit_ms": read.limit_ms,
        "p50_ms": round(median(milliseconds), 2),
        "rows": len(rows),
        "row_groups_scanned": [f"{scanned} / {there}" for scanned, there in scans],
    }


def show(results: Mapping[str, Any]) -> None:
    """Print each question with its limit."""
    table = Table("question", "limit ms", "p50 ms", "rows", "row groups read")
    for name, each in results["reads"].items():
        within = "green" if each["p50_ms"] <= each["limit_ms"] else "red"
        table.add_row(
            name,
            f"{each['limit_ms']:.0f}",
            f"[{within}]{each['p50_ms']:.1f}[/]",
            f"{each['rows']:,}",
            ", ".join(each["row_groups_scanned"]),
        )
    console.print(table)


def main(
    *,
    minute_series: int = 43,
    minute_bars: int = 200_000,
    daily_series: int = 1000,
    daily_bars: int = 1260,
    runs: int = 20,
    keep_in: str = "",
) -> None:
    """Time each question RUNS times, warm; KEEP_IN names a folder for the scratch data."""
    sizes = {"1m": (minute_series, minute_bars), "1d": (daily_series, daily_bars)}
    rows = sum(series * bars for series, bars in sizes.values())
    with TemporaryDirectory(dir=keep_in or None) as folder:
        console.print(f"[bold]{rows:,} enriched bars[/]")
        database = apart(build, Path(folder), sizes)
        with closing(connect(database)) as connection:
            measured = {read.name: timed(connection, read, runs) for read in reads(database)}
        file_mb = round(database.stat().st_size / 1e6, 1)
    results = {"rows": rows, "file_mb": file_mb, "reads": measured}
    store("reads", results)
    show(results)
