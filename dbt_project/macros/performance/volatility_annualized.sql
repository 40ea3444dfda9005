{% macro volatility_annualized(value, periods_per_year, order_by) -%}
    {#-
        Standard deviation of returns (sample: divided by n - 1) times the root of the periods per year.
        As `volatility` of quantstats and `annual_volatility` of empyrical. NULL below two returns.
    -#}
    stddev_samp({{ value }} order by {{ order_by }}) * sqrt({{ periods_per_year }})
{%- endmacro %}
