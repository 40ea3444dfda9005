with extracted as (
    select * from {{ ref('stg_exchange_calendars__sessions') }}
),

batches as (
    select * from {{ ref('build_batches') }}
),

exchange_sessions as (
    select
        calendar,
        session_date,
        open_at,
        close_at,
        is_early_close
    from extracted
    where session_date is not null and open_at < close_at
    qualify
        _fetched_at = max(_fetched_at) over (partition by calendar)
        and row_number() over (
            partition by calendar, session_date
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
),

-- The range follows what was fetched, not today's date, so that a rebuild gives the same table.
horizon as (
    select make_date(cast(year(max(fetched_at)) + 1 as integer), 12, 31) as last_date
    from batches
    having count(*) > 0
),

days as (
    select cast(moment as date) as session_date
    from horizon, generate_series(date '1990-01-01', last_date, interval 1 day) as days (moment)
),

round_the_clock as (
    select
        '24/7' as calendar,
        session_date,
        cast(session_date as timestamp) as open_at,
        cast(session_date + 1 as timestamp) as close_at,
        false as is_early_close
    from days
),

-- FX sessions run from 17:00 New York to 17:00 New York and are named by the day they end on.
fx as (
    select
        'FX' as calendar,
        session_date,
        {{ utc_from_local(
            "cast(session_date - 1 as timestamp) + interval 17 hour", "'America/New_York'"
        ) }} as open_at,
        {{ utc_from_local(
            "cast(session_date as timestamp) + interval 17 hour", "'America/New_York'"
        ) }} as close_at,
        false as is_early_close
    from days
    where isodow(session_date) <= 5
),

final as (
    select * from exchange_sessions
    union all
    select * from round_the_clock
    union all
    select * from fx
)

select * from final
order by calendar, session_date
