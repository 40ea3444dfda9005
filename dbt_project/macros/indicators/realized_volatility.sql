{% macro realized_volatility(log_return, period, partition_by='series_no', order_by='bar_no') -%}
    {#- Sample standard deviation of `period` log returns; times the root of the bars per year, annualised. -#}
    {{ from_bar(period, rolling('stddev_samp(' ~ log_return ~ ')', period, partition_by, order_by)) }}
{%- endmacro %}
