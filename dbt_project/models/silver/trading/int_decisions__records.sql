{{ config(materialized='view', schema='staging') }}

with decisions as (
    {{ staged_union(['stg_inbox__decisions'], without=['reasons']) }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

final as (
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
)

select * from final
