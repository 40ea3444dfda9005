{{ config(schema='staging', tags=['trading_family']) }}

with lots as (
    select * from {{ ref('trade_lifecycle') }}
),

changed_lots as (
    select * from {{ ref('int_lots__changed') }}
),

changed_decisions as (
    select * from {{ ref('int_decisions__changed') }}
),

final as (
    select lot_id from changed_lots
    union
    select lots.lot_id
    from lots
    semi join changed_decisions on lots.opening_decision_id = changed_decisions.decision_id
)

select * from final
