with records as (
    select * from {{ ref('int_executions__records') }}
    where len(reasons) = 0
),

-- An execution told again replaces what was said of it before.
final as (
    select
        execution_id,
        order_id,
        decision_id,
        account_id,
        strategy,
        instrument_id,
        asset_class,
        symbol,
        side,
        quantity,
        price,
        quote_currency,
        fee,
        fee_currency,
        venue,
        executed_at,
        _fetched_at,
        _batch_id,
        _row
    from records
    qualify
        row_number() over (
            partition by account_id, execution_id
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
)

select * from final
order by executed_at, account_id, execution_id
