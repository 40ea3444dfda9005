-- A failing row is a bar that was accepted but that silver.bars does not have, under any winner.
{{ config(meta={'dagster': {'ref': {'name': 'bars'}}}) }}

with versions as (
    select * from {{ touched_rows(ref('bar_versions')) }}
    where is_current
),

bars as (
    select * from {{ touched_rows(ref('bars')) }}
)

select
    versions.instrument_id,
    versions.timeframe,
    versions.bar_start_at
from versions
anti join bars
    on
        versions.instrument_id = bars.instrument_id
        and versions.timeframe = bars.timeframe
        and versions.bar_start_at = bars.bar_start_at
