{% macro exact(value) %}
    {#-
        `value` as a decimal, whose sums do not depend on the order of their rows, or NULL where it is
        so large that the sum of a day's minutes could overflow.
    -#}
    case when abs({{ value }}) < 1e24 then cast({{ value }} as decimal(38, 10)) end
{%- endmacro %}
