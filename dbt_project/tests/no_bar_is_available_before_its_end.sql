-- A failing row is a final bar that claims to have been known before it had ended: look-ahead.
{{ config(meta={'dagster': {'ref': {'name': 'bars'}}}) }}

select
    instrument_id,
    timeframe,
    bar_start_at,
    available_at
from {{ touched_rows(ref('bars')) }}
where is_final and available_at < bar_end_at
