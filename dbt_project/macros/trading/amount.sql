{% macro amount(quantity, price) %}
    {#-
        The product of two decimals with up to 18 places, rounded once, to 12 places. Holds up to 1e18,
        beyond which records are quarantined (`too_large`).
    -#}
    {{- exact_product(quantity, price, places=12) -}}
{%- endmacro %}
