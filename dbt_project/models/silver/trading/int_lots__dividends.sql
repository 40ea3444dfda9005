with due as (
    select
        *,
        {{ exact_number('dividend_amount') }} as amount
    from {{ ref('int_lots__dividends_due') }}
    where len(reasons) = 0
),

final as (
    select
        lot_id,
        account_id,
        strategy,
        instrument_id,
        ex_date,
        {{ marked_amount('quantity', 'amount', 'rate') }} as dividend_base
    from due
)

select * from final
order by ex_date, instrument_id, account_id, lot_id
