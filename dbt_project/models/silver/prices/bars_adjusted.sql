{{ config(materialized='view') }}

with bars as (
    select * from {{ ref('bars') }}
),

adjustment_factors as (
    select * from {{ ref('adjustment_factors') }}
),

latest_factors as (
    select
        instrument_id,
        split_factor as latest_split_factor,
        total_return_factor as latest_total_return_factor
    from adjustment_factors
    where valid_to = date '9999-12-31'
),

final as (
    select
        bars.instrument_id,
        bars.timeframe,
        bars.bar_start_at,
        bars.bar_end_at,
        bars.session_date,
        bars.open * adjustment_factors.split_factor as open_split_adjusted,
        bars.high * adjustment_factors.split_factor as high_split_adjusted,
        bars.low * adjustment_factors.split_factor as low_split_adjusted,
        bars.close * adjustment_factors.split_factor as close_split_adjusted,
        bars.volume / adjustment_factors.split_factor as volume_split_adjusted,
        bars.close * adjustment_factors.total_return_factor as close_total_return,
        bars.open * adjustment_factors.split_factor / latest_factors.latest_split_factor
            as open_back_adjusted,
        bars.high * adjustment_factors.split_factor / latest_factors.latest_split_factor
            as high_back_adjusted,
        bars.low * adjustment_factors.split_factor / latest_factors.latest_split_factor
            as low_back_adjusted,
        bars.close * adjustment_factors.split_factor / latest_factors.latest_split_factor
            as close_back_adjusted,
        bars.volume * latest_factors.latest_split_factor / adjustment_factors.split_factor
            as volume_back_adjusted,
        bars.close * adjustment_factors.total_return_factor
        / latest_factors.latest_total_return_factor as close_back_adjusted_total_return,
        adjustment_factors.split_factor,
        adjustment_factors.total_return_factor,
        bars.is_final,
        bars.available_at
    from bars
    inner join adjustment_factors
        on
            bars.instrument_id = adjustment_factors.instrument_id
            and bars.session_date >= adjustment_factors.valid_from
            and bars.session_date < adjustment_factors.valid_to
    inner join latest_factors on bars.instrument_id = latest_factors.instrument_id
)

select * from final
