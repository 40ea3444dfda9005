{% macro amount(quantity, price) %}
    {#-
        The product of two decimals with up to 18 places, rounded once, to 12 places. A decimal has 38
        digits, fewer than the product: whole and fractional parts are multiplied apart. Holds up to
        1e18, beyond which records are quarantined (`too_large`).
    -#}
    {%- set whole_quantity = 'trunc(' ~ quantity ~ ')' -%}
    {%- set whole_price = 'trunc(' ~ price ~ ')' -%}
    {%- set part_of_quantity
        = 'cast(' ~ quantity ~ ' - ' ~ whole_quantity ~ ' as decimal(18, 18))' -%}
    {%- set part_of_price = 'cast(' ~ price ~ ' - ' ~ whole_price ~ ' as decimal(18, 18))' -%}
    cast(
        {{ whole_quantity }} * {{ whole_price }}
        + {{ whole_quantity }} * {{ part_of_price }}
        + {{ part_of_quantity }} * {{ whole_price }}
        + cast({{ part_of_quantity }} * {{ part_of_price }} as decimal(38, 18))
        as decimal(38, 12)
    )
{%- endmacro %}
