with executions as (
    select * from {{ ref('executions') }}
),

days as (
    select * from {{ ref('int_trading__days') }}
),

currencies as (
    select distinct
        account_id,
        quote_currency,
        base_currency
    from executions
    where quote_currency <> base_currency
),

needs as (
    select distinct
        currencies.quote_currency as from_currency,
        currencies.base_currency as to_currency,
        cast(days.date + 1 as timestamp) as needed_at
    from currencies
    inner join days on currencies.account_id = days.account_id
),

{{ currency_rates('needs') }},

final as (
    select
        from_currency,
        to_currency,
        cast(needed_at as date) - 1 as date,
        rate,
        rate_at,
        method
    from currency_rates
)

select * from final
order by from_currency, to_currency, date
