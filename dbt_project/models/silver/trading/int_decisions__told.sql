{{ config(schema='staging') }}

with records as (
    select * from {{ ref('int_decisions__records') }}
    where len(reasons) = 0
),

-- A decision told again replaces what was said of it before.
final as (
    select
        decision_id,
        account_id,
        strategy,
        instrument_id,
        asset_class,
        symbol,
        timeframe,
        action,
        confidence,
        position_size,
        method,
        provider_votes,
        reasoning,
        decided_at,
        _fetched_at,
        _batch_id,
        _row
    from records
    qualify
        row_number() over (
            partition by decision_id
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
)

select * from final
