{{ config(materialized='by_series') }}
{%- set resumes = resumes_series() %}

with restarts as (
    select * from {{ ref('int_signals__restarts') }} as restarts
    where {{ this_batch('restarts') }}
),

bars as (
    select * from {{ ref('bars') }}
    where is_final
),

indicators as (
    select
        restarts.series_no,
        restarts.restart_at,
        restarts.resume_bar_no,
        indicators.*
    from {{ ref('indicators') }} as indicators
    inner join restarts
        on
            indicators.instrument_id = restarts.instrument_id
            and indicators.timeframe = restarts.timeframe
            and indicators.bar_start_at >= restarts.input_from_at
),

series_bars as (
    select
        indicators.*,
        bars.close
    from indicators
    inner join bars
        on
            indicators.instrument_id = bars.instrument_id
            and indicators.timeframe = bars.timeframe
            and indicators.bar_start_at = bars.bar_start_at
),

{{ regime_rows('series_bars', stored=this if resumes else none) }},

final as (
    select * exclude (series_no)
    from regime_rows
)

select * from final
