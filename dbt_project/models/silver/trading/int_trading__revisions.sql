-- depends_on: {{ ref('int_bars__touched_sessions') }}, {{ ref('int_trading__symbols') }}
-- depends_on: {{ ref('int_currencies__rates') }}, {{ ref('int_decisions__staged') }}
-- depends_on: {{ ref('int_executions__staged') }}
{{ config(schema='staging', tags=['trading_family']) }}
{%- set goes_on = family_goes_on('trading') -%}
{%- set new_batches = unprocessed_batches(['executions', 'decisions', 'cash_movements']) -%}

{#- What the last build left is named, not referenced: it is built after this. -#}
{% if not execute or goes_on %}
with new_executions as (
    select * from {{ ref('int_executions__staged') }}
    where {{ in_batches('_batch_id', new_batches) }}
),

new_decisions as (
    select * from {{ ref('int_decisions__staged') }}
    where {{ in_batches('_batch_id', new_batches) }}
),

executions as (
    select * from silver.executions
),

decisions as (
    select * from silver.decision_history
),

quarantined as (
    select
        dataset,
        {{ utc_timestamp("coalesce(original ->> 'executed_at', original ->> 'moved_at')") }}
            as told_of_at
    from silver.trading_quarantined
    where list_contains(reasons, 'no_currency_rate')
),

symbols_told_otherwise as (
    select distinct
        asset_class,
        symbol
    from ({{ changed_since_applied('trading_symbols') }}) as changed
),

currency_rates as (
    select
        from_currency,
        to_currency,
        needed_at,
        rate
    from {{ ref('int_currencies__rates') }}
),

applied_currency_rates as (
    select * from ops.applied_currency_rates
),

rates_gone as (
    select * from applied_currency_rates
    except
    select * from currency_rates
),

rates_come as (
    select * from currency_rates
    except
    select * from applied_currency_rates
),

revisions as (
    select
        'executions' as dataset,
        'told_again' as reason
    from new_executions
    semi join executions
        on
            new_executions.account_id = executions.account_id
            and new_executions.execution_id = executions.execution_id
    union all
    select
        'decisions' as dataset,
        'told_again' as reason
    from new_decisions
    semi join decisions on new_decisions.decision_id = decisions.decision_id
    union all
    -- An execution follows no decision of another account.
    select
        'executions' as dataset,
        'decided_by_another' as reason
    from new_decisions
    inner join executions on new_decisions.decision_id = executions.decision_id
    where new_decisions.account_id <> executions.account_id
    union all
    select
        'executions' as dataset,
        'decided_by_another' as reason
    from new_decisions
    inner join decisions on new_decisions.decision_id = decisions.decision_id
    where new_decisions.account_id is distinct from decisions.account_id
    union all
    select
        'executions' as dataset,
        'symbol' as reason
    from executions
    semi join symbols_told_otherwise
        on
            executions.asset_class = symbols_told_otherwise.asset_class
            and executions.symbol = symbols_told_otherwise.symbol
    union all
    select
        'decisions' as dataset,
        'symbol' as reason
    from decisions
    semi join symbols_told_otherwise
        on
            decisions.asset_class = symbols_told_otherwise.asset_class
            and decisions.symbol = symbols_told_otherwise.symbol
    union all
    select
        unnest(['executions', 'cash_movements']) as dataset,
        'currency_rate' as reason
    from rates_gone
    union all
    select
        quarantined.dataset,
        'currency_rate' as reason
    from quarantined
    semi join rates_come on quarantined.told_of_at = rates_come.needed_at
),
{% else %}
with revisions as (
    select {{ typed_nulls() }}
    where false
),
{% endif %}

final as (
    select distinct
        dataset,
        reason
    from revisions
)

select * from final
order by dataset, reason
