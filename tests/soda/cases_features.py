"""Promises of features and labels, and what breaks each."""

from tests.soda.cases import Case, shrunk, warns, without_column

FEATURES, LABELS = "gold.ml_features", "gold.ml_labels"
ONE = "instrument_id = 'equity:IBM' and session_date = '2010-05-06'"
LAST = "instrument_id = 'equity:IBM' and return_1d is null"

CASES_FEATURES: dict[tuple[str, str], Case] = {
    (FEATURES, "ml_features_have_the_promised_columns"): without_column(FEATURES, "agreeing_count"),
    (FEATURES, "ml_features_keep_their_volume"): shrunk(FEATURES),
    (FEATURES, "ml_features_are_unique"): Case(
        f"update {FEATURES} set session_date = '2010-05-07' where {ONE}"
    ),
    (FEATURES, "ml_features_are_as_many_as_daily_bars"): Case(
        f"delete from {FEATURES} where {ONE}"
    ),
    (FEATURES, "ml_features_have_indicators_once_warm"): Case(
        f"update {FEATURES} set regime = null where instrument_id = 'equity:IBM'"
    ),
    (FEATURES, "ml_features_reach_the_last_daily_bar"): Case(
        f"update {FEATURES} set session_date = session_date - 40000 where instrument_id ="
        f" 'equity:IBM' and session_date = (select max(session_date) from {FEATURES}"
        " where instrument_id = 'equity:IBM')"
    ),
    (FEATURES, "ml_features_are_possible"): Case(
        f"update {FEATURES} set stochastic_k_14_3_3 = 101 where {ONE}"
    ),
    (FEATURES, "ml_features_are_rarely_extreme"): warns(
        f"update {FEATURES} set earnings_yield = 3 where {ONE}"
    ),
    (FEATURES, "ml_features_of_earlier_sessions_stay"): Case(
        f"update {FEATURES} set rsi_14 = rsi_14 + 0.1 where {ONE}",
        published="select 1",
        outcome="warn",
    ),
    (LABELS, "ml_labels_have_the_promised_columns"): without_column(LABELS, "label_available_at"),
    (LABELS, "ml_labels_keep_their_volume"): shrunk(LABELS),
    (LABELS, "ml_labels_are_unique"): Case(
        f"update {LABELS} set session_date = '2010-05-07' where {ONE}"
    ),
    (LABELS, "ml_labels_are_as_many_as_features"): Case(f"delete from {LABELS} where {ONE}"),
    (LABELS, "ml_labels_are_unknown_at_the_end_only"): Case(
        f"update {LABELS} set return_1d = 0 where {LAST}"
    ),
    (LABELS, "ml_labels_agree_with_daily_returns"): Case(
        f"update {LABELS} set return_1d = return_1d + 0.01 where {ONE}"
    ),
    (LABELS, "ml_labels_volatility_is_rarely_extreme"): warns(
        f"update {LABELS} set realized_volatility_1d = 0.4 where {ONE}"
    ),
    (LABELS, "ml_labels_are_finite"): Case(f"update {LABELS} set return_5d = 'inf' where {ONE}"),
    (LABELS, "ml_labels_that_were_known_stay"): Case(
        published=f"update {LABELS} set return_5d = return_5d + 0.0001 where {ONE}",
        outcome="warn",
    ),
}
