"""The demo, as a person runs it: what is published, what is shown, and what is left behind."""

import asyncio
import csv
import gzip
import json
import re
import stat
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from ingest.provider import Request
from ingest.providers.simulator import END, START, SYMBOLS, Fault, Simulator
from ingest.settings import PROJECT_ROOT, Settings
from ingest.simulated_trading import (
    STRATEGIES,
    Trading,
    default_trading,
    sample_markets,
    simulate,
    simulator_markets,
)
from orchestration import publication
from orchestration.run_records import latest_record
from orchestration.summary import EXAMPLES
from tests.dbt.performance_oracles import compare_ratios, compare_trades
from tests.dbt.performance_world import (
    days_in,
    days_of_entities,
    key_of,
    returns_of,
    trades_in,
    trades_of_entities,
    world_of,
)
from tests.dbt.planted import table
from tests.orchestration.warehouses import copied, executable, files_below, query, tapehouse

SAMPLE = PROJECT_ROOT / "data" / "sample" / "wiki_prices.csv.gz"
SAMPLE_ROWS = 12_154
NUMBERS = ("open", "high", "low", "close", "volume", "adj_close")
SPLITS = {
    ("AAPL", date(2000, 6, 21)): 2,
    ("AAPL", date(2005, 2, 28)): 2,
    ("MSFT", date(2003, 2, 18)): 2,
}
CRASH = ("AAPL", date(2000, 9, 29))
"""No split: the company warned of its earnings, and the price halved."""

Key = tuple[str, date]


@cache
def sample_rows() -> dict[Key, dict[str, str]]:
    """Return the bundled rows as text, by symbol and date."""
    with gzip.open(SAMPLE, "rt", encoding="utf-8", newline="") as file:
        rows = [
            {name.lower().replace(" ", "_"): text for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
    return {(row["ticker"], date.fromisoformat(row["date"])): row for row in rows}


def previous(key: Key) -> Key:
    """Return the row of the same symbol before `key`."""
    symbol, day = key
    return max(other for other in sample_rows() if other[0] == symbol and other[1] < day)


def raw_return(key: Key) -> float:
    closes = [float(sample_rows()[row]["close"]) for row in (key, previous(key))]
    return closes[0] / closes[1] - 1


@pytest.fixture
def market(demo: Path) -> Path:
    return demo / "data" / "market.duckdb"


# -- what is published ---------------------------------------------------------------------------


def test_every_row_of_the_sample_is_published_to_the_digit(market: Path) -> None:
    published = {
        (symbol, day): numbers
        for symbol, day, *numbers in query(
            market,
            f"select provider_symbol, session_date, {', '.join(NUMBERS)}"
            " from silver.bar_versions where provider = 'sample'",
        )
    }
    assert len(published) == len(sample_rows()) == SAMPLE_ROWS
    wrong = [
        (key, name, row[name], value)
        for key, row in sample_rows().items()
        for name, value in zip(NUMBERS, published[key], strict=True)
        if Decimal(row[name]) != Decimal(repr(value))
    ]
    assert not wrong


def test_every_row_of_the_sample_is_a_bar(market: Path) -> None:
    rows = query(
        market,
        "select count(*), count(distinct (instrument_id, session_date)), bool_and(is_final)"
        " from silver.bars where provider = 'sample' and timeframe = '1d' and not is_derived",
    )
    assert rows == [(SAMPLE_ROWS, SAMPLE_ROWS, True)]


def adjusted_return(market: Path, key: Key) -> float:
    found = dict(
        query(
            market,
            "select session_date, close_split_adjusted from silver.bars_adjusted"
            " where instrument_id = ? and timeframe = '1d' and session_date in (?, ?)",
            f"equity:{key[0]}",
            key[1],
            previous(key)[1],
        )
    )
    return float(str(found[key[1]])) / float(str(found[previous(key)[1]])) - 1


@pytest.mark.parametrize(("key", "ratio"), SPLITS.items())
def test_splits_vanish_from_adjusted_bars(market: Path, key: Key, ratio: int) -> None:
    assert raw_return(key) < -0.4, "the price as traded halves"
    expected = (1 + raw_return(key)) * ratio - 1
    assert abs(expected) < 0.1, "the holder hardly notices"
    assert adjusted_return(market, key) == pytest.approx(expected, rel=1e-9)


def test_a_crash_stays_in_adjusted_bars(market: Path) -> None:
    assert adjusted_return(market, CRASH) == pytest.approx(raw_return(CRASH), rel=1e-9)
    assert round(raw_return(CRASH), 2) == -0.52


def injected(outcome: str) -> Counter[tuple[str, Fault]]:
    simulator = Simulator(faults=True)
    return Counter(
        (symbol, fault)
        for symbol in SYMBOLS
        for fault in simulator.injected_faults(symbol, "1m", START, END)
        if fault.outcome == outcome
    )


def test_the_quarantine_holds_the_injected_faults_and_nothing_else(market: Path) -> None:
    found = query(market, "select _symbol, reasons, original from silver.bars_quarantined")
    quarantined = Counter(
        (symbol, tuple(reasons), json.loads(str(original))["bar_start_at"])
        for symbol, reasons, original in found
    )
    assert quarantined == Counter(
        {
            (symbol, (str(fault.reason),), fault.start): count
            for (symbol, fault), count in injected("quarantined").items()
        }
    )
    kinds = {fault.reason for _, fault in injected("quarantined")}
    meanings = {
        reason for (reason,) in query(market, "select reason from rules.quarantine_reasons")
    }
    assert len(kinds) > 10
    assert kinds <= meanings


def test_duplicates_are_superseded_by_the_better_row(market: Path) -> None:
    found = query(
        market,
        "select _symbol, strftime(bar_start_at, '%Y-%m-%dT%H:%M:%SZ'), close, is_current"
        " from silver.bar_versions where provider = 'simulator'"
        " qualify count(*) over (partition by instrument_id, timeframe, bar_start_at) > 1",
    )
    current = {(symbol, start): close for symbol, start, close, is_current in found if is_current}
    superseded = Counter(
        (symbol, start) for symbol, start, _, is_current in found if not is_current
    )
    wanted = Counter((symbol, fault.start) for symbol, fault in injected("superseded"))
    assert superseded == wanted
    assert sum(wanted.values()) > 10
    assert current == {key: close for key, close in faultless_closes().items() if key in wanted}


def faultless_closes() -> dict[tuple[str, str], float]:
    closes = {}
    for symbol in SYMBOLS:
        answer = asyncio.run(Simulator().fetch(Request("bars", symbol, "1m", START, END)))
        assert isinstance(answer.records, pa.Table)
        for row in answer.records.to_pylist():
            closes[symbol, row["start"]] = float(row["close"])
    return closes


def test_every_record_is_accounted_for(market: Path) -> None:
    rows = query(
        market,
        "select bool_and(is_balanced), sum(landed_count) = sum(accepted_count + quarantined_count)"
        " from ops.record_balance",
    )
    assert rows == [(True, True)]


def test_nothing_that_is_published_points_into_the_lake(market: Path) -> None:
    schemas = query(
        market,
        "select schema_name from duckdb_tables()"
        " union select schema_name from duckdb_views() where not internal",
    )
    assert {name for (name,) in schemas} == {"gold", "ops", "rules", "silver"}


# -- simulated trading ---------------------------------------------------------------------------

TABLES = {
    "decisions": ("decision_history", "decision_id"),
    "executions": ("executions", "execution_id"),
    "cash_movements": ("cash_movements", "movement_id"),
}


@cache
def trading() -> Trading:
    return default_trading()


@cache
def faultless() -> Trading:
    return simulate([*sample_markets(), *simulator_markets()], faults=False)


def told_wrong(outcome: str) -> Counter[tuple[str, str]]:
    return Counter(
        (fault.dataset, fault.record_id) for fault in trading().injected if fault.outcome == outcome
    )


@pytest.mark.parametrize("dataset", TABLES)
def test_all_simulated_records_that_are_good_are_published(market: Path, dataset: str) -> None:
    table, key = TABLES[dataset]
    published = query(market, f"select {key} from silver.{table} where starts_with({key}, 'SIM-')")
    wanted = {record[key] for record in getattr(faultless(), dataset)}
    assert len(published) == len(wanted)
    assert {name for (name,) in published} == wanted


def test_simulated_trading_is_quarantined_as_listed_and_nowhere_else(market: Path) -> None:
    found = query(market, "select dataset, record_id, reasons from silver.trading_quarantined")
    assert Counter((dataset, name) for dataset, name, _ in found) == told_wrong("quarantined")
    assert {tuple(reasons) for _, _, reasons in found} == {("no_currency_rate",)}


def test_simulated_records_that_break_the_contract_are_dead_letters(demo: Path) -> None:
    keys = {dataset: key for dataset, (_, key) in TABLES.items()}
    found = Counter(
        (path.parent.parent.name, json.loads(line)["values"][keys[path.parent.parent.name]])
        for path in (demo / "data" / "lake" / "dead_letter" / "inbox").rglob("*.json")
        for line in json.loads(path.read_text(encoding="utf-8"))["body"].splitlines()
    )
    assert found == told_wrong("dead_lettered")


def test_a_decision_that_was_told_again_is_the_later_one(market: Path) -> None:
    published = dict(query(market, "select decision_id, confidence from silver.decision_history"))
    assert trading().corrections
    for correction in trading().corrections:
        assert published[correction["decision_id"]] == correction["confidence"]


def test_the_inbox_is_empty_afterwards(demo: Path) -> None:
    inbox = demo / "data" / "inbox"
    assert not [path for path in inbox.glob("[!.]*/*") if not path.name.startswith(".")]


def test_the_strategies_made_what_their_cash_and_positions_say(market: Path) -> None:
    """Counted without lots: money that came in and went out, and what is held at the last close."""
    closes = dict(
        query(
            market,
            "select instrument_id, max_by(close, bar_end_at) from silver.bars"
            " where timeframe in ('1d', '1m') and is_final group by instrument_id",
        )
    )
    made: defaultdict[str, float] = defaultdict(float)
    held: Counter[tuple[str, str]] = Counter()
    for execution in faultless().executions:
        quantity = float(str(execution["quantity"])) * (1 if execution["side"] == "buy" else -1)
        made[str(execution["strategy"])] -= quantity * float(str(execution["price"])) + float(
            str(execution["fee"])
        )
        is_before_split = str(execution["executed_at"]) < "2005-02-28"
        split = 2 if execution["symbol"] == "AAPL" and is_before_split else 1
        instrument_id = f"{execution['asset_class']}:{execution['symbol']}"
        held[str(execution["strategy"]), instrument_id] += quantity * split
    for (strategy, instrument_id), quantity in held.items():
        made[strategy] += quantity * float(str(closes[instrument_id]))
    published = {name: float(str(row["pnl_base"])) for name, row in performance(market).items()}
    assert published == pytest.approx(made, abs=0.01)


def performance(market: Path) -> Mapping[str, Mapping[str, object]]:
    """Return what the mart says of the simulated strategies, of all time."""
    columns = (
        "entity", "base_currency", "trade_count", "win_rate", "total_return", "sharpe_annualized",
        "max_drawdown", "net_pnl_base", "pnl_base",
    )  # fmt: skip
    found = query(
        market,
        f"select {', '.join(columns)} from gold.mart_trading_performance"
        " where entity_type = 'strategy' and period_type = 'all' and is_simulated",
    )
    return {str(row[0]): dict(zip(columns, row, strict=True)) for row in found}


@pytest.mark.filterwarnings("ignore")
def test_performance_is_what_others_make_of_it(market: Path) -> None:
    """All that traded the sample, in all, every year, and the Mays; to 1e-9."""
    world = world_of(market)
    days, trades = days_of_entities(world), trades_of_entities(world)
    compared: Counter[tuple[str, str]] = Counter()
    for row in table(market, "gold.mart_trading_performance"):
        if row["period_type"] == "month" and row["period_start"].month != 5:
            continue
        pnls = [float(trade[1]) for trade in trades_in(row, trades[key_of(row)])]
        counts = compare_ratios(row, returns_of(days_in(row, days))) + compare_trades(row, pnls)
        compared[row["entity_type"], row["period_type"]] += len(counts) > 10
    assert len(compared) == 4 * 3
    assert min(compared.values()) > 1
    assert sum(compared.values()) > 150


# -- the file ------------------------------------------------------------------------------------


def test_nobody_can_write_to_a_version(market: Path) -> None:
    assert market.is_symlink()
    assert stat.S_IMODE(market.resolve().stat().st_mode) == 0o444


def test_an_older_client_reads_every_table(market: Path) -> None:
    version = duckdb_cli("-version")
    assert version.startswith("v1."), "meant to be older than the engine that wrote the file"
    relations = query(
        market,
        "select table_schema || '.' || table_name from information_schema.tables order by all",
    )
    counts = "; ".join(f"select '{name}', count(*) from {name}" for (name,) in relations)
    lines = duckdb_cli("-readonly", "-list", "-noheader", str(market), counts).splitlines()
    assert [line.split("|")[0] for line in lines] == [name for (name,) in relations]
    bars = duckdb_cli("-readonly", "-list", "-noheader", str(market), BARS_OF_SAMPLE)
    assert int(bars) == SAMPLE_ROWS


BARS_OF_SAMPLE = "select count(*) from silver.bars where provider = 'sample'"


def duckdb_cli(*arguments: str) -> str:
    done = subprocess.run(
        [executable("duckdb"), *arguments],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()


# -- the shell -----------------------------------------------------------------------------------


def test_the_shell_greets_with_the_tables_and_answers(demo: Path, tmp_path: Path) -> None:
    done = tapehouse(demo / "data", "shell", stdin="select 40 + 2;\n", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "read-only" in done.stdout
    assert "gold.latest_prices" in done.stdout
    assert "42" in done.stdout
    for example in EXAMPLES:
        assert example in done.stdout


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_shell_suggests_has_an_answer(market: Path, example: str) -> None:
    assert query(market, example)


def test_the_shell_cannot_write(demo: Path, tmp_path: Path) -> None:
    done = tapehouse(
        demo / "data", "shell", stdin="create table silver.mine (a int);\n", HOME=str(tmp_path)
    )
    assert "read-only" in done.stderr


# -- what is shown -------------------------------------------------------------------------------


def shown(demo: Path) -> str:
    return (demo / "output.txt").read_text(encoding="utf-8")


def test_the_summary_has_the_figures(demo: Path, market: Path) -> None:
    output = shown(demo)
    version = publication.current_version(Settings(data_dir=demo / "data").data)
    assert re.search(rf"Build {version}: passed; \d+ dbt tests and \d+ Soda checks passed", output)
    assert f"Published {version} as {market}" in output
    quarantined, superseded = (
        sum(injected(outcome).values()) for outcome in ("quarantined", "superseded")
    )
    ((landed,),) = query(
        market,
        "select landed_count from ops.record_balance"
        " where provider = 'simulator' and dataset = 'bars'",
    )
    kept = int(str(landed)) - quarantined - superseded
    figures = {
        re.sub(r"\s*│\s*", "|", line.strip("│ "))
        for line in output.splitlines()
        if line.startswith("│")
    }
    assert f"sample bars|{SAMPLE_ROWS:,}|{SAMPLE_ROWS:,}|0|0" in figures
    simulated = f"{landed:,}|{kept:,}|{superseded}|{quarantined}"
    assert f"simulator bars (simulated)|{simulated}" in figures
    for step in ("raw sample", "warehouse", "soda", "published market"):
        assert any(re.fullmatch(rf"{step}\|\d+\.\d", line) for line in figures)
    for command in ("make shell", "make dev", "make docs"):
        assert command in output


def test_the_summary_ends_with_how_the_simulated_strategies_did(demo: Path, market: Path) -> None:
    output = shown(demo)
    table = output[output.index("Performance of simulated strategies") :]
    assert "nothing here was traded" in " ".join(table.split())
    lines = [
        re.sub(r"\s*│\s*", "|", line.strip("│ "))
        for line in table.splitlines()
        if line.startswith("│")
    ]
    found = performance(market)
    assert found.keys() == {strategy.name for strategy in STRATEGIES}
    assert len(lines) == len(found)
    for line, (name, row) in zip(lines, sorted(found.items()), strict=True):
        cells = line.split("|")
        assert cells[0] == name
        assert cells[1] == f"{row['trade_count']:,}"
        for cell, column in zip(cells[2:4], ("win_rate", "total_return"), strict=True):
            assert float(cell.rstrip("%")) / 100 == pytest.approx(row[column], abs=6e-4)
        assert float(cells[4]) == pytest.approx(row["sharpe_annualized"], abs=6e-3)
        assert float(cells[5].rstrip("%")) / 100 == pytest.approx(row["max_drawdown"], abs=6e-4)
        pnl, currency = cells[6].split()
        assert currency == row["base_currency"]
        assert Decimal(pnl.replace(",", "")) == round(Decimal(str(row["net_pnl_base"])))


def test_the_demo_leaves_nothing_outside_its_data_folder(demo: Path) -> None:
    assert sorted(path.name for path in demo.iterdir()) == [
        "data",
        "home",
        "output.txt",
        "pulls.yml",
    ]
    assert not list(files_below(demo / "home"))


def test_the_quality_report_is_where_the_summary_says(demo: Path) -> None:
    found = re.search(r"Report: (\S+)", shown(demo))
    assert found
    version = publication.current_version(Settings(data_dir=demo / "data").data)
    assert str(version) in Path(found[1]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_second_demo_publishes_nothing_and_says_so(demo: Path, tmp_path: Path) -> None:
    settings = copied(demo / "data", tmp_path / "data")
    before = publication.versions(settings.data)
    done = tapehouse(settings.data_dir, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Nothing has changed; still published: {before[0].version}" in done.stdout
    assert publication.versions(settings.data) == before
    record = latest_record(settings.data)
    assert record
    assert record.status == "unchanged"
    assert record.build_id != before[0].version
