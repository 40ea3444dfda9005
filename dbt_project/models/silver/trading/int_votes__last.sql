{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['trading_family'],
    changed_in='int_decisions__changed', changed_key='decision_id'
) }}

with decisions as (
    select * from {{ ref('decision_history') }}
),

votes as (
    select votes.* from {{ ref('decision_votes') }} as votes
    {{ changed_only('votes', 'int_decisions__changed', 'decision_id') }}
),

-- Who speaks twice is taken at the last word. A vote without a weight counts as one.
last_votes as (
    select
        decision_id,
        coalesce(signal_provider, '(unnamed)') as signal_provider,
        action,
        confidence,
        greatest(coalesce({{ exact('weight') }}, 1), 0) as told_weight
    from votes
    where action is not null
    qualify
        row_number() over (
            partition by decision_id, coalesce(signal_provider, '(unnamed)')
            order by vote_number desc
        ) = 1
),

compared as (
    select
        last_votes.*,
        last_votes.action = decisions.action as is_agreeing,
        bool_or(last_votes.told_weight > 0) over decision_votes as has_weights,
        bool_or(last_votes.told_weight > 0 and last_votes.action = decisions.action)
            over decision_votes as has_agreeing_weights
    from last_votes
    inner join decisions on last_votes.decision_id = decisions.decision_id
    window decision_votes as (partition by last_votes.decision_id)
),

-- Where all are told to weigh nothing, they weigh the same.
final as (
    select
        decision_id,
        signal_provider,
        action,
        {{ direction_of('action') }} as direction,
        confidence,
        is_agreeing,
        case when has_weights then told_weight else 1 end as weight,
        case
            when not is_agreeing then 0
            when has_agreeing_weights then told_weight
            else 1
        end as agreeing_weight
    from compared
)

select * from final
order by decision_id, signal_provider
