"""Every declared check: quiet on good data, and the only one to speak of a broken promise."""

from contextlib import ExitStack
from pathlib import Path

import duckdb
import pytest

from orchestration.quality import CHECKS_DIR, CheckResult, QualityReport, declared_checks
from tests.soda.cases import Case, shrunk, warns, without_column
from tests.soda.cases_context import CASES_CONTEXT
from tests.soda.cases_features import CASES_FEATURES
from tests.soda.cases_performance import CASES_PERFORMANCE
from tests.soda.cases_research import CASES_RESEARCH
from tests.soda.cases_trading import CASES_TRADING
from tests.soda.demo_warehouse import Views, change, copy, judge

UNJUDGED = {
    "ops.applied_currency_rates": "what the incremental models remember",
    "ops.applied_instrument_versions": "what the incremental models remember",
    "ops.applied_late_splits": "what the incremental models remember",
    "ops.applied_news_symbols": "what the incremental models remember",
    "ops.applied_share_units": "what the incremental models remember",
    "ops.applied_split_factors": "what the incremental models remember",
    "ops.applied_symbol_map": "what the incremental models remember",
    "ops.applied_trading_symbols": "what the incremental models remember",
    "ops.family_runs": "what the incremental models remember",
    "ops.processed_batches": "what the incremental models remember",
    "ops.rule_fingerprints": "what the incremental models remember",
    "ops.build_runs": "a record of earlier builds",
    "ops.soda_results": "a record of earlier builds",
    "ops.load_requests": "the ledger's second half: judged through load_batches and coverage",
    "silver.dividends_quarantined": "no records: what cannot be converted of those accepted",
    "silver.reference_quarantined": "judged through record_balance",
    "silver.ticks_quarantined": "judged through record_balance",
    "silver.trading_quarantined": "judged through record_balance",
    "silver.unknown_symbols": "what a user wrote, which may be so",
}


FB = "instrument_id = 'equity:FB'"
ONE_FACT = "instrument_id = 'equity:IBM' and session_date = '2010-05-06'"
ONE_BAR = f"timeframe = '1d' and {ONE_FACT}"
DERIVED = "is_derived and timeframe = '5m' and bar_start_at = '2024-01-09 10:00'"
LATER_MSFT = "instrument_id = 'equity:MSFT' and session_date = '2013-03-01'"
ONE_CLOSE = "bar_end_at = '2024-01-12 15:00'"

CASES: dict[tuple[str, str], Case] = {
    # -- gold ------------------------------------------------------------------------------------
    ("gold.dim_instruments", "dim_instruments_have_the_promised_columns"): without_column(
        "gold.dim_instruments", "exchange"
    ),
    ("gold.dim_instruments", "dim_instruments_are_not_empty"): Case(
        "delete from gold.dim_instruments"
    ),
    ("gold.dim_instruments", "dim_instruments_keep_their_volume"): shrunk("gold.dim_instruments"),
    ("gold.dim_instruments", "dim_instruments_have_one_current_version"): Case(
        "update gold.dim_instruments set is_current = true"
    ),
    ("gold.dim_instruments", "currency_is_given_where_listed"): warns(
        "update gold.dim_instruments set currency = null where symbol = 'IBM'"
    ),
    ("gold.dim_instruments", "asset_class_is_known"): Case(
        "update gold.dim_instruments set asset_class = 'bond' where symbol = 'IBM'"
    ),
    ("gold.dim_dates", "dim_dates_have_the_promised_columns"): without_column(
        "gold.dim_dates", "is_weekend"
    ),
    ("gold.dim_dates", "dim_dates_are_unique"): Case(
        "insert into gold.dim_dates select * from gold.dim_dates where date = '2013-01-01';"
        " delete from gold.dim_dates where date = '2013-01-02'"
    ),
    ("gold.dim_dates", "dim_dates_keep_their_volume"): shrunk("gold.dim_dates"),
    ("gold.dim_dates", "dim_dates_have_no_hole"): Case(
        "delete from gold.dim_dates where date = '2013-01-01'"
    ),
    ("gold.dim_dates", "dim_dates_reach_beyond_now"): Case(
        "delete from gold.dim_dates where date >= '2024-03-01'"
    ),
    ("gold.dim_providers", "dim_providers_have_the_promised_columns"): without_column(
        "gold.dim_providers", "kind"
    ),
    ("gold.dim_providers", "dim_providers_are_unique"): Case(
        "insert into gold.dim_providers select * from gold.dim_providers where provider = 'fmp'"
    ),
    ("gold.dim_providers", "dim_providers_keep_their_volume"): shrunk("gold.dim_providers"),
    ("gold.dim_providers", "dim_providers_name_all_that_landed"): Case(
        "delete from gold.dim_providers where provider = 'sample'"
    ),
    ("gold.dim_sessions", "dim_sessions_have_the_promised_columns"): Case(
        "alter table gold.dim_sessions alter column is_early_close type varchar"
    ),
    ("gold.dim_sessions", "dim_sessions_are_not_empty"): Case("delete from gold.dim_sessions"),
    ("gold.dim_sessions", "dim_sessions_keep_their_volume"): shrunk("gold.dim_sessions"),
    ("gold.dim_sessions", "dim_sessions_are_unique"): Case(
        "insert into gold.dim_sessions select * from gold.dim_sessions limit 1"
    ),
    ("gold.dim_sessions", "dim_sessions_reach_beyond_now"): Case(
        "delete from gold.dim_sessions where calendar = 'XNYS' and session_date >= '2024-02-01'"
    ),
    ("gold.dim_sessions", "dim_sessions_last_a_day_at_most"): Case(
        "update gold.dim_sessions set close_at = close_at + interval 1 day"
        " where calendar = 'XNYS' and session_date = '2010-05-06'"
    ),
    ("gold.fct_daily_bars", "fct_daily_bars_have_the_promised_columns"): without_column(
        "gold.fct_daily_bars", "total_return"
    ),
    ("gold.fct_daily_bars", "fct_daily_bars_keep_their_volume"): shrunk("gold.fct_daily_bars"),
    ("gold.fct_daily_bars", "fct_daily_bars_are_as_many_as_final_daily_bars"): Case(
        f"delete from gold.fct_daily_bars where {LATER_MSFT}"
    ),
    ("gold.fct_daily_bars", "fct_daily_bars_are_unique"): Case(
        f"update gold.fct_daily_bars set session_date = '2013-02-28' where {LATER_MSFT}"
    ),
    ("gold.fct_daily_bars", "instrument_key_is_in_dim_instruments"): Case(
        f"update gold.fct_daily_bars set instrument_key = 'nobody' where {ONE_FACT}"
    ),
    ("gold.fct_daily_bars", "session_key_is_in_dim_sessions"): Case(
        f"update gold.fct_daily_bars set session_key = 'never' where {ONE_FACT}"
    ),
    ("gold.fct_daily_bars", "price_return_is_missing_only_at_the_first_bar"): Case(
        f"update gold.fct_daily_bars set price_return = null where {ONE_FACT}"
    ),
    ("gold.fct_daily_bars", "price_return_is_not_extreme"): warns(
        f"update gold.fct_daily_bars set price_return = 0.45 where {ONE_FACT}"
    ),
    ("gold.latest_prices", "latest_prices_have_the_promised_columns"): Case(
        "alter table gold.latest_prices rename column previous_close to last_close"
    ),
    ("gold.latest_prices", "latest_prices_keep_their_volume"): shrunk("gold.latest_prices"),
    ("gold.latest_prices", "latest_prices_are_one_per_instrument"): Case(
        "insert into gold.latest_prices select * from gold.latest_prices limit 1"
    ),
    ("gold.latest_prices", "symbol_is_given"): Case(
        f"update gold.latest_prices set symbol = null where {FB}"
    ),
    ("gold.latest_prices", "latest_prices_cover_every_instrument_with_bars"): Case(
        f"delete from gold.latest_prices where {FB}"
    ),
    ("gold.latest_prices", "price_at_is_not_in_the_future"): Case(
        f"update gold.latest_prices set price_at = '2024-03-02' where {FB}",
        also=frozenset({"price_at_is_the_end_of_the_last_final_bar"}),
    ),
    ("gold.latest_prices", "price_at_is_the_end_of_the_last_final_bar"): Case(
        f"update gold.latest_prices set price_at = price_at - interval 1 day where {FB}"
    ),
    ("gold.latest_prices", "price_at_is_not_before_what_was_published"): Case(
        published=f"update gold.latest_prices set price_at = price_at + interval 1 day where {FB}",
        outcome="warn",
    ),
    ("gold.latest_prices", "change_pct_is_not_extreme"): warns(
        f"update gold.latest_prices set change_pct = -41 where {FB}"
    ),
    ("gold.latest_prices", "prices_are_near_those_published"): Case(
        published=f"update gold.latest_prices set price = 2.1 * price where {FB}", outcome="warn"
    ),
    ("gold.mart_data_agreement", "mart_data_agreement_has_the_promised_columns"): without_column(
        "gold.mart_data_agreement", "volume_ratio"
    ),
    ("gold.mart_data_agreement", "mart_data_agreement_keeps_its_volume"): shrunk(
        "gold.mart_data_agreement"
    ),
    ("gold.mart_data_agreement", "mart_data_agreement_is_unique"): Case(
        "insert into gold.mart_data_agreement select * from gold.mart_data_agreement limit 1"
    ),
    ("gold.mart_data_agreement", "mart_data_agreement_compares_what_there_is"): Case(
        "update gold.mart_data_agreement set session_date = '1999-12-31'",
        also=frozenset({"mart_data_agreement_reaches_the_last_session_that_two_tell"}),
    ),
    (
        "gold.mart_data_agreement",
        "mart_data_agreement_reaches_the_last_session_that_two_tell",
    ): Case(
        "update silver.bar_versions set provider = 'another' where (_batch_id, _row) ="
        " (select (_batch_id, _row) from silver.bar_versions where instrument_id = 'equity:IBM'"
        " and timeframe = '1d' and is_provider_current order by session_date desc limit 1);"
        " insert into silver.bar_versions by name select * replace ('sample' as provider)"
        " from silver.bar_versions where provider = 'another'"
    ),
    ("gold.mart_data_agreement", "close_deviations_are_as_published"): Case(
        published="update gold.mart_data_agreement set close_deviation_bps ="
        " close_deviation_bps + 11 where provider = 'oanda'",
        outcome="warn",
    ),
    ("gold.mart_data_agreement", "vendors_agree_within_a_percent"): warns(
        "update gold.mart_data_agreement set max_close_deviation_bps = 101"
        " where provider = 'oanda' and not is_derived"
    ),
    (
        "gold.mart_data_agreement",
        "derived_bars_agree_with_the_vendor_s_own_within_a_percent",
    ): warns(
        "update gold.mart_data_agreement set max_native_deviation_bps = 101"
        " where provider = 'oanda'"
    ),
    (
        "gold.mart_data_agreement",
        "derived_volumes_agree_with_the_vendor_s_own_within_a_factor_of_two",
    ): warns(
        "update gold.mart_data_agreement set native_volume_ratio = 0.49 where provider = 'oanda'"
    ),
    # -- silver, trading ---------------------------------------------------------------------------
    ("silver.cash_movements", "cash_movements_have_the_promised_columns"): Case(
        "alter table silver.cash_movements alter column amount type double"
    ),
    ("silver.cash_movements", "cash_movements_are_there_when_landed"): Case(
        "delete from silver.cash_movements",
    ),
    ("silver.cash_movements", "cash_movements_keep_their_volume"): shrunk("silver.cash_movements"),
    ("silver.cash_movements", "accounts_open_at_most_once_per_currency"): Case(
        "insert into silver.cash_movements"
        " select * replace ('m-3' as movement_id) from silver.cash_movements"
    ),
    ("silver.decision_history", "decision_history_have_the_promised_columns"): without_column(
        "silver.decision_history", "method"
    ),
    ("silver.decision_history", "decision_history_are_there_when_landed"): Case(
        "delete from silver.decision_history",
    ),
    ("silver.decision_history", "decision_history_keep_their_volume"): shrunk(
        "silver.decision_history"
    ),
    ("silver.decision_history", "decided_at_is_not_after_it_was_told"): Case(
        "update silver.decision_history set decided_at = '2024-01-14' where decision_id = 'd-1'"
    ),
    ("silver.decision_votes", "decision_votes_have_the_promised_columns"): without_column(
        "silver.decision_votes", "weight"
    ),
    ("silver.decision_votes", "decision_votes_keep_their_volume"): shrunk("silver.decision_votes"),
    ("silver.decision_votes", "votes_are_as_many_as_decisions_say"): Case(
        "delete from silver.decision_votes where decision_id = 'd-1' and vote_number = 2"
    ),
    ("silver.executions", "executions_have_the_promised_columns"): Case(
        "alter table silver.executions alter column price type double"
    ),
    ("silver.executions", "executions_are_there_when_landed"): Case(
        "delete from silver.executions"
    ),
    ("silver.executions", "executions_keep_their_volume"): shrunk("silver.executions"),
    ("silver.executions", "executed_at_is_not_after_it_was_told"): Case(
        "update silver.executions set executed_at = '2024-01-14' where account_id = 'main'"
    ),
    ("silver.executions", "fees_are_not_larger_than_the_trade"): warns(
        "update silver.executions set fee = 100000 where account_id = 'main'"
    ),
    # -- silver, fundamentals and news -----------------------------------------------------------
    ("silver.fundamentals", "fundamentals_have_the_promised_columns"): without_column(
        "silver.fundamentals", "form"
    ),
    ("silver.fundamentals", "fundamentals_keep_their_volume"): shrunk("silver.fundamentals"),
    ("silver.fundamentals", "fundamentals_have_one_latest_report_per_figure"): Case(
        "update silver.fundamentals set is_latest = false where concept = 'total_assets'"
    ),
    ("silver.fundamentals", "fundamentals_amounts_are_readable"): warns(
        "update silver.fundamentals set is_unreadable = true where concept = 'total_assets'"
    ),
    ("silver.fundamentals", "fundamentals_balance_sheets_balance"): warns(
        "update silver.fundamentals set value = 1201 where concept = 'total_liabilities'"
    ),
    ("silver.news_articles", "news_articles_have_the_promised_columns"): without_column(
        "silver.news_articles", "summary"
    ),
    ("silver.news_articles", "news_articles_keep_their_volume"): shrunk("silver.news_articles"),
    ("silver.news_articles", "news_articles_have_one_current_version"): Case(
        "update silver.news_articles set is_current = true where article_id = 'a-1'"
    ),
    ("silver.news_articles", "news_articles_mention_known_instruments"): warns(
        "update silver.news_articles set instrument_ids = [], unmapped_symbols = ['X']"
    ),
    ("silver.sentiment_scores", "sentiment_scores_have_the_promised_columns"): without_column(
        "silver.sentiment_scores", "relevance"
    ),
    ("silver.sentiment_scores", "sentiment_scores_keep_their_volume"): shrunk(
        "silver.sentiment_scores"
    ),
    ("silver.sentiment_scores", "sentiment_scores_cover_every_article"): Case(
        "delete from silver.sentiment_scores where document_id = 'a-2'"
    ),
    ("silver.sentiment_scores", "sentiment_scores_are_not_all_neutral"): warns(
        "update silver.sentiment_scores set score = 0"
    ),
    ("silver.social_posts", "social_posts_have_the_promised_columns"): without_column(
        "silver.social_posts", "community"
    ),
    ("silver.social_posts", "social_posts_keep_their_volume"): shrunk("silver.social_posts"),
    ("silver.social_posts", "social_posts_have_one_current_version"): Case(
        "update silver.social_posts set is_current = true where post_id = 'p-1'"
    ),
    ("silver.social_posts", "comment_count_is_not_negative"): Case(
        "update silver.social_posts set comment_count = -1 where post_id = 'p-2'"
    ),
    # -- operations ------------------------------------------------------------------------------
    ("ops.build_batches", "build_batches_have_the_promised_columns"): without_column(
        "ops.build_batches", "ledger"
    ),
    ("ops.build_batches", "build_batches_are_as_many_as_load_batches"): Case(
        "delete from ops.build_batches where dataset = 'corporate_actions'"
    ),
    ("ops.build_batches", "file_is_unique"): Case(
        "update ops.build_batches set file = 'the same' where provider = 'sample'"
    ),
    ("ops.coverage", "coverage_has_the_promised_columns"): without_column(
        "ops.coverage", "gap_seconds"
    ),
    # Vendors that were asked and then have no bar are stale as well.
    ("ops.coverage", "coverage_is_not_empty"): Case(
        "delete from ops.coverage", also=frozenset({"newest_bar_is_recent"})
    ),
    ("ops.coverage", "coverage_keeps_its_volume"): shrunk("ops.coverage"),
    ("ops.coverage", "newest_bar_is_recent"): Case(
        "update rules.dataset_freshness"
        " set is_static = false, max_hours_since_ask = 72, max_hours_since_bar = 72"
        " where provider = 'simulator'"
    ),
    ("ops.coverage", "coverage_has_no_gaps"): warns(
        f"update ops.coverage set gap_count = 1 where {FB}"
    ),
    ("ops.coverage", "coverage_misses_no_sessions"): warns(
        f"update ops.coverage set missing_session_count = 1 where {FB}"
    ),
    ("ops.load_batches", "load_batches_have_the_promised_columns"): without_column(
        "ops.load_batches", "loader_version"
    ),
    ("ops.load_batches", "load_batches_keep_their_volume"): Case(
        published="insert into ops.load_batches"
        " select * replace ('another' as batch_id) from ops.load_batches limit 1"
    ),
    ("ops.load_batches", "load_batches_are_unique"): Case(
        "insert into ops.load_batches select * from ops.load_batches limit 1"
    ),
    ("ops.load_batches", "dataset_has_a_freshness_rule"): Case(
        "delete from rules.dataset_freshness where provider = 'simulator'"
    ),
    ("ops.load_batches", "dataset_was_asked_in_time"): Case(
        "update rules.dataset_freshness set is_static = false, max_hours_since_ask = 24"
        " where provider = 'simulator'"
    ),
    ("ops.load_batches", "load_batches_have_no_recent_dead_letters"): warns(
        "update ops.load_batches set dead_letter_count = 1 where dataset = 'corporate_actions'"
    ),
    ("ops.record_balance", "record_balance_has_the_promised_columns"): Case(
        "alter table ops.record_balance alter column accepted_count type integer"
    ),
    ("ops.record_balance", "record_balance_covers_every_batch"): Case(
        "delete from ops.record_balance where dataset = 'corporate_actions'"
    ),
    ("ops.record_balance", "record_balance_is_exact"): Case(
        "update ops.record_balance set is_balanced = false where dataset = 'corporate_actions'"
    ),
    ("ops.record_balance", "quarantined_count_is_small"): warns(
        "update ops.record_balance"
        " set accepted_count = landed_count - 200, quarantined_count = 200"
        " where provider = 'sample' and dataset = 'bars'"
    ),
    ("ops.record_balance", "quarantined_count_is_bearable"): Case(
        "update ops.record_balance"
        " set accepted_count = landed_count - 5000, quarantined_count = 5000"
        " where provider = 'sample' and dataset = 'bars'",
        also=frozenset({"quarantined_count_is_small"}),
    ),
    ("ops.schema_drift", "schema_drift_has_the_promised_columns"): without_column(
        "ops.schema_drift", "detail"
    ),
    ("ops.schema_drift", "schema_drift_is_absent"): warns(
        "insert into ops.schema_drift values"
        " ('sample', 'bars', 'vwap', 'new', 'is sent', 'a batch', '2024-01-01')"
    ),
    # -- silver ----------------------------------------------------------------------------------
    ("silver.adjustment_factors", "adjustment_factors_have_the_promised_columns"): without_column(
        "silver.adjustment_factors", "available_at"
    ),
    ("silver.adjustment_factors", "adjustment_factors_keep_their_volume"): shrunk(
        "silver.adjustment_factors"
    ),
    ("silver.adjustment_factors", "adjustment_factors_are_open_for_every_instrument"): Case(
        f"update silver.adjustment_factors set valid_to = '2013-01-02' where {FB}"
    ),
    ("silver.adjustment_factors", "dividend_step_hides_no_unlisted_split"): warns(
        f"update silver.adjustment_factors set dividend_step = 2 where {FB}"
    ),
    ("silver.bar_versions", "bar_versions_have_the_promised_columns"): without_column(
        "silver.bar_versions", "superseded_by_row"
    ),
    ("silver.bar_versions", "bar_versions_are_not_empty"): Case("delete from silver.bar_versions"),
    ("silver.bar_versions", "bar_versions_keep_their_volume"): shrunk("silver.bar_versions"),
    ("silver.bars", "bars_have_the_promised_columns"): without_column("silver.bars", "vwap"),
    ("silver.bars", "bars_are_not_empty"): Case(
        "delete from silver.bars; delete from silver.bar_versions"
    ),
    ("silver.bars", "bars_keep_their_volume"): shrunk("silver.bars"),
    ("silver.bars", "bars_are_unique"): Case(
        f"insert into silver.bars select * from silver.bars where {DERIVED}"
    ),
    ("silver.bars", "bars_have_sane_prices"): Case(
        f"update silver.bars set high = low * 0.99 where {ONE_BAR}"
    ),
    ("silver.bars", "asset_class_is_known"): Case(
        f"update silver.bars set asset_class = 'bond' where {ONE_BAR}"
    ),
    ("silver.bars", "volume_is_not_negative"): Case(
        f"update silver.bars set volume = -1 where {ONE_BAR}"
    ),
    ("silver.bars", "volume_is_given_except_for_fx"): warns(
        f"update silver.bars set volume = null where {ONE_BAR}"
    ),
    ("silver.bars", "bars_have_no_extreme_spikes"): warns(
        f"update silver.bars set high = 10 * high where {ONE_BAR}"
    ),
    ("silver.bars", "bars_have_begun_by_now"): Case(
        f"update silver.bars set bar_start_at = '2024-03-02' where {DERIVED}"
    ),
    ("silver.bars", "instrument_id_is_in_dim_instruments"): Case(
        f"delete from gold.dim_instruments where {FB}"
    ),
    ("silver.bars", "bars_match_the_current_versions"): Case(
        f"delete from silver.bar_versions where {ONE_BAR}"
    ),
    ("silver.bars_adjusted", "bars_adjusted_have_the_promised_columns"): Case(
        "create or replace view silver.bars_adjusted as select instrument_id from silver.bars"
    ),
    ("silver.bars_adjusted", "bars_adjusted_are_as_many_as_bars"): Case(
        f"delete from silver.adjustment_factors where {FB}"
    ),
    ("silver.bars_quarantined", "bars_quarantined_have_the_promised_columns"): Case(
        "alter table silver.bars_quarantined alter column reasons type varchar"
    ),
    ("silver.bars_quarantined", "bars_quarantined_name_the_file_they_are_in"): Case(
        "update silver.bars_quarantined set file = 'elsewhere.parquet'"
    ),
    ("silver.corporate_actions", "corporate_actions_have_the_promised_columns"): without_column(
        "silver.corporate_actions", "dividend_currency"
    ),
    ("silver.corporate_actions", "corporate_actions_are_there_when_landed"): Case(
        "delete from silver.corporate_actions"
    ),
    ("silver.corporate_actions", "corporate_actions_keep_their_volume"): shrunk(
        "silver.corporate_actions"
    ),
    ("silver.corporate_actions", "split_ratio_is_plausible"): warns(
        "update silver.corporate_actions set split_ratio = 700 where split_ratio is not null"
    ),
    ("silver.corporate_actions", "corporate_actions_are_of_known_instruments"): Case(
        "delete from gold.dim_instruments where asset_class = 'equity'"
    ),
    ("silver.indicators", "indicators_have_the_promised_columns"): without_column(
        "silver.indicators", "available_at"
    ),
    ("silver.indicators", "indicators_keep_their_volume"): shrunk("silver.indicators"),
    ("silver.indicators", "indicators_are_as_many_as_final_bars"): Case(
        "update silver.bars set is_final = false"
        " where instrument_id = 'crypto:SIM-BTC/USD' and timeframe = '1d'"
    ),
    ("silver.indicators", "indicators_are_unique"): Case(
        f"update silver.indicators set bar_start_at = '2010-05-07' where {ONE_BAR}"
    ),
    ("silver.indicators", "indicators_are_finite"): Case(
        f"update silver.indicators set cci_20 = 'nan' where {ONE_BAR}"
    ),
    ("silver.indicators", "oscillators_are_within_0_and_100"): Case(
        f"update silver.indicators set rsi_14 = 100 + 1e-8 where {ONE_BAR}"
    ),
    ("silver.indicators", "williams_r_14_is_within_minus_100_and_0"): Case(
        f"update silver.indicators set williams_r_14 = 1e-8 where {ONE_BAR}"
    ),
    ("silver.indicators", "bands_are_in_order"): Case(
        "update silver.indicators"
        " set keltner_upper_20_2 = keltner_lower_20_2, keltner_lower_20_2 = keltner_upper_20_2"
        f" where {ONE_BAR}"
    ),
    ("silver.indicators", "indicators_are_given_once_warm"): Case(
        f"update silver.indicators set sma_20 = null where bar_no = 19 and {FB}"
    ),
    ("silver.indicators", "indicators_are_missing_while_they_warm_up"): Case(
        f"update silver.indicators set macd_signal_12_26_9 = 0 where bar_no = 32 and {FB}"
    ),
    ("silver.indicators", "obv_is_given_where_bars_have_a_volume"): Case(
        f"update silver.indicators set obv = null where {ONE_BAR}"
    ),
    ("silver.market_data_enriched", "market_data_enriched_has_the_promised_columns"): Case(
        "alter table silver.market_data_enriched alter column regime type varchar[] using [regime]"
    ),
    ("silver.market_data_enriched", "market_data_enriched_keeps_its_volume"): shrunk(
        "silver.market_data_enriched"
    ),
    ("silver.market_data_enriched", "market_data_enriched_has_as_many_rows_as_final_bars"): Case(
        f"delete from silver.market_data_enriched where {ONE_BAR}",
        also=frozenset({"market_data_enriched_repeats_the_bars_as_they_are"}),
    ),
    ("silver.market_data_enriched", "market_data_enriched_is_unique"): Case(
        f"update silver.market_data_enriched set bar_start_at = '2010-05-07' where {ONE_BAR}",
        also=frozenset({"market_data_enriched_repeats_the_bars_as_they_are"}),
    ),
    ("silver.market_data_enriched", "market_data_enriched_is_as_new_as_the_bars"): Case(
        "update silver.market_data_enriched"
        f" set bar_end_at = bar_end_at - interval 1 hour where {LATER_MSFT}",
        also=frozenset({"market_data_enriched_repeats_the_bars_as_they_are"}),
    ),
    ("silver.market_data_enriched", "market_data_enriched_is_not_available_before_its_bar"): Case(
        "update silver.market_data_enriched"
        f" set available_at = bar_available_at - interval 1 second where {ONE_BAR}"
    ),
    ("silver.market_data_enriched", "market_data_enriched_repeats_the_bars_as_they_are"): Case(
        f"update silver.bars set is_derived = not is_derived where {ONE_BAR}"
    ),
    ("silver.market_regimes", "market_regimes_have_the_promised_columns"): without_column(
        "silver.market_regimes", "regime_started_at"
    ),
    ("silver.market_regimes", "market_regimes_keep_their_volume"): shrunk("silver.market_regimes"),
    ("silver.market_regimes", "market_regimes_are_as_many_as_final_bars"): Case(
        f"update silver.bars set is_final = false where {ONE_BAR}"
    ),
    ("silver.market_regimes", "market_regimes_are_unique"): Case(
        f"update silver.market_regimes set bar_start_at = '2010-05-07' where {ONE_BAR}"
    ),
    ("silver.market_regimes", "regime_is_known"): Case(
        f"update silver.market_regimes set regime = 'sideways' where {ONE_BAR}"
    ),
    ("silver.market_regimes", "regimes_are_missing_only_while_they_warm_up"): Case(
        f"update silver.market_regimes set regime = null where {ONE_BAR}"
    ),
    ("silver.market_regimes", "volatility_percentile_is_within_0_and_1"): Case(
        f"update silver.market_regimes set volatility_percentile = 90 where {ONE_BAR}"
    ),
    ("silver.market_regimes", "bars_in_regime_are_no_more_than_the_series_has"): Case(
        f"update silver.market_regimes set bars_in_regime = bar_no + 2 where {ONE_BAR}"
    ),
    ("silver.multi_timeframe_analysis", "multi_timeframe_analysis_has_the_promised_columns"): Case(
        "alter table silver.multi_timeframe_analysis rename column momentum_5m to rsi_5m"
    ),
    ("silver.multi_timeframe_analysis", "multi_timeframe_analysis_keeps_its_volume"): Case(
        published="insert into silver.multi_timeframe_analysis by name"
        " select * replace (session_date - 10000 as session_date)"
        " from silver.multi_timeframe_analysis"
    ),
    ("silver.multi_timeframe_analysis", "multi_timeframe_analysis_is_unique"): Case(
        "update silver.multi_timeframe_analysis set bar_end_at = bar_end_at + interval 1 hour,"
        f" available_at = available_at + interval 1 hour where {ONE_CLOSE}"
    ),
    ("silver.multi_timeframe_analysis", "multi_timeframe_analysis_has_every_close"): Case(
        f"delete from silver.multi_timeframe_analysis where {ONE_CLOSE}"
    ),
    (
        "silver.multi_timeframe_analysis",
        "multi_timeframe_analysis_sees_no_bar_that_has_not_ended",
    ): Case(
        "update silver.multi_timeframe_analysis"
        f" set bar_end_at_4h = bar_end_at + interval 1 hour where {ONE_CLOSE}"
    ),
    (
        "silver.multi_timeframe_analysis",
        "multi_timeframe_analysis_is_not_available_before_its_close",
    ): Case(
        "update silver.multi_timeframe_analysis"
        f" set available_at = bar_end_at - interval 1 second where {ONE_CLOSE}"
    ),
    ("silver.multi_timeframe_analysis", "confluence_score_is_within_minus_1_and_1"): Case(
        f"update silver.multi_timeframe_analysis set confluence_score = -1.5 where {ONE_CLOSE}"
    ),
    ("silver.multi_timeframe_analysis", "agreeing_count_is_at_most_available_count"): Case(
        "update silver.multi_timeframe_analysis"
        f" set agreeing_count = available_count + 1 where {ONE_CLOSE}"
    ),
    ("silver.quote_bars", "quote_bars_have_the_promised_columns"): without_column(
        "silver.quote_bars", "volume"
    ),
    ("silver.quote_bars", "quote_bars_are_there_when_landed"): Case(
        "delete from silver.quote_bars"
    ),
    ("silver.quote_bars", "quote_bars_keep_their_volume"): shrunk("silver.quote_bars"),
    ("silver.quote_bars", "quote_bars_are_unique"): Case(
        "insert into silver.quote_bars select * from silver.quote_bars limit 1"
    ),
    ("silver.quote_bars", "bid_close_is_not_above_ask_close"): Case(
        "update silver.quote_bars set bid_close = ask_close + 1"
    ),
    ("silver.quote_bars", "quote_bars_are_of_known_instruments"): Case(
        "delete from gold.dim_instruments where asset_class = 'fx'"
    ),
    ("silver.quotes", "quotes_have_the_promised_columns"): without_column(
        "silver.quotes", "ask_size"
    ),
    ("silver.quotes", "quotes_are_there_when_landed"): Case("delete from silver.quotes"),
    ("silver.quotes", "quotes_keep_their_volume"): shrunk("silver.quotes"),
    ("silver.quotes", "quotes_are_rarely_crossed"): Case(
        "update silver.quotes set bid_price = ask_price + 1"
    ),
    ("silver.trades", "trades_have_the_promised_columns"): without_column(
        "silver.trades", "conditions"
    ),
    ("silver.trades", "trades_are_there_when_landed"): Case("delete from silver.trades"),
    ("silver.trades", "trades_keep_their_volume"): shrunk("silver.trades"),
    ("silver.trades", "trades_are_rarely_cancelled"): warns(
        "insert into silver.trades select trades.* replace (true as is_cancelled)"
        " from silver.trades, range(11)"
    ),
    ("silver.signal_events", "signal_events_have_the_promised_columns"): without_column(
        "silver.signal_events", "level"
    ),
    ("silver.signal_events", "signal_events_keep_their_volume"): shrunk("silver.signal_events"),
    ("silver.signal_events", "signal_events_are_unique"): Case(
        "insert into silver.signal_events"
        " select * from silver.signal_events where event = 'golden_cross' limit 1"
    ),
    ("silver.signal_events", "event_is_known"): Case(
        "update silver.signal_events set event = 'silver_cross' where event = 'golden_cross'"
    ),
    ("silver.signal_events", "direction_is_up_or_down"): Case(
        f"update silver.signal_events set direction = 0 where {ONE_BAR}"
    ),
    ("silver.signal_events", "signal_events_are_of_bars_that_exist"): Case(
        "update silver.signal_events set bar_start_at = bar_start_at + interval 1 hour"
        " where event = 'golden_cross'"
    ),
    ("silver.signal_events", "signal_events_tell_every_change_of_regime"): Case(
        f"delete from silver.signal_events where event = 'regime_change' and {FB};"
        " delete from silver.signal_events where event = 'regime_change' and timeframe = '5m'"
    ),
}

CASES |= CASES_PERFORMANCE
CASES |= CASES_TRADING
CASES |= CASES_RESEARCH
CASES |= CASES_CONTEXT
CASES |= CASES_FEATURES


@pytest.fixture(scope="module")
def good(warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> QualityReport:
    published = copy(warehouse, tmp_path_factory.mktemp("good") / "published.duckdb")
    return judge(warehouse, published=published)


@pytest.fixture(scope="module")
def views(warehouse: Path) -> Views:
    return Views(warehouse)


def test_good_data_passes(good: QualityReport) -> None:
    assert good.passed
    assert good.inactive == ()
    assert {(result.table, result.name) for result in good.results} == {
        (check.table, check.name) for check in declared_checks()
    }


def test_the_worst_real_day_of_the_sample_is_shown_and_blocks_nothing(good: QualityReport) -> None:
    (warning,) = [result for result in good.results if result.outcome != "pass"]
    assert (warning.name, warning.outcome) == ("price_return_is_not_extreme", "warn")
    assert warning.failing_keys == ("equity:AAPL|2000-09-29",)
    assert "-51.9 %" in (warning.detail or "")


def test_every_check_has_a_case_that_breaks_its_promise() -> None:
    assert set(CASES) == {(check.table, check.name) for check in declared_checks()}


@pytest.mark.parametrize(("check", "case"), CASES.items(), ids=[".".join(key) for key in CASES])
def test_a_broken_promise_is_seen_by_its_check_and_no_other(
    check: tuple[str, str], case: Case, good: QualityReport, views: Views, tmp_path: Path
) -> None:
    table, name = check
    with ExitStack() as meanwhile:
        meanwhile.enter_context(views.changed(case.sql))
        if case.published:
            meanwhile.enter_context(views.published(table, case.published))
        report = views.judge(only(table, tmp_path))
    results = {result.name: result for result in report.results}
    assert changed(good, report) == {name, *case.also}
    assert results[name].outcome == case.outcome
    assert results[name].detail


@pytest.mark.parametrize(("left_out", "outcome"), [(1, "pass"), (40, "fail")])
def test_a_price_that_is_no_price_costs_a_series_one_return_and_not_many(
    left_out: int, outcome: str, candidate: Path, tmp_path: Path
) -> None:
    table, name = "gold.mart_market_regime_stats", "cover_every_series_with_a_regime"
    change(
        candidate,
        f"update {table} set bar_count = bar_count - {left_out} where instrument_id = 'equity:IBM'"
        " and timeframe = '1d' and regime in ('range', '(all)')",
    )
    report = judge(candidate, checks_dir=only(table, tmp_path / "checks"))
    (result,) = [result for result in report.results if result.name.endswith(name)]
    assert result.outcome == outcome


def test_every_published_table_makes_promises(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        published = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where table_schema in ('silver', 'gold', 'ops') and table_name not like 'int\\_%'"
            " escape '\\'"
        ).fetchall()
    judged = {check.table for check in declared_checks()}
    assert {name for (name,) in published} - set(UNJUDGED) == judged


def only(table: str, folder: Path) -> Path:
    """Return a folder of checks that holds one table's: the others are as good as before."""
    schema, name = table.split(".")
    (folder / schema).mkdir(parents=True)
    copy(CHECKS_DIR / schema / f"{name}.yml", folder / schema / f"{name}.yml")
    return folder


def changed(before: QualityReport, after: QualityReport) -> set[str]:
    """Return the checks of the tables in `after` that say something else than in `before`."""

    def verdict(result: CheckResult) -> tuple[str, tuple[str, ...]]:
        return result.outcome, result.failing_keys

    verdicts = {(result.table, result.name): verdict(result) for result in before.results}
    return {
        result.name
        for result in after.results
        if verdict(result) != verdicts[result.table, result.name]
    }
