{{ config(schema='staging', tags=['trading_family']) }}
{%- set content = execution_content() | join(', ') -%}
{%- set new_batches = unprocessed_batches(['executions']) -%}

{% if takes_in_only_new(['executions']) %}
with changed as (
    select {{ content }}
    from {{ ref('executions') }}
    where {{ in_batches('_batch_id', new_batches) }}
),
{% else %}
with executions as (
    select {{ content }}
    from {{ ref('executions') }}
    {% if not family_goes_on('trading') %}
    where false
    {% endif %}
),

executions_before as (
    select {{ content }}
    from {{ ref('int_executions__before') }}
),

changed as (
    {{ in_one_only('executions', 'executions_before') }}
),
{% endif %}

final as (
    select distinct
        account_id,
        execution_id,
        instrument_id,
        decision_id,
        executed_at
    from changed
)

select * from final
