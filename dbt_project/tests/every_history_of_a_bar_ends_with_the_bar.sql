-- A failing row is a bar whose last known telling is not what silver.bars has of it.
{{ config(meta={'dagster': {'ref': {'name': 'int_bars__known'}}}) }}

with known as (
    select * from {{ touched_rows(ref('int_bars__known')) }}
    where known_to = timestamp '9999-12-31'
),

bars as (
    select * from {{ touched_rows(ref('bars')) }}
    where is_final
)

select
    known.instrument_id,
    known.timeframe,
    known.bar_start_at
from known
left join bars
    on
        known.instrument_id = bars.instrument_id
        and known.timeframe = bars.timeframe
        and known.bar_start_at = bars.bar_start_at
where
    row(
        known.provider, known.is_derived, known.open, known.high, known.low, known.close,
        known.volume, known.known_from
    ) is distinct from row(
        bars.provider, bars.is_derived, bars.open, bars.high, bars.low, bars.close,
        bars.volume, bars.available_at
    )
