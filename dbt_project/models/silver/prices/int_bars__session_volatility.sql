{{ config(materialized='incremental', tags=['bars_family']) }}
{#- Of the session's time, that a timeframe's bars must make up. -#}
{%- set least_share = 0.8 -%}

with bars as (
    select bars.* from {{ ref('bars') }} as bars
    {{ touched_only('bars') }}
    where bars.is_final
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

daily_bars as (
    select * from bars
    where timeframe = '1d'
),

intraday_returns as (
    select
        bars.instrument_id,
        bars.asset_class,
        bars.session_date,
        bars.timeframe,
        bars.available_at,
        epoch(bars.bar_end_at) - epoch(bars.bar_start_at) as bar_seconds,
        ln(bars.close) - ln(
            lag(bars.close, 1, bars.open) over (
                partition by bars.instrument_id, bars.timeframe, bars.session_date
                order by bars.bar_start_at
            )
        ) as log_return
    from bars
    semi join daily_bars
        on
            bars.instrument_id = daily_bars.instrument_id
            and bars.session_date = daily_bars.session_date
    where bars.timeframe in ('5m', '15m', '1h')
),

-- Sums of decimals do not depend on the order of their rows.
intraday as (
    select
        instrument_id,
        asset_class,
        session_date,
        timeframe,
        count(*) as bar_count,
        sum(bar_seconds) as covered_seconds,
        max(available_at) as available_at,
        cast(sum(cast(log_return * log_return as decimal(38, 20))) as double) as realized_variance
    from intraday_returns
    group by all
),

-- The finest that covers enough of it.
covering as (
    select intraday.*
    from intraday
    inner join asset_classes on intraday.asset_class = asset_classes.asset_class
    inner join sessions
        on
            asset_classes.calendar = sessions.calendar
            and intraday.session_date = sessions.session_date
    where
        intraday.covered_seconds
        >= {{ least_share }} * (epoch(sessions.close_at) - epoch(sessions.open_at))
    qualify
        row_number() over (
            partition by intraday.instrument_id, intraday.session_date
            order by list_position(['5m', '15m', '1h'], intraday.timeframe)
        ) = 1
),

final as (
    select
        daily_bars.instrument_id,
        daily_bars.session_date,
        coalesce(covering.timeframe, 'parkinson') as volatility_method,
        coalesce(covering.bar_count, 1) as bar_count,
        coalesce(
            covering.realized_variance,
            pow(ln(daily_bars.high) - ln(daily_bars.low), 2) / (4 * ln(2))
        ) as realized_variance,
        greatest(daily_bars.available_at, covering.available_at) as available_at
    from daily_bars
    left join covering
        on
            daily_bars.instrument_id = covering.instrument_id
            and daily_bars.session_date = covering.session_date
)

select * from final
order by session_date, instrument_id
