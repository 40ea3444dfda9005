-- A failing row is a bar record that is in Silver and in quarantine at once.
{{ config(meta={'dagster': {'ref': {'name': 'bars_quarantined'}}}) }}

with quarantined as (
    select * from {{ ref('bars_quarantined') }}
),

versions as (
    select * from {{ ref('bar_versions') }}
)

select
    quarantined._batch_id,
    quarantined._row
from quarantined
semi join versions
    on
        quarantined._batch_id = versions._batch_id
        and quarantined._row = versions._row
