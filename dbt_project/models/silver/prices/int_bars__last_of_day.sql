{{ config(materialized='incremental', tags=['bars_family']) }}

with bars as (
    select bars.* from {{ ref('bars') }} as bars
    {{ touched_only('bars') }}
    where bars.is_final
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

-- A bar belongs to the UTC date by whose end it has ended. Prices beyond what anything costs are
-- not believed.
dated as (
    select
        bars.instrument_id,
        bars.session_date,
        cast(bars.bar_end_at - interval 1 microsecond as date) as date,
        bars.timeframe,
        bars.bar_end_at,
        bars.close,
        bars.available_at
    from bars
    where bars.close > 0 and bars.close < 1e12
),

last_ends as (
    select
        instrument_id,
        session_date,
        date,
        timeframe = '1d' as is_daily,
        max(bar_end_at) as bar_end_at
    from dated
    group by all
),

-- Of bars that end together, the shortest.
final as (
    select
        dated.instrument_id,
        dated.session_date,
        dated.date,
        dated.timeframe,
        dated.bar_end_at,
        dated.close,
        dated.available_at
    from dated
    inner join last_ends
        on
            dated.instrument_id = last_ends.instrument_id
            and dated.session_date = last_ends.session_date
            and dated.date = last_ends.date
            and dated.bar_end_at = last_ends.bar_end_at
            and (dated.timeframe = '1d') = last_ends.is_daily
    inner join timeframes on dated.timeframe = timeframes.timeframe
    qualify
        row_number() over (
            partition by
                dated.instrument_id, dated.session_date, dated.date, last_ends.is_daily
            order by timeframes.seconds
        ) = 1
)

select * from final
order by date, instrument_id
