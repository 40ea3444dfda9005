"""What breaks the promises about decisions, performance and attribution, by table and check."""

from tests.soda.cases import Case, shrunk, warns, without_column

ONE_DECISION = "decision_id = (select min(decision_id) from gold.fct_decisions{where})"
JUDGED = ONE_DECISION.format(where=" where return_1_bar is not null")
UNTRADED = ONE_DECISION.format(where=" where lot_count = 0")
TRADED = ONE_DECISION.format(where=" where net_pnl_base is not null")
ACCOUNT = "entity_type = 'account' and entity = 'SIM-EQUITY'"
WHOLE = ACCOUNT + " and period_type = 'all'"
VOTED = "rowid = (select min(rowid) from gold.mart_provider_attribution where {where})"
ONE_PAIR = VOTED.format(where="instrument_id <> '(all)' and regime <> '(all)' and vote_count > 0")
ALL_TOGETHER = VOTED.format(
    where="asset_class = '(all)' and regime = '(all)' and lot_count > 0"
    " and hit_sample_count_1_bar >= 50"
)
ONE_BIN = "rowid = (select min(rowid) from gold.mart_provider_calibration where horizon_bars = 1)"
TOGETHER = (
    "rowid = (select min(rowid) from gold.mart_ensemble_effectiveness"
    " where decided_by = '(ensemble)' and asset_class = '(all)')"
)
ALONE = (
    "rowid = (select min(rowid) from gold.mart_ensemble_effectiveness"
    " where decided_by <> '(ensemble)' and asset_class <> '(all)')"
)

CASES_PERFORMANCE: dict[tuple[str, str], Case] = {
    ("gold.fct_decisions", "fct_decisions_have_the_promised_columns"): without_column(
        "gold.fct_decisions", "agreement"
    ),
    ("gold.fct_decisions", "fct_decisions_keep_their_volume"): shrunk("gold.fct_decisions"),
    ("gold.fct_decisions", "fct_decisions_are_all_decisions"): Case(
        f"delete from gold.fct_decisions where {JUDGED}"
    ),
    ("gold.fct_decisions", "fct_decisions_have_the_pnl_of_their_lots"): Case(
        f"update gold.fct_decisions set net_pnl_base = net_pnl_base + 1 where {TRADED}"
    ),
    ("gold.fct_decisions", "fct_decisions_are_unique"): Case(
        f"insert into gold.fct_decisions select * from gold.fct_decisions where {UNTRADED}"
    ),
    ("gold.fct_decisions", "outcomes_are_known_once_the_next_bar_is"): Case(
        f"update gold.fct_decisions set return_1_bar = null where {JUDGED}"
    ),
    ("gold.fct_decisions", "fct_decisions_have_possible_returns"): Case(
        f"update gold.fct_decisions set return_20_bars = 'nan' where {JUDGED}"
    ),
    ("gold.fct_decisions", "return_1_bar_is_not_extreme"): warns(
        f"update gold.fct_decisions set return_1_bar = -0.6 where {JUDGED}"
    ),
    ("gold.fct_decisions", "returns_that_were_known_have_not_changed"): Case(
        published="update gold.fct_decisions set return_1_bar = return_1_bar + 0.01",
        outcome="warn",
    ),
    ("gold.mart_trading_performance", "mart_trading_performance_has_the_promised_columns"): Case(
        "alter table gold.mart_trading_performance rename column average_win to mean_win"
    ),
    # Nothing is less than what readers have; there are no trades either.
    ("gold.mart_trading_performance", "mart_trading_performance_is_there_when_traded"): Case(
        "delete from gold.mart_trading_performance",
        also=frozenset({"pnl_of_accounts_is_the_change_of_their_equity"}),
    ),
    ("gold.mart_trading_performance", "mart_trading_performance_keeps_its_volume"): Case(
        published="insert into gold.mart_trading_performance "
        " select kept.* replace (entity || number as entity)"
        " from gold.mart_trading_performance as kept, range(2) as again(number)"
    ),
    ("gold.mart_trading_performance", "mart_trading_performance_is_unique"): Case(
        "insert into gold.mart_trading_performance select * from gold.mart_trading_performance"
        " where entity_type = 'signal_provider' and trade_count > 0 limit 1",
        also=frozenset({"trades_are_all_closed_lots"}),
    ),
    ("gold.mart_trading_performance", "trades_are_all_closed_lots"): Case(
        f"update gold.mart_trading_performance set trade_count = trade_count + 1 where {WHOLE}"
    ),
    ("gold.mart_trading_performance", "pnl_of_accounts_is_the_change_of_their_equity"): Case(
        "update gold.mart_trading_performance set pnl_base = pnl_base + 0.000000000001"
        f" where {WHOLE}"
    ),
    ("gold.mart_trading_performance", "performance_reaches_the_last_day_of_accounts"): Case(
        "update gold.mart_trading_performance set last_date = last_date - 1"
        f" where {ACCOUNT} and last_date = (select max(date)"
        " from gold.mart_daily_portfolio_summary where account_id = 'SIM-EQUITY')"
    ),
    ("gold.mart_trading_performance", "ratios_are_within_their_ranges"): Case(
        f"update gold.mart_trading_performance set sortino_annualized = 'inf' where {WHOLE}"
    ),
    ("gold.mart_trading_performance", "sharpe_annualized_is_believable"): warns(
        f"update gold.mart_trading_performance set sharpe_annualized = -11 where {WHOLE}"
    ),
    ("gold.mart_trading_performance", "months_that_are_over_keep_their_returns"): Case(
        published="update gold.mart_trading_performance set total_return = total_return + 0.1"
        f" where {ACCOUNT} and period_type = 'month'",
        outcome="warn",
    ),
    (
        "gold.mart_provider_attribution",
        "mart_provider_attribution_has_the_promised_columns",
    ): without_column("gold.mart_provider_attribution", "agreeing_vote_count"),
    (
        "gold.mart_provider_attribution",
        "mart_provider_attribution_keeps_its_volume",
    ): Case(
        published="insert into gold.mart_provider_attribution "
        " select kept.* replace (signal_provider || number as signal_provider)"
        " from gold.mart_provider_attribution as kept, range(2) as again(number)"
    ),
    ("gold.mart_provider_attribution", "mart_provider_attribution_is_unique"): Case(
        "insert into gold.mart_provider_attribution"
        " select * from gold.mart_provider_attribution"
        " where asset_class <> '(all)' and instrument_id = '(all)' limit 1"
    ),
    ("gold.mart_provider_attribution", "attribution_counts_every_vote"): Case(
        f"update gold.mart_provider_attribution set vote_count = vote_count + 1 where {ONE_PAIR}"
    ),
    ("gold.mart_provider_attribution", "attributed_pnl_is_that_of_the_lots"): Case(
        "update gold.mart_provider_attribution"
        f" set attributed_pnl_base = attributed_pnl_base + 1 where {ALL_TOGETHER}"
    ),
    ("gold.mart_provider_attribution", "scores_are_within_their_ranges"): Case(
        f"update gold.mart_provider_attribution set brier_score_20_bars = 1.5 where {ALL_TOGETHER}"
    ),
    ("gold.mart_provider_attribution", "hit_rate_is_not_too_good_to_be_true"): warns(
        "update gold.mart_provider_attribution"
        f" set hit_rate_1_bar = 0.95, hit_sample_count_1_bar = 200 where {ONE_PAIR}"
    ),
    ("gold.mart_provider_attribution", "hit_rates_have_not_jumped"): Case(
        published="update gold.mart_provider_attribution"
        f" set hit_rate_20_bars = hit_rate_20_bars - 0.3, hit_sample_count_20_bars = 50"
        f" where {ALL_TOGETHER}",
        outcome="warn",
    ),
    (
        "gold.mart_provider_calibration",
        "mart_provider_calibration_has_the_promised_columns",
    ): without_column("gold.mart_provider_calibration", "confidence_from"),
    ("gold.mart_provider_calibration", "mart_provider_calibration_keeps_its_volume"): Case(
        published="insert into gold.mart_provider_calibration "
        " select kept.* replace (signal_provider || number as signal_provider)"
        " from gold.mart_provider_calibration as kept, range(2) as again(number)"
    ),
    ("gold.mart_provider_calibration", "mart_provider_calibration_is_unique"): Case(
        "insert into gold.mart_provider_calibration"
        " select * from gold.mart_provider_calibration where horizon_bars = 5 limit 1"
    ),
    ("gold.mart_provider_calibration", "calibration_counts_every_judged_vote"): Case(
        f"update gold.mart_provider_calibration set vote_count = vote_count + 1 where {ONE_BIN}"
    ),
    ("gold.mart_provider_calibration", "scores_are_within_their_ranges"): Case(
        f"update gold.mart_provider_calibration set brier_score = -0.1 where {ONE_BIN}"
    ),
    ("gold.mart_provider_calibration", "hit_rates_have_not_jumped"): Case(
        published="update gold.mart_provider_calibration"
        f" set hit_rate = hit_rate + 0.3, vote_count = 50 where {ONE_BIN}",
        outcome="warn",
    ),
    (
        "gold.mart_ensemble_effectiveness",
        "mart_ensemble_effectiveness_has_the_promised_columns",
    ): without_column("gold.mart_ensemble_effectiveness", "traded_decision_count"),
    (
        "gold.mart_ensemble_effectiveness",
        "mart_ensemble_effectiveness_is_there_when_decided",
    ): Case("delete from gold.mart_ensemble_effectiveness"),
    ("gold.mart_ensemble_effectiveness", "mart_ensemble_effectiveness_keeps_its_volume"): Case(
        published="insert into gold.mart_ensemble_effectiveness "
        " select kept.* replace (decided_by || number as decided_by)"
        " from gold.mart_ensemble_effectiveness as kept, range(2) as again(number)"
    ),
    # What is there twice is counted twice, too.
    ("gold.mart_ensemble_effectiveness", "mart_ensemble_effectiveness_is_unique"): Case(
        "insert into gold.mart_ensemble_effectiveness"
        f" select * from gold.mart_ensemble_effectiveness where {ALONE}",
        also=frozenset({"asset_classes_add_up"}),
    ),
    ("gold.mart_ensemble_effectiveness", "effectiveness_counts_every_decision"): Case(
        "update gold.mart_ensemble_effectiveness"
        f" set net_pnl_base = coalesce(net_pnl_base, 0) + 1 where {TOGETHER}"
    ),
    ("gold.mart_ensemble_effectiveness", "asset_classes_add_up"): Case(
        "update gold.mart_ensemble_effectiveness"
        f" set decision_count = decision_count + 1 where {ALONE}"
    ),
    ("gold.mart_ensemble_effectiveness", "scores_are_within_their_ranges"): Case(
        f"update gold.mart_ensemble_effectiveness set hit_rate_20_bars = 1.5 where {ALONE}"
    ),
    ("gold.mart_ensemble_effectiveness", "hit_rates_have_not_jumped"): Case(
        published="update gold.mart_ensemble_effectiveness"
        " set hit_rate_5_bars = hit_rate_5_bars + 0.3, hit_sample_count_20_bars = 50"
        " where decided_by = '(ensemble)'",
        outcome="warn",
    ),
}
