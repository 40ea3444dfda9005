{% macro rank_within(value, window) -%}
    {#- Where the current row's value ranks among those of a moving window: 0 the lowest, 1 the highest. -#}
    percent_rank(order by {{ value }}) over {{ window }}
{%- endmacro %}
