{% macro bollinger_deviation(price, period, partition_by='series_no', order_by='bar_no') -%}
    {#-
        Population standard deviation, half the width of a Bollinger band of 1. What is only rounding
        beside the price is 0, so that a constant series has no width.
    -#}
    {%- set deviation = rolling('stddev_pop(' ~ price ~ ')', period, partition_by, order_by) -%}
    {{ from_bar(period - 1, 'case when ' ~ deviation ~ ' > 1e-14 * abs(' ~ price ~ ') then ' ~ deviation
        ~ ' else 0.0e0 end') }}
{%- endmacro %}
