{{ config(materialized='view', schema='staging') }}

with bars as not materialized (
    select * from {{ ref('bars') }}
    where is_final
),

-- The slowest vendor's lag, of all that may tell: which of them did changes no row.
lags as (
    select
        asset_class,
        max(availability_lag_seconds) as availability_lag_seconds
    from {{ ref('precedence') }}
    where dataset = 'bars'
    group by asset_class
),

series as (
    select distinct
        instrument_id,
        timeframe
    from bars
),

sessions as (
    select
        bars.instrument_id,
        bars.asset_class,
        bars.session_date,
        bars.bar_end_at + to_seconds(lags.availability_lag_seconds) as observed_at
    from bars
    inner join lags on bars.asset_class = lags.asset_class
    where bars.timeframe = '1d'
),

final as (
    select
        sessions.instrument_id,
        sessions.asset_class,
        sessions.session_date,
        series.timeframe,
        sessions.observed_at
    from sessions
    inner join series on sessions.instrument_id = series.instrument_id
)

select * from final
