{% macro sortino_annualized(value, periods_per_year, order_by) -%}
    {#-
        Mean return by its downside deviation times the root of the periods per year; the required
        return is 0. As `sortino` of quantstats and `sortino_ratio` of empyrical. NULL where no return
        is below 0.
    -#}
    avg({{ value }} order by {{ order_by }})
    / nullif({{ downside_deviation(value, order_by) }}, 0)
    * sqrt({{ periods_per_year }})
{%- endmacro %}


{% macro downside_deviation(value, order_by) -%}
    {#- Root of the mean squared loss over all periods, those without a loss among them. -#}
    sqrt(avg(pow(least({{ value }}, 0), 2) order by {{ order_by }}))
{%- endmacro %}
