{% macro sharpe_annualized(value, periods_per_year, order_by) -%}
    {#-
        Mean return by its standard deviation (sample) times the root of the periods per year; the
        risk-free rate is taken as 0. As `sharpe` of quantstats and `sharpe_ratio` of empyrical. NULL
        below two returns, and where all are the same.
    -#}
    avg({{ value }} order by {{ order_by }})
    / nullif(stddev_samp({{ value }} order by {{ order_by }}), 0)
    * sqrt({{ periods_per_year }})
{%- endmacro %}
