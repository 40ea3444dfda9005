{% macro exact_quotient(dividend, divisor) %}
    {#-
        A decimal with 18 places by another, to 18 places. Decimals divide as doubles, which hold 16
        digits: what is left after a first quotient is divided once more.
    -#}
    {%- set first
        = 'cast(cast(' ~ dividend ~ ' as double) / cast(' ~ divisor ~ ' as double)'
        ~ ' as decimal(38, 18))' -%}
    case
        when {{ divisor }} = 1 then {{ dividend }}
        when {{ divisor }} = trunc({{ divisor }})
            then
                {{ first }} + cast(
                    cast({{ dividend }} - {{ first }} * cast({{ divisor }} as bigint) as double)
                    / cast({{ divisor }} as double)
                    as decimal(38, 18)
                )
        else
            {{ first }} + cast(
                cast({{ dividend }} - {{ exact_product(first, divisor) }} as double)
                / cast({{ divisor }} as double)
                as decimal(38, 18)
            )
    end
{%- endmacro %}
