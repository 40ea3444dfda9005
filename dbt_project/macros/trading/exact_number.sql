{% macro exact_number(value) %}
    {#-
        A price as the decimal that it is written as, or NULL where that has no room: multiplied into a
        decimal, a double such as 0.1 would bring the digits behind its sixteenth with it.
    -#}
    try_cast(cast({{ value }} as varchar) as decimal(38, 18))
{%- endmacro %}
