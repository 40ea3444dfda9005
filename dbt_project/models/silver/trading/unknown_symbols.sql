with executions as (
    select * from {{ ref('executions') }}
),

decisions as (
    select * from {{ ref('int_decisions__told') }}
),

versions as (
    select * from {{ ref('int_instruments__versions') }}
),

series as (
    select * from {{ ref('int_bars__series') }}
),

spoken_of as (
    select
        instrument_id,
        asset_class,
        symbol,
        executed_at as told_of_at,
        1 as execution_count,
        0 as decision_count
    from executions
    union all
    select
        instrument_id,
        asset_class,
        symbol,
        decided_at as told_of_at,
        0 as execution_count,
        1 as decision_count
    from decisions
),

final as (
    select
        spoken_of.instrument_id,
        spoken_of.asset_class,
        spoken_of.symbol,
        cast(sum(spoken_of.execution_count) as bigint) as execution_count,
        cast(sum(spoken_of.decision_count) as bigint) as decision_count,
        min(spoken_of.told_of_at) as first_at,
        max(spoken_of.told_of_at) as last_at
    from spoken_of
    anti join versions on spoken_of.instrument_id = versions.instrument_id
    anti join series on spoken_of.instrument_id = series.instrument_id
    group by spoken_of.instrument_id, spoken_of.asset_class, spoken_of.symbol
)

select * from final
order by instrument_id, symbol
