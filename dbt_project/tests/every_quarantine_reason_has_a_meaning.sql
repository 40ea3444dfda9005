-- A failing row is a reason code that rules.quarantine_reasons does not explain.
{{ config(meta={'dagster': {'ref': {'name': 'bars_quarantined'}}}) }}

with given as (
    select unnest(reasons) as reason from {{ ref('bars_quarantined') }}
    union
    select unnest(reasons) as reason from {{ ref('reference_quarantined') }}
    union
    select unnest(reasons) as reason from {{ ref('ticks_quarantined') }}
    union
    select unnest(reasons) as reason from {{ ref('trading_quarantined') }}
    union
    select unnest(reasons) as reason from {{ ref('dividends_quarantined') }}
)

select given.reason
from given
anti join {{ ref('quarantine_reasons') }} as explained on given.reason = explained.reason
