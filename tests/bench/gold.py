"""Measure Gold at size: bars, executions, decisions with votes, articles; write `bench/gold.json`.

Twenty accounts trade the pairs of `pipeline` all the time, long and short, at prices like those of
their bars, five fills to a decision; the same on every run. Then one more day comes in.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from ingest.settings import DataDir
from orchestration.dbt import read_manifest
from orchestration.run_records import latest_record
from tests.bench.pipeline import FIRST_DAY, SYMBOLS, drop_file, sql_seconds, tapehouse
from tests.bench.processes import apart, store

ACCOUNTS = 20
EXECUTIONS_PER_DECISION = 5
OF_GOLD = (
    *("models/gold/", "models/silver/trading/", "models/silver/features/"),
    *("models/silver/news/", "models/silver/fundamentals/"),
    *("models/silver/signals/int_signals__observ", "models/silver/signals/int_signals__restated"),
    "models/silver/signals/int_regimes__spells",
    *("models/silver/prices/int_bars__known", "models/silver/prices/int_bars__session_volatility"),
    "models/silver/prices/int_bars__last_of_day",
)
"""Where the models are that are more than prices and their indicators."""

COMMON = """
    'BENCH-' || lpad((hash({decision}, 1) % {accounts})::varchar, 2, '0') as account_id,
    'strategy ' || hash({decision}, 2) % 3 as strategy,
    printf('T%03d/USD', (hash({decision}, 3) % {symbols})::int) as symbol,
    'crypto' as asset_class
"""
TIME = """
    strftime(
        timestamp '{start}' + to_microseconds(({number} * {microseconds} / {count})::bigint),
        '%Y-%m-%dT%H:%M:%S.%fZ'
    )
"""
EXECUTIONS = f"""
    select
        'e' || number as execution_id,
        'o' || number // 2 as order_id,
        'd' || number // {EXECUTIONS_PER_DECISION} as decision_id,
        {COMMON.replace("{decision}", f"number // {EXECUTIONS_PER_DECISION}")},
        {TIME.replace("{number}", "(number - {first})")} as executed_at,
        case when hash(number, 4) % 2 = 0 then 'buy' else 'sell' end as side,
        printf('%.4f', 0.0001 + hash(number, 5) % 100000 / 10000.0) as quantity,
        printf('%.2f', 80 + hash(number, 6) % 4000 / 100.0) as price,
        'USD' as quote_currency,
        printf('%.4f', hash(number, 7) % 1000 / 10000.0) as fee,
        'USD' as fee_currency,
        'bench' as venue
    from range({{first}}, {{first}} + {{count}}) as numbers (number)
    order by hash(number, 8)
"""
DECISIONS = f"""
    select
        'd' || number as decision_id,
        {COMMON.replace("{decision}", "number")},
        {TIME.replace("{number}", "(number - {first})")} as decided_at,
        '1h' as timeframe,
        ['buy', 'sell', 'hold'][1 + (hash(number, 9) % 3)::bigint] as action,
        printf('%.2f', hash(number, 10) % 101 / 100.0) as confidence,
        '1' as position_size,
        ['debate', 'voting', 'fallback'][1 + (hash(number, 11) % 3)::bigint] as method,
        to_json([
            {{{{
                'provider': 'voter ' || voter,
                'action': ['buy', 'sell', 'hold'][1 + (hash(number, voter, 12) % 3)::bigint],
                'confidence': hash(number, voter, 13) % 101 / 100.0,
                'weight': voter
            }}}} for voter in [1, 2, 3]
        ])::varchar as provider_votes
    from range({{first}}, {{first}} + {{count}}) as numbers (number)
"""
ARTICLES = f"""
    select
        'a' || number as article_id,
        {TIME.replace("{number}", "(number - {first})")} as published_at,
        'Article ' || number as headline,
        'https://news.example/' || number as url,
        'bench' as source,
        'crypto' as asset_class,
        to_json([printf('T%03d/USD', (hash(number, 14) % {{symbols}})::int)])::varchar as symbols,
        printf('%.3f', hash(number, 15) % 2001 / 1000.0 - 1) as sentiment_score
    from range({{first}}, {{first}} + {{count}}) as numbers (number)
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


def drop_records(
    data: DataDir, *, counts: dict[str, int], first_day: int, days: int, before: dict[str, int]
) -> None:
    """Write records of some days into the inbox: `counts` of each dataset for the whole of them.

    Their numbers go on after those `before`.
    """
    queries = {"executions": EXECUTIONS, "decisions": DECISIONS, "news_articles": ARTICLES}
    if first_day == 0:
        queries["cash_movements"] = MOVEMENTS
    for dataset, query in queries.items():
        count = counts.get(dataset, ACCOUNTS)
        sql = query.format(
            accounts=ACCOUNTS,
            symbols=SYMBOLS,
            start=FIRST_DAY.replace(tzinfo=None),
            first=before.get(dataset, 0),
            count=count,
            microseconds=days * 86_400_000_000,
        )
        if first_day:
            offset = f"timestamp '{FIRST_DAY.replace(tzinfo=None)}' + to_days({first_day})"
            sql = sql.replace(f"timestamp '{FIRST_DAY.replace(tzinfo=None)}'", offset)
        folder = data.inbox / dataset
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{dataset}-{first_day}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"copy ({sql}) to '{path}' (format parquet, compression zstd)")
        settled = time.time() - 60
        os.utime(path, (settled, settled))


def built(data: DataDir) -> dict[str, Any]:
    """Return how long the last build took in all, and in the models of Gold and what they need."""
    record = latest_record(data)
    if record is None:
        raise RuntimeError("the build left no record")
    manifest = read_manifest()
    of_gold = {
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["original_file_path"].startswith(OF_GOLD)
    }
    seconds = {name: spent for name, spent in record.models.items() if name in of_gold}
    return {
        "status": record.status,
        "sql_seconds": sql_seconds(data),
        "gold_seconds": round(sum(seconds.values()), 2),
        "slowest": dict(sorted(seconds.items(), key=lambda item: -item[1])[:12]),
    }


def run_scale(counts: dict[str, int], million_bars: float, folder: Path) -> dict[str, Any]:
    """Measure landing, the full build, and the build after another day."""
    data = DataDir(folder / "gold")
    days = max(2, round(million_bars * 1_000_000 / SYMBOLS / 1440))
    apart(drop_file, data, first_day=0, days=days)
    apart(drop_records, data, counts=counts, first_day=0, days=days, before={})
    results: dict[str, Any] = {**counts, "bars": SYMBOLS * days * 1440}
    for name, arguments in (
        ("land", ["ingest", "inbox"]),
        ("full build", ["build"]),
        ("publish", ["publish"]),
    ):
        results[name] = _run(name, arguments, data)
    apart(drop_file, data, first_day=days, days=1)
    daily = {dataset: count // days for dataset, count in counts.items()}
    apart(drop_records, data, counts=daily, first_day=days, days=1, before=counts)
    for name, arguments in (("land a day", ["ingest", "inbox"]), ("incremental build", ["build"])):
        results[name] = _run(name, arguments, data)
    full, added = results["full build"], results["incremental build"]
    results["incremental_share"] = round(added["gold_seconds"] / full["gold_seconds"], 3)
    shutil.rmtree(data.root)
    return results


def _run(name: str, arguments: list[str], data: DataDir) -> dict[str, Any]:
    # One model at a time: of two side by side, both would count the seconds they share.
    step = tapehouse(arguments, data, TAPEHOUSE_THREADS="1")
    result: dict[str, Any] = {"seconds": step.seconds, "peak_gb": step.peak_gb}
    if "build" in arguments:
        result |= built(data)
    console.print(f"  {name:<18} {step.seconds:7.1f} s   {step.peak_gb:5.2f} GB")
    return result


def main(million_bars: float = 5, share: float = 1, keep_in: str = "") -> None:
    """Measure over MILLION_BARS, with a SHARE of a million executions and what goes with them.

    KEEP_IN names a folder for the scratch data.
    """
    counts = {"executions": 1_000_000, "decisions": 200_000, "news_articles": 500_000}
    counts = {dataset: round(share * count) for dataset, count in counts.items()}
    with tempfile.TemporaryDirectory(dir=keep_in or None) as folder:
        results = run_scale(counts, million_bars, Path(folder))
    store("gold", results)
    console.print_json(data=results)
