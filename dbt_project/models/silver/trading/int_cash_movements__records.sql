{{ config(materialized='view', schema='staging') }}

with staged as (
    select * from {{ ref('int_cash_movements__staged') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

rates as (
    select * from {{ ref('int_currencies__rates') }}
),

movements as (
    select
        staged.*,
        {{ base_currency('accounts.base_currency') }} as base_currency
    from staged
    left join accounts on staged.account_id = accounts.account_id
),

converted as (
    select
        movements.*,
        case when movements.currency = movements.base_currency then 1 else rates.rate end
            as amount_rate
    from movements
    left join rates
        on
            movements.currency = rates.from_currency
            and movements.base_currency = rates.to_currency
            and movements.moved_at = rates.needed_at
),

final as (
    select
        *,
        {{ reasons([
            (
                'missing_value',
                'movement_id is null or account_id is null or currency is null'
                ~ ' or moved_at_text is null or amount_text is null'
            ),
            ('not_a_number', 'amount_text is not null and amount is null'),
            (
                'too_large',
                is_too_large('amount', 1, 1) ~ ' or ' ~ is_too_large('amount', 1, 'amount_rate')
            ),
            ('unreadable_time', 'moved_at_text is not null and moved_at is null'),
            (
                'unknown_action',
                "coalesce(kind, '') not in"
                ~ " ('deposit', 'withdrawal', 'dividend', 'interest', 'fee', 'opening')"
            ),
            (
                'no_currency_rate',
                'moved_at is not null and currency is not null and amount_rate is null'
            ),
        ]) }} as reasons
    from converted
)

select * from final
