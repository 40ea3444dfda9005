{% macro period_start(period_type, date, first_date) -%}
    {#- The day a period begins: of the year, of the month, or of everything. -#}
    case {{ period_type }}
        when 'all' then {{ first_date }}
        when 'year' then cast(date_trunc('year', {{ date }}) as date)
        when 'month' then cast(date_trunc('month', {{ date }}) as date)
    end
{%- endmacro %}
