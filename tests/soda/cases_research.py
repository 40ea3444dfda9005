"""What breaks the promises of ratios, regimes and sentiment."""

from tests.soda.cases import Case, shrunk, warns, without_column

RATIOS = "gold.mart_fundamental_ratios"
STATS = "gold.mart_market_regime_stats"
TRANSITIONS = "gold.mart_regime_transitions"
SENTIMENT = "gold.mart_sentiment_volatility"
CORRELATIONS = "gold.mart_sentiment_correlations"
EVENTS = "gold.mart_sentiment_events"

ONE_RATIO = "session_date = '2012-06-01'"
ONE_SERIES = "instrument_id = 'equity:IBM' and timeframe = '1d'"
ONE_MOOD = "instrument_id = 'crypto:MOOD/USD' and session_date = '2023-11-20'"
ONE_PAIR = "instrument_id = 'crypto:MOOD/USD' and outcome = 'price_return' and lag_sessions = 1"
ONE_EVENT = "event_class = 'very_negative' and relative_day = -3"


def repeated(table: str) -> Case:
    """Return a case in which every row is there twice."""
    return Case(f"insert into {table} select * from {table} limit 1")


CASES_RESEARCH: dict[tuple[str, str], Case] = {
    (RATIOS, "mart_fundamental_ratios_have_the_promised_columns"): without_column(RATIOS, "roe"),
    (RATIOS, "mart_fundamental_ratios_keep_their_volume"): shrunk(RATIOS),
    (RATIOS, "mart_fundamental_ratios_are_unique"): repeated(RATIOS),
    (RATIOS, "mart_fundamental_ratios_are_of_the_day_s_close"): Case(
        f"update {RATIOS} set price = price + 1 where {ONE_RATIO}"
    ),
    (RATIOS, "mart_fundamental_ratios_cover_every_session_with_known_figures"): Case(
        f"delete from {RATIOS} where {ONE_RATIO}"
    ),
    (RATIOS, "gross_margin_is_not_above_one"): warns(
        f"update {RATIOS} set gross_margin = 1.2 where {ONE_RATIO}"
    ),
    (RATIOS, "market_cap_has_no_jumps"): warns(
        f"update {RATIOS} set market_cap = 20 * market_cap where {ONE_RATIO}"
    ),
    (RATIOS, "pe_ttm_is_as_published"): Case(
        published=f"update {RATIOS} set pe_ttm = 2 * pe_ttm where {ONE_RATIO}", outcome="warn"
    ),
    (STATS, "mart_market_regime_stats_have_the_promised_columns"): without_column(
        STATS, "positive_bar_share"
    ),
    (STATS, "mart_market_regime_stats_keep_their_volume"): shrunk(STATS),
    (STATS, "mart_market_regime_stats_are_unique"): Case(
        f"update {STATS} set regime = 'range', time_share = null where {ONE_SERIES}"
        " and regime in ('range', 'volatile')"
    ),
    (STATS, "mart_market_regime_stats_cover_every_series_with_a_regime"): Case(
        f"delete from {STATS} where {ONE_SERIES}"
    ),
    (STATS, "mart_market_regime_stats_reach_the_last_bar"): Case(
        f"update {STATS} set last_bar_end_at = last_bar_end_at - interval 1 day where {ONE_SERIES}"
    ),
    (STATS, "mart_market_regime_stats_regimes_add_up_to_all"): Case(
        f"update {STATS} set bar_count = bar_count - 1 where {ONE_SERIES} and regime = 'range'"
    ),
    (STATS, "volatility_annualized_is_not_extreme"): warns(
        f"update {STATS} set volatility_annualized = 11 where {ONE_SERIES} and regime = 'range'"
    ),
    (STATS, "time_share_has_not_drifted"): Case(
        published=f"update {STATS} set time_share = time_share - 0.3"
        f" where {ONE_SERIES} and regime = '(all)'",
        outcome="warn",
    ),
    (TRANSITIONS, "mart_regime_transitions_have_the_promised_columns"): without_column(
        TRANSITIONS, "probability_when_left"
    ),
    (TRANSITIONS, "mart_regime_transitions_keep_their_volume"): shrunk(TRANSITIONS),
    (TRANSITIONS, "mart_regime_transitions_are_unique"): Case(
        f"insert into {TRANSITIONS} select * replace"
        f" (cast(0 as bigint) as transition_count, cast(0 as double) as probability)"
        f" from {TRANSITIONS} limit 1"
    ),
    (TRANSITIONS, "mart_regime_transitions_probabilities_add_up_to_one"): Case(
        f"update {TRANSITIONS} set probability = probability / 2"
        f" where {ONE_SERIES} and from_regime = 'range' and to_regime = 'range'",
    ),
    (
        TRANSITIONS,
        "mart_regime_transitions_are_as_many_as_bars_with_one_after_them",
    ): Case(f"delete from {TRANSITIONS} where {ONE_SERIES}"),
    (TRANSITIONS, "mart_regime_transitions_have_not_drifted"): Case(
        published=f"update {TRANSITIONS} set probability = probability / 2"
        f" where {ONE_SERIES} and from_regime = 'range' and to_regime = 'range'",
        outcome="warn",
    ),
    (SENTIMENT, "mart_sentiment_volatility_has_the_promised_columns"): without_column(
        SENTIMENT, "article_count"
    ),
    (SENTIMENT, "mart_sentiment_volatility_keeps_its_volume"): shrunk(SENTIMENT),
    (SENTIMENT, "mart_sentiment_volatility_is_unique"): Case(
        f"update {SENTIMENT} set session_date = '2023-11-21' where {ONE_MOOD}"
    ),
    (SENTIMENT, "mart_sentiment_volatility_counts_no_document_twice"): Case(
        f"update {SENTIMENT} set document_count = document_count + 1 where {ONE_MOOD}"
    ),
    (SENTIMENT, "mart_sentiment_volatility_has_every_session_since_its_first"): Case(
        f"delete from {SENTIMENT} where {ONE_MOOD}"
    ),
    (SENTIMENT, "realized_volatility_is_not_extreme"): warns(
        f"update {SENTIMENT} set realized_volatility = 0.6 where {ONE_MOOD}"
    ),
    (SENTIMENT, "sentiment_and_volatility_are_within_their_ranges"): Case(
        f"update {SENTIMENT} set sentiment_score = -1.1 where {ONE_MOOD}"
    ),
    (SENTIMENT, "sentiment_score_is_as_published"): Case(
        published=f"update {SENTIMENT} set sentiment_score = sentiment_score + 0.2"
        f" where {ONE_MOOD}",
        outcome="warn",
    ),
    (CORRELATIONS, "mart_sentiment_correlations_have_the_promised_columns"): Case(
        f"alter table {CORRELATIONS} alter column pair_count type integer"
    ),
    (CORRELATIONS, "mart_sentiment_correlations_keep_their_volume"): shrunk(CORRELATIONS),
    (CORRELATIONS, "mart_sentiment_correlations_are_unique"): Case(
        f"insert into {CORRELATIONS} select * replace (cast(0 as bigint) as pair_count)"
        f" from {CORRELATIONS} limit 1"
    ),
    (CORRELATIONS, "mart_sentiment_correlations_are_of_every_day_with_documents"): Case(
        f"delete from {CORRELATIONS} where outcome = 'range_volatility' and lag_sessions = 0"
    ),
    (CORRELATIONS, "mart_sentiment_correlations_instruments_add_up_to_all"): Case(
        f"update {CORRELATIONS} set pair_count = pair_count - 1 where {ONE_PAIR}"
    ),
    (CORRELATIONS, "mart_sentiment_correlations_foretell_no_more_than_can_be"): warns(
        f"update {CORRELATIONS} set pearson = 0.8, pair_count = 100"
        " where outcome = 'price_return' and lag_sessions = 1"
        " and instrument_id in ('(all)', 'crypto:MOOD/USD');"
        f" delete from {CORRELATIONS} where outcome = 'price_return' and lag_sessions = 1"
        " and instrument_id not in ('(all)', 'crypto:MOOD/USD')"
    ),
    (CORRELATIONS, "mart_sentiment_correlations_have_not_drifted"): Case(
        published=f"update {CORRELATIONS} set pearson = pearson + 0.4, pair_count = 100"
        f" where {ONE_PAIR}",
        outcome="warn",
    ),
    (EVENTS, "mart_sentiment_events_have_the_promised_columns"): without_column(
        EVENTS, "control_count"
    ),
    (EVENTS, "mart_sentiment_events_keep_their_volume"): shrunk(EVENTS),
    (EVENTS, "mart_sentiment_events_are_unique"): Case(
        f"insert into {EVENTS} select * from {EVENTS} where relative_day = 5 limit 1"
    ),
    (EVENTS, "mart_sentiment_events_reach_back_as_far_for_each"): Case(
        f"delete from {EVENTS} where {ONE_EVENT}"
    ),
    (EVENTS, "mart_sentiment_events_are_no_more_than_extremes"): Case(
        f"update {EVENTS} set event_count = 1000 where {ONE_EVENT}"
    ),
    (EVENTS, "mart_sentiment_events_are_not_extreme"): warns(
        f"update {EVENTS} set mean_return = 0.6 where {ONE_EVENT}"
    ),
    (EVENTS, "mart_sentiment_events_have_not_drifted"): Case(
        published=f"update {EVENTS} set abnormal_volatility_difference = 1, event_count = 30"
        f" where {ONE_EVENT}",
        outcome="warn",
    ),
}
