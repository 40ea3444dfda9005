{{ config(materialized='view', schema='staging') }}

with executions as (
    {{ staged_union(['stg_inbox__executions'], without=['reasons']) }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

final as (
    select
        executions.*,
        {{ reasons([
            (
                'missing_value',
                'executions.execution_id is null or executions.order_id is null'
                ~ ' or executions.account_id is null or executions.symbol is null'
                ~ ' or executions.executed_at_text is null or executions.quantity_text is null'
                ~ ' or executions.price_text is null or executions.fee_text is null'
                ~ ' or executions.quote_currency is null or executions.fee_currency is null'
            ),
            (
                'not_a_number',
                '(executions.quantity_text is not null and executions.quantity is null)'
                ~ ' or (executions.price_text is not null and executions.price is null)'
                ~ ' or (executions.fee_text is not null and executions.fee is null)'
            ),
            ('not_positive', 'executions.quantity <= 0 or executions.price <= 0'),
            (
                'unreadable_time',
                'executions.executed_at_text is not null and executions.executed_at is null'
            ),
            ('unknown_asset_class', 'asset_classes.asset_class is null'),
            ('unknown_action', "coalesce(executions.side, '') not in ('buy', 'sell')"),
        ]) }} as reasons
    from executions
    left join asset_classes on executions.asset_class = asset_classes.asset_class
)

select * from final
