-- A failing row is an account's day on which its equity changed, to the last digit, by something
-- else than net deposits, other movements and profit and loss; or one with profit that is missing.
-- Dividends are left out of the profit: they are earned on their ex-date, but are cash only as a
-- movement, when the account tells that they were paid.
{{ config(meta={'dagster': {'ref': {'name': 'mart_daily_portfolio_summary'}}}) }}

with portfolios as (
    select
        account_id,
        date,
        net_deposits_base + other_movements_base as moved_base,
        equity_base - lag(equity_base, 1, 0) over (
            partition by account_id
            order by date
        ) as change_base
    from {{ ref('mart_daily_portfolio_summary') }}
),

profits as (
    select
        account_id,
        date,
        sum(pnl_base - dividends_base) as profit_base
    from {{ ref('int_trading__daily_pnl') }}
    group by account_id, date
)

select
    coalesce(portfolios.account_id, profits.account_id) as account_id,
    coalesce(portfolios.date, profits.date) as date,
    portfolios.change_base,
    portfolios.moved_base,
    profits.profit_base
from portfolios
full join profits
    on
        portfolios.account_id = profits.account_id
        and portfolios.date = profits.date
where
    portfolios.change_base
    is distinct from coalesce(portfolios.moved_base, 0) + coalesce(profits.profit_base, 0)
