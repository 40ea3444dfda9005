{% macro calmar(annualized_return, max_drawdown) -%}
    {#-
        Annualized return by the size of the largest drawdown. As `calmar` of quantstats and
        `calmar_ratio` of empyrical. NULL without a drawdown.
    -#}
    {{ annualized_return }} / nullif(abs({{ max_drawdown }}), 0)
{%- endmacro %}
