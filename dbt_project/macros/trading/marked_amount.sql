{% macro marked_amount(quantity, price, rate) %}
    {#-
        What a position is worth: `amount`, converted. Nobody vouches for a price that makes it larger
        than what is kept exactly (a bad bar, mostly): it then counts as that much.
    -#}
    case
        when {{ is_too_large(quantity, price, rate) }} or {{ is_too_large(quantity, price, 1) }}
            then cast(sign({{ quantity }}) * sign({{ price }}) * 1e18 as decimal(38, 12))
        when {{ rate }} = 1 then {{ amount(quantity, price) }}
        else {{ amount(amount(quantity, price), rate) }}
    end
{%- endmacro %}
