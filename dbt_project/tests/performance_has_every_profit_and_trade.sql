-- A failing row is a kind of entity whose profit of days, or whose trades, do not add up to all
-- there are.
{{ config(meta={'dagster': {'ref': {'name': 'mart_trading_performance'}}}) }}

with performance as (
    select
        entity_type,
        sum(pnl_base) as pnl_base,
        sum(net_pnl_base) as net_pnl_base
    from {{ ref('mart_trading_performance') }}
    where period_type = 'all'
    group by entity_type
),

days as (
    select sum(pnl_base) as pnl_base
    from {{ ref('int_trading__daily_pnl') }}
),

lots as (
    select sum(net_pnl_base) as net_pnl_base
    from {{ ref('trade_lifecycle') }}
    where status = 'closed'
)

select performance.*
from performance
cross join days
cross join lots
where
    performance.net_pnl_base <> lots.net_pnl_base
    -- A signal provider has no positions, only parts of what they brought.
    or (performance.entity_type <> 'signal_provider' and performance.pnl_base <> days.pnl_base)
