{% macro exact_product(first, second, places=18) %}
    {#-
        The product of two decimals with up to 18 places, rounded once, to `places`. A decimal has 38
        digits, fewer than the product: whole and fractional parts are multiplied apart. Holds up to
        1e18.
    -#}
    {%- set whole_first = 'trunc(' ~ first ~ ')' -%}
    {%- set whole_second = 'trunc(' ~ second ~ ')' -%}
    {%- set part_of_first = 'cast(' ~ first ~ ' - ' ~ whole_first ~ ' as decimal(18, 18))' -%}
    {%- set part_of_second = 'cast(' ~ second ~ ' - ' ~ whole_second ~ ' as decimal(18, 18))' -%}
    cast(
        {{ whole_first }} * {{ whole_second }}
        + {{ whole_first }} * {{ part_of_second }}
        + {{ part_of_first }} * {{ whole_second }}
        + cast({{ part_of_first }} * {{ part_of_second }} as decimal(38, 18))
        as decimal(38, {{ places }})
    )
{%- endmacro %}
