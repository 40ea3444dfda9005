{% macro money_average(amount, condition='true') -%}
    {#- Mean of amounts of money, as a statistic: summed exactly, then divided. -#}
    cast(sum({{ amount }}) filter (where {{ condition }}) as double)
    / nullif(count({{ amount }}) filter (where {{ condition }}), 0)
{%- endmacro %}
