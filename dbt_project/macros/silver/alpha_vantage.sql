{% macro alpha_vantage_statements(dataset, statement) %}
    {#- The statements of one kind that Alpha Vantage sends: all kinds have the same envelope. -#}
with source as (
    select * from {{ lake_source('alpha_vantage', dataset) }}
),

final as (
    select
        {{ standard_statement(
            symbol='_symbol',
            statement=statement,
            period_end='fiscal_date_ending',
            fiscal_period="case period_type when 'annual' then 'FY' when 'quarterly' then 'Q' end",
            currency='reported_currency',
            items='items'
        ) }}
    from source
)

select * from final
{%- endmacro %}
