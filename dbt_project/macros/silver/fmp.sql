{% macro fmp_statements(dataset, statement) %}
    {#- The statements of one kind that FMP sends: all kinds have the same envelope. -#}
with source as (
    select * from {{ lake_source('fmp', dataset) }}
),

final as (
    select
        {{ standard_statement(
            symbol='symbol',
            statement=statement,
            period_end='date',
            fiscal_period='period',
            currency='reported_currency',
            filed_at='filing_date',
            accepted_at='accepted_date',
            items='items',
            zero_is_unknown=true
        ) }}
    from source
)

select * from final
{%- endmacro %}
