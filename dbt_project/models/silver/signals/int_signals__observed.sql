{{ config(
    materialized='incremental', incremental_strategy='replace_observed', tags=['of_bars']
) }}

with observations as (
    select * from {{ ref('int_signals__observations') }}
    where is_due and bar_start_at is not null
),

enriched as (
    select * from {{ ref('market_data_enriched') }}
),

restated as (
    select * from {{ ref('int_signals__restated') }}
),

as_it_is as (
    select
        observations.observed_at,
        false as is_restated,
        enriched.*
    from observations
    inner join enriched
        on
            observations.instrument_id = enriched.instrument_id
            and observations.timeframe = enriched.timeframe
            and observations.bar_start_at = enriched.bar_start_at
    where observations.known_until is null
),

as_it_was as (
    select
        observations.observed_at,
        true as is_restated,
        restated.* exclude (known_until)  -- noqa: RF02
    from observations
    inner join restated
        on
            observations.instrument_id = restated.instrument_id
            and observations.timeframe = restated.timeframe
            and observations.bar_start_at = restated.bar_start_at
            and observations.known_until = restated.known_until
),

both_ways as (
    select * from as_it_is
    union all by name
    select * from as_it_was
),

final as (
    select
        * exclude (is_restated),
        {{ direction('close', 'sma_20', 'macd_histogram_12_26_9') | indent(4) }} as direction,
        {{ momentum_of('rsi_14') | indent(4) }} as momentum,
        is_restated
    from both_ways
)

select * from final
order by observed_at, instrument_id, timeframe
