-- A failing row is a signal provider whose votes, or parts of lots, do not add up to all it has.
{{ config(meta={'dagster': {'ref': {'name': 'mart_provider_attribution'}}}) }}

with attribution as (
    select
        signal_provider,
        sum(vote_count) as vote_count,
        sum(lot_count) as lot_count,
        sum(attributed_pnl_base) as pnl_base
    from {{ ref('mart_provider_attribution') }}
    where asset_class = '(all)' and regime = '(all)'
    group by signal_provider
),

votes as (
    select
        signal_provider,
        count(*) as vote_count
    from {{ ref('int_votes__last') }}
    group by signal_provider
),

-- But for lots of accounts with another base currency than the decision's.
lots as (
    select
        parts.signal_provider,
        count(*) as lot_count,
        sum(parts.net_pnl_base) as pnl_base
    from {{ ref('int_lots__attributed') }} as parts
    inner join {{ ref('trade_lifecycle') }} as lifecycle on parts.lot_id = lifecycle.lot_id
    inner join {{ ref('fct_decisions') }} as decisions
        on
            parts.decision_id = decisions.decision_id
            and lifecycle.base_currency = decisions.base_currency
    group by parts.signal_provider
)

select coalesce(votes.signal_provider, lots.signal_provider, attribution.signal_provider)
from votes
full outer join lots on votes.signal_provider = lots.signal_provider
full outer join attribution
    on coalesce(votes.signal_provider, lots.signal_provider) = attribution.signal_provider
where
    coalesce(votes.vote_count, 0) is distinct from attribution.vote_count
    or coalesce(lots.lot_count, 0) is distinct from attribution.lot_count
    or coalesce(lots.pnl_base, 0) is distinct from attribution.pnl_base
