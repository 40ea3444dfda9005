{% macro exact_ratio(value) -%}
    {#-
        A return, share or score as a decimal, whose sums do not depend on the order of their rows; NULL
        where it is so large that a sum could overflow. Eighteen decimals, where `exact` has ten.
    -#}
    case when abs({{ value }}) < 1e12 then cast({{ value }} as decimal(38, 18)) end
{%- endmacro %}


{% macro exact_average(value) -%}
    {#- The mean of `value` over a group, whatever the order of its rows; NULL without any. -#}
    cast(sum({{ exact_ratio(value) }}) as double) / nullif(count({{ value }}), 0)
{%- endmacro %}
