{{ config(
    materialized='incremental', incremental_strategy='replace_since', tags=['trading_family']
) }}

with lots as (
    select
        *,
        coalesce(strategy, '(none)') as strategy_or_none,
        case direction when 'long' then 1 else -1 end as sign
    from {{ ref('int_lots__matched') }}
),

events as (
    select
        lots.account_id,
        lots.strategy_or_none as strategy,
        lots.instrument_id,
        cast(lots.opened_at as date) as date,
        lots.sign * lots.units as units,
        lots.sign * lots.entry_amount_base as open_amount_base,
        -lots.sign * lots.entry_amount_base as trade_cash_base,
        lots.entry_fee_base as fees_base,
        cast(0 as decimal(38, 12)) as realized_pnl_base
    from lots
    {{ changed_since('lots', 'cast(lots.opened_at as date)') }}
    union all
    select
        lots.account_id,
        lots.strategy_or_none as strategy,
        lots.instrument_id,
        cast(lots.closed_at as date) as date,
        -lots.sign * lots.units as units,
        -lots.sign * lots.entry_amount_base as open_amount_base,
        lots.sign * lots.exit_amount_base as trade_cash_base,
        lots.exit_fee_base as fees_base,
        lots.sign * (lots.exit_amount_base - lots.entry_amount_base) as realized_pnl_base
    from lots
    {{ changed_since('lots', 'cast(lots.closed_at as date)') }}
    where lots.closing_execution_id is not null
),

final as (
    select
        account_id,
        strategy,
        instrument_id,
        date,
        cast(sum(units) as decimal(38, 18)) as units,
        cast(sum(open_amount_base) as decimal(38, 12)) as open_amount_base,
        cast(sum(trade_cash_base) as decimal(38, 12)) as trade_cash_base,
        cast(sum(fees_base) as decimal(38, 12)) as fees_base,
        cast(sum(realized_pnl_base) as decimal(38, 12)) as realized_pnl_base
    from events
    group by account_id, strategy, instrument_id, date
)

select * from final
order by date, account_id, strategy, instrument_id
