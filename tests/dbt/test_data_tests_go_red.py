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
HORIZONS = ("1_bar", "5_bars", "20_bars")
PORTFOLIOS = "gold.mart_daily_portfolio_summary"
SPLIT_DAY = "account_id = 'saver' and date = '2024-01-12'"
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
    "dim_dates_weeks_begin_on_monday": (
        "update {table} set week_start_date = week_start_date + 1 where " + ONE_ROW,
        "update {table} set is_weekend = not is_weekend where " + ONE_ROW,
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
                ("fundamentals", "inbox"),
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
        "update silver.dividends_quarantined set reasons = ['no_such_reason']",
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
    "int_regimes__spells_end_with_the_next_regime": (
        "update {table} set next_regime = null where regime_ended_at is not null",
        "update {table} set regime_ended_at = null where regime_ended_at is not null",
        "update {table} set next_regime = regime where regime_ended_at is not null",
        "update {table} set regime_ended_at = last_bar_end_at where regime_ended_at is not null",
        "update {table} set regime_started_at = last_bar_end_at where " + ONE_ROW,
    ),
    "int_regimes__spells_are_known_from_first_to_last": (
        "update {table} set known_from = [], known_to = [] where " + ONE_ROW,
        "update {table} set known_to = known_to || known_to where " + ONE_ROW,
        "update {table} set known_from = [regime_started_at] where " + ONE_ROW,
        "update {table} set known_from = [last_bar_end_at + interval 1 second] where " + ONE_ROW,
        "update {table} set known_to = [last_bar_end_at] where " + ONE_ROW,
        "update {table} set known_to = [regime_ended_at + interval 1 second]",
        "update {table} set known_from = known_from || known_from, known_to = known_to || known_to",
    ),
    "int_regimes__spells_count_what_followed": tuple(
        f"update {{table}} set {change} where bar_count > 1"
        for change in (
            "bar_count = 0",
            "return_count = bar_count + 1",
            "positive_return_count = return_count + 1",
            "return_sum = null",
            "max_drawdown = null",
            "max_drawdown = null, lowest_next_close = null",
            "max_drawdown = 0.1",
            "max_drawdown = -1.1",
            "highest_close = 0",
        )
    ),
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
        "update {table} set close_deviation_bps = null where " + ONE_ROW,
        "update {table} set max_close_deviation_bps = null where " + ONE_ROW,
        *(
            "update {table} set bar_count = 0, close_deviation_bps = null,"
            f" max_close_deviation_bps = null, {change} where not is_derived"
            for change in ("missing_bar_count = 0", "missing_bar_count = 1, is_derived = true")
        ),
        "update {table} set native_volume_ratio = -1 where native_bar_count > 0",
        "update {table} set native_volume_ratio = 1 where native_bar_count = 0",
        "update {table} set is_outlier = true where provider_count < 3",
    ),
    "int_bars__session_volatility_is_finite": (
        "update {table} set realized_variance = -1 where " + ONE_ROW,
        "update {table} set realized_variance = 'inf' where " + ONE_ROW,
    ),
    "ml_features_are_observed_after_their_session_began": (
        "update {table} set observed_at = session_date where " + ONE_ROW,
    ),
    "ml_features_are_there_once_warm": (
        "update {table} set session_count = 253 where " + ONE_ROW,
        "update {table} set momentum_252 = 0 where session_count = 1",
    ),
    "ml_features_are_within_their_ranges": tuple(
        f"update {{table}} set {column} = {value} where {ONE_ROW}"
        for column, value in (
            ("rsi_14", 101),
            ("volatility_percentile", 2),
            ("confluence_score", -2),
            ("available_count", 7),
            ("agreeing_count", -1),
            ("momentum_1", -2),
            ("atr_to_close", -1),
        )
    ),
    "ml_features_know_figures_once_they_are_filed": (
        "update {table} set days_since_filing = -1 where " + ONE_ROW,
        "update {table} set days_since_period_end = -1 where " + ONE_ROW,
    ),
    "ml_features_means_have_a_count": (
        "update {table} set sentiment_count_1d = sentiment_count_5d + 1 where " + ONE_ROW,
        "update {table} set sentiment_mean_1d = 0 where sentiment_count_1d = 0",
        "update {table} set sentiment_mean_5d = 0 where sentiment_count_5d = 0",
        "update {table} set confluence_score = 0 where available_count = 0",
    ),
    "ml_labels_are_null_until_known": (
        "update {table} set return_1d = 0 where session_date_1d is null",
        "update {table} set realized_volatility_1d = null where session_date_1d is not null",
        "update {table} set label_1d_available_at = null where session_date_1d is not null",
        "update {table} set return_5d = 0 where session_date_5d is null",
        "update {table} set realized_volatility_5d = null where session_date_5d is not null",
        "update {table} set label_5d_available_at = null where session_date_5d is not null",
    ),
    "ml_labels_are_of_later_sessions": (
        "update {table} set session_date_1d = session_date where session_date_1d is not null",
        "update {table} set session_date_5d = session_date_1d where session_date_5d is not null",
        "update {table} set label_5d_available_at = session_date where session_date_5d is not null",
        "update {table} set label_1d_available_at = session_date where session_date_1d is not null",
    ),
    "ml_labels_are_possible": (
        "update {table} set return_1d = -1 where return_1d is not null",
        "update {table} set return_5d = -1 where return_5d is not null",
        "update {table} set realized_volatility_1d = -1 where return_1d is not null",
        "update {table} set realized_volatility_5d = -1 where return_5d is not null",
    ),
    "fct_decisions_outcomes_are_consistent": (
        "update {table} set agreement = null where buy_vote_count > 0",
        "update {table} set agreement = 1.5 where buy_vote_count > 0",
        "update {table} set is_hit_1_bar = null where is_hit_1_bar",
        "update {table} set is_hit_5_bars = true where direction = 0",
        "update {table} set is_hit_20_bars = true where return_20_bars is null",
        "update {table} set return_1_bar = null, is_hit_1_bar = null where return_5_bars < 9",
        "update {table} set return_5_bars = null, is_hit_5_bars = null where return_20_bars < 9",
    ),
    "fct_decisions_outcomes_are_known_after_the_decision": (
        "update {table} set outcome_available_at = context_bar_start_at",
    ),
    "fct_decisions_results_are_of_its_lots": (
        "update {table} set open_lot_count = lot_count + 1",
        "update {table} set open_lot_count = -1",
        "update {table} set net_pnl_base = 1 where lot_count = 0",
        "update {table} set execution_count = 0 where lot_count > 0",
    ),
    "int_fundamentals__trailing_figures_are_of_the_past": (
        "update {table} set balance_date = cast(valid_from as date) + 1 where " + ONE_ROW,
        "update {table} set balance_date = balance_date - 1000 where balance_date is not null",
    ),
    "mart_fundamental_ratios_are_finite_and_of_their_sign": tuple(
        f"update {{table}} set {change} where {ONE_ROW}"
        for change in (
            "price = 0",
            "market_cap = 'inf'",
            *(f"{ratio} = -1" for ratio in ("pe_ttm", "pb", "ps_ttm", "ev_ebitda")),
            *(
                f"{ratio} = 'inf'"
                for ratio in ("gross_margin", "roe", "current_ratio", "earnings_yield")
            ),
        )
    ),
    "mart_fundamental_ratios_see_no_later_filing": (
        "update {table} set facts_known_from = available_at + interval 1 second where " + ONE_ROW,
        "update {table} set available_at = bar_end_at - interval 1 second where " + ONE_ROW,
        "update {table} set balance_date = cast(facts_known_from as date) + 1 where " + ONE_ROW,
    ),
    "mart_market_regime_stats_are_within_their_bounds": tuple(
        f"update {{table}} set {change} where bar_count > 0"
        for change in (
            "bar_count = -1",
            "time_share = 1.1",
            "mean_return = null",
            "volatility_annualized = -0.1",
            "max_drawdown = 0.1",
            "positive_bar_share = 1.1",
            "compound_return = -1",
        )
    ),
    "mart_market_regime_stats_spells_add_up": (
        "update {table} set spell_count = 0 where " + ONE_ROW,
        "update {table} set spell_count = spell_count + 10 where " + ONE_ROW,
        "update {table} set max_spell_bars = 0 where " + ONE_ROW,
        "update {table} set mean_spell_bars = 0.5 where " + ONE_ROW,
    ),
    "mart_market_regime_stats_trades_have_a_result": (
        "update {table} set trade_count = 1, win_rate = null where " + ONE_ROW,
        "update {table} set trade_count = 1, win_rate = 1.5 where " + ONE_ROW,
        "update {table} set base_currency = 'USD', net_pnl_base = null where " + ONE_ROW,
        "update {table} set simulated_trade_count = 1, simulated_win_rate = null where " + ONE_ROW,
        "update {table} set simulated_trade_count = 1, simulated_win_rate = 1.5 where " + ONE_ROW,
        "update {table} set simulated_base_currency = 'USD', simulated_net_pnl_base = null"
        " where " + ONE_ROW,
    ),
    "mart_regime_transitions_probabilities_are_of_their_counts": (
        "update {table} set transition_count = 0 where " + ONE_ROW,
        "update {table} set probability = 1.1 where " + ONE_ROW,
        "update {table} set probability_when_left = 0.5 where from_regime = to_regime",
        "update {table} set probability_when_left = null where from_regime <> to_regime",
        "update {table} set probability_when_left = 1.1 where from_regime <> to_regime",
    ),
    "mart_sentiment_correlations_are_of_enough_pairs": (
        "update {table} set pair_count = 0 where " + ONE_ROW,
        "update {table} set lag_sessions = 6 where " + ONE_ROW,
        "update {table} set pearson = 1.1 where " + ONE_ROW,
        "update {table} set spearman = -1.1 where " + ONE_ROW,
        "update {table} set pair_count = 2, pearson = 0.5 where " + ONE_ROW,
    ),
    "mart_sentiment_events_differences_are_those_of_the_means": (
        "update {table} set abnormal_volatility_difference = 9 where " + ONE_ROW,
        "update {table} set return_difference = 9 where " + ONE_ROW,
    ),
    "mart_sentiment_events_have_their_control_group": (
        "update {table} set relative_day = 6 where " + ONE_ROW,
        "update {table} set event_count = 0 where " + ONE_ROW,
        "update {table} set control_count = 0 where " + ONE_ROW,
        "update {table} set control_count = 3 * event_count + 1 where " + ONE_ROW,
        "update {table} set mean_abnormal_volatility = -1.1 where " + ONE_ROW,
        "update {table} set abnormal_volatility_standard_error = 0 where event_count = 1",
    ),
    "mart_sentiment_volatility_outcomes_come_after_the_sentiment": (
        "update {table} set next_available_at = sentiment_available_at",
        "update {table} set available_at = sentiment_available_at - interval 1 second",
        "update {table} set realized_volatility = -1 where " + ONE_ROW,
    ),
    "mart_sentiment_volatility_scores_are_of_documents": (
        "update {table} set article_count = document_count + 1 where " + ONE_ROW,
        "update {table} set sentiment_score = null where document_count > 0",
        "update {table} set sentiment_score = 1.1 where document_count > 0",
    ),
    "int_lots__attributed_shares_are_within_0_and_1": (
        "update {table} set weight_share = 0 where " + ONE_ROW,
        "update {table} set weight_share = 1.1 where " + ONE_ROW,
    ),
    "mart_ensemble_effectiveness_counts_are_consistent": (
        "update {table} set decision_count = 0 where " + ONE_ROW,
        "update {table} set action_count = decision_count + 1 where " + ONE_ROW,
        "update {table} set traded_decision_count = null where decided_by = '(ensemble)'",
        "update {table} set traded_decision_count = 1 where decided_by <> '(ensemble)'",
        "update {table} set net_pnl_base = 1 where decided_by <> '(ensemble)'",
        *(
            f"update {{table}} set {count}_count_{name} = {above} + 1 where {ONE_ROW}"
            for name in HORIZONS
            for count, above in (("hit_sample", "action_count"), ("outcome", "decision_count"))
        ),
    ),
    "mart_ensemble_effectiveness_scores_are_within_their_ranges": (
        "update {table} set agreement = 1.5 where " + ONE_ROW,
        "update {table} set win_rate = -0.5 where decided_by = '(ensemble)'",
        *(f"update {{table}} set hit_rate_{name} = 1.5" for name in HORIZONS),
        *(
            f"update {{table}} set hit_rate_{name} = null where hit_sample_count_{name} > 0"
            for name in HORIZONS
        ),
    ),
    "mart_ensemble_effectiveness_the_ensemble_is_compared_with_itself": tuple(
        f"update {{table}} set ensemble_hit_rate_{name} = coalesce(hit_rate_{name}, 0) + 0.1"
        for name in HORIZONS
    ),
    "mart_provider_attribution_counts_are_consistent": (
        "update {table} set vote_count = vote_count + 1 where " + ONE_ROW,
        "update {table} set buy_vote_count = buy_vote_count + 1 where " + ONE_ROW,
        "update {table} set agreeing_vote_count = vote_count + 1 where " + ONE_ROW,
        "update {table} set lot_count = -1 where " + ONE_ROW,
        *(
            f"update {{table}} set {count}_count_{name} = {above} + 1 where {ONE_ROW}"
            for name in HORIZONS
            for count, above in (
                ("hit_sample", f"outcome_count_{name}"),
                ("outcome", "vote_count"),
            )
        ),
    ),
    "mart_provider_attribution_scores_are_within_their_ranges": tuple(
        f"update {{table}} set {change} where hit_sample_count_{name} > 0"
        for name in HORIZONS
        for change in (
            f"hit_rate_{name} = 1.5",
            f"hit_rate_{name} = null",
            f"brier_score_{name} = -0.5",
            f"information_coefficient_{name} = 1.5",
        )
    ),
    "mart_provider_calibration_bins_are_consistent": tuple(
        f"update {{table}} set {change} where {ONE_ROW}"
        for change in (
            "vote_count = 0",
            "hit_count = vote_count + 1",
            "confidence_bin = 11",
            "mean_confidence = confidence_to + 0.1, calibration_gap = hit_rate - confidence_to",
            "hit_rate = hit_rate + 0.1, calibration_gap = calibration_gap + 0.1",
            "calibration_gap = calibration_gap + 0.1",
            "brier_score = 1.5",
        )
    ),
    "mart_trading_performance_drawdowns_have_their_dates": (
        "update {table} set max_drawdown = 0 where max_drawdown < 0",
        "update {table} set max_drawdown_trough_date = null where max_drawdown < 0",
        "update {table} set max_drawdown_end_date = null where max_drawdown < 0",
        "update {table} set is_max_drawdown_recovered = null where max_drawdown < 0",
        "update {table} set max_drawdown_start_date = first_date - 1 where max_drawdown < 0",
        "update {table} set max_drawdown_trough_date = max_drawdown_start_date - 1",
        "update {table} set max_drawdown_end_date = max_drawdown_trough_date - 1",
        "update {table} set max_drawdown_end_date = last_date + 1 where max_drawdown < 0",
    ),
    "mart_trading_performance_periods_hold_their_days": (
        "update {table} set period_start = first_date + 1 where " + ONE_ROW,
        "update {table} set last_date = first_date - 1 where " + ONE_ROW,
    ),
    "mart_trading_performance_returns_are_consistent": (
        "update {table} set return_count = day_count + 1 where " + ONE_ROW,
        "update {table} set total_return = null where return_count > 0",
        "update {table} set total_return = -1.5 where return_count > 0",
        "update {table} set max_drawdown = null where return_count > 0",
        "update {table} set max_drawdown = 0.5 where return_count > 0",
        "update {table} set volatility_annualized = -1 where return_count > 0",
        "update {table} set cvar_95_historical = var_95_historical + 1 where return_count > 0",
    ),
    "mart_trading_performance_trades_are_consistent": (
        "update {table} set winning_trade_count = trade_count + 1 where trade_count > 0",
        "update {table} set win_rate = null where trade_count > 0",
        "update {table} set win_rate = 1.5 where trade_count > 0",
        "update {table} set profit_factor = -1 where trade_count > 0",
        "update {table} set average_win = null where winning_trade_count > 0",
        "update {table} set average_win = -1 where winning_trade_count > 0",
        "update {table} set average_loss = null where losing_trade_count > 0",
        "update {table} set average_loss = 1 where losing_trade_count > 0",
        "update {table} set average_holding_seconds = -1 where trade_count > 0",
    ),
    "attribution_has_every_vote_and_its_profit": tuple(
        f"update gold.mart_provider_attribution set {column} = {column} + 1"
        " where asset_class = '(all)' and regime = '(all)'"
        for column in ("vote_count", "lot_count", "attributed_pnl_base")
    ),
    "performance_has_every_profit_and_trade": tuple(
        f"update gold.mart_trading_performance set {change} where period_type = 'all'"
        f" and entity_type = '{entity_type}'"
        for entity_type, change in (
            ("account", "pnl_base = pnl_base + 1"),
            ("strategy", "pnl_base = pnl_base + 1"),
            ("instrument", "net_pnl_base = net_pnl_base + 1"),
            ("signal_provider", "net_pnl_base = net_pnl_base + 1"),
        )
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
    "decision_history_counts_of_timeframes_are_consistent": (
        "update {table} set agreeing_count = 5 where " + ONE_ROW,
        "update {table} set available_count = 7 where " + ONE_ROW,
        "update {table} set confluence_score = 1.1, available_count = 1 where " + ONE_ROW,
        "update {table} set confluence_score = null, available_count = 1 where " + ONE_ROW,
    ),
    "decision_history_knows_nothing_of_later": (
        "update {table} set context_available_at = decided_at + interval 1 second where " + ONE_ROW,
        "update {table} set bar_end_at = context_available_at + interval 1 second where " + ONE_ROW,
        "update {table} set sentiment_at = context_available_at + interval 1 second where "
        + ONE_ROW,
    ),
    "decision_history_sentiment_is_within_minus_1_and_1": (
        "update {table} set sentiment_score = 1.1, sentiment_document_count = 1 where " + ONE_ROW,
        "update {table} set sentiment_score = 0, sentiment_document_count = 0 where " + ONE_ROW,
        "update {table} set sentiment_score = null, sentiment_document_count = 1 where " + ONE_ROW,
    ),
    "every_history_of_a_bar_ends_with_the_bar": (
        "update silver.int_bars__known set close = close + 1 where known_to > '9999-01-01'",
        "delete from silver.bars where timeframe = '1m' and provider = 'coinbase'",
    ),
    "int_bars__known_nothing_is_known_before_its_end": (
        "update {table} set known_from = bar_end_at - interval 1 microsecond where " + ONE_ROW,
    ),
    "int_signals__observed_sees_only_what_was_known": (
        "update {table} set available_at = observed_at + interval 1 microsecond where " + ONE_ROW,
        "update {table} set bar_available_at = available_at + interval 1 microsecond where "
        + ONE_ROW,
        "update {table} set bar_end_at = bar_available_at + interval 1 microsecond where "
        + ONE_ROW,
    ),
    "executions_quantities_and_prices_are_positive": (
        "update {table} set quantity = 0 where " + ONE_ROW,
        "update {table} set price = -1 where " + ONE_ROW,
    ),
    "int_currencies__rates_are_known_when_needed": (
        "update {table} set rate = 0 where " + ONE_ROW,
        "update {table} set rate_at = needed_at + interval 1 second where " + ONE_ROW,
    ),
    "int_lots__excursions_are_in_order": (
        "update {table} set lowest = highest + 1 where highest is not null",
        "update {table} set lowest = null where highest is not null",
    ),
    "int_lots__matched_lots_hold_something": (
        "update {table} set units = 0 where " + ONE_ROW,
        "update {table} set closed_at = opened_at - interval 1 second",
    ),
    "int_trading__share_units_are_positive": (
        "update {table} set units_per_share = 0 where " + ONE_ROW,
    ),
    "mart_daily_portfolio_summary_adds_up": (
        *(
            f"update {{table}} set {column} = {column} + 0.000000000001 where {ONE_ROW}"
            for column in (
                *("equity_base", "cash_base", "net_exposure_base", "gross_exposure_base"),
                *("long_exposure_base", "exposure_crypto_base", "exposure_fx_base"),
            )
        ),
        (
            "update {table} set short_exposure_base = 1, gross_exposure_base ="
            " long_exposure_base - 1, net_exposure_base = long_exposure_base + 1,"
            " exposure_fx_base = exposure_fx_base + 1, equity_base = equity_base + 1"
        ),
    ),
    "mart_daily_portfolio_summary_drawdown_is_a_loss": (
        "update {table} set drawdown = 0.1 where " + ONE_ROW,
        "update {table} set cumulative_return = -1.1 where " + ONE_ROW,
    ),
    "equity_changes_by_what_moves_and_is_earned": (
        f"update {PORTFOLIOS} set equity_base = equity_base + 0.000000000001 where {SPLIT_DAY}",
        f"update {PORTFOLIOS} set other_movements_base = 1 where {SPLIT_DAY}",
        "update silver.int_trading__daily_pnl set pnl_base = pnl_base + 1",
        *(
            f"delete from {PORTFOLIOS} where (account_id, date) in"
            f" (select (account_id, {end}(date)) from {PORTFOLIOS} group by account_id)"
            for end in ("min", "max")
        ),
    ),
    "portfolio_cash_is_what_moved_and_was_traded": (
        f"update {PORTFOLIOS} set cash_base = cash_base + 0.01 where {SPLIT_DAY}",
        f"delete from {PORTFOLIOS} where {SPLIT_DAY}",
        "update silver.executions set cash_change_base = 0 where execution_id = 'h-1'",
        "update silver.cash_movements set amount_base = 0 where movement_id = 'm-1'",
    ),
    "portfolio_positions_are_what_was_traded": (
        f"update silver.int_trading__daily_pnl set position_quantity = 61 where {SPLIT_DAY}",
        "delete from silver.executions where execution_id = 'h-2'",
        "update silver.corporate_actions set split_ratio = 3 where action_type = 'split'",
        f"update {PORTFOLIOS} set position_count = position_count - 1 where {SPLIT_DAY}",
    ),
    "portfolio_positions_are_worth_their_last_close": (
        "update silver.int_trading__daily_pnl set market_value_base = market_value_base + 0.01",
        "update silver.bars set close = close + 1 where timeframe = '1d'",
    ),
    "ticks_quarantined_reasons_are_given": NO_REASON,
    "trade_lifecycle_closed_lots_have_ends": (
        "update {table} set closed_at = null where status = 'closed'",
        "update {table} set closing_execution_id = null where status = 'closed'",
        "update {table} set exit_price = null where status = 'closed'",
        "update {table} set marked_at = null where status = 'open'",
        "update {table} set quantity = 0 where " + ONE_ROW,
        "update {table} set closed_at = opened_at - interval 1 day where status = 'closed'",
        "update {table} set holding_seconds = -1 where " + ONE_ROW,
    ),
    "trade_lifecycle_excursions_have_their_sign": (
        "update {table} set max_favorable_excursion = -0.1 where " + ONE_ROW,
        "update {table} set max_adverse_excursion = 0.1 where " + ONE_ROW,
    ),
    "trade_lifecycle_pnl_adds_up": tuple(
        f"update {{table}} set {column} = {column} + 0.000000000001 where {ONE_ROW}"
        for column in ("exit_amount_base", "gross_pnl_base", "fees_base", "net_pnl_base")
    ),
    "trades_have_a_price_unless_cancelled": (
        "update {table} set price = 0 where " + ONE_ROW,
        "update {table} set size = null where " + ONE_ROW,
    ),
    "trading_quarantined_reasons_are_given": NO_REASON,
    "dividends_quarantined_reasons_are_given": NO_REASON,
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
    "int_decisions__late_splits": (
        "insert into {table} values ('equity:X', '2024-01-10', '2024-02-01')"
    ),
    "int_accounts__changed": "insert into {table} values ('main', '2024-01-10')",
    "int_bars__remapped_symbols": "insert into {table} values ('vendor', 'X')",
    "int_decisions__changed": "insert into {table} values ('d')",
    "int_decisions__remeasured": "insert into {table} values ('d')",
    "int_executions__before": (
        "insert into {table} by name select * exclude (order_id, fee, fee_currency, venue,"
        " gross_amount, cash_change_base, _fetched_at, _batch_id, _row)"
        " from silver.executions limit 1"
    ),
    "int_executions__changed": (
        "insert into {table} values ('main', 'e', 'crypto:X', 'd', '2024-01-10')"
    ),
    "int_lots__changed": "insert into {table} values ('l')",
    "int_lots__reattributed": "insert into {table} values ('l')",
    "int_positions__restarts": "insert into {table} values ('main', 'crypto:X', '2024-01-10')",
    "int_trading__revisions": "insert into {table} values ('executions', 'told_again')",
    "int_bars__touched_sessions": "insert into {table} values ('crypto:X', '2024-01-01')",
    "int_documents__changed": "insert into {table} values ('article', 'vendor', 'x')",
    "int_news__revisions": "insert into {table} values ('news_articles', 'symbol')",
    "int_signals__restated": (
        "insert into {table} by name select *, timestamp '2024-01-02' as known_until"
        " from silver.market_data_enriched limit 1"
    ),
    "int_signals__restated_series": (
        "insert into {table} values (1, 'crypto:X', '1h', '2024-01-02', '2024-01-01', '2024-01-01',"
        " null, null, 0, 1, 8760, 0)"
    ),
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
    assert done.returncode == 1, done.output
    outcomes = broken.outcomes()
    assert [outcomes[name] for name in ("bar_versions", *tests)] == ["error", "fail", "pass"]
    assert "NOT NULL constraint failed" in done.output
    assert "is_final" in done.output


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
