{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['trading_family'],
    changed_in='int_decisions__changed', changed_key='decision_id'
) }}

with decisions as (
    select decisions.* from {{ ref('decision_history') }} as decisions
    {{ changed_only('decisions', 'int_decisions__changed', 'decision_id') }}
),

votes as (
    select
        decision_id,
        unnest(from_json(
            cast(provider_votes as json),
            '[{"provider": "varchar", "action": "varchar",
               "confidence": "double", "weight": "double"}]'
        )) as vote,
        generate_subscripts(from_json(cast(provider_votes as json), '["json"]'), 1) as vote_number
    from decisions
    where json_valid(provider_votes)
),

final as (
    select
        decision_id,
        cast(vote_number as integer) as vote_number,
        vote.provider as signal_provider,
        vote.action,
        vote.confidence,
        vote.weight
    from votes
)

select * from final
order by decision_id, vote_number
