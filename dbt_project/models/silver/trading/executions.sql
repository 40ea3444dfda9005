-- depends_on: {{ ref('int_trading__revisions') }}, {{ ref('int_executions__before') }}
{{ config(
    materialized='incremental', incremental_strategy='append', tags=['trading_family'],
    takes_in=['executions']
) }}
{%- set new_batches = unprocessed_batches(['executions']) -%}
{%- set is_new = in_batches('_batch_id', new_batches) if is_incremental() else 'true' %}

with records as (
    select * from {{ ref('int_executions__records') }}
    where len(reasons) = 0 and {{ is_new }}
),

-- An execution told again replaces what was said of it before.
latest as (
    select *
    from records
    qualify
        row_number() over (
            partition by account_id, execution_id
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
),

decisions as (
    select * from {{ ref('int_decisions__told') }}
    where account_id is not null
),

-- What another account decided is not what this one followed.
traded as (
    select
        latest.* replace (
            case
                when decisions.account_id <> latest.account_id then null
                else latest.decision_id
            end as decision_id
        ),
        {{ amount('latest.quantity', 'latest.price') }} as gross_amount
    from latest
    left join decisions on latest.decision_id = decisions.decision_id
),

converted as (
    select
        *,
        case
            when price_rate = 1 then gross_amount
            else {{ amount('gross_amount', 'price_rate') }}
        end as gross_amount_base,
        case
            when fee_rate = 1 then cast(fee as decimal(38, 12))
            else {{ amount('fee', 'fee_rate') }}
        end as fee_base
    from traded
),

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
        base_currency,
        price_rate as currency_rate,
        gross_amount,
        gross_amount_base,
        fee_base,
        case side when 'buy' then -gross_amount_base else gross_amount_base end - fee_base
            as cash_change_base,
        _fetched_at,
        _batch_id,
        _row
    from converted
)

select * from final
order by executed_at, account_id, execution_id
