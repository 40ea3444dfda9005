-- A failing row is an account's day whose cash is not the sum of all its cash movements and
-- executions until the end of that day, to the last digit.
{{ config(meta={'dagster': {'ref': {'name': 'mart_daily_portfolio_summary'}}}) }}

with flows as (
    select
        account_id,
        executed_at as flowed_at,
        cash_change_base as amount_base
    from {{ ref('executions') }}
    union all
    select
        account_id,
        moved_at as flowed_at,
        amount_base
    from {{ ref('cash_movements') }}
),

flows_of_days as (
    select
        account_id,
        cast(flowed_at as date) as date,
        sum(amount_base) as amount_base
    from flows
    group by all
),

balances as (
    select
        account_id,
        date,
        sum(amount_base) over (partition by account_id order by date) as balance_base
    from flows_of_days
),

portfolios as (
    select * from {{ ref('mart_daily_portfolio_summary') }}
),

differing as (
    select
        portfolios.account_id,
        portfolios.date,
        portfolios.cash_base,
        balances.balance_base
    from portfolios
    asof left join balances
        on
            portfolios.account_id = balances.account_id
            and portfolios.date >= balances.date
    where portfolios.cash_base is distinct from balances.balance_base
),

-- A day on which something happened must be there.
missing as (
    select
        balances.account_id,
        balances.date,
        cast(null as decimal(38, 12)) as cash_base,
        balances.balance_base
    from balances
    anti join portfolios
        on
            balances.account_id = portfolios.account_id
            and balances.date = portfolios.date
)

select * from differing
union all
select * from missing
