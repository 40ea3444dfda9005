{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['trading_family'],
    changed_in='int_lots__reattributed', changed_key='lot_id'
) }}

with lots as (
    select lots.* from {{ ref('trade_lifecycle') }} as lots
    {{ changed_only('lots', 'int_lots__reattributed', 'lot_id') }}
),

votes as (
    select * from {{ ref('int_votes__last') }}
    where agreeing_weight > 0
),

-- What a decision opened is shared by those who voted for it.
shares as (
    select
        decision_id,
        signal_provider,
        agreeing_weight,
        sum(agreeing_weight) over decision_votes as total_weight,
        sum(agreeing_weight) over votes_so_far as weight_so_far
    from votes
    window
        decision_votes as (partition by decision_id),
        votes_so_far as (
            partition by decision_id
            order by signal_provider
            rows between unbounded preceding and current row
        )
),

-- A lot that nobody voted for is one part.
parts as (
    select
        lots.lot_id,
        lots.opening_decision_id as decision_id,
        lots.net_pnl_base,
        lots.fees_base,
        coalesce(shares.signal_provider, '(none)') as signal_provider,
        coalesce(shares.agreeing_weight, 1) as part_weight,
        coalesce(shares.weight_so_far, 1) as weight_so_far,
        coalesce(shares.weight_so_far - shares.agreeing_weight, 0) as weight_before,
        coalesce(shares.total_weight, 1) as total_weight
    from lots
    left join shares on lots.opening_decision_id = shares.decision_id
),

final as (
    select
        lot_id,
        signal_provider,
        decision_id,
        cast(part_weight as double) / cast(total_weight as double) as weight_share,
        {{ share_of('net_pnl_base', 'weight_so_far', 'total_weight') }}
        - {{ share_of('net_pnl_base', 'weight_before', 'total_weight') }} as net_pnl_base,
        {{ share_of('fees_base', 'weight_so_far', 'total_weight') }}
        - {{ share_of('fees_base', 'weight_before', 'total_weight') }} as fees_base
    from parts
)

select * from final
order by lot_id, signal_provider
