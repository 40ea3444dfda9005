{% macro hit_rate(is_hit) -%}
    {#- Share of hits among what could be one; NULL without any. -#}
    cast(count(*) filter (where {{ is_hit }}) as double) / nullif(count({{ is_hit }}), 0)
{%- endmacro %}
