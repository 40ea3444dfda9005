-- depends_on: {{ ref('int_trading__revisions') }}
{%- set datasets = ['executions', 'decisions', 'cash_movements'] -%}
{{ config(
    materialized='incremental', incremental_strategy='append', tags=['trading_family'],
    takes_in=['executions', 'decisions', 'cash_movements']
) }}
{%- set new_batches = unprocessed_batches(datasets) -%}
{%- set is_new = in_batches('_batch_id', new_batches) if is_incremental() else 'true' %}

with decisions as (
    select
        provider,
        decision_id as record_id,
        reasons,
        to_json(struct_pack(
            decision_id, account_id, strategy, asset_class, symbol, timeframe, action, method,
            provider_votes, reasoning, decided_at := decided_at_text,
            confidence := confidence_text, position_size := position_size_text, extra := _extra
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_decisions__records') }}
    where len(reasons) > 0 and {{ is_new }}
),

executions as (
    select
        provider,
        execution_id as record_id,
        reasons,
        to_json(struct_pack(
            execution_id, order_id, decision_id, account_id, strategy, asset_class, symbol, side,
            quote_currency, fee_currency, venue, executed_at := executed_at_text,
            quantity := quantity_text, price := price_text, fee := fee_text, extra := _extra
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_executions__records') }}
    where len(reasons) > 0 and {{ is_new }}
),

cash_movements as (
    select
        provider,
        movement_id as record_id,
        reasons,
        to_json(struct_pack(
            movement_id, account_id, currency, kind, moved_at := moved_at_text,
            amount := amount_text, extra := _extra
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_cash_movements__records') }}
    where len(reasons) > 0 and {{ is_new }}
),

rejected as (
    select * from decisions
    union all
    select * from executions
    union all
    select * from cash_movements
),

batches as (
    select * from {{ ref('build_batches') }}
),

final as (
    select
        rejected.provider,
        batches.dataset,
        rejected.record_id,
        rejected.reasons,
        cast(rejected.original as varchar) as original,
        batches.file,
        rejected._fetched_at,
        rejected._batch_id,
        rejected._row
    from rejected
    inner join batches on rejected._batch_id = batches.batch_id
)

select * from final
order by _batch_id, _row
