{% macro realized_volatility(log_return, period, bars_per_year, partition_by='series_no', order_by='bar_no') -%}
    {#- Sample standard deviation of `period` log returns, annualised. -#}
    {{ from_bar(period, rolling('stddev_samp(' ~ log_return ~ ')', period, partition_by, order_by)
        ~ ' * sqrt(' ~ bars_per_year ~ ')') }}
{%- endmacro %}
