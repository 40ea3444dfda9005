{{ config(materialized='view', schema='staging') }}

with staged as (
    select * from {{ ref('int_decisions__staged') }}
),

symbols as (
    select * from {{ ref('int_trading__symbols') }}
),

-- Symbols that no listing knows then are canonical as written.
decisions as (
    select
        staged.* replace (
            coalesce(symbols.instrument_id, staged.instrument_id) as instrument_id
        )
    from staged
    left join symbols
        on
            staged.asset_class = symbols.asset_class
            and staged.symbol = symbols.symbol
            and staged.decided_at >= symbols.valid_from
            and staged.decided_at < symbols.valid_to
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

judged as (
    select
        decisions.*,
        {{ reasons([
            (
                'missing_value',
                'decisions.decision_id is null or decisions.decided_at_text is null'
                ~ ' or decisions.symbol is null or decisions.confidence_text is null'
                ~ ' or decisions.position_size_text is null'
            ),
            (
                'not_a_number',
                '(decisions.confidence_text is not null'
                ~ ' and not coalesce(isfinite(decisions.confidence), false))'
                ~ ' or (decisions.position_size_text is not null'
                ~ ' and decisions.position_size is null)'
            ),
            (
                'unreadable_time',
                'decisions.decided_at_text is not null and decisions.decided_at is null'
            ),
            ('unknown_asset_class', 'asset_classes.asset_class is null'),
            ('unknown_timeframe', 'timeframes.timeframe is null'),
            (
                'unknown_action',
                "coalesce(decisions.action, '') not in ('buy', 'sell', 'hold') or"
                ~ " coalesce(decisions.method, '') not in"
                ~ " ('debate', 'voting', 'fallback', 'single')"
            ),
        ]) }} as reasons
    from decisions
    left join asset_classes on decisions.asset_class = asset_classes.asset_class
    left join timeframes on decisions.timeframe = timeframes.timeframe
),

-- An id is the account's that used it first: another's would replace its decision.
id_owners as (
    select
        decision_id,
        min_by(account_id, (_fetched_at, _batch_id, _row)) as account_id
    from judged
    where len(reasons) = 0 and decision_id is not null and account_id is not null
    group by decision_id
),

final as (
    select
        judged.* replace (
            judged.reasons || {{ reasons([
                ('id_of_another_account', 'judged.account_id <> id_owners.account_id'),
            ]) }} as reasons
        )
    from judged
    left join id_owners on judged.decision_id = id_owners.decision_id
)

select * from final
