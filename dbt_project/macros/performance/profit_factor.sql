{% macro profit_factor(net_pnl) -%}
    {#-
        What winning trades gained by what losing ones lost. As `profit_factor` of quantstats, but NULL,
        not infinite, without a loss.
    -#}
    cast(sum(greatest({{ net_pnl }}, 0)) as double)
    / nullif(cast(-sum(least({{ net_pnl }}, 0)) as double), 0)
{%- endmacro %}
