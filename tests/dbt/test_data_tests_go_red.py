"""Every dbt data test fails on a database that breaks what it promises.

The SQL that dbt compiled for a test is run on a copy of the demo's database, before and after each
change that must turn it red. A new test needs a case here, unless its kind says how to break it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt.warehouse import Warehouse, connect

Node = Mapping[str, Any]

ONE_ROW = "rowid = (select min(rowid) from {table})"
NOT_ABOVE_ZERO = "update {table} set low = 0 where " + ONE_ROW
HIGH_BELOW = "update {table} set high = low - 1, open = low, close = low where " + ONE_ROW
OPEN_ABOVE = "update {table} set open = high + 1 where " + ONE_ROW
CLOSE_BELOW = "update {table} set close = low - 1 where " + ONE_ROW
PRICE_BOUNDS = (NOT_ABOVE_ZERO, HIGH_BELOW, OPEN_ABOVE, CLOSE_BELOW)
CLOSED_WHEN_OPENED = ("update {table} set close_at = open_at where " + ONE_ROW,)
ONE_GOOD = " from (select _batch_id, _row from silver.bar_versions limit 1) as good"
NO_SERIES_OF_SAMPLE = (
    "delete from silver.int_bars__series where provider = 'sample';"
    "delete from silver.int_corporate_actions__records where provider = 'sample';"
    "delete from silver.int_instruments__records where provider = 'sample';"
)
NO_REASON = ("update {table} set reasons = [] where " + ONE_ROW,)
ONE_WARM = "rowid = (select min(rowid) from {table} where bar_no = 250)"
ONE_CLOSE = "rowid = (select min(rowid) from {table} where available_count = 4)"
ONE_EVENT = "rowid = (select min(rowid) from {table} where event = '%s')"
TIMEFRAMES = ("1m", "5m", "15m", "1h", "4h", "1d")
OSCILLATORS = (
    "rsi_14", "mfi_14", "adx_14", "plus_di_14", "minus_di_14", "stochastic_k_14_3_3",
    "stochastic_d_14_3_3", "aroon_up_25", "aroon_down_25",
)  # fmt: skip
WARM_FROM = {
    "sma_20": 19, "sma_200": 199, "rsi_14": 14, "adx_14": 27, "macd_signal_12_26_9": 33,
}  # fmt: skip

CASES: Mapping[str, tuple[str, ...]] = {
    "adjustment_factors_factors_are_positive": (
        "update {table} set split_factor = 0 where " + ONE_ROW,
        "update {table} set total_return_factor = -1 where " + ONE_ROW,
    ),
    "bar_versions_high_and_low_bound_open_and_close": PRICE_BOUNDS,
    "bar_versions_losers_name_their_winner": (
        "update {table} set superseded_by_batch_id = 'x' where is_current",
        "update {table} set superseded_by_batch_id = null where not is_current",
    ),
    "bar_versions_start_is_before_end": (
        "update {table} set bar_end_at = bar_start_at where " + ONE_ROW,
    ),
    "bars_derived_bars_name_their_source": (
        "update {table} set source_timeframe = null where is_derived",
        "update {table} set source_timeframe = '1m' where not is_derived",
        "update {table} set _batch_id = 'x' where is_derived",
        "update {table} set _batch_id = null where not is_derived",
    ),
    "bars_high_and_low_bound_open_and_close": PRICE_BOUNDS,
    "bars_quarantined_reasons_are_given": NO_REASON,
    "corporate_actions_amounts_are_positive": (
        "update {table} set split_ratio = 0 where action_type = 'split'",
        "update {table} set split_ratio = null where action_type = 'split'",
        "update {table} set action_type = 'dividend' where action_type = 'split'",
        "update {table} set action_type = 'spin_off', price_factor = -1",
    ),
    "dataset_freshness_scheduled_datasets_have_a_limit": (
        "update {table} set max_hours_since_ask = null where not is_static",
    ),
    "dim_sessions_sessions_open_before_they_close": CLOSED_WHEN_OPENED,
    "every_bar_key_has_one_current_version": (
        "update silver.bar_versions set is_current = true where not is_current",
        "update silver.bar_versions set is_current = false where is_current and timeframe = '1d'",
    ),
    "every_provider_has_a_precedence": (
        *(
            f"delete from rules.precedence where dataset = '{dataset}' and provider = '{provider}'"
            for dataset, provider in (
                ("bars", "coinbase"),
                ("quote_bars", "oanda"),
                ("corporate_actions", "sample"),
                ("instruments", "simulator"),
            )
        ),
        "delete from rules.precedence where asset_class = 'fx' and provider = 'inbox'",
        NO_SERIES_OF_SAMPLE + "delete from rules.precedence where provider = 'sample'",
    ),
    "every_current_version_has_its_bar": (
        "delete from silver.bars where not is_derived and timeframe = '1d'",
    ),
    "every_final_daily_bar_has_its_fact": (
        "delete from gold.fct_daily_bars where " + ONE_ROW.format(table="gold.fct_daily_bars"),
    ),
    "every_quarantine_reason_has_a_meaning": (
        "update silver.bars_quarantined set reasons = ['zero_price', 'no_such_reason']",
        "update silver.reference_quarantined set reasons = ['no_such_reason']",
        "update silver.ticks_quarantined set reasons = ['no_such_reason']",
        "delete from rules.quarantine_reasons where reason = 'zero_price'",
    ),
    "fct_daily_bars_high_and_low_bound_open_and_close": PRICE_BOUNDS,
    "fundamental_concepts_signs_are_known": ("update {table} set sign = 0 where " + ONE_ROW,),
    "fundamentals_are_known_after_their_period": (
        "update {table} set available_at = period_end_date where " + ONE_ROW,
    ),
    "fundamentals_first_and_latest_reports_are_primary": (
        "update {table} set is_primary = false where is_latest",
        "update {table} set is_primary = false where is_first_report and not is_latest",
    ),
    "fundamentals_unknown_amounts_have_no_value": (
        "update {table} set value = 'nan' where value is not null",
        "update {table} set is_zero_unknown = true where value is not null",
        "update {table} set is_unreadable = true where value is not null",
    ),
    "indicators_bands_are_in_order": (
        "update {table} set bollinger_lower_20_2 = bollinger_middle_20_2 + 1 where " + ONE_WARM,
        "update {table} set bollinger_upper_20_2 = bollinger_middle_20_2 - 1 where " + ONE_WARM,
        "update {table} set keltner_lower_20_2 = keltner_upper_20_2 + 1 where " + ONE_WARM,
        "update {table} set donchian_lower_20 = donchian_upper_20 + 1 where " + ONE_WARM,
    ),
    "indicators_oscillators_are_within_0_and_100": (
        *(f"update {{table}} set {name} = -1 where {ONE_WARM}" for name in OSCILLATORS),
        *(f"update {{table}} set {name} = 101 where {ONE_WARM}" for name in OSCILLATORS),
        "update {table} set williams_r_14 = 1 where " + ONE_WARM,
        "update {table} set williams_r_14 = -101 where " + ONE_WARM,
    ),
    "indicators_warm_up_ends_where_it_should": (
        *(
            f"update {{table}} set {name} = null where bar_no = {first}"
            for name, first in WARM_FROM.items()
        ),
        *(
            f"update {{table}} set {name} = 50 where bar_no = {first - 1}"
            for name, first in WARM_FROM.items()
        ),
    ),
    "int_bars__derived_high_and_low_bound_open_and_close": PRICE_BOUNDS,
    "int_bars__derived_nothing_is_available_before_its_end": (
        "update {table} set available_at = bar_end_at - interval 1 microsecond where " + ONE_ROW,
    ),
    "int_calendar__sessions_sessions_open_before_they_close": CLOSED_WHEN_OPENED,
    "latest_prices_prices_are_positive": ("update {table} set price = 0 where " + ONE_ROW,),
    "market_regimes_last_from_their_start": (
        "update {table} set regime = null where bars_in_regime = 2",
        "update {table} set regime_started_at = null where bars_in_regime = 2",
        "update {table} set bars_in_regime = null where bars_in_regime = 2",
        "update {table} set bars_in_regime = 0 where bars_in_regime = 2",
        "update {table} set regime_started_at = bar_end_at where bars_in_regime = 2",
    ),
    "market_regimes_percentile_is_within_0_and_1": (
        "update {table} set volatility_percentile = 1.5 where " + ONE_ROW,
        "update {table} set volatility_percentile = -0.5 where " + ONE_ROW,
    ),
    "multi_timeframe_analysis_counts_are_consistent": (
        "update {table} set agreeing_count = 5 where " + ONE_CLOSE,
        "update {table} set available_count = 7 where " + ONE_CLOSE,
        "update {table} set confluence_score = 1.1 where " + ONE_CLOSE,
        "update {table} set confluence_score = -1.1 where " + ONE_CLOSE,
        "update {table} set confluence_score = null where " + ONE_CLOSE,
    ),
    "multi_timeframe_analysis_sees_only_ended_bars": tuple(
        f"update {{table}} set bar_end_at_{timeframe} = bar_end_at + interval 1 microsecond"
        f" where {ONE_CLOSE}"
        for timeframe in TIMEFRAMES
    ),
    "news_articles_are_known_after_they_are_published": (
        "update {table} set available_at = published_at - interval 1 second where " + ONE_ROW,
    ),
    "news_articles_versions_follow_each_other": (
        "update {table} set superseded_at = available_at - interval 1 second where " + ONE_ROW,
    ),
    "no_bar_is_available_before_its_end": (
        "update silver.bars set available_at = bar_end_at - interval 1 second where is_final",
    ),
    "no_record_is_both_accepted_and_quarantined": (
        "update silver.bars_quarantined set _batch_id = good._batch_id, _row = good._row"
        + ONE_GOOD,
    ),
    "mart_data_agreement_measures_are_consistent": (
        "update {table} set bar_count = 0 where " + ONE_ROW,
        "update {table} set missing_bar_count = -1 where " + ONE_ROW,
        "update {table} set native_bar_count = bar_count + 1 where " + ONE_ROW,
        "update {table} set close_deviation_bps = max_close_deviation_bps + 1 where " + ONE_ROW,
        "update {table} set max_native_deviation_bps = null where native_bar_count > 0",
        "update {table} set max_native_deviation_bps = 1 where native_bar_count = 0",
        "update {table} set is_outlier = true where provider_count < 3",
    ),
    "precedence_is_a_total_order": (
        "update {table} set precedence = 1 where dataset = 'bars' and asset_class = 'crypto'",
    ),
    "quote_bars_are_not_available_before_their_end": (
        "update {table} set available_at = bar_end_at - interval 1 microsecond where " + ONE_ROW,
    ),
    "quote_bars_high_and_low_bound_open_and_close": tuple(
        f"update {{table}} set {change} where {ONE_ROW}"
        for side in ("bid", "ask")
        for change in (
            f"{side}_low = 0",
            f"{side}_high = {side}_open - 1",
            f"{side}_open = {side}_low - 1",
            f"{side}_close = {side}_high + 1",
        )
    ),
    "quotes_prices_are_positive": (
        "update {table} set bid_price = 0 where " + ONE_ROW,
        "update {table} set ask_price = -1 where " + ONE_ROW,
    ),
    "record_balance_every_record_is_accounted_for": (
        "update {table} set is_balanced = false where " + ONE_ROW,
    ),
    "reference_quarantined_reasons_are_given": NO_REASON,
    "sentiment_scores_are_within_minus_1_and_1": (
        "update {table} set score = 1.01 where " + ONE_ROW,
        "update {table} set score = -1.01 where " + ONE_ROW,
    ),
    "signal_events_are_on_the_side_they_say": (
        "update {table} set value = level - 1 where " + ONE_EVENT % "golden_cross",
        "update {table} set value = level + 1 where " + ONE_EVENT % "rsi_oversold",
        "update {table} set event = 'macd_below_zero' where " + ONE_EVENT % "macd_above_zero",
    ),
    "decision_history_confidence_is_within_0_and_1": (
        "update {table} set confidence = 1.5 where " + ONE_ROW,
        "update {table} set confidence = -0.5 where " + ONE_ROW,
    ),
    "executions_quantities_and_prices_are_positive": (
        "update {table} set quantity = 0 where " + ONE_ROW,
        "update {table} set price = -1 where " + ONE_ROW,
    ),
    "ticks_quarantined_reasons_are_given": NO_REASON,
    "trades_have_a_price_unless_cancelled": (
        "update {table} set price = 0 where " + ONE_ROW,
        "update {table} set size = null where " + ONE_ROW,
    ),
    "trading_quarantined_reasons_are_given": NO_REASON,
    "social_posts_are_known_after_they_are_posted": (
        "update {table} set available_at = created_at - interval 1 second where " + ONE_ROW,
    ),
    "social_posts_versions_follow_each_other": (
        "update {table} set superseded_at = available_at - interval 1 second where " + ONE_ROW,
    ),
    "symbol_map_intervals_are_half_open": ("update {table} set valid_to = null",),
}
"""Changes by test, each of which alone must turn it red; `{table}` is the table it belongs to.

They come beside those that `BY_KIND` has for every test of a kind.
"""

PENDING: Mapping[str, str] = {
    "int_bars__remapped_symbols": "insert into {table} values ('vendor', 'X')",
    "int_bars__touched_sessions": "insert into {table} values ('crypto:X', '2024-01-01')",
}
"""What puts a row into tables that are empty when a build has ended."""


def test_every_data_test_goes_red(demo: Warehouse, demo_copy: Path) -> None:
    manifest = demo.manifest()
    tests = {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "test"}
    assert CASES.keys() <= tests.keys(), "cases of tests that are no more"
    wrong = []
    with closing(connect(demo_copy, read_only=False)) as connection:
        for name, node in tests.items():
            changes = _changes(node, manifest)
            if not changes:
                wrong.append(f"{name} has no case here")
            for change in changes:
                with _rolled_back(connection):
                    _prepare(connection, node, manifest)
                    if _failures(connection, node):
                        wrong.append(f"{name} is red before anything is broken")
                    connection.execute(change)
                    if not _failures(connection, node):
                        wrong.append(f"{name} stays green after: {change}")
    assert not wrong, "\n".join(wrong)


def test_a_red_test_and_a_broken_contract_fail_the_build(demo: Warehouse, tmp_path: Path) -> None:
    """Bars of a provider without a place in the order are of unknown finality: no such table."""
    broken = Warehouse(tmp_path)
    demo.copy_database(broken.database)
    broken.see(demo.data)
    with closing(connect(broken.database, read_only=False)) as connection:
        connection.execute("delete from rules.precedence where provider = 'coinbase'")
        connection.execute("update rules.dataset_freshness set max_hours_since_ask = null")
    tests = (
        "dataset_freshness_scheduled_datasets_have_a_limit",
        "dataset_freshness_grain_is_unique",
    )
    done = broken.run_dbt(
        *("build", "--full-refresh", "--exclude-resource-type", "unit_test"),
        *("--select", "bar_versions", *tests),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    outcomes = broken.outcomes()
    assert [outcomes[name] for name in ("bar_versions", *tests)] == ["error", "fail", "pass"]
    assert "NOT NULL constraint failed" in done.stdout
    assert "is_final" in done.stdout


def test_a_contract_holds_in_the_table_it_built(demo_copy: Path) -> None:
    with (
        closing(connect(demo_copy, read_only=False)) as connection,
        pytest.raises(duckdb.ConstraintException, match="NOT NULL constraint failed"),
    ):
        connection.execute("update silver.bars set close = null where timeframe = '1d'")


def _changes(node: Node, manifest: Node) -> list[str]:
    """Return SQL scripts that each break what the test promises."""
    table = _table(node, manifest)
    metadata = node.get("test_metadata") or {"name": "", "kwargs": {}}
    break_kind = BY_KIND.get(metadata["name"])
    return [
        *(break_kind(table, metadata["kwargs"]) if break_kind else ()),
        *(change.format(table=table) for change in CASES.get(node["name"], ())),
    ]


def _unique(table: str, _: Node) -> list[str]:
    return [f"insert into {table} select * from {table} limit 1"]


def _not_null(table: str, kwargs: Node) -> list[str]:
    return [f"update {table} set {kwargs['column_name']} = null where {_one_row(table)}"]


def _foreign(table: str, kwargs: Node) -> list[str]:
    return [f"update {table} set {kwargs['column_name']} = 'no such' where {_one_row(table)}"]


def _intervals(table: str, kwargs: Node) -> list[str]:
    start, end = kwargs.get("valid_from", "valid_from"), kwargs.get("valid_to", "valid_to")
    later = f"{start} + interval 1 day"
    overlapping = (
        f"select * replace ({later} as {start}) from {table} where {end} > {later} limit 1"
    )
    return [
        f"update {table} set {end} = {start} where {_one_row(table)}",
        f"update {table} set {end} = {start} - interval 1 day where {_one_row(table)}",
        f"insert into {table} {overlapping}",
    ]


BY_KIND: Mapping[str, Callable[[str, Node], list[str]]] = {
    "unique": _unique,
    "unique_grain": _unique,
    "not_null": _not_null,
    "accepted_values": _foreign,
    "relationships": _foreign,
    "half_open_intervals": _intervals,
}


def _one_row(table: str) -> str:
    return ONE_ROW.format(table=table)


def _table(node: Node, manifest: Node) -> str:
    model = manifest["nodes"].get(node.get("attached_node"))
    return f"{model['schema']}.{model['alias']}" if model else ""


def _prepare(connection: duckdb.DuckDBPyConnection, node: Node, manifest: Node) -> None:
    """Turn a view into a table, which can hold what its query would never give."""
    model = manifest["nodes"].get(node.get("attached_node"))
    if model is None:
        return
    table = _table(node, manifest)
    if model["config"]["materialized"] == "view":
        connection.execute(f"create table held as from {table}")
        connection.execute(f"drop view {table}")
        connection.execute(f"create table {table} as from held")
    if model["name"] in PENDING:
        connection.execute(PENDING[model["name"]].format(table=table))
    ((count,),) = connection.execute(f"select count(*) from {table}").fetchall()
    assert count, f"the demo has no rows in {table} to break"


def _failures(connection: duckdb.DuckDBPyConnection, node: Node) -> int:
    query = f"select count(*) from ({node['compiled_code']}\n)"
    return int(connection.execute(query).fetchall()[0][0])


@contextmanager
def _rolled_back(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    try:
        yield
    finally:
        connection.execute("rollback")
