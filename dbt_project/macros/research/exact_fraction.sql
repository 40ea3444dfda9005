{% macro exact_fraction(value) -%}
    {#-
        A return, a score or their product as a decimal, whose sums do not depend on the order of their
        rows, or NULL where it is beyond all reason: `exact`, with more places and less room.
    -#}
    case when abs({{ value }}) < 1e8 then cast({{ value }} as decimal(38, 20)) end
{%- endmacro %}


{% macro exact_mean(value, over='') -%}
    {#- The mean of returns or scores, the same in whatever order; `over` is a window. -#}
    (
            cast(sum({{ exact_fraction(value) }}) {{ over }} as double)
            / nullif(count({{ exact_fraction(value) }}) {{ over }}, 0)
        )
{%- endmacro %}
