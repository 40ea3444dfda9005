{% macro total_return(value, order_by) -%}
    {#-
        What one unit gained or lost, returns compounded: the product of 1 + r, less 1. As `comp` of
        quantstats and `cum_returns_final` of empyrical, but that nothing is left to lose once a return
        of -1 or less has taken everything.
    -#}
    product({{ growth(value) }} order by {{ order_by }}) - 1
{%- endmacro %}


{% macro growth(value) -%}
    {#- What becomes of one unit at a return, at the least nothing; NULL without a return. -#}
    case when {{ value }} > -1 then 1 + {{ value }} when {{ value }} <= -1 then 0 end
{%- endmacro %}
