-- depends_on: {{ ref('int_trading__revisions') }}
{{ config(schema='staging', tags=['trading_family']) }}
{%- set is_kept = family_goes_on('trading') and looks_at_all_records(['executions']) %}

with final as (
    {% if is_kept %}
    -- What the last build left: named, as it is built after this.
    select {{ execution_content() | join(', ') }}
    from silver.executions
    {% else %}
    select {{ typed_nulls() }}
    where false
    {% endif %}
)

select * from final
