{{ config(schema='staging', tags=['trading_family']) }}

with restarts as (
    select * from {{ ref('int_signals__restarts') }}
),

touched_sessions as (
    select * from {{ ref('int_bars__touched_sessions') }}
),

first_changes as (
    select
        instrument_id,
        min(restart_at) as changed_from
    from restarts
    group by instrument_id
),

-- After hours end the morning after a session's date.
last_changes as (
    select
        instrument_id,
        cast(max(session_date) as timestamp) + interval 2 day as changed_until
    from touched_sessions
    group by instrument_id
),

final as (
    select
        first_changes.instrument_id,
        first_changes.changed_from,
        coalesce(last_changes.changed_until, timestamp '9999-12-31') as changed_until
    from first_changes
    left join last_changes on first_changes.instrument_id = last_changes.instrument_id
)

select * from final
order by instrument_id
