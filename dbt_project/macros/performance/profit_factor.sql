{% macro profit_factor(gains, losses) -%}
    {#-
        What winning trades gained by what losing ones lost (`losses` is negative). As `profit_factor`
        of quantstats, but NULL, not infinite, without a loss.
    -#}
    cast({{ gains }} as double) / nullif(cast(-{{ losses }} as double), 0)
{%- endmacro %}
