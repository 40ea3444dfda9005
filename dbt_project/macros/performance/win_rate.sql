{% macro win_rate(net_pnl) -%}
    {#-
        Share of the trades that gained, of all: quantstats leaves those that gained and lost nothing
        out of the whole.
    -#}
    cast(count(*) filter (where {{ net_pnl }} > 0) as double) / nullif(count({{ net_pnl }}), 0)
{%- endmacro %}
