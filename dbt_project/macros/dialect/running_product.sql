{% macro running_product(value, window) %}
    {#- The product of `value` over a window, multiplied out: sums of logarithms would round. -#}
    product({{ value }}) over {{ window }}
{%- endmacro %}
