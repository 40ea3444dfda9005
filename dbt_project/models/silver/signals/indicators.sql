{{ config(materialized='by_series') }}
{%- set resumes = resumes_series() -%}
{#- Bars without a volume are left out of the series that the indicators of volume see. -#}
{%- set with_volume = 'series_no' if every_bar_has_a_volume() else 'series_no, volume is null' %}

with recursive restarts as (
    select * from {{ ref('int_signals__restarts') }} as restarts
    where {{ this_batch('restarts') }}
),

bars as (
    select * from {{ ref('bars') }}
    where is_final
),

split_factors as (
    select * from {{ ref('int_bars__split_factors') }}
),

series_bars as (
    select
        restarts.series_no,
        restarts.input_from_bar_no,
        coalesce(restarts.resume_bar_no + 1, 0) as first_bar_no,
        bars.bar_start_at,
        bars.bar_end_at,
        bars.session_date,
        bars.available_at,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        split_factors.split_factor
    from bars
    inner join restarts
        on
            bars.instrument_id = restarts.instrument_id
            and bars.timeframe = restarts.timeframe
            and bars.bar_start_at >= restarts.input_from_at
    inner join split_factors
        on
            bars.instrument_id = split_factors.instrument_id
            and bars.session_date >= split_factors.valid_from
            and bars.session_date < split_factors.valid_to
),

{{ indicator_rows('series_bars', with_volume, stored=this if resumes else none) }},

final as (
    select * exclude (series_no)
    from indicator_rows
)

select * from final
