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

-- A bar belongs to the UTC date by whose end it has ended. Prices beyond what anything costs are
-- not believed.
bars as (
    select
        bars.instrument_id,
        traded.calendar,
        cast(bars.bar_end_at - interval 1 microsecond as date) as date,
        bars.timeframe,
        bars.session_date,
        bars.bar_end_at,
        bars.close,
        bars.available_at
    from {{ ref('bars') }} as bars
    inner join traded on bars.instrument_id = traded.instrument_id
    where bars.is_final and bars.close > 0 and bars.close < 1e12
),

daily_bars as (
    select *
    from bars
    where timeframe = '1d'
    qualify row_number() over (partition by instrument_id, date order by bar_end_at desc) = 1
),

intraday_bars as (
    select bars.*
    from bars
    anti join daily_bars
        on
            bars.instrument_id = daily_bars.instrument_id
            and bars.date = daily_bars.date
    where bars.timeframe <> '1d'
),

last_ends as (
    select
        instrument_id,
        date,
        max(bar_end_at) as bar_end_at
    from intraday_bars
    group by all
),

last_bars as (
    select intraday_bars.*
    from intraday_bars
    inner join last_ends
        on
            intraday_bars.instrument_id = last_ends.instrument_id
            and intraday_bars.bar_end_at = last_ends.bar_end_at
    inner join timeframes on intraday_bars.timeframe = timeframes.timeframe
    qualify
        row_number() over (
            partition by intraday_bars.instrument_id, intraday_bars.date
            order by timeframes.seconds
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
