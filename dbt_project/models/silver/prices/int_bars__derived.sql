{{ config(materialized='incremental', tags=['bars_family']) }}

with versions as (
    select versions.* from {{ ref('bar_versions') }} as versions
    {{ touched_only('versions') }}
),

quarantined as (
    select quarantined.* from {{ ref('bars_quarantined') }} as quarantined
    {{ touched_only('quarantined') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'bars'
),

covered_ranges as (
    select * from {{ ref('int_bars__covered_ranges') }}
),

current_versions as (
    select * from versions
    where is_provider_current
),

{{ holes('current_versions') }},

constituents as (
    select * from current_versions
    union all by name
    select * from holes
),

{{ bucketed_bars('constituents') }},

{{ derived_bars('bucketed') }},

-- Derived from the coarsest of the finer timeframes the vendor itself gives.
final as (
    select * exclude (source_seconds)
    from derived_bars
    qualify
        row_number() over (
            partition by provider, instrument_id, timeframe, bar_start_at
            order by source_seconds desc
        ) = 1
)

select * from final
