{{ config(materialized='view', schema='staging') }}

with adjustment_factors as (
    select * from {{ ref('adjustment_factors') }}
),

-- An instrument's first interval, and one from each split on: dividends do not change share units.
splits as (
    select *
    from adjustment_factors
    qualify
        split_step <> 1
        or row_number() over (partition by instrument_id order by valid_from) = 1
),

final as (
    select
        instrument_id,
        valid_from,
        lead(valid_from, 1, date '9999-12-31') over (
            partition by instrument_id order by valid_from
        ) as valid_to,
        split_factor
    from splits
)

select * from final
