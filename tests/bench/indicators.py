"""Compare four ways to compute the indicators, dbt's among them; write `bench/indicators.json`.

Each contender runs in a process of its own, in turns, and all must find the same. Then: what one
new bar per series costs, what a build without news costs, and whether ten million bars fit in 2 GB.
"""

import shutil
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
from rich.console import Console
from rich.table import Table

from tests.bench.contenders.by_project import model_seconds
from tests.bench.processes import Step, apart, measure, store
from tests.bench.series import walks
from tests.dbt.oracles import worst_error
from tests.dbt.signals import INDICATORS, Array, Signals
from tests.dbt.warehouse import connect

CONTENDERS = ("project", "talib", "polars", "pandas")
TOLERANCE = 1e-9
# Its rolling variance is a running one, which loses digits over long series of narrow bands.
LOOSER = {("pandas", "bollinger_percent_b_20_2"): 1e-6}
COMPARED_SERIES = 5
NOT_INDICATORS = ("bar_no", "split_factor")

console = Console()


def prepare(folder: Path, series: int, bars: int, timeframe: str) -> None:
    """Put bars into a database file and a Parquet file; let dbt parse its project."""
    signals = Signals(folder)
    signals.set_bars(walks(series, bars, timeframe))
    signals.warehouse.copy_database(folder / "prepared.duckdb")
    with closing(connect(folder / "prepared.duckdb")) as connection:
        connection.execute(
            "copy (select * replace (session_date::timestamp as session_date) from silver.bars"
            f" where is_final order by instrument_id, bar_start_at) to '{folder}/bars.parquet'"
        )
    signals.warehouse.run_dbt("parse", env={"TAPEHOUSE_MEMORY_LIMIT": "3500MB"})


def run(contender: str, folder: Path, timeframe: str, memory_limit: str = "3500MB") -> Step:
    """Run one contender on what is prepared in `folder`; its output ends with its seconds."""
    if contender == "project":
        shutil.copyfile(folder / "prepared.duckdb", folder / "warehouse.duckdb")
    return measure(
        [
            *(sys.executable, "-m", "tests.bench.contenders"),
            *(contender, str(folder), timeframe, "--memory-limit", memory_limit),
        ]
    )


def compare(folder: Path, rounds: int, series: int, bars: int, timeframe: str) -> dict[str, Any]:
    """Return what each contender took, the medians of all rounds."""
    steps: dict[str, list[Step]] = {contender: [] for contender in CONTENDERS}
    for this_round in range(rounds):
        for contender in CONTENDERS:
            step = run(contender, folder, timeframe)
            steps[contender].append(step)
            console.print(f"  {contender:<8} {seconds_of(step):7.2f} s   {step.peak_gb:5.2f} GB")
        if this_round == 0:
            errors = apart(disagreements, folder, series, bars, timeframe)
    taken = {contender: median(map(seconds_of, steps[contender])) for contender in CONTENDERS}
    return {
        "series": series,
        "bars_per_series": bars,
        "contenders": {
            contender: {
                "seconds": round(taken[contender], 3),
                "ratio_to_project": round(taken[contender] / taken["project"], 3),
                "rows_per_second": round(series * bars / taken[contender]),
                "process_seconds": round(median(step.seconds for step in steps[contender]), 2),
                "peak_gb": round(median(step.peak_gb for step in steps[contender]), 2),
                **({"worst_error": errors[contender]} if contender in errors else {}),
            }
            for contender in CONTENDERS
        },
    }


def seconds_of(step: Step) -> float:
    """Return the seconds that a contender says it took."""
    return float(step.output.split()[-1])


def disagreements(folder: Path, series: int, bars: int, timeframe: str) -> dict[str, float]:
    """Return how far each contender is from the project at worst: no more than rounding."""
    generated = walks(series, bars, timeframe)
    compared = sorted(generated)[:: max(1, series // COMPARED_SERIES)]
    worst: dict[str, float] = {}
    wrong = []
    for instrument_id in compared:
        expected = found_by("project", folder, instrument_id)
        for contender in CONTENDERS[1:]:
            found = found_by(contender, folder, instrument_id)
            for name, values in expected.items():
                error = worst_error(name, found[name], values, generated[instrument_id])
                worst[contender] = max(worst.get(contender, 0.0), error)
                tolerance = LOOSER.get((contender, name), TOLERANCE)
                if error > tolerance or (np.isnan(values) != np.isnan(found[name])).any():
                    wrong.append(f"{contender}, {name}, {instrument_id}: {error:.1e}")
    if wrong:
        raise ValueError("contenders disagree with the project:\n" + "\n".join(wrong))
    return worst


def found_by(contender: str, folder: Path, instrument_id: str) -> dict[str, Array]:
    """Return the indicators of a series by one contender, NULL as NaN."""
    table = f"'{folder}/{contender}.parquet'"
    with closing(duckdb.connect()) as connection:
        if contender == "project":
            connection.execute(f"attach '{folder}/warehouse.duckdb' as built (read_only)")
            table = "built.silver.indicators"
        found = connection.execute(
            f"select columns(lambda name: name not like '\\_%' escape '\\') from {table}"
            " where instrument_id = ? order by bar_start_at",
            [instrument_id],
        ).fetchnumpy()
    return {
        name: np.ma.filled(np.ma.asarray(values), np.nan)
        for name, values in found.items()
        if values.dtype == np.float64 and name not in NOT_INDICATORS
    }


def incremental(folder: Path, series: int, bars: int) -> dict[str, Any]:
    """Return the SQL time of the models on one new bar per daily series, and on none."""
    generated = walks(series, bars + 1, "1d")
    before = {name: each.at(slice(0, bars)) for name, each in generated.items()}
    signals = Signals(folder)
    seconds = {}
    for name, known, models in (
        ("full build", before, ()),
        ("one new bar per series", generated, ()),
        ("no new bar", generated, INDICATORS),
    ):
        signals.set_bars(known)
        signals.compute(*models)
        seconds[name] = sum(model_seconds(signals.warehouse, INDICATORS).values())
    return {
        name: {"sql_seconds": round(each, 3), "share": round(each / seconds["full build"], 3)}
        for name, each in seconds.items()
    }


def show(results: Mapping[str, Any]) -> None:
    """Print the contenders side by side for every size, and the project's other builds."""
    table = Table("bars", "contender", "seconds", "of the project's", "rows/s", "peak GB")
    for size, measured in results["sizes"].items():
        for contender, each in measured["contenders"].items():
            table.add_row(
                f"{measured['series']:,} x {measured['bars_per_series']:,} {size}",
                contender,
                f"{each['seconds']:.2f}",
                f"{each['ratio_to_project']:.2f}",
                f"{each['rows_per_second']:,}",
                f"{each['peak_gb']:.2f}",
            )
    console.print(table)
    for name, each in results["incremental"].items():
        console.print(f"{name}: {each['sql_seconds']:.2f} s of SQL, {100 * each['share']:.1f} %")
    limited = results["with_2gb"]
    console.print(
        f"{limited['rows']:,} minute bars with a limit of 2 GB: {limited['seconds']:.1f} s,"
        f" {limited['peak_gb']:.2f} GB at the peak"
    )


def main(
    *,
    daily_series: int = 1000,
    daily_bars: int = 1260,
    minute_series: int = 50,
    minute_bars: int = 200_000,
    rounds: int = 3,
    keep_in: str = "",
) -> None:
    """Compare the contenders in ROUNDS; KEEP_IN names a folder for the scratch data."""
    results: dict[str, Any] = {"rounds": rounds, "sizes": {}}
    sizes = {"1d": (daily_series, daily_bars), "1m": (minute_series, minute_bars)}
    for timeframe, (series, bars) in sizes.items():
        with TemporaryDirectory(dir=keep_in or None) as name:
            folder = Path(name)
            console.print(f"[bold]{series:,} series of {bars:,} bars, {timeframe}[/]")
            apart(prepare, folder, series, bars, timeframe)
            results["sizes"][timeframe] = compare(folder, rounds, series, bars, timeframe)
            if timeframe == "1m":
                limited = run("project", folder, timeframe, memory_limit="2GB")
                results["with_2gb"] = {
                    "rows": series * bars,
                    "seconds": round(seconds_of(limited), 3),
                    "peak_gb": limited.peak_gb,
                }
    with TemporaryDirectory(dir=keep_in or None) as name:
        results["incremental"] = apart(incremental, Path(name), daily_series, daily_bars)
    store("indicators", results)
    show(results)
