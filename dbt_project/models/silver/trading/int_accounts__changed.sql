{{ config(schema='staging', tags=['trading_family']) }}

with restarts as (
    select * from {{ ref('int_positions__restarts') }}
),

closed_lots as (
    select
        lots.account_id,
        lots.closed_at
    from {{ ref('trade_lifecycle') }} as lots
    semi join {{ ref('int_lots__reattributed') }} as changed on lots.lot_id = changed.lot_id
    where lots.closed_at is not null
),

changes as (
    select
        account_id,
        cast(restart_at as date) as changed_from
    from restarts
    union all
    select
        account_id,
        cast(closed_at as date) as changed_from
    from closed_lots
),

final as (
    select
        account_id,
        min(changed_from) as changed_from
    from changes
    group by account_id
)

select * from final
order by account_id
