-- A failing row is a bar without exactly one winner among its versions.
{{ config(meta={'dagster': {'ref': {'name': 'bar_versions'}}}) }}

select
    instrument_id,
    timeframe,
    bar_start_at
from {{ touched_rows(ref('bar_versions')) }}
group by all
having count(*) filter (where is_current) <> 1
