"""What breaks the promises about lots and portfolios, by table and check."""

from tests.soda.cases import Case, shrunk, warns

ONE_LOT = "lot_id = (select min(lot_id) from {table} where status = 'closed')"
LOT = ONE_LOT.format(table="silver.trade_lifecycle")
FACT = ONE_LOT.format(table="gold.fct_trades")
LAST_DAY = (
    "account_id = 'SIM-EQUITY' and date = (select max(date)"
    " from gold.mart_daily_portfolio_summary where account_id = 'SIM-EQUITY')"
)
A_DAY = "account_id = 'SIM-EQUITY' and date = '2005-06-01'"

CASES_TRADING: dict[tuple[str, str], Case] = {
    ("gold.fct_trades", "fct_trades_have_the_promised_columns"): Case(
        "alter table gold.fct_trades alter column entry_amount_base type double"
    ),
    ("gold.fct_trades", "fct_trades_keep_their_volume"): shrunk("gold.fct_trades"),
    ("gold.fct_trades", "fct_trades_are_unique"): Case(
        "update gold.fct_trades set lot_id = (select max(lot_id) from gold.fct_trades"
        " where account_id = 'SIM-EQUITY') where lot_id = (select min(lot_id)"
        " from gold.fct_trades where account_id = 'SIM-EQUITY')",
        also=frozenset({"fct_trades_are_all_lots"}),
    ),
    ("gold.fct_trades", "fct_trades_are_all_lots"): Case(
        f"update gold.fct_trades set net_pnl_base = net_pnl_base + 0.01 where {FACT}"
    ),
    ("gold.fct_trades", "fct_trades_reach_the_last_execution"): Case(
        "update gold.fct_trades set opened_at = opened_at - interval 1 hour,"
        " closed_at = closed_at - interval 1 hour where account_id = 'main'"
    ),
    ("gold.fct_trades", "gross_pnl_is_within_what_was_entered"): Case(
        "update gold.fct_trades set gross_pnl_base = (entry_amount_base + 0.01)"
        f" * case direction when 'long' then -1 else 1 end where {FACT}"
    ),
    ("gold.fct_trades", "closed_trades_keep_their_dimensions"): Case(
        published=f"update gold.fct_trades set is_simulated = not is_simulated where {FACT}",
        outcome="warn",
    ),
    ("gold.fct_trades", "trades_have_known_instruments"): Case(
        f"update gold.fct_trades set instrument_key = 'nobody' where {FACT}"
    ),
    ("gold.fct_trades", "traded_instruments_are_known"): warns(
        f"update gold.fct_trades set instrument_key = null where {FACT}"
    ),
    (
        "gold.mart_daily_portfolio_summary",
        "mart_daily_portfolio_summary_has_the_promised_columns",
    ): Case("alter table gold.mart_daily_portfolio_summary rename column fees_base to fees"),
    ("gold.mart_daily_portfolio_summary", "mart_daily_portfolio_summary_keeps_its_volume"): shrunk(
        "gold.mart_daily_portfolio_summary"
    ),
    ("gold.mart_daily_portfolio_summary", "mart_daily_portfolio_summary_is_unique"): Case(
        "insert into gold.mart_daily_portfolio_summary"
        f" select * from gold.mart_daily_portfolio_summary where {A_DAY}"
    ),
    ("gold.mart_daily_portfolio_summary", "portfolios_reach_their_last_event"): Case(
        "update silver.executions set executed_at = '2024-02-28' where account_id = 'SIM-EQUITY'"
        " and execution_id = (select max(execution_id) from silver.executions"
        " where account_id = 'SIM-EQUITY')"
    ),
    ("gold.mart_daily_portfolio_summary", "cash_at_the_end_is_what_moved_and_was_traded"): Case(
        "update gold.mart_daily_portfolio_summary set cash_base = cash_base + 0.000000000001"
        f" where {LAST_DAY}",
        also=frozenset({"equity_is_cash_and_positions"}),
    ),
    ("gold.mart_daily_portfolio_summary", "unrealized_pnl_at_the_end_is_that_of_open_lots"): Case(
        "update gold.mart_daily_portfolio_summary"
        f" set unrealized_pnl_base = unrealized_pnl_base + 0.01 where {LAST_DAY}"
    ),
    ("gold.mart_daily_portfolio_summary", "daily_return_is_not_extreme"): warns(
        f"update gold.mart_daily_portfolio_summary set daily_return = -0.6 where {A_DAY}"
    ),
    ("gold.mart_daily_portfolio_summary", "accounts_have_equity"): Case(
        f"update gold.mart_daily_portfolio_summary set equity_base = 0 where {A_DAY}",
        outcome="warn",
        also=frozenset({"equity_is_cash_and_positions"}),
    ),
    ("gold.mart_daily_portfolio_summary", "drawdown_is_not_extreme"): warns(
        f"update gold.mart_daily_portfolio_summary set drawdown = -0.6 where {A_DAY}"
    ),
    ("gold.mart_daily_portfolio_summary", "measures_of_growth_are_within_their_ranges"): Case(
        f"update gold.mart_daily_portfolio_summary set drawdown = 0.1 where {A_DAY}"
    ),
    ("gold.mart_daily_portfolio_summary", "equity_is_cash_and_positions"): Case(
        "update gold.mart_daily_portfolio_summary set exposure_fx_base = exposure_fx_base"
        f" + 0.000000000001 where {A_DAY}"
    ),
    ("gold.mart_daily_portfolio_summary", "days_that_are_over_keep_their_equity"): Case(
        published="update gold.mart_daily_portfolio_summary set equity_base = 1.001 * equity_base"
        f" where {A_DAY}",
        outcome="warn",
    ),
    ("silver.cash_movements", "converted_amounts_keep_their_sign"): Case(
        "update silver.cash_movements set amount_base = -amount_base where account_id = 'main'"
    ),
    ("silver.executions", "amounts_follow_from_quantities_and_prices"): Case(
        "update silver.executions set cash_change_base = cash_change_base + 0.01"
        " where account_id = 'main'"
    ),
    ("silver.trade_lifecycle", "trade_lifecycle_has_the_promised_columns"): Case(
        "alter table silver.trade_lifecycle alter column gross_pnl_base type double"
    ),
    ("silver.trade_lifecycle", "trade_lifecycle_keeps_its_volume"): shrunk(
        "silver.trade_lifecycle"
    ),
    ("silver.trade_lifecycle", "trade_lifecycle_is_unique"): Case(
        f"update silver.trade_lifecycle set lot_id = 'twice' where {LOT};"
        f"update silver.trade_lifecycle set lot_id = 'twice' where {LOT}"
    ),
    ("silver.trade_lifecycle", "lots_account_for_every_execution"): Case(
        "update silver.trade_lifecycle set entry_amount_base = entry_amount_base + 0.01"
        f" where {LOT}"
    ),
    ("silver.trade_lifecycle", "lots_end_after_they_begin"): Case(
        f"update silver.trade_lifecycle set opened_at = closed_at + interval 1 day where {LOT}"
    ),
    ("silver.trade_lifecycle", "return_on_entry_is_not_extreme"): warns(
        f"update silver.trade_lifecycle set return_on_entry = 11 where {LOT}"
    ),
    ("silver.trade_lifecycle", "closed_lots_have_not_changed"): Case(
        published=f"update silver.trade_lifecycle set net_pnl_base = net_pnl_base + 1 where {LOT}",
        outcome="warn",
    ),
}
