{{ config(materialized='view', schema='staging') }}

with staged as (
    select * from {{ ref('int_executions__staged') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

rates as (
    select * from {{ ref('int_currencies__rates') }}
),

symbols as (
    select * from {{ ref('int_trading__symbols') }}
),

-- Symbols that no listing knows then are canonical as written.
executions as (
    select
        staged.* replace (coalesce(symbols.instrument_id, staged.instrument_id) as instrument_id),
        {{ base_currency('accounts.base_currency') }} as base_currency
    from staged
    left join accounts on staged.account_id = accounts.account_id
    left join symbols
        on
            staged.asset_class = symbols.asset_class
            and staged.symbol = symbols.symbol
            and staged.executed_at >= symbols.valid_from
            and staged.executed_at < symbols.valid_to
),

converted as (
    select
        executions.*,
        case
            when executions.quote_currency = executions.base_currency then 1
            else price_rates.rate
        end as price_rate,
        case
            when executions.fee_currency = executions.base_currency or executions.fee = 0 then 1
            else fee_rates.rate
        end as fee_rate
    from executions
    left join rates as price_rates
        on
            executions.quote_currency = price_rates.from_currency
            and executions.base_currency = price_rates.to_currency
            and executions.executed_at = price_rates.needed_at
    left join rates as fee_rates
        on
            executions.fee_currency = fee_rates.from_currency
            and executions.base_currency = fee_rates.to_currency
            and executions.executed_at = fee_rates.needed_at
),

final as (
    select
        converted.*,
        {{ reasons([
            (
                'missing_value',
                'converted.execution_id is null or converted.order_id is null'
                ~ ' or converted.account_id is null or converted.symbol is null'
                ~ ' or converted.executed_at_text is null or converted.quantity_text is null'
                ~ ' or converted.price_text is null or converted.fee_text is null'
                ~ ' or converted.quote_currency is null or converted.fee_currency is null'
            ),
            (
                'not_a_number',
                '(converted.quantity_text is not null and converted.quantity is null)'
                ~ ' or (converted.price_text is not null and converted.price is null)'
                ~ ' or (converted.fee_text is not null and converted.fee is null)'
            ),
            ('not_positive', 'converted.quantity <= 0 or converted.price <= 0'),
            (
                'too_large',
                'converted.quantity >= ' ~ largest_quantity()
                ~ ' or ' ~ is_too_large('converted.quantity', 'converted.price', 1)
                ~ ' or ' ~ is_too_large(
                    'converted.quantity', 'converted.price', 'converted.price_rate'
                )
                ~ ' or ' ~ is_too_large('converted.fee', 1, 1)
                ~ ' or ' ~ is_too_large('converted.fee', 1, 'converted.fee_rate')
            ),
            (
                'unreadable_time',
                'converted.executed_at_text is not null and converted.executed_at is null'
            ),
            ('unknown_asset_class', 'asset_classes.asset_class is null'),
            ('unknown_action', "coalesce(converted.side, '') not in ('buy', 'sell')"),
            (
                'no_currency_rate',
                'converted.executed_at is not null and ('
                ~ '(converted.quote_currency is not null and converted.price_rate is null)'
                ~ ' or (converted.fee_currency is not null and converted.fee is not null'
                ~ ' and converted.fee_rate is null))'
            ),
        ]) }} as reasons
    from converted
    left join asset_classes on converted.asset_class = asset_classes.asset_class
)

select * from final
