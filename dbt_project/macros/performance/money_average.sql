{% macro money_average(total, count) -%}
    {#- Mean of amounts of money, as a statistic: summed exactly, then divided. -#}
    cast({{ total }} as double) / nullif({{ count }}, 0)
{%- endmacro %}
