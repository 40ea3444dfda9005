{{ config(materialized='incremental', tags=['bars_family']) }}

with versions as (
    select versions.* from {{ ref('bar_versions') }} as versions
    {{ touched_only('versions') }}
),

final as (
    select
        provider,
        _symbol,
        provider_symbol,
        instrument_id,
        asset_class,
        timeframe,
        session_date,
        count(*) filter (where is_provider_current) as bar_count,
        min(bar_start_at) as first_bar_at,
        max(bar_end_at) as last_bar_end_at
    from versions
    group by all
)

select * from final
