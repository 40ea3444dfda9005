{{ config(materialized='view', schema='staging') }}

with decisions as (
    select * from {{ ref('int_decisions__told') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

moments as (
    select distinct
        instrument_id,
        decided_at as observed_at
    from decisions
),

final as (
    select
        moments.instrument_id,
        timeframes.timeframe,
        moments.observed_at
    from moments
    cross join timeframes
)

select * from final
