with traded as (
    select
        executions.instrument_id,
        any_value(asset_classes.calendar) as calendar
    from {{ ref('executions') }} as executions
    inner join {{ ref('asset_classes') }} as asset_classes
        on executions.asset_class = asset_classes.asset_class
    group by executions.instrument_id
),

sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

bars as (
    select
        bars.*,
        traded.calendar
    from {{ ref('int_bars__last_of_day') }} as bars
    inner join traded on bars.instrument_id = traded.instrument_id
),

daily_bars as (
    select *
    from bars
    where timeframe = '1d'
    qualify row_number() over (partition by instrument_id, date order by bar_end_at desc) = 1
),

last_bars as (
    select bars.*
    from bars
    anti join daily_bars
        on
            bars.instrument_id = daily_bars.instrument_id
            and bars.date = daily_bars.date
    inner join timeframes on bars.timeframe = timeframes.timeframe
    where bars.timeframe <> '1d'
    qualify
        row_number() over (
            partition by bars.instrument_id, bars.date
            order by bars.bar_end_at desc, timeframes.seconds asc
        ) = 1
),

-- Saturdays have none, whatever is traded after hours on Friday.
closes as (
    select all_closes.*
    from (
        select * from daily_bars
        union all
        select * from last_bars
    ) as all_closes
    semi join sessions
        on
            all_closes.calendar = sessions.calendar
            and all_closes.date = sessions.session_date
),

final as (
    select
        instrument_id,
        date,
        lead(date, 1, date '9999-12-31') over (partition by instrument_id order by date)
            as valid_to,
        session_date,
        close,
        bar_end_at,
        available_at
    from closes
)

select * from final
order by instrument_id, date
