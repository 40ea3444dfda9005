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
owned as (
    select
        *,
        first_value(case when len(reasons) = 0 then account_id end ignore nulls) over (
            partition by decision_id
            order by _fetched_at, _batch_id, _row
            rows between unbounded preceding and unbounded following
        ) as id_owner
    from judged
),

final as (
    select
        * exclude (id_owner) replace (
            reasons || {{ reasons([
                (
                    'id_of_another_account',
                    'decision_id is not null and account_id <> id_owner'
                ),
            ]) }} as reasons
        )
    from owned
)

select * from final
