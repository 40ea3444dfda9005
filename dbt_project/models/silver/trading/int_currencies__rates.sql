with executions as (
    select * from {{ ref('int_executions__staged') }}
),

cash_movements as (
    select * from {{ ref('int_cash_movements__staged') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

moved as (
    select
        account_id,
        quote_currency as currency,
        executed_at as needed_at
    from executions
    union
    select
        account_id,
        fee_currency as currency,
        executed_at as needed_at
    from executions
    union
    select
        account_id,
        currency,
        moved_at as needed_at
    from cash_movements
),

needs as (
    select distinct
        moved.currency as from_currency,
        {{ base_currency('accounts.base_currency') }} as to_currency,
        moved.needed_at
    from moved
    left join accounts on moved.account_id = accounts.account_id
    where
        moved.currency <> {{ base_currency('accounts.base_currency') }}
        and moved.needed_at is not null
),

{{ currency_rates('needs', max_age_days=var('currency_rate_max_age_days')) }},

final as (
    select
        from_currency,
        to_currency,
        needed_at,
        rate,
        rate_at,
        method
    from currency_rates
)

select * from final
order by from_currency, to_currency, needed_at
