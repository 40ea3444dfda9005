-- depends_on: {{ ref('int_trading__revisions') }}
{{ config(schema='staging', tags=['trading_family']) }}

{#- What the last build left is named, not referenced: it is built after this. -#}
{% if family_goes_on('trading') and looks_at_all_records(['executions']) %}
with final as (
    select {{ execution_content() | join(', ') }}
    from silver.executions
)
{% else %}
with final as (
    select
        {%- for column in model.columns.values() %}
        cast(null as {{ column.data_type }}) as {{ column.name }}{{ ',' if not loop.last }}
        {%- endfor %}
    where false
)
{% endif %}

select * from final
