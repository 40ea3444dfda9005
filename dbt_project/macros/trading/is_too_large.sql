{% macro is_too_large(quantity, price, rate) -%}
    {#- Whether an amount, converted, has no room among those that are kept exactly. -#}
    abs(cast({{ quantity }} as double) * cast({{ price }} as double) * cast({{ rate }} as double))
    >= 1e18
{%- endmacro %}


{% macro largest_quantity() -%}
    {#- Of this size and more, a million quantities would have no room in one sum. -#}
    1e13
{%- endmacro %}
