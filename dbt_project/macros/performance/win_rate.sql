{% macro win_rate(winning_count, count) -%}
    {#-
        Share of the trades that gained, of all: quantstats leaves those that gained and lost nothing
        out of the whole.
    -#}
    cast({{ winning_count }} as double) / nullif({{ count }}, 0)
{%- endmacro %}
