with due as (
    select * from {{ ref('int_lots__dividends_due') }}
    where len(reasons) > 0
),

final as (
    select
        account_id,
        instrument_id,
        ex_date,
        any_value(reasons) as reasons,
        sum(quantity) as quantity,
        any_value(dividend_amount) as dividend_amount,
        currency,
        any_value(base_currency) as base_currency,
        count(*) as lot_count
    from due
    group by account_id, instrument_id, ex_date, currency
)

select * from final
order by ex_date, instrument_id, account_id, currency
