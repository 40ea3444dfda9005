"""The same lake gives the same tables, however it came about and in however many builds.

A history of five steps is built incrementally, from scratch, in other orders, under another time
zone and as of an earlier time. Two chains of builds run beside each other.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingest.clock import parse_iso
from ingest.settings import DataDir
from orchestration.table_hashes import OF_ROUNDED_SUMS, table_hashes
from tests.dbt.landing import (
    DAY,
    HOUR,
    MINUTE,
    Bar,
    Landing,
    bars,
    coinbase_bars,
    inbox_bars,
    listing,
    product,
    sample_bars,
    sessions,
    simulator_bars,
)
from tests.dbt.signals import assert_same_signals, stored
from tests.dbt.vendors import binance
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, connect, rows

CALENDAR = (date(2023, 12, 1), date(2024, 3, 29))
CHANGED_SESSION = date(2024, 3, 28)
AS_OF, STEPS_THEN = "2024-01-09T12:00:00Z", 3
REFRESHED = (STEPS_THEN - 1, 4)
"""After these steps a full refresh is what the increments are compared with."""

SAYS_WHICH_CALENDARS = {
    "gold.dim_sessions",
    "ops.build_batches",
    "ops.load_batches",
    "ops.load_requests",
    "ops.record_balance",
    "silver.int_calendar__sessions",
}
"""Tables that show that a view of earlier data uses today's calendars."""


# -- the history -----------------------------------------------------------------------------------


def land_first(lake: Landing) -> None:
    """Bars of every provider: some still open, one bad, some of a symbol that nobody lists."""
    lake.land(
        "exchange_calendars",
        "sessions",
        sessions(*CALENDAR),
        fetched="2024-01-01T00:00Z",
        symbol="XNYS",
    )
    lake.land(
        "sample", "instruments", [listing("US-1", "OLD", "2010-01-01")], fetched="2024-01-02T00:00Z"
    )
    pair = listing("SIM", "SIM-A/USD", "2020-01-01", asset_class="crypto")
    lake.land("simulator", "instruments", [pair], fetched="2024-01-02T00:00Z")
    lake.land(
        "coinbase",
        "products",
        [product(each) for each in ("BTC-USD", "ETH-USD", "XRP-USD")],
        fetched="2024-01-02T00:00Z",
    )
    land_stock(lake, bars("2024-01-02T00:00Z", 4, DAY), fetched="2024-01-08T01:00Z")
    land_simulated(lake, bad_low="-80", fetched="2024-01-08T01:00Z")
    for symbol, count, end, fetched in (
        ("BTC-USD", 6, "10:10", "2024-01-08T10:05:30Z"),
        ("ETH-USD", 3, "10:03", "2024-01-08T10:30Z"),
        ("NEW-USD", 10, "10:10", "2024-01-08T11:00Z"),
    ):
        of = bars("2024-01-08T10:00Z", count, MINUTE)
        land_minutes(lake, symbol, of, "10:00", end, fetched=fetched)
    land_hours(lake, "ETH-USD", fetched="2024-01-08T10:00:30Z")
    hours = bars("2024-01-08T00:00Z", 10, HOUR)
    lake.land("binance", "products", [binance.symbol("XRP", "USD")], fetched="2024-01-08T12:00Z")
    for provider, symbol, records in (
        (
            "binance",
            "XRPUSD",
            [binance.bar(f"{each.start.timestamp() * 1000:.0f}", each.close) for each in hours],
        ),
        ("inbox", "fx:EUR/USD", inbox_bars("fx", "EUR/USD", "1h", hours)),
    ):
        lake.land(
            *(provider, "bars", records),
            fetched="2024-01-08T12:00Z",
            symbol=symbol,
            timeframe="1h",
            asked=("2024-01-08T00:00Z", "2024-01-08T10:00Z"),
        )
    days = coinbase_bars(bars("2024-01-02T00:00Z", 5, DAY))
    land_days(lake, "coinbase", days, "02", "07", fetched="2024-01-08T12:00Z")
    land_days(lake, "binance", binance_day("06"), "06", "07", fetched="2024-01-08T12:00Z")


def land_completion(lake: Landing) -> None:
    """The open bar as it ended, an answer that only confirms, and one that brings no rows."""
    later = bars("2024-01-08T10:04Z", 16, MINUTE, close=90)
    land_minutes(lake, "BTC-USD", later, "10:04", "10:20", fetched="2024-01-08T13:00Z")
    land_minutes(lake, "ETH-USD", [], "10:03", "10:05", fetched="2024-01-08T13:00Z")
    land_hours(lake, "ETH-USD", fetched="2024-01-08T13:00Z")
    land_days(lake, "binance", [], "04", "06", fetched="2024-01-08T13:00Z")


def land_corrections(lake: Landing) -> None:
    """A bar with another close, the good one for a bad one, a corrected day and its split.

    Where there were no rows there are still none; one hour is asked for alone, and is another. A
    vendor's first day comes to be before days that it was asked for and did not have.
    """
    land_days(lake, "binance", binance_day("02"), "02", "03", fetched="2024-01-09T10:00Z")
    corrected = bars("2024-01-08T10:00Z", 10, MINUTE, close=95)
    land_minutes(lake, "BTC-USD", corrected, "10:00", "10:10", fetched="2024-01-09T10:00Z")
    land_minutes(lake, "ETH-USD", [], "10:03", "10:05", fetched="2024-01-09T10:00Z")
    lake.land(
        "coinbase",
        "bars",
        coinbase_bars(bars("2024-01-08T05:00Z", 1, HOUR, close=98)),
        fetched="2024-01-09T10:00Z",
        symbol="ETH-USD",
        timeframe="1h",
        asked=("2024-01-08T05:00Z", "2024-01-08T06:00Z"),
    )
    land_simulated(lake, bad_low="80", fetched="2024-01-09T10:00Z")
    stock = bars("2024-01-02T00:00Z", 4, DAY, close=105)
    land_stock(lake, stock, fetched="2024-01-09T10:00Z")
    split = {"symbol": "OLD", "action_type": "split", "ex_date": "2024-01-04", "ratio": "2"}
    lake.land("sample", "corporate_actions", [split], fetched="2024-01-09T10:00Z")


def land_latecomers(lake: Landing) -> None:
    """Finer bars than there were, a vendor that comes before the one there was, a return.

    And a vendor that has nothing of a day of which another has a bar.
    """
    land_days(lake, "binance", [], "03", "04", fetched="2024-01-10T10:00Z")
    finer = bars("2024-01-08T00:00Z", 60, MINUTE)
    land_minutes(lake, "ETH-USD", finer, "00:00", "01:00", fetched="2024-01-10T10:00Z")
    land_hours(lake, "XRP-USD", fetched="2024-01-10T10:00Z")
    land_hours(lake, "ETH-USD", fetched="2024-01-10T10:00Z")


def land_listings(lake: Landing) -> None:
    """The symbol that nobody listed, a symbol that changes, and another calendar."""
    lake.land(
        "coinbase",
        "products",
        [product(each) for each in ("BTC-USD", "ETH-USD", "XRP-USD", "NEW-USD")],
        fetched="2024-01-11T00:00Z",
    )
    renamed = [listing("US-1", "OLD", "2010-01-01"), listing("US-1", "NEW", "2024-01-05")]
    lake.land("sample", "instruments", renamed, fetched="2024-01-11T00:00Z")
    lake.land(
        "exchange_calendars",
        "sessions",
        sessions(*CALENDAR, half_days=[CHANGED_SESSION]),
        fetched="2024-01-11T00:00Z",
        symbol="XNYS",
    )


def land_minutes(
    lake: Landing, symbol: str, of: Sequence[Bar], start: str, end: str, *, fetched: str
) -> None:
    """Land one-minute bars of 2024-01-08, asked from `start` to `end` of that day."""
    lake.land(
        "coinbase",
        "bars",
        coinbase_bars(of),
        fetched=fetched,
        symbol=symbol,
        timeframe="1m",
        asked=(f"2024-01-08T{start}Z", f"2024-01-08T{end}Z"),
    )


def land_hours(lake: Landing, symbol: str, *, fetched: str) -> None:
    lake.land(
        "coinbase",
        "bars",
        coinbase_bars(bars("2024-01-08T00:00Z", 10, HOUR)),
        fetched=fetched,
        symbol=symbol,
        timeframe="1h",
        asked=("2024-01-08T00:00Z", "2024-01-08T10:00Z"),
    )


def land_days(
    lake: Landing,
    provider: str,
    records: Sequence[object],
    first: str,
    after: str,
    *,
    fetched: str,
) -> None:
    """Land days of one pair, asked from one day of January to before another."""
    lake.land(
        provider,
        "bars",
        records,
        fetched=fetched,
        symbol={"binance": "XRPUSD", "coinbase": "XRP-USD"}[provider],
        timeframe="1d",
        asked=(f"2024-01-{first}T00:00Z", f"2024-01-{after}T00:00Z"),
    )


def binance_day(day: str) -> list[list[object]]:
    start = parse_iso(f"2024-01-{day}T00:00Z")
    return [binance.bar(f"{start.timestamp() * 1000:.0f}", "100")]


def land_stock(lake: Landing, daily: Sequence[Bar], *, fetched: str) -> None:
    lake.land(
        "sample",
        "bars",
        sample_bars("OLD", daily),
        fetched=fetched,
        symbol="OLD",
        timeframe="1d",
        asked=("2024-01-01T00:00Z", "2024-01-06T00:00Z"),
    )


def land_simulated(lake: Landing, *, bad_low: str, fetched: str) -> None:
    quarter = simulator_bars("SIM-A/USD", bars("2024-01-08T00:00Z", 15, MINUTE))
    quarter[3]["low"] = bad_low
    lake.land(
        "simulator",
        "bars",
        quarter,
        fetched=fetched,
        symbol="SIM-A/USD",
        timeframe="1m",
        asked=("2024-01-08T00:00Z", "2024-01-08T00:15Z"),
    )


STEPS: tuple[Callable[[Landing], None], ...] = (
    land_first,
    land_completion,
    land_corrections,
    land_latecomers,
    land_listings,
)


# -- building it -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Workshop:
    """Builds lakes that show some of all files, and keeps a copy of each database."""

    warehouse: Warehouse
    everything: Path
    kept: Path

    def show(self, files: Sequence[Path]) -> None:
        """Let dbt see these files and no others."""
        lake = self.warehouse.folder / f"lake{len(list(self.warehouse.folder.glob('lake*')))}"
        lake.mkdir()
        for file in files:
            target = lake / file.relative_to(self.everything)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        self.warehouse.see(lake)

    def start_anew(self) -> None:
        self.warehouse.database.unlink(missing_ok=True)

    def build(self, name: str, *args: str, env: Mapping[str, str] | None = None) -> None:
        # One thread each: the chains beside each other keep two busy. Seeds stay the same.
        one_thread = {"TAPEHOUSE_THREADS": "1", **(env or {})}
        seeded = ("--exclude-resource-type", "seed") if self.warehouse.database.exists() else ()
        self.warehouse.build(*WITHOUT_TESTS, *seeded, *args, env=one_thread)
        self.warehouse.copy_database(self.kept / f"{name}.duckdb")


def build_step_by_step(shop: Workshop, steps: Sequence[Sequence[Path]]) -> None:
    visible: list[Path] = []
    for number, files in enumerate(steps):
        visible += files
        shop.show(visible)
        shop.build(f"step {number}")


def build_in_mixed_order(shop: Workshop, steps: Sequence[Sequence[Path]]) -> None:
    """What listings say is there from the start, so that nothing is rebuilt on their account."""
    first, completion, corrections, latecomers, listings = steps
    visible = [file for files in steps for file in files if file.parents[1].name != "bars"]
    visible += [*latecomers, *listings, *first]
    shop.start_anew()
    shop.show(visible)
    shop.build("mixed order, begun")
    visible += corrections
    shop.show(visible)
    # A build that ends before its last bar model must not count as having taken anything in.
    shop.build("mixed order, broken off", "--select", "+int_bars__derived")
    visible += completion
    shop.show(visible)
    shop.build("mixed order")


def build_everything_backwards(shop: Workshop, steps: Sequence[Sequence[Path]]) -> None:
    """Only calendars are there from the start: another one is another rule, not other data."""
    visible = [file for files in steps for file in files if file.parents[1].name == "sessions"]
    shop.start_anew()
    for files in ([*steps[4], *steps[3], *steps[2]], [*steps[1], *steps[0]]):
        visible += files
        shop.show(visible)
        shop.build("backwards")


def build_from_scratch(shop: Workshop, steps: Sequence[Sequence[Path]], number: int) -> None:
    """Build where there is nothing yet what had landed by a step."""
    shop.start_anew()
    shop.show([file for files in steps[: number + 1] for file in files])
    shop.build(f"full {number}", "--full-refresh", env={"TZ": "Asia/Tokyo"})


def build_as_of(shop: Workshop, steps: Sequence[Sequence[Path]]) -> None:
    shop.start_anew()
    shop.show([file for files in steps for file in files])
    shop.build("as of", "--full-refresh", "--vars", f"{{as_of: '{AS_OF}'}}")


@dataclass(frozen=True)
class History:
    """The lake of all steps, its files by the step that landed them, and a folder for databases."""

    data: DataDir
    steps: Sequence[Sequence[Path]]
    kept: Path

    def shop(self, folder: Path) -> Workshop:
        """Return a workshop of its own, in an empty folder."""
        return Workshop(Warehouse(folder), self.data.root, self.kept)


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> History:
    data = DataDir(tmp_path_factory.mktemp("history"))
    lake = Landing(data)
    steps: list[list[Path]] = []
    for land in STEPS:
        earlier = {file for files in steps for file in files}
        land(lake)
        steps.append([file for file in lake.files() if file not in earlier])
    return History(data, steps, tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def built(landed: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of all databases, named after how they were built."""
    shops = [landed.shop(tmp_path_factory.mktemp(f"shop{number}")) for number in range(2)]

    def forwards() -> None:
        build_step_by_step(shops[0], landed.steps)

    def otherwise() -> None:
        build_from_scratch(shops[1], landed.steps, REFRESHED[-1])
        build_as_of(shops[1], landed.steps)

    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in [pool.submit(forwards), pool.submit(otherwise)]:
            done.result()
    return landed.kept


@pytest.fixture(scope="module")
def built_again(landed: History, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same folder, with more ways to come to the same."""
    shop = landed.shop(tmp_path_factory.mktemp("shop"))
    shop.show([file for files in landed.steps for file in files])
    shutil.copyfile(built / f"step {len(STEPS) - 1}.duckdb", shop.warehouse.database)
    shop.build("once more")
    build_in_mixed_order(shop, landed.steps)
    build_everything_backwards(shop, landed.steps)
    build_from_scratch(shop, landed.steps, REFRESHED[0])
    return built


def assert_same(built: Path, name: str, other: str, *, but: frozenset[str] = frozenset()) -> None:
    tables = []
    for each in (name, other):
        with closing(connect(built / f"{each}.duckdb")) as connection:
            tables.append(table_hashes(connection))
    assert tables[0].keys() == tables[1].keys()
    differing = {table for table in tables[0] if tables[0][table] != tables[1][table]}
    if differing - but <= set(OF_ROUNDED_SUMS):
        for table in differing.intersection(OF_ROUNDED_SUMS):
            bare = table.removeprefix("silver.")
            kept = (stored(built / f"{each}.duckdb", bare) for each in (name, other))
            assert_same_signals(*kept)
        differing -= set(OF_ROUNDED_SUMS)
    assert differing == but


# -- what must hold --------------------------------------------------------------------------------


def test_increments_equal_a_full_refresh_in_another_time_zone(built: Path) -> None:
    assert_same(built, f"step {REFRESHED[-1]}", f"full {REFRESHED[-1]}")


@pytest.mark.slow
def test_earlier_increments_equal_a_full_refresh(built_again: Path) -> None:
    assert_same(built_again, f"step {REFRESHED[0]}", f"full {REFRESHED[0]}")


def test_each_step_changes_the_tables(built: Path) -> None:
    """Otherwise the comparisons would prove nothing."""
    for number in range(1, len(STEPS)):
        with pytest.raises(AssertionError):
            assert_same(built, f"step {number - 1}", f"step {number}")


@pytest.mark.parametrize("number", range(1, len(STEPS)))
def test_an_increment_changes_only_the_sessions_it_tests(built: Path, number: int) -> None:
    """Tests of large tables read only what `int_bars__touched_sessions` names."""
    earlier, later = (str(built / f"step {step}.duckdb") for step in (number - 1, number))
    for table in ("bar_versions", "bars", "int_bars__derived", "int_bars__series"):
        with duckdb.connect() as connection:
            connection.execute(f"attach '{earlier}' as earlier (read_only)")
            connection.execute(f"attach '{later}' as later (read_only)")
            changed, untested = connection.execute(
                f"""
                with changed as (
                    (from later.silver.{table} except from earlier.silver.{table})
                    union all
                    (from earlier.silver.{table} except from later.silver.{table})
                ),

                tested as (from later.staging.int_bars__touched_sessions)

                select
                    count(*),
                    count(*) filter (
                        (instrument_id, session_date)
                        not in (select (instrument_id, session_date) from tested)
                        and '*' not in (select instrument_id from tested)
                    )
                from changed
                """
            ).fetchall()[0]
        assert (changed > 0, untested) == (True, 0), table


@pytest.mark.slow
def test_building_twice_equals_building_once(built_again: Path) -> None:
    assert_same(built_again, "step 4", "once more")


@pytest.mark.slow
@pytest.mark.parametrize("order", ["mixed order", "backwards"])
def test_batches_that_become_visible_in_another_order_give_the_same(
    built_again: Path, order: str
) -> None:
    assert_same(built_again, "step 4", order)


def test_a_view_as_of_a_time_equals_the_build_of_what_had_landed_then(built: Path) -> None:
    """But for calendars, of which it uses today's."""
    assert_same(built, "as of", f"step {STEPS_THEN - 1}", but=frozenset(SAYS_WHICH_CALENDARS))


# -- what the steps are about ----------------------------------------------------------------------


def bar(
    built: Path, name: str, instrument_id: str, timeframe: str, start: str
) -> tuple[object, ...]:
    """Return what there is of a bar: provider, close, whether final and derived; or nothing."""
    found = rows(
        built / f"{name}.duckdb",
        "select provider, close, is_final, is_derived from silver.bars"
        f" where instrument_id = '{instrument_id}' and timeframe = '{timeframe}'"
        f" and bar_start_at = timestamp '2024-01-{start}'",
    )
    return found[0] if found else ()


def test_an_open_bar_is_completed(built: Path) -> None:
    key = ("crypto:BTC/USD", "1m", "08 10:05")
    assert bar(built, "step 0", *key) == ("coinbase", 102.5, False, False)
    assert bar(built, "step 1", *key) == ("coinbase", 90.5, True, False)


def test_a_confirmed_bar_is_final_without_a_new_version(built: Path) -> None:
    key = ("crypto:ETH/USD", "1h", "08 09:00")
    assert bar(built, "step 0", *key) == ("coinbase", 104.5, False, False)
    assert bar(built, "step 1", *key) == ("coinbase", 104.5, True, False)
    versions = "select count(*) from silver.bar_versions where timeframe = '1h'"
    assert rows(built / "step 0.duckdb", versions) == rows(built / "step 1.duckdb", versions)


def test_what_an_answer_says_again_counts_again(built: Path) -> None:
    key = ("crypto:ETH/USD", "1h", "08 05:00")
    assert bar(built, "step 1", *key) == ("coinbase", 102.5, True, False)
    assert bar(built, "step 2", *key) == ("coinbase", 98, True, False)
    assert bar(built, "step 3", *key) == ("coinbase", 102.5, True, False)


def test_answers_without_rows_complete_a_bar(built: Path) -> None:
    """The vendor has been seen to leave rows out: it takes two answers."""
    key = ("crypto:ETH/USD", "5m", "08 10:00")
    assert bar(built, "step 0", *key) == ()
    assert bar(built, "step 1", *key) == ()
    assert bar(built, "step 2", *key) == ("coinbase", 101, True, True)


def test_a_correction_is_derived_anew(built: Path) -> None:
    key = ("crypto:BTC/USD", "5m", "08 10:00")
    assert bar(built, "step 1", *key) == ("coinbase", 90, True, True)
    assert bar(built, "step 2", *key) == ("coinbase", 97, True, True)


def test_the_good_row_for_a_bad_one_fills_the_hole(built: Path) -> None:
    key = ("crypto:SIM-A/USD", "5m", "08 00:00")
    assert bar(built, "step 1", *key) == ()
    assert bar(built, "step 2", *key) == ("simulator", 102, True, True)
    bad = "select count(*) from silver.bars_quarantined where provider = 'simulator'"
    assert rows(built / "step 2.duckdb", bad) == [(1,)], "what was bad stays on record"


def test_a_split_that_comes_late_adjusts(built: Path) -> None:
    factors = (
        "select count(*), max(split_factor) from silver.adjustment_factors"
        " where instrument_id = 'equity:OLD'"
    )
    assert rows(built / "step 1.duckdb", factors) == [(1, 1)]
    assert rows(built / "step 2.duckdb", factors) == [(2, 2)]


def test_finer_bars_that_come_late_are_used(built: Path) -> None:
    assert bar(built, "step 2", "crypto:ETH/USD", "15m", "08 00:00") == ()
    assert bar(built, "step 3", "crypto:ETH/USD", "15m", "08 00:00") == (
        "coinbase",
        107,
        True,
        True,
    )
    assert bar(built, "step 3", "crypto:ETH/USD", "1h", "08 00:00") == (
        "coinbase",
        100,
        True,
        False,
    )


def test_a_vendor_of_better_precedence_takes_over_from_when_it_came(built: Path) -> None:
    key = ("crypto:XRP/USD", "1h", "08 01:00")
    assert bar(built, "step 2", *key) == ("binance", 100.5, True, False)
    assert bar(built, "step 3", *key) == ("coinbase", 100.5, True, False)
    known = rows(
        built / "step 3.duckdb",
        "select provider, is_current, strftime(available_at, '%d %H:%M') from silver.bar_versions"
        " where instrument_id = 'crypto:XRP/USD' and bar_start_at = timestamp '2024-01-08 01:00'"
        " order by provider",
    )
    assert known == [("binance", False, "08 02:01"), ("coinbase", True, "10 10:00")]


def test_days_that_a_vendor_lost_are_told_once_it_is_known_to_have_others(built: Path) -> None:
    """It was asked for two in the second step; its first bar is before them from the third on."""
    lost = [
        rows(
            built / f"step {number}.duckdb",
            "select day(session_date), missing_bar_count from gold.mart_data_agreement"
            " where provider = 'binance' and timeframe = '1d' and bar_count = 0"
            " order by session_date",
        )
        for number in range(len(STEPS))
    ]
    two = [(4, 1), (5, 1)]
    assert lost == [[], [], two, [(3, 1), *two], [(3, 1), *two]]


def test_a_listing_brings_its_rows_back_from_quarantine(built: Path) -> None:
    query = "select count(*) from silver.{} where provider_symbol = 'NEW-USD'"
    counts = [
        rows(built / f"step {number}.duckdb", query.format(table))[0][0]
        for number in (3, 4)
        for table in ("bars_quarantined", "bar_versions")
    ]
    assert counts == [10, 0, 0, 10]
    assert bar(built, "step 4", "crypto:NEW/USD", "5m", "08 10:05") == (
        "coinbase",
        104.5,
        True,
        True,
    )


def test_round_the_clock_and_fx_sessions_follow_their_rules(built: Path) -> None:
    sessions_of = (
        "select min(session_date)::varchar, max(session_date)::varchar, count(*)"
        " from gold.dim_sessions where calendar = '{}'"
    )
    database = built / "step 4.duckdb"
    assert rows(database, sessions_of.format("24/7")) == [("1990-01-01", "2025-12-31", 13149)]
    assert rows(database, sessions_of.format("FX")) == [("1990-01-01", "2025-12-31", 9393)]
    around_the_change = rows(
        database,
        "select strftime(open_at, '%d %H'), strftime(close_at, '%d %H')"
        " from gold.dim_sessions where calendar = 'FX'"
        " and session_date between date '2024-03-08' and date '2024-03-11' order by session_date",
    )
    assert around_the_change == [("07 22", "08 22"), ("10 21", "11 21")]
