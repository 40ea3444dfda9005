-- A failing row is a final daily bar that gold.fct_daily_bars lost: no instrument, session or
-- factor was found for it.
{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_bars'}}}) }}

with bars as (
    select * from {{ ref('bars') }}
    where timeframe = '1d' and is_final
),

facts as (
    select * from {{ ref('fct_daily_bars') }}
)

select
    bars.instrument_id,
    bars.session_date
from bars
anti join facts
    on
        bars.instrument_id = facts.instrument_id
        and bars.session_date = facts.session_date
