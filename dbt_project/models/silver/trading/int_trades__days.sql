{{ config(
    materialized='incremental', incremental_strategy='replace_since', tags=['trading_family']
) }}

with lots as (
    select
        lots.lot_id,
        lots.account_id,
        lots.instrument_id,
        coalesce(lots.strategy, '(none)') as strategy,
        cast(lots.opened_at as date) as opened_on,
        cast(lots.closed_at as date) as closed_on,
        lots.net_pnl_base,
        lots.fees_base,
        lots.holding_seconds
    from {{ ref('trade_lifecycle') }} as lots
    {{ changed_since('lots', 'cast(lots.closed_at as date)') }}
    where lots.status = 'closed'
),

parts as (
    select
        lots.account_id,
        lots.opened_on,
        lots.closed_on,
        lots.holding_seconds,
        attributed.signal_provider,
        attributed.net_pnl_base,
        attributed.fees_base
    from lots
    inner join {{ ref('int_lots__attributed') }} as attributed on lots.lot_id = attributed.lot_id
),

-- One row per closed lot and entity that it is a trade of.
trades as (
    {%- for entity_type, entity, relation in [
        ('account', 'account_id', 'lots'),
        ('strategy', 'strategy', 'lots'),
        ('instrument', 'instrument_id', 'lots'),
        ('signal_provider', 'signal_provider', 'parts'),
    ] %}
    select
        '{{ entity_type }}' as entity_type,
        {{ entity }} as entity,
        account_id,
        closed_on as date,
        opened_on,
        net_pnl_base,
        fees_base,
        holding_seconds
    from {{ relation }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        entity_type,
        entity,
        account_id,
        date,
        min(opened_on) as first_opened_on,
        count(*) as trade_count,
        count(*) filter (where net_pnl_base > 0) as winning_trade_count,
        count(*) filter (where net_pnl_base < 0) as losing_trade_count,
        cast(sum(net_pnl_base) as decimal(38, 12)) as net_pnl_base,
        cast(sum(greatest(net_pnl_base, 0)) as decimal(38, 12)) as gains_base,
        cast(sum(least(net_pnl_base, 0)) as decimal(38, 12)) as losses_base,
        cast(sum(fees_base) as decimal(38, 12)) as fees_base,
        cast(sum(holding_seconds) as bigint) as holding_seconds
    from trades
    group by entity_type, entity, account_id, date
)

select * from final
order by date, account_id, entity_type, entity
